"""The effects of a two-level design become a half-normal plot and a Pareto chart with Lenth's limits."""

from __future__ import annotations

from functools import partial

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.plots import canvas
from bench.present.report import Figure
from bench.present.tables import Context

_MOST_BARS = 24


def screening(name: str, metric: Metric, sizes: DataFrame, context: Context, *, log: bool) -> Figure:
    """``sizes``: the rows of ``metric`` of ``bench.judge.screening.screening_frame``."""
    beyond = sizes[sizes["size"] > sizes["margin"]]
    caption = (
        f"Which effects on {metric.label} stand out. Half-normal plot (left; mere noise lies on the line) and Pareto "
        "chart, with Lenth's margin for one effect (dashed) and for the largest of all (solid). This ignores the "
        f"{context.block}s: it is a check on the tests, not one of them."
    )
    named = [context.effect(effect) for effect in beyond.sort_values("size", ascending=False)["effect"]]
    alt = (
        f"Half-normal plot and Pareto chart of the effects on {metric.label}. "
        f"Beyond Lenth's margin: {numbers.listed(named) or 'none'}."
    )
    return Figure(
        name, caption, alt, partial(canvas.draw, name, _paint, metric, sizes.sort_values("size"), context, log=log)
    )


def _paint(metric: Metric, sizes: DataFrame, context: Context, *, log: bool) -> canvas.Canvas:
    bars = sizes.tail(_MOST_BARS)[::-1]
    labels = [[canvas.shortened(context.effect(effect), 40)] for effect in bars["effect"]]
    left = sum(canvas.label_widths([""], labels))
    height = max(2.2, 0.2 * len(bars))
    page = canvas.Canvas(3.5 + left + 2.9, height + 0.8)
    half, pareto = page.axes(0.6, 0.25, 2.6, height), page.axes(3.5 + left, 0.25, 2.7, height)
    margin, widest = sizes["margin"].iloc[0], sizes["simultaneous_margin"].iloc[0]
    top = canvas.limits(sizes["size"], [margin])[1] or 1.0
    for axes in (half, pareto):
        canvas.scale(axes, "x", 0.0, top, log=False)
        axes.set_xlim(0, 1.08 * top)
        axes.set_xlabel(f"|{'log ratio' if log else 'change'}| of {canvas.shortened(metric.label, 22)}")
        axes.axvline(margin, color=canvas.MUTED, linestyle="--", linewidth=1)
        axes.axvline(widest, color=canvas.MUTED, linewidth=1)
    out = sizes["size"] > margin
    faces = [canvas.SERIES[1] if beyond else canvas.SERIES[0] for beyond in out]
    points = half.scatter(sizes["size"], sizes["score"], s=26, c=faces, linewidths=0, zorder=3)
    page.tell(points, [context.effect(effect) for effect in sizes["effect"]])
    slope = sizes["pseudo_se"].iloc[0]
    half.plot([0, slope * sizes["score"].max()], [0, sizes["score"].max()], color=canvas.INK, linewidth=0.8)
    half.set_ylim(0, 1.1 * sizes["score"].max())
    half.set_ylabel("Half-normal score")
    y = np.arange(len(bars))
    bars_out = bars["size"] > margin
    pareto.barh(
        y, bars["size"], height=0.66, color=[canvas.SERIES[1] if beyond else canvas.SERIES[0] for beyond in bars_out],
        hatch=["///" if beyond else "" for beyond in bars_out], edgecolor=canvas.PAPER, linewidth=0,
    )  # fmt: skip
    pareto.set_ylim(len(bars) - 0.4, -0.6)
    canvas.row_labels(pareto, [""], labels)
    return page
