"""How factors act: interactions, levels of factors that have several, simple effects, and trends along numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.plan.labels import visible
from bench.present import numbers
from bench.present.figures.interactions import interactions_figure
from bench.present.figures.trends import trend_figure
from bench.present.report import Column, Figure, Section, Table
from bench.present.sections.effects import assumed
from bench.present.study import ADJUSTED, ALPHA, DF, HOLM, NAME, P, Study, T, heading

_FEW_PAIRS = 6
"""So many pairs of levels are shown whether they differ or not."""


def interactions(study: Study) -> Iterator[Section]:
    """Pictures of the chief metrics that have a value in every combination."""
    crossed = [metric for metric in study.chief if metric.name not in study.incomplete]
    if crossed and len(study.factors) > 1:
        yield Section("Interactions", exhibits=[interactions_figure(metric, study) for metric in crossed])


def levels(study: Study) -> Iterator[Section]:
    """The terms that are more than one comparison, each with one test, and every pair of levels of their factors."""
    terms = study.analysis.terms[study.analysis.terms["contrasts_full"] > 1]
    if terms.empty:
        return
    how = (
        "repeated-measures F, whose degrees of freedom Greenhouse and Geisser's epsilon corrects"
        if study.block
        else "Welch and James' F; with 8 levels of 5 runs each it rejects up to 8% of tables without a difference"
    )
    text = (
        "A factor of more than two levels, and each of its interactions, has one test, that there is no difference at "
        f"all ({how}): it does not depend on which level is called the reference, and stands in one family with the "
        "effects that are a single comparison. Below it all pairs of levels, averaged over the other factors; their "
        f"adjusted p is Holm's over the pairs of the factor. * marks an adjusted p below {ALPHA}."
    )
    tables = []
    for metric, rows in study.by_metric(terms):
        hotelling = [Column("p, Hotelling", ("p_hotelling",), "p", detail=True)] if rows["p_hotelling"].any() else []
        columns = (
            NAME["term"], Column("Contrasts", ("contrasts",), "count"), Column("F", ("F",), "statistic"),
            Column("df", ("df_num",), "degrees", detail=True), Column("df error", ("df_den",), "degrees", detail=True),
            P, ADJUSTED, *hotelling,
        )  # fmt: skip
        tables.append(Table(heading(metric), study.worded(rows), columns))
    for metric, rows in study.by_metric(study.analysis.levels):
        shown = study.worded(rows)
        shown["headline"] = shown["survives"] | (len(rows) <= _FEW_PAIRS)
        caption, columns = f"{heading(metric)}: pairs of levels", (NAME["pair"], study.change(rows), *HOLM)
        tables.append(Table(caption, shown, columns, headline="headline", left_out="without a star"))
    yield Section("Factors with more than two levels", [text], exhibits=tables)


def simple(study: Study) -> Iterator[Section]:
    """Which main effects mislead, since they are averages of effects that differ, and these at each level."""
    frame, named = study.analysis.simple, interacting(study).items()
    points = [
        f"{label}: the effect of one factor depends on the other for {numbers.listed(terms)}." for label, terms in named
    ]
    reversing = frame[frame["reverses"].astype(bool) & frame["metric"].isin(study.labels)]
    for (metric, factor, within, b, a), own in reversing.groupby(["metric", "factor", "within", "b", "a"], sort=False):
        estimates = zip(own["estimate"], own["level"], strict=True)
        shown = numbers.listed([f"{numbers.significant(value, 3)} at {visible(level)}" for value, level in estimates])
        lead = f"{study.labels[str(metric)]}: {factor} ({visible(b)} → {visible(a)})"
        points.append(f"{lead} has opposite effects at the levels of {within}: {shown}.")
    columns = (NAME["pair"], Column("At", ("at",), key=True))
    tables = [
        Table(f"{heading(metric)}: simple effects", study.worded(rows), (*columns, study.change(rows), *HOLM))
        for metric, rows in study.by_metric(frame)
    ]
    if len(frame):
        yield Section("Where main effects mislead", points=points, exhibits=tables)


def interacting(study: Study) -> Mapping[str, Sequence[str]]:
    """Label of a metric -> the pairs of factors, of which the effect of one depends on the other."""
    order = list(study.factors)
    pairs: dict[str, list[str]] = {}
    for metric, rows in study.by_metric(study.analysis.simple):
        found = rows[["factor", "within"]].drop_duplicates().itertuples(index=False)
        pairs[metric.label] = list(dict.fromkeys(" × ".join(sorted(pair, key=order.index)) for pair in found))
    return pairs


def trends(study: Study) -> Iterator[Section]:
    """How metrics go along the factors that are swept: pictures, and a row for each factor and order."""
    frame = study.analysis.trends
    if frame.empty:
        return
    each = f" One contrast per {study.block} each." if study.block else ""
    text = (
        "Of a straight line, a parabola and a cubic fitted to the means of the levels, the leading coefficients: per "
        "unit of the factor, or per tenfold (×10) where the levels are spaced more evenly as logarithms; of the "
        f"parabola per its square, of the cubic per its cube.{each} * marks an adjusted p below {ALPHA}."
    )
    exhibits: list[Figure | Table] = []
    for metric, rows in study.by_metric(frame):
        if metric in study.chief and metric.name not in study.incomplete:
            for factor, own in rows.groupby("factor", sort=False):  # the curve of the highest order that survives
                survives = (own["p_adjusted"] < ALPHA).to_numpy().nonzero()[0]
                exhibits.append(trend_figure(metric, str(factor), 1 + int(max(survives, default=0)), study))
        columns = (
            Column("Factor", ("factor",), key=True), Column("Trend", ("order",), key=True), Column("Per", ("step",)),
            study.change(rows), T, DF, P, ADJUSTED,
        )  # fmt: skip
        shown = study.worded(rows).assign(step=rows["per"].map(_STEPS) + rows["order"].map(_POWERS))
        exhibits.append(Table(heading(metric), shown, columns, notes=assumed(study, rows)))
    yield Section("Trends", [text], exhibits=exhibits)


_STEPS = {"unit": "unit", "decade": "×10"}
_POWERS = {"linear": "", "quadratic": ", squared", "cubic": ", cubed"}
