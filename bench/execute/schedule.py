"""Batches in the order of the design -> what each free worker is given: quick ones together, the last ones split."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from bench.execute.batches import Pending

Batch = Sequence[Pending]

TARGET = 0.5
"""Seconds of work that a worker is given at a time, where one batch takes less."""
GROWTH = 8
"""A worker is given at most so many times the jobs by which the time of a job was judged."""
AHEAD = 4
"""So many batches a worker are known in advance."""
WORTHWHILE = 1.5
"""A batch is split if it takes so many times a worker's share of what is left to do."""
MOST_GROUPS = 10_000
"""Groups whose cost is remembered."""


@dataclass
class Schedule:
    """Hands out ``batches``, of ``todo`` jobs in all, to ``workers`` workers, and learns what jobs cost.

    At the end the costliest batches come first (those whose cost is unknown before all), and one that would keep its
    worker busy when the others have nothing left to do is split.
    """

    batches: Iterator[Batch]
    todo: int
    workers: int
    until: float = math.inf
    """When to stop, on the monotonic clock; something is handed out in any case."""
    _ahead: deque[Batch] = field(default_factory=deque, init=False)
    _issued: int = field(default=0, init=False)
    _usual: tuple[int, float] = field(default=(0, 0.0), init=False)
    """Jobs that the last finished work had, and the seconds that each took."""
    _seconds: dict[Hashable, float] = field(default_factory=dict, init=False)
    """Group -> seconds that a job of it took last."""

    def take(self, busy: Callable[[], float]) -> list[Batch]:
        """What a free worker is to do, nothing when all is handed out or time is up.

        ``busy()``: seconds that the other workers still have to do, summed; it is asked when little is left.
        """
        if self._issued and time.monotonic() > self.until:
            return []
        if self._look_ahead():
            self._ahead = deque(sorted(self._ahead, key=self.cost, reverse=True))
            self._split_first(busy)
        jobs, seconds = self._usual
        most = min(GROWTH * jobs, int(TARGET / max(seconds, 1e-9)), (self.todo - self._issued) // (2 * self.workers))
        taken: list[Batch] = []
        n_taken = 0
        while self._ahead and (n_taken == 0 or n_taken < most):
            batch = self._ahead.popleft()
            taken.append(batch)
            n_taken += len(batch)
            self._look_ahead()
        self._issued += n_taken
        return taken

    def learn(self, batches: Sequence[Batch], seconds: Sequence[float]) -> None:
        """Note what the jobs of ``batches`` have taken; there may be fewer ``seconds`` than jobs."""
        self._usual = len(seconds), math.fsum(seconds) / max(1, len(seconds))
        done = 0
        for batch in batches:
            if done >= len(seconds):
                break
            group = batch[0].group
            if group in self._seconds or len(self._seconds) < MOST_GROUPS:
                self._seconds[group] = seconds[done]
            done += len(batch)

    def cost(self, batch: Batch) -> float:
        """Seconds that a batch is expected to take; infinite if no job like it has been seen."""
        return len(batch) * self._seconds.get(batch[0].group, math.inf)

    def _look_ahead(self) -> bool:
        """Whether every batch that is left is known."""
        while len(self._ahead) < AHEAD * self.workers:
            if (batch := next(self.batches, None)) is None:
                return True
            self._ahead.append(batch)
        return False

    def _split_first(self, busy: Callable[[], float]) -> None:
        """Cut the first batch down to a worker's share of all that is left, where that spares much time."""
        if not self._ahead or not (cost := self.cost(self._ahead[0])) < math.inf:
            return
        share = max(TARGET, (busy() + math.fsum(map(self.cost, self._ahead))) / self.workers)
        if cost > WORTHWHILE * share and len(self._ahead[0]) > 1:
            batch = self._ahead.popleft()
            size = math.ceil(len(batch) * share / cost)
            self._ahead.extendleft([batch[size:], batch[:size]])
