"""Matrices of two runs become one figure: heat maps side by side on one scale of colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from bench.present import numbers
from bench.present.figures.style import GRID, PAPER, SMALL, WIDTH, Drawing, blank, ink_on
from bench.present.report import Figure, plain

_ROW = 0.2
"""Inches of the height of a tile."""


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
    """A colour map of matplotlib."""


def side_by_side(
    name: str, caption: str, alt: str, panels: Sequence[Panel], scale: Scale, *, with_numbers: bool
) -> Figure:
    """The panels on one scale of colours, with or without the numbers of tiles of a quarter of its end; NaN is grey."""
    return Figure(name, caption, alt, partial(_paint, panels, scale, with_numbers))


def _paint(panels: Sequence[Panel], scale: Scale, with_numbers: bool) -> Drawing:
    columns = len(panels) if sum(len(panel.columns) for panel in panels) <= 20 else 1
    rows = -(-len(panels) // columns)
    tallest = max(len(panel.rows) for panel in panels)
    drawing, axes = blank(rows * (0.75 + _ROW * tallest), rows, columns)
    tile = 72 * WIDTH / (columns * (3 + max(len(panel.columns) for panel in panels)))
    image = None
    for panel, place in zip(panels, axes, strict=True):
        image = place.pcolormesh(
            panel.values, vmin=scale.low, vmax=scale.high, cmap=scale.colours, lw=1, edgecolor=PAPER
        )
        place.invert_yaxis()
        place.set_facecolor(GRID)
        place.grid(visible=False)
        place.set_title(plain(panel.title), loc="left", weight="bold")
        names = [plain(name) for name in panel.columns]
        place.set_xticks(np.arange(len(names)) + 0.5, names, size=min(SMALL, tile / 2))
        place.set_yticks(np.arange(len(panel.rows)) + 0.5, [plain(name) for name in panel.rows])
        place.set_xlabel(plain(panel.column_name))
        place.set_ylabel(plain(panel.row_name))
        for (row, column), value in np.ndenumerate(panel.values if with_numbers else np.empty((0, 0))):
            if abs(value) >= scale.high / 4:
                ink = ink_on(image.cmap(image.norm(value)))
                text = numbers.fixed(float(value), 2)
                place.text(
                    column + 0.5, row + 0.5, text, color=ink, ha="center", va="center", size=min(SMALL - 1, tile / 2.6)
                )
    if image is not None:
        drawing.canvas.colorbar(image, ax=axes, label=plain(scale.label), shrink=0.8, aspect=30, location="bottom")
    return drawing
