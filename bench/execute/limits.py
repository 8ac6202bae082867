"""What a worker may take: a time and a memory, from "10m" and "2GB" as people write them, or from numbers."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from pydantic import ByteSize, TypeAdapter, ValidationError

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
        seconds = math.inf if time is None else _seconds(time)
        size = math.inf if memory is None else _bytes(memory)
        if not seconds > 0:
            raise BenchError(f"{time!r:.80} is not a time limit.", hint='Give a time such as "90s", "10m", "2h".')
        if not size > 0:
            raise BenchError(f"{memory!r:.80} is not a memory limit.", hint='Give a size such as "800MB", "2GB".')
        return cls(seconds, size)

    def __bool__(self) -> bool:
        return self != Limits()


def in_bytes(size: float) -> str:
    """``800.0 MB``, ``2.5 GB``."""
    return ByteSize(size).human_readable(decimal=True, separator=" ")


def _seconds(time: float | str) -> float:
    """NaN if it is no time."""
    from pandas import Timedelta  # noqa: PLC0415  which workers do without

    with suppress(ValueError):
        return float(Timedelta(float(time), unit="s").total_seconds())
    with suppress(ValueError):
        return float(Timedelta(f"{time}".replace("d", "D")).total_seconds())
    return math.nan


def _bytes(memory: float | str) -> float:
    """NaN if it is no size."""
    try:
        return float(TypeAdapter(ByteSize).validate_python(memory))
    except (ValidationError, OverflowError):
        return math.nan
