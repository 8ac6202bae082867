"""A suite whose keys are each well-formed -> faults between keys, and against its experiment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

from bench.experiment import Experiment
from bench.plan.levels import attempt
from bench.plan.positions import KeyPath
from bench.plan.shape import MAX_SEEDS, SuiteKeys, SweepTable
from bench.plan.source import Faults, did_you_mean, is_file, show
from bench.plan.strata import ENDING

RESERVED = ("run", "seed", "status", "metric", "value", "text")
"""Columns of every table of runs; no factor or metric may be called so."""


def check_keys(keys: SuiteKeys, faults: Faults) -> None:
    """Faults between keys; none of them depends on the experiment."""
    _check_cells(keys, faults)
    _check_looks(keys, faults)
    _check_claims(keys, faults)
    if keys.is_sealed and not keys.claims:
        hint = "They are drawn from what is claimed: give a number of seeds, or one table [[claims]] for each claim."
        faults.add(("seeds",), "seeds are sealed, and nothing is claimed", hint)
    _check_listed(keys.listed_seeds, ("seeds",), faults)
    _check_strata(keys, faults)
    if keys.published is not None and not is_file(faults.source.path.parent / keys.published):
        hint = f"The path is relative to the suite's folder, {faults.source.path.parent.absolute()}."
        faults.add(("published",), f"there is no file {show(keys.published)}", hint)


def _check_listed(seeds: Sequence[int], path: KeyPath, faults: Faults) -> None:
    first_index: dict[int, int] = {}
    for index, seed in enumerate(seeds):
        if first_index.setdefault(seed, index) != index:
            faults.add((*path, index), f"the seed {seed} is listed twice", "Each seed is listed once.")


def _check_strata(keys: SuiteKeys, faults: Faults) -> None:
    """Strata that are too few, too many runs, or with seeds that are listed twice."""
    if keys.strata is None:
        return
    strata = keys.strata.seeds
    if len(strata) < 2:
        hint = "Give two or more, the outermost first: { data = 6, sae = 3 }; or a number of seeds; or { sealed = 30 }."
        faults.add(("seeds",), f"the seeds have {len(strata) or 'no'} strat{'um' if strata else 'a'}", hint)
    for name, seeds in strata.items():
        _check_listed(seeds, ("seeds", name), faults)
    if keys.n_seeds > MAX_SEEDS:
        faults.add(("seeds",), f"{keys.n_seeds} runs of each cell", f"At most {MAX_SEEDS}: give strata fewer seeds.")


def check_strata(keys: SuiteKeys, faults: Faults, experiment: Experiment, factors: Collection[str]) -> None:
    """Strata that the experiment does not have, or whose columns have another's name."""
    known = experiment.strata
    others = {*RESERVED, *factors, *(metric.name for metric in experiment.metrics)}
    for name in keys.strata.seeds if keys.strata else ():
        if name not in known:
            names = f"Its strata: {', '.join(known)}.{did_you_mean(name, known)}" if known else (
                "It takes a single seed for all of a run (Experiment.strata): give a number of seeds."
            )  # fmt: skip
            faults.add(("seeds", name), f"the experiment has no stratum {show(name)}", names, key=True)
        elif f"{name}{ENDING}" in others:
            hint = "Rename the factor or metric."
            faults.add(("seeds", name), f"tables have a column {name}{ENDING} of a factor or metric", hint, key=True)


def check_params(keys: SuiteKeys, faults: Faults, experiment: Experiment) -> None:
    """Parameters of ``[params]`` and ``[[set]]`` that the experiment does not have, or whose value it refuses."""
    tables: list[tuple[KeyPath, Mapping[str, Any], Mapping[str, Any]]] = [(("params",), keys.params, {})]
    tables += [(("set", index, "params"), table.params, keys.params) for index, table in enumerate(keys.sets)]
    for place, values, shared in tables:
        unknown_parameters(faults, place, values, experiment)
        fitting = {name: value for name, value in values.items() if name in experiment.fields}
        for name, refusal in attempt(experiment, {**shared, **fitting}).refusals.items():
            if name in fitting:  # a refusal of all values together may still be mended by a factor
                faults.add((*place, name), refusal.message, refusal.allowed)


def check_metrics(keys: SuiteKeys, faults: Faults, experiment: Experiment) -> None:
    """Metrics that no table can hold, and mention of metrics that the experiment does not have."""
    names = [metric.name for metric in experiment.metrics]
    for name in {*RESERVED} & {*names}:
        hint = f"Tables of runs have columns {', '.join(RESERVED)} of their own; rename it in the experiment."
        faults.add(("experiment",), f"its metric {show(name)} bears the name of a column", hint)
    of_baseline = (keys.baseline.metrics if keys.baseline else None) or []
    mentions: list[tuple[KeyPath, str]] = [(("metrics", name), name) for name in keys.metrics]
    if keys.proxies is not None:
        mentions += [(("proxies", "target"), keys.proxies.target)]
        mentions += [(("proxies", "metrics", index), name) for index, name in enumerate(keys.proxies.metrics)]
    mentions += [(("baseline", "metrics", index), name) for index, name in enumerate(of_baseline)]
    for path, name in mentions:
        if name not in names:
            hint = f"Its metrics: {', '.join(names)}.{did_you_mean(name, names)}"
            faults.add(path, f"the experiment has no metric {show(name)}", hint, key=path[0] == "metrics")


