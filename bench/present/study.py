"""An analysis as people read it: its factors, effects and metrics in words, and what tables and figures share."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

from pandas import DataFrame

from bench.experiment import Metric
from bench.judge import terms
from bench.judge.analysis import Analysis
from bench.judge.selected import limits_of_selected
from bench.plan.labels import effect_label, visible
from bench.present import numbers
from bench.present.figures.observed import observed
from bench.present.report import Column

ALPHA = terms.ALPHA
"""An effect is said to survive when its adjusted p is below this."""
_ALL, _DRAWN = 12, 4
"""So many metrics are all told; so many are drawn in full if none has a margin."""


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

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Name of a metric -> its label."""
        return {metric.name: metric.label for metric in self.metrics}

    @cached_property
    def steps(self) -> Mapping[str, tuple[str, Hashable, Hashable]]:
        """Main effect as result frames name it -> its factor, and the levels that it goes from and to."""
        return {
            effect_label([(name, level if len(others) > 1 else None)]): (name, reference, level)
            for name, (reference, *others) in self.factors.items()
            for level in others
        }

    @cached_property
    def contrasts(self) -> Mapping[str, str]:
        """Main effect as result frames name it -> as people read it, ``reg: l1 → l2``."""
        return {effect: step(*change) for effect, change in self.steps.items()}

    @property
    def pairs(self) -> set[str]:
        """The terms of two factors, as result frames name them."""
        return {effect_label([(a, None), (b, None)]) for a, b in combinations(self.factors, 2)}

    def effect(self, name: str) -> str:
        """An effect as people read it."""
        return self.contrasts.get(name) or self.term(name)

    def term(self, name: str) -> str:
        """A term of a model as people read it, ``init × reg``."""
        return _COLON.sub(lambda match: " × " if match[0] == ":" else match[0], name)

    def by_metric(self, frame: DataFrame) -> Iterator[tuple[Metric, DataFrame]]:
        """The rows of each metric that has any, in the order of the metrics."""
        own = dict(tuple(frame.groupby("metric", sort=False, observed=True)))
        yield from ((metric, own[metric.name]) for metric in self.metrics if metric.name in own)

    def worded(self, rows: DataFrame) -> DataFrame:
        """The rows with what people read: effects, terms, pairs of levels, labels, and whether they survive."""
        words: dict[str, Any] = {}
        for name, word in (("effect", self.effect), ("term", self.term)):
            if name in rows:
                words[name] = [word(text) for text in rows[name]]
        if {"factor", "a", "b"} <= set(rows):
            words["pair"] = [step(*row) for row in rows[["factor", "b", "a"]].itertuples(index=False)]
        if {"factor", "level"} <= set(rows):
            where = rows["within"] if "within" in rows else rows["factor"]
            words["at"] = [f"{name} = {visible(level)}" for name, level in zip(where, rows["level"], strict=True)]
        if "metric" in rows:
            words["label"] = [self.labels.get(name, name) for name in rows["metric"]]
        if "p_adjusted" in rows:
            words["survives"] = rows["p_adjusted"] < ALPHA
        return rows.assign(**words)

    def change(self, rows: DataFrame, what: str = "", of: str = "estimate low high") -> Column:
        """The column of an estimate with its interval, with ``what`` behind its name; of ratios it says so."""
        name = "Ratio" if (rows["scale"] == "ratio").all() else "Difference" if what else "Change"
        return Column(f"{name}{what} [{self.level} CI]", tuple(of.split()), "interval")


