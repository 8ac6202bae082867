"""A tidy frame with one row a run -> level codes, block codes and values, or a BenchError that says what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.plan.labels import cell_label
from bench.plan.levels import rival
from bench.stats.coding import Floats, Ints


@dataclass(frozen=True)
class Factor:
    """A factor with more than one level; the first level is the reference."""

    name: str
    levels: tuple[Hashable, ...]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The levels as text."""
        return tuple(str(level) for level in self.levels)


@dataclass(frozen=True)
class CodedRuns:
    """Runs as numbers: ``codes`` (runs, factors), ``cell`` and ``block`` (runs,), all counted from 0."""

    factors: tuple[Factor, ...]
    codes: Ints
    cell: Ints
    cells: Ints
    """Codes of the cells that were run, shape (cells, factors), in the order of the levels."""
    block: Ints | None
    block_name: str
    block_labels: tuple[str, ...]
    values: Mapping[str, Floats]

    @property
    def n_levels(self) -> tuple[int, ...]:
        """Number of levels of each factor."""
        return tuple(len(factor.levels) for factor in self.factors)

    @property
    def cell_labels(self) -> list[str]:
        """Levels of each cell, distinct for distinct cells."""
        return [
            cell_label(factor.levels[code] for factor, code in zip(self.factors, row, strict=True))
            for row in self.cells
        ]

    @property
    def copies(self) -> Ints:
        """Number of runs of each pair of a cell and a block that was run; empty where runs are independent."""
        return np.empty(0, np.int64) if self.block is None else np.unique(self._pair, return_counts=True)[1]

    @property
    def partly_missing(self) -> Mapping[str, int]:
        """Of each metric, the number of pairs of a cell and a block where some runs have a value and some have none."""
        pair = np.unique(self._pair, return_inverse=True)[1]
        counts = {name: np.bincount(pair, weights=np.isfinite(values)) for name, values in self.values.items()}
        return {name: int(((count > 0) & (count < self.copies)).sum()) for name, count in counts.items()}

    def averaged(self, log: Collection[str]) -> CodedRuns:
        """One row for each cell and block: the mean of its runs that have a value, NaN where none has one.

        Of the metrics in ``log`` it is the geometric mean of the positive values.
        """
        if self.block is None or (self.copies == 1).all():
            return self
        _, first, pair = np.unique(self._pair, return_index=True, return_inverse=True)
        values = {
            name: _geometric_means(runs, pair, len(first)) if name in log else _means(runs, pair, len(first))
            for name, runs in self.values.items()
        }
        return replace(self, codes=self.codes[first], cell=self.cell[first], block=self.block[first], values=values)

    @property
    def _pair(self) -> Ints:
        assert self.block is not None
        return self.block * len(self.cells) + self.cell

    def cell_levels(self) -> pd.DataFrame:
        """One row per cell, one column per factor, in the factor's own values."""
        return pd.DataFrame(
            {
                factor.name: pd.Series([factor.levels[code] for code in self.cells[:, position]], dtype=object)
                for position, factor in enumerate(self.factors)
            }
        )


def code_runs(
    frame: pd.DataFrame,
    factors: Sequence[str],
    block: str | None,
    metrics: Sequence[str],
    reference: Mapping[str, Hashable] | None = None,
) -> CodedRuns:
    """Check the columns and count levels from the reference. Raises BenchError for a table that cannot be analysed."""
    _require_columns(frame, factors, block, metrics)
    if frame.empty:
        raise BenchError("The table has no rows.", hint="Give it one row per run.")
    unknown = sorted(set(reference or {}) - set(factors))
    if unknown:
        raise BenchError(f"Reference given for {', '.join(unknown)}, which is no factor.", hint=_choices(factors))
    coded = [_code_factor(frame[name], (reference or {}).get(name)) for name in factors]
    codes = np.stack([codes for _, codes in coded], axis=1)
    cells, cell = unique_rows(codes)
    block_codes, block_labels = (None, ()) if block is None else _code_block(frame[block])
    return CodedRuns(
        factors=tuple(factor for factor, _ in coded),
        codes=codes,
        cell=cell,
        cells=cells,
        block=block_codes,
        block_name=block or "",
        block_labels=block_labels,
        values={name: _numbers(frame[name]) for name in metrics},
    )


def unique_rows(codes: Ints) -> tuple[Ints, Ints]:
    """The different rows in their order, and which of them each row is."""
    number = np.asarray(pd.DataFrame(codes).groupby(list(range(codes.shape[1]))).ngroup(), np.int64)
    return codes[np.unique(number, return_index=True)[1]], number


