"""Hypothesis strategies: dictionaries that TOML can hold, and texts that say them in every style TOML has."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(['"', "'", "]", "#", "a.b", "é"])
scalars = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.booleans()
    | text
    | st.datetimes(timezones=st.none() | st.just(dt.UTC))
    | st.dates()
    | st.times()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=8
)
documents = st.dictionaries(text, values, max_size=5)


@st.composite
def toml(draw: Callable[..., Any], documents: st.SearchStrategy[dict[str, Any]]) -> tuple[dict[str, Any], str]:
    """A document and one of the many ways to write it."""
    document = draw(documents)
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    return document, _Writer(draw).table(document, ()).replace("\n", newline)


class _Writer:
    def __init__(self, draw: Callable[..., Any]) -> None:
        self.draw = draw

    def pick(self, *styles: str) -> str:
        return self.draw(st.sampled_from(styles))

    def table(self, table: Mapping[str, Any], path: tuple[str, ...]) -> str:
        pairs, tables = [self.pick("", "# [no] = 'table'\n", "\n")], []
        for key, value in table.items():
            is_table = isinstance(value, dict)
            is_array = isinstance(value, list) and value != [] and all(isinstance(item, dict) for item in value)
            dotted = ".".join(map(self.key, (*path, key)))
            if is_table and self.pick("inline", "header") == "header":
                tables.append(f"[{self.pick('', ' ')}{dotted} ]\n{self.table(value, (*path, key))}")
            elif is_array and self.pick("inline", "header") == "header":
                tables += [f"[[{dotted}]] # ]\n{self.table(item, (*path, key))}" for item in value]
            elif is_table and value and self.pick("inline", "dotted") == "dotted":
                pairs += [f"{self.key(key)} . {self.key(inner)} = {self.value(value[inner])}\n" for inner in value]
            else:
                pairs.append(f"{self.pick('', '  ')}{self.key(key)} = {self.value(value)}{self.pick('', ' # ,')}\n")
        return "".join(pairs + tables)

    def key(self, key: str) -> str:
        if re.fullmatch("[A-Za-z0-9_-]+", key) and self.pick("bare", "quoted") == "bare":
            return key
        return self.text(key)

    def text(self, value: str) -> str:
        if value.isprintable() and "'" not in value and self.pick("literal", "basic") == "literal":
            return f"'{value}'"
        return _basic(value)

    def value(self, value: Any) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{self.key(key)} = {self.value(item)}" for key, item in value.items()) + " }"
        if isinstance(value, list):
            gap = self.pick("", " ", "\n", " # ]\n")
            return f"[{gap}{''.join(f'{self.value(item)},{gap}' for item in value)}]"
        if isinstance(value, str):
            return self.text(value) if self.pick("one", "three") == "one" else f'""{_basic(value)}""'
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int) and value >= 0 and self.pick("decimal", "hexadecimal") == "hexadecimal":
            return hex(value)
        return repr(value) if isinstance(value, int | float) else value.isoformat()


def _basic(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
