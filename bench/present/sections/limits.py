"""What a design cannot tell, what its cells identify, and which tests, families and corrections its numbers rest on."""

from __future__ import annotations

from collections.abc import Iterator

from pandas import DataFrame

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
    rows = study.measured.drop_duplicates(["effect", "estimable", "alias", "biased_by"])
    differ = rows["effect"].duplicated().any()
    rows = study.measured if differ else rows
    shown = study.worded(rows).assign(
        effect=[study.term(name) for name in rows["effect"]],
        estimable=["yes" if estimated else "no" for estimated in rows["estimable"]],
        mixed=[f"is {study.term(alias)}" if alias else f"biased by {study.term(bias)}" if bias else ""
               for alias, bias in zip(rows["alias"], rows["biased_by"], strict=True)],
    )  # fmt: skip
    columns = [
        *([NAME["metric"]] if differ else []), NAME["effect"], Column("Estimable", ("estimable",)),
        Column("With the interactions left out", ("mixed",)),
    ]  # fmt: skip
    table = Table("Every effect of the full factorial", shown, columns)
    yield Section(_IDENTIFIED, exhibits=[table], appendix=True)


def methods(study: Study) -> Iterator[Section]:
    """Which tests, families and corrections the tables hold."""
    points = [*_tests(study), *study.analysis.notes]
    yield Section("Methods", points=points, appendix=True)


def _tests(study: Study) -> Iterator[str]:
    contrasts, trends, block = study.analysis.contrasts, study.analysis.trends, study.block
    for method, rows in contrasts.groupby("method", sort=False):
        yield f"Effects ({_labels(study, rows)}): {_METHODS.get(str(method), str(method)).format(block=block)}"
    yield (
        "Effects are coded ±1 and doubled: a main effect is the change from the first level to the other, averaged over"
        " all other factors; an interaction of two factors is half the difference between the effects of one at the two"
        " levels of the other."
    )
    if block:
        yield (
            f"d_z is t over the square root of the number of {block}s: for one contrast per {block}, their mean over "
            "their standard deviation."
        )
    for family, rows in study.analysis.terms.groupby("family", sort=False):
        yield (
            f"Adjusted p of effects: {family}; {int(rows['family_size'].iloc[0])} tests, as a family exploratory; "
            "claims are judged apart. A comparison with a reference level, one of several of its factor, is in no "
            "family and has none."
        )
    if study.analysis.terms[["p_signflip", "p_maxt"]].notna().any(axis=None):
        yield (
            f"p_signflip and p_maxt flip the signs of {block}s and take every contrast to be symmetric about zero: of "
            "skewed values of unequal spread they call up to 16% of tables without an effect significant."
        )
    if len(logs := contrasts[contrasts["scale"] == "ratio"]):
        labels = _labels(study, logs)
        yield f"{labels}: analysed as logarithms; effects are ratios of geometric means, and 1 means no effect."
    for (factor, per), rows in trends.groupby(["factor", "per"], sort=False):
        orders, spaced = numbers.listed(list(rows["order"].unique())), _SPACED[str(per)]
        yield f"Trends along {factor}: orthogonal polynomials ({orders}) in {spaced}."
    if len(trends):
        tests = int(trends["p"].notna().sum())
        yield f"Adjusted p of trends: exploratory (BH) over every metric, factor and order; {tests} tests."
    for family in study.analysis.pairwise["family"].unique():
        yield f"Cells: adjusted p over {family}. Welch's t, Cohen's d (pooled SD) with noncentral-t intervals."
    yield "Runs that diverged, failed or are missing have no values: they are counted above and enter no mean or test."


def _labels(study: Study, rows: DataFrame) -> str:
    present = set(rows["metric"])
    told = [label for name, label in study.labels.items() if name in present]
    others = len(present - study.labels.keys())
    return numbers.listed([*told, *([numbers.counted(others, "further metric")] if others else [])])


_SPACED = {
    "unit": "its levels as they are",
    "decade": "the decimal logarithms of its levels, which are spaced more evenly than the levels themselves",
}
_METHODS = {
    "block means, between blocks": "factors that vary between {block}s only: least squares on the means of {block}s, "
    "{block}s − groups degrees of freedom.",
    "contrast per block, within groups of blocks": "one contrast per {block}, regressed on the factors that vary "
    "between {block}s only, {block}s − groups degrees of freedom.",
    "contrast per block": "one contrast per {block}, one-sample t on these with {block}s − 1 degrees of freedom.",
    "regression within blocks, jackknife": "regression within {block}s (the blocks are incomplete), standard errors by "
    "the jackknife over {block}s.",
    "independent runs, Welch": "runs taken as independent, unequal variances (Welch).",
    "none": "described, not tested.",
}
