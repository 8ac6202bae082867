"""Differences between groups and their standard errors -> p values adjusted for comparing all pairs, or all with one.

Both distributions are integrated by Gauss-Legendre quadrature over the normal and the chi part, all pairs at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from scipy.optimize import elementwise

from bench.stats.coding import Floats

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)
_Z = 9.0 * _NODES
_NORMAL = 9.0 * _WEIGHTS * np.exp(-0.5 * _Z**2) / np.sqrt(2 * np.pi)
_TAIL = 1e-18
_NOTHING = 1e-20
_AT_ONCE = 8
"""Differences whose grids fit into the cache together."""


def studentized_range_p(q: ArrayLike, groups: int, df: ArrayLike) -> Floats:
    """P(Q >= q) of the studentized range of ``groups`` means with ``df`` degrees of freedom, elementwise."""
    q, df = np.broadcast_arrays(np.asarray(q, float), np.asarray(df, float))
    p = np.full(q.shape, np.nan).ravel()
    if groups < 2:
        return p.reshape(q.shape)
    flat_q, flat_df = q.ravel(), df.ravel()
    chosen = np.flatnonzero(np.isfinite(flat_q) & (flat_df > 0))
    adds = groups * _NORMAL * special.ndtr(_Z) ** (groups - 1) > _NOTHING
    z, weights, below = _Z[adds], groups * _NORMAL[adds], special.ndtr(_Z[adds])
    for part in np.array_split(chosen, len(chosen) // _AT_ONCE + 1):
        s, density = _scale(flat_df[part])
        width = below - special.ndtr(z - (flat_q[part, None] * s)[..., None])
        inside = _power(width, groups - 1) @ weights
        p[part] = np.clip(1.0 - (inside * density).sum(axis=1), 0.0, 1.0)
    return p.reshape(q.shape)


def studentized_range_quantile(p: float, groups: int, df: ArrayLike) -> Floats:
    """The q that the studentized range exceeds with probability ``p``, elementwise in ``df``."""
    df = np.asarray(df, float)
    low, high = np.full(df.shape, 1e-3), np.full(df.shape, 500.0)
    root = elementwise.find_root(
        lambda q, nu: studentized_range_p(q, groups, nu) - p, (low, high), args=(df,), tolerances={"xrtol": 1e-11}
    )
    return np.where(root.success, root.x, np.nan)


def tukey(t: ArrayLike, groups: int, df: ArrayLike) -> Floats:
    """P values of the differences ``t`` (with the SE of a difference) among all pairs of ``groups``.

    With the pooled SE: Tukey & Kramer (1956). With each pair's Welch SE and df: Games & Howell (1976).
    """
    t = np.asarray(t, float)
    single = 2 * special.stdtr(df, -np.abs(t))
    pairs = groups * (groups - 1) / 2
    return np.clip(studentized_range_p(np.abs(t) * np.sqrt(2), groups, df), single, np.minimum(pairs * single, 1.0))


def dunnett(t: ArrayLike, n: ArrayLike, n_control: int, df: float) -> Floats:
    """Two-sided p of comparing each of several groups with one control (Dunnett 1955), pooled SE.

    ``t`` (groups,) and ``n`` (groups,) of the groups without the control.
    """
    t, n = np.asarray(t, float), np.asarray(n, float)
    usable = np.isfinite(t) & (n > 0)
    p = np.full(t.shape, np.nan)
    if df > 0 and usable.any():
        sizes, times = np.unique(n[usable], return_counts=True)
        load = np.sqrt(sizes / (sizes + n_control))
        s, density = _scale(np.array([df]))
        centre, spread = load[:, None, None] * _Z, np.sqrt(1 - load**2)[:, None, None]
        for index, bound in zip(np.flatnonzero(usable), np.abs(t[usable]), strict=True):
            reach = bound * s[0][:, None]
            inside = special.ndtr((centre + reach) / spread) - special.ndtr((centre - reach) / spread)
            p[index] = 1.0 - float(((inside ** times[:, None, None]).prod(axis=0) @ _NORMAL) @ density[0])
        single = 2 * special.stdtr(df, -np.abs(t[usable]))
        p[usable] = np.clip(p[usable], single, np.minimum(usable.sum() * single, 1.0))
    return p


def _power(base: Floats, exponent: int) -> Floats:
    """By squaring, in a quarter of the time of numpy's."""
    if exponent == 1:
        return base
    half = _power(base, exponent // 2)
    return half * half * base if exponent % 2 else half * half


def _scale(df: Floats) -> tuple[Floats, Floats]:
    """Nodes of S = sqrt(chi2 / df) and density times weight there, each of shape (len(df), nodes)."""
    low = np.sqrt(special.chdtri(df, 1 - 1e-16) / df)
    high = np.sqrt(special.chdtri(df, _TAIL) / df)
    half = (high - low)[:, None] / 2
    s = low[:, None] + half * (1 + _NODES)
    nu = df[:, None]
    constant = np.log(2.0) + nu / 2 * np.log(nu / 2) - special.gammaln(nu / 2)
    log_density = constant + (nu - 1) * np.log(s) - nu * s * s / 2
    return s, np.exp(log_density) * half * _WEIGHTS
