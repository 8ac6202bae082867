"""The runs of every cell become dots with their mean, and beside them what each cell differs from the baseline cell."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from pandas import DataFrame
from scipy import stats

from bench.experiment import Metric
from bench.judge.names import reported
from bench.present import numbers
from bench.present.figures import style
from bench.present.figures.observed import cell_means
from bench.present.report import Figure, plain
from bench.present.study import ALPHA, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW = 0.42
_MOST_CELLS, _MOST_DOTS, _MOST_RUNS = 60, 50, 1000
"""Cells that are drawn at most; where a cell, or all, have more runs than the others, quantile dots stand for them."""
_QUANTILES = 25


def runs_figure(metric: Metric, study: Study) -> Figure:
    """The runs of a metric in the order of the cells, and the differences from the first (ratios on a log scale)."""
    log, rows = metric.name in study.logs, study.runs_of(metric)
    cells = study.analysis.cells.loc[study.analysis.cells["metric"] == metric.name, "cell"]
    means = cell_means(rows, study.confidence, log=log).set_index("cell")
    means = means.loc[[cell for cell in cells if cell in means.index]].reset_index()
    pairs = study.analysis.pairwise
    pairs = pairs[(pairs["metric"] == metric.name) & (pairs["b"] == cells.iloc[0])]
    shown = means.head(_MOST_CELLS)
    many = bool((shown["n"] > _MOST_DOTS).any() or shown["n"].sum() > _MOST_RUNS)
    dots = f"{_QUANTILES} quantiles of the runs" if many else "the runs"
    caption = (
        f"Runs of every cell, {metric.label}. Dots: {dots}; diamond: their {'geometric ' if log else ''}mean with its "
        f"{study.level} interval. Right: {'ratio to' if log else 'difference from'} the first cell, with the density "
        f"of the estimate; filled where its p, adjusted for all comparisons of the table, is < {ALPHA}."
    )
    if len(shown) < len(means):
        caption += f" {numbers.counted(len(means) - len(shown), 'further cell')} not drawn."
    lowest, highest = (shown.loc[getattr(shown["mean"], which)()] for which in ("idxmin", "idxmax"))
    alt = (
        f"Dots of {metric.label} in {numbers.counted(len(shown), 'cell')}, from a mean of "
        f"{numbers.significant(lowest['mean'])} ({lowest['cell']}) to {numbers.significant(highest['mean'])} "
        f"({highest['cell']}), beside the differences from {cells.iloc[0]}."
    )
    paint = partial(_paint, metric, rows, shown, pairs, study, many=many)
    return Figure(f"runs-{study.stem(metric)}", caption, alt, paint)


def _paint(
    metric: Metric, rows: DataFrame, shown: DataFrame, differences: DataFrame, study: Study, *, many: bool
) -> style.Drawing:
    log = metric.name in study.logs
    axis_label = style.quantity(metric, inches=1.7)
    height = 0.75 + style.LINE * (1 + axis_label.count("\n")) + _ROW * len(shown)
    drawing, (left, right) = style.blank(height, columns=2, width_ratios=(3, 2))
    for axes in (left, right):
        style.row_axis(axes, len(shown))
    by_cell = dict(tuple(rows.groupby("cell", observed=True)))
    places = [_dots(by_cell[cell]["value"].to_numpy(float), log=log, many=many) for cell in shown["cell"]]
    x = np.concatenate([values for values, _ in places])
    y = np.concatenate([row + offsets for row, (_, offsets) in enumerate(places)])
    points = left.scatter(x, y, s=9, color=style.SERIES[0], alpha=0.65, lw=0, zorder=2)
    if not many:
        titles = [
            f"{cell}, {study.block or 'run'} {row.block}: {numbers.significant(float(str(row.value)))}"
            for cell in shown["cell"]
            for row in by_cell[cell].sort_values("value").itertuples()
        ]
        drawing.name_marks(points, titles)
    down = np.arange(len(shown))
    left.hlines(down, shown["low"], shown["high"], color=style.INK, lw=1.6, zorder=3)
    left.plot(shown["mean"], down, "D", ms=4.5, mfc=style.PAPER, mec=style.INK, mew=1.1, zorder=4)
    style.row_labels(left, [plain(cell) for cell in shown["cell"]])
    left.set_xlabel(axis_label)
    _differences(right, shown, differences, study.confidence, log=log)
    if log:
        style.log_axis(left)
    return drawing


def _dots(values: np.ndarray, *, log: bool, many: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where the dots of a cell lie: in order, those that would overlap below each other."""
    ordered = np.sort(values)
    if many and len(ordered) > _QUANTILES:
        ordered = np.quantile(ordered, (np.arange(_QUANTILES) + 0.5) / _QUANTILES)
    place = np.log(ordered) if log else ordered
    spread = np.ptp(place) or 1.0
    level, last = np.zeros(len(place)), np.full(4, -np.inf)
    for index, at in enumerate(place):
        free = np.flatnonzero(at - last > 0.035 * spread)
        level[index] = free[0] if len(free) else index % 4
        last[int(level[index])] = at
    return ordered, 0.06 + 0.09 * level


def _differences(axes: Axes, shown: DataFrame, differences: DataFrame, confidence: float, *, log: bool) -> None:
    """Estimates with intervals over the density that the t distribution gives them (as dabest shows a bootstrap's)."""
    neutral = 1.0 if log else 0.0
    axes.axvline(neutral, color=style.INK, lw=0.9, zorder=1)
    rows = differences.set_index("a").rename(columns={"diff": "estimate"}).reindex(shown["cell"])
    of: Any
    for row, of in enumerate(rows.itertuples()):
        if not np.isfinite([of.estimate, of.low, of.high, of.df]).all():
            continue
        low, middle, high = np.log([of.low, of.estimate, of.high]) if log else (of.low, of.estimate, of.high)
        if high > low:
            scale = (high - low) / 2 / stats.t.isf((1 - confidence) / 2, of.df)
            t = np.linspace(-4, 4, 81)
            height = stats.t.pdf(t, of.df) / stats.t.pdf(0, of.df)
            across = reported(middle + scale * t, log)
            axes.fill_between(across, row, row - 0.3 * height, color=style.SERIES[1], alpha=0.3, lw=0)
        axes.hlines(row, of.low, of.high, color=style.SERIES[1], lw=1.8, zorder=2)
        face = style.SERIES[1] if of.p_adjusted < ALPHA else style.PAPER
        axes.plot(of.estimate, row, "o", ms=5, mfc=face, mec=style.SERIES[1], mew=1.3, zorder=3)
    if log:
        style.log_axis(axes)
    axes.set_xlabel(f"{'Ratio to' if log else 'Difference from'}\nthe first cell")