def _means(values: Floats, group: Ints, groups: int) -> Floats:
    """Mean of the finite values of each group, NaN where there are none.

    Summed as deviations from one value of the group, so that the mean of equal values is exactly their value.
    """
    values, group, one = _with_one_of_each(values, group, groups)
    sums = np.bincount(group, weights=values - one[group], minlength=groups)
    return np.asarray(one + sums / np.maximum(np.bincount(group, minlength=groups), 1))


def _geometric_means(values: Floats, group: Ints, groups: int) -> Floats:
    """Geometric mean of the positive finite values of each group, as ``_means``."""
    values, group, one = _with_one_of_each(np.where(values > 0, values, np.nan), group, groups)
    sums = np.bincount(group, weights=np.log(values) - np.log(one[group]), minlength=groups)
    return np.asarray(one * np.exp(sums / np.maximum(np.bincount(group, minlength=groups), 1)))


def _with_one_of_each(values: Floats, group: Ints, groups: int) -> tuple[Floats, Ints, Floats]:
    """The finite values and their groups, and one value of each group, NaN where there is none."""
    present = np.isfinite(values)
    one = np.full(groups, np.nan)
    one[group[present]] = values[present]
    return values[present], group[present], one


def _require_columns(frame: pd.DataFrame, factors: Sequence[str], block: str | None, metrics: Sequence[str]) -> None:
    if not factors:
        raise BenchError("No factor was named.", hint=_choices(frame.columns))
    if not metrics:
        raise BenchError("No metric was named.", hint=_choices(frame.columns))
    names = [*factors, *([] if block is None else [block]), *metrics]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BenchError(f"Named twice: {', '.join(twice)}.", hint="A column is a factor, the block or a metric.")
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise BenchError(f"The table has no column {', '.join(map(repr, missing))}.", hint=_choices(frame.columns))
    doubled = sorted({str(name) for name in names if list(frame.columns).count(name) > 1})
    if doubled:
        raise BenchError(f"The table has more than one column called {', '.join(doubled)}.", hint="Rename one of them.")


def _code_factor(column: pd.Series, reference: Hashable) -> tuple[Factor, Ints]:
    name = str(column.name)
    if column.isna().any():
        raise BenchError(
            f"Factor {name!r} has no level in {_where(column.isna())}.",
            hint="Give each run a level of every factor, or leave the run out.",
        )
    present = list(column.unique())
    if isinstance(column.dtype, pd.CategoricalDtype):
        present = [level for level in column.cat.categories if level in set(present)]
    if isinstance(column.dtype, np.dtype) and column.dtype == object:  # where pandas takes 1 and True for one level
        present = list({(type(level), level): level for level in column}.values())
    levels: list[Hashable] = [level.item() if isinstance(level, np.generic) else level for level in present]
    for level in levels:
        if (other := rival(level, levels)) is not None:
            raise BenchError(
                f"Factor {name!r} has levels that look alike: {other!r} and {level!r}.",
                hint="Write each level in one way only.",
            )
    if reference is not None:
        matches = [level for level in levels if level == reference or str(level) == str(reference)]
        if not matches:
            raise BenchError(f"Factor {name!r} has no level {reference!r}.", hint=_choices(levels))
        levels = [matches[0], *(level for level in levels if level != matches[0])]
    position = {level: index for index, level in enumerate(levels)}
    return Factor(name, tuple(levels)), np.asarray(column.map(position), dtype=np.int64)


def _code_block(column: pd.Series) -> tuple[Ints, tuple[str, ...]]:
    """Codes in the order of the values, so that the order of the seeds means something whatever that of the rows."""
    if column.isna().any():
        raise BenchError(
            f"Block {column.name!r} is missing in {_where(column.isna())}.",
            hint="Give each run its block (its seed), or analyse the runs as independent.",
        )
    codes, values = pd.factorize(column, sort=True)
    return codes.astype(np.int64), tuple(str(value) for value in values)


def _numbers(column: pd.Series) -> Floats:
    try:
        return column.to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        number = pd.to_numeric(column, errors="coerce")
        odd = number.isna() & column.notna()
        example = f": {column[odd].iloc[0]!r} in {_where(odd)}" if odd.any() else ""
        raise BenchError(
            f"Metric {column.name!r} holds values that are not numbers{example}.",
            hint="Write 1234.5, without %, units or separators of thousands; leave a lost value empty.",
        ) from error


def _where(mask: pd.Series) -> str:
    """How many rows, and the first, counted from 1 below the header."""
    first = int(np.flatnonzero(mask)[0]) + 1
    count = int(mask.sum())
    return f"row {first}" if count == 1 else f"{count} rows, first in row {first}"


def _choices(names: Sequence[Hashable] | pd.Index) -> str:
    return f"Known: {', '.join(str(name) for name in names)}."
