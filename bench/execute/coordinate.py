"""A suite and its run -> the jobs that are missing, run and stored as they finish, whatever becomes of a worker."""

from __future__ import annotations

import math
import os
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from bench.errors import BenchError, Exit
from bench.execute import executors, journal
from bench.execute.inventory import mend
from bench.execute.journal import Journal
from bench.execute.provenance import added, code, digest_of, is_other
from bench.execute.records import STATUSES, Damage, Record, Status, set_aside
from bench.execute.run import Run, list_cells, store
from bench.execute.schedule import Batch, Pending, Schedule, batches, even_size, missing
from bench.execute.storage import locked
from bench.execute.worker import Result, Work, reporting, work
from bench.execute.workers import Death, Limits, Workers
from bench.plan.design import n_jobs
from bench.plan.imports import source_files
from bench.plan.suite import Plan

OnProgress = Callable[[float, int, int, int], None]
"""Called with the jobs done (those running by their fractions), the jobs stored, all jobs, and failures so far."""
LIMIT = 2.0
"""Seconds after which a worker starts no other batch of those it was given."""
ATTEMPTS = 3
"""So often a task may kill its worker."""
TICK = 0.1
"""Seconds between two looks at the workers' progress."""
GRACE = 1.0
"""Seconds that running work is given to finish after Ctrl-C."""


@dataclass(frozen=True)
class Tally:
    """What an execution came to."""

    planned: int
    """Jobs that the suite asks for."""
    stored_before: int
    """Those that needed no run."""
    ok: int
    diverged: int
    failed: int
    lost: int
    seconds: float
    damaged: Sequence[Damage]
    """What was found damaged in the journal; jobs that were stored nowhere else have been run again."""


def execute(
    suite: Plan,
    run: Run,
    *,
    workers: int | None = None,
    executor: str | Executor = "local",
    address: str | None = None,
    limits: Limits | None = None,
    seconds: float = math.inf,
    rerun_changed: bool = False,
    on_progress: OnProgress | None = None,
) -> Tally:
    """Run every job of ``suite`` that ``run`` has no outcome of, and store what comes of it.

    ``workers``, ``address``: see ``executors.start``. ``executor``: a name, or one that has been started, which the
    caller shuts down. ``limits``: a job that takes more, even alone, has failed. ``seconds``: after so many no other
    job is started. ``rerun_changed``: run those again, too, whose outcome is known to come from other source of the
    experiment than today's. After Ctrl-C, a BenchError with exit code 130; what had finished by then is stored.
    """
    if workers is not None and workers < 1:
        raise BenchError(f"{workers} workers cannot run anything.", hint="Give at least 1.")
    start = time.monotonic()
    count: Counter[Status] = Counter()
    planned = before = -1

    def tell(done: float) -> None:
        if on_progress is not None:
            on_progress(before + done, before + count.total(), planned, count["failed"] + count["lost"])

    try:
        with locked(run.folder):
            aside = mend(run.folder)
            stored = journal.read(run.journal, [metric.name for metric in suite.experiment.metrics], whole=False)
            sources, damaged = stored.settled(), stored.damaged
            del stored  # which holds as much again
            set_aside(run.journal, damaged)
            source = source_files(suite.reference, suite.experiment)
            settled = current(sources, digest_of(source)) if rerun_changed else sources.keys()
            plan = store(run, suite, source)
            planned = n_jobs(suite)
            todo = sum(1 for _ in missing(suite, settled)) if settled else planned
            before = planned - todo
            tell(0)
            if todo:
                added(suite.experiment)  # so that it is prepared once, before its workers start
                aside += [damage.segment for damage in damaged]
                with Journal(run.journal, _session(suite, source, aside)) as target:
                    hands = executors.start(
                        executor, workers=workers, address=address, limits=limits or Limits(), most=todo,
                        preload=suite.reference,
                    )  # fmt: skip
                    size = even_size(todo, hands.size, suite.experiment.batch_size)
                    pending = batches(missing(suite, settled), size)
                    schedule = Schedule(pending, todo, hands.size, time.monotonic() + seconds)
                    dispatch = Dispatch(target, hands, schedule, suite.reference, tell, count)
                    dispatch.work_off(is_ours=isinstance(executor, str))
            if not plan.cells and seconds == math.inf:
                list_cells(run, plan, suite)
    except KeyboardInterrupt:
        n_stored = "what had finished is" if before < 0 else f"{before + count.total()} of {planned} runs are"
        message = f"Interrupted: {n_stored} stored in {run.folder}."
        raise BenchError(message, hint="The same command runs the rest.", exit_code=Exit.INTERRUPTED) from None
    of_each = {status: count[status] for status in STATUSES}
    return Tally(planned, before, **of_each, seconds=time.monotonic() - start, damaged=damaged)


