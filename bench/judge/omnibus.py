"""Estimates of every metric -> the flat frame of tests that all cells of a table without blocks are equal."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.judge.effects import MetricEffects
from bench.stats.groups import welch_anova

_COLUMNS = ["metric", "test", "statistic", "df_num", "df_den", "p"]


def omnibus_frame(metrics: Sequence[MetricEffects]) -> pd.DataFrame:
    """One row per metric of independent runs: Welch's F over the cells that have values."""
    rows = [
        (entry.metric, "welch", *welch_anova([sample for sample in entry.cells.samples if len(sample)]))
        for entry in metrics
        if entry.cells.table is None and (entry.cells.n > 0).sum() > 1
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)
