"""Tiny experiments that do whatever can happen to an experiment, chosen by the factor ``kind``."""

from __future__ import annotations

import os
import signal
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bench.execute.slots import Slots
from bench.experiment import Experiment, Job, Metric, Outcome, Progress


@dataclass(frozen=True)
class Params:
    """``kind`` says what happens; ``folder`` is where it leaves traces."""

    kind: str = "fine"
    size: int = 1
    sleep: float = 0.0
    folder: str = ""


HOARD: list[bytearray] = []
"""What a process holds and never gives back."""
METRICS = (Metric("loss", "Loss", better="lower"), Metric("score", "Score", unit="%"))


def outcome(job: Job) -> Outcome | dict[str, object]:
    """What one job comes to, by its kind, with numbers that depend on its parameters and seed alone."""
    kind = job.params.kind
    rng = np.random.default_rng([job.seed, job.params.size, zlib.crc32(kind.encode())])
    metrics: dict[str, object] = {"loss": rng.normal() * 10.0 ** rng.integers(-300, 300), "score": rng.random()}
    misbehave(job)
    time.sleep(job.params.sleep)
    if kind == "counts":
        with (Path(job.params.folder) / "runs").open("a") as file:
            file.write(f"{job.params.size} {job.seed}\n")
    if kind == "writes":
        return Outcome(metrics, notes={f"note {number}": "x" * 2000 for number in range(2200)})
    if kind == "diverges":
        return Outcome({"loss": float("inf")}, diverged="the loss left the earth")
    if kind == "nan":
        return Outcome({**metrics, "score": float("nan")}, notes={"score": "nothing to score"})
    return ODD.get(kind, metrics)


ODD: dict[str, dict[str, object]] = {
    "infinite": {"loss": float("-inf"), "score": np.float32("inf")},
    "text": {"loss": 1.0, "score": "1.5"},
    "none": {"loss": 1.0, "score": None},
    "vector": {"loss": 1.0, "score": np.ones(2)},
    "lacks": {"loss": 1.0},
    "adds": {"loss": 1.0, "score": 1.0, "extra": 1.0},
}


def misbehave(job: Job) -> None:
    """Raise, exit or die, as the kind says; "…_once" leaves a file and does so no more."""
    kind, _, once = job.params.kind.partition("_")
    trace = Path(job.params.folder) / f"{kind}-{job.params.size}-{job.seed}"
    if once and trace.exists():
        return
    if once:
        trace.touch()
    if kind == "raises":
        raise ValueError(f"seed {job.seed} cannot be run")
    if kind == "stops":
        raise Stop("not an Exception")
    if kind in MISDEEDS:
        MISDEEDS[kind]()


MISDEEDS: dict[str, Callable[[], object]] = {
    "exits": lambda: sys.exit(7),
    "moves": lambda: os.chdir("/"),
    "chats": lambda: os.write(1, b"chat"),
    "hangs": lambda: time.sleep(3600),
    "hoards": lambda: (HOARD.append(bytearray(os.urandom(1) * 400_000_000)), time.sleep(3600)),
    "leaks": lambda: HOARD.append(bytearray(os.urandom(1) * 60_000_000)),
    "kills": lambda: os.kill(os.getpid(), signal.SIGKILL),
}


class Stop(BaseException):
    """Not what ``except Exception`` catches."""


def loop(jobs: Sequence[Job], progress: Progress) -> Iterator[object]:
    """One job after the other."""
    for number, job in enumerate(jobs):
        progress(number / len(jobs))
        if job.params.kind == "skips":
            continue
        yield outcome(job)


def ensemble(jobs: Sequence[Job], progress: Progress) -> Iterator[object]:
    """All jobs together, so that one that raises spoils all."""
    outcomes = []
    for number, job in enumerate(jobs):
        outcomes.append(outcome(job))
        progress((number + 1) / len(jobs))
    yield from outcomes


def too_few(jobs: Sequence[Job], progress: Progress) -> Iterator[object]:
    """One outcome short."""
    return (outcome(job) for job in jobs[1:])


def too_many(jobs: Sequence[Job], progress: Progress) -> Iterator[object]:
    """No end of outcomes."""
    while True:
        yield outcome(jobs[0])


def late(jobs: Sequence[Job], progress: Progress) -> Iterator[object]:
    """Raises after its last outcome."""
    yield from loop(jobs, progress)
    raise OSError("cannot clean up")


def with_arrays(jobs: Sequence[Job], progress: Progress) -> Iterator[object]:
    """Keeps arrays that depend on the size alone."""
    for job in jobs:
        size = job.params.size
        arrays = {"decoder": np.full((size, 2), 1 / 3, np.float32), "steps": np.arange(size)}
        yield Outcome({"loss": float(job.seed), "score": 0.5}, arrays=arrays)


LOOP = Experiment(params=Params, metrics=METRICS, run=loop)
ENSEMBLE = Experiment(params=Params, metrics=METRICS, run=ensemble, batch_by=lambda params: params.size, batch_size=8)
TOO_FEW = Experiment(params=Params, metrics=METRICS, run=too_few, batch_size=4)
TOO_MANY = Experiment(params=Params, metrics=METRICS, run=too_many, batch_size=4)
ARRAYS = Experiment(params=Params, metrics=METRICS, run=with_arrays, batch_size=2)
LATE = Experiment(params=Params, metrics=METRICS, run=late, batch_size=4)


def quick(jobs: Sequence[Job], progress: Progress) -> Iterator[object]:
    """Next to nothing."""
    for job in jobs:
        yield {"loss": float(job.seed), "score": 0.5}


def own_slots(workers: int) -> Slots:
    """Workers of which each dies alone."""
    return Slots(workers)


QUICK = Experiment(params=Params, metrics=METRICS, run=quick)


def shared_pool(workers: int) -> ProcessPoolExecutor:
    """A pool whose workers fall together when one is killed."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
