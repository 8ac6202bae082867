"""The effects on one metric become a forest: estimates, one interval that agrees with its mark, and the margin."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.figures import style
from bench.present.report import Figure
from bench.present.study import ALPHA, Study

_MOST = 24
"""So many effects are all drawn; of more, the main effects and those that survive."""
_UNTESTED = "no test of its own"


def effects_figure(metric: Metric, study: Study) -> Figure:
    """Every effect on a metric, with limits that say the same as its adjusted p."""
    effects = study.selected[study.selected["metric"] == metric.name]
    margin = study.margins.get(metric.name)
    estimated = effects[effects["estimate"].notna()]
    survives = estimated["p_adjusted"] < ALPHA
    shown = estimated if len(estimated) <= _MOST else estimated[survives | estimated["effect"].isin(study.contrasts)]
    tested = estimated["p_adjusted"].notna()
    caption = f"Effects on {metric.label}."
    if tested.any():
        family = numbers.counted(int(estimated.loc[tested, "family_size"].iloc[0]), "test")
        caption += f" Filled: adjusted p < {ALPHA} among {family}; the interval excludes no effect just where the point"
        caption += " is filled (Benjamini & Yekutieli 2005)."
    if not tested.all():
        caption += (
            f" {_UNTESTED.capitalize()} (diamond): one of several contrasts of a term that is tested as a whole, "
        )
        caption += (
            f"with a {study.level} interval, not adjusted; without an interval, nothing varies or runs are too few."
        )
    if margin is not None:
        caption += " Band: the margin, within which an effect does not matter."
    if left_out := len(effects) - len(shown):
        caption += f" {numbers.counted(left_out, 'further effect')} not drawn."
    alt = f"Forest plot. {_described(metric, shown, study)}"
    return Figure(f"effects-{study.stem(metric)}", caption, alt, partial(_paint, metric, shown, study, margin))


def _described(metric: Metric, rows: DataFrame, study: Study) -> str:
    is_tested = rows["p_adjusted"].notna().any()
    named = rows[rows["p_adjusted"] < ALPHA] if is_tested else rows
    if named.empty:
        return f"No effect on {metric.label} that has a test of its own survives the adjustment."
    limits = named[["effect", "estimate", "low", "high"]].itertuples(index=False)
    listed = [f"{study.effect(effect)} {numbers.interval(*row)}" for effect, *row in limits]
    how = "that survive the adjustment" if is_tested else "without tests of their own"
    return f"Effects on {metric.label} {how}: {numbers.listed(listed)}."


def _paint(metric: Metric, rows: DataFrame, study: Study, margin: float | None) -> style.Drawing:
    ratio = bool((rows["scale"] == "ratio").all())
    texts = style.estimates(rows)
    lines = style.label_lines([study.effect(effect) for effect in rows["effect"]], texts)
    axis_label = style.quantity(metric, "ratio" if ratio else "difference")
    height = 1.0 + style.LINE * axis_label.count("\n") + style.row_height(lines) * max(1, len(rows))
    drawing, (axes,) = style.blank(height)
    survives, tested = (rows["p_adjusted"] < ALPHA).to_numpy(), rows["p_adjusted"].notna().to_numpy()
    y, marks, names = np.arange(len(rows)), list[Any](), list[str]()
    if margin is not None:
        low, high = (1 / (1 + margin), 1 + margin) if ratio else (-margin, margin)
        marks.append(axes.barh(y, high - low, 0.44, low, color=style.BAND, lw=0, zorder=0).patches[0])
        names.append("margin")
    style.neutral_line(axes, 1.0 if ratio else 0.0, len(rows))
    axes.hlines(y, rows["low_fcr"], rows["high_fcr"], color=style.SERIES[0], lw=2, zorder=2)
    colour = style.SERIES[0]
    for chosen, shape, face, name in (
        (survives, "o", colour, f"adjusted p < {ALPHA}"),
        (tested & ~survives, "o", style.PAPER, "not significant"),
        (~tested, "D", style.PAPER, _UNTESTED),
    ):
        if chosen.any():
            x = rows["estimate"].to_numpy()[chosen]
            marks += axes.plot(x, y[chosen], shape, ms=5.5, mfc=face, mec=colour, mew=1.3, zorder=3)
            names.append(name)
    if ratio:
        style.log_axis(axes)
    style.row_axis(axes, len(rows))
    style.row_labels(axes, lines, right=texts, bold=survives.tolist())
    axes.set_xlabel(axis_label)
    style.key(drawing, marks, names)
    return drawing
