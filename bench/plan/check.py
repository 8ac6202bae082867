"""What a suite file says of its experiment's parameters and metrics -> the levels of its factors, and the faults."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.experiment import Experiment
from bench.plan.chosen import chosen_cells
from bench.plan.grid import Exclusion, Nesting
from bench.plan.levels import Level, attempt, describe, label, rival
from bench.plan.positions import KeyPath
from bench.plan.regions import RegionReader
from bench.plan.shape import MAX_LEVELS
from bench.plan.source import Fault, Source, did_you_mean, show
from bench.plan.sweeps import values_of


@dataclass(frozen=True)
class Levels:
    """The levels of a suite's factors, and which of their combinations it runs; without those that are at fault."""

    settings: Mapping[str, Mapping[Level, Any]]
    """Factor -> level -> the value that the experiment is given for it."""
    listed: tuple[Mapping[str, Level], ...] | None
    """The cells that the suite lists, or that its ``design`` chooses; None for a grid."""
    nestings: Mapping[str, Nesting]
    exclusions: tuple[Exclusion, ...]
    faults: list[Fault]


RESERVED = ("run", "seed", "status", "metric", "value", "text")
"""Columns of every table of runs; no factor or metric may be called so."""


def levels(source: Source, experiment: Experiment) -> Levels:
    """The levels that the suite gives in its grid or cells, tried one at a time on the experiment."""
    reader = _Reader(source, experiment)
    cells = source.data.get("cells")
    if isinstance(cells, list):
        listed = reader.cells(cells)
        return Levels(reader.settings, listed, {}, (), reader.faults)
    reader.grid(source.table("factors"))
    regions = RegionReader(source, experiment, reader.settings)
    nestings, exclusions = regions.nestings(), regions.exclusions()
    faults = [*reader.faults, *regions.faults]
    chosen = None
    if not faults:
        chosen, faults = chosen_cells(source, {name: tuple(taken) for name, taken in regions.settings.items()})
    return Levels(regions.settings, chosen, nestings, exclusions, faults)


def params_faults(source: Source, experiment: Experiment) -> Iterator[Fault]:
    """Shared parameters that the experiment does not have, or whose value it refuses."""
    params = source.table("params")
    yield from _unknown(source, ("params",), params, experiment)
    known = {name: value for name, value in params.items() if name in experiment.fields}
    for name, refusal in attempt(experiment, known).refusals.items():
        if name:  # what is refused taken together may still be mended by a factor
            yield source.fault(("params", name), refusal.message, refusal.allowed)


def metric_faults(source: Source, experiment: Experiment) -> Iterator[Fault]:
    """Metrics that no table can hold, and mention of metrics that the experiment does not have."""
    known = [metric.name for metric in experiment.metrics]
    for name in {*RESERVED} & {*known}:
        hint = f"Tables of runs have columns {', '.join(RESERVED)} of their own; rename it in the experiment."
        yield source.fault(("experiment",), f"its metric {show(name)} bears the name of a column", hint)
    compared = source.table("baseline").get("metrics")
    mentioned: list[tuple[KeyPath, Any]] = [(("metrics", name), name) for name in source.table("metrics")]
    if isinstance(compared, list):
        mentioned += [(("baseline", "metrics", index), name) for index, name in enumerate(compared)]
    for path, name in mentioned:
        if name not in known:
            hint = f"Its metrics: {', '.join(known)}.{did_you_mean(name, known)}"
            fault = f"the experiment has no metric {show(name)}"
            yield source.fault(path, fault, hint, key=path[0] == "metrics")


