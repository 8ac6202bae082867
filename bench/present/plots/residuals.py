"""The residuals of one metric become three panels: against the fitted value, against the normal, and by seed."""

from __future__ import annotations

from functools import partial
from statistics import NormalDist

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.plots import canvas
from bench.present.report import Figure
from bench.present.tables import Context

_PANEL = 2.1
_FAR = 3.0


def residuals(name: str, metric: Metric, rows: DataFrame, context: Context, *, log: bool) -> Figure:
    """``rows``: the residuals of ``metric`` with a column ``block``."""
    known = rows[rows["studentized"].notna()]
    far = int((known["studentized"].abs() > _FAR).sum())
    caption = (
        f"Residuals of {metric.label}. Studentised, in the model of the analysis of variance: against the fitted "
        "value (a funnel means unequal spread), against what a normal distribution would give (points off the line are "
        f"heavy tails), and by {context.block} in its order (a drift means that runs are not independent)."
    )
    alt = (
        f"Residual plots of {metric.label}: {far} of {numbers.counted(len(known), 'run')} lie beyond ±{_FAR:g}, the "
        f"farthest at {numbers.statistic(float(known['studentized'].abs().max()))}."
    )
    return Figure(name, caption, alt, partial(canvas.draw, name, _paint, metric, known, context, log=log))


def _paint(metric: Metric, rows: DataFrame, context: Context, *, log: bool) -> canvas.Canvas:
    page = canvas.Canvas(0.6 + 3 * (_PANEL + 0.3), _PANEL + 0.75)
    value = rows["studentized"].to_numpy()
    reach = canvas.limits(value, [-_FAR, _FAR])
    rank = np.argsort(np.argsort(value, kind="stable"), kind="stable")
    normal = np.array([NormalDist().inv_cdf((index + 0.5) / len(value)) for index in rank])
    order = {block: index for index, block in enumerate(sorted(rows["block"].unique()))}
    seeds = np.array([order[block] for block in rows["block"]], dtype=float)
    fitted = np.exp(rows["fitted"]) if log else rows["fitted"]
    label = canvas.shortened(metric.label, 18)
    panels = (
        (fitted, f"Fitted {label}"),
        (normal, "Normal quantile"),
        (seeds, f"{context.block} in order".capitalize()),
    )
    titles = [
        canvas.seed_title(context.block, block, found).replace(":", " residual")
        for block, found in zip(rows["block"], value, strict=True)
    ]
    for position, (x, name) in enumerate(panels):
        axes = page.axes(0.6 + position * (_PANEL + 0.3), 0.15, _PANEL, _PANEL)
        canvas.scale(axes, "y", *reach, log=False)
        canvas.scale(axes, "x", *canvas.limits(x), log=log and position == 0, ticks=4)
        if position == 2:
            chosen = np.unique(np.linspace(0, len(order) - 1, 5).round().astype(int))
            axes.set_xticks(chosen, [canvas.shortened(str(list(order)[index]), 8) for index in chosen])
        axes.axhline(0, color=canvas.MUTED, linewidth=0.8)
        axes.hlines([-_FAR, _FAR], 0, 1, transform=axes.get_yaxis_transform(), color=canvas.GRID, linewidth=0.8)
        page.tell(axes.scatter(x, value, s=10, color=canvas.SERIES[0], alpha=0.7, linewidths=0), titles)
        axes.set_xlabel(name)
        if position:
            axes.tick_params(labelleft=False)
        else:
            axes.set_ylabel("Studentised residual")
        if position == 1:
            ends = canvas.limits(normal)
            axes.plot(ends, ends, color=canvas.INK, linewidth=0.8)
    return page
