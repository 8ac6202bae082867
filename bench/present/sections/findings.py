"""What was found: how many effects survive, which, and which are too small to matter."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from math import inf
from typing import Any

from pandas import DataFrame

from bench.experiment import Metric
from bench.plan.labels import term_label
from bench.present import numbers
from bench.present.report import Section
from bench.present.study import ALPHA, Study

_CAVEAT = "†"
_MOST = 3
"""Effects named in the sentence about one metric."""
_IF_ABSENT = "provided that no interaction is mixed in"


def findings(study: Study) -> Iterator[Section]:
    """A paragraph on how many effects survive the adjustment, and points on the largest, the silent and the small."""
    tested = study.tested
    if tested.empty:
        yield Section("What was found", ["Nothing can be tested here; the tables describe the runs."])
        return
    survivors = tested[tested["p_adjusted"] < ALPHA]
    biased = study.analysis.contrasts.loc[study.analysis.contrasts["assumes"] != "", ["metric", "effect"]]
    mixed = set(biased.itertuples(index=False, name=None))
    rows = dict(study.by_metric(survivors))
    points = [_largest(study, metric, own, mixed) for metric, own in rows.items()]
    silent = [_named(metric) for metric, _ in study.by_metric(tested) if metric not in rows]
    sizes = tested.groupby("metric", sort=False).size()
    each = f"{sizes.iloc[0]} in each of " if sizes.nunique() == 1 else ""
    where = "one metric" if len(sizes) == 1 else f"{each}{len(sizes)} metrics"
    lead = (
        f"Of {numbers.counted(len(tested), 'effect')} tested ({where}), {len(survivors) or 'none'} "
        f"survive{'s' if len(survivors) < 2 else ''} the adjustment for multiple tests (exploratory: false-discovery "
        "rate, Benjamini-Hochberg)."
    )
    if points:
        lead += f" The clearest{' in each metric' if len(sizes) > 1 else ''}:"
        points += [f"No effect survives in {numbers.listed(silent)}."] if silent else []
    points += _too_small(study, mixed)
    if any(_CAVEAT in point for point in points):
        points += [f"{_CAVEAT} {metric.label}: {metric.note}" for metric in study.metrics if metric.note]
    yield Section("What was found", [lead], points)


def _named(metric: Metric) -> str:
    return f"{metric.label}{_CAVEAT if metric.note else ''}"


Mixed = AbstractSet[tuple[str, str]]
"""(metric, effect) where the cells mix the effect with interactions."""


def _largest(study: Study, metric: Metric, rows: DataFrame, mixed: Mixed) -> str:
    """The effects that survive: those that are one comparison, and the terms that are several."""
    single = study.analysis.contrasts
    single = single[(single["metric"] == metric.name) & (single["p_adjusted"] < ALPHA)]
    ordered = single.sort_values("t", key=lambda t: -t.abs(), kind="stable")
    own = {(metric.name, effect) for effect in ordered["effect"]} & mixed
    all_mixed = len(ordered) > 0 and len(own) == len(ordered)
    phrases = [_phrase(study, metric, row, set() if all_mixed else own) for row in ordered.itertuples()]
    phrases += [_several(study, row) for row in rows[rows["contrasts"] > 1].sort_values("p").itertuples()]
    more = [f"and {len(phrases) - _MOST} more"] if len(phrases) > _MOST else []
    return f"{_named(metric)}: {'; '.join([*phrases[:_MOST], *more])}{f', {_IF_ABSENT}' if all_mixed else ''}."


def _several(study: Study, row: Any) -> str:
    """A term of several contrasts: what is shown is that its levels differ, not which."""
    is_main = row.term in [term_label([name]) for name in study.factors]
    what = f"levels of {study.term(row.term)} differ" if is_main else f"interaction {study.term(row.term)}"
    df = ", ".join(numbers.fixed(value, 1) for value in (row.df_num, row.df_den))
    return f"{what} (F({df}) = {numbers.statistic(row.F)}, adj. p {numbers.p_value(row.p_adjusted)})"


def _phrase(study: Study, metric: Metric, row: Any, mixed: Mixed) -> str:
    ratio, margin = row.scale == "ratio", study.margins.get(metric.name, inf)
    change = f"{numbers.times(row.scale)}{numbers.interval(row.estimate, row.low, row.high)}"
    bound = 1 + margin if ratio else margin
    if row.low > bound or row.high < (1 / bound if ratio else -bound):
        change += ", beyond the margin"
    condition = f", {_IF_ABSENT}" if (metric.name, row.effect) in mixed else ""
    numbered = f"{study.effect(row.effect)} ({change}, adj. p {numbers.p_value(row.p_adjusted)}{condition})"
    if row.effect not in study.contrasts:
        return f"interaction {numbered}"
    rises = row.estimate > (1 if ratio else 0)
    if metric.better == "neither":
        return f"{'higher' if rises else 'lower'} with {numbered}"
    return f"{'better' if rises == (metric.better == 'higher') else 'worse'} with {numbered}"


def _too_small(study: Study, mixed: Mixed) -> Iterator[str]:
    """Effects that are shown not to matter, of the metrics that declare a margin."""
    frame = study.analysis.equivalence
    for metric, rows in study.by_metric(frame[frame["equivalent"].astype(bool)]):
        named = [
            f"{study.effect(name)}{f' ({_IF_ABSENT})' if (metric.name, name) in mixed else ''}"
            for name in rows["effect"]
        ]
        bound = f"smaller than the margin of {numbers.significant(study.margins[metric.name], 2)}"
        if (rows["scale"] == "ratio").all():
            bound = f"within × or ÷ {numbers.significant(1 + study.margins[metric.name], 3)}, the margin"
        how = f"two one-sided tests at {numbers.level(1 - study.confidence)}, unadjusted"
        yield f"{_named(metric)}: shown to be {bound} ({how}): {numbers.listed(named, most=20)}."
