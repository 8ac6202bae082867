"""The means of all cells and metrics become one heat map, every tile with its number."""

from __future__ import annotations

from functools import partial

import numpy as np
from pandas import DataFrame

from bench.present import numbers
from bench.present.plots import canvas
from bench.present.plots.cells import level_rows
from bench.present.report import Figure
from bench.present.tables import Context

_MOST = 60
_TILE = (0.78, 0.25)
"""Inches of the width and the height of a tile."""


def heatmap(name: str, means: DataFrame, rows: DataFrame, context: Context) -> Figure:
    """``means``: the cells of all metrics; ``rows``: the observed runs, which know the cells' levels."""
    known = means[means["n"] > 0]
    shown = known.drop_duplicates("cell").head(_MOST)
    table = known.pivot(index="cell", columns="metric", values="mean").reindex(index=shown["cell"])
    metrics = [metric for metric in context.metrics if metric.name in table.columns]
    table = table[[metric.name for metric in metrics]]
    caption = (
        "Means of every cell. Within each metric, the darkest tile is the lowest mean and the lightest the highest."
    )
    if len(shown) < known["cell"].nunique():
        caption += f" {known['cell'].nunique() - len(shown)} further cells not drawn."
    best = [
        f"{metric.label} is lowest in {table[metric.name].idxmin()} and highest in {table[metric.name].idxmax()}"
        for metric in metrics
    ]
    size = f"{numbers.counted(len(table), 'cell')} by {numbers.counted(len(metrics), 'metric')}"
    alt = f"Heat map of {size}: {numbers.listed(best)}."
    labels = [canvas.shortened(metric.label, 26) for metric in metrics]
    return Figure(
        name, caption, alt, partial(canvas.draw, name, _paint, table, *level_rows(shown, rows, context), labels)
    )


def _paint(table: DataFrame, heads: list[str], texts: list[list[str]], labels: list[str]) -> canvas.Canvas:
    left = sum(canvas.label_widths(heads, texts)) + 0.05
    top = 0.15 + 0.72 * max(canvas.text_width(label, canvas.SMALL) for label in labels)
    width, height = _TILE[0] * len(labels), _TILE[1] * len(table)
    page = canvas.Canvas(left + width + 0.72 * top + 0.1, top + height + 0.3)
    axes = page.axes(left, top, width, height)
    low, high = table.min(), table.max()
    shade = ((table - low) / (high - low).replace(0, np.nan)).fillna(0.5).to_numpy()
    axes.pcolormesh(shade, cmap="cividis", vmin=0, vmax=1, edgecolors=canvas.PAPER, linewidth=1)
    axes.set_ylim(len(table), 0)
    for column, label in enumerate(labels):
        axes.text(
            column + 0.4, -0.25, label, rotation=45, ha="left", va="bottom", rotation_mode="anchor",
            fontsize=canvas.SMALL,
        )  # fmt: skip
        for position, value in enumerate(table.iloc[:, column]):
            axes.text(
                column + 0.5, position + 0.5, numbers.significant(value, 3), ha="center", va="center",
                color="#000000" if shade[position, column] >= 0.47 else "#fefefe", fontsize=canvas.SMALL,
            )  # fmt: skip
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks([])
    canvas.row_labels(axes, heads, texts, first=0.5)
    return page
