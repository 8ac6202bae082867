"""What only a baseline has -> what of it a run lacks, and what the suite says was removed (``[baseline] removed``)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

Removed = str | Mapping[str, Any]
"""The name of a metric or cell; or levels, a "metric" or a "seed", one or a list each."""


@dataclass(frozen=True)
class Absence:
    """A metric in a cell, or with a seed, that a baseline has and a run has not."""

    metric: str
    where: str
    """The name of the cell, or the seed."""
    old: float
    """The mean there."""
    n: int
    """Seeds that have a value there."""
    keys: Mapping[str, str]
    """The metric and the levels of the cell, or the seed, as text."""


@dataclass(frozen=True)
class Absences:
    """What a run lacks of its baseline."""

    lacking: tuple[Absence, ...] = ()
    removed: tuple[Absence, ...] = ()
    """What the suite says was removed."""
    idle: tuple[str, ...] = ()
    """What the suite says was removed, and the run does not lack."""

    @classmethod
    def of(cls, absences: Sequence[Absence], removed: Sequence[Removed]) -> Absences:
        """Tell what the suite says was ``removed`` from the rest."""
        excused = [any(_names(entry, absence) for entry in removed) for absence in absences]
        return cls(
            tuple(absence for absence, excuse in zip(absences, excused, strict=True) if not excuse),
            tuple(absence for absence, excuse in zip(absences, excused, strict=True) if excuse),
            tuple(_text(entry) for entry in removed if not any(_names(entry, absence) for absence in absences)),
        )

    def rows(self) -> pd.DataFrame:
        """``metric where old lost`` of what is lacking: a row for each cell, and one for all seeds of a metric."""
        cells = [(entry.metric, entry.where, entry.old, entry.n) for entry in self.lacking if "seed" not in entry.keys]
        seeds: dict[str, list[Absence]] = {}
        for entry in self.lacking:
            if "seed" in entry.keys:
                seeds.setdefault(entry.metric, []).append(entry)
        for metric, entries in seeds.items():
            old = pd.Series([entry.old for entry in entries]).mean()
            cells.append((metric, f"seed {', '.join(entry.where for entry in entries)}", old, len(entries)))
        return pd.DataFrame(cells, columns=["metric", "where", "old", "lost"])


def _names(entry: Removed, absence: Absence) -> bool:
    if isinstance(entry, str):
        return entry in (absence.metric, absence.where)
    return all(name in absence.keys and _is_among(absence.keys[name], value) for name, value in entry.items())


def _is_among(level: str, value: Any) -> bool:
    return any(_is_same(level, one) for one in (value if isinstance(value, list) else [value]))


def _is_same(level: str, value: Any) -> bool:
    """Whether a level, of which a baseline keeps the text, is what a suite writes: 1 names 1.0 too."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(level) == value
        except ValueError:
            return False
    return level == (json.dumps(value) if isinstance(value, list | dict) else str(value))


def _text(entry: Removed) -> str:
    return entry if isinstance(entry, str) else json.dumps(entry, default=str)
