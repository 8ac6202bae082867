"""The runs of one metric become interaction plots: how the effect of one factor changes with another."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.plan.labels import term_label
from bench.present import numbers
from bench.present.plots import key, letters
from bench.present.plots.canvas import Canvas, Panel, draw, tick_room
from bench.present.plots.colours import MUTED, SERIES
from bench.present.plots.levels import LevelAxis, side_by_side
from bench.present.plots.observed import by_block
from bench.present.plots.scale import Scale, limits
from bench.present.plots.svg import MARKERS, Ink
from bench.present.report import Figure
from bench.present.tables import Context

_MOST = 6
"""Pairs of factors drawn at most: those with the smallest p."""
_MOST_LINES = 10
"""Levels drawn as lines at most."""
_PER_ROW = 3
_WIDTH, _HEIGHT = 2.1, 1.55
"""Inches of one panel."""
_DASHES = ("", "6 2.5", "1.5 1.5", "6 2 1.5 2")


def interactions(
    name: str, metric: Metric, rows: DataFrame, terms: DataFrame, context: Context, *, log: bool
) -> Figure:
    """``rows``: the observed runs of ``metric``; ``terms``: its terms, for the p."""
    strength = {pair: _p(terms, context, pair) for pair in combinations(range(len(context.factors)), 2)}
    pairs = sorted(strength, key=lambda pair: strength[pair])[:_MOST]
    left_out = len(strength) - len(pairs)
    caption = (
        f"{metric.label} by two factors at a time. Averaged over the cells of the others that were run; thick: the "
        f"{'geometric ' if log else ''}mean; thin: each {context.block}. Parallel lines mean no interaction; the p is "
        "that of the interaction, unadjusted. All panels have the same vertical axis."
    )
    if any(len(context.factors[list(context.factors)[_crossed(pair, context)[1]]]) > _MOST_LINES for pair in pairs):
        caption += f" Only the first {_MOST_LINES} levels are drawn as lines."
    if left_out:
        caption += f" {numbers.counted(left_out, 'pair')} of factors with larger p not drawn."
    told = [f"{_title(context, pair)} p {numbers.p_value(strength[pair])}" for pair in pairs if strength[pair] <= 1]
    alt = f"Interaction plots of {metric.label}: {numbers.listed(told) or 'no interaction can be tested'}."
    return Figure(name, caption, alt, partial(draw, _paint, metric, rows, pairs, strength, context, log=log))


def _p(terms: DataFrame, context: Context, pair: tuple[int, int]) -> float:
    """Of the interaction; more than 1 where it is not tested."""
    tested = terms.loc[(terms["term"] == term_label(_names(context, pair))) & terms["p"].notna(), "p"]
    return float(tested.iloc[0]) if len(tested) else 2.0


def _names(context: Context, pair: tuple[int, int]) -> list[str]:
    return [list(context.factors)[position] for position in pair]


def _title(context: Context, pair: tuple[int, int]) -> str:
    return " × ".join(letters.shortened(name, 24) for name in _names(context, pair))


def _paint(
    metric: Metric,
    rows: DataFrame,
    pairs: list[tuple[int, int]],
    strength: dict[tuple[int, int], float],
    context: Context,
    *,
    log: bool,
) -> Canvas:
    levels = list(context.factors.values())
    crossed = [_crossed(pair, context) for pair in pairs]
    tables = [by_block(rows, [along, series], log=log) for along, series in crossed]
    y = Scale.around(*limits(*(table.to_numpy() for table in tables), log=log), log=log)
    axes = [side_by_side(levels[along], _WIDTH) for along, _ in crossed]
    keys = [_samples(series, context) for _, series in crossed]
    starts = range(0, len(pairs), _PER_ROW)
    heads = [
        0.42 + key.ROW * max(len(key.rows(samples, _WIDTH)) for samples in keys[start : start + _PER_ROW])
        for start in starts
    ]
    below = [max(axis.below for axis in axes[start : start + _PER_ROW]) + _HEIGHT + 0.12 for start in starts]
    across = min(_PER_ROW, len(pairs))
    gap = max(0.3, *(axis.before for axis in axes))
    left = max(tick_room(y, _HEIGHT), gap)
    page = Canvas(left + across * _WIDTH + (across - 1) * gap + 0.2, sum(heads) + sum(below))
    for index, (pair, axis, samples, table) in enumerate(zip(pairs, axes, keys, tables, strict=True)):
        row, column = divmod(index, across)
        start, head = left + column * (_WIDTH + gap), heads[row]
        top = sum(heads[: row + 1]) + sum(below[:row])
        panel = Panel(page, start, top, _WIDTH, _HEIGHT, axis.scale, y)
        panel.y_axis(letters.quantity(metric, _HEIGHT + 0.4) if column == 0 else "", labelled=column == 0)
        axis.draw(panel)
        said = f"p {numbers.p_value(strength[pair])}" if strength[pair] <= 1 else ""
        room = _WIDTH - letters.text_width(said, letters.SMALL) - 0.1
        page.text(start, top - head + 0.16, letters.fitted(_title(context, pair), room, bold=True), bold=True)
        page.text(start + _WIDTH, top - head + 0.16, said, size=letters.SMALL, colour=MUTED, anchor="end")
        key.key(page, start, top - head + 0.28, _WIDTH, samples)
        _series(panel, axis, table, len(samples) - 1, context, log=log)
    return page


def _crossed(pair: tuple[int, int], context: Context) -> tuple[int, int]:
    """Which factor of a pair lies along the axis: the one with more levels; the other's are lines."""
    first, second = pair
    levels = list(context.factors.values())
    return (second, first) if len(levels[second]) > len(levels[first]) else (first, second)


def _samples(series: int, context: Context) -> list[key.Sample]:
    """The name of a factor, and what its levels look like."""
    name, levels = list(context.factors.items())[series]
    return [key.Sample(f"{letters.fitted(name, 1.0, letters.SMALL)}:")] + [
        key.Sample(letters.fitted(str(level), 1.45, letters.SMALL), *_inks(place), 2.6)
        for place, level in enumerate(levels[:_MOST_LINES])
    ]


def _inks(place: int) -> tuple[Ink, Ink, str]:
    """How the line of a level is drawn: line, marker and its shape."""
    colour = SERIES[place % len(SERIES)]
    line = Ink(stroke=colour, width=2.0, dash=_DASHES[place % len(_DASHES)])
    return line, Ink(fill=colour), MARKERS[place % len(MARKERS)]


def _series(panel: Panel, axis: LevelAxis, means: DataFrame, count: int, context: Context, *, log: bool) -> None:
    tables = [means.reindex(columns=[(code, place) for code in axis.codes.tolist()]) for place in range(count)]
    xs = [axis.at + (place - (count - 1) / 2) * 0.06 for place in range(count)]
    for place, (x, table) in enumerate(zip(xs, tables, strict=True)):
        panel.block_lines(x, table, context.block, SERIES[place % len(SERIES)])
    for place, (x, table) in enumerate(zip(xs, tables, strict=True)):
        mean = np.exp(np.log(table).mean()) if log else table.mean()
        line, marker, shape = _inks(place)
        panel.lines(x, [mean], line)
        panel.page.markers(panel.at(x, mean), marker, 2.6, shape=shape)
