"""Result frames become the tables of a report, one function a frame; column kinds decide what numbers look like."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from pandas import DataFrame

from bench.experiment import Metric
from bench.judge.analysis import Analysis
from bench.judge.frames import factor_column
from bench.judge.published import LABEL
from bench.judge.variation import variation as variation_of
from bench.plan.labels import cell_label, effect_label, visible
from bench.present import numbers
from bench.present.report import Column, Table

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


def effects(contrasts: DataFrame, context: Context) -> Mapping[str, Table]:
    """Name of a metric -> the table of its effects; main effects and survivors are the headlines."""
    made = {}
    for metric, rows in by_metric(contrasts, context):
        ratio = bool((rows["scale"] == "ratio").all())
        survives = rows["p_adjusted"] < ALPHA
        made[metric.name] = Table(
            heading(metric),
            rows.assign(
                effect=[context.effect(name) for name in rows["effect"]],
                survives=survives,
                headline=survives | rows["effect"].isin(context.contrasts),
            ),
            (
                Column("Effect", ("effect",), key=True),
                _effect(
                    f"{'Ratio' if ratio else 'Change'} [{context.level} CI]", ("estimate", "low", "high"), ratio=ratio
                ),
                Column("t", ("t",), "statistic", detail=True),
                Column("df", ("df",), "degrees", detail=True),
                Column("p", ("p",), "p"),
                Column("adj. p", ("p_adjusted", "survives"), "p_marked"),
                *([Column("d_z", ("d_z",), "statistic", detail=True)] if context.block else []),
            ),
            headline="headline",
            left_out="without a star",
            notes=[*([metric.note] if metric.note else []), *_of_survivors(rows)],
        )
    return made


def _of_survivors(rows: DataFrame) -> list[str]:
    lost = int(rows["lost"].max())
    return [f"From the survivors: {numbers.counted(lost, 'run')} lost their values."] if lost else []


def terms(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: the main effects and interactions that are more than one comparison, each with one test."""
    for metric, rows in by_metric(frame[frame["contrasts_full"] > 1], context):
        shown = rows.assign(term=[context.term(name) for name in rows["term"]], survives=rows["p_adjusted"] < ALPHA)
        yield Table(
            heading(metric),
            shown,
            (
                Column("Term", ("term",), key=True),
                Column("Contrasts", ("contrasts",), "count"),
                Column("F", ("F",), "statistic"),
                Column("df", ("df_num",), "degrees", detail=True),
                Column("df error", ("df_den",), "degrees", detail=True),
                Column("p", ("p",), "p"),
                Column("adj. p", ("p_adjusted", "survives"), "p_marked"),
                *([Column("p, Hotelling", ("p_hotelling",), "p", detail=True)] if rows["p_hotelling"].any() else []),
            ),
        )


