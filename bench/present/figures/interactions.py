"""Marginal means of two factors at a time become small panels: parallel lines have no interaction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from math import ceil

import numpy as np

from bench.experiment import Metric
from bench.plan.labels import visible
from bench.present import numbers
from bench.present.figures.observed import marginal
from bench.present.figures.style import MARKERS, NORMAL, SERIES, SMALL, Drawing, blank, log_axis, quantity, wrap
from bench.present.report import Figure, plain
from bench.present.study import ALPHA, Study

_PANEL = 1.75
_MOST = 12
"""So many pairs of factors are drawn, in the order of the suite."""


def interactions_figure(metric: Metric, study: Study) -> Figure:
    """Every pair of factors, averaged over the others only when the figure is drawn."""
    terms = study.analysis.terms
    terms = terms[(terms["metric"] == metric.name) & (terms["p_adjusted"] < ALPHA) & terms["term"].isin(study.pairs)]
    survivors = numbers.listed([study.term(term) for term in terms["term"]])
    pairs = list(combinations(range(len(study.factors)), 2))
    shown = pairs[:_MOST]
    caption = (
        f"Interactions, {metric.label}. {'Geometric means' if metric.name in study.logs else 'Means'} over the other "
        f"factors with their {study.level} intervals over {study.block or 'run'}s; lines that are not parallel are an "
        "interaction."
    )
    if len(pairs) > len(shown):
        caption += f" {numbers.counted(len(pairs) - len(shown), 'further pair')} of factors not drawn."
    survive = f"survive the adjustment: {survivors}" if survivors else "none survives the adjustment"
    alt = f"Interaction plots of {metric.label} for {numbers.counted(len(shown), 'pair')} of factors; {survive}."
    return Figure(f"interactions-{study.stem(metric)}", caption, alt, partial(_paint, metric, shown, study))


def _paint(metric: Metric, pairs: Sequence[tuple[int, int]], study: Study) -> Drawing:
    runs, log = study.runs_of(metric), metric.name in study.logs
    columns = min(2, len(pairs))
    rows = ceil(len(pairs) / columns)
    drawing, panels = blank(0.7 + _PANEL * rows, rows, columns, sharey=True)
    names, levels = list(study.factors), list(study.factors.values())
    for axes, (first, second) in zip(panels, pairs, strict=False):
        means = marginal(runs, [first, second], study.confidence, log=log)
        width = len(levels[second])
        for code in range(width):
            line = means[means["code 1"] == code].sort_values("code 0")
            x = line["code 0"].to_numpy(float) + 0.06 * (code - (width - 1) / 2)
            errors = np.abs(line[["low", "high"]].to_numpy(float).T - line["mean"].to_numpy(float))
            colour, marker = SERIES[code % len(SERIES)], MARKERS[code % len(MARKERS)]
            axes.errorbar(
                x, line["mean"], errors, color=colour, marker=marker, ms=4.5, capsize=0, lw=1.3,
                label=plain(visible(levels[second][code])),
            )  # fmt: skip
        room = 1.35 * (2 / columns) / len(levels[first])
        ticks = [wrap(visible(level), room, SMALL, breaks=r"(?<=[ _/-])") for level in levels[first]]
        axes.set_xticks(range(len(levels[first])), ticks)
        axes.set_xlim(-0.4, len(levels[first]) - 0.6)
        axes.grid(visible=True, axis="y")
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(plain(names[first]), size=SMALL)
        axes.legend(title=plain(names[second]), title_fontsize=SMALL, loc="lower left", bbox_to_anchor=(0, 1), ncols=2,
                    columnspacing=0.8, handlelength=1.2, borderpad=0.1)  # fmt: skip
    for axes in panels[len(pairs) :]:
        axes.set_visible(False)
    if log:
        log_axis(panels[0], "y")
    drawing.canvas.supylabel(quantity(metric, inches=1.3 * rows), size=NORMAL)
    return drawing
