"""Result frames become the tables of a report, one function a frame; column kinds decide what numbers look like."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.judge.analysis import Analysis
from bench.judge.effect_frames import factor_column
from bench.judge.published_table import LABEL
from bench.judge.variance import primary
from bench.judge.variation import variation as variation_of
from bench.plan.labels import cell_label, effect_label, visible
from bench.present import numbers
from bench.present.report import Column, Kind, Table

ALPHA = 0.05
"""An effect is said to survive when its adjusted p is below this."""


@dataclass(frozen=True)
class Context:
    """What the numbers are about."""

    factors: Mapping[str, Sequence[Hashable]]
    """Name -> levels, the first the reference."""
    metrics: Sequence[Metric]
    block: str = "seed"
    confidence: float = 0.95
    """Of every interval."""

    @property
    def level(self) -> str:
        """The confidence as text: ``95%``."""
        return numbers.level(self.confidence)

    @property
    def labels(self) -> Mapping[str, str]:
        """Name of a metric -> its label."""
        return {metric.name: metric.label for metric in self.metrics}

    @cached_property
    def contrasts(self) -> Mapping[str, str]:
        """Main effect as result frames name it -> as people read it, ``reg: l1 → l2``."""
        named = {}
        for name, (reference, *others) in self.factors.items():
            for level in others:
                named[effect_label([(name, level if len(others) > 1 else None)])] = _step(name, reference, level)
        return named

    @property
    def pairs(self) -> set[str]:
        """The terms of two factors, as result frames name them."""
        return {effect_label([(a, None), (b, None)]) for a, b in combinations(self.factors, 2)}

    def effect(self, name: str) -> str:
        """An effect as people read it."""
        return self.contrasts.get(name) or self.term(name)

    def term(self, name: str) -> str:
        """A term of a model as people read it, ``init × reg``."""
        return _COLON.sub(lambda found: " × " if found[0] == ":" else found[0], name)


_COLON = re.compile(r'"(?:[^"\\]|\\.)*"|:')
"""A quoted name, or what joins names (``plan.labels``)."""


def _step(factor: str, start: object, end: object) -> str:
    return f"{factor}: {visible(start)} → {visible(end)}"


def heading(metric: Metric) -> str:
    """How a metric is called above a table: ``Test log loss (nats), lower is better``."""
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"{metric.label}{unit}{'' if metric.better == 'neither' else f', {metric.better} is better'}"


_NAME = {
    "effect": Column("Effect", ("effect",), key=True),
    "term": Column("Term", ("term",), key=True),
    "pair": Column("Levels", ("pair",), key=True),
    "metric": Column("Metric", ("label",), key=True),
    "cell": Column("Cell", ("cell",), key=True),
}
_T, _DF = Column("t", ("t",), "statistic", detail=True), Column("df", ("df",), "degrees", detail=True)
_P, ADJUSTED = Column("p", ("p",), "p"), Column("adj. p", ("p_adjusted", "survives"), "p_marked")
_HOLM = (_P, Column("adj. p (Holm)", ("p_adjusted", "survives"), "p_marked"))


def worded(rows: DataFrame, context: Context) -> DataFrame:
    """The rows with what people read: effects, terms, pairs of levels, labels of metrics, and whether they survive."""
    labels = context.labels
    words: dict[str, Any] = {}
    for name, word in (("effect", context.effect), ("term", context.term)):
        if name in rows:
            words[name] = [word(text) for text in rows[name]]
    if {"factor", "a", "b"} <= set(rows):
        words["pair"] = [_step(*row) for row in rows[["factor", "b", "a"]].itertuples(index=False)]
    if {"factor", "level"} <= set(rows):
        where = rows["within"] if "within" in rows else rows["factor"]
        words["at"] = [f"{name} = {visible(level)}" for name, level in zip(where, rows["level"], strict=True)]
    if "p_adjusted" in rows:
        words["survives"] = rows["p_adjusted"] < ALPHA
    return rows.assign(label=[labels.get(name, name) for name in rows["metric"]], **words)


def change(rows: DataFrame, context: Context, what: str = "Change", of: str = "estimate low high") -> Column:
    """The column of an estimate with its interval; of ratios it says so."""
    name = "Ratio" if (rows["scale"] == "ratio").all() else what.partition(",")[0]
    return Column(f"{name}{what[len(what.partition(',')[0]) :]} [{context.level} CI]", tuple(of.split()), "interval")


def effects(contrasts: DataFrame, context: Context) -> Mapping[str, Table]:
    """Name of a metric -> the table of its effects; main effects and survivors are the headlines."""
    made = {}
    for metric, rows in by_metric(contrasts, context):
        shown = worded(rows, context)
        shown["headline"] = shown["survives"] | rows["effect"].isin(context.contrasts)
        columns = [_NAME["effect"], change(rows, context), _T, _DF, _P, ADJUSTED]
        if context.block:
            columns.append(Column("d_z", ("d_z",), "statistic", detail=True))
        lost = int(rows["lost"].max())
        notes = [f"From the survivors: {numbers.counted(lost, 'run')} lost their values."] if lost else []
        notes = [*([metric.note] if metric.note else []), *notes]
        made[metric.name] = Table(
            heading(metric), shown, columns, headline="headline", left_out="without a star", notes=notes
        )
    return made


def terms(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: the main effects and interactions that are more than one comparison, each with one test."""
    for metric, rows in by_metric(frame[frame["contrasts_full"] > 1], context):
        hotelling = [Column("p, Hotelling", ("p_hotelling",), "p", detail=True)] if rows["p_hotelling"].any() else []
        columns = (
            _NAME["term"],
            Column("Contrasts", ("contrasts",), "count"),
            Column("F", ("F",), "statistic"),
            Column("df", ("df_num",), "degrees", detail=True),
            Column("df error", ("df_den",), "degrees", detail=True),
            _P,
            ADJUSTED,
            *hotelling,
        )
        yield Table(heading(metric), worded(rows, context), columns)


