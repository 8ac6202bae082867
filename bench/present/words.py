"""Result frames become sentences: how to read them, what this design cannot tell, how models and papers agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pandas import DataFrame

from bench.judge.analysis import Analysis
from bench.judge.sensitivity import sensitivity
from bench.judge.variance import primary
from bench.plan.labels import cell_label, visible
from bench.present import numbers
from bench.present.tables import ALPHA, Context

DIAGNOSTICS = "These never choose a test; they say what to doubt."
ROUTES = (
    "Other routes to the same terms (types I to III, HC3, within subjects, independent runs): anova in JSON and CSV."
)
ESTIMABLE = "What the cells identify"
"""Title of the section that holds the table of aliases."""

_MOST_NOTES = 4
"""Remarks of the analysis that are shown at once."""


def effects(analysis: Analysis, context: Context, n_claims: int = 0) -> str:
    """How to read a table of effects; where combinations are missing, a row is not an average over the others.

    ``n_claims``: so many claims are judged beside these, each with an adjusted p of its own.
    """
    partial = incomplete(analysis)
    labels = [metric.label for metric in context.metrics if metric.name in partial]
    how = "averaged over all other factors"
    if labels:
        of = f"; of {numbers.listed(labels)}, " if len(partial) < measured(analysis)["metric"].nunique() else ", "
        model = (
            "in a model that leaves out all interactions of more factors than the row names, since not every "
            "combination has a value: such interactions would change it"
        )
        how = f"{how}{of}{model}" if of != ", " else model
    halves = " (half the difference between two effects)" if len(context.factors) > 1 else ""
    return (
        f"Each row compares two levels of a factor, or is an interaction (×){halves}, {how}. "
        f"Intervals are {context.level}; "
        f"{'d_z is the effect over its spread across the blocks; ' if analysis.block else ''}"
        f"* marks an adjusted p below {ALPHA}.{_two_families(analysis, n_claims) if n_claims else ''}"
    )


def _two_families(analysis: Analysis, n_claims: int) -> str:
    tests = numbers.counted(int(analysis.terms["p"].notna().sum()), "test")
    return (
        f" Adjusted p are of the {tests} in all metrics, as an exploratory family (Benjamini-Hochberg). What is also "
        f"claimed has another one in the table of claims, of the family of the {numbers.counted(n_claims, 'claim')} "
        "(Holm), and its verdict rests on that one."
    )


def terms(context: Context) -> str:
    """How to read the tests of terms with several contrasts, and of pairs of levels."""
    how = (
        "repeated-measures F, whose degrees of freedom Greenhouse and Geisser's epsilon corrects"
        if context.block
        else "Welch and James' F; with 8 levels of 5 runs each it rejects up to 8% of tables without a difference"
    )
    return (
        "A factor of more than two levels, and each of its interactions, has one test, that there is no difference at "
        f"all ({how}): it does not depend on which level is called the reference, and stands in one family with the "
        "effects that are a single comparison. Below it all pairs of levels, averaged over the other factors; their "
        f"adjusted p is Holm's over the pairs of the factor. * marks an adjusted p below {ALPHA}."
    )


def trends(context: Context) -> str:
    """How to read the tables of trends."""
    each = f" One contrast per {context.block} each." if context.block else ""
    return (
        "Of a straight line, a parabola and a cubic fitted to the means of the levels, the leading coefficients: per "
        "unit of the factor, or per tenfold (×10) where the levels are spaced more evenly as logarithms; of the "
        f"parabola per its square, of the cubic per its cube.{each} * marks an adjusted p below {ALPHA}."
    )


def losses(analysis: Analysis, context: Context) -> Iterator[str]:
    """Which factors the lost runs depend on, and what that means for the effects; alike metrics together."""
    alike: dict[str, list[str]] = {}
    for metric in context.metrics:
        rows = analysis.losses[analysis.losses["metric"] == metric.name]
        if rows.empty:
            continue
        factors = rows.drop_duplicates("factor")
        own = rows[rows["factor"] == factors["factor"].iloc[0]]
        unequal = [
            f"{factor} (adj. p {numbers.p_value(p)})"
            for factor, p in zip(factors["factor"], factors["p_adjusted"], strict=True)
            if p < ALPHA
        ]
        how = f"more at some levels than at others of {numbers.listed(unequal)}" if unequal else _NO_FACTOR
        said = f"{int(own['lost'].sum())} of {int(own['runs'].sum())} runs have no value, {how}."
        alike.setdefault(said, []).append(metric.label)
    for said, labels in alike.items():
        yield (
            f"{numbers.listed(labels)}: {said} Effects are estimated from the survivors, and biased where bad runs are "
            "the ones that are lost."
        )


_NO_FACTOR = "which is not shown to depend on a factor"


def requested(context: Context) -> str:
    """How to read the contrasts that the user asked for."""
    each = f"One contrast per {context.block} each" if context.block else "Each by Welch's t"
    return f"{each}; adjusted p by Holm over all of them. * marks an adjusted p below {ALPHA}."


def interacting(analysis: Analysis, context: Context) -> Mapping[str, Sequence[str]]:
    """Label of a metric -> the pairs of factors, of which the effect of one depends on the other."""
    pairs: dict[str, list[str]] = {}
    rows = analysis.simple.drop_duplicates(["metric", "factor", "within"])
    for metric in context.metrics:
        own = rows[rows["metric"] == metric.name]
        listed = [
            sorted(pair, key=list(context.factors).index) for pair in zip(own["factor"], own["within"], strict=True)
        ]
        if listed:
            pairs[metric.label] = list(dict.fromkeys(" × ".join(pair) for pair in listed))
    return pairs


def misleading(analysis: Analysis, context: Context) -> Iterator[str]:
    """Which main effects mislead, since they are averages of effects that differ or even have opposite signs."""
    reversing = analysis.simple[analysis.simple["reverses"].astype(bool)]
    for label, terms in interacting(analysis, context).items():
        yield f"{label}: the effect of one factor depends on the other for {numbers.listed(terms)}."
    labels = context.labels
    for (metric, factor, within, b, a), own in reversing.groupby(["metric", "factor", "within", "b", "a"], sort=False):
        found = zip(own["estimate"], own["level"], strict=True)
        shown = numbers.listed([f"{numbers.significant(estimate, 3)} at {visible(level)}" for estimate, level in found])
        pair = f"{visible(b)} → {visible(a)}"
        yield f"{labels[str(metric)]}: {factor} ({pair}) has opposite effects at the levels of {within}: {shown}."


def incomplete(analysis: Analysis) -> set[str]:
    """The metrics with values of which the cells do not tell every effect."""
    told = measured(analysis)
    return set(told.loc[~told["estimable"].astype(bool), "metric"])


_NOT_ABSENT = (
    "An effect without a star is not shown to be absent, unless it is named above as smaller than the margin: its "
    "interval says how large it may still be."
)


def unseen(analysis: Analysis, context: Context) -> list[str]:
    """The effects that the cells with values mix with others, or lack a level for, as people read them."""
    told = measured(analysis)
    return _terms(told[~told["estimable"].astype(bool)], context)


def measured(analysis: Analysis) -> DataFrame:
    """What the cells identify, of the metrics that have any values: of others there is nothing to tell."""
    with_values = analysis.cells.loc[analysis.cells["n"] > 0, "metric"]
    return analysis.estimable[analysis.estimable["metric"].isin(with_values)]


def limits(analysis: Analysis, context: Context) -> Iterator[str]:
    """What a reader must not conclude."""
    told = measured(analysis)
    if mixed := unseen(analysis, context):
        them = "it" if len(mixed) == 1 else "them"
        yield (
            f"{numbers.listed(mixed)} cannot be estimated: the cells that have values mix {them} with others, or lack "
            f"a level (see {ESTIMABLE})."
        )
        biased = _terms(told[told["estimable"].astype(bool) & told["biased_by"].ne("")], context)
        if biased:
            yield f"Where such an interaction exists, it is taken for a part of {numbers.listed(biased)}."
    tested = analysis.terms[analysis.terms["p"].notna()]
    if len(tested) and not analysis.block:
        yield _NOT_ABSENT
        yield (
            "The runs are taken as independent. If some share a seed, a data set or a machine, say so with --block: "
            "otherwise intervals may be far too wide or too narrow, and p too large or too small."
        )
    elif len(tested):
        blocks = int(tested["n"].min())
        smallest = sensitivity(blocks, len(tested))
        takes = numbers.fixed(smallest.in_family, 1)
        family = f"; among {len(tested)} tests it takes up to {takes}" if len(tested) > 1 else ""
        yield (
            f"{_NOT_ABSENT} With {numbers.counted(blocks, context.block)}, a single test finds an effect of |d_z| "
            f"{numbers.fixed(smallest.alone, 1)} with a power of {smallest.power:.0%}{family}."
        )
        yield (
            f"The intervals speak of other {context.block}s of this very setup at the levels listed here; not of other "
            "data, sizes or settings."
        )
    yield from _untested(analysis.contrasts, context)
    yield from analysis.notes[:_MOST_NOTES]
    if len(analysis.notes) > _MOST_NOTES:
        yield f"{len(analysis.notes) - _MOST_NOTES} more remarks of this kind stand under Methods."


def _untested(contrasts: DataFrame, context: Context) -> Iterator[str]:
    """Effects that have an estimate and no test, by metric, with the reason."""
    for metric in context.metrics:
        rows = contrasts[(contrasts["metric"] == metric.name) & contrasts["estimate"].notna() & contrasts["p"].isna()]
        for reason, alike in rows.groupby("reason", sort=False):
            named = numbers.listed([context.effect(name) for name in alike["effect"]])
            yield f"{metric.label}: {reason}, so no test of {named}."


def disagreements(analysis: Analysis, context: Context) -> Iterator[str]:
    """On which effects the contrasts and the analysis of variance fall on different sides of 5%, unadjusted."""
    both = analysis.terms.merge(primary(analysis.anova), on=["metric", "term"])
    contrast, anova = both["p_x"] < ALPHA, both["p_y"] < ALPHA
    for only, said in (
        (anova & ~contrast, "The analysis of variance alone"),
        (contrast & ~anova, "The contrasts, not the analysis of variance,"),
    ):
        if only.any():
            named = [
                _in_metric(effect, metric, context)
                for effect, metric in zip(both.loc[only, "term"], both.loc[only, "metric"], strict=True)
            ]
            yield f"{said} would call these significant, unadjusted: {numbers.listed(named)}."
    if (anova != contrast).any():
        yield (
            f"Where they disagree, trust the contrasts: they let an effect vary between {context.block}s, which the "
            "analysis of variance pools with the residual."
        )


def _in_metric(effect: str, metric: str, context: Context) -> str:
    labels = context.labels
    return f"{context.term(effect)} in {labels[metric]}"


def doubts(diagnostics: DataFrame, context: Context) -> Iterator[str]:
    """Cells whose runs fall into two groups, and seeds that lie far from the others, by metric."""
    alarming = diagnostics[diagnostics["reading"].ne("")]
    for metric in context.metrics:
        rows = alarming[alarming["metric"] == metric.name]
        split, odd = rows[rows["check"] == "bimodality"], rows[rows["check"] == "odd_seed"]
        if len(split):
            named = _beside(split["subject"], split["reading"])
            yield f"{metric.label}: the runs of a cell may be two groups, and its mean describe neither: {named}."
        if len(odd):
            named = _beside(odd["subject"], odd["statistic"].map(lambda value: numbers.fixed(value, 1)))
            yield f"{metric.label}: far from the other {context.block}s, in robust SDs: {context.block} {named}."


def published(frame: DataFrame, context: Context) -> Iterator[str]:
    """How many published means ours agree with, and which is the farthest."""
    compared = frame[frame["z"].notna()]
    inside = int(compared["within_3_se"].sum())
    said = f"{inside} of {len(compared)} published means lie within 3 standard errors of ours"
    if len(compared):
        farthest = compared.iloc[int(compared["z"].abs().argmax())]
        cell = cell_label(farthest[name] for name in context.factors)
        label = context.labels[farthest["metric"]]
        said += f"; the farthest is {label} in {cell}, z = {numbers.statistic(farthest['z'])}"
    yield f"{said}."
    yield (
        "z: the difference of the means over the standard error of the published one (from our SD where none was "
        "printed); ! marks those beyond 3. Where the spread is large, agreement is weak evidence. Means are "
        "arithmetic; published SDs divide by n, ours by n − 1."
    )
    if len(frame) > len(compared):
        yield f"{len(frame) - len(compared)} published means have no counterpart here."


def _beside(names: Iterable[str], remarks: Iterable[str]) -> str:
    return numbers.listed([f"{name} ({remark})" for name, remark in zip(names, remarks, strict=True)])


def _terms(rows: DataFrame, context: Context) -> list[str]:
    return [context.term(name) for name in dict.fromkeys(rows["effect"])]
