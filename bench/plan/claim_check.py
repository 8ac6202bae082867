"""The ``[[claims]]`` of a suite file -> claims about its factors and metrics, and every fault in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.plan.claims import Claim, Comparison, Region, changed_factors
from bench.plan.kinds import CONTRASTS, KINDS, ContrastTable
from bench.plan.levels import Level, named
from bench.plan.metrics import Margin, MetricSettings
from bench.plan.positions import KeyPath
from bench.plan.shape import ClaimTable, ContrastFile, model_faults
from bench.plan.source import Fault, Source, did_you_mean, parse, show
from bench.plan.writing import as_toml


@dataclass
class ClaimReader:
    """Makes claims of the tables ``[[claims]]`` of a suite; collects faults."""

    source: Source
    levels: Mapping[str, Mapping[Level, Any]]
    """Factor -> level -> the value that the file gives for it."""
    metrics: Mapping[str, MetricSettings]
    faults: list[Fault] = field(default_factory=list)

    def claims(self, tables: Sequence[ClaimTable]) -> tuple[Claim, ...]:
        """The claims without fault, in the order of the suite."""
        claims = []
        for index, table in enumerate(tables):
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
        kind = self.kind((*place, "contrast"), contrast)
        comparisons = () if kind is None else Contrast(self, (*place, "contrast"), contrast).comparisons(kind)
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

    def kind(self, place: KeyPath, contrast: Mapping[str, Any]) -> str | None:
        """The kind of a contrast; None where a fault was reported."""
        given = contrast.keys()
        kind = next((name for name, kind in KINDS.items() if kind.needs & given), None)
        if kind is None:
            self._report(place, "this contrast compares nothing", CONTRASTS)
            return None
        needed, possible = KINDS[kind].needs, KINDS[kind].may
        for name in sorted(needed - given):
            self._report(place, f"{show(name)} is missing", CONTRASTS)
        for name in given - needed - possible:
            if name in {"factor", "at", "spacing"} or any(name in kind.needs for kind in KINDS.values()):
                hint = f"Beside {' and '.join(sorted(needed))} it may have: {', '.join(sorted(possible)) or 'nothing'}."
                self._report((*place, name), f"{show(name)} does not belong to this kind of contrast", hint, key=True)
        return kind if needed <= given else None

    def _check_expectation(self, place: KeyPath, kind: str, expect: str) -> None:
        if expect not in KINDS[kind].expects:
            message = f"{show(expect)} cannot be expected of {'an order' if KINDS[kind].is_order else 'this contrast'}"
            self._report((*place, "expect"), message, KINDS[kind].expects_hint)

    def _check_credit(self, place: KeyPath, kind: str, credited: Any, comparisons: Sequence[Comparison]) -> None:
        changed = changed_factors(comparisons[0]) if KINDS[kind].is_difference else ()
        if credited not in changed:
            hint = f"It is one of the factors that differ between from and to{_listing(changed)}."
            self._report(place, f"the difference cannot be credited to {show(credited)}", hint)

    def _report(self, path: KeyPath, message: str, hint: str, *, key: bool = False) -> None:
        self.faults.append(self.source.fault(path, message, hint, key=key))


def read_contrast(
    given: Mapping[str, Any] | str, levels: Mapping[str, Mapping[Level, Any]], name: str
) -> tuple[str, tuple[Comparison, ...]]:
    """A contrast by itself, as a mapping or the text of a TOML table -> its kind and what it compares.

    ``levels``: factor -> level -> what else it may be called; ``name`` is what errors call the contrast.

    Raises:
        BenchError: for text that is no table, and with every fault of the contrast, where it stands.
    """
    source = parse(Path(name), f"contrast = {given if isinstance(given, str) else as_toml(given)}")
    if faults := list(model_faults(source, ContrastFile, {("contrast",): ContrastTable})):
        raise source.error(faults)
    table = source.data["contrast"]
    reader = ClaimReader(source, levels, {})
    kind = reader.kind(("contrast",), table)
    comparisons = () if kind is None else Contrast(reader, ("contrast",), table).comparisons(kind)
    if kind is not None and KINDS[kind].test == "groups":
        reader.faults.append(source.fault(("contrast",), "a single cell compares nothing", CONTRASTS))
    if kind is None or reader.faults:
        raise source.error(reader.faults)
    return kind, comparisons


@dataclass
class Contrast:
    """Reads one contrast."""

    reader: ClaimReader
    place: KeyPath
    table: Mapping[str, Any]

    def comparisons(self, kind: str) -> tuple[Comparison, ...]:
        """What is compared; empty where a fault was reported."""
        at = self.region(("at",), self.table.get("at", {}))
        own = KINDS[kind].comparisons(self)
        if at is None or own is None:
            return ()
        if twice := sorted({name for comparison in own for name in comparison.fixed & at.keys()}):
            self.report(("at", twice[0]), f"{twice[0]} is what is compared", "at fixes other factors.", key=True)
            return ()
        return tuple(
            Comparison(tuple({**at, **region} for region in comparison.regions), comparison.weights)
            for comparison in own
        )

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
        """A table of levels."""
        found = {}
        for name, value in given.items():
            if self.factor((*path, name), name, key=True) is not None:
                found[name] = self.level((*path, name), name, value)
        return None if None in found.values() or len(found) < len(given) else found  # type: ignore[return-value]

    def factor(self, path: KeyPath, name: str, *, key: bool = False) -> str | None:
        """The name of a factor, if the suite has it."""
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
        """Collect a fault at a place within the contrast."""
        self.reader.faults.append(self.reader.source.fault((*self.place, *path), message, hint, key=key))


def _known(what: str, known: Collection[Any], given: Any) -> str:
    texts = [level for level in known if isinstance(level, str)]
    return f"Its {what}: {', '.join(map(show, known))}.{did_you_mean(given, texts)}"


def _listing(names: Sequence[str]) -> str:
    return f": {', '.join(names)}" if names else ""
