"""Published figures -> each recomputed from the others, within rounding: consistent, inconsistent or impossible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isnan, nan, sqrt
from typing import Any

import pandas as pd

from bench.audit import intervals
from bench.audit.intervals import UNKNOWN, Range, Sample, exactly
from bench.audit.paper import Comparison, Order, Paper

CONSISTENT, INCONSISTENT, IMPOSSIBLE, COMPUTED = "consistent", "inconsistent", "impossible", "computed"
_FIGURES = ["comparison", "metric", "a", "b", "figure", "printed", "basis", "value", "low", "high", "verdict", "note"]
_ORDERS = ["order", "metric", "lower", "higher", "lower_mean", "higher_mean"]
_CONFOUNDED = ["comparison", "metric", "a", "b", "credited_to", "changed", "alone"]
_BY_VARIANCE, _BY_SD = "over the root of the average variance", "over the average SD"


@dataclass(frozen=True)
class Audit:
    """Result frames with flat columns; a number that cannot be had is NaN."""

    figures: pd.DataFrame
    """One row for each figure and what it was recomputed from; ``low`` and ``high`` allow for all rounding."""
    orders: pd.DataFrame
    """The pairs of means that contradict a statement on their order."""
    confounded: pd.DataFrame
    """Comparisons whose sides differ in several factors, and the rows between which the credited one alone does."""


def recompute(paper: Paper, ddof: int) -> Audit:
    """Check every comparison and order; SDs were divided by n less ``ddof`` (0: they are of populations).

    Signs of t and d are conventions, and only their sizes are compared.
    """
    figures = [row for comparison in paper.comparisons for row in _figures(comparison, ddof)]
    orders = [row for order in paper.orders for row in _contradictions(order)]
    confounded = [row for comparison in paper.comparisons for row in _confounded(comparison, paper.rows)]
    return Audit(
        pd.DataFrame(figures, columns=_FIGURES),
        pd.DataFrame(orders, columns=_ORDERS),
        pd.DataFrame(confounded, columns=_CONFOUNDED),
    )


def _figures(comparison: Comparison, ddof: int) -> Iterator[dict[str, Any]]:
    printed, a, b = comparison.printed, comparison.a, comparison.b
    names = {"comparison": printed.id, "metric": printed.metric, "a": a.name, "b": b.name}
    known = replace(comparison, a=a.with_sample_sd(ddof), b=b.with_sample_sd(ddof))
    of_test = _paired(known) if printed.test == "paired" else _independent(known, ddof)
    for row in (*_impossible(comparison), *_change(known), *of_test):
        yield names | row


def _impossible(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Figures that nothing can have, and means that whole numbers cannot."""
    p = comparison.printed.p
    if p is not None and (p.low > 1 or p.high < 0):
        yield _row("p", p, "", p, IMPOSSIBLE, "a probability lies between 0 and 1")
    for sample in (comparison.a, comparison.b):
        if sample.sd.high < 0:
            yield _row(f"SD of {sample.name}", sample.sd, "", sample.sd, IMPOSSIBLE, "an SD is not negative")
        if sample.integers and not isnan(sample.mean.low):
            possible = intervals.is_mean_of_integers(sample)
            verdict, note = (
                (CONSISTENT, "") if possible else (IMPOSSIBLE, f"no {sample.n} whole numbers have this mean")
            )
            yield _row(f"mean of {sample.name}", sample.mean, "n", sample.mean, verdict, note)


