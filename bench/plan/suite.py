"""A suite file -> a Suite: what is run, checked in full against its experiment, with every fault found at once."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.experiment import Experiment
from bench.plan.baseline import BaselineSettings, baseline_settings
from bench.plan.check import Levels, levels, metric_faults, params_faults
from bench.plan.claim_check import ClaimReader
from bench.plan.claims import Claim
from bench.plan.extends import read_extended, whole_text
from bench.plan.find import find
from bench.plan.grid import Exclusion, Nesting, combinations, within
from bench.plan.levels import Level, attempt, describe
from bench.plan.looks import PlannedLooks, planned_looks
from bench.plan.metrics import MetricSettings, parse_margin
from bench.plan.positions import KeyPath
from bench.plan.rules import rule_faults
from bench.plan.seal import draw_seeds, seal
from bench.plan.shape import MAX_SEEDS, shape_faults
from bench.plan.source import Fault, Source, SuiteError, show

MAX_TRIED = 10_000
"""So many cells are tried when a suite is loaded; later ones when they are made."""


@dataclass(frozen=True)
class Suite:
    """What is run. ``factors`` and ``listed`` hold levels as every table calls them (``levels.Level``)."""

    name: str
    reference: str
    """The experiment as the suite names it, ``package.module:NAME``."""
    experiment: Experiment
    seeds: tuple[int, ...]
    params: Mapping[str, Any]
    """What every run shares, as the suite gives it."""
    factors: Mapping[str, tuple[Level, ...]]
    """Name -> levels, the first the reference; for listed cells in the order of first appearance."""
    listed: tuple[Mapping[str, Level], ...] | None
    """The cells of a suite that lists them, or whose ``design`` chooses them; None for a grid."""
    metrics: Mapping[str, MetricSettings]
    """For every metric of the experiment, in its order."""
    baseline: BaselineSettings
    published: Path | None
    path: Path
    text: str
    settings: Mapping[str, Mapping[Level, Any]]
    """Factor -> level -> the value that the experiment is given for it."""
    digest: str
    """A hash of what the file says, comments and layout aside."""
    claims: tuple[Claim, ...] = ()
    nestings: Mapping[str, Nesting] = field(default_factory=dict)
    """Factor of a grid -> where alone it is swept."""
    exclusions: tuple[Exclusion, ...] = ()
    """Parts of a grid that are not run."""
    looks: PlannedLooks | None = None
    """When claims are judged while the suite is run."""
    declared_seeds: tuple[int, ...] = ()
    """What the file asks for, or one that it extends, whatever seeds it is run with."""
    seal: str = ""
    """What the seeds are drawn from (``bench.plan.seal``), if the file asks for sealed seeds and is run with them."""

    @property
    def is_full_grid(self) -> bool:
        """Whether every combination of the levels is run."""
        return self.listed is None and not self.nestings and not self.exclusions

    def combinations(self) -> Iterator[Mapping[str, Level]]:
        """The levels of each cell, made one at a time: as listed, or of a grid, the first factor changing slowest."""
        if self.listed is not None:
            return iter(self.listed)
        return combinations(self.factors, self.nestings, self.exclusions)

    def values(self, levels: Mapping[str, Level]) -> Mapping[str, Any]:
        """What the experiment is given for a cell: the shared parameters and the cell's own."""
        return {**self.params, **{name: self.settings[name][level] for name, level in levels.items()}}


def load(path: Path | str, *, seeds: Sequence[int] | None = None) -> Suite:
    """Read a suite and check all of it; ``seeds`` takes the place of the seeds in the file.

    Raises:
        SuiteError: with every fault of the suite.
        BenchError: if there is no such file, or the given seeds are not different integers of at least 0.
    """
    source = read_extended(path)
    faults = [*shape_faults(source), *rule_faults(source)]
    experiment = _experiment(source, faults.append)
    if experiment is not None:
        found = levels(source, experiment)
        faults += [*params_faults(source, experiment), *metric_faults(source, experiment), *found.faults]
        reader = ClaimReader(source, found.settings, _all_metric_settings(source, experiment))
        claims = reader.claims()
        faults += reader.faults
    if faults or experiment is None:
        raise SuiteError(source.path, source.text, faults)
    suite = _suite(source, experiment, found, claims, seeds)
    if wrong := list(itertools.islice(_cell_faults(source, suite), 3)):
        raise SuiteError(source.path, source.text, wrong)
    return _sealed(suite, seeds) if isinstance(source.data["seeds"], dict) else suite


