"""The factors of a suite -> their levels, each checked by the experiment; and nestings, exclusions and settings."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.experiment import Experiment
from bench.plan.grid import Exclusion, Nesting, Region, Setting
from bench.plan.levels import Level, attempt, describe, label, rival
from bench.plan.lookup import Lookup
from bench.plan.positions import KeyPath
from bench.plan.rules import RESERVED, sweep_fault, unknown_parameters
from bench.plan.shape import MAX_LEVELS, SuiteKeys, SweepTable
from bench.plan.source import Faults, show

_DIGITS = 12
"""Significant digits of the values of ``log`` and ``linear``: the rest is rounding, and 0.001 must be called 0.001."""


@dataclass
class FactorReader:
    """Reads the levels of a grid or of listed cells, then the regions that name them; collects faults."""

    keys: SuiteKeys
    experiment: Experiment
    faults: Faults
    settings: dict[str, dict[Level, Any]] = field(default_factory=dict)
    """Factor -> level -> its value for the experiment; without levels that are at fault."""
    texts: dict[tuple[str, Level], str] = field(default_factory=dict)
    """Factor and level -> the parameter's value in JSON, as text."""

    def grid(self) -> None:
        """The levels of ``[factors]``."""
        self._check_names(("factors",), self.keys.factors or {})
        for name, sweep in self.keys.sweeps.items():
            if name not in self.experiment.fields:
                continue
            levels = self.settings[name] = {}
            for value, place in values_of(sweep)[:MAX_LEVELS]:
                path = ("factors", name, *place)
                level = self._level(path, name, value)
                if level in levels:
                    earlier = "" if show(levels[level]) == show(value) else f", before as {show(levels[level])}"
                    message = f"{name} has the level {show(value)} twice{earlier}"
                    self.faults.add(path, message, "Each level is listed once.")
                elif level is not None:
                    levels[level] = value

    def cells(self) -> tuple[Mapping[str, Level], ...]:
        """The cells of ``[[cells]]``; their factors have the levels in the order of first appearance."""
        cells = self.keys.cells or []
        names = tuple(cells[0])
        first_index: dict[tuple[tuple[str, Level], ...], int] = {}
        for index, cell in enumerate(cells):
            self._check_names(("cells", index), cell)
            if set(cell) != set(names) or not cell:
                message = f"this cell names {_listing(cell)}; the first names {_listing(names)}"
                self.faults.add(("cells", index), message, "Every cell gives a level to each of the same factors.")
                continue
            levels = self._cell(index, {name: cell[name] for name in names if name in self.experiment.fields})
            twin = first_index.setdefault(tuple(levels.items()), index)
            if twin != index and len(levels) == len(names):
                message = f"cell {index + 1} is cell {twin + 1} again: {describe(levels)}"
                self.faults.add(("cells", index), message, "Each cell is listed once.")
        return tuple(dict(levels) for levels in first_index)

    def nestings(self) -> Mapping[str, Nesting]:
        """Of every factor that has ``under``; its level elsewhere is added to the factor's levels, as the first."""
        nestings = {}
        sweeps = self.keys.sweeps
        for position, (name, sweep) in enumerate(sweeps.items()):
            if name not in self.settings:
                continue
            if sweep.under is None:
                if "otherwise" in sweep.model_fields_set:
                    hint = 'Say under which levels the sweep is made: under = { reg = "l1" }.'
                    self.faults.add(("factors", name, "otherwise"), "otherwise goes with under", hint, key=True)
                continue
            under = self._region(("factors", name, "under"), sweep.under, list(sweeps)[:position])
            otherwise = self._otherwise(name, sweep)
            if under is not None and otherwise is not None and values_of(sweep):
                level, value = otherwise
                levels = tuple(self.settings[name])
                if level not in levels:
                    self.settings[name] = {level: value, **self.settings[name]}
                nestings[name] = Nesting(under, levels, level)
        return nestings

    def exclusions(self) -> tuple[Exclusion, ...]:
        """Each with its reason, in the order of the suite."""
        regions = self._regions("exclude", [table.where for table in self.keys.exclude])
        return tuple(Exclusion(region, self.keys.exclude[index].reason) for index, region in regions)

    def sets(self) -> tuple[Setting, ...]:
        """Parameters that follow levels, in the order of the suite."""
        regions = self._regions("set", [table.where for table in self.keys.sets])
        return tuple(Setting(region, self.keys.sets[index].params) for index, region in regions)

    def _cell(self, index: int, cell: Mapping[str, Any]) -> dict[str, Level]:
        levels = {}
        for name, value in cell.items():
            level = self._level(("cells", index, name), name, value)
            if level is not None:
                levels[name] = level
                self.settings.setdefault(name, {}).setdefault(level, value)
        return levels

    def _level(self, path: KeyPath, name: str, value: Any) -> Level | None:
        """The level of the value at ``path``; None where it cannot be one, which is reported."""
        trial = attempt(self.experiment, {**self.keys.params, name: value})
        if trial.refusals:  # by the shared parameters, perhaps, or because of another factor
            trial = attempt(self.experiment, {name: value})
        if name in trial.refusals:
            refusal = trial.refusals[name]
            self.faults.add(path, refusal.message, refusal.allowed)
            return None
        json_value = trial.as_json.get(name, value)
        level = label(value, json_value)
        other = rival(level, self.settings.get(name, {}))
        if other is None and self.texts.setdefault((name, level), show(json_value)) == show(json_value):
            return level
        alike = f"{show(level if other is None else other)} and {show(json_value)}"
        message = f"{name} has levels that no table could tell apart: {alike}"
        self.faults.add(path, message, "Leave one out, or give the parameter words for them in the experiment.")
        return None

    def _otherwise(self, name: str, sweep: SweepTable) -> tuple[Level, Any] | None:
        value = sweep.otherwise if "otherwise" in sweep.model_fields_set else self.experiment.defaults[name]
        trial = attempt(self.experiment, {**self.keys.params, name: value})
        if name in trial.refusals:
            refusal = trial.refusals[name]
            self.faults.add(("factors", name, "otherwise"), refusal.message, refusal.allowed)
            return None
        return label(value, trial.as_json.get(name)), value

    def _regions(self, key: str, tables: Sequence[Mapping[str, Any]]) -> list[tuple[int, Region]]:
        regions = [self._region((key, index, "where"), table) for index, table in enumerate(tables)]
        return [(index, region) for index, region in enumerate(regions) if region is not None]

    def _region(self, path: KeyPath, table: Mapping[str, Any], allowed: Collection[str] | None = None) -> Region | None:
        """A table of factors, each at one level or several; None where some are at fault."""
        names, n_faults = Lookup(self.faults, self.settings, path), len(self.faults.entries)
        region = {}
        for name, values in table.items():
            if names.factor((name,), name, key=True, allowed=allowed) and name in self.settings:
                levels = [names.level((name, index), name, value) for index, value in enumerate(values)]
                region[name] = tuple(level for level in levels if level is not None)
        return region if len(self.faults.entries) == n_faults and len(region) == len(table) else None

    def _check_names(self, table: KeyPath, names: Collection[str]) -> None:
        unknown_parameters(self.faults, table, names, self.experiment)
        metrics = [metric.name for metric in self.experiment.metrics]
        for name in names:
            if name in metrics or name in RESERVED:
                whose = "a metric" if name in metrics else f"every table of runs ({', '.join(RESERVED)})"
                message, hint = f"{name} is the name of a column of {whose}", "Rename the parameter in the experiment."
                self.faults.add((*table, name), message, hint, key=True)
            elsewhere = ["[params]"] if name in self.keys.params else []
            elsewhere += ["[[set]]"] if any(name in one.params for one in self.keys.sets) else []
            if elsewhere:
                message = f"{name} is a factor and is in {elsewhere[0]} too"
                self.faults.add((*table, name), message, "Give it in one of the two places.", key=True)


def values_of(sweep: SweepTable) -> list[tuple[Any, KeyPath]]:
    """Each value of a factor with the path to it from the factor; none of a sweep with a fault."""
    if sweep.levels is not None:
        return [(value, (*sweep.place, index)) for index, value in enumerate(sweep.levels)]
    if sweep_fault(sweep) is not None or sweep.points is None:
        return []
    bounds, steps = sweep.log or sweep.linear or [], [step / (sweep.points - 1) for step in range(sweep.points)]
    first, last = map(float, bounds)
    if sweep.log:
        points = [math.exp(math.log(first) + step * (math.log(last) - math.log(first))) for step in steps]
    else:
        points = [first + step * (last - first) for step in steps]
    values = [first, *(float(f"{value:.{_DIGITS}g}") for value in points[1:-1]), last]
    return [(value, ("log" if sweep.log else "linear",)) for value in values]


def _listing(names: Collection[str]) -> str:
    return ", ".join(names) or "no factor"
