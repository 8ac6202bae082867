"""The effects of a two-level design become a half-normal plot and a Pareto chart with Lenth's limits."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.plots import key, letters
from bench.present.plots.canvas import Anchor, Canvas, Panel, column_widths, draw, tick_room
from bench.present.plots.colours import INK, MUTED, PAPER, SERIES
from bench.present.plots.scale import Scale, limits
from bench.present.plots.svg import Ink
from bench.present.report import Figure
from bench.present.tables import Context

_MOST_BARS = 24
_MOST_NAMED = 5
"""Points of the half-normal plot that bear their names."""
_PANEL = 2.4
_MARGIN, _WIDEST = Ink(stroke=MUTED, width=1.0, dash="4 2.5"), Ink(stroke=MUTED, width=1.0)
_BEYOND, _WITHIN = Ink(fill=SERIES[1], stroke=SERIES[1], width=1.0), Ink(fill=PAPER, stroke=SERIES[0], width=1.0)


def screening(name: str, metric: Metric, sizes: DataFrame, context: Context, *, log: bool) -> Figure:
    """``sizes``: the rows of ``metric`` of ``bench.judge.screening.screening_frame``."""
    beyond = sizes[sizes["size"] > sizes["margin"]]
    where = "solid; beyond the edge" if sizes["simultaneous_margin"].iloc[0] > _reach(sizes) else "solid"
    caption = (
        f"Which effects on {metric.label} stand out. Half-normal plot (left; mere noise lies on the line) and Pareto "
        f"chart, with Lenth's margin for one effect (dashed) and for the largest of all ({where}). This ignores the "
        f"{context.block}s: it is a check on the tests, not one of them."
    )
    named = [context.effect(effect) for effect in beyond.sort_values("size", ascending=False)["effect"]]
    alt = (
        f"Half-normal plot and Pareto chart of the effects on {metric.label}. "
        f"Beyond Lenth's margin: {numbers.listed(named) or 'none'}."
    )
    return Figure(name, caption, alt, partial(draw, _paint, metric, sizes.sort_values("size"), context, log=log))


def _paint(metric: Metric, sizes: DataFrame, context: Context, *, log: bool) -> Canvas:
    bars = sizes.tail(_MOST_BARS)[::-1]
    labels = [[letters.fitted(context.effect(effect), 2.4)] for effect in bars["effect"]]
    between = sum(column_widths([""], labels))
    height = max(2.2, 0.2 * len(bars))
    margin, widest = (float(sizes[name].iloc[0]) for name in ("margin", "simultaneous_margin"))
    y = Scale(0.0, 1.1 * float(sizes["score"].max()))
    left = tick_room(y, height)
    start = left + _PANEL + 0.3 + between
    width = start + _PANEL + 0.2
    x = Scale(0.0, _reach(sizes))
    samples = _samples(sizes, widest <= x.high)
    top = 0.14 + key.ROW * len(key.rows(samples, width - 0.2))
    page = Canvas(width, top + height + 0.5)
    key.key(page, 0.1, 0.05, width - 0.2, samples)
    half = Panel(page, left, top, _PANEL, height, x, y)
    pareto = Panel(page, start, top, _PANEL, height, x, Scale(len(bars) - 0.4, -0.6))
    for panel in (half, pareto):
        before = f"|{'log ratio' if log else 'change'}| of "
        panel.x_axis(letters.quantity(replace(metric, unit="") if log else metric, _PANEL + 0.4, before=before))
    _pareto(pareto, bars["size"].to_numpy(float), margin)
    for panel in (half, pareto):
        panel.upright(margin, _MARGIN)
        if widest <= x.high:
            panel.upright(widest, _WIDEST)
    _half_normal(half, sizes, margin, context)
    half.y_axis("Half-normal score")
    middles = pareto.at(0.0, np.arange(len(bars)))[:, 1].tolist()
    for down, (label,) in zip(middles, labels, strict=True):
        page.text(start - 0.08, down, label, anchor="end")
    return page


def _reach(sizes: DataFrame) -> float:
    """The right end of the axis: all effects and the margin for one lie before it."""
    return 1.08 * limits(sizes["size"], sizes["margin"])[1]


def _samples(sizes: DataFrame, is_widest_drawn: bool) -> list[key.Sample]:
    """What the marks of this figure mean: only those that it has."""
    samples = [key.Sample("line of mere noise", Ink(stroke=INK)), key.Sample("Lenth's margin for one effect", _MARGIN)]
    if is_widest_drawn:
        samples.append(key.Sample("for the largest of all", _WIDEST))
    if (sizes["size"] > sizes["margin"]).any():
        samples.append(key.Sample("effect beyond the first", marker=_BEYOND, radius=3.0))
    return samples


def _half_normal(panel: Panel, sizes: DataFrame, margin: float, context: Context) -> None:
    size, score = sizes["size"].to_numpy(float), sizes["score"].to_numpy(float)
    end = min(1.0, panel.x.high / (float(sizes["pseudo_se"].iloc[0]) * score.max() or 1.0)) * score.max()
    panel.lines([0, float(sizes["pseudo_se"].iloc[0]) * end], [[0, end]], Ink(stroke=INK))
    names = [context.effect(effect) for effect in sizes["effect"]]
    places = panel.at(size, score)
    for index in np.flatnonzero(size > margin)[::-1][:_MOST_NAMED].tolist():
        across, down = places[index].tolist()
        is_left = across > panel.left + 0.55 * panel.width
        room = (across - panel.left if is_left else panel.left + panel.width - across) - 0.1
        name = letters.fitted(names[index], room, letters.SMALL)
        anchor: Anchor = "end" if is_left else "start"
        side = -0.08 if is_left else 0.08
        panel.page.text(across + side, down, name, size=letters.SMALL, anchor=anchor, halo=True)
    for chosen, ink in ((size > margin, _BEYOND), (size <= margin, _WITHIN)):
        told = [name for name, is_chosen in zip(names, chosen, strict=True) if is_chosen]
        panel.page.markers(places[chosen], ink, 2.6, titles=told)


def _pareto(panel: Panel, size: np.ndarray, margin: float) -> None:
    top = panel.at(size, np.arange(len(size)) - 0.33)
    base = panel.at(np.zeros(len(size)), np.arange(len(size)) + 0.33)
    sides = np.stack([base[:, 0], top[:, 1], top[:, 0] - base[:, 0], base[:, 1] - top[:, 1]], axis=1)
    panel.page.boxes(sides[size > margin], _BEYOND)
    panel.page.boxes(sides[size <= margin], _WITHIN)
