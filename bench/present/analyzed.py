"""An analysis of anyone's table becomes a report, without a suite, a store or an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.experiment import Metric
from bench.judge.analysis import Analysis
from bench.present import numbers
from bench.present.build import analysis_sections, frames
from bench.present.report import Report, Section
from bench.present.tables import Context


def analyzed(analysis: Analysis, metrics: Sequence[Metric], title: str, provenance: Mapping[str, str]) -> Report:
    """What ``analysis`` found; ``metrics`` say how its metrics are called."""
    context = Context(analysis.factors, metrics, analysis.block)
    cells = numbers.counted(analysis.cells["cell"].nunique(), "cell")
    runs = int(analysis.cells.loc[analysis.cells["metric"] == metrics[0].name, ["n", "n_missing"]].to_numpy().sum())
    size = f"{cells}, {numbers.counted(runs, 'run')}"
    if analysis.block:
        size += f" in {numbers.counted(analysis.n_blocks, 'block')} ({analysis.block})"
    sections = [*analysis_sections(analysis, context, analysis.n_blocks)]
    points = [f"{name}: {text}" for name, text in provenance.items()]
    sections.append(Section("Provenance", points=points, appendix=True))
    return Report(f"{title}: {size}", provenance, sections, frames(analysis))
