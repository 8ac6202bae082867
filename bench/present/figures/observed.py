"""An analysis -> one tidy row for each metric and run with a value, for figures that show the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from bench.judge.analysis import Analysis
from bench.judge.effect_frames import factor_column
from bench.judge.extreme_units import unit_of

if TYPE_CHECKING:
    from bench.present.study import Context


def observed(analysis: Analysis, context: Context) -> pd.DataFrame:
    """Columns ``metric cell block value`` as measured, and ``factor 0``, ``factor 1``, … with codes of the levels."""
    rows = analysis.values[["metric", "cell", "block", "value"]]
    ratio = set(analysis.contrasts.loc[analysis.contrasts["scale"] == "ratio", "metric"])
    with np.errstate(over="ignore"):
        measured = np.where(rows["metric"].isin(ratio), np.exp(rows["value"]), rows["value"])
    cells = analysis.cells.drop_duplicates("cell").set_index("cell")
    codes = {}
    for position, (name, levels) in enumerate(context.factors.items()):
        code = {str(level): index for index, level in enumerate(levels)}
        of_cell = {cell: code[str(level)] for cell, level in cells[factor_column(name)].items()}
        codes[f"factor {position}"] = rows["cell"].map(of_cell).astype(np.int64)
    return rows.assign(value=measured.astype(float), **codes).reset_index(drop=True)


def by_block(rows: pd.DataFrame, positions: list[int], *, log: bool) -> pd.DataFrame:
    """Mean of each block at each combination of levels of some factors: a row a block, a column a combination of codes.

    Averages over the cells of the other factors that were run, each with equal weight, for ``log`` geometric. A
    block that lacks some of these cells is left out.
    """
    keys = [rows[f"factor {position}"] for position in positions]
    value = np.log(rows["value"]) if log else rows["value"]
    cells = value.groupby([rows["block"], rows["cell"], *keys], sort=True).mean()
    n_cells = cells.groupby(level=0).transform("size")
    means = cells[n_cells == n_cells.max()].groupby(level=[0, *range(2, 2 + len(keys))]).mean()
    means = pd.Series(np.exp(means), index=means.index) if log else means
    return pd.DataFrame(means.unstack(list(range(1, 1 + len(keys)))))


def marginal(rows: pd.DataFrame, positions: list[int], confidence: float, *, log: bool) -> pd.DataFrame:
    """Means of combinations of levels: a row each with its codes, ``mean low high`` (t).

    Over the blocks, those of ``by_block``; where runs are independent (no block has two cells), cells' means are
    averaged and their variances added (Welch).
    """
    rows, unit = _in_unit(rows, log=log)
    means = (
        _over_blocks(*_by_block(rows, positions, log=log))
        if _has_blocks(rows)
        else _independent(rows, positions, log=log)
    )
    half = stats.t.isf((1 - confidence) / 2, means["df"]) * means["se"]
    codes = [np.atleast_1d(key) for key in means.index]
    named = {f"code {at}": [int(code[at]) for code in codes] for at in range(len(positions))}
    return pd.DataFrame(_limits("mean", means["mean"], half, unit, log=log)).assign(**named).reset_index(drop=True)


def _has_blocks(rows: pd.DataFrame) -> bool:
    return bool(rows["block"].nunique() > 1 and rows.groupby("block")["cell"].nunique().max() > 1)


def _by_block(rows: pd.DataFrame, positions: list[int], *, log: bool) -> tuple[np.ndarray, Any]:
    """The values of ``by_block``, for ``log`` their logarithms, and the combinations that its columns are of."""
    table = by_block(rows, positions, log=log)
    values = table.to_numpy(float)
    return np.log(values) if log else values, table.columns


def _over_blocks(values: np.ndarray, index: Any = None) -> pd.DataFrame:
    """``mean se df`` of each column over its rows."""
    n = len(values)
    return pd.DataFrame({"mean": values.mean(axis=0), "se": _spread(values) / np.sqrt(n), "df": n - 1.0}, index=index)


def _independent(rows: pd.DataFrame, positions: list[int], *, log: bool) -> pd.DataFrame:
    """``mean se df`` (Welch) of independent runs at each combination: cells weigh equally, their variances add."""
    keys = [f"factor {position}" for position in positions]
    value = np.log(rows["value"]) if log else rows["value"]
    cells = value.groupby([*(rows[key] for key in keys), rows["cell"]]).agg(["mean", "var", "size"])
    part = cells["var"] / cells["size"]
    grouped = cells.assign(part=part, squared=part**2 / (cells["size"] - 1)).groupby(level=list(range(len(keys))))
    sums = grouped[["part", "squared"]].sum(min_count=1)
    se = np.sqrt(sums["part"]) / grouped.size()
    return pd.DataFrame({"mean": grouped["mean"].mean(), "se": se, "df": sums["part"] ** 2 / sums["squared"]})


def cell_means(rows: pd.DataFrame, confidence: float, *, log: bool) -> pd.DataFrame:
    """A row a cell, in the order of the rows: ``cell n mean low high``, geometric for ``log``."""
    rows, unit = _in_unit(rows, log=log)
    value = np.log(rows["value"]) if log else rows["value"]
    cells = value.groupby(rows["cell"], sort=False, observed=True).agg(["size", "mean", "std"])
    half = stats.t.isf((1 - confidence) / 2, cells["size"] - 1) * cells["std"] / np.sqrt(cells["size"])
    limits = _limits("mean", cells["mean"], half, unit, log=log)
    return pd.DataFrame({"n": cells["size"], **limits}).reset_index(names="cell")


def fitted_curve(
    rows: pd.DataFrame, position: int, doses: list[float], order: int, confidence: float, *, log: bool
) -> pd.DataFrame:
    """A polynomial through the means of the levels, with its band: ``dose line value low high`` at 60 doses."""
    at = np.asarray(doses)
    spaced = np.log(at) if evenly_in_logs(at) else at
    rows, unit = _in_unit(rows, log=log)
    places = np.linspace(spaced.min(), spaced.max(), 60)
    weights = np.vander(places, order + 1) @ np.linalg.pinv(np.vander(spaced, order + 1))
    if _has_blocks(rows):
        curve = _over_blocks(_by_block(rows, [position], log=log)[0] @ weights.T)
    else:
        of_level = _independent(rows, [position], log=log)
        parts = (weights * of_level["se"].to_numpy()) ** 2
        df = parts.sum(axis=1) ** 2 / (parts**2 / of_level["df"].to_numpy()).sum(axis=1)  # Satterthwaite
        curve = pd.DataFrame({"mean": weights @ of_level["mean"], "se": np.sqrt(parts.sum(axis=1)), "df": df})
    half = stats.t.isf((1 - confidence) / 2, curve["df"]) * curve["se"]
    limits = _limits("value", curve["mean"], half, unit, log=log)
    return pd.DataFrame({"dose": np.exp(places) if evenly_in_logs(at) else places, "line": "fit", **limits})


def _in_unit(rows: pd.DataFrame, *, log: bool) -> tuple[pd.DataFrame, float]:
    """The rows with values whose squares are numbers, and what these are to be multiplied by."""
    unit = 1.0 if log else unit_of(rows["value"].to_numpy(float))
    return rows.assign(value=rows["value"] / unit), unit


def _limits(name: str, mean: Any, half: Any, unit: float, *, log: bool) -> dict[str, Any]:
    """A mean and the ends of its interval as measured: times ``unit``, or of logarithms geometric."""
    limits = {name: mean, "low": mean - half, "high": mean + half}
    with np.errstate(over="ignore"):
        return {key: np.exp(limit) if log else limit * unit for key, limit in limits.items()}


def _spread(rows: np.ndarray) -> np.ndarray:
    """Standard deviation over rows; NaN of fewer than two."""
    spread: np.ndarray = rows.std(axis=0, ddof=1) if len(rows) > 1 else np.full(rows.shape[1], np.nan)
    return spread


def evenly_in_logs(doses: np.ndarray) -> bool:
    """Whether positive doses are spaced more evenly in their logarithms than as they are."""
    ordered = np.sort(doses)
    if ordered[0] <= 0:
        return False
    spreads = [np.std(steps) / np.mean(steps) for steps in (np.diff(np.log(ordered)), np.diff(ordered))]
    return bool(spreads[0] < spreads[1] * (1 - 1e-9))
