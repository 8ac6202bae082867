"""Published means beside ours become a picture: cells in rows, metrics in columns, how far apart in standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.figures.style import GRID, PAPER, SMALL, Drawing, blank, ink_on, wrap
from bench.present.report import Figure, plain

_ROW, _MOST = 0.32, 60
"""Inches of the height of a row; so many cells are drawn at most."""


def published_figure(table: DataFrame, metrics: Sequence[Metric]) -> Figure:
    """``table``: a row a published mean, ``metric cell z within_3_se``; z is ours less theirs in standard errors."""
    compared = table[table["z"].notna()]
    beyond = compared[~compared["within_3_se"].astype(bool)]
    caption = (
        f"Published means against ours: how many standard errors ours lies above theirs. "
        f"{len(compared) - len(beyond)} of {len(compared)} lie within three."
    )
    listed = [f"{row.metric} in {row.cell}" for row in beyond.itertuples()]
    alt = f"Heat map of cells by metrics. Beyond three: {numbers.listed(listed, most=9) if listed else 'none'}."
    shown = [metric for metric in metrics if (table["metric"] == metric.name).any()]
    return Figure("published", caption, alt, partial(_paint, table, shown))


def _paint(table: DataFrame, metrics: Sequence[Metric]) -> Drawing:
    from matplotlib import colormaps  # noqa: PLC0415

    cells = list(dict.fromkeys(table["cell"]))[:_MOST]
    z: Any = table.pivot_table(index="cell", columns="metric", values="z", sort=False, dropna=False)
    z = z.reindex(index=cells, columns=[metric.name for metric in metrics]).to_numpy(float)
    drawing, (axes,) = blank(1.5 + _ROW * len(cells))
    colours = colormaps["PuOr"].resampled(24)  # of more than 50, the key would be an image, which a page must not load
    image = axes.pcolormesh(z, vmin=-3, vmax=3, cmap=colours, lw=1, edgecolor=PAPER)
    axes.invert_yaxis()
    axes.set_facecolor(GRID)
    axes.grid(visible=False)
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(len(metrics)) + 0.5, [plain(metric.label) for metric in metrics], rotation=90)
    names = [wrap(plain(cell).replace("/", " / "), 1.5, SMALL - 1) for cell in cells]  # a line may end at a slash
    axes.set_yticks(np.arange(len(cells)) + 0.5, names, size=SMALL - 1)
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(z):
        if np.isfinite(value):
            text = numbers.fixed(float(value), 1)
            ink = ink_on(image.cmap(image.norm(value)))
            axes.text(column + 0.5, row + 0.5, text, color=ink, ha="center", va="center", size=SMALL)
    label = "ours − published, standard errors"
    drawing.canvas.colorbar(image, ax=axes, label=label, location="bottom", aspect=40, extend="both")
    return drawing
