"""The segments of a journal -> their lines, each checked; a damaged one is named, and can be set aside."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from bench.execute.records import LONGEST, SCHEMA, Record, decode
from bench.execute.storage import (
    open_own,
    open_stored,
    own_folder,
    reading,
    refuse_irregular,
    refuse_newer,
    replacing,
    storing,
    sync_folder,
)

ASIDE = "damaged"
"""The folder, beside what was damaged, that keeps what was set aside."""
LAST = 999_999_999
"""The number of the last segment that can be."""
SEGMENT = re.compile(r"\d{5,9}\.jsonl")
"""The name of a segment."""


@dataclass(frozen=True)
class Damage:
    """A line that cannot be read."""

    segment: str
    line: int
    """Counted from 1."""
    why: str


def segments(folder: Path) -> list[Path]:
    """The segments in the order in which they were written; other files are not ours."""
    if not os.path.lexists(folder):
        return []
    with reading(folder):
        refuse_irregular(folder, folder=True)
        names = [path.name for path in folder.iterdir() if SEGMENT.fullmatch(path.name)]
    return [folder / name for name in sorted(names, key=lambda name: (int(name.split(".")[0]), name))]


def scan(folder: Path) -> Iterator[tuple[Mapping[str, Any], Record | dict[str, Any] | Damage]]:
    """What every line holds in the order of writing: a record, what else was said, or its damage; and by which session.

    That is the description at the head of the segment; empty where it is damaged.
    """
    for path in segments(folder):
        session: Mapping[str, Any] = {}
        with reading(path), open_stored(path) as file:
            for number, line in enumerate(_lines(file), 1):
                if not line.endswith(b"\n"):
                    why = "torn: the line has no end" if len(line) < LONGEST else "longer than any that bench writes"
                    yield session, Damage(path.name, number, why)
                    continue
                try:
                    content = decode(line[:-1].removesuffix(b"\r"))  # which version control may have added
                except ValueError as error:
                    yield session, Damage(path.name, number, str(error))
                    continue
                if isinstance(content, dict):
                    refuse_newer(path, content["schema"], SCHEMA)
                    session = content if content.get("kind") == "session" else session
                yield session, content


def experiments(folder: Path) -> set[str]:
    """The experiments whose results the segments hold, by what the head of each says."""
    names = set()
    for path in segments(folder):
        with reading(path), open_stored(path) as file, suppress(ValueError):
            head = decode(file.readline(LONGEST).rstrip(b"\r\n"))
            if isinstance(head, dict) and isinstance(head.get("experiment"), str):
                names.add(head["experiment"])
    return names


def set_aside(folder: Path, damaged: Sequence[Damage]) -> None:
    """Move damaged lines, byte for byte, from their segments to ``damaged/``; the folder must be locked.

    All other lines stay as they are. Killed in between, a line is there twice, and none is lost.
    """
    lines: dict[str, set[int]] = defaultdict(set)
    for damage in damaged:
        lines[damage.segment].add(damage.line)
    for name, numbers in lines.items():
        path, aside = folder / name, folder / ASIDE
        own_folder(aside)
        with (
            storing(aside / name),
            open_stored(path) as old,
            replacing(path) as good,
            open_own(aside / name, os.O_APPEND) as bad,
        ):
            for number, line in enumerate(_lines(old), 1):
                (bad if number in numbers else good).write(line)
            bad.flush()
            os.fsync(bad.fileno())
            sync_folder(aside)  # before the segment is replaced: a line may be there twice, never not at all


def _lines(file: BinaryIO) -> Iterator[bytes]:
    return iter(partial(file.readline, LONGEST), b"")
