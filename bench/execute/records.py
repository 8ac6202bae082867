"""A finished job is a line of JSON with a checksum, in a segment of the journal; any other line is named with why."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, get_args

from pydantic import Field, Strict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from bench.execute.storage import (
    first_fault,
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

SCHEMA = 2
"""Version of what a line holds; a newer one is refused. In version 1, NaN and infinities are "nan", "inf", "-inf"."""

LONGEST = 1 << 22
"""Bytes in the longest line that is written or read."""

Status = Literal["ok", "diverged", "failed", "lost"]
STATUSES: tuple[Status, ...] = get_args(Status)
OUTCOMES: tuple[Status, ...] = ("ok", "diverged")
"""The statuses that settle a job; a failed or lost one is run again."""
Integer = Annotated[int, Strict()]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What is stored of one finished job; two are equal if their lines are, so that NaN equals NaN."""

    key: str
    """Identity of the job (``Experiment.key``)."""
    levels: Mapping[str, Any]
    seed: Integer
    status: Status
    metrics: Mapping[str, float]
    notes: Mapping[str, str]
    """Metric -> why its value is NaN."""
    reason: str
    """Why the job diverged, failed or was lost."""
    seconds: float
    """The job's share of the time of its batch."""
    batch: Integer
    """Number of the batch within the segment; with ``batch_size`` and ``attempt``, how the job was run."""
    batch_size: Integer
    attempt: Integer
    host: str
    environment: str
    """Id of the environment that made the numbers (``provenance.environment``)."""
    artefact: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?\z")] = ""
    """Digest of the arrays that the job stored; empty for none."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and encode_record(self) == encode_record(other)

    @property
    def values(self) -> bytes:
        """What must not differ when the same job is run twice, as text (in which NaN equals NaN)."""
        return to_json([self.status, dict(sorted(self.metrics.items())), self.artefact], inf_nan_mode="strings")


def encode(kind: str, content: Mapping[str, Any]) -> bytes:
    """One line: the content, its kind, the schema version, and a checksum over all that precedes it."""
    whole = {"kind": kind, "schema": SCHEMA, **content}
    return _sealed(json.dumps(whole, separators=(",", ":"), allow_nan=False).encode())


def encode_record(record: Record) -> bytes:
    """One line for ``record``."""
    try:
        body = to_json(record, inf_nan_mode="strings", exclude=None if record.artefact else {"artefact"})
    except (PydanticSerializationError, UnicodeEncodeError):  # half of a character, which a file name may hold
        text = json.dumps(asdict(record), ensure_ascii=False).encode("utf-8", "replace")
        return encode_record(_RECORD.validate_json(text))
    return _sealed(_HEADS[-1] + body[1:])


def decode(line: bytes) -> Record | dict[str, Any]:
    """What a line without its newline holds: a record, or what else was stored; a ValueError if bench did not write it.

    Of a newer schema, as it is.
    """
    head, seal, tail = line.rpartition(_SEAL)
    body = head + b"}"
    if not seal or tail != _digest(body) + b'"}':
        raise ValueError("the checksum does not fit")
    if head.startswith(_HEADS):
        try:
            return _RECORD.validate_json(body)
        except ValidationError as error:
            raise ValueError(first_fault(error)) from error
    content = from_json(body, allow_inf_nan=False)
    if not isinstance(content, dict) or type(content.get("schema")) is not int:
        raise ValueError("no schema version")
    return content


_RECORD = TypeAdapter(Record)
_HEADS = tuple(b'{"kind":"record","schema":%d,' % schema for schema in range(1, SCHEMA + 1))
_SEAL = b',"checksum":"'


def _sealed(body: bytes) -> bytes:
    return body[:-1] + _SEAL + _digest(body) + b'"}\n'


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=8).hexdigest().encode()


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
    return {name for session, _ in scan(folder) if isinstance(name := session.get("experiment"), str)}


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
