"""Claims become one picture: estimate, an interval that agrees with the verdict, margin, and the published value."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.figures import style
from bench.present.report import Figure

_AXIS = 0.62
"""Inches of the height of the axis below a panel."""
_FOR, _AGAINST, _OPEN = style.SERIES[2], style.SERIES[1], style.MUTED


def claims_figure(claims: DataFrame, metrics: Sequence[Metric]) -> Figure:
    """One panel a metric and scale, since they share no axis; its claims in the order of the frame.

    ``claims``: columns ``metric scale label sign verdict estimate low high start end margin published``; ``scale`` is
    "difference" or "ratio", ``start end`` the limits at the level at which the claim was
    judged, ``margin`` a difference or a factor.
    """
    drawn = claims[claims["estimate"].notna()]
    caption = (
        "The claims. Estimates with the intervals at which they were judged: one excludes no effect just where the "
        "verdict says so. Filled: decided. Band: the margin. Diamond: the published value."
    )
    if left_out := len(claims) - len(drawn):
        caption += f" Without an estimate, and not drawn: {numbers.counted(left_out, 'claim')}."
    listed = [f"{row.sign} {row.label}, {row.verdict}" for row in drawn.itertuples()]
    alt = f"Forest plot of {numbers.counted(len(drawn), 'claim')}: {numbers.listed(listed, most=20)}."
    return Figure("claims", caption, alt, partial(_paint, drawn, {metric.name: metric for metric in metrics}))


def _paint(claims: DataFrame, metrics: dict[str, Metric]) -> style.Drawing:
    estimates = style.estimates(claims)
    labels = style.label_lines([f"{claim.sign} {claim.label}" for claim in claims.itertuples()], estimates)
    claims = claims.assign(line=labels, number=estimates)
    groups = [(metric, scale, rows) for (metric, scale), rows in claims.groupby(["metric", "scale"], sort=False)]
    axis_labels = [style.quantity(metrics[str(metric)], str(scale)) for metric, scale, _ in groups]
    heights = [
        _AXIS + style.LINE * label.count("\n") + style.row_height(list(rows["line"])) * len(rows)
        for (*_, rows), label in zip(groups, axis_labels, strict=True)
    ]
    drawing, panels = style.blank(0.45 + sum(heights), max(1, len(groups)), height_ratios=heights or [1])
    handles: dict[str, Any] = {}
    claim: Any
    for axes, (_, scale, rows), axis_label in zip(panels, groups, axis_labels, strict=False):
        ratio = scale == "ratio"
        down = np.arange(len(rows))
        style.row_axis(axes, len(rows))
        style.neutral_line(axes, 1.0 if ratio else 0.0, len(rows))
        for row, claim in zip(down, rows.itertuples(), strict=True):
            if np.isfinite(claim.margin):
                low, high = (1 / claim.margin, claim.margin) if ratio else (-claim.margin, claim.margin)
                band = axes.fill_betweenx([row - 0.2, row + 0.2], low, high, color=style.BAND, lw=0, zorder=0)
                handles["margin"] = band
            colour = {"✓": _FOR, "~": _FOR, "✗": _AGAINST}.get(claim.sign, _OPEN)
            axes.hlines(row, claim.start, claim.end, color=colour, lw=2.2, zorder=2)
            face = style.PAPER if colour == _OPEN else colour
            (mark,) = axes.plot(claim.estimate, row, "o", ms=6, mfc=face, mec=colour, mew=1.4, zorder=3)
            handles.setdefault({_FOR: "supported", _AGAINST: "refuted"}.get(colour, "not decided"), mark)
            if np.isfinite(claim.published):
                (diamond,) = axes.plot(claim.published, row, "D", ms=5, mfc="none", mec=style.INK, mew=1.1, zorder=4)
                handles["published"] = diamond
        style.row_labels(axes, list(rows["line"]), right=list(rows["number"]))
        axes.set_xlabel(axis_label)
        if ratio:
            style.log_axis(axes)
        else:
            axes.locator_params(axis="x", nbins=6)  # more overlap where numbers are long
    style.key(drawing, list(handles.values()), list(handles), columns=3)
    return drawing
