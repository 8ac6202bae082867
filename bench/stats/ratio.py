"""Two samples, matched or not -> the ratio of their means with Fieller's interval, for percent change."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from bench.stats.coding import Floats, Ints
from bench.stats.effect_size import Interval
from bench.stats.pairs import Cells


def ratio_of_means(x: Floats, y: Floats, confidence: float = 0.95) -> Interval:
    """mean(x) / mean(y) of each column of two matched tables (blocks, pairs), and its limits (Fieller 1954).

    By the rows in which both are finite: the covariance of the means, and rows - 1 degrees of freedom. Where the mean
    of ``y`` is not clearly different from zero no bounded interval exists: the limits are NaN.

    >>> ratio = ratio_of_means(np.array([[2.0], [4.0], [6.0]]), np.array([[1.0], [2.0], [4.0]]))
    >>> print(f"{ratio.value[0]:.2f} [{ratio.low[0]:.2f}, {ratio.high[0]:.2f}]")
    1.71 [1.31, 3.26]
    """
    both = np.isfinite(x + y)
    n = np.where(both.sum(axis=0) > 1, both.sum(axis=0), np.nan)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        means = [np.where(both, side, 0.0).sum(axis=0) / n for side in (x, y)]
        dx, dy = (np.where(both, side - mean, 0.0) for side, mean in zip((x, y), means, strict=True))
        var_x, var_y, covariance = (
            (left * right).sum(axis=0) / (n - 1) / n for left, right in ((dx, dx), (dy, dy), (dx, dy))
        )
    return _fieller((means[0], means[1]), (var_x, var_y), (n, n), covariance, confidence)


def ratios_of_pairs(cells: Cells, a: Ints, b: Ints, confidence: float = 0.95) -> Interval:
    """The same of cells ``a[i]`` and ``b[i]``; without blocks by Welch's degrees of freedom at the estimated ratio."""
    if cells.table is not None:
        return ratio_of_means(cells.table[:, a], cells.table[:, b], confidence)
    n = cells.n.astype(float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        variance = cells.sd**2 / n
    means, variances, sizes = ((each[a], each[b]) for each in (cells.mean, variance, n))
    return _fieller(means, variances, sizes, None, confidence)


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
