"""Factors and levels as a table of a suite names them -> those that the suite has; what it has not becomes a fault."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from bench.plan.claims import Region
from bench.plan.levels import Level, named
from bench.plan.positions import KeyPath
from bench.plan.source import Faults, did_you_mean, show


@dataclass(frozen=True)
class Lookup:
    """Looks up names in the table at ``place``; paths are seen from there."""

    faults: Faults
    levels: Mapping[str, Mapping[Level, Any]]
    """Factor -> level -> the value that the suite gives for it."""
    place: KeyPath = ()

    def factor(self, path: KeyPath, name: str, *, key: bool = False, known: Collection[str] | None = None) -> bool:
        """Whether the suite has the factor, or it is one of those that are ``known`` here."""
        names = self.levels if known is None else known
        if name in names:
            return True
        is_later = known is not None and name in self.levels
        message = f"{name} comes after this factor" if is_later else f"the suite has no factor {show(name)}"
        self.fault(path, message, _known("factors" if known is None else "factors before it", names, name), key=key)
        return False

    def level(self, path: KeyPath, name: str, value: Any) -> Level | None:
        """What the suite calls this level of a factor that it has."""
        level = named(value, self.levels[name])
        if level is None:
            self.fault(path, f"{name} has no level {show(value)}", _known("levels", self.levels[name], value))
        return level

    def region(self, path: KeyPath, given: Mapping[str, Any]) -> Region | None:
        """A table of factors, each at a level; None where one is at fault."""
        names = [name for name in given if self.factor((*path, name), name, key=True)]
        levels = {name: self.level((*path, name), name, given[name]) for name in names}
        found = {name: level for name, level in levels.items() if level is not None}
        return found if len(found) == len(given) else None

    def fault(self, path: KeyPath, message: str, hint: str, *, key: bool = False) -> None:
        """Something wrong at a place within the table."""
        self.faults.add((*self.place, *path), message, hint, key=key)


def _known(what: str, known: Collection[Any], given: Any) -> str:
    likely = did_you_mean(given, (str(one) for one in known))
    return f"Its {what}: {', '.join(map(show, known)) or 'none'}.{likely}"
