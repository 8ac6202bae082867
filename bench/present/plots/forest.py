"""The effects on one metric become a forest plot, with the band of what is too small to matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.plots import key, letters
from bench.present.plots.canvas import Canvas, Panel, column_widths, draw
from bench.present.plots.colours import BAND, MUTED, PAPER, SERIES
from bench.present.plots.scale import Scale, limits
from bench.present.plots.svg import Ink
from bench.present.report import Figure
from bench.present.tables import ALPHA, Context

_PLOT, _ROW, _KEY = 2.9, 0.235, 4.2
"""Inches of the width of the plot, of the height of a row, and of the width of the key: what a telephone shows."""
_ALL = Ink(stroke=SERIES[0])
_ONE = Ink(stroke=SERIES[0], width=2.6)
_POINT = Ink(PAPER, SERIES[0], 1.3)
_MOST = 24
"""So many effects are all drawn; of more, the main effects and those that survive."""


def forest(name: str, metric: Metric, effects: DataFrame, context: Context, margin: float | None) -> Figure:
    """``effects``: the rows of the contrasts of ``metric``, with simultaneous limits (``low_all``, ``high_all``)."""
    known = effects[effects["estimate"].notna()]
    survives = known["p_adjusted"] < ALPHA
    shown = known if len(known) <= _MOST else known[survives | known["effect"].isin(context.contrasts)][: 2 * _MOST]
    left_out = len(effects) - len(shown)
    family = int(known["family_size"].max()) if len(known) else 0
    said = [f"Effects on {metric.label}. Estimate and {context.level} interval (thick); filled: adjusted p < {ALPHA}."]
    if family > 1:
        said.append(
            f"Thin: an interval that holds for all {family} tested effects of the report at once (Bonferroni); an "
            "arrow at the edge says that it goes on."
        )
    if margin is not None:
        said.append("The band is the margin: smaller effects do not matter.")
    if left_out:
        said.append(f"{numbers.counted(left_out, 'further effect')} not drawn.")
    shared = numbers.shared_decimals((effects["high"] - effects["low"]) / 2)
    limits_of = zip(shown["estimate"], shown["low"], shown["high"], strict=True)
    texts = [numbers.interval(*row, shared=shared) for row in limits_of]
    return Figure(
        name,
        " ".join(said),
        f"Forest plot. {_described(metric, shown, context)}",
        partial(draw, _paint, metric, shown, texts, context, margin),
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


def _paint(metric: Metric, rows: DataFrame, texts: Sequence[str], context: Context, margin: float | None) -> Canvas:
    ratio = bool((rows["scale"] == "ratio").all())
    labels = [[letters.fitted(context.effect(effect), 2.9)] for effect in rows["effect"]]
    family = int(rows["family_size"].max()) if len(rows) else 0
    samples = _samples(family, margin, rows, context)
    left = sum(column_widths(["Effect"], labels)) + 0.1
    head = f"{'Ratio' if ratio else 'Change'} [{context.level}]"
    width = left + _PLOT + max(letters.text_width(text, letters.SMALL, bold=True) for text in (*texts, head)) + 0.25
    top = 0.06 + key.ROW * len(key.rows(samples, _KEY)) + 0.36
    height = _ROW * max(1, len(rows))
    page = Canvas(width, top + height + 0.5)
    zero = 1.0 if ratio else 0.0
    inner = limits(rows["low"], rows["high"], rows["estimate"], [zero], log=ratio)
    reach = limits(rows["low_all"], rows["high_all"], inner, log=ratio)
    x = Scale.around(*_clipped(inner, reach, ratio=ratio), log=ratio)
    panel = Panel(page, left, top, _PLOT, height, x, Scale(len(rows) - 0.5, -0.5))
    survives = (rows["p_adjusted"] < ALPHA).tolist()
    if margin is not None:
        panel.band(*((1 / (1 + margin), 1 + margin) if ratio else (-margin, margin)), BAND)
    panel.upright(zero)
    y = np.arange(len(rows))
    panel.intervals(rows["low_all"], rows["high_all"], y, _ALL, arrows=True)
    panel.intervals(rows["low"], rows["high"], y, _ONE)
    fills = [SERIES[0] if star else PAPER for star in survives]
    page.markers(panel.at(rows["estimate"], y), _POINT, 2.9, fills=fills)
    tops = panel.at(x.low, y)[:, 1].tolist()
    page.columns(0.1, ["Effect"], labels, tops)
    page.text(left + _PLOT + 0.14, top - 0.12, head, size=letters.SMALL, colour=MUTED)
    for down, text, star in zip(tops, texts, survives, strict=True):
        page.text(left + _PLOT + 0.14, down, text, size=letters.SMALL, bold=star)
    panel.x_axis(_label(metric, width - 0.2, ratio=ratio))
    key.key(page, 0.1, 0.06, _KEY, samples)
    return page


def _label(metric: Metric, inches: float, *, ratio: bool) -> str:
    before, after = f"{'Ratio' if ratio else 'Change'} of ", letters.better(metric)
    return letters.quantity(replace(metric, unit="") if ratio else metric, inches, before=before, after=after)


def _samples(family: int, margin: float | None, rows: DataFrame, context: Context) -> list[key.Sample]:
    """What the marks of this figure mean: only those that it has."""
    samples = [
        key.Sample(f"{context.level} interval", _ONE, _POINT)
        if rows["low"].notna().any()
        else key.Sample("estimate", marker=_POINT),
        key.Sample(f"adjusted p < {ALPHA}", marker=replace(_POINT, fill=SERIES[0])),
    ]
    if family > 1 and rows["low_all"].notna().any():
        samples.insert(1, key.Sample(f"interval for all {family} effects at once", _ALL))
    if margin is not None:
        samples.append(key.Sample("margin: too small to matter", box=Ink(fill=BAND)))
    return samples


def _clipped(inner: tuple[float, float], reach: tuple[float, float], *, ratio: bool) -> tuple[float, float]:
    """Limits that hold the shorter intervals, and of the longer ones no more than as much again on each side."""
    if ratio:
        low, high = _clipped(
            (math.log(inner[0]), math.log(inner[1])), (math.log(reach[0]), math.log(reach[1])), ratio=False
        )
        return math.exp(low), math.exp(high)
    room = 0.5 * (inner[1] - inner[0])
    return max(reach[0], inner[0] - room), min(reach[1], inner[1] + room)
