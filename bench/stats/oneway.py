"""Groups with variances of their own -> one F test of equal means."""

from __future__ import annotations

import numpy as np
from scipy import special

from bench.stats.coding import Floats, Ints


def welch_anova(mean: Floats, variance: Floats, n: Ints) -> tuple[float, float, float]:
    """F, its denominator degrees of freedom and p (Welch 1951); ``variance`` with ddof 1.

    The numerator has groups - 1. NaN where a group has one value or no variance.
    """
    groups = len(mean)
    if groups < 2 or np.any(n < 2) or np.any(variance <= 0):
        return float("nan"), float("nan"), float("nan")
    weight = n / variance
    share = weight / weight.sum()
    lack = ((1 - share) ** 2 / (n - 1)).sum() / (groups**2 - 1)
    between = (weight * (mean - share @ mean) ** 2).sum() / (groups - 1)
    F, df = float(between / (1 + 2 * (groups - 2) * lack)), float(1 / (3 * lack))
    return F, df, float(special.fdtrc(groups - 1, df, F))
