"""Where a suite nests a sweep or excludes cells -> regions of its factors, and the faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.experiment import Experiment
from bench.plan.grid import Exclusion, Nesting, Region
from bench.plan.levels import Level, attempt, label
from bench.plan.positions import KeyPath
from bench.plan.source import Fault, Source, did_you_mean, show
from bench.plan.sweeps import values_of

Settings = Mapping[str, dict[Level, Any]]
"""Factor -> level -> the value that the experiment is given for it."""


@dataclass
class RegionReader:
    """Reads nestings and exclusions of factors whose levels are known; collects faults."""

    source: Source
    experiment: Experiment
    settings: dict[str, dict[Level, Any]]
    faults: list[Fault] = field(default_factory=list)

    def nestings(self) -> Mapping[str, Nesting]:
        """Of every factor that has ``under``; its level elsewhere is added to the factor's levels, as the first."""
        found = {}
        given = self.source.table("factors")
        for position, (name, entry) in enumerate(given.items()):
            if not (isinstance(entry, dict) and name in self.settings):
                continue
            if "under" not in entry:
                if "otherwise" in entry:
                    hint = 'Say under which levels the sweep is made: under = { reg = "l1" }.'
                    self._report(("factors", name, "otherwise"), "otherwise goes with under", hint, key=True)
                continue
            under = self._region(("factors", name, "under"), entry["under"], list(given)[:position])
            otherwise = self._otherwise(name, entry)
            if under is not None and otherwise is not None and values_of(entry):
                level, value = otherwise
                swept = tuple(self.settings[name])
                if level not in swept:
                    self.settings[name] = {level: value, **self.settings[name]}
                found[name] = Nesting(under, swept, level)
        return found

    def exclusions(self) -> tuple[Exclusion, ...]:
        """Each with its reason, in the order of the file."""
        found = []
        given = self.source.data.get("exclude")
        for index, table in enumerate(given if isinstance(given, list) else ()):
            if isinstance(table, dict) and isinstance(table.get("reason"), str):
                where = self._region(("exclude", index, "where"), table.get("where"), list(self.settings))
                if where is not None:
                    found.append(Exclusion(where, table["reason"]))
        return tuple(found)

    def _otherwise(self, name: str, entry: Mapping[str, Any]) -> tuple[Level, Any] | None:
        value = entry.get("otherwise", self.experiment.defaults[name])
        trial = attempt(self.experiment, {**self.source.table("params"), name: value})
        if name in trial.refusals:
            refusal = trial.refusals[name]
            self._report(("factors", name, "otherwise"), refusal.message, refusal.allowed)
            return None
        return label(value, trial.as_json.get(name)), value

    def _region(self, path: KeyPath, given: Any, known: list[str]) -> Region | None:
        if not isinstance(given, dict):
            return None
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
        for level, setting in levels.items():
            if any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in (level, setting)):
                return level
        texts = [level for level in levels if isinstance(level, str)]
        hint = f"Its levels: {', '.join(map(show, levels))}.{did_you_mean(value, texts)}"
        self._report(path, f"{name} has no level {show(value)}", hint)
        return ""

    def _report(self, path: KeyPath, message: str, hint: str, *, key: bool = False) -> None:
        self.faults.append(self.source.fault(path, message, hint, key=key))
