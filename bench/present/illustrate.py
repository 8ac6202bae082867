"""The sections of an analysis -> the sections with their figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pandas import DataFrame

from bench.experiment import Metric
from bench.judge.analysis import Analysis
from bench.judge.selected import limits_of_selected
from bench.present import numbers
from bench.present.figures.effects import effects_figure
from bench.present.figures.interactions import interactions_figure
from bench.present.figures.observed import cell_means, fitted_curve, marginal, observed
from bench.present.figures.runs import runs_figure
from bench.present.figures.trends import trend_figure
from bench.present.report import Figure, Section, Table
from bench.present.tables import ALPHA, Context, effects
from bench.present.words import incomplete

_MOST_METRICS = 4
"""So many metrics are drawn in full if none has a margin."""


def illustrated(sections: Sequence[Section], analysis: Analysis, context: Context) -> list[Section]:
    """``sections`` of ``build.analysis_sections`` with figures.

    Metrics with a margin are shown in full, or the first ones if none has; of the others, effects, folded.
    """
    return list(_Illustrator(analysis, context).sections(sections))


_INCOMPLETE = (
    "not every combination has a value. Means over the other factors would compare different cells and so mix effects: "
    "interactions and trends are not drawn."
)


class _Illustrator:
    """What the figures share: the observed runs, and which metrics are drawn in full."""

    def __init__(self, analysis: Analysis, context: Context) -> None:
        self.analysis, self.context = analysis, context
        self.rows = observed(analysis, context)
        self.contrasts = limits_of_selected(analysis.contrasts, 1 - analysis.confidence)
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
        """Interactions, trends, and the runs themselves."""
        crossed = [metric for metric in self.chief if metric.name not in self.incomplete]
        if crossed and len(self.context.factors) > 1:
            yield Section("Interactions", exhibits=[self.interactions(metric) for metric in crossed])
        trends = [figure for metric in crossed for figure in self.trends(metric)]
        if trends:
            yield Section("Dose–response", exhibits=trends)
        partial = [metric for metric in self.chief if metric not in crossed]
        gaps = [f"{numbers.listed([metric.label for metric in partial])}: {_INCOMPLETE}"] if partial else []
        yield Section("Runs", gaps, exhibits=[self.runs(metric) for metric in self.chief])

    def further(self) -> Iterator[Section]:
        """The effects on the metrics that are not drawn in full."""
        if self.others:
            labels = numbers.listed([metric.label for metric in self.others], most=12)
            parts = [self.tables[metric.name] for metric in self.others if metric.name in self.tables]
            yield Section("Further metrics", [f"{labels}."], exhibits=parts, appendix=True, bulk=True)

    def effects(self, metric: Metric) -> list[Figure | Table]:
        """The picture and the table of its effects, if it has any."""
        table = self.tables.get(metric.name)
        rows = _of(self.contrasts, metric)
        name = f"effects-{self.stems[metric.name]}"
        figure = effects_figure(name, metric, rows, self.context, self.margins.get(metric.name))
        return [*([figure] if rows["estimate"].notna().any() else []), *([] if table is None else [table])]

    def interactions(self, metric: Metric) -> Figure:
        terms = _of(self.analysis.terms, metric)
        two = terms[(terms["p_adjusted"] < ALPHA) & terms["term"].isin(self.context.pairs)]
        survivors = [self.context.term(term) for term in two["term"]]
        name = f"interactions-{self.stems[metric.name]}"
        rows = _of(self.rows, metric)
        return interactions_figure(name, metric, rows, survivors, self.context, log=self.is_log(metric))

    def trends(self, metric: Metric) -> Iterator[Figure]:
        """One picture for each factor with numbers as levels."""
        trends, rows, log = _of(self.analysis.trends, metric), _of(self.rows, metric), self.is_log(metric)
        for position, (factor, levels) in enumerate(self.context.factors.items()):
            fitted = trends[trends["factor"] == factor].reset_index(drop=True)
            if fitted.empty:
                continue
            means = marginal(rows, [position], self.context.confidence, log=log)
            doses = [float(str(levels[code])) for code in means["code 0"]]
            means = means.assign(dose=doses).sort_values("dose")
            order = 1 + int(max((fitted.index[fitted["p_adjusted"] < ALPHA]), default=0))
            curve = fitted_curve(rows, position, doses, min(order, len(doses) - 1), self.context.confidence, log=log)
            name = f"trend-{self.stems[metric.name]}-{position}"
            yield trend_figure(name, metric, factor, means, curve, self.context, log=log)

    def runs(self, metric: Metric) -> Figure:
        rows, log = _of(self.rows, metric), self.is_log(metric)
        cells, pairs = _of(self.analysis.cells, metric), _of(self.analysis.pairwise, metric)
        order = [cell for cell in cells["cell"] if (rows["cell"] == cell).any()]
        means = cell_means(rows, self.context.confidence, log=log).set_index("cell").loc[order].reset_index()
        pairs = pairs[pairs["b"] == cells["cell"].iloc[0]]
        differences = pairs[["a", "diff", "low", "high", "p_adjusted", "n_pairs", "df"]]
        differences = differences.rename(columns={"a": "cell", "diff": "estimate"})
        name = f"runs-{self.stems[metric.name]}"
        return runs_figure(name, metric, rows, means, differences, self.context, log=log)

    def is_log(self, metric: Metric) -> bool:
        """Whether the metric was analysed as logarithms."""
        effects = _of(self.contrasts, metric)
        return bool(len(effects)) and bool((effects["scale"] == "ratio").all())


def _of(frame: DataFrame, metric: Metric) -> DataFrame:
    return frame[frame["metric"] == metric.name]


def _stems(metrics: Sequence[Metric]) -> dict[str, str]:
    """A file's stem for each metric: its name where that holds only letters, digits and underscores."""
    stems: dict[str, str] = {}
    for position, metric in enumerate(metrics):
        stem = re.sub(r"[^A-Za-z0-9_]+", "_", metric.name)
        stems[metric.name] = stem if stem == metric.name else f"{stem}-{position}"
    return stems
