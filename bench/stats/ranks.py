"""Samples -> tests and effect sizes that use only the order of the values, exact where that is feasible.

Exact distributions are conditional on the ties (Hollander & Wolfe 1999), by counting subsets of the ranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy  # its submodule stats is slow to load, and is loaded where it is first used
from scipy import special

from bench.stats.coding import Floats, Ints

MOST_EXACT = 50
_DECIMALS = 10


@dataclass(frozen=True)
class RankTest:
    """A two-sided rank test; ``exact`` says whether p is an exact count or the normal approximation."""

    statistic: float
    p: float
    exact: bool


@dataclass(frozen=True)
class ManyGroups:
    """A rank test of several groups: chi-squared ``statistic`` with its ``df`` and ``p``; ``effect`` in [0, 1]."""

    statistic: float
    df: int
    p: float
    effect: float
    """Epsilon squared H / (n - 1) for Kruskal-Wallis, Kendall's W for Friedman."""


def mann_whitney(x: Floats, y: Floats) -> RankTest:
    """Wilcoxon-Mann-Whitney: ``statistic`` counts the pairs with x > y (ties half).

    Exact conditional on ties while both samples have fewer than 50 values, else normal with continuity correction.
    """
    ranks = midranks(np.concatenate([x, y]))
    n, m = len(x), len(y)
    U = float(ranks[:n].sum() - n * (n + 1) / 2)
    if not n or not m:
        return RankTest(float("nan"), float("nan"), exact=False)
    if max(n, m) < MOST_EXACT:
        doubled = np.sort(np.rint(2 * ranks).astype(np.int64))
        counts = _subset_sums(tuple(doubled.tolist()), n)
        observed = 2 * U + n * (n + 1)
        return RankTest(U, _two_sided(counts, observed, n * (n + m + 1)), exact=True)
    ties = np.unique(ranks, return_counts=True)[1]
    variance = n * m / 12 * (n + m + 1 - (ties**3 - ties).sum() / ((n + m) * (n + m - 1)))
    return RankTest(U, _normal_p(U - n * m / 2, variance), exact=False)


def wilcoxon(differences: Floats) -> RankTest:
    """Wilcoxon's signed ranks: ``statistic`` is the sum of the ranks of positive differences, zeros left out.

    Differences are rounded to 10 digits of their size first, so that equal ones tie. Exact below 50 differences.
    """
    kept = rounded(differences)
    kept = kept[kept != 0]
    n = len(kept)
    if n == 0:
        return RankTest(float("nan"), float("nan"), exact=False)
    ranks = midranks(np.abs(kept))
    W = float(ranks[kept > 0].sum())
    if n < MOST_EXACT:
        counts = _subset_sums(tuple(np.sort(np.rint(2 * ranks).astype(np.int64)).tolist()), None)
        return RankTest(W, _two_sided(counts, 2 * W, n * (n + 1) / 2), exact=True)
    ties = np.unique(ranks, return_counts=True)[1]
    variance = n * (n + 1) * (2 * n + 1) / 24 - (ties**3 - ties).sum() / 48
    return RankTest(W, _normal_p(W - n * (n + 1) / 4, variance), exact=False)


def sign_test(differences: Floats) -> float:
    """Two-sided binomial p of the number of positive differences among those that are not zero."""
    kept = rounded(differences)
    kept = kept[kept != 0]
    return float(scipy.stats.binomtest(int((kept > 0).sum()), len(kept)).pvalue) if len(kept) else float("nan")


def cliffs_delta(x: Floats, y: Floats) -> float:
    """P(x > y) - P(x < y), in [-1, 1] (Cliff 1993); (1 + delta) / 2 is the common-language effect size."""
    if not len(x) or not len(y):
        return float("nan")
    ordered = np.sort(y)
    below, up_to = np.searchsorted(ordered, x, side="left"), np.searchsorted(ordered, x, side="right")
    return float((below.sum() - (len(y) - up_to).sum()) / (len(x) * len(y)))


def cliffs_delta_interval(delta: float, n: int, m: int, confidence: float = 0.95) -> tuple[float, float]:
    """Limits by Fisher's z with SE sqrt((n + m + 1) / (3 n m)), as R's effectsize; NaN where delta is -1 or 1."""
    if abs(delta) >= 1 or not n or not m:
        return float("nan"), float("nan")
    half = special.ndtri((1 + confidence) / 2) * np.sqrt((n + m + 1) / (3 * n * m))
    return float(np.tanh(np.arctanh(delta) - half)), float(np.tanh(np.arctanh(delta) + half))


