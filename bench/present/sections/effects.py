"""The effects on each metric: pictures and tables, and the contrasts that a user asked for."""

from __future__ import annotations

from collections.abc import Iterator

from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.figures.effects import effects_figure
from bench.present.report import Column, Figure, Section, Table
from bench.present.study import ADJUSTED, ALPHA, DF, HOLM, NAME, P, Study, T, heading


def effects(study: Study) -> Iterator[Section]:
    """The effects on the chief metrics; main effects and survivors are the headlines of their tables."""
    if study.analysis.contrasts.empty:
        return
    exhibits: list[Figure | Table] = []
    for metric, rows in study.by_metric(study.analysis.contrasts):
        if metric in study.chief:
            exhibits += [effects_figure(metric, study)] if rows["estimate"].notna().any() else []
            exhibits.append(_table(study, metric, rows))
    yield Section("Effects", [_how(study)], exhibits=exhibits, chief=True)


def further(study: Study) -> Iterator[Section]:
    """The effects on the metrics that are not drawn in full."""
    others = [part for part in study.by_metric(study.analysis.contrasts) if part[0] not in study.chief]
    if others:
        labels = numbers.listed([metric.label for metric, _ in others], most=12)
        tables = [_table(study, metric, rows) for metric, rows in others]
        yield Section("Further metrics", [f"{labels}."], exhibits=tables, appendix=True)


def _table(study: Study, metric: Metric, rows: DataFrame) -> Table:
    shown = study.worded(rows)
    shown["headline"] = shown["survives"] | rows["effect"].isin(study.contrasts)
    columns = [NAME["effect"], study.change(rows), T, DF, P, ADJUSTED]
    if study.block:
        columns.append(Column("d_z", ("d_z",), "statistic", detail=True))
    notes = [metric.note] if metric.note else []
    if lost := int(rows["lost"].max()):
        notes.append(f"From the survivors: {numbers.counted(lost, 'run')} lost their values.")
    return Table(heading(metric), shown, columns, headline="headline", left_out="without a star", notes=notes)


def _how(study: Study) -> str:
    """How to read a table of effects; where combinations are missing, a row is not an average over the others."""
    labels = [metric.label for metric in study.metrics if metric.name in study.incomplete]
    how = "averaged over all other factors"
    if labels:
        model = (
            "in a model that leaves out all interactions of more factors than the row names, since not every "
            "combination has a value: such interactions would change it"
        )
        is_part = len(study.incomplete) < study.measured["metric"].nunique()
        how += f"; of {numbers.listed(labels)}, {model}" if is_part else f", {model}"
    halves = " (half the difference between two effects)" if len(study.factors) > 1 else ""
    d_z = "d_z is the effect over its spread across the blocks; " if study.analysis.block else ""
    families = (
        f" Adjusted p are of the {numbers.counted(len(study.tested), 'test')} in all metrics, as an exploratory family "
        "(Benjamini-Hochberg). What is also claimed has another one in the table of claims, of the family of the "
        f"{numbers.counted(study.n_claims, 'claim')} (Holm), and its verdict rests on that one."
    )
    return (
        f"Each row compares two levels of a factor, or is an interaction (×){halves}, {how}. Intervals are "
        f"{study.level}; {d_z}* marks an adjusted p below {ALPHA}.{families if study.n_claims else ''}"
    )


def requested(study: Study) -> Iterator[Section]:
    """One table a metric: the contrasts that the user asked for."""
    if study.analysis.requested.empty:
        return
    each = f"One contrast per {study.block} each" if study.block else "Each by Welch's t"
    how = f"{each}; adjusted p by Holm over all of them. * marks an adjusted p below {ALPHA}."
    tables = []
    for metric, rows in study.by_metric(study.analysis.requested):
        columns = (Column("Contrast", ("contrast",), key=True), study.change(rows), *HOLM)
        tables.append(Table(heading(metric), study.worded(rows), columns, notes=assumed(study, rows)))
    yield Section("Contrasts asked for", [how], exhibits=tables)


def assumed(study: Study, rows: DataFrame) -> list[str]:
    """What the estimates of some rows take for granted."""
    return [f"Assumes that there is no {study.term(text)}." for text in dict.fromkeys(rows["assumes"]) if text]
