"""The sections of an analysis -> the sections with their figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pandas import DataFrame

from bench.experiment import Metric
from bench.judge.analysis import Analysis
from bench.judge.simultaneous import simultaneous
from bench.present import numbers
from bench.present.plots.cells import cells
from bench.present.plots.forest import forest
from bench.present.plots.interactions import interactions
from bench.present.plots.observed import observed
from bench.present.plots.slopes import slopes
from bench.present.report import Figure, Section, Table
from bench.present.tables import Context, effects
from bench.present.words import incomplete

_MOST_METRICS = 4
"""So many metrics are drawn in full if none has a margin."""


def illustrated(sections: Sequence[Section], analysis: Analysis, context: Context) -> list[Section]:
    """``sections`` of ``build.analysis_sections`` with figures.

    Metrics with a margin are shown in full, or the first ones if none has; of the others, effects and runs, folded.
    """
    return list(_Illustrator(analysis, context).sections(sections))


_INCOMPLETE = (
    "not every combination has a value. Means over the other factors would compare different cells and so mix effects: "
    "interactions and slopes are not drawn."
)


class _Illustrator:
    """What the figures share: the observed runs, and which metrics are drawn in full."""

    def __init__(self, analysis: Analysis, context: Context) -> None:
        self.analysis, self.context = analysis, context
        self.rows = observed(analysis, context)
        self.contrasts = simultaneous(analysis.contrasts, analysis.confidence)
        self.margins = dict(zip(analysis.equivalence["metric"], analysis.equivalence["margin"], strict=True))
        self.incomplete = incomplete(analysis)
        self.stems = _stems(context.metrics)
        present = set(self.rows["metric"])
        metrics = [metric for metric in context.metrics if metric.name in present]
        self.chief = [metric for metric in metrics if metric.name in self.margins] or metrics[:_MOST_METRICS]
        self.others = [metric for metric in metrics if metric not in self.chief]
        self.tables = effects(analysis.contrasts, context)

    def sections(self, sections: Sequence[Section]) -> Iterator[Section]:
        """Every section with its figures, and further ones after "Effects" and "Diagnostics"."""
        for section in sections:
            if section.title == "Effects":
                yield replace(section, exhibits=[part for metric in self.chief for part in self.effects(metric)])
                yield from self.after_effects()
            elif section.title == "Diagnostics":
                yield section
                yield from self.further()
            else:
                yield section

    def after_effects(self) -> Iterator[Section]:
        """Interactions, and the runs themselves."""
        crossed = [metric for metric in self.chief if metric.name not in self.incomplete]
        if crossed and len(self.context.factors) > 1:
            yield Section("Interactions", exhibits=[self.interactions(metric) for metric in crossed])
        partial = [metric for metric in self.chief if metric not in crossed]
        said = [f"{numbers.listed([metric.label for metric in partial])}: {_INCOMPLETE}"] if partial else []
        drawn = [[self.cells(metric), *([self.slopes(metric)] if metric in crossed else [])] for metric in self.chief]
        yield Section("Runs", said, exhibits=[figure for figures in drawn for figure in figures])

    def further(self) -> Iterator[Section]:
        """The metrics that are not drawn in full."""
        if self.others:
            labels = numbers.listed([metric.label for metric in self.others], most=12)
            parts = [part for metric in self.others for part in (*self.effects(metric), self.cells(metric))]
            yield Section("Further metrics", [f"{labels}."], exhibits=parts, appendix=True)

    def effects(self, metric: Metric) -> list[Figure | Table]:
        """The picture and the table of its effects, if it has any."""
        table = self.tables.get(metric.name)
        return [self.forest(metric), *([] if table is None else [table])]

    def forest(self, metric: Metric) -> Figure:
        name = f"effects-{self.stems[metric.name]}"
        return forest(name, metric, _of(self.contrasts, metric), self.context, self.margins.get(metric.name))

    def interactions(self, metric: Metric) -> Figure:
        name = f"interactions-{self.stems[metric.name]}"
        terms, log = _of(self.analysis.terms, metric), _is_log(_of(self.contrasts, metric))
        return interactions(name, metric, _of(self.rows, metric), terms, self.context, log=log)

    def cells(self, metric: Metric) -> Figure:
        name, log = f"runs-{self.stems[metric.name]}", _is_log(_of(self.contrasts, metric))
        means, pairs = _of(self.analysis.cells, metric), _of(self.analysis.pairwise, metric)
        return cells(name, metric, _of(self.rows, metric), means, pairs, self.context, log=log)

    def slopes(self, metric: Metric) -> Figure:
        name, effects = f"slopes-{self.stems[metric.name]}", _of(self.contrasts, metric)
        return slopes(name, metric, _of(self.rows, metric), effects, self.context, log=_is_log(effects))


def _of(frame: DataFrame, metric: Metric) -> DataFrame:
    return frame[frame["metric"] == metric.name]


def _is_log(effects: DataFrame) -> bool:
    return bool(len(effects)) and bool((effects["scale"] == "ratio").all())


def _stems(metrics: Sequence[Metric]) -> dict[str, str]:
    """A file's stem for each metric: its name where that holds only letters, digits and underscores."""
    stems: dict[str, str] = {}
    for position, metric in enumerate(metrics):
        stem = re.sub(r"[^A-Za-z0-9_]+", "_", metric.name)
        stems[metric.name] = stem if stem == metric.name else f"{stem}-{position}"
    return stems
