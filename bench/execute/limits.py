"""What a worker may take: a time and a memory, from "10m" and "2GB" as people write them, or from numbers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Self

from bench.errors import BenchError

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}


@dataclass(frozen=True)
class Limits:
    """What work may take before its worker is stopped; infinite unless said otherwise."""

    seconds: float = math.inf
    """For one batch: one call of the experiment."""
    memory: float = math.inf
    """Bytes of a worker process that are in the machine's memory (its resident set)."""

    @classmethod
    def of(cls, time: float | str | None, memory: float | str | None) -> Self:
        """From seconds or text such as "90s", "10m", "2h", and bytes or text such as "800MB", "2GB", "2GiB".

        Raises:
            BenchError: for anything else, and what is not above 0.
        """
        return cls(
            math.inf
            if time is None
            else _read(time, _SECONDS, "time limit", 'Give a time such as "90s", "10m", "2h".'),
            math.inf
            if memory is None
            else _read(memory, _BYTES, "memory limit", 'Give a size such as "800MB", "2GB".'),
        )

    def __bool__(self) -> bool:
        return self != Limits()


def in_words(seconds: float) -> str:
    """``45 s``, ``10 min``, ``2.5 h``."""
    unit, size = next(((unit, size) for unit, size in (("h", 3600), ("min", 60)) if seconds >= size), ("s", 1))
    return f"{seconds / size:.4g} {unit}"


def in_bytes(size: float) -> str:
    """``800 MB``, ``2.5 GB``."""
    unit, scale = next(
        ((unit, scale) for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)) if size >= scale), ("kB", 1e3)
    )
    return f"{size / scale:.3g} {unit}"


def _read(given: float | str, units: dict[str, float], what: str, hint: str) -> float:
    value = float(given) if isinstance(given, int | float) else math.nan
    if isinstance(given, str) and (found := re.fullmatch(r" *([0-9]{1,12}(?:\.[0-9]{1,9})?) *([a-zA-Z]*) *", given)):
        value = float(found[1]) * units.get(found[2].lower(), math.nan)
    if not (0 < value < math.inf):
        raise BenchError(f"{given!r:.80} is not a {what}.", hint=hint)
    return value
