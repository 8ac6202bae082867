"""An analysis -> one tidy row for each metric and run with a value, for figures that show the runs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.judge.analysis import Analysis
from bench.judge.frames import factor_column
from bench.present.tables import Context


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
