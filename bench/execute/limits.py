"""What a worker may take: a time and a memory, from "10m" and "2GB" as people write them, or from numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ByteSize, TypeAdapter

from bench.errors import BenchError


@dataclass(frozen=True)
class Limits:
    """What work may take before its worker is stopped; infinite unless said otherwise."""

    seconds: float = math.inf
    """For one batch: one call of the experiment."""
    memory: float = math.inf
    """Bytes of a worker process that are in the machine's memory (its resident set)."""

    @classmethod
    def of(cls, time: float | str | None, memory: float | str | None) -> Self:
        """From seconds or "90s", "10m", "2h", and from bytes or "800MB", "2GB", "2GiB"."""
        return cls(
            _read(time, _seconds, "time limit", 'Give a time such as "90s", "10m", "2h".'),
            _read(memory, _bytes, "memory limit", 'Give a size such as "800MB", "2GB".'),
        )

    def __bool__(self) -> bool:
        return self != Limits()


def in_bytes(size: float) -> str:
    """``800.0 MB``, ``2.5 GB``."""
    return ByteSize(size).human_readable(decimal=True, separator=" ")


def _read(given: float | str | None, read: Callable[[Any], float], what: str, hint: str) -> float:
    if given is None:
        return math.inf
    with suppress(ValueError, OverflowError):
        if (limit := read(given)) > 0:
            return limit
    raise BenchError(f"{given!r:.80} is not a {what}.", hint=hint)


def _seconds(time: float | str) -> float:
    from pandas import Timedelta  # noqa: PLC0415  which workers do without

    with suppress(ValueError):
        return float(Timedelta(float(time), unit="s").total_seconds())
    return float(Timedelta(f"{time}".replace("d", "D")).total_seconds())


def _bytes(memory: float | str) -> float:
    return float(TypeAdapter(ByteSize).validate_python(memory))