def current(sources: Mapping[str, str], today: str) -> set[str]:
    """Of the jobs in ``sources`` (key -> that of the outcome) those not known to be of other source than ``today``."""
    return {key for key, source in sources.items() if not is_other(source, today)}


def _session(suite: Plan, source: Mapping[str, str], aside: Sequence[str]) -> Mapping[str, Any]:
    """What this coordinator says of itself, and of what it set aside, at the head of its segment."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="microseconds"),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "suite": suite.digest,
        "experiment": suite.reference,
        "version": suite.experiment.version,
        "code": [code("bench"), code(suite.reference.partition(":")[0], source)],
        "source": source,
        "set_aside": Counter(aside),
    }


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
    progress: Callable[[float], None]
    """Told how many jobs are done, with the fractions of those that are running."""
    count: Counter[Status]
    _running: dict[Future[Work], _Task] = field(default_factory=dict)
    _left: deque[_Task] = field(default_factory=deque)
    """What was left when time was up."""
    _suspects: deque[_Task] = field(default_factory=deque)
    """What was running when a worker died."""
    _environments: set[str] = field(default_factory=lambda: {""})
    """Those that are described; what no worker handed back has none."""
    _last: _Task = _Task([])
    """Submitted last: the one that runs, if tasks run in this process."""
    _told: float = 0.0
    """When progress was last told."""

    def work_off(self, *, is_ours: bool) -> None:
        """Return when every job has been stored; after Ctrl-C, what finishes soon. Workers that are ours then end."""
        finished = False
        try:
            with reporting(self._hear):
                while self._submit():
                    self._collect(wait(self._running, TICK, FIRST_COMPLETED).done)
                    self.workers.watch()
                    running = self._running.items()
                    self._tell(sum(len(task.jobs) * self.workers.fraction(future) for future, task in running))
            finished = True
        except KeyboardInterrupt:
            done, unfinished = wait(self._running, GRACE)
            self._collect(done)
            for future in unfinished:
                future.cancel()
            raise
        finally:
            if is_ours:
                self.workers.end(at_once=not finished)

    def _hear(self, fraction: float, _began: float) -> None:
        """Note the progress of a task that runs in this process."""
        if time.monotonic() - self._told > TICK:
            self._tell(len(self._last.jobs) * fraction)

    def _tell(self, running: float) -> None:
        self._told = time.monotonic()
        self.progress(self.count.total() + running)

    def _submit(self) -> bool:
        """Whether anything is running."""
        while len(self._running) < self.workers.size and (task := self._next()):
            self._last = task = replace(task, number=self._last.number + 1, since=time.monotonic())
            plain = [[(job.values, job.seed) for job in batch] for batch in task.batches]
            self._running[self.workers.submit(work, self.reference, plain, sys.path, LIMIT)] = task
        return bool(self._running)

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
        environment = done.environment["id"]
        if environment not in self._environments:
            self.journal.append_environment(done.environment)
            self._environments.add(environment)
        sizes = [len(batch) for batch in task.batches for _ in batch]
        stored = self.journal.append(
            Record(
                job.key, job.levels, job.seed, result.status, result.metrics, result.notes, result.reason,
                result.seconds, batch=task.number, batch_size=size, attempt=task.attempt, host=done.host,
                environment=environment, artefact=self.journal.keep(result.arrays),
            )
            for job, result, size in zip(task.jobs, done.results, sizes, strict=False)
        )  # fmt: skip
        self.count.update(record.status for record in stored)
