"""A finished job as one line of JSON with a checksum, and back; any other line is refused with the reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, Strict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

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
        body = to_json(record, inf_nan_mode="strings", exclude=_NO_ARTEFACT if not record.artefact else None)
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
            first = error.errors(include_url=False)[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    content = from_json(body, allow_inf_nan=False)
    if not isinstance(content, dict) or type(content.get("schema")) is not int:
        raise ValueError("no schema version")
    return content


_RECORD = TypeAdapter(Record)
_HEADS = tuple(b'{"kind":"record","schema":%d,' % schema for schema in range(1, SCHEMA + 1))
_NO_ARTEFACT = {"artefact"}
_SEAL = b',"checksum":"'


def _sealed(body: bytes) -> bytes:
    return body[:-1] + _SEAL + _digest(body) + b'"}\n'


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=8).hexdigest().encode()
