"""Two numbers a cell in every block -> whether they order the cells alike: Spearman within blocks, t over blocks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bench.stats.coding import Floats
from bench.stats.contrast import one_sample

FEWEST_CELLS = 3
"""With two cells a rank correlation is a sign."""


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's correlation over cells, of each block (NaN where it has none), and the t test of its mean."""

    per_block: Floats
    estimate: float
    low: float
    high: float
    t: float
    p: float
    n: int
    """Blocks that have one."""


def rank_correlation(x: Floats, y: Floats, confidence: float = 0.95) -> RankCorrelation:
    """Correlate ``x`` and ``y`` (blocks, cells) within each block, over the cells where both are finite.

    What a block does to all of its cells cancels, since ranks are within it; pooled over blocks it would look like
    agreement. Where all blocks have the same correlation, p is the exact sign test's; one block tests nothing.

    >>> x = np.array([[1.0, 2.0, 3.0, 4.0], [6.0, 7.0, 9.0, 8.0], [1.0, 3.0, 2.0, 4.0]])
    >>> ranks = rank_correlation(x, np.arange(12.0).reshape(3, 4))
    >>> ranks.per_block.round(1).tolist(), round(ranks.estimate, 2), ranks.n
    ([1.0, 0.8, 0.8], 0.87, 3)
    """
    per_block = np.array([_spearman(*rows) for rows in zip(x, y, strict=True)])
    correlations = per_block[np.isfinite(per_block)]
    test = one_sample(correlations[:, None], magnitude=1.0, confidence=confidence)
    (value, t, p), (low, high) = (test.value[0], test.t[0], test.p[0]), np.clip((test.low[0], test.high[0]), -1.0, 1.0)
    if test.constant[0] and value != 0.0:
        p = 2 * 0.5 ** len(correlations)
    return RankCorrelation(per_block, float(value), float(low), float(high), float(t), float(p), len(correlations))


def _spearman(x: Floats, y: Floats) -> float:
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < FEWEST_CELLS:
        return np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)  # it is NaN, as it should be
        return float(stats.spearmanr(x[both], y[both]).statistic)
