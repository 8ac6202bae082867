"""Claims of a U shape become panels: the means of the levels, the two lines at the break, the change along each."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.figures.observed import evenly_in_logs
from bench.present.figures.style import INK, MUTED, SERIES, SMALL, WIDTH, Drawing, blank, key, log_axis, quantity, wrap
from bench.present.report import Figure
from bench.present.study import Context, file_stem

_PANEL = 2.1


def lines_figure(metric: Metric, claims: DataFrame, lines: DataFrame, context: Context) -> Figure:
    """A panel for each of ``claims`` (columns ``claim contrast verdict``); ``lines``: ``ClaimVerdicts.lines``."""
    lines = lines[lines["claim"].isin(claims["claim"])]
    ratio = bool((lines["scale"] == "ratio").all())
    caption = (
        f"Two lines, {metric.label}. {'Geometric means' if ratio else 'Means'} of the levels and the change along each "
        f"line, with {context.level} intervals over the {context.block}s that did not choose the break (dotted)."
    )
    changes = lines.drop_duplicates(["claim", "line"])
    listed = [f"{claim}: {', then '.join(_changes(rows))}" for claim, rows in changes.groupby("claim", sort=False)]
    alt = f"{metric.label}, changes along the two lines of {numbers.listed(listed, most=9)}."
    paint = partial(_paint, metric, claims, lines, ratio=ratio)
    return Figure(f"lines-{file_stem(metric, list(context.labels))}", caption, alt, paint)


def _changes(rows: DataFrame) -> list[str]:
    limits = rows[["scale", "change", "low", "high"]].itertuples(index=False)
    return [f"{numbers.times(scale)}{numbers.interval(*row)}" for scale, *row in limits]


def _paint(metric: Metric, claims: DataFrame, lines: DataFrame, *, ratio: bool) -> Drawing:
    drawing, panels = blank(0.4 + _PANEL * len(claims), len(claims))
    handles: list[Any] = []
    for axes, (claim, verdict) in zip(panels, claims[["claim", "verdict"]].itertuples(index=False), strict=True):
        own = lines[lines["claim"] == claim]
        levels = own.drop_duplicates("dose")
        errors = np.abs(levels[["mean_low", "mean_high"]].to_numpy(float).T - levels["mean"].to_numpy(float))
        mean = axes.errorbar(levels["dose"], levels["mean"], errors, fmt="o", ms=4, color=INK, lw=1.2, zorder=2)
        pair = [axes.plot(line["dose"], line["fitted"], color=SERIES[number], lw=1.8, zorder=3)[0]
                for number, (_, line) in enumerate(own.groupby("line"))]  # fmt: skip
        axes.axvline(own.loc[own["dose"].duplicated(), "dose"].iloc[0], color=MUTED, ls=":", lw=1.1, zorder=0)
        if evenly_in_logs(levels["dose"].to_numpy(float)):
            log_axis(axes)
        if ratio:
            log_axis(axes, "y")
        axes.grid(visible=True, axis="both")
        changes = ",\nthen ".join(_changes(own.drop_duplicates("line")))
        title = f"{claim}: {verdict}\n{changes}"
        axes.set_title("\n".join(wrap(line, WIDTH - 1.1, SMALL) for line in title.split("\n")), loc="left", size=SMALL)
        axes.set_ylabel(quantity(metric, inches=_PANEL - 0.7), size=SMALL)
        handles = [mean, *pair]
    panels[-1].set_xlabel(str(claims["contrast"].iloc[-1]).split(",")[0].removeprefix("two lines along "))
    key(drawing, handles, ["mean", "line up to the break", "line from it"], columns=3)
    return drawing
