"""Result frames become the sentences on what was found: how many effects survive, which, and which are too small."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from pandas import DataFrame

from bench.experiment import Metric
from bench.judge.analysis import Analysis
from bench.plan.labels import term_label
from bench.present import numbers
from bench.present.tables import ALPHA, Context

_CAVEAT = "†"
_MOST = 3
"""Effects named in the sentence about one metric."""


def found(analysis: Analysis, context: Context) -> tuple[list[str], list[str]]:
    """A paragraph on how many effects survive the adjustment, and points on the largest, the silent and the small."""
    tested = analysis.terms[analysis.terms["p"].notna()]
    if tested.empty:
        return ["Nothing can be tested here; the tables describe the runs."], []
    survivors = tested[tested["p_adjusted"] < ALPHA]
    n_survivors = f"{len(survivors) or 'none'} survive{'s' if len(survivors) < 2 else ''}"
    lead = f"Of {numbers.counted(len(tested), 'effect')} tested ({_per_metric(tested)}), {n_survivors}"
    margins = dict(zip(analysis.equivalence["metric"], analysis.equivalence["margin"], strict=True))
    biased = analysis.contrasts.loc[analysis.contrasts["assumes"] != "", ["metric", "effect"]]
    mixed = set(biased.itertuples(index=False, name=None))
    points, silent = [], []
    for metric in context.metrics:
        rows = survivors[survivors["metric"] == metric.name]
        if len(rows):
            effects = analysis.contrasts[analysis.contrasts["metric"] == metric.name]
            single = effects[effects["p_adjusted"] < ALPHA]
            several = rows[rows["contrasts"] > 1]
            points.append(_largest(metric, single, several, context, margins.get(metric.name), mixed))
        elif (tested["metric"] == metric.name).any():
            silent.append(_named(metric))
    closing = [f"No effect survives in {numbers.listed(silent)}."] if silent and points else []
    clearest = " The clearest in each metric:" if tested["metric"].nunique() > 1 else " The clearest:"
    lead += " the adjustment for multiple tests (exploratory: false-discovery rate, Benjamini-Hochberg)."
    lead += clearest if points else ""
    points += [*closing, *_too_small(analysis.equivalence, context, mixed)]
    if any(_CAVEAT in point for point in points):
        points += [f"{_CAVEAT} {metric.label}: {metric.note}" for metric in context.metrics if metric.note]
    return [lead], points


def _per_metric(tested: DataFrame) -> str:
    sizes = tested.groupby("metric", sort=False).size()
    if len(sizes) == 1:
        return "one metric"
    return f"{sizes.iloc[0]} in each of {len(sizes)} metrics" if sizes.nunique() == 1 else f"{len(sizes)} metrics"


def _named(metric: Metric) -> str:
    return f"{metric.label}{_CAVEAT if metric.note else ''}"


_IF_ABSENT = "provided that no interaction is mixed in"
Mixed = AbstractSet[tuple[str, str]]
"""(metric, effect) where the cells mix the effect with interactions."""


def _largest(
    metric: Metric, single: DataFrame, several: DataFrame, context: Context, margin: float | None, mixed: Mixed
) -> str:
    """The effects that survive: those that are one comparison, and the terms that are several."""
    ordered = single.reindex(single["t"].abs().sort_values(ascending=False).index)
    own = {(metric.name, effect) for effect in ordered["effect"]} & mixed
    all_mixed = len(ordered) > 0 and len(own) == len(ordered)
    phrases = [_phrase(metric, row, context, margin, set() if all_mixed else own) for row in ordered.itertuples()]
    phrases += [_several(row, context) for row in several.sort_values("p").itertuples()]
    more = len(phrases) - _MOST
    said = "; ".join(phrases[:_MOST]) + (f"; and {more} more" if more > 0 else "")
    return f"{_named(metric)}: {said}{f', {_IF_ABSENT}' if all_mixed else ''}."


def _several(row: Any, context: Context) -> str:
    """A term of several contrasts: what is shown is that its levels differ, not which."""
    is_main = row.term in [term_label([name]) for name in context.factors]
    what = f"levels of {context.term(row.term)} differ" if is_main else f"interaction {context.term(row.term)}"
    df = ", ".join(numbers.fixed(value, 1) for value in (row.df_num, row.df_den))
    return f"{what} (F({df}) = {numbers.statistic(row.F)}, adj. p {numbers.p_value(row.p_adjusted)})"


def _phrase(metric: Metric, row: Any, context: Context, margin: float | None, mixed: Mixed) -> str:
    ratio = row.scale == "ratio"
    change = f"{'× ' if ratio else ''}{numbers.interval(row.estimate, row.low, row.high)}"
    bound = None if margin is None else (1 + margin if ratio else margin)
    if bound is not None and (row.low > bound or row.high < (1 / bound if ratio else -bound)):
        change += ", beyond the margin"
    condition = f", {_IF_ABSENT}" if (metric.name, row.effect) in mixed else ""
    said = f"({change}, adj. p {numbers.p_value(row.p_adjusted)}{condition})"
    if row.effect not in context.contrasts:
        return f"interaction {context.effect(row.effect)} {said}"
    rises = row.estimate > (1 if ratio else 0)
    if metric.better == "neither":
        return f"{'higher' if rises else 'lower'} with {context.effect(row.effect)} {said}"
    return f"{'better' if rises == (metric.better == 'higher') else 'worse'} with {context.effect(row.effect)} {said}"


def _too_small(equivalence: DataFrame, context: Context, mixed: Mixed) -> Iterator[str]:
    """Effects that are shown not to matter, of the metrics that declare a margin."""
    shown = equivalence[equivalence["equivalent"].astype(bool)]
    for metric in context.metrics:
        rows = shown[shown["metric"] == metric.name]
        if len(rows):
            named = numbers.listed(
                [
                    context.effect(name) + (f" ({_IF_ABSENT})" if (metric.name, name) in mixed else "")
                    for name in rows["effect"]
                ],
                most=20,
            )
            margin = numbers.significant(rows["margin"].iloc[0], 2)
            bound = (
                f"within × or ÷ {numbers.significant(1 + rows['margin'].iloc[0], 3)}, the margin"
                if (rows["scale"] == "ratio").all()
                else f"smaller than the margin of {margin}"
            )
            how = f"two one-sided tests at {numbers.level(1 - context.confidence)}, unadjusted"
            yield f"{_named(metric)}: shown to be {bound} ({how}): {named}."
