"""A finished job as one line of JSON with a checksum, and back; any other line is refused with the reason."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

SCHEMA = 1

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

    @property
    def values(self) -> str:
        """What must not differ when the same job is run twice, as text (in which NaN equals NaN)."""
        return json.dumps([self.status, plain(self.metrics)], sort_keys=True)


def plain(value: Any) -> Any:
    """A value as JSON can hold it: NaN and infinities as "nan", "inf", "-inf"; what JSON has no word for, as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def encode(kind: str, content: Mapping[str, Any]) -> bytes:
    """One line: the content, its kind, the schema version, and a checksum over all that precedes it."""
    body = json.dumps({"kind": kind, "schema": SCHEMA, **content}, separators=(",", ":"), allow_nan=False)
    return f'{body[:-1]}{_SEAL}{_digest(body.encode())}"}}\n'.encode()


def encode_record(record: Record) -> bytes:
    """One line for ``record``."""
    return encode("record", {name: plain(getattr(record, name)) for name in _RECORD_FIELDS})


def decode(line: bytes) -> dict[str, Any]:
    """The content of a line without its newline.

    Raises:
        ValueError: with the reason, when the line is not one that ``encode`` wrote.
    """
    head, seal, tail = line.rpartition(_SEAL.encode())
    if not seal or tail != f'{_digest(head + b"}")}"}}'.encode():
        raise ValueError("the checksum does not fit")
    try:
        content = _DECODER.decode(f"{head.decode()}}}")
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ValueError(f"not schema version {SCHEMA}, which this bench reads")
    return content


def decode_record(content: Mapping[str, Any]) -> Record:
    """The record of a decoded line of kind "record".

    Raises:
        ValueError: with the reason, when a field is missing or of the wrong type.
    """
    try:
        values = {name: content[name] for name in _RECORD_FIELDS}
    except KeyError as error:
        raise ValueError(f"no {error.args[0]!r}") from error
    for name, kind in _TYPES.items():
        if type(values[name]) is not kind:
            raise ValueError(f"{name} is {values[name]!r:.60}")
    if values["status"] not in STATUSES:
        raise ValueError(f"status is {values['status']!r:.60}")
    values["seconds"] = _number("seconds", values["seconds"])
    values["metrics"] = {name: _number(name, value) for name, value in values["metrics"].items()}
    values["notes"] = {name: str(text) for name, text in values["notes"].items()}
    return Record(**values)


_SEAL = ',"checksum":"'
_RECORD_FIELDS = tuple(field.name for field in fields(Record))
_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("key", "status", "reason", "host", "environment"), str),
    **dict.fromkeys(("seed", "batch", "batch_size", "attempt"), int),
    **dict.fromkeys(("levels", "metrics", "notes"), dict),
}
_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=8).hexdigest()


def _number(name: str, value: object) -> float:
    if isinstance(value, str) and value in _NON_FINITE:
        return _NON_FINITE[value]
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"{name} is {value!r:.60}, not a number")


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
