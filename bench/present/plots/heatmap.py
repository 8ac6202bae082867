"""The means of all cells and metrics become one heat map, every tile with its number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.plots import letters
from bench.present.plots.canvas import Canvas, column_widths, draw
from bench.present.plots.cells import level_rows
from bench.present.plots.colours import DARK_BELOW, MUTED, ON_DARK, ON_LIGHT, shades
from bench.present.plots.svg import Ink
from bench.present.report import Figure
from bench.present.tables import Context

_MOST = 60
_MOST_OF_A_UNIT = 12
"""Characters; a longer unit is left to the tables."""
_TILE, _EDGE = 0.25, 0.007
"""Inches of the height of a tile, and of the edge around it that is left free."""
_FINE = 7.5
_LOWEST, _HIGHEST = "lowest", "highest mean of a metric"
_STEPS = np.arange(7)
_KEY = (letters.text_width(_LOWEST, _FINE) + 0.06, 0.98, letters.text_width(_HIGHEST, _FINE) + 0.06)
"""Inches of the parts of the key."""


def heatmap(name: str, means: DataFrame, rows: DataFrame, context: Context) -> Figure:
    """``means``: the cells of all metrics; ``rows``: the observed runs, which know the cells' levels."""
    known = means[means["n"] > 0]
    shown = known.drop_duplicates("cell").head(_MOST)
    table = known.pivot(index="cell", columns="metric", values="mean").reindex(index=shown["cell"])
    table = table.dropna(axis="columns", how="all")
    metrics = [metric for metric in context.metrics if metric.name in table.columns]
    table = table[[metric.name for metric in metrics]]
    caption = (
        "Means of every cell. Within each metric, the darkest tile is the lowest mean and the lightest the highest; "
        "the arrow below says which is better."
    )
    if len(shown) < known["cell"].nunique():
        caption += f" {known['cell'].nunique() - len(shown)} further cells are not drawn."
    best = [
        f"{metric.label} is lowest in {table[metric.name].idxmin()} and highest in {table[metric.name].idxmax()}"
        for metric in metrics
    ]
    size = f"{numbers.counted(len(table), 'cell')} by {numbers.counted(len(metrics), 'metric')}"
    alt = f"Heat map of {size}: {numbers.listed(best)}."
    return Figure(name, caption, alt, partial(draw, _paint, table, *level_rows(shown, rows, context), metrics))


def _paint(table: DataFrame, heads: list[str], texts: list[list[str]], metrics: Sequence[Metric]) -> Canvas:
    short = [metric if len(metric.unit) <= _MOST_OF_A_UNIT else replace(metric, unit="") for metric in metrics]
    labels = [letters.quantity(metric, 1.9, letters.SMALL) for metric in short]
    shown = [[numbers.significant(value, 3) for value in row] for row in table.to_numpy().tolist()]
    tile = max(0.56, *(letters.text_width(text, letters.SMALL) + 0.12 for row in shown for text in row))
    left = sum(column_widths(heads, texts)) + 0.1
    slanted = [math.sqrt(0.5) * letters.text_width(label, letters.SMALL) for label in labels]
    top = 0.38 + max(slanted)
    right = max(slant - tile * (len(labels) - column - 0.4) for column, slant in enumerate(slanted))
    width = max(left + tile * len(labels) + max(0.1, right + 0.1), 0.2 + sum(_KEY))
    page = Canvas(width, top + _TILE * len(table) + 0.28)
    low, high = table.min(), table.max()
    share = ((table - low) / (high - low).replace(0, np.nan)).fillna(0.5).where(table.notna()).to_numpy()
    across = left + tile * np.arange(len(labels))
    down = top + _TILE * np.arange(len(table))
    sides = [(x + _EDGE, y + _EDGE, tile - 2 * _EDGE, _TILE - 2 * _EDGE) for y in down for x in across]
    page.boxes(sides, Ink(), shades("cividis", share))
    for x, label, metric in zip(across.tolist(), labels, metrics, strict=True):
        page.text(x + 0.4 * tile, top - 0.08, label, size=letters.SMALL, angle=-45)
        arrow = {"lower": "↓ better", "higher": "↑ better"}.get(metric.better, "")
        page.text(x + tile / 2, top + _TILE * len(table) + 0.13, arrow, size=_FINE, colour=MUTED, anchor="middle")
    for row, y in enumerate((down + _TILE / 2).tolist()):
        for column, x in enumerate((across + tile / 2).tolist()):
            colour = ON_DARK if share[row, column] < DARK_BELOW else ON_LIGHT
            page.text(x, y, shown[row][column], size=letters.SMALL, colour=colour, anchor="middle")
    page.columns(0.1, heads, texts, (down + _TILE / 2).tolist())
    _key(page)
    return page


def _key(page: Canvas) -> None:
    """What the colours mean."""
    low, colours, _ = _KEY
    page.text(0.1, 0.14, _LOWEST, size=_FINE, colour=MUTED)
    step = colours / len(_STEPS)
    page.boxes([(0.1 + low + step * place, 0.08, step, 0.12) for place in _STEPS], Ink(), shades("cividis", _STEPS / 6))
    page.text(0.16 + low + colours, 0.14, _HIGHEST, size=_FINE, colour=MUTED)