def parse_seeds(text: str) -> tuple[int, ...]:
    """``"20"`` -> 0 to 19; ``"5-9"`` -> 5 to 9; ``"3,5,8"`` -> these, and ranges among them.

    Raises:
        BenchError: for anything else.
    """
    if re.fullmatch(r"[0-9]{1,7}", text):
        return _given_seeds(int(text))
    seeds: list[int] = []
    for part in text.split(","):
        bounds = re.fullmatch(r" *([0-9]{1,18})(?:-([0-9]{1,18}))? *", part)
        first, last = (int(bounds[1]), int(bounds[2] or bounds[1])) if bounds else (1, 0)
        if not first <= last < first + MAX_SEEDS:
            raise BenchError(f"{show(text)} does not name seeds.", hint=_SEEDS)
        seeds.extend(range(first, last + 1))
    return _given_seeds(seeds)


_SEEDS = f'Give a count ("20"), a range ("0-19") or a list ("3,5,8") of different integers, at most {MAX_SEEDS}.'


def _given_seeds(seeds: int | Sequence[Any]) -> tuple[int, ...]:
    given = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    are_integers = all(type(seed) is int and 0 <= seed < 2**63 for seed in given)
    if not (are_integers and 0 < len(given) <= MAX_SEEDS and len(set(given)) == len(given)):
        raise BenchError(f"The seeds {show(seeds)} are not different integers of at least 0.", hint=_SEEDS)
    return given


def _experiment(source: Source, report: Callable[[Fault], None]) -> Experiment | None:
    reference = source.data.get("experiment")
    if not isinstance(reference, str):
        return None
    try:
        return find(reference, source.path)
    except BenchError as error:
        report(source.fault(("experiment",), error.message, error.hint))
        return None


def _suite(
    source: Source, experiment: Experiment, found: Levels, claims: tuple[Claim, ...], seeds: Sequence[int] | None
) -> Suite:
    data = source.data
    given = data["seeds"]
    declared = _given_seeds(given["sealed"] if isinstance(given, dict) else given)
    published = data.get("published")
    return Suite(
        name=data["name"],
        reference=data["experiment"],
        experiment=experiment,
        seeds=declared if seeds is None else _given_seeds(seeds),
        declared_seeds=declared,
        params=source.table("params"),
        factors={name: tuple(taken) for name, taken in found.settings.items()},
        listed=found.listed,
        metrics=_all_metric_settings(source, experiment),
        baseline=baseline_settings(source.table("baseline")),
        published=None if published is None else source.path.parent / published,
        path=source.path,
        text=whole_text(source),
        settings=found.settings,
        nestings=found.nestings,
        exclusions=found.exclusions,
        digest=hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:20],
        claims=claims,
        looks=planned_looks(source.table("sequential")),
    )


def _sealed(suite: Suite, seeds: Sequence[int] | None) -> Suite:
    """``suite`` with as many seeds as it declares, drawn from its seal; if ``seeds`` take their place, without one."""
    changed = (suite.experiment.changed(suite.experiment.make(suite.values(levels))) for levels in suite.combinations())
    own = seal(suite.claims, changed, suite.reference, suite.experiment.version)
    drawn = draw_seeds(own, len(suite.declared_seeds))
    if seeds is not None:
        return replace(suite, declared_seeds=drawn)
    return replace(suite, seeds=drawn, declared_seeds=drawn, seal=own)


def _all_metric_settings(source: Source, experiment: Experiment) -> Mapping[str, MetricSettings]:
    """For every metric what the suite says of it; a table that is at fault says nothing."""
    settings = {}
    for metric in experiment.metrics:
        given = source.table("metrics").get(metric.name)
        table = given if isinstance(given, dict) else {}
        margin, relative = parse_margin(table.get("margin"))
        settings[metric.name] = MetricSettings(margin, relative, table.get("scale", metric.scale))
    return settings


def _cell_faults(source: Source, suite: Suite) -> Iterator[Fault]:
    """Combinations that the experiment refuses; and if all can be tried, levels and exclusions without a cell."""
    unused = {(name, level) for name, levels in suite.factors.items() for level in levels}
    tried = list(itertools.islice(suite.combinations(), MAX_TRIED))
    for index, combination in enumerate(tried):
        unused.difference_update(combination.items())
        for refusal in attempt(suite.experiment, suite.values(combination)).refusals.values():
            place: KeyPath = ("cells", index) if "cells" in source.data else ("factors",)
            fault = f"the experiment refuses the cell {describe(combination)}"
            yield source.fault(place, fault, refusal.allowed, key=True)
    if not tried:
        yield source.fault(("exclude",), "every cell is excluded", "Exclude less.", key=True)
    elif len(tried) < MAX_TRIED:
        for name, level in sorted(unused, key=str):
            yield source.fault(("factors", name), f"no cell has {describe({name: level})}", "Leave it out.", key=True)
    grid = list(itertools.islice(combinations(suite.factors, suite.nestings), MAX_TRIED)) if suite.exclusions else []
    for index, exclusion in enumerate(suite.exclusions):
        if len(grid) < MAX_TRIED and not any(within(cell, exclusion.where) for cell in grid):
            yield source.fault(("exclude", index), "this excludes no cell", "Leave it out, or correct it.", key=True)