def _change(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """The change that follows from the means: of a negative mean, relative to its size or to itself."""
    change = intervals.change_of_means(comparison.a, comparison.b)
    reverse = Range(-change.value, -change.high, -change.low) if comparison.a.mean.high < 0 else UNKNOWN
    yield from _check("change", comparison.printed.change, "means", change, [(reverse, "relative to a negative mean")])


def _independent(comparison: Comparison, ddof: int) -> Iterator[dict[str, Any]]:
    """T, p and d from means, SDs and sizes; df and again p and d from the printed t, as far as its test allows."""
    printed, a, b = comparison.printed, comparison.a, comparison.b
    pooled = printed.test == "student"
    df = exactly(a.n + b.n - 2.0) if pooled else intervals.welch_df(a, b)
    t, basis = abs(intervals.t_of_means(a, b, pooled=pooled)), "means, SDs, n"
    average = UNKNOWN if pooled else abs(intervals.d_of_average_variance(a, b))
    yield from _check("t", printed.t, basis, t, always=True)
    yield from _check("p", printed.p, basis, intervals.p_of_t(t, df), always=True)
    yield from _check("d", printed.d, basis, abs(intervals.d_of_means(a, b)), [(average, _BY_VARIANCE)], always=True)
    if printed.t is None:
        return
    if isnan(t.low):
        yield from _missing_sd(printed.t, a, b, ddof, pooled=pooled)
    basis, t = "t, n (independent)", abs(printed.t)
    yield from _check("df", printed.df, "n" if pooled else "SDs, n", df)
    yield from _check("p", printed.p, basis, intervals.p_of_t(t, printed.df or df), always=True)
    yield from _check("d", printed.d, basis, intervals.d_of_t(t, a, b, pooled=pooled), always=True)


def _paired(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Df, p and d from the printed t: d_z, or d_av from the means and SDs."""
    printed, n = comparison.printed, comparison.a.n
    if printed.t is None:
        return
    df, t, basis = exactly(n - 1.0), abs(printed.t), "t, n (paired)"
    yield from _check("df", printed.df, "n", df)
    yield from _check("p", printed.p, basis, intervals.p_of_t(t, printed.df or df), always=True)
    averages = [
        (abs(intervals.d_of_average_variance(comparison.a, comparison.b)), _BY_VARIANCE),
        (abs(intervals.d_of_average_sd(comparison.a, comparison.b)), _BY_SD),
    ]
    if isnan(averages[0][0].low):
        averages = [(Range(nan, 0.0, inf), "if it is over an average SD, which was not printed")]
    yield from _check("d", printed.d, basis, t.times(1 / sqrt(n)), averages, always=True)


def _missing_sd(printed: Range, a: Sample, b: Sample, ddof: int, *, pooled: bool) -> Iterator[dict[str, Any]]:
    """The SD that was not printed, from the one that was and t; or that there is none, since t is too large."""
    known, other = (a, b) if isnan(b.sd.low) else (b, a)
    if isnan(known.sd.low + a.mean.low + b.mean.low):
        return
    sd = intervals.missing_sd(known, other, printed, pooled=pooled)
    if isnan(sd.low):
        largest = abs(intervals.t_of_means(known, replace(other, sd=exactly(0.0)), pooled=pooled))
        note = f"whatever the SD of {other.name}, |t| is at most {largest.high:.2f}"
        yield _row("t", printed, "means, one SD", replace(largest, low=0.0), IMPOSSIBLE, note)
        return
    note = f"the SD of {other.name} that the printed t implies; none was printed"
    sd = sd.times(sqrt((other.n - 1) / (other.n - ddof)))
    yield _row(f"SD of {other.name}", None, "means, one SD, t", sd, COMPUTED, note)


def _check(
    figure: str,
    printed: Range | None,
    basis: str,
    value: Range,
    others: Iterable[tuple[Range, str]] = (),
    *,
    always: bool = False,
) -> Iterator[dict[str, Any]]:
    """The printed figure beside what it should be, or else one of ``others``, which have notes.

    What was not printed only if ``always``.
    """
    if isnan(value.low):
        return
    if printed is None:
        if always:
            yield _row(figure, None, basis, value, COMPUTED, "")
        return
    size = printed if figure == "change" else abs(printed)
    for candidate, note in ((value, ""), *others):
        if size.overlaps(candidate):
            yield _row(figure, printed, basis, value if isnan(candidate.value) else candidate, CONSISTENT, note)
            return
    one_sided = figure == "p" and size.overlaps(value.times(0.5))
    note = "it would fit a one-sided test" if one_sided else ""
    yield _row(figure, printed, basis, value, INCONSISTENT, note)


def _row(figure: str, printed: Range | None, basis: str, value: Range, verdict: str, note: str) -> dict[str, Any]:
    numbers = {"value": value.value, "low": value.low, "high": value.high}
    text = "" if printed is None else printed.text
    return {"figure": figure, "printed": text, "basis": basis, **numbers, "verdict": verdict, "note": note}


def _contradictions(order: Order) -> Iterator[Sequence[object]]:
    """Pairs whose means lie the other way about, however they were rounded."""
    for low in order.lower:
        for high in order.higher:
            if low.mean.low > high.mean.high and not low.mean.overlaps(high.mean):
                yield order.id, order.metric, low.name, high.name, low.mean.value, high.mean.value


def _confounded(comparison: Comparison, rows: Mapping[tuple[str, str], Sample]) -> Iterator[Sequence[object]]:
    """The comparison, if its sides differ in several factors."""
    a, b, credited, metric = comparison.a, comparison.b, comparison.printed.credited_to, comparison.printed.metric
    changed = _changed(a, b)
    if len(changed) < 2:
        return
    same = [row for (measured, _), row in rows.items() if measured == metric and credited]
    alone = [
        f"{first.name} → {second.name}"
        for first in same
        for second in same
        if _changed(first, second) == [credited]
        and (first.levels[credited], second.levels[credited]) == (a.levels[credited], b.levels[credited])
    ]
    yield comparison.printed.id, metric, a.name, b.name, credited, ", ".join(changed), ", ".join(alone)


def _changed(a: Sample, b: Sample) -> list[str]:
    return [name for name in a.levels if a.levels[name] != b.levels.get(name)]
