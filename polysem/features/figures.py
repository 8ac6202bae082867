"""Matrices of two runs become one figure: heat maps side by side on one scale of colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from bench.present import numbers
from bench.present.plots import letters
from bench.present.plots.canvas import RULE, Canvas, draw
from bench.present.plots.colours import DARK_BELOW, MUTED, ON_DARK, ON_LIGHT, shades
from bench.present.plots.scale import Scale as Values
from bench.present.plots.svg import Ink
from bench.present.report import Figure

_ROW = 0.21
"""Inches of the height of a tile."""
_WITH_NUMBER = 0.37
"""Inches of the width of a tile that shows its number."""
_TOP, _BETWEEN = 0.64, 0.25
_EDGE, _NUMBER = 0.005, 7.0
"""Inches left free around a tile; points of its number."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One heat map: values in [row, column], and the names of both."""

    title: str
    values: Float[np.ndarray, "row column"]
    rows: Sequence[str]
    columns: Sequence[str]
    row_name: str
    column_name: str
    """What a row and a column is."""


@dataclass(frozen=True)
class Scale:
    """What a colour means: the values from ``low`` to ``high`` of the quantity ``label``."""

    label: str
    low: float
    high: float
    colours: str
    """A map of ``plots.colours``, dark at both ends if it is ``diverging``, at ``low`` if not."""
    diverging: bool

    def share(self, values: ArrayLike) -> np.ndarray:
        """Where values lie between ``low`` and ``high``, from 0 to 1."""
        return (np.asarray(values, dtype=float) - self.low) / ((self.high - self.low) or 1)


def side_by_side(
    name: str, caption: str, alt: str, panels: Sequence[Panel], scale: Scale, *, with_numbers: bool
) -> Figure:
    """The panels in a row, each tile with its number or without; a tile that is NaN is grey."""
    return Figure(name, caption, alt, partial(draw, _paint, panels, scale, with_numbers))


def _paint(panels: Sequence[Panel], scale: Scale, with_numbers: bool) -> Canvas:
    labels = 0.42 + max(letters.text_width(row, letters.SMALL) for panel in panels for row in panel.rows)
    tile = _WITH_NUMBER if with_numbers else _ROW
    widths = [tile * len(panel.columns) for panel in panels]
    height = _ROW * max(len(panel.rows) for panel in panels)
    key_width = 0.23 + letters.text_width(scale.label, letters.SMALL)
    width = sum(widths) + len(panels) * labels + (len(panels) - 1) * _BETWEEN + 0.2 + max(0.75, key_width)
    page = Canvas(width, _TOP + height + 0.1)
    left = labels
    for panel, inches in zip(panels, widths, strict=True):
        _fill(page, left, panel, scale, inches, with_numbers=with_numbers)
        left += inches + _BETWEEN + labels
    _key(page, left - labels - _BETWEEN + 0.2, height, scale)
    return page


def _fill(page: Canvas, left: float, panel: Panel, scale: Scale, width: float, *, with_numbers: bool) -> None:
    n_rows, n_columns = panel.values.shape
    tile = width / n_columns
    across, down = left + tile * np.arange(n_columns), _TOP + _ROW * np.arange(n_rows)
    sides = [(x + _EDGE, y + _EDGE, tile - 2 * _EDGE, _ROW - 2 * _EDGE) for y in down for x in across]
    page.boxes(sides, Ink(), shades(scale.colours, scale.share(panel.values)))
    page.text(left, 0.14, panel.title, bold=True)
    page.text(
        left + width / 2, _TOP - 0.29, panel.column_name, size=letters.SMALL, colour=MUTED, anchor="middle"
    )  # fmt: skip
    names = 0.2 + max(letters.text_width(row, letters.SMALL) for row in panel.rows)
    page.text(
        left - names, _TOP + _ROW * n_rows / 2, panel.row_name, size=letters.SMALL, colour=MUTED, anchor="middle",
        angle=-90,
    )  # fmt: skip
    for y, name in zip((down + _ROW / 2).tolist(), panel.rows, strict=True):
        page.text(left - 0.07, y, name, size=letters.SMALL, anchor="end")
    for x, name in zip((across + tile / 2).tolist(), panel.columns, strict=True):
        page.text(x, _TOP - 0.1, name, size=letters.SMALL, anchor="middle")
    for (row, column), value in np.ndenumerate(panel.values):
        if with_numbers and np.isfinite(value):
            colour = ON_DARK if _is_dark(value, scale) else ON_LIGHT
            x, y = float(across[column] + tile / 2), float(down[row] + _ROW / 2)
            page.text(x, y, numbers.fixed(value, 2), size=_NUMBER, colour=colour, anchor="middle")


def _is_dark(value: float, scale: Scale) -> bool:
    share = float(scale.share(value))
    return abs(share - 0.5) > 0.36 if scale.diverging else share < DARK_BELOW


def _key(page: Canvas, left: float, height: float, scale: Scale) -> None:
    """What the colours mean."""
    steps = 64
    sides = [(left, _TOP + height * (steps - 1 - step) / steps, 0.14, height / steps + 0.01) for step in range(steps)]
    page.boxes(sides, Ink(), shades(scale.colours, (np.arange(steps) + 0.5) / steps))
    page.text(left, _TOP - 0.14, scale.label, size=letters.SMALL)
    if scale.low < scale.high:
        for value, label in Values(scale.low, scale.high).ticks(height, upright=True).items():
            y = _TOP + height * (1 - float(scale.share(value)))
            page.lines([[(left + 0.14, y), (left + 0.18, y)]], RULE)
            page.text(left + 0.23, y, label, size=letters.SMALL)
