"""Result frames become sentences: what was found, what this design cannot tell, and how it was computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pandas import DataFrame

from bench.experiment import Metric
from bench.judge.analysis import Analysis
from bench.present import numbers
from bench.present.tables import ALPHA, Context

EFFECTS = (
    "Each row compares two levels of a factor, averaged over all other factors, or is an interaction (×). Intervals "
    f"are 95%; * marks an adjusted p below {ALPHA}."
)

_MOST = 3
"""Effects named in the sentence about one metric."""


def found(contrasts: DataFrame, context: Context) -> tuple[list[str], list[str]]:
    """A paragraph on how many effects survive the adjustment, and one point a metric with the largest of them."""
    tested = contrasts[contrasts["p"].notna()]
    if tested.empty:
        return ["Nothing can be tested here; the tables describe the runs."], []
    survivors = tested[tested["p_adjusted"] < ALPHA]
    names = {metric.name: metric for metric in context.metrics}
    points = {
        name: (-rows["d_z"].abs().max(), _metric_point(names[str(name)], rows, context))
        for name, rows in survivors.groupby("metric", sort=False)
    }
    lead = (
        f"Of {len(tested)} effects tested ({_per_metric(tested)}), {len(survivors)} survive the adjustment for"
        f" multiple tests{'; the largest in each metric:' if points else '.'}"
    )
    silent = [metric.label for metric in context.metrics if metric.name in set(tested["metric"]) - set(points)]
    closing = [f"No effect survives in {numbers.listed(silent)}."] if silent and points else []
    return [lead], [text for _, text in sorted(points.values())] + closing


def limits(analysis: Analysis, context: Context, seeds: int) -> Iterator[str]:
    """What a reader must not conclude."""
    hidden = analysis.estimable[~analysis.estimable["estimable"]].drop_duplicates(["effect", "alias"])
    if len(hidden):
        aliases = [
            _beside(context, effect, alias, "=")
            for effect, alias in zip(hidden["effect"], hidden["alias"], strict=True)
        ]
        yield f"These cells cannot separate {numbers.listed(aliases)}."
    biased = analysis.estimable[analysis.estimable["estimable"] & (analysis.estimable["biased_by"] != "")]
    biased = biased.drop_duplicates(["effect", "biased_by"])
    if len(biased):
        named = [
            _beside(context, effect, by, "by") for effect, by in zip(biased["effect"], biased["biased_by"], strict=True)
        ]
        yield f"An interaction that could not be fitted would bias {numbers.listed(named)}."
    if analysis.contrasts["p"].notna().any():
        yield (
            "An effect without a star is not shown to be absent: its interval says how large it may still be. "
            f"With {seeds} {context.block}s, only effects that are large beside their spread over {context.block}s can "
            "show."
        )
        yield (
            f"The intervals speak of other {context.block}s of this very setup, at the levels listed here; not of "
            "other data, sizes or settings."
        )
    yield from analysis.notes


def published(frame: DataFrame) -> Iterator[str]:
    """How many published means ours agree with."""
    compared = frame[frame["z"].notna()]
    inside = int(compared["within_3_se"].sum())
    yield (
        f"{inside} of {len(compared)} published means lie within 3 standard errors (of the published mean) of ours; z"
        " is the distance in standard errors, and ! marks those beyond 3."
    )
    if (compared["se_source"] == "ours").any():
        yield "Where no SD was published, the standard error is from our SD and the published n."
    if len(frame) > len(compared):
        yield f"{len(frame) - len(compared)} published means have no counterpart here."


def methods(analysis: Analysis, context: Context) -> Iterator[str]:
    """Which tests, families and corrections the tables hold."""
    contrasts, pairs = analysis.contrasts, analysis.pairwise
    for method, rows in contrasts.groupby("method", sort=False):
        labels = numbers.listed(_labels(rows, context))
        yield f"Effects ({labels}): {_METHODS.get(str(method), str(method)).format(block=context.block)}"
    yield (
        "Effects are coded ±1 and doubled: a main effect is the change from the first level to the other, averaged over"
        " all other factors; an interaction of two factors is half the difference between the effects of one at the two"
        f" levels of the other. d_z is the mean of the contrasts of the {context.block}s over their standard deviation."
    )
    for family, rows in contrasts.groupby("family", sort=False):
        size = int(rows["family_size"].iloc[0])
        yield f"Adjusted p of effects: {family}; {size} tests. Nothing was declared in advance: all are exploratory."
    if (contrasts["scale"] == "ratio").any():
        labels = numbers.listed(_labels(contrasts[contrasts["scale"] == "ratio"], context))
        yield f"{labels}: analysed as logarithms; effects are ratios of geometric means, and 1 means no effect."
    if len(analysis.anova):
        for model, kind in sorted(set(zip(analysis.anova["model"], analysis.anova["type"], strict=True))):
            blocks = f", {context.block} as block" if model == "block" else ""
            yield f"ANOVA: type {'I' * int(kind)} sums of squares{blocks}, all interactions that the cells identify."
    for family in pairs["family"].unique():
        yield f"Cells: adjusted p over {family}. Welch's t, Cohen's d (pooled SD) with noncentral-t intervals."
    yield "Runs that diverged, failed or are missing have no values: they are counted above and enter no mean or test."


def _beside(context: Context, effect: str, other: str, relation: str) -> str:
    return f"{context.term(effect)} ({relation} {context.term(other)})"


def _per_metric(tested: DataFrame) -> str:
    sizes = tested.groupby("metric", sort=False).size()
    each = f"{sizes.iloc[0]} in each of {len(sizes)} metrics" if sizes.nunique() == 1 else f"{len(sizes)} metrics"
    return each if len(sizes) > 1 else "one metric"


def _metric_point(metric: Metric, survivors: DataFrame, context: Context) -> str:
    ordered = survivors.reindex(survivors["d_z"].abs().sort_values(ascending=False).index)
    phrases = [_phrase(metric, row, context) for row in ordered.head(_MOST).itertuples()]
    more = len(ordered) - len(phrases)
    rest = f"; and {more} more" if more else ""
    return f"{metric.label}: {'; '.join(phrases)}{rest}."


def _phrase(metric: Metric, row: Any, context: Context) -> str:
    change = numbers.interval(row.estimate, row.low, row.high)
    change = f"× {change}" if row.scale == "ratio" else change
    numbers_said = f"({change}, adj. p {numbers.p_value(row.p_adjusted)})"
    if row.effect not in context.contrasts:
        return f"interaction {context.effect(row.effect)} {numbers_said}"
    rises = row.estimate > (1 if row.scale == "ratio" else 0)
    if metric.better == "neither":
        verdict = "higher" if rises else "lower"
    else:
        verdict = "better" if rises == (metric.better == "higher") else "worse"
    return f"{verdict} with {context.effect(row.effect)} {numbers_said}"


def _labels(rows: DataFrame, context: Context) -> list[str]:
    present = set(rows["metric"])
    return [metric.label for metric in context.metrics if metric.name in present]


_METHODS = {
    "contrast per block": "one contrast per {block}, one-sample t on these with {block}s − 1 degrees of freedom.",
    "regression within blocks, jackknife": (
        "regression within {block}s (the blocks are incomplete), standard errors by the jackknife over {block}s."
    ),
    "independent runs, Welch": "runs taken as independent, unequal variances (Welch).",
    "none": "described, not tested.",
}
