"""A suite, from a TOML file or from Python -> a plan: what is run, checked in full against its experiment."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, time
from pathlib import Path
from typing import Any, Self

from pydantic import PrivateAttr
from pydantic_core import PydanticSerializationError, to_jsonable_python

from bench.errors import BenchError
from bench.experiment import Experiment
from bench.plan.check import LevelReader, metric_faults, params_faults
from bench.plan.chosen import chosen_cells
from bench.plan.claim_check import ClaimReader
from bench.plan.claims import Claim
from bench.plan.extends import read_extended, whole_text
from bench.plan.find import find
from bench.plan.grid import Exclusion, Nesting, Region, Setting, combinations, within
from bench.plan.levels import Level, attempt, describe
from bench.plan.metrics import Margin, MetricSettings
from bench.plan.nulls import NULL, read_nulls
from bench.plan.positions import KeyPath
from bench.plan.regions import RegionReader
from bench.plan.rules import rule_faults
from bench.plan.seal import draw_seeds, seal
from bench.plan.shape import MAX_SEEDS, BaselineTable, SealedTable, SequentialTable, SuiteKeys, require_shape
from bench.plan.source import Fault, Source, show
from bench.plan.writing import lines_of

MAX_TRIED = 10_000
"""So many cells are tried when a suite is checked; later ones when they are made."""


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
            keys["experiment"] = _reference(keys["experiment"])
        data = {key: _plain(value, is_level=key in _HOLD_LEVELS) for key, value in keys.items() if value is not None}
        if margins:
            metrics = dict(data.get("metrics") or {})
            for metric, margin in margins.items():
                metrics[metric] = {**metrics.get(metric, {}), "margin": _plain(margin)}
            data["metrics"] = metrics
        source = Source(Path.cwd() / f"<{data.get('name')}>", "", data, in_python=True)
        self._fill(source)

    def _fill(self, source: Source) -> None:
        require_shape(source)
        super().__init__(**source.data)
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
        return cls._of(read_extended(path))

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
        kept: list[Mapping[str, Level]] = []
        gone: list[Mapping[str, Level]] = []
        for levels in plan.combinations():
            (kept if keep(plan.given(levels)) else gone).append(levels)
        if not kept:
            raise BenchError(f"No cell of {self.name} is left.", hint="where keeps the cells for which it is true.")
        data = _narrowed(plan, kept, [Exclusion({n: (level,) for n, level in cell.items()}, reason) for cell in gone])
        data = {**self.data, "design": None, **data}
        data = {k: _plain(value, is_level=k in _HOLD_LEVELS) for k, value in data.items() if value is not None}
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
    """A suite that fits its experiment. ``factors`` and ``listed`` hold levels as every table calls them."""

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
    baseline: BaselineTable
    published: Path | None
    path: Path
    """The file; of a suite made in Python no file, but a name in the folder from which relative paths are seen."""
    text: str
    settings: Mapping[str, Mapping[Level, Any]]
    """Factor -> level -> the value that the experiment is given for it."""
    digest: str
    """A hash of what the suite says, comments and layout aside."""
    claims: tuple[Claim, ...] = ()
    nestings: Mapping[str, Nesting] = field(default_factory=dict)
    """Factor of a grid -> where alone it is swept."""
    exclusions: tuple[Exclusion, ...] = ()
    """Parts of a grid that are not run."""
    sets: tuple[Setting, ...] = ()
    """Parameters that follow levels; later ones before earlier ones."""
    looks: SequentialTable | None = None
    """When claims are judged while the suite is run."""
    declared_seeds: tuple[int, ...] = ()
    """What the suite asks for, or one that it extends, whatever seeds it is run with."""
    seal: str = ""
    """What the seeds are drawn from (``bench.plan.seal``), if the suite asks for sealed seeds and is run with them."""

    @property
    def is_full_grid(self) -> bool:
        """Whether every combination of the levels is run."""
        return self.listed is None and not self.nestings and not self.exclusions

    @property
    def in_python(self) -> bool:
        """Whether there is no file to run it from."""
        return self.path.name.startswith("<")

    @property
    def command(self) -> str:
        """What runs the suite again, as people type it."""
        return "bench.run(suite)" if self.in_python else f"bench run {self.path}"

    def combinations(self) -> Iterator[Mapping[str, Level]]:
        """The levels of each cell, made one at a time: as listed, or of a grid, the first factor changing slowest."""
        if self.listed is not None:
            return iter(self.listed)
        return combinations(self.factors, self.nestings, self.exclusions)

    def given(self, levels: Mapping[str, Level]) -> Mapping[str, Any]:
        """What the suite gives for some levels."""
        return {name: self.settings[name][level] for name, level in levels.items()}

    def values(self, levels: Mapping[str, Level]) -> Mapping[str, Any]:
        """What the experiment is given for a cell: shared parameters, those that follow its levels, and its own."""
        following = [setting.params for setting in self.sets if within(levels, setting.where)]
        return {name: value for table in (self.params, *following, self.given(levels)) for name, value in table.items()}


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
    faults = list(rule_faults(suite, source))
    try:
        experiment = find(suite.experiment, source.path)
    except BenchError as error:
        raise source.error([*faults, source.fault(("experiment",), error.message, error.hint)]) from error
    suite = suite.model_copy(update=read_nulls(suite, experiment))
    reader = LevelReader(suite, source, experiment)
    listed = None if suite.cells is None else reader.cells()
    if listed is None:
        reader.grid()
    regions = RegionReader(suite, source, experiment, reader.settings)
    nestings, exclusions, sets = regions.nestings(), regions.exclusions(), regions.sets()
    settings = regions.settings
    faults += [*reader.faults, *regions.faults]
    factors = {name: tuple(levels) for name, levels in settings.items()}
    if not faults and listed is None:
        listed, faults = chosen_cells(suite, source, factors)
    metrics = _metric_settings(suite, experiment)
    claims = ClaimReader(source, settings, metrics)
    stated = claims.claims(suite.claims)
    faults += [*params_faults(suite, source, experiment), *metric_faults(suite, source, experiment), *claims.faults]
    if faults:
        raise source.error(faults)
    declared = _given_seeds(suite.seeds if isinstance(suite.seeds, list) else suite.n_seeds)
    plan = Plan(
        name=suite.name,
        reference=suite.experiment,
        experiment=experiment,
        seeds=declared if seeds is None else _given_seeds(seeds),
        declared_seeds=declared,
        params=suite.params,
        factors=factors,
        listed=listed,
        metrics=metrics,
        baseline=suite.baseline or BaselineTable(),
        published=None if suite.published is None else source.path.parent / suite.published,
        path=source.path,
        text=suite.to_toml() if source.in_python else whole_text(source),
        settings=settings,
        nestings=nestings,
        exclusions=exclusions,
        sets=sets,
        digest=hashlib.sha256(json.dumps(source.data, sort_keys=True, default=str).encode()).hexdigest()[:20],
        claims=stated,
        looks=suite.sequential,
    )
    if wrong := list(itertools.islice(_cell_faults(source, plan), 3)):
        raise source.error(wrong)
    return _sealed(plan, seeds) if isinstance(suite.seeds, SealedTable) else plan


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


def _sealed(plan: Plan, seeds: Sequence[int] | None) -> Plan:
    """``plan`` with as many seeds as it declares, drawn from its seal; if ``seeds`` take their place, without one."""
    changed = (plan.experiment.changed(plan.experiment.make(plan.values(levels))) for levels in plan.combinations())
    own = seal(plan.claims, changed, plan.reference, plan.experiment.version)
    drawn = draw_seeds(own, len(plan.declared_seeds))
    if seeds is not None:
        return replace(plan, declared_seeds=drawn)
    return replace(plan, seeds=drawn, declared_seeds=drawn, seal=own)


def _metric_settings(suite: Suite, experiment: Experiment) -> Mapping[str, MetricSettings]:
    """For every metric what the suite says of it."""
    settings = {}
    for metric in experiment.metrics:
        table = suite.metrics.get(metric.name)
        margin = None if table is None or table.margin is None else Margin.parse(table.margin)
        scale = (table.scale if table else None) or metric.scale
        size, relative = (margin.size, margin.relative) if margin else (None, False)
        ends = metric.range if table is None or table.range is None else (table.range[0], table.range[1])
        settings[metric.name] = MetricSettings(size, relative, scale, ends)
    return settings


def _cell_faults(source: Source, plan: Plan) -> Iterator[Fault]:
    """Combinations that the experiment refuses; and if all can be tried, what holds in no cell."""
    unused = {(name, level) for name, levels in plan.factors.items() for level in levels}
    tried = list(itertools.islice(plan.combinations(), MAX_TRIED))
    for index, combination in enumerate(tried):
        unused.difference_update(combination.items())
        for refusal in attempt(plan.experiment, plan.values(combination)).refusals.values():
            place: KeyPath = ("cells", index) if "cells" in source.data else ("factors",)
            fault = f"the experiment refuses the cell {describe(combination)}"
            yield source.fault(place, fault, refusal.allowed, key=True)
    if not tried:
        yield source.fault(("exclude",), "every cell is excluded", "Exclude less.", key=True)
    elif len(tried) < MAX_TRIED:
        for name, level in sorted(unused, key=str):
            yield source.fault(("factors", name), f"no cell has {describe({name: level})}", "Leave it out.", key=True)
        for index, setting in enumerate(plan.sets):
            if not any(within(cell, setting.where) for cell in tried):
                yield source.fault(("set", index), "this is set in no cell", "Leave it out, or correct it.", key=True)
    grid = list(itertools.islice(combinations(plan.factors, plan.nestings), MAX_TRIED)) if plan.exclusions else []
    for index, exclusion in enumerate(plan.exclusions):
        if len(grid) < MAX_TRIED and not any(within(cell, exclusion.where) for cell in grid):
            yield source.fault(("exclude", index), "this excludes no cell", "Leave it out, or correct it.", key=True)


def _narrowed(plan: Plan, kept: Sequence[Mapping[str, Level]], gone: Sequence[Exclusion]) -> dict[str, Any]:
    """The keys of a suite that say which cells there are, without those that are ``gone``.

    A grid stays one, with its levels in their order, so that the reference levels stay what they were.
    """
    present = {name: {cell[name] for cell in kept} for name in plan.factors}
    used = {name: [level for level in levels if level in present[name]] for name, levels in plan.factors.items()}

    def values(name: str, levels: Iterable[Level]) -> list[Any]:
        return [plan.settings[name][level] for level in levels if level in used[name]]

    def where(region: Region) -> dict[str, Any] | None:
        tables = {name: values(name, levels) for name, levels in region.items()}
        return tables if all(tables.values()) else None

    sets = [{"where": there, "params": one.params} for one in plan.sets if (there := where(one.where))]
    if plan.listed is not None:
        return {"set": sets, "factors": None, "cells": [plan.given(cell) for cell in kept]}
    factors: dict[str, Any] = {}
    for name, levels in used.items():
        nesting = plan.nestings.get(name)
        under = None if nesting is None else where(nesting.under)
        swept = [] if nesting is None else values(name, nesting.swept)
        if nesting is not None and under and swept:
            elsewhere = plan.settings[name][nesting.otherwise]
            factors[name] = {"levels": swept, "under": under, "otherwise": elsewhere}
        else:
            factors[name] = values(name, levels)
    left_out = [*plan.exclusions, *gone]
    exclude = [{"where": there, "reason": one.reason} for one in left_out if (there := where(one.where))]
    return {"set": sets, "factors": factors, "exclude": exclude}


def _reference(experiment: Experiment) -> str:
    """The name ``package.module:NAME`` under which a module holds the experiment, a package's rather than __main__'s.

    Raises:
        BenchError: no module holds it.
    """
    own = (getattr(experiment.run, "__module__", ""), experiment.params.__module__)
    names = sorted(sys.modules, key=lambda name: (name == "__main__", name not in own, name))
    for module in names:
        names_of = getattr(sys.modules[module], "__dict__", {})
        if name := next((name for name, value in list(names_of.items()) if value is experiment), None):
            return f"{module}:{name}"
    raise BenchError(
        "The experiment has no name by which it could be found again.",
        hint="Give it one at the top of a module or notebook: EXPERIMENT = Experiment(…).",
    )


_HOLD_LEVELS = ("params", "cells", "where", "under", "otherwise", "at", "from", "to")
"""Keys below which None is a value, while it elsewhere stands for a key that is not given."""


def _plain(value: Any, *, is_level: bool = False) -> Any:
    """A value given in Python as TOML would have it: lists, tables, plain numbers, and "null" for None."""
    if isinstance(value, Mapping):
        below = {str(name): (item, is_level or name in _HOLD_LEVELS) for name, item in value.items()}
        return {name: _plain(item, is_level=may) for name, (item, may) in below.items() if may or item is not None}
    if value is None:
        return NULL
    if isinstance(value, list | tuple | range | AbstractSet):
        items = sorted(value, key=repr) if isinstance(value, AbstractSet) else value
        return [_plain(item, is_level=is_level) for item in items]
    if isinstance(value, Margin):
        return str(value) if value.relative else value.size
    number = value.tolist() if hasattr(value, "tolist") else value  # an array or a number of numpy's
    try:
        return number if isinstance(number, date | time) else to_jsonable_python(number)
    except PydanticSerializationError:  # what it cannot be is said where it stands
        return number
