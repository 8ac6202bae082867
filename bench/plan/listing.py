"""Combinations of a suite's levels -> the lines of TOML that list them as cells."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.plan.levels import Level
from bench.plan.suite import Suite


def cells_as_toml(suite: Suite, cells: Sequence[Mapping[str, Level]]) -> Iterator[str]:
    """One ``[[cells]]`` table each, with the values that the suite gives for the levels."""
    for cell in cells:
        yield "[[cells]]"
        yield from (f"{_key(name)} = {as_toml(suite.settings[name][level])}" for name, level in cell.items())


def as_toml(value: Any) -> str:
    """A value as TOML has it."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(name)} = {as_toml(item)}' for name, item in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False, default=str)


def _key(name: str) -> str:
    is_bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if is_bare else json.dumps(name, ensure_ascii=False)
