"""The runs of one metric become one panel a factor: how each seed moves with its levels, and the mean of the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.plots import key, letters
from bench.present.plots.canvas import Canvas, Panel, draw, tick_room
from bench.present.plots.colours import INK, SERIES
from bench.present.plots.forest import told
from bench.present.plots.levels import LevelAxis, is_logarithmic, is_swept, side_by_side, to_scale
from bench.present.plots.observed import by_block
from bench.present.plots.scale import Scale, limits
from bench.present.plots.svg import Ink
from bench.present.report import Figure
from bench.present.tables import Context

_MOST = 8
_HEIGHT = 1.7
_NARROW, _WIDE, _PAGE = 1.6, 2.6, 7.4
"""Inches of the width of a panel, of one that has room or many levels, and of the panels of a row together."""
_GAP, _HEAD = 0.25, 0.42
_MEAN = Ink(stroke=INK, width=2.2)


def slopes(name: str, metric: Metric, rows: DataFrame, effects: DataFrame, context: Context, *, log: bool) -> Figure:
    """``rows``: the observed runs of ``metric``; ``effects``: its contrasts, for the text alternative."""
    swept = [factor for factor, levels in context.factors.items() if is_swept(levels)]
    drawn = numbers.counted(min(_MOST, len(context.factors)), "factor")
    caption = (
        f"{metric.label} by factor and {context.block}. Averaged over the cells of the other factors; one thin line a "
        f"{context.block}, thick their mean. Lines that go the same way are an effect that every {context.block} shows."
    )
    if swept:
        caption += f" Dose–response over {numbers.listed(swept)}: the horizontal axis is to scale{_scaled(context)}."
    if len(context.factors) > _MOST:
        caption += f" Only the first {drawn} drawn."
    shown = effects[effects["effect"].isin(context.contrasts) & effects["estimate"].notna()]
    changes = numbers.listed(told(shown, context)) or "none"
    alt = f"Paired slopes of {metric.label} by {context.block}. Mean {'ratios' if log else 'changes'}: {changes}."
    return Figure(name, caption, alt, partial(draw, _paint, metric, rows, context, log=log))


def _scaled(context: Context) -> str:
    """Of which factors the scale is logarithmic, and where 0 is on it."""
    found = {name: levels for name, levels in context.factors.items() if is_swept(levels) and is_logarithmic(levels)}
    zero = any(0 in levels for levels in found.values())
    apart = "; 0, which it cannot hold, stands at its left behind a break" if zero else ""
    return f", logarithmic for {numbers.listed(list(found))}{apart}" if found else ""


def _paint(metric: Metric, rows: DataFrame, context: Context, *, log: bool) -> Canvas:
    factors = list(context.factors.items())[:_MOST]
    tables = [by_block(rows, [position], log=log) for position in range(len(factors))]
    y = Scale.around(*limits(*(table.to_numpy() for table in tables), log=log), log=log)
    width = _WIDE if len(factors) < 3 else _NARROW
    axes = [
        to_scale(levels, max(width, _WIDE)) if is_swept(levels) else side_by_side(levels, _width(len(levels), width))
        for _, levels in factors
    ]
    samples = [
        key.Sample(f"each {context.block}", Ink(stroke=SERIES[0], opacity=0.4)),
        key.Sample("geometric mean" if log else "mean", _MEAN, Ink(fill=INK), "diamond", 2.6),
    ]
    lines = _in_rows(axes)
    left = max(tick_room(y, _HEIGHT), *(axes[line[0]].before + 0.05 for line in lines))
    across = max(sum(axes[place].width for place in line) + _GAP * (len(line) - 1) for line in lines)
    key_width = left + across
    below = [max(axes[place].below for place in line) for line in lines]
    top = 0.06 + key.ROW * len(key.rows(samples, key_width)) + 0.32
    height = sum(_HEIGHT + room + _HEAD for room in below) - _HEAD
    page = Canvas(max(left + across + 0.2, 2.6), top + height + 0.05)
    key.key(page, 0.1, 0.06, key_width, samples)
    for line, room in zip(lines, below, strict=True):
        start = left
        for place in line:
            panel = Panel(page, start, top, axes[place].width, _HEIGHT, axes[place].scale, y)
            label = letters.quantity(metric, _HEIGHT + 0.5) if place == line[0] else ""
            panel.y_axis(label, labelled=place == line[0])
            _lines(panel, factors[place][0], axes[place], tables[place], context, log=log)
            start += axes[place].width + _GAP
        top += _HEIGHT + room + _HEAD
    return page


def _width(levels: int, usual: float) -> float:
    """Inches for so many levels side by side."""
    return float(np.clip(0.17 * levels, usual, _PAGE))


def _in_rows(axes: Sequence[LevelAxis]) -> list[list[int]]:
    """The panels in their order, as many to a row as fit."""
    rows: list[list[int]] = [[]]
    for place, axis in enumerate(axes):
        if rows[-1] and sum(axes[other].width + _GAP for other in rows[-1]) + axis.width > _PAGE:
            rows.append([])
        rows[-1].append(place)
    return rows


def _lines(panel: Panel, factor: str, axis: LevelAxis, found: DataFrame, context: Context, *, log: bool) -> None:
    table = found.reindex(columns=axis.codes.tolist())
    panel.block_lines(axis.at, table, context.block, SERIES[0])
    mean = np.exp(np.log(table).mean()) if log else table.mean()
    panel.lines(axis.at, [mean], _MEAN)
    panel.page.markers(panel.at(axis.at, mean), Ink(fill=INK), 2.6, shape="diamond")
    name = letters.fitted(factor, panel.width + _GAP, bold=True)
    panel.page.text(panel.left + panel.width / 2, panel.top - 0.15, name, bold=True, anchor="middle")
    axis.draw(panel)