def levels(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: every pair of levels of the factors that have more than two."""
    for metric, rows in by_metric(frame, context):
        shown = worded(rows, context)
        shown["headline"] = shown["survives"] | (len(rows) <= _FEW_PAIRS)
        columns = (_NAME["pair"], change(rows, context), *_HOLM)
        caption = f"{heading(metric)}: pairs of levels"
        yield Table(caption, shown, columns, headline="headline", left_out="without a star")


def requested(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: the contrasts that the user asked for."""
    for metric, rows in by_metric(frame, context):
        columns = (Column("Contrast", ("contrast",), key=True), change(rows, context), *_HOLM)
        yield Table(heading(metric), worded(rows, context), columns, notes=_assumed(rows, context))


def simple(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: the effects of a factor at each level of another."""
    for metric, rows in by_metric(frame, context):
        columns = (_NAME["pair"], Column("At", ("at",), key=True), change(rows, context), *_HOLM)
        yield Table(f"{heading(metric)}: simple effects", worded(rows, context), columns)


def trends(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: how it goes along the factors that are swept, a row for each factor and order."""
    for metric, rows in by_metric(frame, context):
        step = [_STEPS[per] + _POWERS[order] for per, order in zip(rows["per"], rows["order"], strict=True)]
        columns = (
            Column("Factor", ("factor",), key=True),
            Column("Trend", ("order",), key=True),
            Column("Per", ("step",)),
            change(rows, context),
            _T,
            _DF,
            _P,
            ADJUSTED,
        )
        shown = worded(rows, context).assign(step=step)
        yield Table(heading(metric), shown, columns, notes=_assumed(rows, context))


_STEPS = {"unit": "unit", "decade": "×10"}
_POWERS = {"linear": "", "quadratic": ", squared", "cubic": ", cubed"}


def _assumed(rows: DataFrame, context: Context) -> list[str]:
    return [f"Assumes that there is no {context.term(text)}." for text in dict.fromkeys(rows["assumes"]) if text]


def losses(analysis: Analysis, context: Context) -> Iterator[Table]:
    """The lost runs by factor, once for metrics that lose the same, and what they leave of each pair of levels."""
    alike: dict[str, list[tuple[Metric, DataFrame]]] = {}
    for metric, rows in by_metric(analysis.losses, context):
        alike.setdefault(rows.drop(columns="metric").to_json(orient="values"), []).append((metric, rows))
    columns = (
        Column("Level", ("at",), key=True),
        Column("Lost", ("lost",), "count"),
        Column("Runs", ("runs",), "count"),
        Column("p of the factor", ("p",), "p"),
        ADJUSTED,
    )
    for group in alike.values():
        caption = f"{numbers.listed([metric.label for metric, _ in group])}: runs without a value"
        yield Table(caption, worded(group[0][1], context), columns, notes=[_PERMUTED])
    bounds = (
        Column("At least", ("bound_low",), "value"),
        Column("At most", ("bound_high",), "value"),
        Column(f"Outer {context.level} limits, low", ("low",), "value"),
        Column("high", ("high",), "value"),
    )
    signs = (*(Column(name.capitalize(), (name,), "count") for name in ("better", "worse", "tied")), *_HOLM)
    for metric, rows in by_metric(analysis.survivors[analysis.survivors["method"] != "none"], context):
        bounded = bool(rows["bound_low"].notna().any())
        caption, notes = f"{heading(metric)}: effects that count lost runs", [_BOUNDS if bounded else _SIGNS]
        yield Table(caption, worded(rows, context), (_NAME["pair"], *(bounds if bounded else signs)), notes=notes)


_PERMUTED = (
    "p permutes the losses among the levels of the factor within each block and combination of the other factors; "
    "adjusted by Holm over the factors."
)
_BOUNDS = (
    "Whatever value in the metric's range the lost runs had, the change lies between these bounds, and within the "
    "outer limits with its confidence."
)
_SIGNS = "Blocks in which the later level is better or worse, lost runs being worse than all others: sign test."


def anova(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: all terms of the primary analysis of variance."""
    for metric, rows in by_metric(primary(frame), context):
        columns = (
            _NAME["term"],
            Column("df", ("df_num",), "degrees"),
            Column("df error", ("df_den",), "degrees", detail=True),
            Column("Sum of squares", ("sum_sq",), "value", detail=True),
            Column("F", ("F",), "statistic"),
            _P,
            *(
                Column(f"partial {sign} [{context.level} CI]", (name, f"{name}_low", f"{name}_high"), "interval")
                for sign, name in (("η²", "partial_eta_sq"), ("ω²", "omega_sq"))
            ),
        )
        yield Table(heading(metric), worded(rows, context), columns)


def means(analysis: Analysis, context: Context, notes: Sequence[str] = ()) -> Table:
    """One row a cell, one column a metric, geometric on a log scale; a short rendering shows the first cells."""
    cells = analysis.cells
    full = cells["n"].max()
    named = {name: factor_column(name) for name in context.factors}
    if len(named) > _MOST_FACTORS:
        named = {"Cell": "cell"}
    frame = cells[list(named.values())].drop_duplicates().reset_index(drop=True)
    frame = frame.apply(lambda levels: levels.astype(object).map(visible))
    frame.columns = [f"level {position}" for position in range(len(named))]
    columns = [Column(name, (f"level {position}",), key=True) for position, name in enumerate(named)]
    frame["headline"] = frame.index < _MOST_CELLS
    logs = set(analysis.contrasts.loc[analysis.contrasts["scale"] == "ratio", "metric"])
    values: dict[str, np.ndarray] = {}
    for position, (metric, rows) in enumerate(by_metric(cells, context)):
        source = tuple(f"{name} {position}" for name in ("mean", "sd", "n"))
        values |= dict(zip(source, rows[["mean", "sd", "n"]].to_numpy().T, strict=True))
        kind: Kind = "mean_sd" if (rows["n"] == full).all() else "mean_sd_n"
        if metric.name in logs:
            own = analysis.values[analysis.values["metric"] == metric.name].groupby("cell")["value"]
            values[source[0]] = np.exp(own.mean().reindex(rows["cell"]).to_numpy(float))
            values[source[1]] = np.exp(own.std().reindex(rows["cell"]).to_numpy(float))
            kind = "geometric"
        of = ", ".join(filter(None, [metric.unit, "geometric" if kind == "geometric" else ""]))
        columns.append(
            Column(
                f"{metric.label} ({of})" if of else metric.label, source if kind == "mean_sd_n" else source[:2], kind
            )
        )
    up_to = "" if (cells["n"] == full).all() else "up to "
    caption = f"Mean ± SD of {up_to}{numbers.counted(int(full), 'run')} per cell"
    geometric = [_GEOMETRIC] if any(column.kind == "geometric" for column in columns) else []
    frame = frame.join(DataFrame(values, index=frame.index))  # at once: a hundred insertions are slow
    return Table(caption, frame, columns, headline="headline", notes=[*geometric, *notes])


_GEOMETRIC = "Geometric: the geometric mean, and ×÷ the geometric SD, of metrics that are analysed on a log scale."
_FEW_PAIRS = 6
"""So many pairs of levels are shown whether they differ or not."""
_MOST_FACTORS = 5
"""More than so many factors share one column of a table of cells."""
_MOST_CELLS = 40
"""Rows of the table of means in a short rendering."""


def published(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: the published means with ours beside them."""
    cell = [cell_label(levels) for levels in frame[list(context.factors)].itertuples(index=False)]
    if LABEL in frame:
        cell = [f"{name}: {levels}" for name, levels in zip(frame[LABEL], cell, strict=True)]
    beyond = frame["z"].notna() & ~frame["within_3_se"].astype(bool)
    for metric, rows in by_metric(frame.assign(cell=cell, beyond=beyond), context):
        columns = (
            _NAME["cell"],
            Column("Published", ("published_mean", "published_sd"), "mean_sd"),
            Column("Ours", ("our_mean", "our_sd"), "mean_sd"),
            Column("z", ("z", "beyond"), "marked"),
        )
        yield Table(heading(metric), rows, columns)


def variation(cells: DataFrame, context: Context) -> Table:
    """One row a metric: how much runs of one cell differ, relative to their mean."""
    columns = (
        _NAME["metric"],
        *(Column(f"{name.capitalize()} CV", (of,), "percent") for name, of in _SPREADS),
        Column("Class of the median", ("class",)),
    )
    caption = "Coefficient of variation within cells (SD over |mean|)"
    return Table(caption, worded(variation_of(cells), context), columns)


_SPREADS = (("lowest", "low"), ("median", "median"), ("highest", "high"))


def estimable(frame: DataFrame, context: Context) -> Table:
    """One row a term: what it is mixed with, by metric where metrics differ in it."""
    rows = frame.drop_duplicates(["effect", "estimable", "alias", "biased_by"])
    differ = rows["effect"].duplicated().any()
    rows = frame if differ else rows
    mixed = [
        f"is {context.term(alias)}" if alias else f"biased by {context.term(bias)}" if bias else ""
        for alias, bias in zip(rows["alias"], rows["biased_by"], strict=True)
    ]
    shown = worded(rows, context).assign(
        effect=[context.term(name) for name in rows["effect"]],
        estimable=["yes" if estimated else "no" for estimated in rows["estimable"]],
        mixed=mixed,
    )
    columns = (
        *([_NAME["metric"]] if differ else []),
        _NAME["effect"],
        Column("Estimable", ("estimable",)),
        Column("With the interactions left out", ("mixed",)),
    )
    return Table("Every effect of the full factorial", shown, columns)


def diagnostics(frame: DataFrame, context: Context) -> Table:
    """One row a metric and check of its model; cells and seeds only where they alarm."""
    chosen = frame[(frame["check"] != "cv") & (frame["reading"].ne("") | frame["check"].isin(list(_CHECKS)))]
    subjects = zip(chosen["subject"], chosen["reading"], strict=True)
    shown = worded(chosen, context).assign(
        check=[_CHECKS.get(name, name.replace("_", " ")) for name in chosen["check"]],
        subject=[f"{subject}: {reading}" if reading else subject for subject, reading in subjects],
    )
    columns = (
        _NAME["metric"],
        Column("Check", ("check",)),
        Column("Of", ("subject",)),
        Column("Statistic", ("statistic",), "statistic"),
        _P,
    )
    return Table("What to doubt", shown, columns)


_CHECKS = {
    "shapiro": "normality: Shapiro–Wilk",
    "brown_forsythe": "equal spread: Brown–Forsythe",
    "autocorrelation": "autocorrelation",
}
"""Checks that concern a metric as a whole."""


def pairwise(analysis: Analysis, context: Context) -> Iterator[Table]:
    """One table a metric: each cell against the baseline cell."""
    pair = ["metric", "a", "b"]
    frame = analysis.pairwise.merge(analysis.pairwise_sizes, on=pair)
    frame = frame.merge(analysis.pairwise_independent, on=pair, suffixes=("", "_welch"))
    for metric, every in by_metric(frame, context):
        rows = every[every["b"] == every["b"].iloc[0]]
        paired = (
            change(rows, context, "Difference, paired", "diff low high"),
            Column("p paired", ("p",), "p"),
            ADJUSTED,
            Column(f"d_z [{context.level} CI]", ("d_z", "d_z_low", "d_z_high"), "interval"),
        )
        difference = change(rows, context, "Difference, Welch", "diff_welch low_welch high_welch")
        welch = (difference, Column("p Welch", ("p_welch",), "p"))
        d = Column(f"Cohen's d [{context.level} CI]", ("d", "d_low", "d_high"), "interval")
        columns = (Column("Cell", ("a",), key=True), *(paired if context.block else ()), *welch)
        columns = (*columns, *(() if context.block else (ADJUSTED,)), d)
        notes = [_INDEPENDENT.format(block=context.block)] if context.block else []
        yield Table(f"{heading(metric)}: against {rows['b'].iloc[0]}", worded(rows, context), columns, notes=notes)


_INDEPENDENT = (
    "Runs of one {block} make pairs. Welch and Cohen's d take all runs as independent, as most papers do: their "
    "intervals are too wide where runs of a pair go together, and too narrow where they go apart."
)


def by_metric(frame: DataFrame, context: Context) -> Iterator[tuple[Metric, DataFrame]]:
    """The rows of each metric that has any, in the order of the metrics."""
    for metric in context.metrics:
        rows = frame[frame["metric"] == metric.name]
        if len(rows):
            yield metric, rows
