"""What a suite gives for a factor, a list or a table -> its values, and where each of them stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bench.plan.positions import KeyPath
from bench.plan.shape import SweepTable

_DIGITS = 12
"""Significant digits of the values of a spaced sweep: what is beyond is rounding, and 0.001 must be called 0.001."""


def values_of(entry: list[Any] | SweepTable) -> list[tuple[Any, KeyPath]]:
    """Each value with the path to it inside the entry; none of a sweep with a fault."""
    if isinstance(entry, list):
        return [(value, (index,)) for index, value in enumerate(entry)]
    if entry.levels is not None:
        return [(value, ("levels", index)) for index, value in enumerate(entry.levels)]
    if sweep_fault(entry) is not None or entry.points is None:
        return []
    spacing, bounds = ("log", entry.log) if entry.log is not None else ("linear", entry.linear or [])
    return [(value, (spacing,)) for value in _spaced(bounds, entry.points, is_log=spacing == "log")]


def sweep_fault(entry: SweepTable) -> tuple[KeyPath, str, str] | None:
    """Path, message and hint of what is wrong between the keys of a factor that is given as a table."""
    given = [key for key in ("levels", "log", "linear") if getattr(entry, key) is not None]
    if len(given) != 1:
        what = "both " + " and ".join(given[:2]) if given else "none of levels, log and linear"
        return (), f"a sweep with {what}", "Give levels = […], or log or linear = [first, last] with points."
    if entry.levels is not None:
        fault = "points goes with log or linear", "The levels are listed here; leave points out."
        return None if entry.points is None else (("points",), *fault)
    if entry.points is None:
        return (), f"a sweep with {given[0]} and no points", "Say how many levels there are: points = 4."
    bounds = entry.log or entry.linear or []
    if bounds[0] == bounds[1]:
        return (given[0],), "a sweep from a number to itself", "Give two different numbers: [first, last]."
    if entry.log is not None and min(bounds) <= 0:
        return ("log",), "a logarithmic sweep of numbers that are not positive", "Use linear, or numbers above 0."
    return None


def _spaced(bounds: Sequence[float], points: int, *, is_log: bool) -> list[float]:
    first, last = map(float, bounds)
    steps = [step / (points - 1) for step in range(points)]
    if is_log:
        inner = [math.exp(math.log(first) + step * (math.log(last) - math.log(first))) for step in steps]
    else:
        inner = [first + step * (last - first) for step in steps]
    return [first, *(float(f"{value:.{_DIGITS}g}") for value in inner[1:-1]), last]
