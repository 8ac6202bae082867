"""What a suite file says of its experiment's parameters and metrics -> the levels of its factors, and the faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.experiment import Experiment
from bench.plan.levels import Level, attempt, describe, label
from bench.plan.source import Fault, Source, did_you_mean, show


@dataclass(frozen=True)
class Levels:
    """The levels of a suite's factors, and the cells if it lists them."""

    settings: Mapping[str, Mapping[Level, Any]]
    """Factor -> level -> the value that the experiment is given for it."""
    listed: tuple[Mapping[str, Level], ...] | None


def params_faults(source: Source, experiment: Experiment) -> Iterator[Fault]:
    """Shared parameters that the experiment does not have, or whose value it refuses."""
    params = source.table("params")
    yield from _unknown(source, ("params",), params, experiment)
    known = {name: value for name, value in params.items() if name in experiment.fields}
    for name, refusal in attempt(experiment, known).refusals.items():
        if name:  # what is refused taken together may still be mended by a factor
            yield source.fault(("params", name), refusal.message, refusal.allowed)


def metric_faults(source: Source, experiment: Experiment) -> Iterator[Fault]:
    """Settings of metrics that the experiment does not have."""
    known = [metric.name for metric in experiment.metrics]
    for name in source.table("metrics"):
        if name not in known:
            hint = f"Its metrics: {', '.join(known)}.{did_you_mean(name, known)}"
            yield source.fault(("metrics", name), f"the experiment has no metric {show(name)}", hint, key=True)


def levels(source: Source, experiment: Experiment, report: Callable[[Fault], None]) -> Levels:
    """The levels that the suite gives, leaving out those that are reported as faults."""
    cells = source.data.get("cells")
    if isinstance(cells, list):
        return _listed(source, experiment, [cell for cell in cells if isinstance(cell, dict)], report)
    return _grid(source, experiment, report)


def _grid(source: Source, experiment: Experiment, report: Callable[[Fault], None]) -> Levels:
    factors = {name: values for name, values in source.table("factors").items() if isinstance(values, list)}
    _report_names(source, ("factors",), factors, experiment, report)
    settings: dict[str, dict[Level, Any]] = {}
    for name, values in factors.items():
        if name not in experiment.fields:
            continue
        taken = settings[name] = {}
        for index, value in enumerate(values):
            level = _level(source, ("factors", name, index), value, experiment, report)
            if level in taken:
                before = "" if show(taken[level]) == show(value) else f", before as {show(taken[level])}"
                message = f"{name} has the level {show(value)} twice{before}"
                report(source.fault(("factors", name, index), message, "Each level is listed once."))
            elif level is not None:
                taken[level] = value
    return Levels(settings, None)


def _listed(
    source: Source, experiment: Experiment, cells: list[dict[str, Any]], report: Callable[[Fault], None]
) -> Levels:
    settings: dict[str, dict[Level, Any]] = {}
    listed: list[Mapping[str, Level]] = []
    seen: dict[str, int] = {}
    tried: dict[str, Level | None] = {}
    for index, cell in enumerate(cells):
        _report_names(source, ("cells", index), cell, experiment, report)
        if set(cell) != set(cells[0]) or not cell:
            first = ", ".join(cells[0]) or "none"
            fault = f"this cell names the factors {', '.join(cell) or 'none'}; the first names {first}"
            report(source.fault(("cells", index), fault, "Every cell gives a level to each of the same factors."))
        called: dict[str, Level] = {}
        for name in (name for name in cells[0] if name in cell and name in experiment.fields):
            text = json.dumps([name, cell[name]], default=str)
            if text not in tried:
                tried[text] = _level(source, ("cells", index, name), cell[name], experiment, report)
            level = tried[text]
            if level is not None:
                called[name] = level
                settings.setdefault(name, {}).setdefault(level, cell[name])
        listed.append(called)
        same = seen.setdefault(json.dumps(called), index)
        if same != index and len(called) == len(cells[0]):
            fault = f"cell {index + 1} is cell {same + 1} again: {describe(called)}"
            report(source.fault(("cells", index), fault, "Each cell is listed once."))
    return Levels(settings, tuple(listed))


def _report_names(
    source: Source,
    table: tuple[str | int, ...],
    names: Collection[str],
    experiment: Experiment,
    report: Callable[[Fault], None],
) -> None:
    for fault in _unknown(source, table, names, experiment):
        report(fault)
    for name in names:
        if name in source.table("params"):
            message = f"{name} is a factor and is in [params] too"
            report(source.fault((*table, name), message, "Give its levels here or its one value there.", key=True))


def _unknown(
    source: Source, table: tuple[str | int, ...], names: Collection[str], experiment: Experiment
) -> Iterator[Fault]:
    for name in names:
        if name not in experiment.fields:
            hint = f"Its parameters: {', '.join(experiment.fields)}.{did_you_mean(name, experiment.fields)}"
            yield source.fault((*table, name), f"the experiment has no parameter {show(name)}", hint, key=True)


def _level(
    source: Source, path: tuple[str | int, ...], value: Any, experiment: Experiment, report: Callable[[Fault], None]
) -> Level | None:
    """What the value at ``path`` is called; None where the experiment refuses it, which is reported."""
    name = str(path[1] if path[0] == "factors" else path[2])
    refusal = attempt(experiment, {name: value}).refusals.get(name)
    if refusal is None:
        return label(experiment, name, value, source.table("params"))
    report(source.fault(path, refusal.message, refusal.allowed))
    return None
