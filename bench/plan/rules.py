"""A suite whose keys are each well-formed -> what is wrong between them."""

from __future__ import annotations

from collections.abc import Iterator

from bench.plan.looks import look_faults
from bench.plan.positions import KeyPath
from bench.plan.shape import MAX_SEEDS
from bench.plan.source import Fault, Source, is_file, show
from bench.plan.sweeps import sweep_fault


def rule_faults(source: Source) -> Iterator[Fault]:
    """What is wrong between keys that are each well-formed."""
    data = source.data
    if "factors" in data and "cells" in data:
        yield source.fault(("cells",), "a suite has either factors or cells", "Remove one of the two.", key=True)
    elif "cells" in data and (key := next((key for key in ("design", "exclude") if key in data), None)):
        hint = "It chooses among the combinations of [factors]; cells are chosen by being listed."
        yield source.fault((key,), f"{key} goes with factors, not with cells", hint, key=True)
    elif "factors" not in data and "cells" not in data:
        hint = "Give [factors] for a full grid, or one [[cells]] for each chosen combination."
        yield Fault(1, 1, '"factors" or "cells" is missing', hint, width=0)
    yield from _design_faults(source)
    yield from look_faults(source)
    if isinstance(data.get("seeds"), dict) and not data.get("claims"):
        hint = "They are drawn from what is claimed: give a number of seeds, or one table [[claims]] for each claim."
        yield source.fault(("seeds",), "seeds are sealed, and nothing is claimed", hint)
    if isinstance(seeds := data.get("seeds"), list) and len(seeds) <= MAX_SEEDS:
        seen: set[int] = set()
        for index, seed in enumerate(seeds):
            if type(seed) is int and seed in seen:
                yield source.fault(("seeds", index), f"the seed {seed} is listed twice", "Each seed is listed once.")
            elif type(seed) is int:
                seen.add(seed)
    if isinstance(published := data.get("published"), str) and not is_file(source.path.parent / published):
        hint = f"The path is relative to the suite's folder, {source.path.parent.absolute()}."
        yield source.fault(("published",), f"there is no file {show(published)}", hint)


def _design_faults(source: Source) -> Iterator[Fault]:
    design = source.data.get("design")
    nested = [name for name, entry in source.table("factors").items() if isinstance(entry, dict) and "under" in entry]
    if design is not None and (nested or "exclude" in source.data):
        path: KeyPath = ("exclude",) if "exclude" in source.data else ("factors", nested[0], "under")
        hint = "Remove one of the two, or list the cells as [[cells]]."
        yield source.fault(path, f"{path[-1]} goes with the full grid, not with a design", hint, key=True)
    if isinstance(design, dict) and len(design) != 1 and set(design) <= {"fraction", "plackett_burman"}:
        hint = 'design = { fraction = ["D=ABC"] }, or { plackett_burman = 12 }.'
        yield source.fault(("design",), "a design is either a fraction or Plackett–Burman", hint, key=True)
    for name, entry in source.table("factors").items():
        if isinstance(entry, dict) and (fault := sweep_fault(entry)):
            inner, message, hint = fault
            yield source.fault(("factors", name, *inner), message, hint, key=not inner)
