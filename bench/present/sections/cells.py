"""The cells: runs as pictures, means, variation, differences from the baseline, what to doubt, ranks by proxies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pandas import DataFrame, concat

from bench.judge.effect_frames import factor_column
from bench.judge.variation import variation as variation_of
from bench.plan.labels import visible
from bench.present import numbers
from bench.present.figures.runs import runs_figure
from bench.present.report import Column, Kind, Section, Table
from bench.present.study import ADJUSTED, ALPHA, NAME, Context, P, Study, heading

_MOST_FACTORS, _MOST_CELLS = 5, 40
"""More than so many factors share one column of a table of cells; rows of the table of means when it is short."""
_GAPS = (
    "not every combination has a value. Means over the other factors would compare different cells and so mix effects: "
    "interactions and trends are not drawn."
)
_GEOMETRIC = "Geometric: the geometric mean, and ×÷ the geometric SD, of metrics that are analysed on a log scale."


def runs(study: Study) -> Iterator[Section]:
    """The runs of the chief metrics as dots."""
    gaps = [metric.label for metric in study.chief if metric.name in study.incomplete]
    figures = [runs_figure(metric, study) for metric in study.chief]
    if figures and not study.analysis.contrasts.empty:
        yield Section("Runs", [f"{numbers.listed(gaps)}: {_GAPS}"] if gaps else [], exhibits=figures)


def means(study: Study) -> Iterator[Section]:
    """One row a cell, one column a metric, geometric on a log scale; a short rendering shows the first cells."""
    cells = study.analysis.cells
    full = cells["n"].max()
    named = {name: factor_column(name) for name in study.factors}
    named = named if len(named) <= _MOST_FACTORS else {"Cell": "cell"}
    frame = cells[list(named.values())].drop_duplicates().reset_index(drop=True)
    frame = frame.apply(lambda levels: levels.astype(object).map(visible))
    frame.columns = [f"level {position}" for position in range(len(named))]
    columns = [Column(name, (f"level {position}",), key=True) for position, name in enumerate(named)]
    frame["headline"] = frame.index < _MOST_CELLS
    parts, values = [frame], study.analysis.values
    for position, (metric, rows) in enumerate(study.by_metric(cells)):
        source = tuple(f"{name} {position}" for name in ("mean", "sd", "n"))
        part = DataFrame(rows[["mean", "sd", "n"]].to_numpy(), columns=list(source))
        kind: Kind = "mean_sd" if (rows["n"] == full).all() else "mean_sd_n"
        if metric.name in study.logs:
            own = values[values["metric"] == metric.name].groupby("cell", observed=True)["value"]
            logs = own.agg(["mean", "std"]).reindex(rows["cell"]).to_numpy(float)
            part[list(source[:2])], kind = np.exp(logs), "geometric"
        parts.append(part)
        of = ", ".join(filter(None, [metric.unit, "geometric" if kind == "geometric" else ""]))
        label = f"{metric.label} ({of})" if of else metric.label
        columns.append(Column(label, source if kind == "mean_sd_n" else source[:2], kind))
    up_to = "" if (cells["n"] == full).all() else "up to "
    caption = f"Mean ± SD of {up_to}{numbers.counted(int(full), 'run')} per cell"
    notes = [_GEOMETRIC] if any(column.kind == "geometric" for column in columns) else []
    if study.analysis.contrasts.empty:  # else they stand under the tables of effects
        notes += [f"{metric.label}: {metric.note}" for metric in study.metrics if metric.note]
    table = Table(caption, concat(parts, axis="columns"), columns, headline="headline", notes=notes)
    yield Section("Means", exhibits=[table])


def variation(study: Study) -> Iterator[Section]:
    """How much runs of one cell differ, and the cells and seeds that stand apart."""
    spreads = (("Lowest CV", "low"), ("Median CV", "median"), ("Highest CV", "high"))
    columns = (
        NAME["metric"], *(Column(label, (of,), "percent") for label, of in spreads),
        Column("Class of the median", ("class",)),
    )  # fmt: skip
    rows = variation_of(study.analysis.cells)
    rows = study.worded(rows[rows["metric"].isin(study.labels)])
    table = Table("Coefficient of variation within cells (SD over |mean|)", rows, columns)
    points = []
    alarming = study.analysis.diagnostics[study.analysis.diagnostics["reading"].ne("")]
    for metric, rows in study.by_metric(alarming):
        split, odd = rows[rows["check"] == "bimodality"], rows[rows["check"] == "odd_seed"]
        if len(split):
            named = numbers.listed(list(split["subject"] + " (" + split["reading"] + ")"))
            points.append(
                f"{metric.label}: the runs of a cell may be two groups, and its mean describe neither: {named}."
            )
        if len(odd):
            distances = odd["statistic"].map(lambda value: f" ({numbers.fixed(value, 1)})")
            named = numbers.listed(list(odd["subject"] + distances))
            points.append(f"{metric.label}: far from the other {study.block}s, in robust SDs: {study.block} {named}.")
    yield Section("Variation", points=points, exhibits=[table])


def pairs(study: Study) -> Iterator[Section]:
    """Each cell against the baseline cell, of the metrics that are tabled."""
    analysis, pair = study.analysis, ["metric", "a", "b"]
    frame = analysis.pairwise[analysis.pairwise["metric"].isin([metric.name for metric in study.tabled])]
    frame = frame.merge(analysis.pairwise_sizes, on=pair)
    frame = frame.merge(analysis.pairwise_independent, on=pair, suffixes=("", "_welch"))
    tables = []
    for metric, every in study.by_metric(frame):
        rows = every[every["b"] == every["b"].iloc[0]]
        columns = [Column("Cell", ("a",), key=True)]
        if study.block:
            columns += [study.change(rows, ", paired", "diff low high"), Column("p paired", ("p",), "p"), ADJUSTED]
            columns.append(Column(f"d_z [{study.level} CI]", ("d_z", "d_z_low", "d_z_high"), "interval"))
        columns += [study.change(rows, ", Welch", "diff_welch low_welch high_welch")]
        columns += [Column("p Welch", ("p_welch",), "p"), *([] if study.block else [ADJUSTED])]
        columns.append(Column(f"Cohen's d [{study.level} CI]", ("d", "d_low", "d_high"), "interval"))
        notes = [_INDEPENDENT.format(block=study.block)] if study.block else []
        caption = f"{heading(metric)}: against {rows['b'].iloc[0]}"
        tables.append(Table(caption, study.worded(rows), columns, notes=notes))
    if tables:
        yield Section("Cells against the baseline", exhibits=tables, appendix=True)


_INDEPENDENT = (
    "Runs of one {block} make pairs. Welch and Cohen's d take all runs as independent, as most papers do: their "
    "intervals are too wide where runs of a pair go together, and too narrow where they go apart."
)


def diagnostics(study: Study) -> Iterator[Section]:
    """One row a metric and check of its model; cells and seeds only where they alarm."""
    frame = study.analysis.diagnostics
    chosen = frame[(frame["check"] != "cv") & (frame["reading"].ne("") | frame["check"].isin(list(_CHECKS)))]
    chosen = chosen[chosen["metric"].isin(study.labels)]
    shown = study.worded(chosen).assign(
        check=chosen["check"].replace(_CHECKS).str.replace("_", " "),
        subject=chosen["subject"].where(chosen["reading"].eq(""), chosen["subject"] + ": " + chosen["reading"]),
    )
    statistic = Column("Statistic", ("statistic",), "statistic")
    columns = (NAME["metric"], Column("Check", ("check",)), Column("Of", ("subject",)), statistic, P)
    text = "These never choose a test; they say what to doubt."
    yield Section("Diagnostics", [text], exhibits=[Table("What to doubt", shown, columns)], appendix=True)


_CHECKS = {
    "shapiro": "normality: Shapiro–Wilk",
    "brown_forsythe": "equal spread: Brown–Forsythe",
    "autocorrelation": "autocorrelation",
}
"""Checks that concern a metric as a whole."""


def proxy_section(frame: DataFrame, context: Context) -> Section:
    """Which proxies order the cells as the target does."""
    labels = context.labels
    target = labels[frame["target"].iloc[0]]
    text = (
        f"Does a metric order the cells as {target} does? Spearman's correlation over the cells within each "
        f"{context.block}, its mean over {context.block}s, and a t test of that; adjusted by Holm over the proxies. It "
        f"speaks of these cells: another choice of them may be ordered otherwise."
    )
    found, points = frame[frame["p_adjusted"] < ALPHA], []
    for rows, verb in ((found[found["rho"] > 0], "as"), (found[found["rho"] < 0], "opposite to")):
        each = zip(rows["proxy"], rows["rho"], strict=True)
        named = numbers.listed([f"{labels[name]} ({numbers.fixed(rho, 2)})" for name, rho in each])
        points += [f"Ordered {verb} {target}: {named}."] if named else []
    rest = frame[~(frame["p_adjusted"] < ALPHA)]
    if len(rest):
        points.append(f"No order of {target} is seen in {numbers.listed([labels[name] for name in rest['proxy']])}.")
    columns = [
        Column("Proxy", ("proxy",), key=True),
        Column(f"Mean correlation [{context.level} CI]", ("rho", "low", "high"), "interval"),
        Column("t", ("t",), "statistic"), Column("p", ("p",), "p", detail=True), ADJUSTED,
        Column(f"Smallest of a {context.block}", ("smallest",), "statistic", detail=True),
        Column("Largest", ("largest",), "statistic", detail=True),
        Column(f"{context.block.capitalize()}s", ("n",), "count"),
    ]  # fmt: skip
    shown = context.worded(frame).assign(proxy=frame["proxy"].map(labels))
    table = Table(f"Rank correlation with {target} over cells", shown, columns)
    return Section("Proxies", [text], points, exhibits=[table])
