"""Runs that have no value: on which factors that depends, and what it leaves of each pair of levels."""

from __future__ import annotations

from collections.abc import Iterator

from pandas import DataFrame

from bench.present import numbers
from bench.present.report import Column, Section, Table
from bench.present.study import ADJUSTED, ALPHA, HOLM, NAME, Study, heading

_PERMUTED = (
    "p permutes the losses among the levels of the factor within each block and combination of the other factors; "
    "adjusted by Holm over the factors."
)
_BOUNDS = (
    "Whatever value in the metric's range the lost runs had, the change lies between these bounds, and within the "
    "outer limits with its confidence."
)
_SIGNS = "Blocks in which the later level is better or worse, lost runs being worse than all others: sign test."


def losses(study: Study) -> Iterator[Section]:
    """The lost runs by factor, once for metrics that lose the same, then the effects that count them."""
    groups = list(_alike(study))
    if not groups:
        return
    columns = (
        Column("Level", ("at",), key=True), Column("Lost", ("lost",), "count"), Column("Runs", ("runs",), "count"),
        Column("p of the factor", ("p",), "p"), ADJUSTED,
    )  # fmt: skip
    tables = [
        Table(f"{labels}: runs without a value", study.worded(rows), columns, notes=[_PERMUTED])
        for labels, rows in groups
    ]
    bounds = (
        Column("At least", ("bound_low",), "value"), Column("At most", ("bound_high",), "value"),
        Column(f"Outer {study.level} limits, low", ("low",), "value"), Column("high", ("high",), "value"),
    )  # fmt: skip
    signs = (*(Column(name.capitalize(), (name,), "count") for name in ("better", "worse", "tied")), *HOLM)
    survivors = study.analysis.survivors
    for metric, rows in study.by_metric(survivors[survivors["method"] != "none"]):
        bounded = bool(rows["bound_low"].notna().any())
        caption, notes = f"{heading(metric)}: effects that count lost runs", [_BOUNDS if bounded else _SIGNS]
        tables.append(Table(caption, study.worded(rows), (NAME["pair"], *(bounds if bounded else signs)), notes=notes))
    yield Section("Lost runs", list(lost(study)), exhibits=tables)


def lost(study: Study) -> Iterator[str]:
    """Which factors the lost runs depend on, and what that means for the effects; alike metrics together."""
    for labels, rows in _alike(study):
        factors = rows.drop_duplicates("factor")
        own = rows[rows["factor"] == factors["factor"].iloc[0]]
        unequal = [
            f"{factor} (adj. p {numbers.p_value(p)})"
            for factor, p in zip(factors["factor"], factors["p_adjusted"], strict=True)
            if p < ALPHA
        ]
        depends = f"more at some levels than at others of {numbers.listed(unequal)}" if unequal else ""
        yield (
            f"{labels}: {int(own['lost'].sum())} of {int(own['runs'].sum())} runs have no value, "
            f"{depends or 'which is not shown to depend on a factor'}. Effects "
            "are estimated from the survivors, and biased where bad runs are the ones that are lost."
        )


def _alike(study: Study) -> Iterator[tuple[str, DataFrame]]:
    """The labels of the metrics that lose the same runs, and the rows of the first."""
    alike: dict[str, tuple[list[str], DataFrame]] = {}
    for metric, rows in study.by_metric(study.analysis.losses):
        if metric.name in study.present:  # else it was not measured at all
            alike.setdefault(rows.drop(columns="metric").to_json(orient="values"), ([], rows))[0].append(metric.label)
    yield from ((numbers.listed(labels), rows) for labels, rows in alike.values())
