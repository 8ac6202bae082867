"""An analysis of anyone's table becomes a report, without a suite, a store or an experiment."""

from __future__ import annotations

from bench.experiment import Metric
from bench.judge.analysis import Analysis
from bench.present import numbers, verdict
from bench.present.build import frames
from bench.present.report import Report, Section
from bench.present.sections import analysis_sections
from bench.present.study import Study

_MOST_NOTES = 4
"""Remarks of the analysis in the verdict; all stand under Methods."""


class Analyzed(Analysis):
    """An analysis that shows itself: its ``repr`` is the opening of its report, a notebook adds the main figures."""

    def report(self, title: str = "table") -> Report:
        """The whole report on it, under this title, for every format."""
        return analyzed(self, title)

    def __repr__(self) -> str:
        return repr(self.report())

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()


def analyzed(analysis: Analysis, title: str) -> Report:
    """What ``analysis`` found in the table called ``title``."""
    metrics = [
        Metric(option.name, option.name, better=option.better, scale="log" if option.log else "identity")
        for option in analysis.metrics
    ]
    study = Study(analysis.factors, metrics, analysis.block, analysis.confidence, analysis=analysis)
    first = analysis.cells[analysis.cells["metric"] == metrics[0].name]
    runs = int(first[["n", "n_missing"]].to_numpy().sum())
    size = f"{numbers.counted(len(first), 'cell')}, {numbers.counted(runs, 'run')}"
    if analysis.block:
        size += f", {numbers.counted(analysis.n_blocks, 'block')} ({analysis.block})"
    opening = Section(
        "Verdict", list(analysis.notes[:_MOST_NOTES]), facts=dict(verdict.of_effects(study)), verdict=True
    )
    return Report(f"{title}: {size}", {}, [opening, *analysis_sections(study)], frames(study))
