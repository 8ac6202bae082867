"""The effects on one metric become a forest: estimates, one interval that agrees with its mark, and the margin."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.figures.style import (
    BAND,
    INK,
    PAPER,
    SERIES,
    Drawing,
    blank,
    key,
    label_lines,
    log_axis,
    quantity,
    row_axis,
    row_height,
    row_labels,
)
from bench.present.report import Figure
from bench.present.tables import ALPHA, Context

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_MOST = 24
"""So many effects are all drawn; of more, the main effects and those that survive."""


def effects_figure(name: str, metric: Metric, effects: DataFrame, context: Context, margin: float | None) -> Figure:
    """``effects``: the rows of the contrasts of ``metric`` with limits for selected effects (``low_fcr high_fcr``)."""
    estimated = effects[effects["estimate"].notna()]
    survives = estimated["p_adjusted"] < ALPHA
    shown = estimated if len(estimated) <= _MOST else estimated[survives | estimated["effect"].isin(context.contrasts)]
    family = int(estimated["family_size"].iloc[0]) if len(estimated) else 0
    caption = (
        f"Effects on {metric.label}. Filled: adjusted p < {ALPHA} among {numbers.counted(family, 'test')}; the "
        "interval excludes no effect just where the point is filled (Benjamini & Yekutieli 2005)."
    )
    if margin is not None:
        caption += " Band: the margin, within which an effect does not matter."
    if left_out := len(effects) - len(shown):
        caption += f" {numbers.counted(left_out, 'further effect')} not drawn."
    return Figure(
        name,
        caption,
        f"Forest plot. {_described(metric, shown, context)}",
        partial(_paint, metric, shown, context, margin),
    )


def _described(metric: Metric, rows: DataFrame, context: Context) -> str:
    survivors = rows[rows["p_adjusted"] < ALPHA]
    if survivors.empty:
        return f"No effect on {metric.label} survives the adjustment."
    limits = survivors[["effect", "estimate", "low", "high"]].itertuples(index=False)
    listed = [f"{context.effect(effect)} {numbers.interval(*row)}" for effect, *row in limits]
    return f"Effects on {metric.label} that survive the adjustment: {numbers.listed(listed)}."


def _paint(metric: Metric, rows: DataFrame, context: Context, margin: float | None) -> Drawing:
    ratio = bool((rows["scale"] == "ratio").all())
    limits = rows[["estimate", "low", "high"]].itertuples(index=False)
    texts = [f"{'× ' if ratio else ''}{numbers.interval(*row).partition(' [')[0]}" for row in limits]
    lines = label_lines([context.effect(effect) for effect in rows["effect"]], texts)
    drawing, (axes,) = blank(1.0 + row_height(lines) * max(1, len(rows)))
    survives = (rows["p_adjusted"] < ALPHA).to_numpy()
    marks, names = forest(
        axes, rows.rename(columns={"low_fcr": "from", "high_fcr": "to"}), survives, margin, ratio=ratio
    )
    row_axis(axes, len(rows))
    row_labels(axes, lines, right=texts, bold=survives.tolist())
    axes.set_xlabel(quantity(metric, ratio=ratio, what="Ratio of " if ratio else "Change of "))
    key(drawing, marks, names)
    return drawing


def forest(
    axes: Axes, rows: DataFrame, filled: np.ndarray, margin: float | None, *, ratio: bool
) -> tuple[list[Artist], list[str]]:
    """Draw ``estimate`` with ``from`` to ``to`` at rows 0, 1, …; the marks and what each means."""
    y, neutral = np.arange(len(rows)), 1.0 if ratio else 0.0
    marks: list[Artist] = []
    names: list[str] = []
    if margin is not None:
        limits = (1 / (1 + margin), 1 + margin) if ratio else (-margin, margin)
        spans = axes.barh(y, limits[1] - limits[0], 0.44, limits[0], color=BAND, lw=0, zorder=0)
        marks.append(spans.patches[0])
        names.append("margin")
    axes.axvline(neutral, color=INK, lw=0.9, zorder=1)
    axes.hlines(y, rows["from"], rows["to"], color=SERIES[0], lw=2, zorder=2)
    for chosen, face, name in ((filled, SERIES[0], f"adjusted p < {ALPHA}"), (~filled, PAPER, "not significant")):
        if chosen.any():
            x = rows["estimate"].to_numpy()[chosen]
            marks += axes.plot(x, y[chosen], "o", ms=5.5, mfc=face, mec=SERIES[0], mew=1.3, zorder=3)
            names.append(name)
    if ratio:
        log_axis(axes)
    return marks, names
