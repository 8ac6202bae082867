"""Runs that differ in the seeds of several strata -> how much each varies, and what the next comparison needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.judge.coded import CodedRuns
from bench.judge.sensitivity import seeds_to_find
from bench.plan.labels import effect_label
from bench.plan.strata import ENDING
from bench.stats.coding import Floats, Ints
from bench.stats.components import MeanSquares, mean_squares
from bench.stats.identify import Design
from bench.stats.term_models import cell_weights, effects_of

MEAN = "mean"
"""What the mean of all cells is called among the effects."""
PER_UNIT = (1, 2, 3, 5, 10)
"""Numbers of seeds of the innermost stratum for which the needs are given."""
_COMPONENTS = ["metric", "effect", "component", "df", "mean_square", "variance", "low", "high", "share"]
_COMPONENTS += ["se_units", "se_all", "units", "dropped", "reason"]
_NEEDS = ["metric", "effect", "inner", "per_unit", "sd", "margin", "units"]


@dataclass(frozen=True)
class Layout:
    """Which groups of every stratum the runs of a cell belong to, of those strata that have several."""

    names: tuple[str, ...]
    crossed: bool
    places: tuple[Ints, ...]
    """Of each combination of seeds its place on the axis of every stratum, nested groups counted within their outer."""
    reason: str = ""
    """Why there are no components; empty where there are."""

    @classmethod
    def of(cls, labels: Ints, names: Sequence[str]) -> Layout:
        """The layout of ``labels`` (combinations, strata), outer strata first.

        Strata are nested where a label of an inner one occurs within one group of the outer ones only, else crossed.
        """
        several = [axis for axis in range(labels.shape[1]) if len(np.unique(labels[:, axis])) > 1]
        labels, kept = labels[:, several], tuple(names[axis].removesuffix(ENDING) for axis in several)
        if len(several) < 2:
            return cls(kept, crossed=True, places=(), reason="fewer than two strata have more than one seed")
        groups = [_group(labels[:, : depth + 1]) for depth in range(len(several))]
        codes = [_group(labels[:, [axis]]) for axis in range(len(several))]
        nested = all(
            len({*zip(code, group, strict=True)}) == code.max() + 1 for code, group in zip(codes, groups, strict=True)
        )
        places = [codes[0], *(_within(inner, outer) for outer, inner in pairwise(groups))]
        return cls(kept, not nested, tuple(places if nested else codes))

    def table(self, values: Floats) -> Floats:
        """Values of the combinations as a table with an axis a stratum; NaN where there is none."""
        table = np.full([place.max() + 1 for place in self.places], np.nan)
        table[self.places] = values
        return table


def require_strata(frame: pd.DataFrame, strata: Sequence[str], others: Sequence[str]) -> None:
    """Refuse columns of strata that are none, are missing somewhere, or are named twice.

    Raises:
        BenchError: naming the column.
    """
    for place, name in enumerate(strata):
        known = f"The table has columns {', '.join(map(str, frame.columns))}."
        if name not in frame.columns:
            raise BenchError(f"The table has no column {name!r}.", hint=known)
        if name in others or name in strata[:place]:
            raise BenchError(f"Named twice: {name}.", hint="A column is a factor, a block or a metric.")
        if frame[name].isna().any():
            raise BenchError(f"Block {name!r} is missing in some rows.", hint="Give each run its seed of every block.")


def component_frames(
    strata: pd.DataFrame,
    runs: CodedRuns,
    planned: Design,
    logs: Mapping[str, bool],
    margins: Mapping[str, float],
    confidence: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``stratum_frames`` of the runs of a table; ``strata`` has a column each, outer first, and a row a run.

    ``runs`` are not averaged yet. ``logs``: metric -> whether it is analysed as logarithms.
    """
    codes = np.column_stack([pd.factorize(strata[name], sort=True)[0] for name in strata.columns])
    combination = _group(codes)
    labels = codes[np.unique(combination, return_index=True)[1]]
    tables = {}
    for metric, log in logs.items():
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.log(runs.values[metric]) if log else runs.values[metric]
        means = pd.Series(values).groupby([combination, runs.cell]).mean()
        table = np.full((len(labels), len(runs.cells)), np.nan)
        rows, cells = (means.index.get_level_values(level).to_numpy() for level in (0, 1))
        table[rows, cells] = means.to_numpy()
        tables[metric] = table
    names = [(factor.name, factor.labels) for factor in runs.factors]
    return stratum_frames(tables, Layout.of(labels, list(strata.columns)), planned, names, margins, confidence)


