"""A TOML or CSV file of published figures -> comparisons and orders to check, their numbers as they were printed."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.judge.audit.shape import FIGURE_HELP, TABLES, AuditFile, Test
from bench.plan.shape import model_faults
from bench.plan.source import Fault, Source, SuiteError, did_you_mean, read, show
from bench.stats import printed
from bench.stats.printed import UNKNOWN, Range

FIGURES = ("change", "t", "df", "p", "d")


@dataclass(frozen=True)
class Group:
    """One sample: its mean and SD as printed, and its size."""

    name: str
    mean: Range = UNKNOWN
    sd: Range = UNKNOWN
    n: int = 0
    levels: Mapping[str, str] = field(default_factory=dict)
    integers: bool = False


@dataclass(frozen=True)
class Comparison:
    """What was printed of two samples, b against a."""

    id: str
    metric: str
    a: Group
    b: Group
    test: Test
    printed: Mapping[str, str]
    """Figure -> its text, of those that were printed."""
    credited_to: str = ""


@dataclass(frozen=True)
class Order:
    """The statement that every group of ``lower`` has a lower mean than each of ``higher``."""

    id: str
    metric: str
    lower: tuple[Group, ...]
    higher: tuple[Group, ...]


@dataclass(frozen=True)
class Published:
    """All that a file holds."""

    title: str
    ddof: int
    """What SDs were divided by: n less this."""
    comparisons: tuple[Comparison, ...]
    orders: tuple[Order, ...]
    groups: tuple[tuple[str, Group], ...]
    """Metric and group of every row of the table, if there is one."""


def read_published(path: Path) -> Published:
    """Read a file of published figures.

    Raises:
        SuiteError: with every fault of a TOML file.
        BenchError: if there is no such file, or a CSV table has a row that cannot be read.
    """
    if path.suffix == ".toml":
        return _from_toml(read(path))
    if path.suffix == ".csv":
        rows = _rows(path)
        made = [_flat(path, number, row) for number, row in rows]
        return Published(path.stem, 1, tuple(made), (), ())
    raise BenchError(f"{path} is neither .toml nor .csv.", hint="docs/audit.md says how published figures are written.")


def _from_toml(source: Source) -> Published:
    if faults := list(model_faults(source, AuditFile, TABLES)):
        raise SuiteError(source.path, source.text, faults)
    data = tomllib.loads(source.text, parse_float=Decimal)  # which keeps the digits as printed
    reader = _Reader(source, _groups(source.path.parent / data["table"], data) if "table" in data else {})
    comparisons = [reader.comparison(index, table) for index, table in enumerate(data.get("comparisons", []))]
    orders = [reader.order(index, table) for index, table in enumerate(data.get("orders", []))]
    if reader.faults:
        raise SuiteError(source.path, source.text, reader.faults)
    groups = tuple((metric, group) for (metric, _), group in reader.groups.items())
    return Published(data["title"], data.get("ddof", 1), tuple(comparisons), tuple(orders), groups)


@dataclass
class _Reader:
    """Makes comparisons of tables, and collects faults."""

    source: Source
    groups: Mapping[tuple[str, str], Group]
    """(metric, name) -> row of the table."""
    faults: list[Fault] = field(default_factory=list)

    def comparison(self, index: int, table: Mapping[str, Any]) -> Comparison:
        place = ("comparisons", index)
        metric = table.get("metric", "")
        sides = [self.group((*place, key), metric, table[key]) for key in ("from", "to")]
        texts = {name: _text(table[name]) for name in FIGURES if name in table}
        for name, text in texts.items():
            self.number((*place, name), text)
        credited = table.get("credited_to", "")
        if credited and credited not in sides[0].levels:
            known = list(sides[0].levels)
            hint = f"The factors of the table: {', '.join(known) or 'none'}.{did_you_mean(credited, known)}"
            self.report((*place, "credited_to"), f"the table has no factor {show(credited)}", hint)
        test: Test = table.get("test", "student")
        return Comparison(table["id"], metric, sides[0], sides[1], test, texts, credited)

    def order(self, index: int, table: Mapping[str, Any]) -> Order:
        metric = table["metric"]
        lower, higher = (
            tuple(self.group(("orders", index, key, at), metric, name) for at, name in enumerate(table[key]))
            for key in ("lower", "higher")
        )
        return Order(table["id"], metric, lower, higher)

    def group(self, path: tuple[str | int, ...], metric: str, given: Any) -> Group:
        if not isinstance(given, str):
            mean, sd = (
                self.number((*path, name), _text(given[name])) if name in given else UNKNOWN for name in ("mean", "sd")
            )
            called = given.get("name") or str(path[-1])
            return Group(called, mean, sd, given["n"], integers=given.get("integers", False))
        if (metric, given) in self.groups:
            return self.groups[metric, given]
        known = [name for measured, name in self.groups if measured == metric]
        hint = f"Rows of {show(metric)}: {', '.join(map(show, known)) or 'none'}.{did_you_mean(given, known)}"
        self.report(path, f"the table has no row {show(given)} of {show(metric)}", hint)
        return Group(given)

    def number(self, path: tuple[str | int, ...], text: str) -> Range:
        try:
            return printed.read(text)
        except ValueError:
            self.report(path, f"{path[-1]} cannot be {show(text)}", FIGURE_HELP)
            return UNKNOWN

    def report(self, path: tuple[str | int, ...], message: str, hint: str) -> None:
        self.faults.append(self.source.fault(path, message, hint))


def _text(given: Any) -> str:
    """A figure as it was printed."""
    return "–".join(map(str, given)) if isinstance(given, list) else str(given)


def _groups(path: Path, data: Mapping[str, Any]) -> dict[tuple[str, str], Group]:
    found: dict[tuple[str, str], Group] = {}
    for number, row in _rows(path, [data.get("name", "name"), "metric", "mean", "std", "n", *data.get("factors", [])]):
        name = row[data.get("name", "name")]
        levels = {factor: row[factor] for factor in data.get("factors", [])}
        mean, sd = (_cell(path, number, row, column) for column in ("mean", "std"))
        found[row["metric"], name] = Group(name, mean, sd, _count(path, number, row, "n"), levels)
    return found


_SIDES = ("mean", "sd", "n")


def _flat(path: Path, number: int, row: Mapping[str, str]) -> Comparison:
    """A comparison that stands in one row."""
    sides = [
        Group(
            row.get(side) or side,
            _cell(path, number, row, f"{side}_mean"),
            _cell(path, number, row, f"{side}_sd"),
            _count(path, number, row, f"{side}_n"),
        )
        for side in ("from", "to")
    ]
    texts = {name: row[name] for name in FIGURES if row.get(name)}
    for name in texts:
        _cell(path, number, row, name)
    test = row.get("test") or "student"
    if test not in ("student", "welch", "paired"):
        raise BenchError(f"{path}: row {number} has the test {show(test)}.", hint="It is student, welch or paired.")
    known: Test = test  # type: ignore[assignment]  # which the line above makes sure of
    return Comparison(row.get("id") or f"row {number}", row.get("metric", ""), sides[0], sides[1], known, texts)


def _rows(path: Path, needed: Sequence[str] = ("from_n", "to_n")) -> list[tuple[int, Mapping[str, str]]]:
    """Numbered rows of a CSV table as text, so that every printed digit is kept."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be read: {error}.", hint="Give a table in CSV, UTF-8.") from error
    reader = csv.DictReader(io.StringIO(text))
    columns = list(reader.fieldnames or [])
    if missing := [name for name in needed if name not in columns]:
        raise BenchError(f"{path} has no column {', '.join(missing)}.", hint=f"It has {', '.join(columns) or 'none'}.")
    return [(number, {name: cell or "" for name, cell in row.items()}) for number, row in enumerate(reader, 1)]


def _cell(path: Path, number: int, row: Mapping[str, str], column: str) -> Range:
    text = row.get(column, "").strip()
    try:
        return printed.read(text) if text else UNKNOWN
    except ValueError as error:
        raise BenchError(f"{path}: row {number} has {show(text)} for {column}.", hint=FIGURE_HELP) from error


def _count(path: Path, number: int, row: Mapping[str, str], column: str) -> int:
    text = row.get(column, "").strip()
    if not text.isdecimal() or int(text) < 2:
        raise BenchError(f"{path}: row {number} has {show(text)} for {column}.", hint="It is a count of at least 2.")
    return int(text)
