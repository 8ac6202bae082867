"""Published figures -> each recomputed from the others, within rounding: consistent, inconsistent or impossible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan, sqrt
from typing import Any

import pandas as pd

from bench.judge.audit.read import Comparison, Group, Order, Published
from bench.stats import printed
from bench.stats.printed import Range, exactly, over

CONSISTENT, INCONSISTENT, IMPOSSIBLE, COMPUTED = "consistent", "inconsistent", "impossible", "computed"
_FIGURES = ["comparison", "metric", "a", "b", "figure", "printed", "basis", "value", "low", "high", "verdict", "note"]
_ORDERS = ["order", "metric", "lower", "higher", "lower_mean", "higher_mean"]
_CONFOUNDED = ["comparison", "metric", "a", "b", "credited_to", "changed", "alone"]


@dataclass(frozen=True)
class Audit:
    """Result frames with flat columns; a number that cannot be had is NaN."""

    figures: pd.DataFrame
    """One row for each figure and what it was recomputed from; ``low`` and ``high`` allow for all rounding."""
    orders: pd.DataFrame
    """The pairs of means that contradict a statement on their order."""
    confounded: pd.DataFrame
    """Comparisons whose sides differ in several factors, and the rows between which the credited one alone does."""


def audit(published: Published, *, ddof: int | None = None) -> Audit:
    """Check every comparison and order; ``ddof`` takes the place of the file's own (0: SDs are of populations).

    Signs of t and d are conventions, and only their sizes are compared.
    """
    ddof = published.ddof if ddof is None else ddof
    figures = [row for comparison in published.comparisons for row in _figures(comparison, ddof)]
    orders = [row for order in published.orders for row in _contradictions(order)]
    confounded = [row for comparison in published.comparisons for row in _confounded(comparison, published.groups)]
    return Audit(
        pd.DataFrame(figures, columns=_FIGURES),
        pd.DataFrame(orders, columns=_ORDERS),
        pd.DataFrame(confounded, columns=_CONFOUNDED),
    )


def _figures(comparison: Comparison, ddof: int) -> Iterator[dict[str, Any]]:
    names = {"comparison": comparison.id, "metric": comparison.metric, "a": comparison.a.name, "b": comparison.b.name}
    a, b = (_with_sample_sd(group, ddof) for group in (comparison.a, comparison.b))
    rows = [*_nonsense(comparison), *_from_samples(comparison, a, b, ddof), *_from_t(comparison, a, b)]
    for row in (*rows, *_whole(a), *_whole(b)):
        yield names | row


def _nonsense(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Figures that nothing can have."""
    if "p" in comparison.printed:
        p = printed.read(comparison.printed["p"])
        if p.low > 1 or p.high < 0:
            yield _row("p", comparison.printed["p"], "", p, IMPOSSIBLE, "a probability lies between 0 and 1")
    for group in (comparison.a, comparison.b):
        if group.sd.high < 0:
            yield _row(f"SD of {group.name}", f"{group.sd.value:g}", "", group.sd, IMPOSSIBLE, "an SD is not negative")


def _from_samples(comparison: Comparison, a: Group, b: Group, ddof: int) -> Iterator[dict[str, Any]]:
    """What means, SDs and sizes say of the change, t, p and d."""
    yield from _check(comparison, "change", "means", printed.change_of_means(a.mean, b.mean))
    if comparison.test == "paired":
        return
    means_known = not isnan(a.mean.low + b.mean.low)
    if means_known and not isnan(a.sd.low + b.sd.low):
        pooled = comparison.test == "student"
        t = abs(printed.t_of_means(a.mean, a.sd, a.n, b.mean, b.sd, b.n, pooled=pooled))
        basis = "means, SDs, n"
        yield from _check(comparison, "t", basis, t, always=True)
        yield from _check(comparison, "p", basis, printed.p_of_t(t, _df(comparison, a, b)), always=True)
        yield from _check(
            comparison, "d", basis, abs(printed.d_of_means(a.mean, a.sd, a.n, b.mean, b.sd, b.n)), always=True
        )
    elif means_known and "t" in comparison.printed:
        yield from _bounded(comparison, a, b, ddof)


def _from_t(comparison: Comparison, a: Group, b: Group) -> Iterator[dict[str, Any]]:
    """What the printed t says of p and d."""
    if "t" not in comparison.printed:
        return
    t, paired = abs(printed.read(comparison.printed["t"])), comparison.test == "paired"
    basis = f"t, n ({'paired' if paired else 'independent'})"
    df = _df(comparison, a, b)
    yield from _check(comparison, "df", "n", df)
    if "df" in comparison.printed:
        df = printed.read(comparison.printed["df"])
    yield from _check(comparison, "p", basis, printed.p_of_t(t, df), always=True)
    scale = 1 / sqrt(a.n) if paired else sqrt(1 / a.n + 1 / b.n)
    yield from _check(comparison, "d", basis, over(lambda size: size * scale, t), always=True)


