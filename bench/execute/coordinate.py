"""A suite and its run -> the jobs that are missing, run in batches by an executor and stored as they finish."""

from __future__ import annotations

import math
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.errors import BenchError, Exit
from bench.execute import executors, journal
from bench.execute.batches import batches, even_size, missing
from bench.execute.dispatch import Dispatch
from bench.execute.journal import Journal
from bench.execute.limits import Limits
from bench.execute.mend import mend
from bench.execute.provenance import added, code, digest_of, is_other
from bench.execute.records import STATUSES, Status
from bench.execute.run import Run, storing_plan
from bench.execute.schedule import Schedule
from bench.execute.segments import Damage, set_aside
from bench.execute.storage import locked
from bench.execute.worker import reporting
from bench.plan.design import n_jobs
from bench.plan.imports import source_files
from bench.plan.suite import Plan

OnProgress = Callable[[float, int, int, int], None]
"""Called with the jobs done (those running by their fractions), the jobs stored, all jobs, and failures so far."""


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
    planned = 0
    todo: int | None = None

    def tell(done: float, count: Counter[Status]) -> None:
        if on_progress is not None and todo is not None:
            before = planned - todo
            on_progress(before + done, before + count.total(), planned, count["failed"] + count["lost"])

    try:
        with locked(run.folder):
            planned = n_jobs(suite)
            sources, damaged, aside = _mended(run, suite)
            source = source_files(suite.reference, suite.experiment)
            settled = current(sources, digest_of(source)) if rerun_changed else sources.keys()
            with storing_plan(run, suite, source, in_part=seconds < math.inf):
                todo = sum(1 for _ in missing(suite, settled)) if settled else planned
                tell(0, count)
                if todo:
                    added(suite.experiment)  # so that it is prepared once, before its workers start
                    with Journal(run.journal, _session(suite, source, aside)) as target:
                        hands = executors.start(
                            executor, workers=workers, address=address, limits=limits or Limits(), most=todo,
                            preload=suite.reference,
                        )  # fmt: skip
                        size = even_size(todo, hands.size, suite.experiment.batch_size)
                        pending = batches(missing(suite, settled), size)
                        schedule = Schedule(pending, todo, hands.size, time.monotonic() + seconds)
                        dispatch = Dispatch(target, hands, schedule, suite.reference, tell, count)
                        _work_off(dispatch, is_ours=isinstance(executor, str))
    except KeyboardInterrupt:
        n_stored = "what had finished is" if todo is None else f"{planned - todo + count.total()} of {planned} runs are"
        message = f"Interrupted: {n_stored} stored in {run.folder}."
        raise BenchError(message, hint="The same command runs the rest.", exit_code=Exit.INTERRUPTED) from None
    of_each = {status: count[status] for status in STATUSES}
    return Tally(planned, planned - todo, **of_each, seconds=time.monotonic() - start, damaged=damaged)


GRACE = 1.0
"""Seconds that running work is given to finish after Ctrl-C."""


def _mended(run: Run, suite: Plan) -> tuple[Mapping[str, str], Sequence[Damage], Sequence[str]]:
    """Key of a job that needs no further run -> source of its outcome; damaged lines; files of what was set aside."""
    aside = mend(run.folder)
    stored = journal.read(run.journal, [metric.name for metric in suite.experiment.metrics], whole=False)
    set_aside(run.journal, stored.damaged)
    return stored.settled(), stored.damaged, [*aside, *(damage.segment for damage in stored.damaged)]


def _work_off(dispatch: Dispatch, *, is_ours: bool) -> None:
    finished = False
    try:
        with reporting(dispatch.hear):
            dispatch.run()
        finished = True
    except KeyboardInterrupt:
        dispatch.salvage(GRACE)
        raise
    finally:
        if is_ours:
            dispatch.workers.end(at_once=not finished)


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
