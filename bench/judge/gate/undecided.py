"""A comparison that was not decided -> the smallest change it would have found, and the seeds that would decide it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from bench.judge.sensitivity import POWER
from bench.stats.power import runs_for, seeds_for, smallest_effect, tost_power


def detectable_change(se: float, df: float, tests: int, *, alpha: float = 0.05) -> float:
    """The smallest change found with a power of 80 % in a family of ``tests``, on the scale of ``se``."""
    if not (df >= 1 and math.isfinite(se)):
        return float("nan")
    return _noncentrality(round(df, 3), max(1, tests), alpha) * se


def seeds_to_decide(sd: float, margin: float, tests: int, *, alpha: float = 0.05) -> float:
    """Seeds with which no change, and a change of one margin, would each be told with a power of 80 %.

    ``sd`` is that of the changes over seeds. NaN without a margin or a spread, infinite if there are no so many.
    """
    if not (sd > 0 and margin > 0):
        return float("nan")
    ratio = margin / sd
    equivalent = runs_for(lambda n: tost_power(ratio, 0.0, 1.0, n, alpha), POWER, least=3.0)
    return float(np.ceil(max(equivalent, seeds_for(ratio, max(1, tests), POWER, alpha))))


@lru_cache(maxsize=256)
def _noncentrality(df: float, tests: int, alpha: float) -> float:
    """Of the t test at alpha / tests that has the power."""
    return smallest_effect(df + 1, tests, POWER, alpha) * math.sqrt(df + 1)
