"""What a design cannot tell, and what its cells identify."""

from __future__ import annotations

from collections.abc import Iterator

from bench.judge.sensitivity import POWER, smallest_d_z
from bench.present import numbers
from bench.present.report import Column, Section, Table
from bench.present.study import NAME, Study

_IDENTIFIED = "What the cells identify"
_MOST_NOTES = 4
"""Remarks of the analysis that are shown at once."""
_NOT_ABSENT = (
    "An effect without a star is not shown to be absent, unless it is named above as smaller than the margin: its "
    "interval says how large it may still be."
)


def limits(study: Study) -> Iterator[Section]:
    """What a reader must not conclude."""
    yield Section("What this design cannot tell", points=list(_limits(study)))


def _limits(study: Study) -> Iterator[str]:
    if mixed := study.mixed:
        them = "it" if len(mixed) == 1 else "them"
        yield (
            f"{numbers.listed(mixed)} cannot be estimated: the cells that have values mix {them} with others, or lack "
            f"a level (see {_IDENTIFIED})."
        )
        told = study.measured
        if biased := study.terms(told[told["estimable"].astype(bool) & told["biased_by"].ne("")]):
            yield f"Where such an interaction exists, it is taken for a part of {numbers.listed(biased)}."
    tests = len(study.tested)
    if tests and not study.block:
        yield _NOT_ABSENT
        yield (
            "The runs are taken as independent. If some share a seed, a data set or a machine, say so with --block: "
            "otherwise intervals may be far too wide or too narrow, and p too large or too small."
        )
    elif tests:
        blocks = int(study.tested["n"].min())
        takes = numbers.fixed(smallest_d_z(blocks, tests), 1)
        family = f"; among {tests} tests it takes up to {takes}" if tests > 1 else ""
        yield (
            f"{_NOT_ABSENT} With {numbers.counted(blocks, study.block)}, a single test finds an effect of |d_z| "
            f"{numbers.fixed(smallest_d_z(blocks), 1)} with a power of {POWER:.0%}{family}."
        )
        yield (
            f"The intervals speak of other {study.block}s of this very setup at the levels listed here; not of other "
            "data, sizes or settings."
        )
    effects = study.analysis.contrasts
    for metric, rows in study.by_metric(effects[effects["estimate"].notna() & effects["p"].isna()]):
        for reason, alike in rows.groupby("reason", sort=False):
            named = numbers.listed([study.effect(name) for name in alike["effect"]])
            yield f"{metric.label}: {reason}, so no test of {named}."
    notes = study.analysis.notes
    yield from notes[:_MOST_NOTES]
    if len(notes) > _MOST_NOTES:
        yield f"{len(notes) - _MOST_NOTES} more remarks of this kind stand under Methods."


def identified(study: Study) -> Iterator[Section]:
    """One row a term: what it is mixed with, by metric where metrics differ in it."""
    if not study.incomplete:
        return
    frame = study.measured
    rows = frame.drop_duplicates(["effect", "estimable", "alias", "biased_by"])
    differ = rows["effect"].duplicated().any()
    rows = frame if differ else rows
    names = zip(rows["alias"], rows["biased_by"], strict=True)
    shown = study.worded(rows).assign(
        effect=[study.term(name) for name in rows["effect"]],
        estimable=["yes" if estimated else "no" for estimated in rows["estimable"]],
        mixed=[f"is {study.term(alias)}" if alias else f"biased by {study.term(bias)}" if bias else ""
               for alias, bias in names],
    )  # fmt: skip
    columns = [NAME["metric"]] if differ else []
    columns += [
        NAME["effect"],
        Column("Estimable", ("estimable",)),
        Column("With the interactions left out", ("mixed",)),
    ]
    table = Table("Every effect of the full factorial", shown, columns)
    yield Section(_IDENTIFIED, exhibits=[table], appendix=True)
