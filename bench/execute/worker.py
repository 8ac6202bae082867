"""Inside a worker: jobs as plain data in, one result per job as plain data out, whatever the experiment does."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from bench.errors import BenchError
from bench.execute.artefacts import pack
from bench.execute.provenance import environment
from bench.execute.records import Status
from bench.experiment import Experiment, Job, Outcome, Progress, resolve

Sink = Callable[[float, float], None]
"""Told which fraction of its work is done, and when the batch that runs began (on the monotonic clock)."""
PlainJob = tuple[Mapping[str, Any], int]
"""Values of the parameters (``Experiment.inputs``), and the seed."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one job came to, before it is stored."""

    status: Status
    metrics: Mapping[str, float]
    notes: Mapping[str, str]
    reason: str
    seconds: float = float("nan")
    """The job's share of the time of its batch."""
    arrays: bytes = b""
    """What it keeps beside its metrics (``artefacts.pack``)."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker hands back: the results in the order of the jobs, and where they were made."""

    results: Sequence[Result]
    """Of all batches, or of the first ones when time was up."""
    host: str
    environment: Mapping[str, Any]


def work(reference: str, batches: Sequence[Sequence[PlainJob]], folders: Sequence[str], limit: float) -> Work:
    """Run batches one after the other, each in one call of the experiment; start no other after ``limit`` seconds.

    An experiment that raises costs only the jobs at fault: the rest of their batch is halved until each stands alone.
    ``folders`` are where the experiment may be found if Python does not know it.
    """
    sys.path.extend(folder for folder in folders if folder not in sys.path)
    sink = _sink.get()
    sink(0.0, time.monotonic())  # what the experiment imports takes time too
    experiment = resolve(reference)
    total = sum(map(len, batches))
    start = time.monotonic()
    results: list[Result] = []
    for batch in batches:
        done, size, began = len(results), len(batch), time.monotonic()

        def report(part: float, done: int = done, size: int = size, began: float = began) -> None:
            sink((done + size * part) / total, began)

        report(0.0)
        with chdir("."):  # what an experiment makes its current folder is not that of the next batch, nor of bench
            found = run_batch(experiment, batch, report)
        share = (time.monotonic() - began) / size
        results += [replace(result, seconds=share) for result in found]
        report(1.0)
        if time.monotonic() - start > limit:
            break
    return Work(results, socket.gethostname(), environment(experiment))


def preload(reference: str) -> None:
    """Import the experiment ahead of its first batch; what goes wrong is said by the batch."""
    _sink.get()(0.0, time.monotonic())  # limits hold from here on
    try:
        resolve(reference)
    except BenchError:
        return


@contextmanager
def reporting(sink: Sink) -> Iterator[None]:
    """Let the work of this thread tell ``sink`` how it gets on."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)


def run_batch(experiment: Experiment, batch: Sequence[PlainJob], progress: Progress) -> list[Result]:
    """The results of one batch, in order; never raises what the experiment raised."""
    jobs: list[Job] = []
    for values, seed in batch:
        try:
            params = experiment.make(values)
            again = experiment.inputs(params)
            differing = [name for name, value in values.items() if not _is_same_json(again.get(name), value)]
            reason = f"the worker makes other parameters of the same values: {', '.join(differing)} differ"
        except Exception as error:  # noqa: BLE001  a user's validator may raise anything
            differing, reason = [""], f"the parameters do not survive being sent to a worker: {_story(error)}"
        if differing:
            return [_failed(reason)] * len(batch)
        jobs.append(Job(params, seed))
    furthest = 0.0

    def advance(part: float) -> None:
        nonlocal furthest
        furthest = max(furthest, min(float(part), 1.0))
        progress(furthest)

    return _isolate(experiment, jobs, 0, len(jobs), advance)


_sink: ContextVar[Sink] = ContextVar("sink", default=lambda _fraction, _began: None)


def _isolate(experiment: Experiment, jobs: Sequence[Job], before: int, total: int, progress: Progress) -> list[Result]:
    """Results of ``jobs``, ``before`` of the batch's ``total`` having been run already."""
    done, error = _attempt(experiment, jobs, lambda part: progress((before + part * len(jobs)) / total))
    rest = jobs[len(done) :]
    if error is None:
        return done
    if not rest:
        late = f"after its last outcome, run raised {_story(error)}"
        return [*done[:-1], replace(done[-1], reason=done[-1].reason or late)]
    if len(jobs) == 1:
        return [_failed(str(error) if isinstance(error, _CountError) else _story(error))]
    half = (len(rest) + 1) // 2
    for part in (rest[:half], rest[half:]):
        if part:
            done += _isolate(experiment, part, before + len(done), total, progress)
    return done


