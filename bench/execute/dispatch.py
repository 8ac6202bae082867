"""Batches of jobs -> a crew of workers -> records in the journal, whatever becomes of a worker."""

from __future__ import annotations

import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass, field, replace

from bench.errors import BenchError
from bench.execute.batches import Pending
from bench.execute.executors import Crew
from bench.execute.journal import Journal
from bench.execute.records import Record, Status
from bench.execute.worker import Result, Work, work

TARGET = 0.5
"""Seconds of work that a worker is given at a time, where one batch takes less."""
LIMIT = 2.0
"""Seconds after which a worker starts no other batch of those it was given."""
ATTEMPTS = 3
"""So often a task may kill its worker."""
GROWTH = 8
"""A task has at most so many times the jobs of the one that its length was judged by."""
TICK = 0.1
"""Seconds between two looks at the workers' progress."""


@dataclass(frozen=True)
class _Task:
    """What a worker is given at a time: one batch, or several that are quick."""

    batches: Sequence[Sequence[Pending]]
    attempt: int = 1
    number: int = 0
    """In the order of submission."""

    @property
    def jobs(self) -> list[Pending]:
        return [job for batch in self.batches for job in batch]

    def after(self, n_jobs: int) -> Sequence[Sequence[Pending]]:
        """The batches that follow the first ``n_jobs`` jobs."""
        for index, batch in enumerate(self.batches):
            if n_jobs <= 0:
                return self.batches[index:]
            n_jobs -= len(batch)
        return []


@dataclass
class Dispatch:
    """Runs ``batches``, of the experiment ``reference``, and keeps count of what came of them."""

    journal: Journal
    batches: Iterator[Sequence[Pending]]
    reference: str
    todo: int
    """Jobs in all batches."""
    progress: Callable[[float, Counter[Status]], None]
    """Told how many of these jobs are done, with the fractions of those that are running, and what came of them."""
    count: Counter[Status] = field(default_factory=Counter)
    _running: dict[Future[Work], _Task] = field(default_factory=dict, init=False)
    _left: deque[_Task] = field(default_factory=deque, init=False)
    """What was left when time was up."""
    _suspects: deque[_Task] = field(default_factory=deque, init=False)
    """What was running when a worker died."""
    _environments: set[str] = field(default_factory=set, init=False)
    _issued: int = field(default=0, init=False)
    _submitted: int = field(default=0, init=False)
    _size_here: int = field(default=0, init=False)
    """Jobs of the task submitted last: the one that runs, if tasks run in this process."""
    _usual: tuple[int, float] = field(default=(0, 0.0), init=False)
    """Jobs of the last finished task, and the seconds that each took."""
    _told: float = field(default=0.0, init=False)
    """When progress was last told."""

    def run(self, crew: Crew) -> None:
        """Return when every job has been stored."""
        while True:
            self._submit(crew)
            if not self._running:
                return
            self._collect(wait(self._running, TICK, FIRST_COMPLETED).done)
            self._tell(sum(len(task.jobs) * crew.fraction(future) for future, task in self._running.items()))

    def salvage(self, seconds: float) -> None:
        """Store what finishes within ``seconds``, and give up the rest."""
        finished, unfinished = wait(self._running, seconds)
        self._collect(finished)
        for future in unfinished:
            future.cancel()

    def hear(self, fraction: float) -> None:
        """Note the progress of a task that runs in this process."""
        if time.monotonic() - self._told > TICK:
            self._tell(self._size_here * fraction)

    def _tell(self, running: float) -> None:
        self._told = time.monotonic()
        self.progress(self.count.total() + running, self.count)

    def _submit(self, crew: Crew) -> None:
        while len(self._running) < crew.workers and (task := self._next(crew)):
            self._submitted += 1
            self._size_here = len(task.jobs)
            batches = [[(job.values, job.seed) for job in batch] for batch in task.batches]
            future = crew.submit(work, self.reference, batches, sys.path, LIMIT)
            self._running[future] = replace(task, number=self._submitted)

    def _next(self, crew: Crew) -> _Task | None:
        """Unfinished work first, then new, then suspects: one at a time where a dying worker takes down the others."""
        if self._left:
            return self._left.popleft()
        if task := self._take(crew):
            return task
        if self._suspects and (crew.isolates or not self._running):
            return self._suspects.popleft()
        return None

    def _take(self, crew: Crew) -> _Task | None:
        jobs, seconds = self._usual
        most = min(GROWTH * jobs, int(TARGET / max(seconds, 1e-9)), (self.todo - self._issued) // (2 * crew.workers))
        taken: list[Sequence[Pending]] = []
        n_taken = 0
        while n_taken == 0 or n_taken < most:
            batch = next(self.batches, None)
            if batch is None:
                break
            taken.append(batch)
            n_taken += len(batch)
        self._issued += n_taken
        return _Task(taken) if taken else None

    def _collect(self, futures: Iterable[Future[Work]]) -> None:
        for future in futures:
            self._finish(self._running[future], future)
            del self._running[future]  # only now: an interrupt must not lose it

    def _finish(self, task: _Task, future: Future[Work]) -> None:
        error = CancelledError() if future.cancelled() else future.exception()
        if error is None:
            done = future.result()
            self._store(task, done.results, done)
            self._usual = len(done.results), done.seconds / max(1, len(done.results))
            if unfinished := task.after(len(done.results)):
                self._left.append(_Task(unfinished, task.attempt))
        elif isinstance(error, BrokenExecutor | CancelledError):
            self._retry(task)
        elif isinstance(error, BenchError):
            raise error
        else:
            reason = f"the executor failed: {type(error).__name__}: {error}"
            self._store(task, [Result("failed", {}, {}, reason)] * len(task.jobs), None)

    def _retry(self, task: _Task) -> None:
        """A task whose worker died is tried again; then its jobs, each alone; what still kills a worker is lost."""
        if task.attempt < ATTEMPTS:
            self._suspects.append(replace(task, attempt=task.attempt + 1))
        elif len(task.jobs) > 1:
            self._suspects.extend(_Task([[job]]) for job in task.jobs)
        else:
            reason = f"its worker process was killed {ATTEMPTS} times (out of memory is the usual cause)"
            self._store(task, [Result("lost", {}, {}, reason)], None)

    def _store(self, task: _Task, results: Sequence[Result], done: Work | None) -> None:
        if done is not None and done.environment["id"] not in self._environments:
            self.journal.append_environment(done.environment)
            self._environments.add(done.environment["id"])
        sizes = [len(batch) for batch in task.batches for _ in batch]
        self.journal.append(
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
                host=done.host if done else socket.gethostname(),
                environment=done.environment["id"] if done else "",
                artefact=self.journal.keep(result.arrays),
            )
            for job, result, size in zip(task.jobs, results, sizes, strict=False)
        )
        self.count.update(result.status for result in results)
