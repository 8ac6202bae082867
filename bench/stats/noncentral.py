"""Observed t and F statistics -> confidence limits of their noncentrality parameters, elementwise over arrays.

The limits invert the noncentral distributions (Steiger & Fouladi 1997; Cumming & Finch 2001): the lower limit is the
noncentrality under which the observed statistic is at the upper alpha/2 point.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from scipy.optimize import elementwise

from bench.stats.coding import Floats

_LARGE_T = 1e4
"""Beyond this the limits are proportional to the statistic, to eight digits."""


def t_limits(t: ArrayLike, df: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Limits of the noncentrality of t with ``df`` degrees of freedom; NaN where either is not finite.

    ``scipy.special.nctdtrinc`` is meant to give them, but is off by up to 5e-5 of their value for large t.
    """
    statistic, df = np.broadcast_arrays(np.asarray(t, float), np.asarray(df, float))
    tail = (1.0 - confidence) / 2.0
    usable = np.isfinite(statistic) & np.isfinite(df) & (df > 0)
    statistic = np.where(usable, statistic, np.nan)
    scale = np.maximum(np.abs(statistic) / _LARGE_T, 1.0)
    low, high = np.full(statistic.shape, np.nan), np.full(statistic.shape, np.nan)
    if usable.any():
        x, nu = (statistic / scale)[usable], df[usable]
        spread = 6.0 * np.sqrt(1.0 + x**2 / (2.0 * nu))
        levels = np.array([[1.0 - tail], [tail]])
        low[usable], high[usable] = _solve(noncentral_t_cdf, (x - spread, x + spread), levels, x, nu)
    return low * scale, high * scale


def f_limits(F: ArrayLike, df1: ArrayLike, df2: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Limits (at least 0) of the noncentrality of F with ``df1`` and ``df2`` degrees of freedom."""
    F, df1, df2 = np.broadcast_arrays(np.asarray(F, float), np.asarray(df1, float), np.asarray(df2, float))
    tail = (1.0 - confidence) / 2.0
    usable = np.isfinite(F) & (F >= 0) & (df1 > 0) & (df2 > 0)
    F = np.where(usable, F, np.nan)
    scale = np.maximum(F / _LARGE_T**2, 1.0)
    F = F / scale
    low, high = np.full(F.shape, np.nan), np.full(F.shape, np.nan)
    central = np.where(usable, special.fdtr(df1, df2, np.where(usable, F, 0.0)), np.nan)
    for limit, level in ((low, 1.0 - tail), (high, tail)):
        limit[usable & (central <= level)] = 0.0
        solved = usable & (central > level)
        if solved.any():
            x, a, b = F[solved], df1[solved], df2[solved]
            start = (np.zeros(x.shape), a * x + 10.0 * np.sqrt(1.0 + a * x))
            limit[solved] = _solve(lambda ncp, F, df1, df2: special.ncfdtr(df1, df2, ncp, F), start, level, x, a, b)
    return low * scale, high * scale


def noncentral_t_cdf(noncentrality: ArrayLike, t: ArrayLike, df: ArrayLike) -> Floats:
    """P(T <= t) of the noncentral t distribution.

    By scipy, which has NaN at scattered points of the tails (https://github.com/scipy/scipy/issues/25470), where the
    probability is 0 or 1 to fourteen digits.
    """
    p = special.nctdtr(df, noncentrality, t)
    distance = np.asarray(t, float) - np.asarray(noncentrality, float)
    lost = np.isnan(p) & np.isfinite(distance) & np.isfinite(df)
    return np.asarray(np.where(lost, np.heaviside(distance, 0.5), p))


def _solve(cdf: Callable[..., Floats], start: tuple[Floats, Floats], level: ArrayLike, *statistic: Floats) -> Floats:
    """Noncentrality at which ``cdf`` (decreasing in it) equals ``level``, elementwise."""

    def excess(noncentrality: Floats, level: Floats, *args: Floats) -> Floats:
        return cdf(noncentrality, *args) - level

    low, high, *parameters = np.broadcast_arrays(*start, level, *statistic)
    bracket = elementwise.bracket_root(excess, low, high, args=tuple(parameters)).bracket
    tolerances = {"xrtol": 1e-13, "xatol": 1e-12}
    root = elementwise.find_root(excess, bracket, args=tuple(parameters), tolerances=tolerances)
    return np.where(root.success, root.x, np.nan)
