"""The values of a suite in Python -> the types of TOML, and text in TOML."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from bench.plan.metrics import Margin
from bench.plan.nulls import NULL

HOLD_LEVELS = frozenset({"params", "cells", "where", "under", "otherwise", "at", "from", "to"})
"""Keys below which None is a value; elsewhere it stands for an absent key."""


def plain(value: Any, *place: str | int) -> Any:
    """A value of Python in the types of TOML: lists, tables, plain numbers, and "null" for None.

    ``place``: the keys and indices that lead to it. None elsewhere than below HOLD_LEVELS is an absent key.
    The elements of a set that is a parameter's value are sorted. A set in place of a list has no first element and is
    left as it is, to be refused where it stands.
    """
    if isinstance(value, Mapping):
        places = {(*place, str(name)): item for name, item in value.items()}
        return {
            str(inner[-1]): plain(item, *inner)
            for inner, item in places.items()
            if item is not None or not HOLD_LEVELS.isdisjoint(inner)
        }
    if isinstance(value, list | tuple | range):
        return [plain(item, *place, index) for index, item in enumerate(value)]
    if isinstance(value, AbstractSet):
        is_value = "params" in place or place[0] == "cells" or isinstance(place[-1], int)
        return sorted((plain(item, *place, 0) for item in value), key=as_toml) if is_value else value
    return NULL if value is None else _plain_value(value)


def _plain_value(value: Any) -> Any:
    if isinstance(value, Margin):
        return str(value) if value.relative else value.size
    number = value.tolist() if hasattr(value, "tolist") else value  # an array or a number of numpy's
    try:
        return number if isinstance(number, dt.date | dt.time) else to_jsonable_python(number)
    except PydanticSerializationError:  # the check of the suite reports it with its place
        return number


def lines_of(values: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a suite, each table under a header of its own; what is None is left out."""
    entries = {name: value for name, value in values.items() if value is not None}
    tables = {name: value for name, value in entries.items() if isinstance(value, Mapping) and name != "design"}
    arrays = {name: value for name, value in entries.items() if _is_array_of_tables(value)}
    yield from (
        f"{_key(name)} = {as_toml(value)}" for name, value in entries.items() if name not in {**tables, **arrays}
    )
    for name, table in tables.items():
        yield from ("", f"[{_key(name)}]", *_pairs(table))
    for name, rows in arrays.items():
        for row in rows:
            yield from ("", f"[[{_key(name)}]]", *_pairs(row))


def as_toml(value: Any) -> str:
    """A value as text in TOML."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(_pairs(value))} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False, default=str).replace("\x7f", "\\u007f")


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    return (f"{_key(name)} = {as_toml(value)}" for name, value in table.items() if value is not None)


def _is_array_of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _key(name: str) -> str:
    is_bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if is_bare else json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")
