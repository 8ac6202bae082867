"""What a coordinator asks of whatever runs its work, beyond what any ``concurrent.futures.Executor`` can do."""

from __future__ import annotations

from abc import abstractmethod
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any


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
