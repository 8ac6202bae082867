"""The levels of a factor -> where they lie along an axis, and names that fit below it, flat or at an angle."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.present.plots import letters
from bench.present.plots.canvas import RULE, Panel
from bench.present.plots.scale import Floats, Scale, label

_ANGLE = 40.0
_BETWEEN = 0.16
"""Inches between names at an angle, at least."""


@dataclass(frozen=True, eq=False)
class LevelAxis:
    """``at``: where levels lie on ``scale``, from left to right; ``names``: what is below them, "" without room."""

    codes: NDArray[np.int64]
    """The levels in the order in which they lie."""
    at: Floats
    names: Sequence[str]
    scale: Scale
    width: float
    """Inches."""
    angled: bool
    has_gap: bool = False
    """Whether the first level is 0, apart from a logarithmic axis that cannot hold it."""

    @property
    def below(self) -> float:
        """Inches that the names take below the panel."""
        return 0.18 + self._longest * math.sin(math.radians(_ANGLE)) if self.angled else 0.27

    @property
    def before(self) -> float:
        """Inches that the first name takes to the left of its panel."""
        first = next((place for place, name in enumerate(self.names) if name), 0)
        start = float(self.scale.share(self.at[first])) * self.width
        return max(0.0, self._longest * math.cos(math.radians(_ANGLE)) - start) if self.angled else 0.0

    @property
    def _longest(self) -> float:
        return max(letters.text_width(name, letters.SMALL) for name in self.names)

    def draw(self, panel: Panel) -> None:
        """The lower edge of ``panel``, whose ``x`` is ``scale``, with the names."""
        panel.x_axis(ticks=dict.fromkeys(self.at.tolist(), ""))
        places = panel.at(self.at, np.full(len(self.at), panel.y.low)).tolist()
        for (across, down), name in zip(places, self.names, strict=True):
            if name and self.angled:
                panel.page.text(across + 0.03, down + 0.12, name, size=letters.SMALL, anchor="end", angle=-_ANGLE)
            elif name:
                panel.page.text(across, down + 0.15, name, size=letters.SMALL, anchor="middle")
        if self.has_gap:
            middle, down = (places[0][0] + places[1][0]) / 2, places[0][1]
            strokes = [[(x - 0.025, down + 0.05), (x + 0.025, down - 0.05)] for x in (middle - 0.02, middle + 0.02)]
            panel.page.lines(strokes, RULE)


def is_swept(levels: Sequence[Hashable]) -> bool:
    """Whether a factor's levels are three numbers or more, which have distances."""
    return len(levels) > 2 and all(type(level) in (int, float) and math.isfinite(float(str(level))) for level in levels)


def is_logarithmic(levels: Sequence[Hashable]) -> bool:
    """Whether swept levels are spread better by their logarithms: none is negative, and they span more than 20-fold."""
    values = [float(str(level)) for level in levels]
    positive = [value for value in values if value > 0]
    return min(values) >= 0 and len(positive) > 1 and max(positive) > 20 * min(positive)


def side_by_side(levels: Sequence[Hashable], width: float) -> LevelAxis:
    """The levels 0, 1, … at even distances."""
    scale = Scale(-0.35, len(levels) - 0.65)
    return _named(np.arange(len(levels), dtype=float), [str(level) for level in levels], scale, width)


def to_scale(levels: Sequence[Hashable], width: float) -> LevelAxis:
    """Swept levels at their distances, or those of their logarithms; then 0 stands apart at the left."""
    values = np.array([float(str(level)) for level in levels])
    names = [label(level) for level in values.tolist()]
    if not is_logarithmic(levels):
        return _named(values, names, Scale.around(values.min(), values.max()), width)
    with np.errstate(divide="ignore"):
        at = np.log10(values)
    known = at[np.isfinite(at)]
    apart = known.min() - max(0.12 * np.ptp(known), np.ptp(known) / max(1, len(known) - 1))
    at = np.where(np.isfinite(at), at, apart)
    has_gap = bool((values == 0).any())
    return _named(at, names, Scale.around(at.min(), at.max()), width, has_gap=has_gap)


def _named(at: Floats, names: Sequence[str], scale: Scale, width: float, *, has_gap: bool = False) -> LevelAxis:
    """Whole names where they fit side by side, else at an angle, and then as many as there is room for."""
    order = np.argsort(at, kind="stable")
    at, names = at[order], [letters.shortened(names[index], 24) for index in order]
    across = (scale.share(at) * width).tolist()
    sizes = [letters.text_width(name, letters.SMALL) for name in names]
    gaps = zip(across, across[1:], sizes, sizes[1:], strict=False)
    flat = all(right - left >= (first + second) / 2 + 0.08 for left, right, first, second in gaps)
    if flat and across[0] - sizes[0] / 2 > -0.15 and across[-1] + sizes[-1] / 2 < width + 0.15:
        return LevelAxis(order, at, names, scale, width, angled=False, has_gap=has_gap)
    chosen: list[str] = []
    last = -math.inf
    for place, name in zip(across, names, strict=True):
        chosen.append(letters.fitted(name, 1.15, letters.SMALL) if place - last >= _BETWEEN else "")
        last = place if chosen[-1] else last
    return LevelAxis(order, at, chosen, scale, width, angled=True, has_gap=has_gap)
