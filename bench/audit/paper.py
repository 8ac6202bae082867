"""A TOML or CSV file of published figures -> the comparisons and orders to check, their numbers as printed."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PlainValidator, Tag

from bench.audit.intervals import UNKNOWN, Range, Sample, read_figure
from bench.errors import BenchError
from bench.plan.faults import Tables, read_model
from bench.plan.source import Fault, Source, SuiteError, did_you_mean, read, show

FIGURES = ("change", "t", "df", "p", "d")
_DIGITS = 'A number with the digits that were printed, or text such as "<0.01".'


def _range(given: Any) -> Range:
    return read_figure("–".join(map(str, given)) if isinstance(given, list) else str(given))


_Figure = Annotated[Range, PlainValidator(_range)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _SampleKeys(_Strict):
    name: str = Field("", description="What the sample is called.")
    mean: _Figure = Field(UNKNOWN, description=f"Its mean. {_DIGITS}")
    sd: _Figure = Field(UNKNOWN, description=f"Its standard deviation. {_DIGITS}")
    n: Annotated[int, Field(ge=2)] = Field(description="Its size, a count of at least 2.")
    integers: bool = Field(default=False, description="Whether its values are whole numbers: true or false.")


class _Row(_SampleKeys):
    """A row of the table beside a TOML file."""

    metric: str = Field(description="What was measured.")
    levels: dict[str, str] = Field(description="The levels of its factors.")


_Side = Annotated[
    Annotated[str, Tag("row")] | Annotated[_SampleKeys, Tag("sample")],
    Discriminator(lambda given: "row" if isinstance(given, str) else "sample"),
]


class ComparisonKeys(_Strict):
    """What was printed of two samples; a figure that was not is None."""

    id: str = Field(min_length=1, description="What the comparison is called.")
    metric: str = Field("", description="What was measured; of a table, one of its metrics.")
    from_: _Side = Field(alias="from", description="A row of the table, or { mean, sd, n }: the earlier side.")
    to: _Side = Field(description="A row of the table, or { mean, sd, n }: the later side.")
    test: Literal["student", "welch", "paired"] = Field(
        "student", description='"student" (which pools the variances), "welch" or "paired".'
    )
    change: _Figure | None = Field(None, description='The change of the mean: "-17.9%".')
    t: _Figure | None = Field(None, description=f"The t statistic. {_DIGITS}")
    df: _Figure | None = Field(None, description=f"The degrees of freedom. {_DIGITS}")
    p: _Figure | None = Field(None, description=f"The two-sided p value. {_DIGITS}")
    d: _Figure | None = Field(None, description=f"Cohen's d. {_DIGITS} Or [lowest, highest].")
    credited_to: str = Field("", description="The factor to which the difference was credited.")


class _OrderKeys(_Strict):
    id: str = Field(min_length=1, description="What the order is called.")
    metric: str = Field(description="One of the metrics of the table.")
    lower: list[str] = Field(min_length=1, description="Rows of the table that are said to lie below …")
    higher: list[str] = Field(min_length=1, description="… every one of these.")


class _PaperKeys(_Strict):
    title: str = Field(min_length=1, description="What was published.")
    ddof: Literal[0, 1] = Field(
        1, description="1 if SDs are of samples (divided by n - 1), 0 if of populations (by n)."
    )
    table: str | None = Field(
        None, description="Path of a CSV table, relative to this file: columns metric, mean, std, n and a name."
    )
    name: str = Field("name", description="The column of the table that names its rows.")
    factors: list[str] = Field([], description="The columns of the table that hold the levels of factors.")
    comparisons: list[ComparisonKeys] = Field([], description="One table [[comparisons]] for each pair of samples.")
    orders: list[_OrderKeys] = Field([], description="One table [[orders]] for each statement that means are ordered.")


class _Table(_Strict):
    rows: list[_Row] = Field(description="Its rows.")


_PARTS: Tables = {
    ("comparisons", "*"): ComparisonKeys,
    ("comparisons", "*", "from", "sample"): _SampleKeys,
    ("comparisons", "*", "to", "sample"): _SampleKeys,
    ("orders", "*"): _OrderKeys,
    ("rows", "*"): _Row,
}


@dataclass(frozen=True)
class Comparison:
    """Two samples, b against a, and what was printed of them."""

    printed: ComparisonKeys
    a: Sample
    b: Sample


@dataclass(frozen=True)
class Order:
    """The statement that every sample of ``lower`` has a lower mean than each of ``higher``."""

    id: str
    metric: str
    lower: tuple[Sample, ...]
    higher: tuple[Sample, ...]


@dataclass(frozen=True)
class Paper:
    """All that a file holds."""

    title: str
    ddof: int
    """What SDs were divided by: n less this."""
    comparisons: tuple[Comparison, ...]
    orders: tuple[Order, ...] = ()
    rows: Mapping[tuple[str, str], Sample] = field(default_factory=dict)
    """(metric, name) -> row of the table, if there is one."""


def read_paper(path: Path) -> Paper:
    """Read a file of published figures.

    Raises:
        SuiteError: with every fault of the file.
        BenchError: if there is no such file, or it is neither TOML nor CSV.
    """
    if path.suffix == ".csv":
        table = _csv(path, ("from_n", "to_n"), _comparison_keys)
        source: Source = replace(table, data={"title": path.stem, "comparisons": table.data["rows"]})
        return _resolved(source, _PaperKeys.model_validate(_required(source, _PaperKeys)), {})
    if path.suffix != ".toml":
        raise BenchError(f"{path} is neither .toml nor .csv.", hint="docs/audit.md says how figures are written.")
    source = read(path)
    _required(source, _PaperKeys)
    keys = _PaperKeys.model_validate(tomllib.loads(source.text, parse_float=Decimal))  # which keeps digits as printed
    rows = _rows(path.parent / keys.table, keys) if keys.table else {}
    return _resolved(source, keys, rows)


def _rows(path: Path, keys: _PaperKeys) -> dict[tuple[str, str], Sample]:
    def row(_: int, cells: Mapping[str, str]) -> dict[str, Any]:
        levels = {factor: cells[factor] for factor in keys.factors}
        sample = _sample_keys(cells[keys.name], cells["mean"], cells["std"], cells["n"])
        return {"metric": cells["metric"], "levels": levels, **sample}

    needed = (keys.name, "metric", "mean", "std", "n", *keys.factors)
    rows = _Table.model_validate(_required(_csv(path, needed, row), _Table)).rows
    return {(row.metric, row.name): replace(_sample(row), levels=row.levels) for row in rows}


def _resolved(source: Source, keys: _PaperKeys, rows: Mapping[tuple[str, str], Sample]) -> Paper:
    """With rows of the table in place of their names."""
    faults = list[Fault]()

    def sample(given: str | _SampleKeys, metric: str, *path: str | int) -> Sample:
        if not isinstance(given, str):
            return _sample(given, str(path[-1]))
        if (metric, given) not in rows:
            names = [name for measured, name in rows if measured == metric]
            hint = f"Rows of {show(metric)}: {', '.join(map(show, names)) or 'none'}.{did_you_mean(given, names)}"
            faults.append(source.fault(path, f"the table has no row {show(given)} of {show(metric)}", hint))
        return rows.get((metric, given), Sample(given, 2))

    def comparison(place: int, given: ComparisonKeys) -> Comparison:
        path = ("comparisons", place)
        a, b = sample(given.from_, given.metric, *path, "from"), sample(given.to, given.metric, *path, "to")
        if given.credited_to and given.credited_to not in a.levels:
            hint = (
                f"The factors of the table: {', '.join(a.levels) or 'none'}.{did_you_mean(given.credited_to, a.levels)}"
            )
            no_factor = f"the table has no factor {show(given.credited_to)}"
            faults.append(source.fault((*path, "credited_to"), no_factor, hint))
        if given.test == "paired" and a.n != b.n:
            hint = "Give the number of pairs as the size of either side."
            faults.append(source.fault((*path, "test"), f"{a.n} values cannot be paired with {b.n}", hint))
        return Comparison(given, a, b)

    def order(place: int, given: _OrderKeys) -> Order:
        lower, higher = (
            tuple(sample(name, given.metric, "orders", place, key, at) for at, name in enumerate(names))
            for key, names in (("lower", given.lower), ("higher", given.higher))
        )
        return Order(given.id, given.metric, lower, higher)

    comparisons = tuple(comparison(*entry) for entry in enumerate(keys.comparisons))
    orders = tuple(order(*entry) for entry in enumerate(keys.orders))
    if faults:
        raise SuiteError(source.path, source.text, faults)
    return Paper(keys.title, keys.ddof, comparisons, orders, rows)


def _sample(keys: _SampleKeys, name: str = "") -> Sample:
    return Sample(keys.name or name, keys.n, keys.mean, keys.sd, keys.integers)


def _required(source: Source, model: type[BaseModel]) -> dict[str, Any]:
    """The data of a source that fits the model."""
    read_model(source, model, _PARTS)
    return source.data


@dataclass(frozen=True)
class _Csv(Source):
    """A CSV table, whose data are one list of rows; a fault stands on the line of its row and names the column."""

    lines: Sequence[int] = ()

    def fault(self, path: Sequence[str | int], message: str, hint: str = "", *, key: bool = False) -> Fault:  # noqa: ARG002
        row, column = int(path[1]), "_".join(map(str, path[2:]))
        return Fault(self.lines[row], 1, message.replace(".".join(map(str, path)), column), hint, width=0)


def _csv(path: Path, needed: Sequence[str], keys_of: Callable[[int, Mapping[str, str]], dict[str, Any]]) -> _Csv:
    """The table with each row as the keys made of its number and cells, which are text, so that digits are kept."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be read: {error}.", hint="Give a table in CSV, UTF-8.") from error
    reader = csv.DictReader(StringIO(text))
    columns = list(reader.fieldnames or [])
    if missing := [column for column in needed if column not in columns]:
        raise BenchError(f"{path} has no column {', '.join(missing)}.", hint=f"It has {', '.join(columns) or 'none'}.")
    lines, rows = list[int](), list[dict[str, Any]]()
    for number, cells in enumerate(reader, 1):
        lines.append(reader.line_num)
        rows.append(keys_of(number, {column: (cell or "").strip() for column, cell in cells.items() if column}))
    return _Csv(path, text, {"rows": rows}, lines=lines)


def _comparison_keys(number: int, cells: Mapping[str, str]) -> dict[str, Any]:
    """A comparison that stands in one row."""
    sides = {
        side: _sample_keys(cells.get(side, ""), *(cells.get(f"{side}_{key}", "") for key in ("mean", "sd", "n")))
        for side in ("from", "to")
    }
    others = {name: cells[name] for name in ("metric", "test", *FIGURES) if cells.get(name)}
    return {"id": cells.get("id") or f"row {number}", **sides, **others}


def _sample_keys(name: str, mean: str, sd: str, n: str) -> dict[str, Any]:
    figures = {key: text for key, text in (("mean", mean), ("sd", sd)) if text}
    return {"name": name, "n": int(n) if n.isdecimal() else n, **figures}
