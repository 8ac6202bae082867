"""Estimates with intervals become lines of characters, all on one scale, around the value that means no effect."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_LINE, _ESTIMATE, _ZERO, _BEYOND = "─", "●", "│", ("◂", "▸")


def strips(intervals: NDArray[np.float64], no_effect: float, width: int) -> list[str]:
    """One line of ``width`` characters for each row (estimate, low, high); blank where there is no interval.

    ``no_effect`` of 1 means ratios, which are drawn as logarithms. The scale holds every estimate and twice the length
    of the median interval on either side of it; what reaches beyond ends in an arrow.
    """
    if no_effect == 1:
        with np.errstate(invalid="ignore", divide="ignore"):
            intervals, no_effect = np.log(intervals), 0.0
    usable: NDArray[np.bool_] = np.asarray(np.isfinite(intervals).all(axis=1))
    if not usable.any():
        return [""] * len(intervals)
    known = intervals[usable]
    reach = 2 * float(np.median(known[:, 2] - known[:, 1]))
    low = min(no_effect, max(known[:, 1].min(), known[:, 0].min() - reach))
    high = max(no_effect, min(known[:, 2].max(), known[:, 0].max() + reach))
    if not low < high:
        return [""] * len(intervals)

    values = np.column_stack([intervals, np.full(len(intervals), no_effect)])
    places = np.floor((values - low) / (high - low) * (width - 1) + 0.5)
    return [
        _strip([int(place) for place in row], width) if drawn else ""
        for row, drawn in zip(places.tolist(), usable.tolist(), strict=True)
    ]


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
