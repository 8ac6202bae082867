"""Noise, or a design -> the smallest effects that it would find, and the seeds that find or exclude an effect."""

from __future__ import annotations

import math
from functools import lru_cache

from bench.stats.power import runs_for, seeds_for, smallest_effect, tost_power

POWER = 0.8
"""The probability with which an effect is to be detected, wherever a report or a design asks for one."""


def smallest_d_z(blocks: int, tests: int = 1) -> float:
    """The smallest |d_z| that ``blocks`` seeds find in a family of ``tests``; NaN of fewer than two seeds."""
    return smallest_effect(blocks, max(1, tests), POWER)


def detectable_change(se: float, df: float, tests: int, *, alpha: float = 0.05) -> float:
    """The smallest change found in a family of ``tests``, on the scale of its standard error."""
    if not (df >= 1 and math.isfinite(se)):
        return math.nan
    return _noncentrality(round(df, 3), max(1, tests), alpha) * se


def seeds_to_find(effect: float, sd: float, tests: int, *, alpha: float = 0.05) -> float:
    """Seeds that find an effect whose SD over seeds is ``sd`` in a family of ``tests``; infinite if there are not.

    NaN where one of the two is missing, or nothing varies.
    """
    return _ceil(seeds_for(effect / sd, max(1, tests), POWER, alpha)) if _usable(effect, sd) else math.nan


def seeds_to_exclude(margin: float, sd: float, *, alpha: float = 0.05) -> float:
    """Seeds that show an absent effect to be smaller than ``margin``; NaN and infinite as ``seeds_to_find``."""
    if not _usable(margin, sd):
        return math.nan
    return _ceil(runs_for(lambda n: tost_power(margin / sd, 0.0, 1.0, n, alpha), POWER))


def seeds_to_decide(sd: float, margin: float, tests: int, *, alpha: float = 0.05) -> float:
    """Seeds with which no change, and a change of one margin, would each be told."""
    return max(seeds_to_exclude(margin, sd, alpha=alpha), seeds_to_find(margin, sd, tests, alpha=alpha))


def _usable(size: float, sd: float) -> bool:
    return math.isfinite(size) and sd > 0


def _ceil(seeds: float) -> float:
    return float(math.ceil(seeds)) if math.isfinite(seeds) else seeds


@lru_cache(maxsize=256)
def _noncentrality(df: float, tests: int, alpha: float) -> float:
    """Of the t test at alpha / tests that has the power."""
    return smallest_effect(df + 1, tests, POWER, alpha) * math.sqrt(df + 1)
