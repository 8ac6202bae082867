"""The size of a design -> the smallest effects that it would find."""

from __future__ import annotations

from dataclasses import dataclass

from bench.stats.power import smallest_effect


@dataclass(frozen=True)
class Sensitivity:
    """Smallest |d_z| found with a probability of ``power``; NaN where there is nothing to vary over."""

    alone: float
    """By a single test."""
    in_family: float
    """By one of the family's tests, each judged at alpha over their number."""
    power: float


def sensitivity(blocks: int, tests: int, *, power: float = 0.8) -> Sensitivity:
    """What ``blocks`` seeds can find in a family of ``tests``."""
    return Sensitivity(smallest_effect(blocks, power=power), smallest_effect(blocks, max(1, tests), power), power)
