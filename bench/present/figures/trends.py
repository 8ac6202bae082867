"""A factor with numbers as levels becomes a dose–response: means with intervals, the fitted curve and its band."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.figures.observed import evenly_in_logs, fitted_curve, marginal
from bench.present.figures.style import BAND, INK, SERIES, Drawing, blank, key, log_axis, quantity
from bench.present.report import Figure, plain
from bench.present.study import Study


def trend_figure(metric: Metric, factor: str, order: int, study: Study) -> Figure:
    """The means of the levels of ``factor``, and a polynomial of this order through them."""
    rows, log = study.runs_of(metric), metric.name in study.logs
    place = list(study.factors).index(factor)
    means = marginal(rows, [place], study.confidence, log=log)
    doses = [float(str(study.factors[factor][code])) for code in means["code 0"]]
    curve = fitted_curve(rows, place, doses, min(order, len(doses) - 1), study.confidence, log=log)
    means = means.assign(dose=doses).sort_values("dose")
    lowest, highest = (means.loc[getattr(means["mean"], which)()] for which in ("idxmin", "idxmax"))
    caption = (
        f"Dose–response over {factor}, {metric.label}. {'Geometric means' if log else 'Means'} over the other factors "
        f"with their {study.level} intervals over {study.block or 'run'}s; the fitted curve with its band."
    )
    alt = (
        f"{metric.label} over {factor}: lowest at {numbers.significant(lowest['dose'])} "
        f"({numbers.significant(lowest['mean'])}), highest at {numbers.significant(highest['dose'])} "
        f"({numbers.significant(highest['mean'])})."
    )
    name = f"trend-{study.stem(metric)}-{place}"
    return Figure(name, caption, alt, partial(_paint, metric, factor, means, curve, log=log))


def _paint(metric: Metric, factor: str, means: DataFrame, curve: DataFrame, *, log: bool) -> Drawing:
    drawing, (axes,) = blank(2.9)
    doses = means["dose"].to_numpy(float)
    errors = np.abs(means[["low", "high"]].to_numpy(float).T - means["mean"].to_numpy(float))
    handles: list[Any] = []
    labels: list[str] = []
    for _, line in curve.groupby("line", sort=False):
        band = axes.fill_between(line["dose"], line["low"], line["high"], color=BAND, lw=0, zorder=0)
        (fitted,) = axes.plot(line["dose"], line["value"], color=SERIES[0], zorder=1)
        handles, labels = [fitted, band], ["fitted curve", "its band"]
    handles.append(axes.errorbar(doses, means["mean"], errors, fmt="o", ms=4.5, color=INK, capsize=0, lw=1.3, zorder=2))
    axes.grid(visible=True, axis="both")
    axes.set_xlabel(plain(factor))
    axes.set_ylabel(quantity(metric, inches=2.0))
    if evenly_in_logs(doses):
        log_axis(axes)
    if log:
        log_axis(axes, "y")
    key(drawing, handles, [*labels, "mean"], columns=3)
    return drawing
