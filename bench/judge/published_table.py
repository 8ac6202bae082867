"""Means and SDs of our cells and a published table -> both side by side, with how far apart they are."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

from bench.errors import BenchError

LABEL = "config"
"""A column of a published table, if it has one, that holds what the publication calls each combination."""
_NUMBERS = ("mean", "std", "n")
_OURS = {
    *("metric", *_NUMBERS, "cell", "n_missing", "sd", "cv", "min", "max"),
    *("published_mean", "published_sd", "published_n", "our_mean", "our_sd", "our_n"),
    *("difference", "standard_error", "se_source", "z", "within_3_se"),
}


def compare_published(
    cells: pd.DataFrame, table: pd.DataFrame, factors: Sequence[str], *, ddof: int = 0
) -> pd.DataFrame:
    """One row per published mean, with ours of the same levels and metric beside it.

    ``cells`` is ``Analysis.cells``. ``table`` has a column per factor, ``metric``, ``mean``, ``std`` (empty where none
    was printed) and ``n``, and may have ``config``, what the publication calls the combination; ``ddof`` says which SD
    was printed: 0 for that of a population, 1 for that of a sample. The standard error is the published mean's: from
    the published SD, brought to ddof 1, or from our SD and the published n where none was printed (``se_source``).
    ``z`` is the difference over it. A metric or cell that was not run has NaN beside it. Raises BenchError for missing
    columns, unknown levels and text that is not a number.
    """
    published = _read(table, cells, factors)
    named = [name for name in (LABEL,) if name in table.columns and name not in factors]
    published = published.assign(**{name: table[name].astype(str).to_numpy() for name in named})
    ours = cells[[*factors, "metric", "mean", "sd", "n"]].copy()
    ours[list(factors)] = ours[list(factors)].astype(str)
    joined = published.merge(ours, on=[*factors, "metric"], how="left", validate="one_to_one", suffixes=("", "_ours"))
    n = joined["n"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        sample_sd = joined["std"].to_numpy(float) * np.sqrt((n - ddof) / (n - 1))
        printed = np.isfinite(sample_sd)
        error = np.where(printed, sample_sd, joined["sd"].to_numpy(float)) / np.sqrt(n)
        difference = (joined["mean_ours"] - joined["mean"]).to_numpy(float)
        z = np.where(error > 0, difference / error, np.nan)
    return joined[[*named, *factors, "metric"]].assign(
        published_mean=joined["mean"],
        published_sd=joined["std"],
        published_n=joined["n"],
        our_mean=joined["mean_ours"],
        our_sd=joined["sd"],
        our_n=joined["n_ours"],
        difference=difference,
        standard_error=error,
        se_source=np.where(printed, "published", np.where(np.isfinite(error), "ours", "")),
        z=z,
        within_3_se=np.abs(z) <= 3.0,
    )


def _read(table: pd.DataFrame, cells: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    if clash := sorted(_OURS & set(factors)):
        raise BenchError(
            f"The factor {clash[0]!r} is called like a column of the comparison with a published table.",
            hint=f"Such a table has {', '.join(_NUMBERS)} of its own; rename the factor, or leave the table out.",
        )
    columns = [*factors, "metric", *_NUMBERS]
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise BenchError(
            f"The published table has no column {', '.join(missing)}.",
            hint=f"It needs {', '.join(columns)}; it has {', '.join(map(str, table.columns))}.",
        )
    published = table[columns].reset_index(drop=True)
    for name in _NUMBERS:
        published[name] = _numbers(published[name], name, optional=name == "std")
    for name in factors:
        published[name] = published[name].astype(str)
        _require_known(published[name], list(cells[name].unique()))
    twice = published.duplicated([*factors, "metric"])
    if twice.any():
        row = int(np.flatnonzero(twice)[0]) + 1
        raise BenchError(f"The published table gives a cell twice, again in row {row}.", hint="Keep one of the rows.")
    return published


def _numbers(column: pd.Series, name: str, *, optional: bool) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    blank = column.isna() | (column.astype(str).str.strip() == "")
    bad = ~np.isfinite(numbers) & ~(blank & optional)
    if name == "n":
        bad |= numbers < 1
    if name == "std":
        bad |= numbers < 0
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise BenchError(
            f"The published table has {column.iloc[row]!r} for {name} in row {row + 1}.",
            hint="mean and std are numbers (std may be empty), n is a count of at least 1.",
        )
    return numbers.astype(float)


def _require_known(column: pd.Series, levels: Sequence[Hashable]) -> None:
    allowed = {str(level) for level in levels}
    unknown = sorted(set(column) - allowed)
    if unknown:
        raise BenchError(
            f"The published table has the {column.name} {', '.join(map(repr, unknown))}, which was not run.",
            hint=f"Run: {', '.join(sorted(allowed))}.",
        )
