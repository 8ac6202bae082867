"""p values of a family -> adjusted p values; a missing p stays missing and does not count in the family.

Holm (1979) controls the family-wise error, Benjamini & Hochberg (1995) the false discovery rate, the latter by
statsmodels. Its Holm (``multipletests``) collects the garbage of the whole process at every call, which takes 20 to 100
ms, and the gate and its calibration judge thousands of families; ours are the same numbers.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.coding import Floats

Method = Literal["holm", "bh"]


def adjust(p: ArrayLike, method: Method) -> Floats:
    """Adjusted p values, same shape as ``p``. Raises ValueError for an unknown method or a p outside [0, 1].

    >>> adjust([0.01, float("nan"), 0.03], "holm").tolist()
    [0.02, nan, 0.03]
    """
    if method not in get_args(Method):
        raise ValueError(f"unknown method {method!r}; known: {', '.join(get_args(Method))}")
    p = np.asarray(p, float)
    present = ~np.isnan(p)
    if np.any((p[present] < 0) | (p[present] > 1)):
        raise ValueError("p values lie between 0 and 1")
    adjusted = np.full(p.shape, np.nan)
    if present.any():
        adjusted[present] = (_holm if method == "holm" else _benjamini_hochberg)(p[present])
    return adjusted


def _benjamini_hochberg(p: Floats) -> Floats:
    from statsmodels.stats.multitest import fdrcorrection  # noqa: PLC0415  (statsmodels takes seconds)

    return np.asarray(fdrcorrection(p)[1], float)


def _holm(p: Floats) -> Floats:
    """The smallest p times the number of tests, the next times one less, and none smaller than the one before."""
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted
