"""A suite, from a TOML file or from Python -> a plan: what is run, checked in full against its experiment."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from pydantic import PrivateAttr, ValidationError

from bench.errors import BenchError
from bench.experiment import Experiment
from bench.plan.claim_check import read_claims
from bench.plan.claims import Claim
from bench.plan.extends import overlay, read_with_bases, text_with_bases
from bench.plan.factors import FactorReader
from bench.plan.faults import shape_faults
from bench.plan.find import find, reference_of
from bench.plan.grid import Exclusion, Nesting, Region, Setting, combinations, within
from bench.plan.levels import Level, attempt, describe
from bench.plan.metrics import Margin, MetricSettings
from bench.plan.nulls import read_nulls
from bench.plan.positions import KeyPath
from bench.plan.rules import check_keys, check_metrics, check_params, check_strata
from bench.plan.seeds import check_seeds, draw_seeds, seal
from bench.plan.shape import (
    TABLES,
    BaselineTable,
    MetricTable,
    ProxiesTable,
    SequentialTable,
    SuiteKeys,
)
from bench.plan.source import Faults, Source
from bench.plan.strata import Strata
from bench.plan.subgrid import design_cells
from bench.plan.writing import lines_of, plain

MAX_CHECKS = 10_000
"""The most cells that are checked with a suite; later ones are checked when they are made."""
MAX_REFUSALS = 3
"""The most refused cells that are reported."""


class Suite(SuiteKeys):
    """What is run and what matters in it, as a value; the keys are those of a suite file (docs/suites.md).

    ``experiment`` is an ``Experiment`` that a module holds under some name, or that name (``"package.module:NAME"``).
    ``margins`` is short for the margins of ``metrics``. Paths are relative to the current directory, or to the folder
    of the file that the suite was read from.

        >>> factors = {"estimator": ["mean", "median"]}
        >>> suite = Suite("study", "study:estimate", seeds=10, factors=factors, margins={"error": "5%"})
        >>> print(suite.to_toml(), end="")
        name = "study"
        experiment = "study:estimate"
        seeds = 10
        <BLANKLINE>
        [factors]
        estimator = ["mean", "median"]
        <BLANKLINE>
        [metrics]
        error = { margin = "5%" }

    Raises:
        bench.errors.BenchError: with every key that is unknown, missing or of the wrong kind.
    """

    _source: Source = PrivateAttr()

    def __init__(
        self,
        name: str | None = None,
        experiment: str | Experiment | None = None,
        /,
        *,
        margins: Mapping[str, float | str | Margin] | None = None,
        **keys: Any,
    ) -> None:
        keys = {"name": name, "experiment": experiment, **keys}
        if isinstance(keys["experiment"], Experiment):
            keys["experiment"] = reference_of(keys["experiment"])
        data = {key: plain(value, key) for key, value in keys.items() if value is not None}
        if margins:
            short = {str(metric): {"margin": plain(margin, "margin")} for metric, margin in margins.items()}
            data["metrics"] = overlay(short, data.get("metrics", {}), 2)
        self._fill(Source(Path.cwd() / f"<{data.get('name')}>", "", data, in_python=True))

    def _fill(self, source: Source) -> None:
        try:
            super().__init__(**source.data)
        except ValidationError as error:
            raise source.error(shape_faults(error, source, SuiteKeys, TABLES)) from None
        self._source = source

    @classmethod
    def _of(cls, source: Source) -> Self:
        suite = cls.__new__(cls)
        cls._fill(suite, source)
        return suite

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The suite in a TOML file, with what it takes from the suites that it extends.

        Raises:
            bench.errors.BenchError: there is no such file; or with every fault of its shape, and its line and column.
        """
        return cls._of(read_with_bases(path))

    def to_toml(self) -> str:
        """The suite as the text of a file for the same folder; what it extends is part of it."""
        return "\n".join(lines_of(self.data)).lstrip("\n") + "\n"

    def where(self, keep: Callable[[Mapping[str, Any]], bool], *, reason: str = "left out by where") -> Suite:
        """The suite without the cells for which ``keep`` is false; it is given each cell's factors by name.

        ``reason`` stands in reports. Levels without any cell are left out.

            >>> suite = Suite.read("study.toml").where(lambda cell: cell["estimator"] == "mean")
            >>> dict(check(suite).factors)
            {'estimator': ('mean',), 'noise': ('normal', 'heavy')}

        Raises:
            bench.errors.BenchError: the suite does not fit its experiment, or no cell is left.
        """
        plan = check(self)
        cells: list[Mapping[str, Level]] = []
        exclusions: list[Exclusion] = []
        for levels in plan.combinations():
            if keep(plan.factor_values(levels)):
                cells.append(levels)
            else:
                exclusions.append(Exclusion({name: (level,) for name, level in levels.items()}, reason))
        if not cells:
            raise BenchError(f"No cell of {self.name} is left.", hint="where keeps the cells for which it is true.")
        keys = {**self.data, "design": None, **_narrow(plan, cells, exclusions)}
        data = {key: plain(value, key) for key, value in keys.items() if value is not None}
        path = self._source.path.with_name(f"<{self.name}>")
        return self._of(Source(path, "", data, in_python=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Suite) and self.data == other.data

    __hash__ = None  # type: ignore[assignment]

    @property
    def data(self) -> dict[str, Any]:
        """The keys that were given, with those that are extended, as TOML would have them."""
        return {key: value for key, value in self._source.data.items() if key != "extends"}


@dataclass(frozen=True)
class Plan:
    """A suite that fits its experiment. ``factors`` and ``listed`` hold levels by their names in tables."""

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
    """The cells of a suite that lists them, or those of its ``design``; None for a grid."""
    metrics: Mapping[str, MetricSettings]
    """For every metric of the experiment, in its order."""
    baseline: BaselineTable
    published: Path | None
    path: Path
    """The file; of a suite made in Python no file, but a name in the folder where relative paths start."""
    text: str
    settings: Mapping[str, Mapping[Level, Any]]
    """Factor -> level -> its value for the experiment."""
    digest: str
    """A hash of the keys and values of the suite; comments and layout are no part of it."""
    claims: tuple[Claim, ...] = ()
    nestings: Mapping[str, Nesting] = field(default_factory=dict)
    """Factor of a grid that has its levels only within a region -> the region and levels."""
    exclusions: tuple[Exclusion, ...] = ()
    """Parts of a grid that are not run."""
    sets: tuple[Setting, ...] = ()
    """Parameters that follow levels; later ones override earlier ones."""
    looks: SequentialTable | None = None
    """The looks of a sequential run; None without."""
    declared_seeds: tuple[int, ...] = ()
    """The seeds in the suite, whatever seeds it is run with."""
    seal: str = ""
    """The hash that sealed seeds are drawn from (``bench.plan.seeds``); empty if it is run with other seeds."""
    strata: Strata | None = None
    """The strata of ``seeds``, whose first holds the replicates; None where each seed is one."""
    proxies: ProxiesTable | None = None
    """Which metrics are asked whether they order cells as another does."""

    @property
    def n_units(self) -> int:
        """The number of replicates: the seeds, or those of the first stratum."""
        return len(self.seeds) if self.strata is None else self.strata.n_units

    @property
    def is_full_grid(self) -> bool:
        """Whether every combination of the levels is run."""
        return self.listed is None and not self.nestings and not self.exclusions

    @property
    def in_python(self) -> bool:
        """Whether the suite was made in Python, and there is no file."""
        return self.path.name.startswith("<")

    @property
    def command(self) -> str:
        """The command or call that runs the suite."""
        return "bench.run(suite)" if self.in_python else f"bench run {self.path}"

    def combinations(self) -> Iterator[Mapping[str, Level]]:
        """The levels of each cell, made one at a time: as listed, or of a grid, the first factor changing slowest."""
        if self.listed is not None:
            return iter(self.listed)
        return combinations(self.factors, self.nestings, self.exclusions)

    def factor_values(self, levels: Mapping[str, Level]) -> Mapping[str, Any]:
        """Factor -> its value for the experiment, at some levels."""
        return {name: self.settings[name][level] for name, level in levels.items()}

    def values(self, levels: Mapping[str, Level]) -> Mapping[str, Any]:
        """The experiment's parameters for a cell: shared ones, those that follow its levels, and its factors."""
        settings = [setting.params for setting in self.sets if within(levels, setting.where)]
        tables = (self.params, *settings, self.factor_values(levels))
        return {name: value for table in tables for name, value in table.items()}


def load(path: Path | str, *, seeds: Sequence[int] | None = None) -> Plan:
    """The plan of the suite in a file; ``seeds`` takes the place of the seeds in the file.

    Raises:
        SuiteError: with every fault of the suite's shape; if it has none, with every one against its experiment.
        BenchError: if there is no such file, or the given seeds are not different integers of at least 0.
    """
    return check(Suite.read(path), seeds=seeds)


def check(suite: Suite, *, seeds: Sequence[int] | None = None) -> Plan:
    """Hold a suite against its experiment; ``seeds`` takes the place of its own.

    Raises:
        SuiteError: with every fault.
        BenchError: the given seeds are not different integers of at least 0.
    """
    source = suite._source  # noqa: SLF001  where its keys stand is of no use to others
    faults = Faults(source)
    check_keys(suite, faults)
    try:
        experiment = find(suite.experiment, source.path)
    except BenchError as error:
        faults.add(("experiment",), error.message, error.hint)
        raise source.error(faults.entries) from error
    suite = suite.model_copy(update=read_nulls(suite, experiment))
    reader = FactorReader(suite, experiment, faults)
    listed = None if suite.cells is None else reader.cells()
    if listed is None:
        reader.grid()
    nestings, exclusions, sets = reader.nestings(), reader.exclusions(), reader.sets()
    factors = {name: tuple(levels) for name, levels in reader.settings.items()}
    if not faults.entries and listed is None:
        listed = design_cells(suite, faults, factors)
    metrics = _metric_settings(suite, experiment)
    claims = tuple(read_claims(suite.claims, faults, reader.settings, metrics))
    check_params(suite, faults, experiment)
    check_metrics(suite, faults, experiment)
    check_strata(suite, faults, experiment, factors)
    faults.check()
    own = None if suite.strata is None else Strata(suite.strata.seeds, suite.strata.crossed)
    own_seeds = check_seeds(suite.listed_seeds or suite.n_seeds) if own is None else own.runs()
    given = None if seeds is None else check_seeds(seeds)
    strata = own if own is None or given is None else own.with_units(given)
    plan = Plan(
        name=suite.name,
        reference=suite.experiment,
        experiment=experiment,
        seeds=own_seeds if given is None else given if strata is None else strata.runs(),
        declared_seeds=own_seeds,
        strata=strata,
        params=suite.params,
        factors=factors,
        listed=listed,
        metrics=metrics,
        baseline=suite.baseline or BaselineTable(),
        published=None if suite.published is None else source.path.parent / suite.published,
        path=source.path,
        text=suite.to_toml() if source.in_python else text_with_bases(source),
        settings=reader.settings,
        nestings=nestings,
        exclusions=exclusions,
        sets=sets,
        digest=hashlib.sha256(json.dumps(source.data, sort_keys=True, default=str).encode()).hexdigest()[:20],
        claims=claims,
        looks=suite.sequential,
        proxies=suite.proxies,
    )
    _check_cells(faults, plan)
    faults.check()
    return _seal_seeds(plan, own, given) if suite.is_sealed else plan


def _seal_seeds(plan: Plan, strata: Strata | None, given: Sequence[int] | None) -> Plan:
    """``plan`` with as many seeds as it asks for, drawn from its seal; if ``given`` replace them, it has no seal.

    ``strata``: those of the suite, if it has any.
    """
    params = (plan.experiment.changed(plan.experiment.make(plan.values(levels))) for levels in plan.combinations())
    own = seal(plan.claims, params, plan.reference, plan.experiment.version)
    drawn = None if strata is None else strata.sealed(own)
    sealed = draw_seeds(own, len(plan.declared_seeds)) if drawn is None else drawn.runs()
    if given is not None:
        return replace(plan, declared_seeds=sealed)
    return replace(plan, seeds=sealed, declared_seeds=sealed, seal=own, strata=drawn)


def _metric_settings(suite: Suite, experiment: Experiment) -> Mapping[str, MetricSettings]:
    """Metric of the experiment -> its settings, those of the suite before those of the experiment."""
    settings = {}
    for metric in experiment.metrics:
        table = suite.metrics.get(metric.name, MetricTable())
        ends = metric.range if table.range is None else (table.range[0], table.range[1])
        own = MetricSettings(scale=table.scale or metric.scale, range=ends)
        settings[metric.name] = own.with_margin(table.margin)
    return settings


def _check_cells(faults: Faults, plan: Plan) -> None:
    """Faults for cells that the experiment refuses and, if all are checked, for levels and regions without a cell."""
    missing = {(name, level) for name, levels in plan.factors.items() for level in levels}
    cells = list(itertools.islice(plan.combinations(), MAX_CHECKS))
    for index, combination in enumerate(cells):
        missing.difference_update(combination.items())
        for refusal in attempt(plan.experiment, plan.values(combination)).refusals.values():
            place: KeyPath = ("cells", index) if "cells" in faults.source.data else ("factors",)
            faults.add(place, f"the experiment refuses the cell {describe(combination)}", refusal.allowed, key=True)
        if len(faults.entries) >= MAX_REFUSALS:
            return
    if not cells:
        faults.add(("exclude",), "every cell is excluded", "Exclude less.", key=True)
    for name, level in sorted(missing, key=str) if 0 < len(cells) < MAX_CHECKS else ():
        faults.add(("factors", name), f"no cell has {describe({name: level})}", "Leave it out.", key=True)
    grid = list(itertools.islice(combinations(plan.factors, plan.nestings), MAX_CHECKS)) if plan.exclusions else []
    _check_regions(faults, "set", "this is set in no cell", [one.where for one in plan.sets], cells)
    _check_regions(faults, "exclude", "this excludes no cell", [one.where for one in plan.exclusions], grid)


def _check_regions(
    faults: Faults, key: str, message: str, regions: Sequence[Region], cells: Sequence[Mapping[str, Level]]
) -> None:
    """Faults for regions in which none of the cells lies, if these are all cells."""
    for index, region in enumerate(regions):
        if 0 < len(cells) < MAX_CHECKS and not any(within(cell, region) for cell in cells):
            faults.add((key, index), message, "Leave it out, or correct it.", key=True)


def _narrow(plan: Plan, cells: Sequence[Mapping[str, Level]], exclusions: Sequence[Exclusion]) -> dict[str, Any]:
    """The keys of a suite that has only some of the plan's ``cells``, with ``exclusions`` of the others.

    A grid stays one, with its levels in their order, so that the reference levels stay what they were.
    """
    present = {name: {cell[name] for cell in cells} for name in plan.factors}
    remaining = {name: [level for level in levels if level in present[name]] for name, levels in plan.factors.items()}

    def values(name: str, levels: Iterable[Level]) -> list[Any]:
        return [plan.settings[name][level] for level in levels if level in remaining[name]]

    def where(region: Region) -> dict[str, Any] | None:
        tables = {name: values(name, levels) for name, levels in region.items()}
        return tables if all(tables.values()) else None

    sets = [{"where": region, "params": one.params} for one in plan.sets if (region := where(one.where))]
    if plan.listed is not None:
        return {"set": sets, "factors": None, "cells": [plan.factor_values(cell) for cell in cells]}
    factors: dict[str, Any] = {}
    for name, levels in remaining.items():
        nesting = plan.nestings.get(name)
        under = None if nesting is None else where(nesting.under)
        nested = [] if nesting is None else values(name, nesting.levels)
        if nesting is not None and under and nested:
            otherwise = plan.settings[name][nesting.otherwise]
            factors[name] = {"levels": nested, "under": under, "otherwise": otherwise}
        else:
            factors[name] = values(name, levels)
    parts = [*plan.exclusions, *exclusions]
    exclude = [{"where": region, "reason": one.reason} for one in parts if (region := where(one.where))]
    return {"set": sets, "factors": factors, "exclude": exclude}
