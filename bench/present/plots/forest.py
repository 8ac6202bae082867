"""The effects on one metric become a forest plot, with the band of what is too small to matter."""

from __future__ import annotations

import math
from functools import partial

from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.plots import canvas
from bench.present.report import Figure
from bench.present.tables import ALPHA, Context

_MOST = 24
"""So many effects are all drawn; of more, the main effects and those that survive."""


def forest(name: str, metric: Metric, effects: DataFrame, context: Context, margin: float | None) -> Figure:
    """``effects``: the rows of the contrasts of ``metric``, with simultaneous limits (``low_all``, ``high_all``)."""
    known = effects[effects["estimate"].notna()]
    survives = known["p_adjusted"] < ALPHA
    shown = known if len(known) <= _MOST else known[survives | known["effect"].isin(context.contrasts)][: 2 * _MOST]
    left_out = len(effects) - len(shown)
    family = int(known["family_size"].iloc[0]) if len(known) else 0
    said = [
        f"Effects on {metric.label}. Estimate, 95% interval (thick), and one that holds for all {family} tested",
        f"effects of the report at once (thin, Bonferroni). Filled: adjusted p < {ALPHA}.",
    ]
    if margin is not None:
        said.append("The band is the margin: smaller effects do not matter.")
    if left_out:
        said.append(f"{numbers.counted(left_out, 'further effect')} not drawn.")
    return Figure(
        name,
        " ".join(said),
        f"Forest plot. {_described(metric, shown, context)}",
        partial(canvas.draw, name, _paint, metric, shown, context, margin),
    )


def told(rows: DataFrame, context: Context) -> list[str]:
    """Each effect with its interval, for a text alternative."""
    known = rows[["effect", "estimate", "low", "high"]].to_numpy().tolist()
    return [f"{context.effect(effect)} {numbers.interval(*limits)}" for effect, *limits in known]


def _described(metric: Metric, rows: DataFrame, context: Context) -> str:
    survivors = rows[rows["p_adjusted"] < ALPHA]
    if survivors.empty:
        return f"No effect on {metric.label} survives the adjustment."
    return f"Effects on {metric.label} that survive the adjustment: {numbers.listed(told(survivors, context))}."


def _paint(metric: Metric, rows: DataFrame, context: Context, margin: float | None) -> canvas.Canvas:
    ratio = bool((rows["scale"] == "ratio").all())
    labels = [[canvas.shortened(context.effect(effect), 44)] for effect in rows["effect"]]
    texts = [numbers.interval(*row) for row in zip(rows["estimate"], rows["low"], rows["high"], strict=True)]
    left = sum(canvas.label_widths(["Effect"], labels)) + 0.1
    right = 1.1 * max(canvas.text_width(text, canvas.SMALL) for text in texts) + 0.2  # bold is wider
    row_height, plot_width = 0.235, 3.3
    height = row_height * len(rows)
    page = canvas.Canvas(left + plot_width + right, height + 0.85)
    axes = page.axes(left, 0.25, plot_width, height)
    zero = 1.0 if ratio else 0.0
    inner = canvas.limits(rows["low"], rows["high"], [zero])
    reach = canvas.limits(rows["low_all"], rows["high_all"], inner)
    low, high = _clipped(inner, reach, ratio=ratio)
    canvas.scale(axes, "x", low, high, log=ratio)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    if margin is not None:
        edges = (1 / (1 + margin), 1 + margin) if ratio else (-margin, margin)
        axes.axvspan(*edges, color=canvas.BAND, linewidth=0, zorder=0)
    axes.axvline(zero, color=canvas.MUTED, linewidth=0.8, zorder=1)
    survives = rows["p_adjusted"] < ALPHA
    y, color = range(len(rows)), canvas.SERIES[0]
    axes.hlines(y, rows["low_all"], rows["high_all"], color=color, linewidth=0.8)
    axes.hlines(y, rows["low"], rows["high"], color=color, linewidth=2.6)
    faces = [color if star else canvas.PAPER for star in survives]
    axes.scatter(rows["estimate"], y, s=34, c=faces, edgecolors=color, linewidths=1.3, zorder=3)
    for position, (text, star) in enumerate(zip(texts, survives, strict=True)):
        axes.text(
            1 + 0.12 / plot_width, position, text, transform=axes.get_yaxis_transform(),
            va="center", fontsize=canvas.SMALL, fontweight="bold" if star else "normal",
        )  # fmt: skip
    canvas.row_labels(axes, ["Effect"], labels)
    axes.spines["left"].set_visible(False)
    unit = f", {metric.unit}" if metric.unit else ""
    better = "" if metric.better == "neither" else f" ({'←' if metric.better == 'lower' else '→'} better)"
    axes.set_xlabel(f"{'Ratio' if ratio else 'Change'} of {metric.label}{'' if ratio else unit}{better}")
    return page


def _clipped(inner: tuple[float, float], reach: tuple[float, float], *, ratio: bool) -> tuple[float, float]:
    """Limits that hold the 95% intervals, and of the longer ones no more than as much again on each side."""
    if ratio:
        low, high = _clipped(
            (math.log(inner[0]), math.log(inner[1])), (math.log(reach[0]), math.log(reach[1])), ratio=False
        )
        return math.exp(low), math.exp(high)
    room = 0.5 * (inner[1] - inner[0])
    return max(reach[0], inner[0] - room), min(reach[1], inner[1] + room)
