"""A study -> the sections of its report, in the order in which they are read; one function a section."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.present.report import Section
from bench.present.sections import cells, effects, factors, findings, limits, losses, methods, variance
from bench.present.sections.components import component_sections
from bench.present.study import Study


def _components(study: Study) -> Iterator[Section]:
    """How much each stratum of seeds decides, where seeds have strata."""
    components, needs = study.analysis.components, study.analysis.needs
    if components is not None and needs is not None:
        components, needs = (frame[frame["metric"].isin(study.labels)] for frame in (components, needs))
        yield from component_sections(components, needs, study)


_ORDER: tuple[Callable[[Study], Iterator[Section]], ...] = (
    findings.findings, limits.limits, effects.effects, factors.interactions, cells.runs, factors.levels,
    losses.losses, effects.requested, factors.simple, factors.trends, cells.means, _components, cells.variation,
    variance.variance,
    cells.pairs, cells.diagnostics, effects.further, limits.identified, methods.methods,
)  # fmt: skip


def analysis_sections(study: Study) -> list[Section]:
    """What an analysis tells, of a run or of anyone's table, with its figures."""
    return [section for make in _ORDER for section in make(study.told)]
