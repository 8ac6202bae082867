"""p values of a family -> adjusted p values; a missing p stays missing and does not count in the family.

Bonferroni, Sidak, Holm (1979), Hochberg (1988), Hommel (1988) control the family-wise error; Benjamini & Hochberg
(1995) and Benjamini & Yekutieli (2001) the false discovery rate. Agrees with R's ``p.adjust``.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.coding import Floats

Method = Literal["bonferroni", "sidak", "holm", "hochberg", "hommel", "bh", "by"]


def adjust(p: ArrayLike, method: Method) -> Floats:
    """Adjusted p values, same shape as ``p``. Raises ValueError for an unknown method or a p outside [0, 1]."""
    if method not in get_args(Method):
        raise ValueError(f"unknown method {method!r}; known: {', '.join(get_args(Method))}")
    p = np.asarray(p, float)
    present = ~np.isnan(p)
    if np.any((p[present] < 0) | (p[present] > 1)):
        raise ValueError("p values lie between 0 and 1")
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p[present], kind="stable")
    family = np.empty(len(order))
    family[order] = np.minimum(_adjust_sorted(p[present][order], method), 1.0)
    adjusted[present] = family
    return adjusted


def _adjust_sorted(p: Floats, method: Method) -> Floats:
    m = len(p)
    rank = np.arange(1, m + 1)
    if method == "bonferroni":
        return m * p
    if method == "sidak":
        with np.errstate(divide="ignore"):
            return np.asarray(-np.expm1(m * np.log1p(-p)))
    if method == "holm":
        return np.maximum.accumulate((m - rank + 1) * p)
    if method == "hommel":
        return _hommel(p)
    factor = {"hochberg": m - rank + 1.0, "bh": m / rank, "by": m / rank * np.sum(1.0 / rank)}[method]
    return np.minimum.accumulate((factor * p)[::-1])[::-1]


def _hommel(p: Floats) -> Floats:
    """Closed testing with Simes' test (Wright 1992, algorithm in its appendix)."""
    m = len(p)
    if m == 0:
        return p
    adjusted = np.full(m, np.min(m * p / np.arange(1, m + 1)))
    for size in range(m - 1, 1, -1):
        largest = p[m - size + 1 :]
        bound = np.min(size * largest / np.arange(2, size + 1))
        smaller = np.minimum(size * p[: m - size + 1], bound)
        simes = np.concatenate([smaller, np.full(size - 1, smaller[-1])])
        adjusted = np.maximum(adjusted, simes)
    return np.maximum(adjusted, p)
