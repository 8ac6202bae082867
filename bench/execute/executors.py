"""The name of a way to run things, or an executor that has been started -> workers."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from functools import partial
from typing import Any

from bench.errors import BenchError
from bench.execute.provenance import cpu_count
from bench.execute.slots import Slots
from bench.execute.workers import Death, Limits, Output, Workers, printing_to

_HINT = (
    'An executor is "local", "serial", "dask", or "package.module:factory", where factory(workers) returns a '
    'concurrent.futures.Executor, e.g. "concurrent.futures:ThreadPoolExecutor".'
)


def start(
    executor: str | Executor, *, workers: int | None, address: str | None, limits: Limits, most: int, preload: str
) -> Workers:
    """The workers of ``executor`` ("local", "serial", "dask", "package.module:factory"), or of one that was started.

    ``workers``: how many; None for as many as there are CPUs here, or threads in a cluster that is running. For at most
    ``most`` there is something to do. ``address``: of the scheduler of a Dask cluster; None for a cluster of our own.
    Local workers keep ``limits``, and import the experiment ``preload`` meanwhile.
    """
    if limits and executor != "local":
        hint = "Leave them out, or run with --executor local."
        raise BenchError("Time and memory limits are kept by local workers only.", hint=hint)
    if address is not None and executor != "dask":
        raise BenchError(f"{executor!r:.80} has no address.", hint="An address is for --executor dask.")
    size = min(workers or cpu_count(), most)
    if executor == "local":
        return Slots(size, preload=preload, limits=limits)
    if executor == "serial":
        return Serial()
    if executor == "dask":
        try:
            from bench.execute.cluster import Cluster  # noqa: PLC0415  Dask is imported only when it is asked for
        except ModuleNotFoundError as error:
            raise BenchError(f"Dask is not installed: {error}.", hint='pip install "polysem-bench[dask]".') from error
        return Cluster(address, workers if address else size)
    make = partial(_made, executor, size) if isinstance(executor, str) else None
    started = _made(executor, size) if isinstance(executor, str) else executor
    return started if isinstance(started, Workers) else Foreign(started, size, make)


class Serial(Workers):
    """Runs everything here and now, in this process: for debuggers, profilers and very small suites."""

    size = 1
    isolates = False

    def __init__(self) -> None:
        self._output = None if os.isatty(2) else Output()  # a debugger needs its terminal

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``function`` before returning."""
        future: Future[Any] = Future()
        try:
            with printing_to(self._output.pipe.fileno() if self._output else 2):
                future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  a future carries it to whoever asks for the result
            future.set_exception(error)
        return future

    def death(self, future: Future[Any]) -> None:
        """Nobody else's."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Show the last of what was printed."""
        if self._output:
            self._output.close()


class Foreign(Workers):
    """Any other executor with ``size`` workers; one that has broken is replaced by what ``make`` makes."""

    isolates = False
    size = 0

    def __init__(self, executor: Executor, size: int, make: Callable[[], Executor] | None = None) -> None:
        self._executor, self._make = executor, make
        self.size = size

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit to the executor, or to another in its place."""
        try:
            return self._executor.submit(function, *args, **kwargs)
        except BrokenExecutor as error:
            if self._make is None:
                hint = "Name its factory instead, then another is started in its place."
                raise BenchError(f"The executor has broken: {error}", hint=hint) from error
        self._executor.shutdown(wait=False)
        self._executor = self._make()
        return self._executor.submit(function, *args, **kwargs)

    def death(self, future: Future[Any]) -> Death | None:
        """Whether the executor broke."""
        if future.cancelled() or isinstance(future.exception(), BrokenExecutor | CancelledError):
            return Death("its worker process was killed (out of memory is the usual cause)")
        return None

    def end(self, *, at_once: bool) -> None:
        """Wait for what is running, unless ``at_once``."""
        self._executor.shutdown(wait=not at_once, cancel_futures=True)


def _made(name: str, workers: int) -> Executor:
    """What the factory ``name`` returns."""
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
