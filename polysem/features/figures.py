"""Matrices of two runs become one figure: heat maps side by side on one scale of colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from bench.present import numbers
from bench.present.plots import canvas
from bench.present.report import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW = 0.21
"""Inches of the height of a tile."""
_WITH_NUMBER = 0.36
"""Inches of the width of a tile that shows its number."""
_TOP, _BETWEEN, _RIGHT = 0.62, 0.35, 0.95


@dataclass(frozen=True, eq=False)
class Panel:
    """One heat map: values in [row, column], and the names of both."""

    title: str
    values: Float[np.ndarray, "row column"]
    rows: Sequence[str]
    columns: Sequence[str]


@dataclass(frozen=True)
class Scale:
    """What a colour means: the values from ``low`` to ``high`` of the quantity ``label``."""

    label: str
    low: float
    high: float
    colours: str
    """A colour map of matplotlib, dark at both ends if it is ``diverging``, at ``low`` if not."""
    diverging: bool


def side_by_side(
    name: str, caption: str, alt: str, panels: Sequence[Panel], scale: Scale, *, with_numbers: bool
) -> Figure:
    """The panels in a row, each tile with its number or without; a tile that is NaN is grey."""
    return Figure(name, caption, alt, partial(canvas.draw, name, _paint, panels, scale, with_numbers))


def _paint(panels: Sequence[Panel], scale: Scale, with_numbers: bool) -> canvas.Canvas:
    labels = max(canvas.text_width(row, canvas.SMALL) for panel in panels for row in panel.rows) + 0.35
    tile = _WITH_NUMBER if with_numbers else _ROW
    widths = [tile * len(panel.columns) for panel in panels]
    height = _ROW * max(len(panel.rows) for panel in panels)
    left = labels
    page = canvas.Canvas(sum(widths) + len(panels) * (labels + _BETWEEN) + _RIGHT, _TOP + height + 0.15)
    for panel, width in zip(panels, widths, strict=True):
        axes = page.axes(left, _TOP, width, _ROW * len(panel.rows))
        _fill(axes, panel, scale, with_numbers)
        left += width + _BETWEEN + labels
    _key(page.axes(left - labels - 0.25, _TOP, 0.14, height), scale)
    return page


def _fill(axes: Axes, panel: Panel, scale: Scale, with_numbers: bool) -> None:
    n_rows, n_columns = panel.values.shape
    shown = np.ma.masked_invalid(panel.values)
    axes.set_facecolor(canvas.GRID)
    axes.pcolormesh(shown, cmap=scale.colours, vmin=scale.low, vmax=scale.high, edgecolors=canvas.PAPER, linewidth=0.6)
    axes.set_ylim(n_rows, 0)
    axes.set_yticks(np.arange(n_rows) + 0.5, list(panel.rows))
    axes.set_xticks(np.arange(n_columns) + 0.5, list(panel.columns))
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=canvas.SMALL - 1)
    axes.set_title(panel.title, loc="left", fontsize=canvas.SIZE, fontweight="bold", pad=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for (row, column), value in np.ndenumerate(panel.values):
        if with_numbers and np.isfinite(value):
            axes.text(
                column + 0.5, row + 0.53, numbers.fixed(value, 2), ha="center", va="center",
                color="#fefefe" if _is_dark(value, scale) else "#000000", fontsize=canvas.SMALL - 1.5,
            )  # fmt: skip


def _is_dark(value: float, scale: Scale) -> bool:
    share = (value - scale.low) / ((scale.high - scale.low) or 1)
    return abs(share - 0.5) > 0.36 if scale.diverging else share < 0.47


def _key(axes: Axes, scale: Scale) -> None:
    """What the colours mean."""
    edges = np.linspace(scale.low, scale.high, 65)
    middles = (edges[:-1] + edges[1:])[:, None] / 2
    axes.pcolormesh([0, 1], edges, middles, cmap=scale.colours, vmin=scale.low, vmax=scale.high, edgecolors="face")
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_title(scale.label, loc="left", fontsize=canvas.SMALL, pad=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
