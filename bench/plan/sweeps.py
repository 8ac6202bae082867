"""What a suite gives for a factor, a list or a table -> its values, and where each of them stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bench.plan.positions import KeyPath
from bench.plan.shape import MAX_LEVELS

_DIGITS = 12
"""Significant digits of the values of a spaced sweep: what is beyond is rounding, and 0.001 must be called 0.001."""


def values_of(entry: Any) -> list[tuple[Any, KeyPath]]:
    """Each value with the path to it inside the entry; none for what does not have the shape of a factor."""
    if isinstance(entry, list):
        return [(value, (index,)) for index, value in enumerate(entry)]
    if not isinstance(entry, dict):
        return []
    if isinstance(levels := entry.get("levels"), list):
        return [(value, ("levels", index)) for index, value in enumerate(levels)]
    points = entry.get("points")
    for spacing in ("log", "linear"):
        bounds = entry.get(spacing, ())
        if _are_bounds(bounds) and isinstance(points, int) and 1 < points <= MAX_LEVELS:
            return [(value, (spacing,)) for value in _spaced(bounds, points, is_log=spacing == "log")]
    return []


def sweep_fault(entry: Mapping[str, Any]) -> tuple[KeyPath, str, str] | None:
    """Path, message and hint of what is wrong between well-formed keys of a factor that is given as a table."""
    given = [key for key in ("levels", "log", "linear") if key in entry]
    if len(given) != 1:
        what = "both " + " and ".join(given[:2]) if given else "none of levels, log and linear"
        return (), f"a sweep with {what}", "Give levels = […], or log or linear = [first, last] with points."
    if given[0] != "levels":
        return _spacing_fault(given[0], entry)
    if "points" in entry:
        return ("points",), "points goes with log or linear", "The levels are listed here; leave points out."
    return None


def _spacing_fault(spacing: str, entry: Mapping[str, Any]) -> tuple[KeyPath, str, str] | None:
    bounds = entry[spacing]
    if "points" not in entry:
        return (), f"a sweep with {spacing} and no points", "Say how many levels there are: points = 4."
    if _are_bounds(bounds) and bounds[0] == bounds[1]:
        return (spacing,), "a sweep from a number to itself", "Give two different numbers: [first, last]."
    if spacing == "log" and _are_bounds(bounds) and min(bounds) <= 0:
        return ("log",), "a logarithmic sweep of numbers that are not positive", "Use linear, or numbers above 0."
    return None


def _are_bounds(bounds: Any) -> bool:
    return isinstance(bounds, list) and len(bounds) == 2 and all(type(number) in (int, float) for number in bounds)


def _spaced(bounds: Sequence[float], points: int, *, is_log: bool) -> list[float]:
    first, last = map(float, bounds)
    if is_log and min(first, last) <= 0:
        return []
    steps = [step / (points - 1) for step in range(points)]
    if is_log:
        inner = [math.exp(math.log(first) + step * (math.log(last) - math.log(first))) for step in steps]
    else:
        inner = [first + step * (last - first) for step in steps]
    return [first, *(float(f"{value:.{_DIGITS}g}") for value in inner[1:-1]), last]
