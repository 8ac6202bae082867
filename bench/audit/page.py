"""An audit of published figures becomes a report: what contradicts itself first, then everything recomputed."""

from __future__ import annotations

from collections.abc import Iterator
from math import isinf, isnan
from typing import Any

from pandas import DataFrame

from bench.audit.paper import Paper
from bench.audit.recompute import COMPUTED, CONSISTENT, IMPOSSIBLE, INCONSISTENT, Audit
from bench.present import numbers
from bench.present.report import Column, Report, Section, Table

_HOW = (
    "Every printed number stands for all values that round to it. A figure is inconsistent if none of these fits any "
    "value of the numbers that it is recomputed from; t and d are compared without their signs."
)


def page(paper: Paper, audit: Audit, ddof: int) -> Report:
    """The report; ``data`` holds the frames of the audit by name."""
    figures = audit.figures
    wrong = figures["verdict"].isin([INCONSISTENT, IMPOSSIBLE])
    checked = int(figures["verdict"].ne(COMPUTED).sum())
    counts = ", ".join(
        f"{int((figures['verdict'] == verdict).sum())} {verdict}" for verdict in (CONSISTENT, INCONSISTENT, IMPOSSIBLE)
    )
    divisor = "n (populations)" if ddof == 0 else "n − 1 (samples)"
    sections = [
        Section(
            "What the audit finds",
            [
                f"{numbers.counted(checked, 'check')} of {paper.title}: {counts}. {_HOW}",
                f"SDs divide by {divisor}.",
            ],
            [*_contradictions(figures[wrong]), *_orders(audit.orders), *_confounded(audit.confounded)],
            verdict=True,
        )
    ]
    if len(figures):
        sections.append(Section("Every figure, recomputed", exhibits=[_table(figures)]))
    data = {"figures": figures, "orders": audit.orders, "confounded": audit.confounded}
    return Report(f"Audit of {paper.title}", {"SDs divide by": divisor}, sections, data)


def _contradictions(wrong: DataFrame) -> Iterator[str]:
    for row in _rows(wrong):
        what = f"{row.comparison} ({row.metric}, {row.a} → {row.b})" if row.metric else f"{row.comparison}"
        basis = f" by {row.basis}" if row.basis else ""
        note = f"; {row.note}" if row.note else ""
        allowed = _value(row.figure, row.value, row.low, row.high)
        yield f"{what}: {row.figure} {row.printed} is {row.verdict}{f', {allowed}{basis}' if basis else ''}{note}."


def _orders(orders: DataFrame) -> Iterator[str]:
    for name, rows in orders.groupby("order", sort=False):
        pairs = [
            f"{row.lower} ({numbers.significant(row.lower_mean)}) is above {row.higher} "
            f"({numbers.significant(row.higher_mean)})"
            for row in _rows(rows)
        ]
        yield f"{name}: false for {rows['metric'].iloc[0]}: {numbers.listed(pairs)}."


def _confounded(confounded: DataFrame) -> Iterator[str]:
    """One sentence for all comparisons of the same two rows that were credited alike."""
    for _, rows in confounded.groupby(["a", "b", "credited_to", "alone"], sort=False):
        row = next(_rows(rows))
        said = f"From {row.a} to {row.b}, {numbers.listed(row.changed.split(', '))} change at once"
        if row.credited_to:
            alone = f"only {row.alone} changes it alone" if row.alone else "no two rows differ in it alone"
            said += f", so that no difference can be credited to {row.credited_to} ({alone})"
        yield f"{said}: {numbers.listed(list(rows['comparison']))}."


def _table(figures: DataFrame) -> Table:
    columns = (
        Column("Comparison", ("comparison",), key=True),
        Column("Figure", ("figure",), key=True),
        Column("Printed", ("printed",)),
        Column("Recomputed", ("found",)),
        Column("Verdict", ("verdict",)),
        Column("From", ("basis",)),
    )
    found = [_value(row.figure, row.value, row.low, row.high) for row in _rows(figures)]
    noted = figures["note"].ne("") & figures["verdict"].eq(COMPUTED)
    notes = [f"{row.comparison}: {row.note}." for row in _rows(figures[noted])]
    return Table("Recomputed [lowest, highest]", figures.assign(found=found), columns, notes=notes)


def _value(figure: str, value: float, low: float, high: float) -> str:
    """A recomputed number with the range that rounding leaves it."""
    if figure == "change":
        return f"{_signed(value)} [{_signed(low)}, {_signed(high)}]"
    if isinf(high):
        return f"at least {numbers.significant(low, 3)}"
    decimals = {"p": 4, "t": 2, "d": 2, "df": 2}.get(figure)
    texts = [numbers.significant(n) if decimals is None else numbers.fixed(n, decimals) for n in (value, low, high)]
    within = f"[{texts[1]}, {texts[2]}]"
    return within if isnan(value) else f"{texts[0]} {within}"


def _signed(fraction: float) -> str:
    return f"{'+' if fraction > 0 else ''}{numbers.fixed(100 * fraction, 2)}%"


def _rows(frame: DataFrame) -> Iterator[Any]:
    return iter(frame.itertuples())
