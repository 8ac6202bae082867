"""Components of variance and what they ask of the next comparison -> a section of a report, or of a design's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from bench.judge.components import MEAN
from bench.judge.sensitivity import POWER
from bench.present import numbers
from bench.present.report import Column, Section, Table
from bench.present.study import NAME, Context, Study

_LARGE = 0.1
"""From this share on, a component is among the rows of a short rendering."""
_SATURATED = 1.05
"""An SD of so many times the smallest that can be had is not worth further inner seeds."""


def components(study: Study) -> Iterator[Section]:
    """How much each stratum of seeds decides, where seeds have strata."""
    every, needs = study.analysis.components, study.analysis.needs
    if every is not None and needs is not None:
        told, needed = (frame[frame["metric"].isin(study.labels)] for frame in (every, needs))
        yield from component_sections(told, needed, study)


def component_sections(components: pd.DataFrame, needs: pd.DataFrame, context: Context) -> Iterator[Section]:
    """Of the metrics that have a margin first, or of all if none has one; the others apart."""
    if components.empty:
        return
    with_margin = {*needs.loc[needs["margin"].notna(), "metric"]}
    chosen = [metric for metric in context.metrics if metric.name in with_margin] or context.metrics
    further = [metric for metric in context.metrics if metric not in chosen]
    for metrics, title, folded in (
        (chosen, "Variance components", False),
        (further, "Further metrics: variance components", True),
    ):
        names = [metric.name for metric in metrics]
        part = replace(context, metrics=metrics)
        of, need = components[components["metric"].isin(names)], needs[needs["metric"].isin(names)]
        if of.empty:
            continue
        text, points = ([], []) if folded else (list(_words(of, part)), list(_consequences(of, need, part)))
        yield Section(title, text, points, exhibits=list(_tables(of, need, part)), appendix=folded)


def _words(components: pd.DataFrame, context: Context) -> Iterator[str]:
    yield (
        "How much the seeds of each stratum make a value vary that the others leave as it is, of the mean of all cells "
        "and of each main effect. Mean squares are solved for their expectations in the model of random, independent "
        f"and normal effects; the {context.level} intervals are modified large-sample ones (Ting et al. 1990), cut at "
        "0. A variance that comes out below 0 is chance, and means little or none."
    )
    dropped = components.groupby("metric", observed=True)["dropped"].max()
    if (lost := dropped[dropped > 0]).any():
        most = ", ".join(f"{context.labels[str(name)]} {numbers.count(number)}" for name, number in lost.items())
        yield (
            "Where runs are lost, the outermost seeds that lack one are left out, and what is left is balanced; that "
            f"takes losses to have nothing to do with the values. Left out: {most}."
        )
    for reason, rows in components[components["reason"].fillna("") != ""].groupby("reason", observed=True):
        named = numbers.listed([context.labels[name] for name in rows["metric"].unique()])
        yield f"No components of {named}: {reason}."


def _consequences(components: pd.DataFrame, needs: pd.DataFrame, context: Context) -> Iterator[str]:
    """How many inner seeds are worth their time, how many units find the margin, and what the error leaves out."""
    for _, rows in needs.groupby(["metric", "effect"], sort=False, observed=True):
        metric, effect = str(rows["metric"].iloc[0]), str(rows["effect"].iloc[0])
        first, smallest = rows.iloc[0], rows["sd"].min()
        enough = rows[rows["sd"] <= _SATURATED * smallest].iloc[0]
        what = f"{context.labels[metric]}, {context.contrasts.get(effect, effect)}"
        saved = 1 - enough["sd"] / first["sd"] if first["sd"] > 0 else 0.0
        if enough["per_unit"] > 1:
            gain = (
                f"{enough['per_unit']} {first['inner']} seeds a unit make the SD of the effect "
                f"{numbers.percent(saved)} smaller than one does, and more hardly help"
            )
        else:
            gain = f"one {first['inner']} seed a unit is enough: more hardly make the effect vary less"
        margin = ""
        if pd.notna(first["units"]):
            margin = f". A difference of the margin takes {numbers.count(first['units'])} units with one"
            if enough["per_unit"] > 1:
                margin += f", {numbers.count(enough['units'])} with {enough['per_unit']}"
        own = components[(components["metric"] == metric) & (components["effect"] == effect)].iloc[0]
        errors = [numbers.significant(own[name], 2) for name in ("se_units", "se_all")]
        yield (
            f"{what}: {gain}{margin}. Its standard error is {errors[0]} over the units of this run, and {errors[1]} if "
            "the seeds of every stratum are taken as drawn anew."
        )


def _tables(components: pd.DataFrame, needs: pd.DataFrame, context: Context) -> Iterator[Table]:
    rows = components[components["component"].notna()]
    names = {MEAN: "mean of all cells", **context.contrasts}
    shown = rows.assign(
        label=rows["metric"].map(context.labels),
        of=[names.get(effect, effect) for effect in rows["effect"]],
        headline=(rows["share"] >= _LARGE).to_numpy(),
    )
    columns = [
        NAME["metric"], Column("Of", ("of",), key=True), Column("Component", ("component",), key=True),
        Column(f"Variance [{context.level} CI]", ("variance", "low", "high"), "interval"),
        Column("Share", ("share",), "percent"), Column("df", ("df",), "degrees"),
        Column("Units", ("units",), "count", detail=True),
    ]  # fmt: skip
    notes = ["Share: of the sum of the variances, those below 0 taken as 0. The last holds all else that varies."]
    yield Table("Variance by stratum", shown, columns, "headline", f"each below {_LARGE:.0%} of the variance", notes)
    if len(needs):
        label = needs["metric"].map(context.labels)
        shown = needs.assign(label=label, of=[names.get(effect, effect) for effect in needs["effect"]])
        inner = needs["inner"].iloc[0]
        columns = [
            NAME["metric"], Column("Effect", ("of",), key=True),
            Column(f"{inner} seeds a unit", ("per_unit",), "count", key=True),
            Column("SD over units", ("sd",), "value"), Column("Margin", ("margin",), "value"),
            Column("Units for the margin", ("units",), "count"),
        ]  # fmt: skip
        unit = f"A unit has a seed of its own in every stratum but {inner}, and so many of {inner}. "
        found = f"Units find an effect of the margin with power {POWER:.0%} in one two-sided test at 5%, "
        caution = "if the variances are those estimated: mind their intervals."
        yield Table("What the next comparison needs", shown, columns, notes=[unit + found + caution])
