"""The frame of cells -> how much the runs of a cell differ, relative to their mean, one row a metric."""

from __future__ import annotations

import pandas as pd

from bench.stats.diagnostics import variation_class


def variation(cells: pd.DataFrame) -> pd.DataFrame:
    """``metric low median high class``: coefficients of variation over the cells, and the class of their median."""
    table = cells.groupby("metric", sort=False)["cv"].agg(low="min", median="median", high="max").reset_index()
    table["class"] = [variation_class(cv) for cv in table["median"]]
    return table
