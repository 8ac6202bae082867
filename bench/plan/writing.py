"""A suite's values -> the lines of TOML that say the same."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import Any


def lines_of(values: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a suite, each table under a header of its own; what is None is left out."""
    given = {name: value for name, value in values.items() if value is not None}
    tables = {name: value for name, value in given.items() if isinstance(value, Mapping) and name != "design"}
    arrays = {name: value for name, value in given.items() if _is_array_of_tables(value)}
    yield from (f"{_key(name)} = {as_toml(value)}" for name, value in given.items() if name not in {**tables, **arrays})
    for name, table in tables.items():
        yield from ("", f"[{_key(name)}]", *_pairs(table))
    for name, rows in arrays.items():
        for row in rows:
            yield from ("", f"[[{_key(name)}]]", *_pairs(row))


def as_toml(value: Any) -> str:
    """A value as TOML has it."""
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
