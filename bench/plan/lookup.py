"""Names of factors and levels in a table of a suite -> the suite's own; names that it has not become faults."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from bench.plan.claims import Region
from bench.plan.levels import Level, find_level
from bench.plan.positions import KeyPath
from bench.plan.source import Faults, did_you_mean, show


@dataclass(frozen=True)
class Lookup:
    """Looks up names in one table of a suite."""

    faults: Faults
    """Collects the names that the suite has not."""
    levels: Mapping[str, Mapping[Level, Any]]
    """Factor -> level -> its value in the suite."""
    place: KeyPath = ()
    """The path of the table; the paths of the methods begin there."""

    def factor(self, path: KeyPath, name: str, *, key: bool = False, allowed: Collection[str] | None = None) -> bool:
        """Whether the suite has the factor, or only whether it is one of those ``allowed`` here."""
        names = self.levels if allowed is None else allowed
        if name in names:
            return True
        is_later = allowed is not None and name in self.levels
        message = f"{name} comes after this factor" if is_later else f"the suite has no factor {show(name)}"
        self.fault(path, message, _choices("factors" if allowed is None else "factors before it", names, name), key=key)
        return False

    def level(self, path: KeyPath, name: str, value: Any) -> Level | None:
        """The level of a factor that ``value`` means; None with a fault."""
        level = find_level(value, self.levels[name])
        if level is None:
            self.fault(path, f"{name} has no level {show(value)}", _choices("levels", self.levels[name], value))
        return level

    def levels_of(self, path: KeyPath, name: str, value: Any) -> list[Level] | None:
        """The levels of a factor that ``value`` means, a level or a list of several; None with a fault."""
        several = isinstance(value, list) and value and find_level(value, self.levels[name]) is None
        levels = (
            [self.level((*path, index), name, one) for index, one in enumerate(value)]
            if several
            else [self.level(path, name, value)]
        )
        found = [level for level in levels if level is not None]
        return found if len(found) == len(levels) else None

    def region(self, path: KeyPath, table: Mapping[str, Any]) -> Region | None:
        """A table of factors, each at a level; None where one is at fault."""
        names = [name for name in table if self.factor((*path, name), name, key=True)]
        levels = {name: self.level((*path, name), name, table[name]) for name in names}
        region = {name: level for name, level in levels.items() if level is not None}
        return region if len(region) == len(table) else None

    def fault(self, path: KeyPath, message: str, hint: str, *, key: bool = False) -> None:
        """Add a fault at a place within the table."""
        self.faults.add((*self.place, *path), message, hint, key=key)


def _choices(what: str, choices: Collection[Any], word: Any) -> str:
    suggestion = did_you_mean(word, (str(one) for one in choices))
    return f"Its {what}: {', '.join(map(show, choices)) or 'none'}.{suggestion}"
