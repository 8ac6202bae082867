"""A file and a model of its keys -> its values, or its faults of shape, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bench.plan.positions import KeyPath
from bench.plan.source import Fault, Source, did_you_mean, show

Tables = Mapping[tuple[str, ...], type[BaseModel]]
"""Path of tables in a file (* is any name or number) -> their model."""
_Model = TypeVar("_Model", bound=BaseModel)


def read_model(source: Source, model: type[_Model], tables: Tables) -> _Model:
    """The values of a file that fits ``model``, whose inner tables are ``tables``; every field has a description.

    Raises:
        SuiteError: with all unknown and missing keys, and all values of the wrong kind.
    """
    try:
        return model.model_validate(source.data)
    except ValidationError as error:
        raise source.error(shape_faults(error, source, model, tables)) from None


def shape_faults(error: ValidationError, source: Source, model: type[BaseModel], tables: Tables) -> Iterator[Fault]:
    """The errors of pydantic as faults with their places in the file."""
    for entry in error.errors(include_url=False):
        path = _path(source.data, entry["loc"])
        yield _fault(source, entry["type"], path, *_table_of(entry["loc"], model, tables))


def _fault(source: Source, kind: str, path: KeyPath, table: type[BaseModel], key: str) -> Fault:
    fields = {field.alias or name: field for name, field in table.model_fields.items()}
    if kind == "extra_forbidden":
        hint = f"Allowed here: {', '.join(fields)}.{did_you_mean(key, fields)}"
        return source.fault(path, f"unknown key {show(key)}", hint, key=True)
    allowed = (fields[key].description if key in fields else table.__doc__) or ""
    if kind == "missing":
        return source.fault(path, f"{show(key)} is missing", allowed, key=True)
    value: Any = source.data
    for part in path:
        value = value[part]
    if isinstance(value, AbstractSet):
        allowed = f"A set has no order, and no first element: give a list. {allowed}"
    return source.fault(path, f"{'.'.join(map(str, path))} cannot be {show(value)}", allowed)


def _table_of(location: Sequence[str | int], model: type[BaseModel], tables: Tables) -> tuple[type[BaseModel], str]:
    """The innermost table that a location leads into, and its key there."""
    patterns = (
        pattern
        for pattern in tables
        if len(location) > len(pattern) and all(want in ("*", location[at]) for at, want in enumerate(pattern))
    )
    deepest = max(patterns, key=len, default=())
    return tables.get(deepest, model), str(location[len(deepest)])


def _path(data: Any, location: Sequence[str | int]) -> KeyPath:
    """The part of an error's location that is in the file: pydantic's names for members of unions are not."""
    path: list[str | int] = []
    for part in location:
        is_in_file = part in data if isinstance(data, dict) else isinstance(data, list) and isinstance(part, int)
        if is_in_file:
            data = data[part]
            path.append(part)
    return tuple(path)
