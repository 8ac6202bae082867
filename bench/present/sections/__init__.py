"""A study -> the sections of its report, in the order in which they are read; one function a section."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.present.report import Section
from bench.present.sections import cells, effects, factors, findings, limits, losses, variance
from bench.present.study import Study

ORDER: tuple[Callable[[Study], Iterator[Section]], ...] = (
    findings.findings, limits.limits, effects.effects, factors.interactions, cells.runs, factors.levels,
    losses.losses, effects.requested, factors.simple, factors.trends, cells.means, variance.components,
    cells.variation, variance.variance, cells.pairs, cells.diagnostics, effects.further, limits.identified,
    limits.methods,
)  # fmt: skip


def analysis_sections(study: Study) -> list[Section]:
    """What an analysis tells, of a run or of anyone's table, with its figures."""
    return [section for make in ORDER for section in make(study.told)]