def _bounded(comparison: Comparison, a: Group, b: Group, ddof: int) -> Iterator[dict[str, Any]]:
    """The SD that was not printed, from the one that was and t; or that there is none, since t is too large.

    For Student's t only if the sizes are equal: the SDs then enter as in Welch's.
    """
    if comparison.test == "student" and a.n != b.n:
        return
    known, other = (a, b) if isnan(b.sd.low) else (b, a)
    if isnan(known.sd.low):
        return
    t = printed.read(comparison.printed["t"])
    sd = printed.missing_sd(known.mean, known.sd, known.n, other.mean, other.n, t)
    if isnan(sd.low):
        largest = abs(
            printed.t_of_means(known.mean, known.sd, known.n, other.mean, exactly(0.0), other.n, pooled=False)
        )
        note = f"whatever the SD of {other.name}, |t| is at most {largest.high:.2f}"
        yield _row("t", comparison.printed["t"], "means, one SD", replace(largest, low=0.0), IMPOSSIBLE, note)
        return
    back = sqrt((other.n - 1) / (other.n - ddof))
    sd = Range(sd.value * back, sd.low * back, sd.high * back)
    note = f"the SD of {other.name} that the printed t implies; none was printed"
    yield _row(f"SD of {other.name}", "", "means, one SD, t", sd, COMPUTED, note)


def _whole(group: Group) -> Iterator[dict[str, Any]]:
    """Whether whole numbers can have the mean."""
    if group.integers and not isnan(group.mean.low):
        possible = printed.is_mean_of_integers(group.mean, group.n)
        note = "" if possible else f"no {group.n} whole numbers have this mean"
        text = f"{group.mean.value:g}"
        yield _row(f"mean of {group.name}", text, "n", group.mean, CONSISTENT if possible else IMPOSSIBLE, note)


def _check(
    comparison: Comparison, figure: str, basis: str, found: Range, *, always: bool = False
) -> Iterator[dict[str, Any]]:
    """The printed figure beside what it should be; what was not printed only if ``always``."""
    text = comparison.printed.get(figure)
    if isnan(found.low) or (text is None and not always):
        return
    if text is None:
        yield _row(figure, "", basis, found, COMPUTED, "")
        return
    said = printed.read(text) if figure == "change" else abs(printed.read(text))
    if said.overlaps(found):
        yield _row(figure, text, basis, found, CONSISTENT, "")
        return
    halved = over(lambda p: p / 2, found)
    one_sided = figure == "p" and said.overlaps(halved)
    yield _row(figure, text, basis, found, INCONSISTENT, "it would fit a one-sided test" if one_sided else "")


def _row(figure: str, text: str, basis: str, found: Range, verdict: str, note: str) -> dict[str, Any]:
    numbers = {"value": found.value, "low": found.low, "high": found.high}
    return {"figure": figure, "printed": text, "basis": basis, **numbers, "verdict": verdict, "note": note}


def _df(comparison: Comparison, a: Group, b: Group) -> Range:
    if comparison.test == "paired":
        return exactly(a.n - 1.0)
    return printed.welch_df(a.sd, a.n, b.sd, b.n) if comparison.test == "welch" else exactly(a.n + b.n - 2.0)


def _with_sample_sd(group: Group, ddof: int) -> Group:
    return group if isnan(group.sd.low) else replace(group, sd=printed.sample_sd(group.sd, group.n, ddof))


def _contradictions(order: Order) -> Iterator[Sequence[object]]:
    """Pairs whose means lie the other way about, however they were rounded."""
    for low in order.lower:
        for high in order.higher:
            if low.mean.low > high.mean.high and not low.mean.overlaps(high.mean):
                yield order.id, order.metric, low.name, high.name, low.mean.value, high.mean.value


def _confounded(comparison: Comparison, groups: Sequence[tuple[str, Group]]) -> Iterator[Sequence[object]]:
    """The comparison, if its sides differ in several factors."""
    a, b, credited = comparison.a, comparison.b, comparison.credited_to
    changed = _changed(a, b)
    if len(changed) < 2:
        return
    rows = [group for metric, group in groups if metric == comparison.metric and credited]
    alone = [
        f"{first.name} → {second.name}"
        for first in rows
        for second in rows
        if _changed(first, second) == [credited]
        and (first.levels[credited], second.levels[credited]) == (a.levels[credited], b.levels[credited])
    ]
    yield comparison.id, comparison.metric, a.name, b.name, credited, ", ".join(changed), ", ".join(alone)


def _changed(a: Group, b: Group) -> list[str]:
    return [name for name in a.levels if a.levels[name] != b.levels.get(name)]