@dataclass(frozen=True, eq=False, kw_only=True)
class Study(Context):
    """A context with the analysis that is told of it, and what several sections and figures need of both."""

    analysis: Analysis
    n_claims: int = 0
    """So many claims are judged beside it."""
    claimed: frozenset[str] = frozenset()
    """Names of the metrics that a claim is about."""
    chosen: Sequence[str] = ()
    """Names of the metrics to tell; by default all of them, or of many those with a margin or a claim."""

    @cached_property
    def margins(self) -> Mapping[str, float]:
        """Name of a metric -> its margin, of those that have one."""
        return dict(zip(self.analysis.equivalence["metric"], self.analysis.equivalence["margin"], strict=True))

    @cached_property
    def told(self) -> Study:
        """The study of the metrics that a report tells in words and tables."""
        marked = [one for one in self.metrics if one.name in self.margins or one.name in self.claimed]
        told = self.metrics if len(self.metrics) <= _ALL else marked or self.metrics[:_ALL]
        told = [one for one in self.metrics if one.name in self.chosen] if self.chosen else told
        return self if len(told) == len(self.metrics) else replace(self, metrics=told)

    @cached_property
    def present(self) -> set[str]:
        """Names of the metrics that have a value; one that was not asked for has none anywhere."""
        return set(self.analysis.cells.loc[self.analysis.cells["n"] > 0, "metric"])

    @cached_property
    def tabled(self) -> Sequence[Metric]:
        """The metrics with a value whose every number is tabled: those with a margin or chosen, all if there are none.

        Of the others, a report has the effects, and the frames (JSON, CSV) the rest.
        """
        metrics = [metric for metric in self.metrics if metric.name in self.present]
        return metrics if self.chosen else [one for one in metrics if one.name in self.margins] or metrics

    @property
    def chief(self) -> Sequence[Metric]:
        """The metrics that are drawn: those tabled, or the first of them if none has a margin."""
        return self.tabled if self.chosen or self.margins else self.tabled[:_DRAWN]

    @cached_property
    def runs(self) -> DataFrame:
        """The runs with a value (``figures.observed``)."""
        return observed(self.analysis, self)

    def runs_of(self, metric: Metric) -> DataFrame:
        """The runs with a value of one metric."""
        return self.runs[self.runs["metric"] == metric.name]

    @cached_property
    def selected(self) -> DataFrame:
        """The contrasts with limits for those that survive (``low_fcr high_fcr``)."""
        return limits_of_selected(self.analysis.contrasts, self.analysis.terms, ALPHA)

    @cached_property
    def logs(self) -> set[str]:
        """Names of the metrics that were analysed as logarithms."""
        contrasts = self.analysis.contrasts
        return {str(name) for name, rows in contrasts.groupby("metric") if (rows["scale"] == "ratio").all()}

    @cached_property
    def measured(self) -> DataFrame:
        """What the cells identify, of the metrics that have any values: of others there is nothing to tell."""
        return self.analysis.estimable[self.analysis.estimable["metric"].isin(self.present)]

    @cached_property
    def incomplete(self) -> set[str]:
        """The metrics with values of which the cells do not tell every effect."""
        return set(self.measured.loc[~self.measured["estimable"].astype(bool), "metric"])

    @property
    def mixed(self) -> list[str]:
        """The effects that the cells with values mix with others, or lack a level for, as people read them."""
        return self.terms(self.measured[~self.measured["estimable"].astype(bool)])

    @property
    def tested(self) -> DataFrame:
        """The terms that have a test: the family of the exploratory effects."""
        return self.analysis.terms[self.analysis.terms["p"].notna()]

    def terms(self, rows: DataFrame) -> list[str]:
        """The effects of some rows as people read them, each once."""
        return [self.term(name) for name in dict.fromkeys(rows["effect"])]

    def stem(self, metric: Metric) -> str:
        """A part of a file's name (``file_stem``)."""
        return file_stem(metric, [option.name for option in self.analysis.metrics])


def file_stem(metric: Metric, names: Sequence[str]) -> str:
    """A part of a file's name: the metric's where that holds only letters, digits and underscores."""
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", metric.name)
    return stem if stem == metric.name else f"{stem}-{names.index(metric.name)}"


_COLON = re.compile(r'"(?:[^"\\]|\\.)*"|:')
"""A quoted name, or what joins names (``plan.labels``)."""


def step(factor: str, start: object, end: object) -> str:
    """A change of one factor: ``reg: l1 → l2``."""
    return f"{factor}: {visible(start)} → {visible(end)}"


def heading(metric: Metric) -> str:
    """How a metric is called above a table: ``Test log loss (nats), lower is better``."""
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"{metric.label}{unit}{'' if metric.better == 'neither' else f', {metric.better} is better'}"


NAME = {name: Column(name.capitalize(), (name,), key=True) for name in ("effect", "term", "cell")} | {
    "pair": Column("Levels", ("pair",), key=True), "metric": Column("Metric", ("label",), key=True)
}  # fmt: skip
T, DF = Column("t", ("t",), "statistic", detail=True), Column("df", ("df",), "degrees", detail=True)
P, ADJUSTED = Column("p", ("p",), "p"), Column("adj. p", ("p_adjusted",), "p", mark="survives")
HOLM = (P, Column("adj. p (Holm)", ("p_adjusted",), "p", mark="survives"))
"""Columns that several tables share."""
