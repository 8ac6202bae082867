"""The size of a design -> the smallest effects that it would find; an effect -> the seeds that would find it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.stats.power import seeds_for, smallest_effect

POWER = 0.8
"""The probability with which an effect is to be detected, wherever a report or a design asks for one."""


@dataclass(frozen=True)
class Sensitivity:
    """Smallest |d_z| found with a probability of ``power``; NaN where there is nothing to vary over."""

    alone: float
    """By a single test."""
    in_family: float
    """By one of the family's tests, each judged at alpha over their number."""
    power: float


def sensitivity(blocks: int, tests: int, *, power: float = POWER) -> Sensitivity:
    """What ``blocks`` seeds can find in a family of ``tests``."""
    return Sensitivity(smallest_effect(blocks, power=power), smallest_effect(blocks, max(1, tests), power), power)


def seeds_to_find(d_z: float, tests: int) -> float:
    """The seeds that find an effect of ``d_z`` in a family of ``tests``, each judged at alpha over their number."""
    return math.ceil(seeds) if math.isfinite(seeds := seeds_for(d_z, max(1, tests), POWER)) else seeds
