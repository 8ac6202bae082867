"""The runs of one metric become one panel a factor: how each seed moves with its levels, and the mean of the seeds."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.plots import canvas
from bench.present.plots.forest import told
from bench.present.plots.observed import by_block
from bench.present.report import Figure
from bench.present.tables import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PER_ROW = 4
_MOST = 8
_HEIGHT = 1.7


def slopes(name: str, metric: Metric, rows: DataFrame, effects: DataFrame, context: Context, *, log: bool) -> Figure:
    """``rows``: the observed runs of ``metric``; ``effects``: its contrasts, for the text alternative."""
    swept = [factor for factor, levels in context.factors.items() if is_swept(levels)]
    drawn = numbers.counted(min(_MOST, len(context.factors)), "factor")
    caption = (
        f"{metric.label} by factor and {context.block}. Averaged over the cells of the other factors; one thin line a "
        f"{context.block}, thick their mean. Lines that go the same way are an effect that every {context.block} shows."
    )
    if swept:
        caption += f" Dose–response over {numbers.listed(swept)}: the horizontal axis is to scale."
    if len(context.factors) > _MOST:
        caption += f" Only the first {drawn} drawn."
    shown = effects[effects["effect"].isin(context.contrasts) & effects["estimate"].notna()]
    changes = numbers.listed(told(shown, context)) or "none"
    alt = f"Paired slopes of {metric.label} by {context.block}. Mean {'ratios' if log else 'changes'}: {changes}."
    return Figure(name, caption, alt, partial(canvas.draw, name, _paint, metric, rows, context, log=log))


def is_swept(levels: Sequence[Hashable]) -> bool:
    """Whether a factor's levels are three numbers or more, which have distances."""
    return len(levels) > 2 and all(type(level) in (int, float) and math.isfinite(float(str(level))) for level in levels)


def _paint(metric: Metric, rows: DataFrame, context: Context, *, log: bool) -> canvas.Canvas:
    factors = list(context.factors.items())[:_MOST]
    across, down = min(_PER_ROW, len(factors)), math.ceil(len(factors) / _PER_ROW)
    width = 1.75 if across > 2 else 2.6
    step = (width + 0.25, _HEIGHT + 0.85)
    page = canvas.Canvas(0.75 + across * step[0], down * step[1] + 0.05)
    tables = [by_block(rows, [position], log=log) for position in range(len(factors))]
    reach = canvas.limits(*(table.to_numpy().reshape(-1) for table in tables))
    for position, ((factor, levels), found) in enumerate(zip(factors, tables, strict=True)):
        row, column = divmod(position, across)
        left, top = 0.75 + column * step[0], row * step[1] + 0.35
        axes = page.axes(left, top, width, _HEIGHT)
        canvas.scale(axes, "y", *reach, log=log)
        x = _positions(axes, levels, width)
        table = found.reindex(columns=range(len(levels)))
        canvas.block_lines(page, axes, x, table, context.block, canvas.SERIES[0])
        mean = np.exp(np.log(table).mean()) if log else table.mean()
        axes.plot(x, mean, color=canvas.INK, linewidth=2.2, marker="D", markersize=5)
        axes.set_title(canvas.shortened(factor, 22), fontsize=canvas.SIZE, fontweight="bold")
        if column:
            axes.tick_params(labelleft=False)
        else:
            axes.set_ylabel(canvas.shortened(f"{metric.label}{f' ({metric.unit})' if metric.unit else ''}", 32))
    return page


def _positions(axes: Axes, levels: Sequence[Hashable], width: float) -> np.ndarray:
    """Where the levels lie: evenly, or for a swept factor to scale, logarithmic where that spreads them better."""
    if not is_swept(levels):
        canvas.level_axis(axes, [str(level) for level in levels], width)
        return np.arange(len(levels), dtype=float)
    x = np.array([float(str(level)) for level in levels])
    canvas.scale(axes, "x", x.min(), x.max(), log=bool(x.min() > 0 and x.max() / x.min() > 20), ticks=4)
    return x
