"""A suite and its run -> the jobs that are missing, run in batches by an executor and stored as they finish."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from bench.errors import BenchError, Exit
from bench.execute import journal
from bench.execute.batches import batches, even_size, missing
from bench.execute.dispatch import Dispatch
from bench.execute.executors import Crew
from bench.execute.journal import Journal
from bench.execute.provenance import code, cpu_count
from bench.execute.records import Status
from bench.execute.run import Run, store
from bench.execute.segments import Damage, set_aside
from bench.execute.storage import locked
from bench.plan.design import n_jobs
from bench.plan.suite import Suite

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
    suite: Suite,
    run: Run,
    *,
    workers: int | None = None,
    executor: str | Executor = "local",
    on_progress: OnProgress | None = None,
) -> Tally:
    """Run every job of ``suite`` that ``run`` has no outcome of, and store what comes of it.

    ``workers``: how many run at once; by default one per CPU. ``executor``: "local", "serial",
    "package.module:factory", or an executor that has been started, which the caller shuts down.

    Raises:
        BenchError: the folder is in use, the disk is full, the executor fails; with exit code 130 after Ctrl-C.
            Whatever had finished by then is stored.
    """
    workers = cpu_count() if workers is None else workers
    if workers < 1:
        raise BenchError(f"{workers} workers cannot run anything.", hint="Give at least 1.")
    start = time.monotonic()
    with locked(run.folder):
        settled, damaged = journal.settled(run.journal)
        set_aside(run.journal, damaged)
        store(run, suite, results=len(settled))
        planned = n_jobs(suite)
        stored = sum(job.key in settled for job in run.planned()) if settled else 0

        def tell(done: float, count: Counter[Status]) -> None:
            if on_progress is not None:
                on_progress(stored + done, stored + count.total(), planned, count["failed"] + count["lost"])

        count: Counter[Status] = Counter()
        tell(0, count)
        if todo := planned - stored:
            size = even_size(todo, workers, suite.experiment.batch_size)
            with Journal(run.journal, _session(suite, damaged)) as target:
                dispatch = Dispatch(target, batches(missing(suite, settled), size), suite.reference, todo, tell, count)
                crew = Crew(executor, min(workers, todo), preload=suite.reference, progress=dispatch.hear)
                try:
                    _work_off(dispatch, crew)
                except KeyboardInterrupt:
                    message = f"Interrupted: {stored + count.total()} of {planned} runs are stored in {run.folder}."
                    hint = "The same command runs the rest."
                    raise BenchError(message, hint=hint, exit_code=Exit.INTERRUPTED) from None
    return Tally(
        planned=planned,
        stored_before=stored,
        ok=count["ok"],
        diverged=count["diverged"],
        failed=count["failed"],
        lost=count["lost"],
        seconds=time.monotonic() - start,
        damaged=damaged,
    )


GRACE = 1.0
"""Seconds that running work is given to finish after Ctrl-C."""


def _work_off(dispatch: Dispatch, crew: Crew) -> None:
    finished = False
    try:
        dispatch.run(crew)
        finished = True
    except KeyboardInterrupt:
        dispatch.salvage(GRACE)
        raise
    finally:
        crew.dismiss(at_once=not finished)


def _session(suite: Suite, damaged: Sequence[Damage]) -> Mapping[str, Any]:
    """What this coordinator says of itself, and of what it set aside, at the head of its segment."""
    modules = dict.fromkeys(("bench", suite.reference.partition(":")[0]))
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "suite": suite.digest,
        "experiment": suite.reference,
        "version": suite.experiment.version,
        "code": [asdict(code(module)) for module in modules],
        "set_aside": Counter(damage.segment for damage in damaged),
    }
