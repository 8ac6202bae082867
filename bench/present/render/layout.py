"""A table and the room it has, in characters -> the width of each column, and the columns that stand side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from bench.present.report import Table

_NARROWEST, _LONGEST_WORD = 14, 28
"""No text column is wrapped to less, and no word is broken that is shorter."""
_CONSOLE = Console()


class Layout(NamedTuple):
    """Groups of columns, by number, that fit side by side, and the width of every column."""

    groups: Sequence[Sequence[int]]
    widths: Sequence[int]


def natural(table: Table) -> list[int]:
    """The width of each column with every cell on one line."""
    return [max(map(cell_len, texts)) for texts in zip(table.header, *table.rows, strict=True)]


def fit(table: Table, room: int, *, gap: int = 2, indent: int = 0, keys: bool = False) -> Layout:
    """All columns as wide as they are where they fit, else with headings and text wrapped, else in groups.

    ``gap`` lies between two columns; each further group begins with the key columns, for ``keys``, or is ``indent``ed.
    """
    full = natural(table)
    bodies = list(zip(*table.rows, strict=True)) or [()] * len(full)
    headings = [_longest_word([heading]) for heading in table.header]
    least = [
        max(heading, *map(cell_len, cells), 0)
        if column.is_number
        else min(width, max(_NARROWEST, min(max(heading, _longest_word(cells)), _LONGEST_WORD)))
        for column, width, heading, cells in zip(table.columns, full, headings, bodies, strict=True)
    ]
    groups = [[*range(len(full))]]
    if _total(least, gap) > room:
        least = [
            min(room, narrow if column.is_number or keys else width)
            for column, narrow, width in zip(table.columns, least, full, strict=True)
        ]
        groups, own = [[]], [index for index, column in enumerate(table.columns) if column.key]
        for index in [*own, *(index for index in range(len(full)) if index not in own)]:
            free = room - indent * (len(groups) > 1)
            if groups[-1] and _total([least[at] for at in (*groups[-1], index)], gap) > free:
                groups.append([*own] if keys and index not in own else [])
            groups[-1].append(index)
    for position, group in enumerate(groups):
        free = room - indent * (position > 0)
        while _total([full[index] for index in group], gap) > free:
            slack = [index for index in group if full[index] > least[index]]
            if not slack:
                break
            full[max(slack, key=lambda index: full[index])] -= 1
    return Layout(groups, [min(width, room) for width in full])


def _longest_word(texts: Sequence[str]) -> int:
    return max((cell_len(word) for text in texts for word in text.split()), default=0)


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a cell, at least one; only a word that is wider than the column is broken."""
    return [line.plain.rstrip() for line in Text(text).wrap(_CONSOLE, width, overflow="fold")] or [""]


def _total(widths: Sequence[int], gap: int) -> int:
    return sum(widths) + gap * (len(widths) - 1)