@dataclass
class _Reader:
    """Collects levels and faults; passes over what does not have the shape of a suite, which is reported elsewhere."""

    source: Source
    experiment: Experiment
    settings: dict[str, dict[Level, Any]] = field(default_factory=dict)
    made: dict[tuple[str, Level], str] = field(default_factory=dict)
    """Factor and level -> the parameter's value, as text."""
    faults: list[Fault] = field(default_factory=list)

    def grid(self, factors: Mapping[str, Any]) -> None:
        self.check_names(("factors",), factors)
        for name, entry in factors.items():
            if name not in self.experiment.fields or not isinstance(entry, list | dict):
                continue
            taken = self.settings[name] = {}
            for value, place in values_of(entry)[:MAX_LEVELS]:
                path = ("factors", name, *place)
                level = self.level(path, name, value)
                if level in taken:
                    before = "" if show(taken[level]) == show(value) else f", before as {show(taken[level])}"
                    message = f"{name} has the level {show(value)} twice{before}"
                    self.report(path, message, "Each level is listed once.")
                elif level is not None:
                    taken[level] = value

    def cells(self, cells: list[Any]) -> tuple[Mapping[str, Level], ...]:
        names = next((tuple(cell) for cell in cells if isinstance(cell, dict)), ())
        first: dict[tuple[tuple[str, Level], ...], int] = {}
        for index, cell in enumerate(cells):
            if not isinstance(cell, dict):
                continue
            self.check_names(("cells", index), cell)
            if set(cell) != set(names) or not cell:
                message = f"this cell names {_listing(cell)}; the first names {_listing(names)}"
                self.report(("cells", index), message, "Every cell gives a level to each of the same factors.")
                continue
            called = self.cell(index, {name: cell[name] for name in names if name in self.experiment.fields})
            same = first.setdefault(tuple(called.items()), index)
            if same != index and len(called) == len(names):
                message = f"cell {index + 1} is cell {same + 1} again: {describe(called)}"
                self.report(("cells", index), message, "Each cell is listed once.")
        return tuple(dict(called) for called in first)

    def cell(self, index: int, cell: Mapping[str, Any]) -> dict[str, Level]:
        called = {}
        for name, value in cell.items():
            level = self.level(("cells", index, name), name, value)
            if level is not None:
                called[name] = level
                self.settings.setdefault(name, {}).setdefault(level, value)
        return called

    def level(self, path: KeyPath, name: str, value: Any) -> Level | None:
        """What the value at ``path`` is called; None where it cannot be a level, which is reported."""
        trial = attempt(self.experiment, {**self.source.table("params"), name: value})
        if trial.refusals:  # by the shared parameters, perhaps, or because of another factor
            trial = attempt(self.experiment, {name: value})
        if name in trial.refusals:
            refusal = trial.refusals[name]
            self.report(path, refusal.message, refusal.allowed)
            return None
        made = trial.as_json.get(name, value)
        level = label(value, made)
        other = rival(level, self.settings.get(name, {}))
        if other is None and self.made.setdefault((name, level), show(made)) == show(made):
            return level
        alike = f"{show(level if other is None else other)} and {show(made)}"
        message = f"{name} has levels that no table could tell apart: {alike}"
        self.report(path, message, "Leave one out, or give the parameter words for them in the experiment.")
        return None

    def check_names(self, table: KeyPath, names: Collection[str]) -> None:
        self.faults.extend(_unknown(self.source, table, names, self.experiment))
        metrics = [metric.name for metric in self.experiment.metrics]
        for name in names:
            if name in metrics or name in RESERVED:
                whose = "a metric" if name in metrics else f"every table of runs ({', '.join(RESERVED)})"
                message, hint = f"{name} is the name of a column of {whose}", "Rename the parameter in the experiment."
                self.faults.append(self.source.fault((*table, name), message, hint, key=True))
            if name in self.source.table("params"):
                message, hint = f"{name} is a factor and is in [params] too", "Give it in one of the two places."
                self.faults.append(self.source.fault((*table, name), message, hint, key=True))

    def report(self, path: KeyPath, message: str, hint: str) -> None:
        self.faults.append(self.source.fault(path, message, hint))


def _unknown(source: Source, table: KeyPath, names: Collection[str], experiment: Experiment) -> Iterator[Fault]:
    for name in names:
        if name not in experiment.fields:
            hint = f"Its parameters: {', '.join(experiment.fields)}.{did_you_mean(name, experiment.fields)}"
            yield source.fault((*table, name), f"the experiment has no parameter {show(name)}", hint, key=True)


def _listing(names: Collection[str]) -> str:
    return ", ".join(names) or "no factor"
