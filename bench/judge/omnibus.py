"""Estimates of every metric -> the flat frame of tests that all cells are equal, by ranks, permutation and Welch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from bench.judge.effects import MetricEffects
from bench.stats.oneway import welch_anova
from bench.stats.ranks import friedman, iman_davenport, kruskal
from bench.stats.resample import permute_within_blocks

_COLUMNS = ["metric", "test", "statistic", "df_num", "df_den", "p", "effect"]
_MOST_PERMUTED = 20_000
_NAN = float("nan")
_Row = tuple[str, float, float, float, float, float]


def omnibus_frame(metrics: Sequence[MetricEffects], rng: np.random.Generator) -> pd.DataFrame:
    """One row per metric and test of equal cells.

    ``welch`` and ``kruskal`` (with epsilon squared) take runs as independent; ``friedman`` (with Kendall's W),
    ``iman_davenport`` and ``permutation`` within blocks use the blocks that have every cell.
    """
    rows = [(entry.metric, *row) for entry in metrics for row in _tests(entry, rng)]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _tests(entry: MetricEffects, rng: np.random.Generator) -> Iterator[_Row]:
    cells = entry.cells
    used = cells.n > 0
    if used.sum() < 2:
        return
    F, df, p = welch_anova(cells.mean[used], cells.sd[used] ** 2, cells.n[used])
    yield "welch", F, float(used.sum() - 1), df, p, _NAN
    group = np.repeat(np.arange(len(cells.n)), cells.n)
    ranked = kruskal(np.concatenate(cells.samples), group)
    yield "kruskal", ranked.statistic, ranked.df, _NAN, ranked.p, ranked.effect
    if cells.table is None:
        return
    table = cells.table[:, used]
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) < 2:
        return
    within = friedman(table)
    yield "friedman", within.statistic, within.df, _NAN, within.p, within.effect
    F, p = iman_davenport(within, len(table))
    yield "iman_davenport", F, within.df, within.df * (len(table) - 1), p, _NAN
    if table.size <= _MOST_PERMUTED:
        yield "permutation", _NAN, _NAN, _NAN, permute_within_blocks(table, rng), _NAN