def _attempt(
    experiment: Experiment, jobs: Sequence[Job], progress: Progress
) -> tuple[list[Result], BaseException | None]:
    """One call of the experiment: the results until it ended or raised, and what it raised."""
    results: list[Result] = []
    try:
        for outcome in itertools.islice(experiment.run(jobs, progress), len(jobs) + 1):
            results.append(_result(experiment, outcome))
            progress(len(results) / len(jobs))
    except BaseException as error:  # any failure of a user's experiment is a result
        if isinstance(error, KeyboardInterrupt) and multiprocessing.parent_process() is None:
            raise  # Ctrl-C, which is not for workers
        return results, error
    if len(results) == len(jobs):
        return results, None
    count = "more" if len(results) > len(jobs) else str(len(results))
    reason = f"run yielded {count} outcomes for {len(jobs)} jobs; it must yield one for each, in their order"
    return [], _CountError(reason)  # which outcome is whose cannot be told


class _CountError(Exception):
    """A call of an experiment gave more or fewer outcomes than it was given jobs."""


def _result(experiment: Experiment, outcome: object) -> Result:
    """The outcome of one job, checked against the declared metrics."""
    if not isinstance(outcome, Outcome):
        if not isinstance(outcome, Mapping):
            return _failed(f"run yielded {outcome!r:.80}, neither an Outcome nor a mapping of metrics")
        outcome = Outcome(outcome)
    declared = [metric.name for metric in experiment.metrics]
    unknown = [str(name) for name in outcome.metrics if name not in declared]
    missing = [name for name in declared if name not in outcome.metrics]
    if unknown or (missing and not outcome.diverged):
        said = [f"{text} {', '.join(names)}" for text, names in (("lacks", missing), ("adds", unknown)) if names]
        return _failed(f"the outcome {' and '.join(said)}; declared are {', '.join(declared)}")
    metrics = dict.fromkeys(declared, float("nan"))
    for name, value in outcome.metrics.items():
        try:
            metrics[name] = _number(value)
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:
            return _failed(f"{name} is {value!r:.80}, not a number ({error})")
    try:
        arrays = pack(outcome.arrays)
    except ValueError as error:
        return _failed(str(error))
    notes = {str(name): _text(text) for name, text in outcome.notes.items()}
    status: Status = "diverged" if outcome.diverged else "ok"
    return Result(status, metrics, notes, _text(outcome.diverged), arrays=arrays)


def _number(value: Any) -> float:
    if isinstance(value, str | bytes | bytearray):
        raise TypeError("it is text")
    return float(value)


def _is_same_json(value: Any, other: Any) -> bool:
    return bool(value == other) or json.dumps(value, sort_keys=True) == json.dumps(other, sort_keys=True)  # NaN too


def _failed(reason: str) -> Result:
    return Result("failed", {}, {}, reason)


def _story(error: BaseException) -> str:
    """The exception and the innermost lines of its traceback, without those of bench."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    where = "".join(f"\n  {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}" for frame in frames[-4:])
    return _text(f"{type(error).__name__}: {error}{where}")


def _text(value: object, *, longest: int = 2000) -> str:
    """Text that any terminal and file can hold, cut to ``longest`` characters."""
    text = str(value).encode("utf-8", "replace").decode()
    return text if len(text) <= longest else f"{text[:longest]}…"
