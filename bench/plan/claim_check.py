"""The ``[[claims]]`` of a suite file -> claims about its factors and metrics, and every fault in them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.plan.claims import Claim, Comparison, Kind, Region, changed_factors
from bench.plan.levels import Level, named
from bench.plan.metrics import Margin, MetricSettings
from bench.plan.positions import KeyPath
from bench.plan.shape import ClaimTable, SuiteKeys
from bench.plan.source import Fault, Source, did_you_mean, show

_KEYS: Mapping[Kind, tuple[frozenset[str], frozenset[str]]] = {
    "difference": (frozenset({"from", "to"}), frozenset({"factor", "at"})),
    "interaction": (frozenset({"interaction"}), frozenset({"at"})),
    "trend": (frozenset({"trend"}), frozenset({"spacing", "at"})),
    "order": (frozenset({"order"}), frozenset({"factor", "at"})),
    "cell": (frozenset({"cell"}), frozenset()),
}
"""Kind of contrast -> the keys that make it one, and those that it may have besides."""

_CONTRASTS = (
    'Give from and to (levels of a factor, or tables of levels); or interaction = { a = ["from", "to"], b = […] }; '
    "or trend = FACTOR; or order = [LEVEL, …]; or cell = { … }."
)


@dataclass
class ClaimReader:
    """Makes claims of the tables ``[[claims]]`` of a suite; collects faults."""

    keys: SuiteKeys
    source: Source
    levels: Mapping[str, Mapping[Level, Any]]
    """Factor -> level -> the value that the file gives for it."""
    metrics: Mapping[str, MetricSettings]
    faults: list[Fault] = field(default_factory=list)

    def claims(self) -> tuple[Claim, ...]:
        """The claims without fault, in the order of the suite."""
        claims = []
        for index, table in enumerate(self.keys.claims):
            before = len(self.faults)
            claim = self._claim(("claims", index), table)
            if claim is not None and len(self.faults) == before:
                claims.append(claim)
        return tuple(claims)

    def _claim(self, place: KeyPath, table: ClaimTable) -> Claim | None:
        metric, expect = table.metric, table.expect
        contrast = table.contrast.model_dump(by_alias=True, exclude_unset=True)
        if metric not in self.metrics:
            hint = f"Its metrics: {', '.join(self.metrics)}.{did_you_mean(metric, self.metrics)}"
            self._report((*place, "metric"), f"the experiment has no metric {show(metric)}", hint)
        kind = self._kind((*place, "contrast"), contrast)
        comparisons = () if kind is None else _Contrast(self, (*place, "contrast"), contrast).comparisons(kind)
        settings = self.metrics.get(metric, MetricSettings())
        margin, relative = settings.margin, settings.relative
        if table.margin is not None:
            own = Margin.parse(table.margin)
            margin, relative = own.size, own.relative
        if expect == "equivalent" and margin is None:
            hint = f'Give the claim a margin ("5%", or a number in the metric\'s unit), or [metrics.{metric}].'
            self._report((*place, "expect"), "equivalence needs a margin: the largest difference that is none", hint)
        if kind is None:
            return None
        self._check_expectation(place, kind, expect)
        if not comparisons:
            return None
        if table.credited_to:
            self._check_credit((*place, "credited_to"), kind, table.credited_to, comparisons)
        names = ("id", "statement", "label", "headline", "metric", "expect", "measure", "credited_to", "gate")
        return Claim(
            **{name: getattr(table, name) for name in names},
            kind=kind,
            comparisons=comparisons,
            scale=settings.scale,
            margin=margin,
            relative=relative,
            published=table.published.model_dump(exclude_unset=True) if table.published else {},
        )

    def _kind(self, place: KeyPath, contrast: Mapping[str, Any]) -> Kind | None:
        given = contrast.keys()
        kind = next((kind for kind, (needed, _) in _KEYS.items() if needed & given), None)
        if kind is None:
            self._report(place, "this contrast compares nothing", _CONTRASTS)
            return None
        needed, possible = _KEYS[kind]
        for name in sorted(needed - given):
            self._report(place, f"{show(name)} is missing", _CONTRASTS)
        for name in given - needed - possible:
            if name in {"factor", "at", "spacing"} or any(name in keys for keys, _ in _KEYS.values()):
                hint = f"Beside {' and '.join(sorted(needed))} it may have: {', '.join(sorted(possible)) or 'nothing'}."
                self._report((*place, name), f"{show(name)} does not belong to this kind of contrast", hint, key=True)
        return kind if needed <= given else None

    def _check_expectation(self, place: KeyPath, kind: Kind, expect: str) -> None:
        if (kind == "cell") != (expect == "bimodal"):
            hint = 'expect = "bimodal" is for contrast = { cell = … }: the cell\'s runs fall into two groups.'
            self._report((*place, "expect"), f"{show(expect)} cannot be expected of this contrast", hint)
        elif kind == "order" and expect not in ("increase", "decrease"):
            hint = 'An order is expected to "increase" or to "decrease" along the list.'
            self._report((*place, "expect"), f"{show(expect)} cannot be expected of an order", hint)

    def _check_credit(self, place: KeyPath, kind: Kind, credited: Any, comparisons: Sequence[Comparison]) -> None:
        changed = changed_factors(comparisons[0]) if kind == "difference" else ()
        if credited not in changed:
            hint = f"It is one of the factors that differ between from and to{_listing(changed)}."
            self._report(place, f"the difference cannot be credited to {show(credited)}", hint)

    def _report(self, path: KeyPath, message: str, hint: str, *, key: bool = False) -> None:
        self.faults.append(self.source.fault(path, message, hint, key=key))


@dataclass
class _Contrast:
    """Reads one contrast."""

    reader: ClaimReader
    place: KeyPath
    table: Mapping[str, Any]

    def comparisons(self, kind: Kind) -> tuple[Comparison, ...]:
        """What is compared; empty where a fault was reported."""
        at = self.region(("at",), self.table.get("at", {}))
        own: Sequence[Comparison] | None = {
            "difference": self.difference,
            "interaction": self.interaction,
            "trend": self.trend,
            "order": self.order,
            "cell": self.cell,
        }[kind]()
        if at is None or own is None:
            return ()
        if twice := sorted({name for comparison in own for name in comparison.fixed & at.keys()}):
            self.report(("at", twice[0]), f"{twice[0]} is what is compared", "at fixes other factors.", key=True)
            return ()
        return tuple(
            Comparison(tuple({**at, **region} for region in comparison.regions), comparison.weights)
            for comparison in own
        )

    def difference(self) -> Sequence[Comparison] | None:
        first, second = (self.side((name,), self.table[name]) for name in ("from", "to"))
        if first is None or second is None:
            return None
        if first.keys() != second.keys() or first == second:
            self.report(("to",), "from and to must differ in levels of the same factors", "Name each factor in both.")
            return None
        return [Comparison((first, second), (-1.0, 1.0))]

    def interaction(self) -> Sequence[Comparison] | None:
        pairs = self.table["interaction"]
        known = [self.factor(("interaction", name), name, key=True) for name in pairs]
        if len(pairs) < 2:
            self.report(("interaction",), "an interaction has at least two factors", _CONTRASTS)
            return None
        levels: dict[str, list[Any]] = {}
        for name in filter(None, known):
            given = pairs[name]
            found = [self.level(("interaction", name, index), name, value) for index, value in enumerate(given)]
            if len(given) != 2 or found[0] == found[1]:
                self.report(("interaction", name), f"{name} needs two different levels", 'E.g. reg = ["l1", "l2"].')
            elif None not in found:
                levels[name] = found
        if len(levels) < len(pairs):
            return None
        regions, weights = [], []
        for choice in itertools.product((0, 1), repeat=len(levels)):
            regions.append({name: pair[side] for (name, pair), side in zip(levels.items(), choice, strict=True)})
            weights.append(math.prod(2 * side - 1 for side in choice) / 2 ** (len(levels) - 1))
        return [Comparison(tuple(regions), tuple(weights))]

    def trend(self) -> Sequence[Comparison] | None:
        name = self.factor(("trend",), self.table["trend"])
        if name is None:
            return None
        levels: list[Any] = list(self.reader.levels[name])
        log = self.table.get("spacing") == "log"
        if len(levels) < 2 or not all(type(level) in (int, float) and (not log or level > 0) for level in levels):
            hint = 'Along a trend, a factor has at least two levels; for spacing = "log" they are above 0.'
            self.report(("trend",), f"the levels of {name} are not numbers of a trend", hint)
            return None
        position = [math.log(level) if log else float(level) for level in levels]
        middle = sum(position) / len(position)
        steepness = (max(position) - min(position)) / sum((x - middle) ** 2 for x in position)
        weights = tuple((x - middle) * steepness for x in position)
        return [Comparison(tuple({name: level} for level in levels), weights)]

    def order(self) -> Sequence[Comparison] | None:
        groups = []
        for index, given in enumerate(self.table["order"]):
            sides = list(enumerate(given)) if isinstance(given, list) else [(None, given)]
            paths = [("order", index) if inner is None else ("order", index, inner) for inner, _ in sides]
            groups.append([self.side(path, side) for path, (_, side) in zip(paths, sides, strict=True)])
        if any(region is None for group in groups for region in group):
            return None
        if len(groups) < 2 or not all(groups):
            self.report(("order",), "an order has at least two places", _CONTRASTS)
            return None
        pairs = [pair for lower, upper in itertools.pairwise(groups) for pair in itertools.product(lower, upper)]
        return [Comparison((low, high), (-1.0, 1.0)) for low, high in pairs if low is not None and high is not None]

    def cell(self) -> Sequence[Comparison] | None:
        region = self.region(("cell",), self.table["cell"])
        factors = self.reader.levels
        if region is not None and len(region) < len(factors):
            hint = f"A cell has a level of each factor: {', '.join(factors)}."
            self.report(("cell",), "this is not one cell", hint)
            return None
        return None if region is None else [Comparison((region,), (1.0,))]

    def side(self, path: KeyPath, given: Any) -> Region | None:
        """A level of ``factor``, or a table of levels."""
        if "factor" in self.table:
            name = self.factor(("factor",), self.table["factor"])
            level = None if name is None else self.level(path, name, given)
            return None if name is None or level is None else {name: level}
        if isinstance(given, dict) and given:
            return self.region(path, given)
        self.report(path, f"{show(given)} is no table of levels", 'Give factor = "…" too, or { factor = level, … }.')
        return None

    def region(self, path: KeyPath, given: Mapping[str, Any]) -> Region | None:
        found = {}
        for name, value in given.items():
            if self.factor((*path, name), name, key=True) is not None:
                found[name] = self.level((*path, name), name, value)
        return None if None in found.values() or len(found) < len(given) else found  # type: ignore[return-value]

    def factor(self, path: KeyPath, name: str, *, key: bool = False) -> str | None:
        known = self.reader.levels
        if name in known:
            return name
        self.report(path, f"the suite has no factor {show(name)}", _known("factors", known, name), key=key)
        return None

    def level(self, path: KeyPath, name: str, value: Any) -> Level | None:
        """What the suite calls this level of the factor."""
        levels = self.reader.levels[name]
        level = named(value, levels)
        if level is None:
            self.report(path, f"{name} has no level {show(value)}", _known("levels", levels, value))
        return level

    def report(self, path: KeyPath, message: str, hint: str, *, key: bool = False) -> None:
        self.reader.faults.append(self.reader.source.fault((*self.place, *path), message, hint, key=key))


def _known(what: str, known: Collection[Any], given: Any) -> str:
    texts = [level for level in known if isinstance(level, str)]
    return f"Its {what}: {', '.join(map(show, known))}.{did_you_mean(given, texts)}"


def _listing(names: Sequence[str]) -> str:
    return f": {', '.join(names)}" if names else ""
