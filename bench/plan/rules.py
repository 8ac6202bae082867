"""A suite whose keys are each well-formed -> what is wrong between them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from bench.plan.positions import KeyPath
from bench.plan.shape import SealedTable, SuiteKeys, SweepTable
from bench.plan.source import Fault, Source, is_file, show
from bench.plan.sweeps import sweep_fault


def rule_faults(keys: SuiteKeys, source: Source) -> Iterator[Fault]:
    """What is wrong between keys that are each well-formed; none of it depends on the experiment."""
    yield from _cell_faults(keys, source)
    yield from _look_faults(keys, source)
    yield from _claim_faults(keys, source)
    if isinstance(keys.seeds, SealedTable) and not keys.claims:
        hint = "They are drawn from what is claimed: give a number of seeds, or one table [[claims]] for each claim."
        yield source.fault(("seeds",), "seeds are sealed, and nothing is claimed", hint)
    seen: set[int] = set()
    for index, seed in enumerate(keys.seeds if isinstance(keys.seeds, list) else []):
        if seed in seen:
            yield source.fault(("seeds", index), f"the seed {seed} is listed twice", "Each seed is listed once.")
        seen.add(seed)
    if keys.published is not None and not is_file(source.path.parent / keys.published):
        hint = f"The path is relative to the suite's folder, {source.path.parent.absolute()}."
        yield source.fault(("published",), f"there is no file {show(keys.published)}", hint)


def _cell_faults(keys: SuiteKeys, source: Source) -> Iterator[Fault]:
    if keys.factors is not None and keys.cells is not None:
        yield source.fault(("cells",), "a suite has either factors or cells", "Remove one of the two.", key=True)
    elif keys.cells is not None and (keys.design is not None or keys.exclude):
        key = "design" if keys.design is not None else "exclude"
        hint = "It chooses among the combinations of [factors]; cells are chosen by being listed."
        yield source.fault((key,), f"{key} goes with factors, not with cells", hint, key=True)
    elif keys.factors is None and keys.cells is None:
        hint = "Give [factors] for a full grid, or one [[cells]] for each chosen combination."
        yield source.fault((), '"factors" or "cells" is missing', hint)
    sweeps = {name: entry for name, entry in (keys.factors or {}).items() if isinstance(entry, SweepTable)}
    nested = [name for name, entry in sweeps.items() if entry.under is not None]
    if keys.design is not None and (nested or keys.exclude):
        path: KeyPath = ("exclude",) if keys.exclude else ("factors", nested[0], "under")
        hint = "Remove one of the two, or list the cells as [[cells]]."
        yield source.fault(path, f"{path[-1]} goes with the full grid, not with a design", hint, key=True)
    for name, entry in sweeps.items():
        if fault := sweep_fault(entry):
            inner, message, hint = fault
            yield source.fault(("factors", name, *inner), message, hint, key=not inner)


def _look_faults(keys: SuiteKeys, source: Source) -> Iterator[Fault]:
    """Looks that do not rise, and a last one that is not at all seeds of the suite."""
    if keys.sequential is None:
        return
    looks = keys.sequential.looks
    for index, (before, look) in enumerate(pairwise(looks), start=1):
        if look <= before:
            message = f"the look at {look} seeds does not come after the one at {before}"
            yield source.fault(("sequential", "looks", index), message, "Looks rise: looks = [10, 20, 40].")
            return
    count = keys.n_seeds
    if looks[-1] != count:
        message = f"the last look is at {looks[-1]} seeds, and the suite has {count}"
        hint = f"End with {count}, or give the suite {looks[-1]} seeds."
        yield source.fault(("sequential", "looks", len(looks) - 1), message, hint)


def _claim_faults(keys: SuiteKeys, source: Source) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for index, claim in enumerate(keys.claims):
        if first.setdefault(claim.id, index) != index:
            message = f"claim {index + 1} has the id of claim {first[claim.id] + 1}: {show(claim.id)}"
            yield source.fault(("claims", index, "id"), message, "Each claim has an id of its own.")
    headlines = [index for index, claim in enumerate(keys.claims) if claim.headline]
    for index in headlines[1:]:
        message = f"claim {index + 1} is a headline, and claim {headlines[0] + 1} is one already"
        yield source.fault(("claims", index, "headline"), message, "A report has one headline.")