def hodges_lehmann(x: Floats, y: Floats) -> float:
    """Median of all differences x - y."""
    return float(np.median(x[:, None] - y[None, :])) if len(x) and len(y) else float("nan")


def kruskal(values: Floats, group: Ints) -> ManyGroups:
    """Kruskal & Wallis (1952) with the correction for ties; NaN for fewer than two groups or all values equal."""
    samples = [values[group == g] for g in np.unique(group)]
    if len(samples) < 2 or np.ptp(values) == 0:
        return ManyGroups(float("nan"), max(len(samples) - 1, 0), float("nan"), float("nan"))
    H = float(scipy.stats.kruskal(*samples).statistic)
    df = len(samples) - 1
    return ManyGroups(H, df, float(special.chdtrc(df, H)), H / (len(values) - 1))


def friedman(table: Floats) -> ManyGroups:
    """Friedman (1937) on ``table`` (blocks, treatments), corrected for ties. ValueError for incomplete blocks."""
    blocks, k = table.shape
    if not np.isfinite(table).all():
        raise ValueError("Friedman's test needs complete blocks")
    ranks = np.array([midranks(row) for row in table])
    ties = sum(((counts := np.unique(row, return_counts=True)[1]) ** 3 - counts).sum() for row in ranks)
    scale = blocks * k * (k + 1) - ties / (k - 1) if k > 1 else 0.0
    if scale == 0:
        return ManyGroups(float("nan"), max(k - 1, 0), float("nan"), float("nan"))
    statistic = float(12 * ((ranks.sum(axis=0) - blocks * (k + 1) / 2) ** 2).sum() / scale)
    return ManyGroups(statistic, k - 1, float(special.chdtrc(k - 1, statistic)), statistic / (blocks * (k - 1)))


def iman_davenport(found: ManyGroups, blocks: int) -> tuple[float, float]:
    """F form of Friedman's test and its p, less conservative than chi-squared (Iman & Davenport 1980).

    NaN where every block ranks the treatments alike, which leaves no residual.
    """
    left = blocks * found.df - found.statistic
    if not left > 1e-12 * found.statistic:
        return float("nan"), float("nan")
    F = (blocks - 1) * found.statistic / left
    return F, float(special.fdtrc(found.df, found.df * (blocks - 1), F))


def midranks(values: Floats) -> Floats:
    """Ranks counted from 1; equal values share the mean of theirs."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right") + 1) / 2


def rounded(differences: Floats) -> Floats:
    """Differences rounded to 10 digits of the largest, so that rounding errors break no tie and make no zero."""
    size = float(np.abs(differences).max(initial=0.0))
    if size == 0 or not np.isfinite(size):
        return differences
    return np.asarray(np.round(differences / size, _DECIMALS) * size)


@lru_cache(maxsize=256)
def _subset_sums(doubled_ranks: tuple[int, ...], size: int | None) -> Floats:
    """Share of the subsets (of ``size`` members, or any) with each sum of doubled ranks; all subsets equally likely."""
    total = sum(doubled_ranks)
    if size is None:
        shares = np.zeros(total + 1)
        shares[0] = 1.0
        for rank in doubled_ranks:
            shares[rank:] = (shares[rank:] + shares[: total + 1 - rank]) / 2
            shares[:rank] /= 2
        return shares
    counts = np.zeros((size + 1, total + 1))
    counts[0, 0] = 1.0
    for rank in doubled_ranks:
        counts[1:, rank:] += counts[:-1, : total + 1 - rank].copy()
    return np.asarray(counts[size] / counts[size].sum())


def _two_sided(shares: Floats, observed: float, centre: float) -> float:
    distance = np.abs(np.arange(len(shares)) - centre)
    return float(min(shares[distance >= abs(observed - centre) - 1e-6].sum(), 1.0))


def _normal_p(deviation: float, variance: float) -> float:
    if variance <= 0:
        return float("nan")
    return float(min(2 * special.ndtr(-max(abs(deviation) - 0.5, 0.0) / np.sqrt(variance)), 1.0))
