"""The keys of a suite file and what each may hold -> faults of a file that does not fit, and a JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from bench.plan.positions import KeyPath
from bench.plan.source import Fault, Source, did_you_mean, show

MAX_SEEDS = 100_000
MAX_LEVELS = 1_000
_PERCENT = r"^([0-9]{0,5}[1-9][0-9]{0,5}([.][0-9]{1,12})?|[0-9]{1,6}[.][0-9]{0,11}[1-9][0-9]{0,11})%$"


def shape_faults(source: Source) -> Iterator[Fault]:
    """Unknown and missing keys, and values of the wrong kind."""
    try:
        SuiteFile.model_validate(source.data)
    except ValidationError as error:
        for entry in error.errors(include_url=False):
            path = _path(source.data, entry["loc"])
            yield _fault(source, entry["type"], entry["loc"], path)


def schema() -> dict[str, Any]:
    """JSON Schema of suites, for editors that complete and check TOML."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **SuiteFile.model_json_schema(),
        "oneOf": [{"required": ["factors"]}, {"required": ["cells"]}],
    }


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class MetricTable(_Strict):
    """A table ``[metrics.NAME]``."""

    margin: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Annotated[str, Field(pattern=_PERCENT)] | None = Field(
        None, description='The smallest difference that matters: a number above 0 in the metric\'s unit, or "5%".'
    )
    scale: Literal["identity", "log"] | None = Field(
        None, description='The scale on which the metric is analysed: "identity" or "log".'
    )


class BaselineTable(_Strict):
    """The table ``[baseline]``."""

    file: str | None = Field(
        None, min_length=1, description="Path of the baseline, a CSV, relative to the suite's folder."
    )
    compare: Literal["cells", "effects"] = Field(
        "cells", description='What is compared of each metric: "cells", or "effects" and the mean of all cells.'
    )
    metrics: list[str] | None = Field(
        None, min_length=1, description='The metrics that are compared, by default all: ["loss", …].'
    )
    sd: Literal["sample", "population"] = Field(
        "sample", description='Which SD a published table prints: "sample" (n - 1) or "population" (n).'
    )
    more_seeds: int | None = Field(
        None, ge=1, le=MAX_SEEDS, description="How many further seeds `bench compare` runs if the first are undecided."
    )


class SuiteFile(_Strict):
    """What is run and what matters in it."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$",
        max_length=100,
        description="The folder of its results: letters, digits, _ and - and single dots between them, at most 100.",
    )
    experiment: str = Field(description='What is run, as "package.module:NAME"; the module may lie beside the suite.')
    seeds: Annotated[
        Annotated[int, Field(ge=1, le=MAX_SEEDS), Tag("count")]
        | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=MAX_SEEDS), Tag("list")],
        Discriminator(lambda value: "list" if isinstance(value, list) else "count"),
    ] = Field(description=f"How many, 1 to {MAX_SEEDS} (10 means 0 to 9), or a list of different integers >= 0.")
    params: dict[str, Any] = Field({}, description="Parameters that every run shares: name = value.")
    factors: dict[str, Annotated[list[Any], Field(min_length=1, max_length=MAX_LEVELS)]] | None = Field(
        None,
        min_length=1,
        description=f'The full grid: name = [level, …] for each factor, 1 to {MAX_LEVELS} levels: reg = ["l1", "l2"].',
    )
    cells: list[dict[str, Any]] | None = Field(
        None,
        min_length=1,
        description="Chosen combinations: one table [[cells]] each, with a level for each factor.",
    )
    metrics: dict[str, MetricTable] = Field({}, description="What matters in a metric: one table [metrics.NAME] each.")
    baseline: BaselineTable | None = Field(
        None, description="What `bench compare` compares a run with: a table [baseline]."
    )
    published: str | None = Field(
        None, description="Path of a CSV table of published means shown beside ours, relative to the suite's folder."
    )


def _fault(source: Source, kind: str, location: Sequence[str | int], path: KeyPath) -> Fault:
    table, key = _place(location)
    if kind == "extra_forbidden":
        known = list(table.model_fields)
        hint = f"Allowed here: {', '.join(known)}.{did_you_mean(key, known)}"
        return source.fault(path, f"unknown key {show(key)}", hint, key=True)
    allowed = table.model_fields[str(key)].description or ""
    if kind == "missing":
        return Fault(1, 1, f"{show(key)} is missing", allowed, width=0)
    value: Any = source.data
    for part in path:
        value = value[part]
    return source.fault(path, f"{'.'.join(map(str, path))} cannot be {show(value)}", allowed)


def _place(location: Sequence[str | int]) -> tuple[type[BaseModel], str | int]:
    """The table that an error lies in, and its key there."""
    if location[0] == "metrics" and len(location) > 2:
        return MetricTable, location[2]
    if location[0] == "baseline" and len(location) > 1:
        return BaselineTable, location[1]
    return SuiteFile, location[0]


def _path(data: Any, location: Sequence[str | int]) -> KeyPath:
    """The part of an error's location that is in the file: pydantic's names for members of unions are not."""
    path: list[str | int] = []
    for part in location:
        inside = part in data if isinstance(data, dict) else isinstance(data, list) and isinstance(part, int)
        if inside:
            data = data[part]
            path.append(part)
    return tuple(path)
