"""Where a suite nests a sweep, excludes cells or sets parameters -> regions of its factors, and the faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.experiment import Experiment
from bench.plan.grid import Exclusion, Nesting, Region, Setting
from bench.plan.levels import Level, attempt, label, named
from bench.plan.positions import KeyPath
from bench.plan.shape import SuiteKeys, SweepTable
from bench.plan.source import Fault, Source, did_you_mean, show
from bench.plan.sweeps import values_of


@dataclass
class RegionReader:
    """Reads what holds in a part of the cells, of factors whose levels are known; collects faults."""

    keys: SuiteKeys
    source: Source
    experiment: Experiment
    settings: dict[str, dict[Level, Any]]
    """Factor -> level -> the value that the experiment is given for it."""
    faults: list[Fault] = field(default_factory=list)

    def nestings(self) -> Mapping[str, Nesting]:
        """Of every factor that has ``under``; its level elsewhere is added to the factor's levels, as the first."""
        nestings = {}
        factors = self.keys.factors or {}
        for position, (name, entry) in enumerate(factors.items()):
            if not isinstance(entry, SweepTable) or name not in self.settings:
                continue
            if entry.under is None:
                if "otherwise" in entry.model_fields_set:
                    hint = 'Say under which levels the sweep is made: under = { reg = "l1" }.'
                    self._report(("factors", name, "otherwise"), "otherwise goes with under", hint, key=True)
                continue
            under = self._region(("factors", name, "under"), entry.under, list(factors)[:position])
            otherwise = self._otherwise(name, entry)
            if under is not None and otherwise is not None and values_of(entry):
                level, value = otherwise
                swept = tuple(self.settings[name])
                if level not in swept:
                    self.settings[name] = {level: value, **self.settings[name]}
                nestings[name] = Nesting(under, swept, level)
        return nestings

    def exclusions(self) -> tuple[Exclusion, ...]:
        """Each with its reason, in the order of the suite."""
        regions = self._wheres("exclude", [table.where for table in self.keys.exclude])
        return tuple(Exclusion(region, self.keys.exclude[index].reason) for index, region in regions)

    def sets(self) -> tuple[Setting, ...]:
        """Parameters that follow levels, in the order of the suite."""
        regions = self._wheres("set", [table.where for table in self.keys.sets])
        return tuple(Setting(region, self.keys.sets[index].params) for index, region in regions)

    def _wheres(self, key: str, tables: Sequence[Mapping[str, Any]]) -> list[tuple[int, Region]]:
        regions = [
            self._region((key, index, "where"), table, list(self.settings)) for index, table in enumerate(tables)
        ]
        return [(index, region) for index, region in enumerate(regions) if region is not None]

    def _otherwise(self, name: str, entry: SweepTable) -> tuple[Level, Any] | None:
        has_one = "otherwise" in entry.model_fields_set
        value = entry.otherwise if has_one else self.experiment.defaults[name]
        trial = attempt(self.experiment, {**self.keys.params, name: value})
        if name in trial.refusals:
            refusal = trial.refusals[name]
            self._report(("factors", name, "otherwise"), refusal.message, refusal.allowed)
            return None
        return label(value, trial.as_json.get(name)), value

    def _region(self, path: KeyPath, given: Mapping[str, Any], known: list[str]) -> Region | None:
        before = len(self.faults)
        region = {name: self._levels((*path, name), name, value, known) for name, value in given.items()}
        return region if len(self.faults) == before else None

    def _levels(self, path: KeyPath, name: str, given: Any, known: list[str]) -> tuple[Level, ...]:
        if name not in known:
            names = ", ".join(known) or "none"
            is_later = name in self.settings
            message = f"{name} comes after this factor" if is_later else f"{show(name)} is no factor of this suite"
            hint = f"Factors {'before it' if path[0] == 'factors' else 'here'}: {names}.{did_you_mean(name, known)}"
            self._report(path, message, hint, key=True)
            return ()
        if name not in self.settings:  # its levels are at fault, which is reported where they stand
            return ()
        values = [(value, (index,)) for index, value in enumerate(given)] if isinstance(given, list) else [(given, ())]
        return tuple(self._level((*path, *inner), name, value) for value, inner in values)

    def _level(self, path: KeyPath, name: str, value: Any) -> Level:
        levels = self.settings[name]
        level = named(value, levels)
        if level is None:
            texts = [level for level in levels if isinstance(level, str)]
            hint = f"Its levels: {', '.join(map(show, levels))}.{did_you_mean(value, texts)}"
            self._report(path, f"{name} has no level {show(value)}", hint)
        return "" if level is None else level

    def _report(self, path: KeyPath, message: str, hint: str, *, key: bool = False) -> None:
        self.faults.append(self.source.fault(path, message, hint, key=key))
