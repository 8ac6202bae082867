"""Estimates with intervals become lines of characters, all on one scale, around the value that means no effect."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.present import numbers

_LINE, _ESTIMATE, _ZERO, _BEYOND = "─", "●", "│", ("◂", "▸")


def strips(intervals: NDArray[np.float64], no_effect: float, width: int) -> tuple[str, list[str]]:
    """The scale, and one line of ``width`` characters for each row (estimate, low, high); blank without an interval.

    ``no_effect`` of 1 means ratios, which are drawn as logarithms. The scale holds every estimate and twice the length
    of the median interval on either side of it; what reaches beyond ends in an arrow.
    """
    is_ratio = no_effect == 1
    if is_ratio:
        with np.errstate(invalid="ignore", divide="ignore"):
            intervals, no_effect = np.log(intervals), 0.0
    usable: NDArray[np.bool_] = np.asarray(np.isfinite(intervals).all(axis=1))
    if not usable.any():
        return "", [""] * len(intervals)
    known = intervals[usable]
    reach = 2 * float(np.median(known[:, 2] - known[:, 1]))
    low = min(no_effect, max(known[:, 1].min(), known[:, 0].min() - reach))
    high = max(no_effect, min(known[:, 2].max(), known[:, 0].max() + reach))
    if not low < high:
        return "", [""] * len(intervals)

    values = np.column_stack([intervals, np.full(len(intervals), no_effect)])
    places = np.floor((values - low) / (high - low) * (width - 1) + 0.5).tolist()
    lines = [
        _strip([int(place) for place in row], width) if drawn else ""
        for row, drawn in zip(places, usable.tolist(), strict=True)
    ]
    left, right = (numbers.significant(math.exp(end) if is_ratio else end, 2) for end in (low, high))
    zero = math.floor((no_effect - low) / (high - low) * (width - 1) + 0.5)
    return _scale(left, right, "1" if is_ratio else "0", zero, width), lines


def _scale(low: str, high: str, no_effect: str, zero: int, width: int) -> str:
    """What the ends of the lines mean, and no effect between them where there is room."""
    ends = low + " " * max(1, width - len(low) - len(high)) + high
    clear = len(low) < zero < width - len(high) - 1
    return f"{ends[:zero]}{no_effect}{ends[zero + 1 :]}" if clear else ends


def _strip(places: Sequence[int], width: int) -> str:
    """A line with the estimate, the ends of its interval and no effect at these ``places``."""
    estimate, start, end, zero = places
    first, last = max(0, start), min(width - 1, end)
    cells = [_LINE if first <= position <= last else " " for position in range(width)]
    if start < 0:
        cells[0] = _BEYOND[0]
    if end >= width:
        cells[-1] = _BEYOND[1]
    cells[zero] = "┼" if cells[zero] == _LINE else _ZERO
    cells[estimate] = _ESTIMATE
    return "".join(cells).rstrip()
