"""Batches of jobs -> workers -> records in the journal, whatever becomes of a worker."""

from __future__ import annotations

import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, field, replace

from bench.errors import BenchError
from bench.execute.batches import Pending
from bench.execute.journal import Journal
from bench.execute.records import Record, Status
from bench.execute.schedule import Batch, Schedule
from bench.execute.worker import Result, Work, work
from bench.execute.workers import Death, Workers

LIMIT = 2.0
"""Seconds after which a worker starts no other batch of those it was given."""
ATTEMPTS = 3
"""So often a task may kill its worker."""
TICK = 0.1
"""Seconds between two looks at the workers' progress."""


@dataclass(frozen=True)
class _Task:
    """What a worker is given at a time: one batch, or several that are quick."""

    batches: Sequence[Batch]
    attempt: int = 1
    number: int = 0
    """In the order of submission."""
    since: float = 0.0
    """When it was submitted, on the monotonic clock."""

    @property
    def jobs(self) -> list[Pending]:
        return [job for batch in self.batches for job in batch]

    def after(self, n_jobs: int) -> Sequence[Batch]:
        """The batches that follow the first ``n_jobs`` jobs."""
        for index, batch in enumerate(self.batches):
            if n_jobs <= 0:
                return self.batches[index:]
            n_jobs -= len(batch)
        return []


@dataclass
class Dispatch:
    """Runs what ``schedule`` hands out, of the experiment ``reference``, and counts what came of it."""

    journal: Journal
    workers: Workers
    schedule: Schedule
    reference: str
    progress: Callable[[float, Counter[Status]], None]
    """Told how many jobs are done, with the fractions of those that are running, and what came of them."""
    count: Counter[Status] = field(default_factory=Counter)
    _running: dict[Future[Work], _Task] = field(default_factory=dict, init=False)
    _left: deque[_Task] = field(default_factory=deque, init=False)
    """What was left when time was up."""
    _suspects: deque[_Task] = field(default_factory=deque, init=False)
    """What was running when a worker died."""
    _environments: set[str] = field(default_factory=lambda: {""}, init=False)
    """Those that are described; what no worker handed back has none."""
    _submitted: int = field(default=0, init=False)
    _size_here: int = field(default=0, init=False)
    """Jobs of the task submitted last: the one that runs, if tasks run in this process."""
    _told: float = field(default=0.0, init=False)
    """When progress was last told."""

    def run(self) -> None:
        """Return when every job has been stored."""
        while True:
            self._submit()
            if not self._running:
                return
            self._collect(wait(self._running, TICK, FIRST_COMPLETED).done)
            self.workers.watch()
            self._tell(sum(len(task.jobs) * self.workers.fraction(future) for future, task in self._running.items()))

    def salvage(self, seconds: float) -> None:
        """Store what finishes within ``seconds``, and give up the rest."""
        finished, unfinished = wait(self._running, seconds)
        self._collect(finished)
        for future in unfinished:
            future.cancel()

    def hear(self, fraction: float, _began: float) -> None:
        """Note the progress of a task that runs in this process."""
        if time.monotonic() - self._told > TICK:
            self._tell(self._size_here * fraction)

    def _tell(self, running: float) -> None:
        self._told = time.monotonic()
        self.progress(self.count.total() + running, self.count)

    def _submit(self) -> None:
        while len(self._running) < self.workers.size and (task := self._next()):
            self._submitted += 1
            self._size_here = len(task.jobs)
            batches = [[(job.values, job.seed) for job in batch] for batch in task.batches]
            future = self.workers.submit(work, self.reference, batches, sys.path, LIMIT)
            self._running[future] = replace(task, number=self._submitted, since=time.monotonic())

    def _next(self) -> _Task | None:
        """Unfinished work first, then new, then suspects: one at a time where a dying worker takes down the others."""
        if self._left:
            return self._left.popleft()
        if batches := self.schedule.take(self._seconds_left):
            return _Task(batches)
        if self._suspects and (self.workers.isolates or not self._running):
            return self._suspects.popleft()
        return None

    def _seconds_left(self) -> float:
        """Of all work that is running, as far as can be told."""
        now = time.monotonic()
        ends = (task.since + sum(map(self.schedule.cost, task.batches)) for task in self._running.values())
        return sum(max(0.0, end - now) for end in ends)

    def _collect(self, futures: Iterable[Future[Work]]) -> None:
        for future in futures:
            self._finish(self._running[future], future)
            del self._running[future]  # only now: an interrupt must not lose it

    def _finish(self, task: _Task, future: Future[Work]) -> None:
        error = CancelledError() if future.cancelled() else future.exception()
        if error is None:
            done = future.result()
            self._store(task, done)
            self.schedule.learn(task.batches, [result.seconds for result in done.results])
            if unfinished := task.after(len(done.results)):
                self._left.append(_Task(unfinished, task.attempt))
        elif death := self.workers.death(future):
            self._retry(task, death)
        elif isinstance(error, BenchError):
            raise error
        else:
            self._give_up(task, "failed", f"the executor failed: {type(error).__name__}: {error}")

    def _retry(self, task: _Task, death: Death) -> None:
        """Try a task again; then its jobs, each alone (at once if stopped at a limit); what still kills is lost."""
        attempts = task.attempt - 1 + death.times
        if attempts < ATTEMPTS and not death.limited:
            self._suspects.append(replace(task, attempt=attempts + 1))
        elif len(task.jobs) > 1:
            self._suspects.extend(_Task([[job]]) for job in task.jobs)
        elif death.limited:
            self._give_up(task, "failed", death.reason)
        else:
            times = f"; {attempts} attempts" if attempts > 1 else ""
            self._give_up(replace(task, attempt=attempts), "lost", f"{death.reason}{times}")

    def _give_up(self, task: _Task, status: Status, reason: str) -> None:
        results = [Result(status, {}, {}, reason)] * len(task.jobs)
        self._store(task, Work(results, socket.gethostname(), {"id": ""}))

    def _store(self, task: _Task, done: Work) -> None:
        if done.environment["id"] not in self._environments:
            self.journal.append_environment(done.environment)
            self._environments.add(done.environment["id"])
        sizes = [len(batch) for batch in task.batches for _ in batch]
        stored = self.journal.append(
            Record(
                key=job.key,
                levels=job.levels,
                seed=job.seed,
                status=result.status,
                metrics=result.metrics,
                notes=result.notes,
                reason=result.reason,
                seconds=result.seconds,
                batch=task.number,
                batch_size=size,
                attempt=task.attempt,
                host=done.host,
                environment=done.environment["id"],
                artefact=self.journal.keep(result.arrays),
            )
            for job, result, size in zip(task.jobs, done.results, sizes, strict=False)
        )
        self.count.update(record.status for record in stored)