def stratum_frames(
    tables: Mapping[str, Floats],
    layout: Layout,
    design: Design,
    factors: Sequence[tuple[str, Sequence[str]]],
    margins: Mapping[str, float],
    confidence: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Components of variance, and what they mean for the next comparison.

    ``tables``: metric -> values (combinations of seeds, cells) on the scale of the analysis. ``factors``: name and
    labels of levels. The first frame has a row a metric, effect (of the mean of all cells: ``mean``) and component:
    ``variance`` with its interval and ``share`` of all, ``se_units`` of the estimate by the units alone and ``se_all``,
    if the seeds of every stratum were drawn anew (variances below 0 taken as 0). Outer groups that lack a run are
    dropped. The second is of ``needs``.
    """
    weights = {MEAN: np.full(len(design.codes), 1 / len(design.codes))}
    for main, row in zip(effects_of(design), cell_weights(design), strict=True):
        if len(main.term) == 1:
            (factor,), (level,) = main.term, main.levels
            name, labels = factors[factor]
            weights[effect_label([(name, labels[level] if len(labels) > 2 else None)])] = row
    rows: list[Mapping[str, Any]] = []
    further: list[Mapping[str, Any]] = []
    for metric, table in tables.items():
        for effect, row in weights.items():
            named = {"metric": metric, "effect": effect}
            groups = _balanced(table @ row, layout)
            if isinstance(groups, str):
                rows.append({**named, "reason": groups})
                continue
            balanced, dropped = groups
            squares = _without_rounding(mean_squares(balanced[..., None], crossed=layout.crossed), table)
            size = {"units": len(balanced), "dropped": dropped, "reason": ""}
            rows += [{**named, **entry, **size} for entry in _components(squares, balanced.shape, layout, confidence)]
            if effect != MEAN:
                margin = margins.get(metric, np.nan)
                further += [{**named, **entry, "margin": margin} for entry in _needs(squares, layout, margin)]
    return pd.DataFrame(rows, columns=_COMPONENTS), pd.DataFrame(further, columns=_NEEDS)


def _balanced(values: Floats, layout: Layout) -> tuple[Floats, int] | str:
    """The table of the outer groups that have every run, and how many are dropped; or why there is none."""
    if layout.reason:
        return layout.reason
    table = layout.table(values)
    complete = np.isfinite(table).all(axis=tuple(range(1, table.ndim)))
    if complete.sum() < 2:
        return f"fewer than two {layout.names[0]} groups have every run"
    return table[complete], int((~complete).sum())


def _without_rounding(squares: MeanSquares, values: Floats) -> MeanSquares:
    """Mean squares that the rounding of the ``values`` alone explains are 0."""
    least = (1e-13 * np.nanmax(np.abs(values))) ** 2
    return replace(squares, mean_squares=np.where(squares.mean_squares > least, squares.mean_squares, 0.0))


def _components(
    squares: MeanSquares, shape: Sequence[int], layout: Layout, confidence: float
) -> Iterator[Mapping[str, Any]]:
    variances = squares.components[:, 0]
    total = np.maximum(variances, 0.0).sum()
    averaged = np.array([1 / np.prod([shape[axis] for axis in _averaged(term, layout)]) for term in squares.terms])
    unit_square = squares.mean_squares[squares.terms.index((0,)), 0]
    errors = {
        "se_units": np.sqrt(unit_square / np.prod(shape)),
        "se_all": np.sqrt(averaged @ np.maximum(variances, 0.0)),
    }
    for place, term in enumerate(squares.terms):
        low, high = squares.interval(squares.weights[place], confidence)
        yield {
            "component": " × ".join(layout.names[axis] for axis in (term if layout.crossed else term[-1:])),
            "df": squares.df[place],
            "mean_square": squares.mean_squares[place, 0],
            "variance": variances[place],
            "low": low[0],
            "high": high[0],
            "share": max(variances[place], 0.0) / total if total > 0 else np.nan,
            **errors,
        }


def _averaged(term: Sequence[int], layout: Layout) -> Sequence[int]:
    """The axes over whose groups the effects of a term are averaged."""
    return term if layout.crossed else range(term[-1] + 1)


def _needs(squares: MeanSquares, layout: Layout, margin: float) -> Iterator[Mapping[str, Any]]:
    """The SD of an effect over units that each have seeds of their own, with several of the innermost stratum."""
    variances, last = squares.components[:, 0], len(layout.names) - 1
    inner = np.array([last in term for term in squares.terms])
    between, within = (max(float(variances[part].sum()), 0.0) for part in (~inner, inner))
    for number in PER_UNIT:
        sd = float(np.sqrt(between + within / number))
        yield {"inner": layout.names[last], "per_unit": number, "sd": sd, "units": seeds_to_find(margin, sd, 1)}


def _group(labels: Ints) -> Ints:
    """The number of the group of each row, in the order of the labels."""
    return np.asarray(np.unique(labels, axis=0, return_inverse=True)[1], np.int64).reshape(-1)


def _within(inner: Ints, outer: Ints) -> Ints:
    """The place of each inner group among those of its outer one."""
    first = pd.Series(inner).groupby(outer).rank(method="dense")
    return first.to_numpy(np.int64) - 1