def unknown_parameters(faults: Faults, table: KeyPath, names: Collection[str], experiment: Experiment) -> None:
    """Names in a table that are no parameters of the experiment."""
    for name in names:
        if name not in experiment.fields:
            hint = f"Its parameters: {', '.join(experiment.fields)}.{did_you_mean(name, experiment.fields)}"
            faults.add((*table, name), f"the experiment has no parameter {show(name)}", hint, key=True)


def sweep_fault(sweep: SweepTable) -> tuple[KeyPath, str, str] | None:
    """Path, message and hint of a fault between the keys of a factor that is given as a table; None without one."""
    forms = [key for key in ("levels", "log", "linear") if getattr(sweep, key) is not None]
    if len(forms) != 1:
        what = "both " + " and ".join(forms[:2]) if forms else "none of levels, log and linear"
        return (), f"a sweep with {what}", "Give levels = […], or log or linear = [first, last] with points."
    if sweep.levels is not None:
        fault = "points goes with log or linear", "The levels are listed here; leave points out."
        return None if sweep.points is None else (("points",), *fault)
    if sweep.points is None:
        return (), f"a sweep with {forms[0]} and no points", "Say how many levels there are: points = 4."
    bounds = sweep.log or sweep.linear or []
    if bounds[0] == bounds[1]:
        return (forms[0],), "a sweep from a number to itself", "Give two different numbers: [first, last]."
    if sweep.log is not None and min(bounds) <= 0:
        return ("log",), "a logarithmic sweep of numbers that are not positive", "Use linear, or numbers above 0."
    return None


def _check_cells(keys: SuiteKeys, faults: Faults) -> None:
    if keys.factors is not None and keys.cells is not None:
        faults.add(("cells",), "a suite has either factors or cells", "Remove one of the two.", key=True)
    elif keys.cells is not None and (keys.design is not None or keys.exclude):
        key = "design" if keys.design is not None else "exclude"
        hint = "It chooses among the combinations of [factors]; cells are chosen by being listed."
        faults.add((key,), f"{key} goes with factors, not with cells", hint, key=True)
    elif keys.factors is None and keys.cells is None:
        hint = "Give [factors] for a full grid, or one [[cells]] for each chosen combination."
        faults.add((), '"factors" or "cells" is missing', hint)
    nestings = [name for name, sweep in keys.sweeps.items() if sweep.under is not None]
    if keys.design is not None and (nestings or keys.exclude):
        path: KeyPath = ("exclude",) if keys.exclude else ("factors", nestings[0], "under")
        hint = "Remove one of the two, or list the cells as [[cells]]."
        faults.add(path, f"{path[-1]} goes with the full grid, not with a design", hint, key=True)
    for name, sweep in keys.sweeps.items():
        if fault := sweep_fault(sweep):
            inner, message, hint = fault
            faults.add(("factors", name, *inner), message, hint, key=not inner)


def _check_looks(keys: SuiteKeys, faults: Faults) -> None:
    """Looks that do not rise, and a last one that is not at all seeds of the suite."""
    if keys.sequential is None:
        return
    looks, count = keys.sequential.looks, keys.n_seeds
    if keys.strata is not None:
        message, hint = "looks are at numbers of seeds, and these have strata", "Give a number of seeds, or no looks."
        faults.add(("sequential",), message, hint, key=True)
        return
    for index, (before, look) in enumerate(pairwise(looks), start=1):
        if look <= before:
            message = f"the look at {look} seeds does not come after the one at {before}"
            faults.add(("sequential", "looks", index), message, "Looks rise: looks = [10, 20, 40].")
            return
    if looks[-1] != count:
        message = f"the last look is at {looks[-1]} seeds, and the suite has {count}"
        hint = f"End with {count}, or give the suite {looks[-1]} seeds."
        faults.add(("sequential", "looks", len(looks) - 1), message, hint)


def _check_claims(keys: SuiteKeys, faults: Faults) -> None:
    first_index: dict[str, int] = {}
    for index, claim in enumerate(keys.claims):
        if first_index.setdefault(claim.id, index) != index:
            message = f"claim {index + 1} has the id of claim {first_index[claim.id] + 1}: {show(claim.id)}"
            faults.add(("claims", index, "id"), message, "Each claim has an id of its own.")
    headlines = [index for index, claim in enumerate(keys.claims) if claim.headline]
    for index in headlines[1:]:
        message = f"claim {index + 1} is a headline, and claim {headlines[0] + 1} is one already"
        faults.add(("claims", index, "headline"), message, "A report has one headline.")
