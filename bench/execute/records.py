"""A finished job as one line of JSON with a checksum, and back; any other line is refused with the reason."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import Any, Literal, get_args

from pydantic_core import from_json

SCHEMA = 1
"""Version of what a line holds; a newer one is refused, an older one read by its own reader."""

LONGEST = 1 << 22
"""Bytes in the longest line that is written or read."""

Status = Literal["ok", "diverged", "failed", "lost"]
STATUSES: tuple[Status, ...] = get_args(Status)
OUTCOMES: tuple[Status, ...] = ("ok", "diverged")
"""The statuses that settle a job; a failed or lost one is run again."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored of one finished job."""

    key: str
    """Identity of the job (``Experiment.key``)."""
    levels: Mapping[str, Any]
    seed: int
    status: Status
    metrics: Mapping[str, float]
    notes: Mapping[str, str]
    """Metric -> why its value is NaN."""
    reason: str
    """Why the job diverged, failed or was lost."""
    seconds: float
    """The job's share of the time of its batch."""
    batch: int
    """Number of the batch within the segment; with ``batch_size`` and ``attempt``, how the job was run."""
    batch_size: int
    attempt: int
    host: str
    environment: str
    """Id of the environment that made the numbers (``Environment.id``)."""
    artefact: str = ""
    """Digest of the arrays that the job stored; empty for none."""

    @property
    def values(self) -> str:
        """What must not differ when the same job is run twice, as text (in which NaN equals NaN)."""
        return json.dumps([self.status, plain(self.metrics), self.artefact], sort_keys=True)


def plain(value: Any) -> Any:
    """A value as JSON can hold it: NaN and infinities as "nan", "inf", "-inf"; what JSON has no word for, as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {_text(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    return _text(value)


def encode(kind: str, content: Mapping[str, Any]) -> bytes:
    """One line: the content, its kind, the schema version, and a checksum over all that precedes it."""
    body = json.dumps({"kind": kind, "schema": SCHEMA, **content}, separators=(",", ":"), allow_nan=False)
    return f'{body[:-1]}{_SEAL}{_digest(body.encode())}"}}\n'.encode()


def encode_record(record: Record) -> bytes:
    """One line for ``record``."""
    names = _RECORD_FIELDS if record.artefact else _RECORD_FIELDS[:-1]
    return encode("record", {name: plain(getattr(record, name)) for name in names})


def decode(line: bytes) -> dict[str, Any]:
    """The content of a line without its newline, of any schema version.

    Raises:
        ValueError: with the reason, when the line is not one that ``encode`` wrote.
    """
    head, seal, tail = line.rpartition(_SEAL.encode())
    if not seal or tail != f'{_digest(head + b"}")}"}}'.encode():
        raise ValueError("the checksum does not fit")
    content = from_json(head + b"}", allow_inf_nan=False)
    if not isinstance(content, dict) or type(content.get("schema")) is not int:
        raise ValueError("no schema version")
    return content


def decode_record(content: Mapping[str, Any]) -> Record:
    """The record of a decoded line of kind "record", by the reader of its schema version.

    Raises:
        ValueError: with the reason, when a field is missing or of the wrong type, or no reader is known.
    """
    reader = READERS.get(content["schema"])
    if reader is None:
        raise ValueError(f"schema version {content['schema']} has no reader")
    return reader(content)


def _read_1(content: Mapping[str, Any]) -> Record:
    try:
        found = _OF_TYPES(content)
    except KeyError as error:
        raise ValueError(f"no {error.args[0]!r}") from error
    values = dict(zip(_TYPES, found, strict=True))
    if tuple(map(type, found)) != _KINDS:
        name = next(name for name, kind in _TYPES.items() if type(values[name]) is not kind)
        raise ValueError(f"{name} is {values[name]!r:.60}")
    if values["status"] not in STATUSES:
        raise ValueError(f"status is {values['status']!r:.60}")
    values["seconds"] = _number("seconds", content.get("seconds"))
    values["metrics"] = {
        name: value if type(value) is float and math.isfinite(value) else _number(name, value)
        for name, value in values["metrics"].items()
    }
    values["notes"] = {name: str(text) for name, text in values["notes"].items()}
    artefact = content.get("artefact", "")
    if artefact and not (isinstance(artefact, str) and _DIGEST.fullmatch(artefact)):
        raise ValueError(f"artefact is {artefact!r:.60}")
    return Record(**values, artefact=artefact)


READERS: dict[int, Callable[[Mapping[str, Any]], Record]] = {1: _read_1}
"""Schema version -> how its records are read; when ``SCHEMA`` grows, the old reader stays and fills in what is new."""

_SEAL = ',"checksum":"'
_RECORD_FIELDS = tuple(field.name for field in fields(Record))
_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("key", "status", "reason", "host", "environment"), str),
    **dict.fromkeys(("seed", "batch", "batch_size", "attempt"), int),
    **dict.fromkeys(("levels", "metrics", "notes"), dict),
}
_KINDS = tuple(_TYPES.values())
_OF_TYPES = itemgetter(*_TYPES)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def _text(value: object) -> str:
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()  # lone surrogates are no text


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=8).hexdigest()


def _number(name: str, value: object) -> float:
    if isinstance(value, str) and value in _NON_FINITE:
        return _NON_FINITE[value]
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"{name} is {value!r:.60}, not a number")
