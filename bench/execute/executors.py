"""The name of a way to run things -> a crew: an executor with what a coordinator needs of it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

from bench.errors import BenchError
from bench.execute import worker
from bench.execute.limits import Limits
from bench.execute.provenance import cpu_count
from bench.execute.slots import Slots
from bench.execute.workers import Death, Workers
from bench.experiment import Progress

_P = ParamSpec("_P")
_T = TypeVar("_T")
_HINT = (
    'An executor is "local", "serial", "dask", or "package.module:factory", where factory(workers) returns a '
    'concurrent.futures.Executor, e.g. "concurrent.futures:ThreadPoolExecutor".'
)


class Serial(Executor):
    """Runs everything here and now, in this process: for debuggers, profilers and very small suites."""

    def __init__(self) -> None:
        self.progress: Progress = lambda _fraction: None

    def submit(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run ``function`` before returning."""
        future: Future[_T] = Future()
        try:
            with worker.reporting(lambda fraction, _began: self.progress(fraction)), _stdout_is_stderr():
                future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  a future carries it to whoever asks for the result
            future.set_exception(error)
        return future


@contextmanager
def _stdout_is_stderr() -> Iterator[None]:
    """Let what an experiment prints, by whatever means, go where that of workers goes: stdout is for results."""
    try:
        sys.stdout.flush()
        kept = os.dup(1)
    except (OSError, ValueError, AttributeError):  # closed
        yield
        return
    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is wanted of an executor that is yet to be started."""

    workers: int | None = None
    """How many; None for as many as there are CPUs here, or threads in a cluster that is running."""
    address: str | None = None
    """Of the scheduler of a Dask cluster; None for a cluster of our own."""
    limits: Limits = field(default_factory=Limits)
    """What the work of local workers may take."""


class Crew:
    """The executor called ``executor``, as ``wanted``, or one that has been started, which is left running.

    For at most ``most`` workers there is something to do. Local workers import the experiment ``preload`` meanwhile.

    Raises:
        BenchError: there is no such executor, its factory fails, or it cannot keep limits.
    """

    def __init__(self, executor: str | Executor, wanted: Wanted, *, most: int, preload: str) -> None:
        if wanted.limits and executor != "local":
            hint = "Leave them out, or run with --executor local."
            raise BenchError("Time and memory limits are kept by local workers only.", hint=hint)
        if wanted.address is not None and executor != "dask":
            raise BenchError(f"{executor!r:.80} has no address.", hint="An address is for --executor dask.")

        self._most = min(wanted.workers or cpu_count(), most)
        self._start = None if isinstance(executor, Executor) else partial(_start, executor, wanted, most, preload)
        self._executor = executor if isinstance(executor, Executor) else _start(executor, wanted, most, preload)
        self.isolates = isinstance(self._executor, Workers) and self._executor.isolates
        """Whether a worker that dies leaves the others' work alone."""

    @property
    def size(self) -> int:
        """How many workers there are: as much work as may be submitted at a time."""
        if isinstance(self._executor, Workers):
            return self._executor.size
        return 1 if isinstance(self._executor, Serial) else self._most

    def submit(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Submit to the executor, or to another in its place if it has broken.

        Raises:
            BenchError: it has broken and is not ours to start anew, or workers cannot be started.
        """
        try:
            return self._executor.submit(function, *args, **kwargs)
        except BrokenExecutor as error:
            if self._start is None:
                hint = "Name its factory instead, then another is started in its place."
                raise BenchError(f"The executor has broken: {error}", hint=hint) from error
            self._executor.shutdown(wait=False)
            self._executor = self._start()
            return self._executor.submit(function, *args, **kwargs)

    def death(self, future: Future[Any]) -> Death | None:
        """What became of the worker that ran ``future``, which has no result; None if none died."""
        if isinstance(self._executor, Workers):
            return self._executor.death(future)
        if future.cancelled() or isinstance(future.exception(), BrokenExecutor | CancelledError):
            return Death("its worker process was killed (out of memory is the usual cause)")
        return None

    def watch(self) -> None:
        """Look after work that is running: stop what takes more than it may.

        Raises:
            BenchError: nothing can come of it any more.
        """
        if isinstance(self._executor, Workers):
            self._executor.watch()

    def report_to(self, progress: Progress) -> None:
        """Let work that is done in this process tell ``progress`` which fraction of it is done."""
        if isinstance(self._executor, Serial):
            self._executor.progress = progress

    def fraction(self, future: Future[Any]) -> float:
        """Which part of the work of ``future`` is done; 0 where the executor cannot know."""
        return self._executor.fraction(future) if isinstance(self._executor, Workers) else 0.0

    def dismiss(self, *, at_once: bool) -> None:
        """Let the workers end, ``at_once`` without finishing what they do (where that can be had)."""
        if self._start is None:
            return
        if at_once and isinstance(self._executor, Workers):
            self._executor.kill()
        self._executor.shutdown(wait=not at_once or isinstance(self._executor, Workers), cancel_futures=True)


def _start(name: str, wanted: Wanted, most: int, preload: str) -> Executor:
    workers = min(wanted.workers or cpu_count(), most)
    if name == "local":
        return Slots(workers, preload=preload, limits=wanted.limits)
    if name == "serial":
        return Serial()
    if name == "dask":
        try:
            cluster = importlib.import_module("bench.execute.cluster")  # Dask is imported only when it is asked for
        except ModuleNotFoundError as error:
            hint = 'pip install "polysem-bench[dask]".'
            raise BenchError(f"Dask is not installed: {error}.", hint=hint) from error
        return cast("Executor", cluster.Cluster(wanted.address, wanted.workers if wanted.address else workers))
    module_name, _, attribute = name.partition(":")
    if not (module_name and attribute):
        raise BenchError(f"{name!r} is not an executor.", hint=_HINT)
    try:
        executor = getattr(importlib.import_module(module_name), attribute)(workers)
    except Exception as error:  # a user's factory may raise anything; it is theirs to read
        message = f"The executor {name!r} cannot be started: {type(error).__name__}: {error}"
        raise BenchError(message, hint=_HINT) from error
    if not isinstance(executor, Executor):
        raise BenchError(f"{name!r} returned {executor!r:.80}, which is not an executor.", hint=_HINT)
    return executor
