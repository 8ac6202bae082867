"""The residuals of one metric become three panels: against the fitted value, against the normal, and by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from statistics import NormalDist

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.plots import canvas, letters
from bench.present.plots.canvas import RULE, Canvas, Panel, draw
from bench.present.plots.colours import INK, SERIES
from bench.present.plots.scale import Scale, limits
from bench.present.plots.svg import Ink
from bench.present.report import Figure
from bench.present.tables import Context

_PANEL, _GAP = 2.1, 0.25
"""Inches of the width and height of a panel, and between two."""
_FAR = 3.0


def residuals(name: str, metric: Metric, rows: DataFrame, context: Context, *, log: bool) -> Figure:
    """``rows``: the residuals of ``metric`` with a column ``block``."""
    known = rows[rows["studentized"].notna()]
    far = int((known["studentized"].abs() > _FAR).sum())
    caption = (
        f"Residuals of {metric.label}. Studentised, in the model of the analysis of variance: against the fitted "
        "value (a funnel means unequal spread), against what a normal distribution would give (points off the line are "
        f"heavy tails), and by {context.block} in its order (a drift means that runs are not independent). Grey: "
        f"±{_FAR:g}, beyond which about 3 of 1000 normal residuals lie."
    )
    alt = (
        f"Residual plots of {metric.label}: {far} of {numbers.counted(len(known), 'run')} lie beyond ±{_FAR:g}, the "
        f"farthest at {numbers.statistic(float(known['studentized'].abs().max()))}."
    )
    return Figure(name, caption, alt, partial(draw, _paint, metric, known, context, log=log))


def _paint(metric: Metric, rows: DataFrame, context: Context, *, log: bool) -> Canvas:
    page = Canvas(0.65 + 3 * _PANEL + 2 * _GAP + 0.2, _PANEL + 0.65)
    value = rows["studentized"].to_numpy(float)
    y = Scale.around(*limits(value, [-_FAR, _FAR]))
    rank = np.argsort(np.argsort(value, kind="stable"), kind="stable")
    normal = np.array([NormalDist().inv_cdf((index + 0.5) / len(value)) for index in rank])
    block = rows["block"].cat.remove_unused_categories().cat
    blocks, order = list(block.categories), block.codes.to_numpy(float)
    fitted = np.exp(rows["fitted"]) if log else rows["fitted"]
    panels = (
        (fitted, letters.quantity(metric, _PANEL + _GAP - 0.1, before="Fitted "), log),
        (normal, "Normal quantile", False),
        (order, f"{context.block} in order".capitalize(), False),
    )
    titles = [
        canvas.seed_title(context.block, block, found, what=" residual")
        for block, found in zip(rows["block"], value, strict=True)
    ]
    for position, (x, name, is_log) in enumerate(panels):
        scale = Scale.around(*limits(x, log=is_log), log=is_log)
        panel = Panel(page, 0.65 + position * (_PANEL + _GAP), 0.15, _PANEL, _PANEL, scale, y)
        panel.level([-_FAR, _FAR])
        panel.level([0], RULE)
        if position == 1:
            ends = limits(normal)
            panel.lines(ends, [ends], Ink(stroke=INK))
        page.markers(panel.at(x, value), Ink(fill=SERIES[0], opacity=0.7), 1.6, titles=titles)
        panel.x_axis(name, _block_ticks(blocks, scale) if position == 2 else None)
        panel.y_axis("Studentised residual" if position == 0 else "", labelled=position == 0)
    return page


def _block_ticks(blocks: Sequence[object], scale: Scale) -> dict[float, str]:
    """Every block's name, or every second, third, … where they would not fit."""
    names = [letters.shortened(str(block), 8) for block in blocks]
    room = _PANEL / (scale.high - scale.low)
    every = math.ceil((max(letters.text_width(name, letters.SMALL) for name in names) + 0.08) / room)
    return {float(index): names[index] for index in range(0, len(names), every)}
