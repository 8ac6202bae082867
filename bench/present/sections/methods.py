"""Which test, which family and which correction the numbers rest on, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator

from pandas import DataFrame

from bench.present import numbers
from bench.present.report import Section
from bench.present.study import Study


def methods(study: Study) -> Iterator[Section]:
    """Which tests, families and corrections the tables hold."""
    yield Section("Methods", points=list(_methods(study)), appendix=True)


def _methods(study: Study) -> Iterator[str]:
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
    yield from study.analysis.notes


def _labels(study: Study, rows: DataFrame) -> str:
    present = list(dict.fromkeys(rows["metric"]))
    told = [label for name, label in study.labels.items() if name in present]
    others = sum(name not in study.labels for name in present)
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
