"""What a coordinator asks of whatever runs its work: to be watched, to keep limits, to print no more than a little."""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
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
            _read(memory, TypeAdapter(ByteSize).validate_python, "memory limit", 'Give a size such as "800MB", "2GB".'),
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
        if (limit := float(read(given))) > 0:
            return limit
    raise BenchError(f"{given!r:.80} is not a {what}.", hint=hint)


def _seconds(time: float | str) -> float:
    from pandas import Timedelta  # noqa: PLC0415  which workers do without

    with suppress(ValueError):
        return float(Timedelta(float(time), unit="s").total_seconds())
    return float(Timedelta(f"{time}".replace("d", "D")).total_seconds())


@dataclass(frozen=True)
class Death:
    """What became of the workers that had a piece of work."""

    reason: str
    """In words: "its worker process was killed by SIGKILL"."""
    times: int = 1
    """So many workers died."""
    limited: bool = False
    """Whether they were stopped at a limit, so that the same work would come to the same end."""


class Workers(Executor):
    """An executor whose workers can be watched, and may die, or be stopped, without harm to each other."""

    isolates = True
    """Whether a worker that dies has no work but its own, which others do not wait behind."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many there are now: as much work as may be submitted at a time."""

    @abstractmethod
    def death(self, future: Future[Any]) -> Death | None:
        """What became of the worker that ran ``future``, which has ended without a result; None if none died."""

    def kill(self) -> None:
        """Give up all work at once."""

    def end(self, *, at_once: bool) -> None:
        """Let the workers end, ``at_once`` without finishing what they do (where that can be had)."""
        if at_once:
            self.kill()
        self.shutdown(cancel_futures=True)

    def watch(self) -> None:
        """Look after work that is running; a BenchError says that nothing can come of it any more."""

    def fraction(self, future: Future[Any]) -> float:  # noqa: ARG002  not every kind of worker knows
        """Which part of the work of ``future`` is done, from 0 to 1; 0 where that is not known."""
        return 0.0


MOST = 1 << 20
"""Bytes that are shown of all that one run prints: a loop that prints must not fill a disk with logs."""
PATIENCE = 5.0
"""Seconds to wait for the last of it; what an experiment has left running may keep the pipe."""


class Output:
    """A ``pipe``, for this process or others to print into, and a thread that shows what comes."""

    def __init__(self) -> None:
        reader, self.pipe = multiprocessing.get_context("spawn").Pipe(duplex=False)
        self._thread = threading.Thread(target=_forward, args=(reader, os.dup(2)), name="output", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Show the last of it."""
        self.pipe.close()
        self._thread.join(PATIENCE)


def _forward(reader: Connection, target: int) -> None:
    left = MOST
    while text := os.read(reader.fileno(), 1 << 16):
        shown = text[:left]
        if left and len(text) >= left:
            shown += f"\nbench: runs have printed {MOST} bytes; what more they print is not shown.\n".encode()
        left = max(0, left - len(text))
        with suppress(OSError):  # nobody reads our stderr
            os.write(target, shown)
    reader.close()
    os.close(target)


@contextmanager
def printing_to(descriptor: int) -> Iterator[None]:
    """Let what this process prints meanwhile, by whatever means, go to ``descriptor``."""
    kept = []
    try:
        sys.stdout.flush()
        kept = [os.dup(1), os.dup(2)]
    except (OSError, ValueError, AttributeError):  # closed
        yield
        return
    try:
        for stream in (1, 2):
            os.dup2(descriptor, stream)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        for stream, before in enumerate(kept, 1):
            os.dup2(before, stream)
            os.close(before)
