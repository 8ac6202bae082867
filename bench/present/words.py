"""Result frames become sentences: how to read them, what this design cannot tell, how models and papers agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pandas import DataFrame

from bench.judge.analysis import Analysis
from bench.judge.sensitivity import sensitivity
from bench.judge.variance import primary
from bench.plan.labels import cell_label, visible
from bench.present import numbers
from bench.present.tables import ALPHA, Context

DIAGNOSTICS = "These never choose a test; they say what to doubt."
ESTIMABLE = "What the cells identify"
"""Title of the section that holds the table of aliases."""

_MOST_NOTES = 4
"""Remarks of the analysis that are shown at once."""


def effects(analysis: Analysis, context: Context) -> str:
    """How to read a table of effects; where combinations are missing, a row is not an average over the others."""
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
        f"* marks an adjusted p below {ALPHA}."
    )


def terms(context: Context) -> str:
    """How to read the tests of terms with several contrasts, and of pairs of levels."""
    how = (
        "repeated-measures F, whose degrees of freedom Greenhouse and Geisser's epsilon corrects"
        if context.block
        else "Welch and James' F"
    )
    return (
        "A factor of more than two levels, and each of its interactions, has one test, that there is no difference at "
        f"all ({how}): it does not depend on which level is called the reference, and stands in one family with the "
        "effects that are a single comparison. Below it all pairs of levels, averaged over the other factors; their "
        f"adjusted p is Holm's over the pairs of the factor. * marks an adjusted p below {ALPHA}."
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


def misleading(analysis: Analysis, context: Context) -> Iterator[str]:
    """Which main effects mislead, since they are averages of effects that differ or even have opposite signs."""
    for metric in context.metrics:
        rows = analysis.simple[analysis.simple["metric"] == metric.name]
        for (factor, within), own in rows.groupby(["factor", "within"], sort=False):
            p = numbers.p_value(own["p_interaction"].iloc[0])
            reverses = own[own["reverses"].astype(bool)]
            if len(reverses):
                shown = numbers.listed(
                    [
                        f"{numbers.significant(float(str(row.estimate)), 3)} at {visible(row.level)}"
                        for row in reverses.itertuples()
                        if row.a == reverses["a"].iloc[0] and row.b == reverses["b"].iloc[0]
                    ]
                )
                pair = f"{visible(reverses['b'].iloc[0])} → {visible(reverses['a'].iloc[0])}"
                yield (
                    f"{metric.label}: {factor} ({pair}) works in opposite directions at the levels of {within} "
                    f"({shown}): its main effect misleads."
                )
            else:
                yield (
                    f"{metric.label}: the effect of {factor} depends on {within} (interaction, adj. p {p}): its main "
                    "effect misleads, for it is an average of effects that differ; see each level below."
                )


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
            f"{numbers.fixed(smallest.alone, 1)} (its mean over its spread across {context.block}s) with a probability "
            f"of {smallest.power:.0%}{family}."
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
    said = f"{inside} of {len(compared)} published means lie within 3 standard errors (of the published mean) of ours"
    if len(compared):
        farthest = compared.iloc[int(compared["z"].abs().argmax())]
        cell = cell_label(farthest[name] for name in context.factors)
        label, distance = context.labels[farthest["metric"]], numbers.statistic(abs(farthest["z"]))
        said += f"; the farthest is {label} in {cell}, {distance} of them away"
    yield f"{said}."
    yield (
        "z is the distance in standard errors, and ! marks those beyond 3. Where the spread is large, this is weak "
        "evidence: means that differ by a factor may lie within. Published SDs divide by n, ours by n − 1."
    )
    if (compared["se_source"] == "ours").any():
        yield "Where no SD was published, the standard error is from our SD and the published n."
    if len(frame) > len(compared):
        yield f"{len(frame) - len(compared)} published means have no counterpart here."


def _beside(names: Iterable[str], remarks: Iterable[str]) -> str:
    return numbers.listed([f"{name} ({remark})" for name, remark in zip(names, remarks, strict=True)])


def _terms(rows: DataFrame, context: Context) -> list[str]:
    return [context.term(name) for name in dict.fromkeys(rows["effect"])]
