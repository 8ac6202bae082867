"""Factors, sweeps nested under levels of others, and exclusions -> combinations of levels, one at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.plan.levels import Level

Region = Mapping[str, tuple[Level, ...]]
"""Factor -> some of its levels: every combination that has one of them for each factor."""


@dataclass(frozen=True)
class Nesting:
    """A factor that has its levels only within a region of the factors before it, and one level elsewhere."""

    under: Region
    """Where it has ``levels``."""
    levels: tuple[Level, ...]
    otherwise: Level
    """Its level elsewhere."""


@dataclass(frozen=True)
class Exclusion:
    """Combinations that are not run."""

    where: Region
    reason: str
    """Why, in a sentence for reports."""


@dataclass(frozen=True)
class Setting:
    """Parameters that have values of their own within a region, and are no factors."""

    where: Region
    params: Mapping[str, Any]


def combinations(
    factors: Mapping[str, tuple[Level, ...]],
    nestings: Mapping[str, Nesting] | None = None,
    exclusions: Sequence[Exclusion] = (),
) -> Iterator[Mapping[str, Level]]:
    """Every combination, the first factor changing slowest."""
    for cell in _grid(list(factors), factors, nestings or {}, {}):
        if not any(within(cell, exclusion.where) for exclusion in exclusions):
            yield cell


def n_combinations(
    factors: Mapping[str, tuple[Level, ...]], nestings: Mapping[str, Nesting], exclusions: Sequence[Exclusion]
) -> int:
    """The number of ``combinations``; they are made, and counted, only where something is nested or excluded."""
    if nestings or exclusions:
        return sum(1 for _ in combinations(factors, nestings, exclusions))
    return math.prod(map(len, factors.values()))


def within(cell: Mapping[str, Level], region: Region) -> bool:
    """Whether a cell lies in a region."""
    return all(cell[name] in levels for name, levels in region.items())


def _grid(
    names: Sequence[str],
    factors: Mapping[str, tuple[Level, ...]],
    nestings: Mapping[str, Nesting],
    cell: Mapping[str, Level],
) -> Iterator[Mapping[str, Level]]:
    if not names:
        yield cell
        return
    name, *later = names
    nesting = nestings.get(name)
    levels = factors[name]
    if nesting is not None:
        levels = nesting.levels if within(cell, nesting.under) else (nesting.otherwise,)
    for level in levels:
        yield from _grid(later, factors, nestings, {**cell, name: level})
