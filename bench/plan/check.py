"""What a suite says of its experiment's parameters and metrics -> the levels of its factors, and the faults."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.experiment import Experiment
from bench.plan.levels import Level, attempt, describe, label, rival
from bench.plan.positions import KeyPath
from bench.plan.shape import MAX_LEVELS, SuiteKeys
from bench.plan.source import Fault, Source, did_you_mean, show
from bench.plan.sweeps import values_of

RESERVED = ("run", "seed", "status", "metric", "value", "text")
"""Columns of every table of runs; no factor or metric may be called so."""


def params_faults(keys: SuiteKeys, source: Source, experiment: Experiment) -> Iterator[Fault]:
    """Parameters of ``[params]`` and ``[[set]]`` that the experiment does not have, or whose value it refuses."""
    tables: list[tuple[KeyPath, Mapping[str, Any]]] = [(("params",), keys.params)]
    tables += [(("set", index, "params"), table.params) for index, table in enumerate(keys.sets)]
    for place, given in tables:
        yield from _unknown(source, place, given, experiment)
        known = {name: value for name, value in given.items() if name in experiment.fields}
        for name, refusal in attempt(
            experiment, {**keys.params, **known} if place[0] == "set" else known
        ).refusals.items():
            if name in known:  # what is refused taken together may still be mended by a factor
                yield source.fault((*place, name), refusal.message, refusal.allowed)


def metric_faults(keys: SuiteKeys, source: Source, experiment: Experiment) -> Iterator[Fault]:
    """Metrics that no table can hold, and mention of metrics that the experiment does not have."""
    known = [metric.name for metric in experiment.metrics]
    for name in {*RESERVED} & {*known}:
        hint = f"Tables of runs have columns {', '.join(RESERVED)} of their own; rename it in the experiment."
        yield source.fault(("experiment",), f"its metric {show(name)} bears the name of a column", hint)
    compared = (keys.baseline.metrics if keys.baseline else None) or []
    mentioned: list[tuple[KeyPath, str]] = [(("metrics", name), name) for name in keys.metrics]
    mentioned += [(("baseline", "metrics", index), name) for index, name in enumerate(compared)]
    for path, name in mentioned:
        if name not in known:
            hint = f"Its metrics: {', '.join(known)}.{did_you_mean(name, known)}"
            fault = f"the experiment has no metric {show(name)}"
            yield source.fault(path, fault, hint, key=path[0] == "metrics")


@dataclass
class LevelReader:
    """Reads the levels of a grid or of listed cells, trying each by itself on the experiment; collects faults."""

    keys: SuiteKeys
    source: Source
    experiment: Experiment
    settings: dict[str, dict[Level, Any]] = field(default_factory=dict)
    """Factor -> level -> the value that the experiment is given for it; without those that are at fault."""
    made: dict[tuple[str, Level], str] = field(default_factory=dict)
    """Factor and level -> the parameter's value, as text."""
    faults: list[Fault] = field(default_factory=list)

    def grid(self) -> None:
        """The levels of ``[factors]``."""
        factors = self.keys.factors or {}
        self._check_names(("factors",), factors)
        for name, entry in factors.items():
            if name not in self.experiment.fields:
                continue
            taken = self.settings[name] = {}
            for value, place in values_of(entry)[:MAX_LEVELS]:
                path = ("factors", name, *place)
                level = self._level(path, name, value)
                if level in taken:
                    before = "" if show(taken[level]) == show(value) else f", before as {show(taken[level])}"
                    message = f"{name} has the level {show(value)} twice{before}"
                    self._report(path, message, "Each level is listed once.")
                elif level is not None:
                    taken[level] = value

    def cells(self) -> tuple[Mapping[str, Level], ...]:
        """The cells of ``[[cells]]``; their factors have the levels in the order of first appearance."""
        cells = self.keys.cells or []
        names = tuple(cells[0])
        first: dict[tuple[tuple[str, Level], ...], int] = {}
        for index, cell in enumerate(cells):
            self._check_names(("cells", index), cell)
            if set(cell) != set(names) or not cell:
                message = f"this cell names {_listing(cell)}; the first names {_listing(names)}"
                self._report(("cells", index), message, "Every cell gives a level to each of the same factors.")
                continue
            called = self._cell(index, {name: cell[name] for name in names if name in self.experiment.fields})
            same = first.setdefault(tuple(called.items()), index)
            if same != index and len(called) == len(names):
                message = f"cell {index + 1} is cell {same + 1} again: {describe(called)}"
                self._report(("cells", index), message, "Each cell is listed once.")
        return tuple(dict(called) for called in first)

    def _cell(self, index: int, cell: Mapping[str, Any]) -> dict[str, Level]:
        called = {}
        for name, value in cell.items():
            level = self._level(("cells", index, name), name, value)
            if level is not None:
                called[name] = level
                self.settings.setdefault(name, {}).setdefault(level, value)
        return called

    def _level(self, path: KeyPath, name: str, value: Any) -> Level | None:
        """What the value at ``path`` is called; None where it cannot be a level, which is reported."""
        trial = attempt(self.experiment, {**self.keys.params, name: value})
        if trial.refusals:  # by the shared parameters, perhaps, or because of another factor
            trial = attempt(self.experiment, {name: value})
        if name in trial.refusals:
            refusal = trial.refusals[name]
            self._report(path, refusal.message, refusal.allowed)
            return None
        made = trial.as_json.get(name, value)
        level = label(value, made)
        other = rival(level, self.settings.get(name, {}))
        if other is None and self.made.setdefault((name, level), show(made)) == show(made):
            return level
        alike = f"{show(level if other is None else other)} and {show(made)}"
        message = f"{name} has levels that no table could tell apart: {alike}"
        self._report(path, message, "Leave one out, or give the parameter words for them in the experiment.")
        return None

    def _check_names(self, table: KeyPath, names: Collection[str]) -> None:
        self.faults.extend(_unknown(self.source, table, names, self.experiment))
        metrics = [metric.name for metric in self.experiment.metrics]
        for name in names:
            if name in metrics or name in RESERVED:
                whose = "a metric" if name in metrics else f"every table of runs ({', '.join(RESERVED)})"
                message, hint = f"{name} is the name of a column of {whose}", "Rename the parameter in the experiment."
                self._report((*table, name), message, hint, key=True)
            elsewhere = ["[params]"] if name in self.keys.params else []
            elsewhere += ["[[set]]"] if any(name in given.params for given in self.keys.sets) else []
            if elsewhere:
                message = f"{name} is a factor and is in {elsewhere[0]} too"
                self._report((*table, name), message, "Give it in one of the two places.", key=True)

    def _report(self, path: KeyPath, message: str, hint: str, *, key: bool = False) -> None:
        self.faults.append(self.source.fault(path, message, hint, key=key))


def _unknown(source: Source, table: KeyPath, names: Collection[str], experiment: Experiment) -> Iterator[Fault]:
    for name in names:
        if name not in experiment.fields:
            hint = f"Its parameters: {', '.join(experiment.fields)}.{did_you_mean(name, experiment.fields)}"
            yield source.fault((*table, name), f"the experiment has no parameter {show(name)}", hint, key=True)


def _listing(names: Collection[str]) -> str:
    return ", ".join(names) or "no factor"
