"""The analysis of variance; and the components of variance, with what they ask of the next comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from bench.judge.components import MEAN
from bench.judge.sensitivity import POWER
from bench.judge.variance import primary
from bench.present import numbers
from bench.present.report import Column, Section, Table
from bench.present.study import ALPHA, NAME, Context, P, Study, heading

_ROUTES = (
    "Other routes to the same terms (types I to III, HC3, within subjects, independent runs): anova in JSON and CSV."
)


def variance(study: Study) -> Iterator[Section]:
    """All terms of the primary analysis, one table a metric that is tabled."""
    analysis, tables = study.analysis, []
    columns = (
        NAME["term"], Column("df", ("df_num",), "degrees"), Column("df error", ("df_den",), "degrees", detail=True),
        Column("Sum of squares", ("sum_sq",), "value", detail=True), Column("F", ("F",), "statistic"), P,
        Column(f"partial η² [{study.level} CI]", _interval("partial_eta_sq"), "interval"),
        Column(f"partial ω² [{study.level} CI]", _interval("omega_sq"), "interval"),
    )  # fmt: skip
    for metric, rows in study.by_metric(primary(analysis.anova)):
        if metric in study.tabled:
            tables.append(Table(heading(metric), study.worded(rows), columns))
    blocks = f", {study.block} as block" if study.block else ""
    how = f"Type II sums of squares{blocks}, all interactions that the cells identify."
    text = [*([how] if tables else []), *analysis.anova_models]
    text += [*_disagreements(study), _ROUTES] if tables else []
    if text and (tables or analysis.anova_models):
        yield Section("Analysis of variance", text, exhibits=tables, appendix=True, paper=True)


def _interval(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"


def _disagreements(study: Study) -> Iterator[str]:
    """On which effects the contrasts and the analysis of variance fall on different sides of 5%, unadjusted."""
    both = study.analysis.terms.merge(primary(study.analysis.anova), on=["metric", "term"])
    both = both[both["metric"].isin(study.labels)]
    contrast, anova = both["p_x"] < ALPHA, both["p_y"] < ALPHA
    for only, lead in (
        (anova & ~contrast, "The analysis of variance alone"),
        (contrast & ~anova, "The contrasts, not the analysis of variance,"),
    ):
        rows = zip(both.loc[only, "term"], both.loc[only, "metric"], strict=True)
        if named := [f"{study.term(term)} in {study.labels[metric]}" for term, metric in rows]:
            yield f"{lead} would call these significant, unadjusted: {numbers.listed(named)}."
    if (anova != contrast).any():
        yield (
            f"Where they disagree, trust the contrasts: they let an effect vary between {study.block}s, which the "
            "analysis of variance pools with the residual."
        )


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
    with_margin = {*needs.loc[needs["margin"].notna(), "metric"]} & context.labels.keys() or context.labels.keys()
    for is_first, title in ((True, "Variance components"), (False, "Further metrics: variance components")):
        part = replace(context, metrics=[one for one in context.metrics if (one.name in with_margin) == is_first])
        of, need = (frame[frame["metric"].isin(part.labels)] for frame in (components, needs))
        text, points = (list(_words(of, part)), list(_consequences(of, need, part))) if is_first else ([], [])
        if len(of):
            yield Section(title, text, points, exhibits=list(_tables(of, need, part)), appendix=not is_first)


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
    for (metric, effect), rows in needs.groupby(["metric", "effect"], sort=False, observed=True):
        first, enough = rows.iloc[0], rows[rows["sd"] <= _SATURATED * rows["sd"].min()].iloc[0]
        what, several = f"{context.labels[str(metric)]}, {context.effect(str(effect))}", enough["per_unit"] > 1
        gain = f"one {first['inner']} seed a unit is enough: more hardly make the effect vary less"
        if several:
            gain = (
                f"{enough['per_unit']} {first['inner']} seeds a unit make the SD of the effect "
                f"{numbers.percent(1 - enough['sd'] / first['sd'])} smaller than one does, and more hardly help"
            )
        margin = ""
        if pd.notna(first["units"]):
            margin = f". A difference of the margin takes {numbers.count(first['units'])} units with one"
            margin += f", {numbers.count(enough['units'])} with {enough['per_unit']}" if several else ""
        own = components[(components["metric"] == metric) & (components["effect"] == effect)].iloc[0]
        errors = [numbers.significant(own[name], 2) for name in ("se_units", "se_all")]
        yield (
            f"{what}: {gain}{margin}. Its standard error is {errors[0]} over the units of this run, and {errors[1]} if "
            "the seeds of every stratum are taken as drawn anew."
        )


def _tables(components: pd.DataFrame, needs: pd.DataFrame, context: Context) -> Iterator[Table]:
    shown = context.worded(components[components["component"].notna()])
    shown["of"] = shown["effect"].replace(MEAN, "mean of all cells")
    shown["headline"] = shown["share"] >= _LARGE
    columns = [
        NAME["metric"], Column("Of", ("of",), key=True), Column("Component", ("component",), key=True),
        Column(f"Variance [{context.level} CI]", ("variance", "low", "high"), "interval"),
        Column("Share", ("share",), "percent"), Column("df", ("df",), "degrees"),
        Column("Units", ("units",), "count", detail=True),
    ]  # fmt: skip
    notes = ["Share: of the sum of the variances, those below 0 taken as 0. The last holds all else that varies."]
    yield Table("Variance by stratum", shown, columns, "headline", f"each below {_LARGE:.0%} of the variance", notes)
    if len(needs):
        inner = needs["inner"].iloc[0]
        columns = [
            NAME["metric"], NAME["effect"],
            Column(f"{inner} seeds a unit", ("per_unit",), "count", key=True),
            Column("SD over units", ("sd",), "value"), Column("Margin", ("margin",), "value"),
            Column("Units for the margin", ("units",), "count"),
        ]  # fmt: skip
        unit = f"A unit has a seed of its own in every stratum but {inner}, and so many of {inner}. "
        found = f"Units find an effect of the margin with power {POWER:.0%} in one two-sided test at 5%, "
        caution = "if the variances are those estimated: mind their intervals."
        yield Table("What the next comparison needs", context.worded(needs), columns, notes=[unit + found + caution])