def levels(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: every pair of levels of the factors that have more than two."""
    for metric, rows in by_metric(frame, context):
        pair = [_step(*row) for row in rows[["factor", "b", "a"]].itertuples(index=False)]
        yield Table(
            f"{heading(metric)}: pairs of levels",
            rows.assign(
                pair=pair,
                survives=rows["p_adjusted"] < ALPHA,
                headline=(rows["p_adjusted"] < ALPHA) | (len(rows) <= _FEW_PAIRS),
            ),
            _compared(rows, context, ("Levels", "pair")),
            headline="headline",
            left_out="without a star",
        )


def losses(analysis: Analysis, context: Context) -> Iterator[Table]:
    """The lost runs by factor, once for metrics that lose the same, and what they leave of each pair of levels."""
    alike: dict[str, list[tuple[Metric, DataFrame]]] = {}
    for metric, rows in by_metric(analysis.losses, context):
        alike.setdefault(rows.drop(columns="metric").to_json(orient="values"), []).append((metric, rows))
    for group in alike.values():
        rows = group[0][1]
        level = [f"{factor} = {name}" for factor, name in zip(rows["factor"], rows["level"], strict=True)]
        yield Table(
            f"{numbers.listed([metric.label for metric, _ in group])}: runs without a value",
            rows.assign(level=level, unequal=rows["p_adjusted"] < ALPHA),
            (
                Column("Level", ("level",), key=True),
                Column("Lost", ("lost",), "count"),
                Column("Runs", ("runs",), "count"),
                Column("p of the factor", ("p",), "p"),
                Column("adj. p", ("p_adjusted", "unequal"), "p_marked"),
            ),
            notes=[_PERMUTED],
        )
    for metric, rows in by_metric(analysis.survivors[analysis.survivors["method"] != "none"], context):
        yield _survivors(metric, rows, context)


def _survivors(metric: Metric, rows: DataFrame, context: Context) -> Table:
    pair = [_step(*row) for row in rows[["factor", "b", "a"]].itertuples(index=False)]
    bounded = bool(rows["bound_low"].notna().any())
    bounds = [
        Column("At least", ("bound_low",), "value"),
        Column("At most", ("bound_high",), "value"),
        Column(f"Outer {context.level} limits, low", ("low",), "value"),
        Column("high", ("high",), "value"),
    ]
    signs = [
        *(Column(name.capitalize(), (name,), "count") for name in ("better", "worse", "tied")),
        Column("p", ("p",), "p"),
        Column("adj. p (Holm)", ("p_adjusted", "survives"), "p_marked"),
    ]
    return Table(
        f"{heading(metric)}: effects that count lost runs",
        rows.assign(pair=pair, survives=rows["p_adjusted"] < ALPHA),
        [Column("Levels", ("pair",), key=True), *(bounds if bounded else signs)],
        notes=[_BOUNDS if bounded else _SIGNS],
    )


_PERMUTED = (
    "p permutes the losses among the levels of the factor within each block and combination of the other factors; "
    "adjusted by Holm over the factors."
)
_BOUNDS = (
    "Whatever value in the metric's range the lost runs had, the change lies between these bounds, and within the "
    "outer limits with its confidence."
)
_SIGNS = "Blocks in which the later level is better or worse, lost runs being worse than all others: sign test."


def requested(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: the contrasts that the user asked for."""
    for metric, rows in by_metric(frame, context):
        notes = [f"Assumes that there is no {context.term(text)}." for text in dict.fromkeys(rows["assumes"]) if text]
        shown = rows.assign(survives=rows["p_adjusted"] < ALPHA)
        yield Table(heading(metric), shown, _compared(rows, context, ("Contrast", "contrast")), notes=notes)


def simple(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: the effects of a factor at each level of another."""
    for metric, rows in by_metric(frame, context):
        pair = [_step(*row) for row in rows[["factor", "b", "a"]].itertuples(index=False)]
        at = [f"{factor} = {visible(level)}" for factor, level in zip(rows["within"], rows["level"], strict=True)]
        shown = rows.assign(pair=pair, at=at, survives=rows["p_adjusted"] < ALPHA)
        yield Table(
            f"{heading(metric)}: simple effects", shown, _compared(rows, context, ("Levels", "pair"), ("At", "at"))
        )


def _compared(rows: DataFrame, context: Context, *names: tuple[str, str]) -> list[Column]:
    """Columns of named comparisons, whose adjusted p is Holm's."""
    ratio = bool((rows["scale"] == "ratio").all())
    change = f"{'Ratio' if ratio else 'Change'} [{context.level} CI]"
    return [
        *(Column(label, (name,), key=True) for label, name in names),
        _effect(change, ("estimate", "low", "high"), ratio=ratio),
        Column("p", ("p",), "p"),
        Column("adj. p (Holm)", ("p_adjusted", "survives"), "p_marked"),
    ]


def means(cells: DataFrame, context: Context, notes: Sequence[str] = ()) -> Table:
    """One row a cell, one column a metric; a short rendering shows the first cells."""
    full = cells["n"].max()
    named = {name: factor_column(name) for name in context.factors}
    if len(named) > _MOST_FACTORS:
        named = {"Cell": "cell"}
    frame = cells[list(named.values())].drop_duplicates().reset_index(drop=True)
    frame = frame.apply(lambda levels: levels.astype(object).map(visible))
    frame.columns = [f"level {position}" for position in range(len(named))]
    columns = [Column(name, (f"level {position}",), key=True) for position, name in enumerate(named)]
    frame["headline"] = frame.index < _MOST_CELLS
    for position, (metric, rows) in enumerate(by_metric(cells, context)):
        source = tuple(f"{name} {position}" for name in ("mean", "sd", "n"))
        frame[list(source)] = rows[["mean", "sd", "n"]].to_numpy()
        complete = bool((rows["n"] == full).all())
        columns.append(Column(metric.label, source[:2] if complete else source, "mean_sd" if complete else "mean_sd_n"))
    up_to = "" if (cells["n"] == full).all() else "up to "
    return Table(
        f"Mean ± SD of {up_to}{numbers.counted(int(full), 'run')} per cell",
        frame,
        columns,
        headline="headline",
        notes=notes,
    )


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
            Column("Cell", ("cell",), key=True),
            Column("Published", ("published_mean", "published_sd"), "mean_sd"),
            Column("Ours", ("our_mean", "our_sd"), "mean_sd"),
            Column("z", ("z", "beyond"), "marked"),
        )
        yield Table(metric.label, rows, columns)


def variation(cells: DataFrame, context: Context) -> Table:
    """One row a metric: how much runs of one cell differ, relative to their mean."""
    labels = context.labels
    rows = variation_of(cells)
    rows["metric"] = [labels[name] for name in rows["metric"]]
    columns = (
        Column("Metric", ("metric",), key=True),
        Column("Lowest CV", ("low",), "percent"),
        Column("Median CV", ("median",), "percent"),
        Column("Highest CV", ("high",), "percent"),
        Column("Class of the median", ("class",)),
    )
    return Table("Coefficient of variation within cells (SD over |mean|)", rows, columns)


def estimable(frame: DataFrame, context: Context) -> Table:
    """One row a term: what it is mixed with, by metric where metrics differ in it."""
    rows = frame.drop_duplicates(["effect", "estimable", "alias", "biased_by"])
    differ = rows["effect"].duplicated().any()
    rows = frame if differ else rows
    labels = context.labels
    mixed = [
        f"is {context.term(alias)}" if alias else f"biased by {context.term(bias)}" if bias else ""
        for alias, bias in zip(rows["alias"], rows["biased_by"], strict=True)
    ]
    shown = rows.assign(
        label=[labels[name] for name in rows["metric"]],
        effect=[context.term(name) for name in rows["effect"]],
        estimable=["yes" if estimated else "no" for estimated in rows["estimable"]],
        mixed=mixed,
    )
    columns = (
        *([Column("Metric", ("label",), key=True)] if differ else []),
        Column("Effect", ("effect",), key=True),
        Column("Estimable", ("estimable",)),
        Column("With the interactions left out", ("mixed",)),
    )
    return Table("Every effect of the full factorial", shown, columns)


def diagnostics(frame: DataFrame, context: Context) -> Table:
    """One row a metric and check of its model; cells and seeds only where they alarm."""
    labels = context.labels
    chosen = frame[(frame["check"] != "cv") & (frame["reading"].ne("") | frame["check"].isin(list(_CHECKS)))]
    shown = chosen.assign(
        metric=[labels[name] for name in chosen["metric"]],
        check=[_CHECKS.get(name, name.replace("_", " ")) for name in chosen["check"]],
        subject=[
            f"{subject}: {reading}" if reading else subject
            for subject, reading in zip(chosen["subject"], chosen["reading"], strict=True)
        ],
    )
    columns = (
        Column("Metric", ("metric",), key=True),
        Column("Check", ("check",)),
        Column("Of", ("subject",)),
        Column("Statistic", ("statistic",), "statistic"),
        Column("p", ("p",), "p"),
    )
    return Table("What to doubt", shown, columns)


_CHECKS = {
    "shapiro": "normality: Shapiro–Wilk",
    "brown_forsythe": "equal spread: Brown–Forsythe",
    "autocorrelation": "autocorrelation",
}
"""Checks that concern a metric as a whole."""


def pairwise(frame: DataFrame, context: Context) -> Iterator[Table]:
    """One table a metric: each cell against the baseline cell."""
    for metric, every in by_metric(frame, context):
        rows = every[every["b"] == every["b"].iloc[0]]
        ratio = bool((rows["scale"] == "ratio").all())
        name = "Ratio" if ratio else "Difference"
        paired = (
            _effect(f"{name}, paired [{context.level} CI]", ("diff_paired", "low_paired", "high_paired"), ratio=ratio),
            Column("p paired", ("p_paired",), "p"),
        )
        d_z = Column(f"d_z [{context.level} CI]", ("d_z", "d_z_low", "d_z_high"), "interval")
        welch = (
            _effect(f"{name}, Welch [{context.level} CI]", ("diff", "low", "high"), ratio=ratio),
            Column("p Welch", ("p_welch",), "p"),
        )
        d = Column(f"Cohen's d [{context.level} CI]", ("d", "d_low", "d_high"), "interval")
        adjusted = Column("adj. p", ("p_adjusted", "survives"), "p_marked")
        independent = (
            f"Runs of one {context.block} make pairs. Welch and Cohen's d take all runs as independent, as most papers "
            "do: their intervals are too wide where runs of a pair go together, and too narrow where they go apart."
        )
        yield Table(
            f"{heading(metric)}: against {rows['b'].iloc[0]}",
            rows.assign(survives=rows["p_adjusted"] < ALPHA),
            (
                Column("Cell", ("a",), key=True),
                *((*paired, adjusted, d_z, *welch, d) if context.block else (*welch, adjusted, d)),
            ),
            notes=[independent] if context.block else [],
        )


def _effect(label: str, source: tuple[str, ...], *, ratio: bool) -> Column:
    return Column(label, source, "interval", no_effect=1.0 if ratio else 0.0)


def by_metric(frame: DataFrame, context: Context) -> Iterator[tuple[Metric, DataFrame]]:
    """The rows of each metric that has any, in the order of the metrics."""
    for metric in context.metrics:
        rows = frame[frame["metric"] == metric.name]
        if len(rows):
            yield metric, rows
