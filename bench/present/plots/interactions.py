"""The runs of one metric become interaction plots: how the effect of one factor changes with another."""

from __future__ import annotations

import math
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.plots import canvas
from bench.present.plots.observed import by_block
from bench.present.report import Figure
from bench.present.tables import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 6
"""Pairs of factors drawn at most: those with the smallest p."""
_PER_ROW = 3
_WIDTH, _HEIGHT = 2.0, 1.55
"""Inches of one panel."""


def interactions(
    name: str, metric: Metric, rows: DataFrame, effects: DataFrame, context: Context, *, log: bool
) -> Figure:
    """``rows``: the observed runs of ``metric``; ``effects``: its contrasts, for the p."""
    strength = {pair: _smallest_p(effects, context, pair) for pair in combinations(range(len(context.factors)), 2)}
    pairs = sorted(strength, key=lambda pair: strength[pair])[:_MOST]
    left_out = len(strength) - len(pairs)
    caption = (
        f"{metric.label} by two factors at a time. Averaged over the cells of the others that were run; thick: the "
        f"mean; thin: each {context.block}. Parallel lines mean no interaction; the p is that of the interaction, "
        "unadjusted."
    )
    if left_out:
        caption += f" {numbers.counted(left_out, 'pair')} of factors with larger p not drawn."
    told = [f"{_title(context, pair)} p {numbers.p_value(strength[pair])}" for pair in pairs if strength[pair] <= 1]
    alt = f"Interaction plots of {metric.label}: {numbers.listed(told) or 'no interaction can be tested'}."
    return Figure(name, caption, alt, partial(canvas.draw, name, _paint, rows, pairs, strength, context, log=log))


def _smallest_p(effects: DataFrame, context: Context, pair: tuple[int, int]) -> float:
    """Of the interaction's contrasts; more than 1 where none is tested."""
    names = [list(context.factors)[position] for position in pair]
    tested = effects[effects["p"].notna()]
    is_theirs = [[part.partition("[")[0] for part in effect.split(":")] == names for effect in tested["effect"]]
    return float(tested.loc[is_theirs, "p"].min()) if any(is_theirs) else 2.0


def _title(context: Context, pair: tuple[int, int]) -> str:
    names = list(context.factors)
    return " × ".join(canvas.shortened(names[position], 16) for position in pair)


def _paint(
    rows: DataFrame,
    pairs: list[tuple[int, int]],
    strength: dict[tuple[int, int], float],
    context: Context,
    *,
    log: bool,
) -> canvas.Canvas:
    levels = [[str(level) for level in found] for found in context.factors.values()]
    head = 0.5 + 0.17 * max(math.ceil(len(levels[second]) / 2) for _, second in pairs)
    across, down = min(_PER_ROW, len(pairs)), math.ceil(len(pairs) / _PER_ROW)
    step = (_WIDTH + 0.75, _HEIGHT + head + 0.3)
    page = canvas.Canvas(across * step[0] + 0.1, down * step[1])
    for index, pair in enumerate(pairs):
        left, top = 0.6 + (index % across) * step[0], (index // across) * step[1] + head
        axes = page.axes(left, top, _WIDTH, _HEIGHT)
        p = strength[pair]
        page.text(left - 0.45, top - head + 0.22, _title(context, pair), fontweight="bold")
        if p <= 1:
            said = f"p {numbers.p_value(p)}"
            page.text(left + _WIDTH, top - head + 0.22, said, ha="right", fontsize=canvas.SMALL, color=canvas.MUTED)
        _panel(page, axes, rows, pair, levels, context, log=log)
    return page


def _panel(
    page: canvas.Canvas,
    axes: Axes,
    rows: DataFrame,
    pair: tuple[int, int],
    levels: list[list[str]],
    context: Context,
    *,
    log: bool,
) -> None:
    first, second = pair
    means = by_block(rows, [first, second], log=log)
    canvas.scale(axes, "y", *canvas.limits(means.to_numpy().reshape(-1)), log=log, ticks=4)
    canvas.level_axis(axes, levels[first], _WIDTH)
    count = len(levels[second])
    for series, level in enumerate(levels[second]):
        table = means.reindex(columns=[(code, series) for code in range(len(levels[first]))])
        color = canvas.SERIES[series % len(canvas.SERIES)]
        x = np.arange(len(levels[first]), dtype=float) + (series - (count - 1) / 2) * 0.06
        canvas.block_lines(page, axes, x, table, context.block, color)
        values = np.exp(np.log(table).mean()) if log else table.mean()
        axes.plot(
            x, values, color=color, linewidth=2.2, linestyle=canvas.DASHES[series % 4],
            marker=canvas.MARKERS[series % len(canvas.MARKERS)], markersize=5.5, label=canvas.shortened(level, 15),
        )  # fmt: skip
    name = canvas.shortened(list(context.factors)[second], 14)
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.24, 1.0), ncols=2, frameon=False, fontsize=7.5, handlelength=2.0,
        columnspacing=0.9, handletextpad=0.4, borderaxespad=0.1, title=name, title_fontsize=7.5, alignment="left",
    )  # fmt: skip
