"""A table ``[sequential]`` -> the looks at growing numbers of seeds that a suite plans, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from bench.plan.source import Fault, Source

Spending = Literal["obrien_fleming", "pocock"]


@dataclass(frozen=True)
class PlannedLooks:
    """When the claims are judged."""

    seeds: tuple[int, ...]
    """How many of the suite's seeds, its first ones, are run by each look; rising."""
    spending: Spending = "obrien_fleming"
    """How the error is spread over the looks: nearly all at the last one, or nearly evenly ("pocock")."""


def planned_looks(table: Mapping[str, Any]) -> PlannedLooks | None:
    """The looks of a well-formed table ``[sequential]``; None for none."""
    return PlannedLooks(tuple(table["looks"]), table.get("spending", "obrien_fleming")) if table else None


def look_faults(source: Source) -> Iterator[Fault]:
    """Looks that do not rise, and a last one that is not at all seeds of the file."""
    looks, seeds = source.table("sequential").get("looks"), source.data.get("seeds")
    if not isinstance(looks, list) or not all(type(look) is int for look in looks):
        return
    for index, (before, look) in enumerate(pairwise(looks), start=1):
        if look <= before:
            message = f"the look at {look} seeds does not come after the one at {before}"
            yield source.fault(("sequential", "looks", index), message, "Looks rise: looks = [10, 20, 40].")
            return
    count = len(seeds) if isinstance(seeds, list) else seeds.get("sealed") if isinstance(seeds, dict) else seeds
    if looks and type(count) is int and looks[-1] != count:
        message = f"the last look is at {looks[-1]} seeds, and the suite has {count}"
        hint = f"End with {count}, or give the suite {looks[-1]} seeds."
        yield source.fault(("sequential", "looks", len(looks) - 1), message, hint)
