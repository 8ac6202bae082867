"""Two samples, matched or not -> the ratio of their means with Fieller's interval, for percent change."""

from __future__ import annotations

import numpy as np
from scipy import special

from bench.stats.coding import Floats


def ratio_of_means(x: Floats, y: Floats, *, paired: bool, confidence: float = 0.95) -> tuple[float, float, float]:
    """mean(x) / mean(y) and its limits (Fieller 1954).

    Paired samples use their covariance and n - 1 degrees of freedom; independent ones Welch's degrees of freedom at
    the estimated ratio. Where the mean of y is not clearly different from zero no bounded interval exists: the limits
    are NaN.
    """
    if paired and len(x) != len(y):
        raise ValueError(f"paired samples are of one length, not {len(x)} and {len(y)}")
    n, m = len(x), len(y)
    if min(n, m) < 2 or y.mean() == 0:
        return float("nan"), float("nan"), float("nan")
    ratio = float(x.mean() / y.mean())
    var_x, var_y = x.var(ddof=1) / n, y.var(ddof=1) / m
    covariance = float(np.cov(x, y)[0, 1]) / n if paired else 0.0
    if paired:
        df = n - 1.0
    else:
        total = var_x + ratio**2 * var_y
        df = total**2 / (var_x**2 / (n - 1) + (ratio**2 * var_y) ** 2 / (m - 1)) if total > 0 else float("nan")
    t = float(special.stdtrit(df, (1 + confidence) / 2))
    a = y.mean() ** 2 - t**2 * var_y
    b = x.mean() * y.mean() - t**2 * covariance
    c = x.mean() ** 2 - t**2 * var_x
    root = b * b - a * c
    if not (a > 0 and root >= 0):
        return ratio, float("nan"), float("nan")
    return ratio, float((b - np.sqrt(root)) / a), float((b + np.sqrt(root)) / a)
