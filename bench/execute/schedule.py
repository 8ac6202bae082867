"""A suite and what is stored -> the jobs that are missing, in batches, and what each free worker is given of them."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

from bench.errors import BenchError
from bench.execute.records import OUTCOMES, Record, encode_record
from bench.experiment import identifier
from bench.plan.design import Cell, n_jobs, seeded
from bench.plan.suite import Plan

MOST_HELD = 100_000
"""So many jobs at most wait for company; beyond it the fullest group goes as it is."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A job that is to be run, as plain data."""

    key: str
    levels: Mapping[str, Any]
    seed: int
    values: Mapping[str, Any]
    """Parameter -> value (``Experiment.inputs``)."""
    group: Hashable
    """What ``Experiment.batch_by`` says of it."""


def missing(suite: Plan, settled: Collection[str]) -> Iterator[Pending]:
    """Every job that is not settled, in the order of the design; one at a time."""
    experiment = suite.experiment

    def prepare(cell: Cell) -> tuple[Cell, Callable[[int], str], Mapping[str, Any], Hashable]:
        key_of = identifier(experiment.changed(cell.params), experiment.version)
        try:
            group = experiment.batch_by(cell.params)
            hash(group)
        except Exception as error:  # a user's function may raise anything; it is theirs to read
            message = f"batch_by of {suite.reference} failed for {cell.params!r:.200}: {type(error).__name__}: {error}"
            raise BenchError(message, hint="It takes the parameters of a job and returns a hashable value.") from error
        return cell, key_of, experiment.inputs(cell.params), group

    for (cell, key_of, inputs, group), seed in seeded(suite, prepare):
        key = key_of(seed)
        if key not in settled:
            yield Pending(key, cell.levels, seed, inputs, group)


def even_size(n_jobs: int, workers: int, largest: int) -> int:
    """Jobs per batch, at most ``largest``, such that all workers run equally many batches of about that size."""
    rounds = math.ceil(n_jobs / (workers * largest))
    return max(1, math.ceil(n_jobs / (workers * max(1, rounds))))


def batches(pending: Iterable[Pending], size: int, *, most_held: int = MOST_HELD) -> Iterator[list[Pending]]:
    """Batches of up to ``size`` jobs of one group, each in the order given; at the end the largest leftovers first."""
    groups: dict[Hashable, list[Pending]] = defaultdict(list)
    held = 0
    for job in pending:
        group = groups[job.group]
        group.append(job)
        held += 1
        if len(group) >= size:
            held -= len(group)
            yield groups.pop(job.group)
        elif held >= most_held:
            fullest = max(groups, key=lambda name: len(groups[name]))
            held -= len(groups[fullest])
            yield groups.pop(fullest)
    yield from sorted(groups.values(), key=len, reverse=True)


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


MOST_LINES = 100
"""Of so many stored records at most the length is taken."""


@dataclass(frozen=True)
class Forecast:
    """What it will take to run what is missing of a suite; NaN where nothing is stored to judge by."""

    planned: int
    """Jobs that the suite asks for."""
    stored: int
    to_run: int
    batches: int
    workers: int
    seconds: float
    """By the clock, start-up aside: what stored jobs of the same cells took, shared out among the workers."""
    bytes: float
    """That the journal will grow by."""


def forecast(suite: Plan, settled: Collection[str], stored: Iterable[Record], workers: int) -> Forecast:
    """What it will take ``workers`` to run the jobs of ``suite`` whose keys are not ``settled``.

    A job is expected to take the median of the ``stored`` outcomes of its cell, or where its cell has none, the mean of
    the cells' medians.
    """
    took: dict[Hashable, list[float]] = defaultdict(list)
    lines: list[int] = []
    for record in stored:
        if record.status in OUTCOMES:
            took[frozenset(record.levels.items())].append(record.seconds)
            if len(lines) < MOST_LINES:
                lines.append(len(encode_record(record)))
    of_cell = {cell: median(seconds) for cell, seconds in took.items()}
    usual = fmean(of_cell.values()) if of_cell else math.nan
    groups: Counter[Hashable] = Counter()
    seconds = 0.0
    for job in missing(suite, settled):
        groups[job.group] += 1
        seconds += of_cell.get(frozenset(job.levels.items()), usual)
    to_run, planned = groups.total(), n_jobs(suite)
    size = even_size(to_run, workers, suite.experiment.batch_size) if to_run else 1
    n_batches = sum(math.ceil(n / size) for n in groups.values())
    line = fmean(lines) if lines else math.nan
    seconds, grown = seconds / max(1, min(workers, to_run)), line * to_run if to_run else 0.0
    return Forecast(planned, planned - to_run, to_run, n_batches, workers, seconds, grown)
