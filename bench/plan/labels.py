"""Names of factors and their levels -> labels of cells, effects and terms, different for whatever differs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping


def cell_label(levels: Iterable[object]) -> str:
    """Levels joined by a slash; one that holds a slash, or cannot be seen, is quoted.

    >>> cell_label(["l1", 0.5]), cell_label(["a/b", "c"]), cell_label(["a", "b/c"])
    ('l1/0.5', '"a/b"/c', 'a/"b/c"')
    """
    return "/".join(level_label(level) for level in levels)


def visible(level: object) -> str:
    r"""A level or parameter by itself, in quotes only where it could not be seen as it is.

    >>> visible(""), visible("a/b"), visible(" two\nlines"), visible(0.5), visible(None)
    ('""', 'a/b', '" two\\nlines"', '0.5', 'null')
    """
    return _quoted_with("", "null" if level is None else str(level))


def assignments(values: Mapping[str, object]) -> str:
    """Parameters or levels by name: ``reg = l1, act = relu``."""
    return ", ".join(f"{name} = {visible(value)}" for name, value in values.items())


def level_label(level: object) -> str:
    r"""A level as it stands in the label of a cell.

    >>> level_label(""), level_label("two words"), level_label("two\nlines")
    ('""', 'two words', '"two\\nlines"')
    """
    return _quoted_with("/", str(level))


def term_label(factors: Iterable[str]) -> str:
    """Names of factors joined by a colon.

    >>> term_label(["init", "reg"]), term_label(["init:reg"])
    ('init:reg', '"init:reg"')
    """
    return ":".join(_quoted_with(":[", name) for name in factors)


def effect_label(parts: Iterable[tuple[str, object]]) -> str:
    """Pairs of a factor and the level that is compared, None where it has but two: ``init[kaiming]:reg``."""
    return ":".join(
        term_label([name]) + ("" if level is None else f"[{_quoted_with(':]', str(level))}]") for name, level in parts
    )


def _quoted_with(special: str, text: str) -> str:
    """``text``, in quotes if it has a ``special`` character, a quote in front, or something that cannot be seen."""
    is_plain = text.isprintable() and text == text.strip() != "" and not text.startswith('"')
    return text if is_plain and not any(mark in text for mark in special) else json.dumps(text, ensure_ascii=False)
