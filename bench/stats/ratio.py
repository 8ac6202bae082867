"""Two samples, matched or not -> the ratio of their means with Fieller's interval, for percent change."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from bench.stats.coding import Floats, Ints
from bench.stats.effect_size import Interval
from bench.stats.pairs import Cells


def ratio_of_means(x: Floats, y: Floats, *, paired: bool, confidence: float = 0.95) -> tuple[float, float, float]:
    """mean(x) / mean(y) and its limits (Fieller 1954).

    Paired samples use their covariance and n - 1 degrees of freedom; independent ones Welch's degrees of freedom at
    the estimated ratio. Where the mean of y is not clearly different from zero no bounded interval exists: the limits
    are NaN.
    """
    if paired and len(x) != len(y):
        raise ValueError(f"paired samples are of one length, not {len(x)} and {len(y)}")
    n, m = len(x), len(y)
    if min(n, m) < 2:
        return float("nan"), float("nan"), float("nan")
    covariance = float(np.cov(x, y)[0, 1]) / n if paired else None
    found = _fieller((x.mean(), y.mean()), (x.var(ddof=1) / n, y.var(ddof=1) / m), (n, m), covariance, confidence)
    return float(found.value), float(found.low), float(found.high)


def ratios_of_pairs(cells: Cells, a: Ints, b: Ints, confidence: float = 0.95) -> Interval:
    """The same of pairs of cells ``a[i]``, ``b[i]``: by the blocks that have both, or independent without blocks."""
    n = cells.n.astype(float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if cells.table is None:
            variance = cells.sd**2 / n
            means, variances, sizes = ((each[a], each[b]) for each in (cells.mean, variance, n))
            return _fieller(means, variances, sizes, None, confidence)
        sides = cells.table[:, a], cells.table[:, b]
        both = np.isfinite(sides[0] + sides[1])
        n = np.where(both.sum(axis=0) > 1, both.sum(axis=0), np.nan)
        x, y = (np.where(both, side, 0.0).sum(axis=0) / n for side in sides)
        dx, dy = (np.where(both, side - mean, 0.0) for side, mean in zip(sides, (x, y), strict=True))
        var_x, var_y, covariance = (
            (left * right).sum(axis=0) / (n - 1) / n for left, right in ((dx, dx), (dy, dy), (dx, dy))
        )
    return _fieller((x, y), (var_x, var_y), (n, n), covariance, confidence)


def _fieller(
    means: tuple[ArrayLike, ArrayLike],
    variances: tuple[ArrayLike, ArrayLike],
    sizes: tuple[ArrayLike, ArrayLike],
    covariance: ArrayLike | None,
    confidence: float,
) -> Interval:
    """From two means, their squared standard errors and numbers of runs; ``covariance`` of the means if paired."""
    (x, y), (var_x, var_y), (n, m) = (np.asarray(each, float) for each in (means, variances, sizes))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # In units of y, so that no fourth power leaves the range of numbers.
        size = np.where(y != 0, np.abs(y), np.nan)
        x, y, var_x, var_y = x / size, y / size, var_x / size**2, var_y / size**2
        within = None if covariance is None else np.asarray(covariance, float) / size**2
        ratio = np.where(np.minimum(n, m) > 1, x / y, np.nan)
        total = var_x + ratio**2 * var_y
        welch = np.where(total > 0, total**2 / (var_x**2 / (n - 1) + (ratio**2 * var_y) ** 2 / (m - 1)), np.nan)
        t = special.stdtrit(welch if within is None else n - 1, (1 + confidence) / 2)
        a = y**2 - t**2 * var_y
        b = x * y - t**2 * (0.0 if within is None else within)
        c = x**2 - t**2 * var_x
        half = np.sqrt(np.where(a > 0, b * b - a * c, np.nan))
        return Interval(ratio, (b - half) / a, (b + half) / a)
