"""What a coordinator asks of workers that die alone, beyond what any ``concurrent.futures.Executor`` can do."""

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
    """Workers that can die, or be stopped, without harm to each other."""

    isolates = True
    """Whether a worker that dies has no work but its own, which others do not wait behind."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many there are now."""

    @abstractmethod
    def death(self, future: Future[Any]) -> Death | None:
        """What became of the worker that ran ``future``, which has ended with an exception; None if none died."""

    @abstractmethod
    def kill(self) -> None:
        """Give up all work at once."""

    def watch(self) -> None:
        """Look after work that is running; called often while there is any.

        Raises:
            BenchError: nothing can come of it any more.
        """

    def fraction(self, future: Future[Any]) -> float:  # noqa: ARG002  not every kind of worker knows
        """Which part of the work of ``future`` is done, from 0 to 1; 0 where that is not known."""
        return 0.0
