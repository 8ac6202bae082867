"""Functions to run -> futures, on worker processes of this machine that can be killed without harm to each other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import RawValue
from typing import Any, ParamSpec, TypeVar

from bench.errors import BenchError
from bench.execute import worker
from bench.execute.provenance import THREAD_SETTINGS

_P = ParamSpec("_P")
_T = TypeVar("_T")
_SPAWN = multiprocessing.get_context("spawn")

PATIENCE = 5.0
"""Seconds that a worker with nothing left to do may take to end; threads of an experiment may keep it."""


@dataclass
class _Slot:
    """One worker process, with a pool of its own: a pool whose worker is killed breaks as a whole."""

    pool: ProcessPoolExecutor
    process: BaseProcess
    progress: Any
    """A shared double, without a lock that a killed worker would keep: fraction done; negative before the start."""
    futures: set[Future[Any]] = field(default_factory=set)

    def n_unfinished(self) -> int:
        self.futures = {future for future in self.futures if not future.done()}
        return len(self.futures)


class Slots(Executor):
    """An executor of ``workers`` spawned processes, each with one thread for numerical libraries.

    When a worker dies, what it was running (and what was queued behind it) fails with ``BrokenExecutor``; the others
    go on, and the next ``submit`` starts another in its place. Submit no more at once than there are workers, then a
    dying worker takes down nothing but its own. Workers leave Ctrl-C to their coordinator, and end when it does.

    The workers start at once and import ``preload`` ("package.module:NAME"), while the caller does other things.
    """

    def __init__(self, workers: int, *, preload: str = "") -> None:
        self._preload = preload
        self._stillborn = 0
        self._slots = [self._start() for _ in range(workers)]

    def submit(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run ``function`` on the least busy worker.

        Raises:
            BenchError: workers die as soon as they are started.
        """
        index = min(range(len(self._slots)), key=lambda index: self._slots[index].n_unfinished())
        slot = self._slots[index]
        try:
            future = self._submit_to(slot, function, *args, **kwargs)
        except BrokenExecutor:
            slot = self._slots[index] = self._replacement(slot)
            future = self._submit_to(slot, function, *args, **kwargs)
        return future

    def fraction(self, future: Future[Any]) -> float:
        """Which part of the work of ``future`` is done, from 0 to 1."""
        for slot in self._slots:
            if future in slot.futures:
                return max(0.0, float(slot.progress.value))
        return 0.0

    def kill(self) -> None:
        """End every worker at once; unfinished work fails with ``BrokenExecutor``."""
        for slot in self._slots:
            slot.process.kill()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the workers finish what was submitted, and end; one that then does not end by itself is killed."""
        for slot in self._slots:
            slot.pool.shutdown(wait=False, cancel_futures=cancel_futures)
        if wait:
            for slot in self._slots:
                wait_for(slot.futures)
                slot.process.join(PATIENCE)
                slot.process.kill()
                slot.pool.shutdown(wait=True)

    def _submit_to(self, slot: _Slot, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        if slot.progress.value > 0 and slot.n_unfinished() == 0:
            slot.progress.value = 0.0  # which the worker does too, though only once it begins
        future = slot.pool.submit(_run, function, *args, **kwargs)
        slot.futures.add(future)
        return future

    def _replacement(self, dead: _Slot) -> _Slot:
        self._stillborn = self._stillborn + 1 if dead.progress.value < 0 else 0
        if self._stillborn >= 2:
            raise BenchError(
                "Worker processes end as soon as they are started.",
                hint='A script that runs a suite must do so under `if __name__ == "__main__":`, because every worker '
                "imports it. Otherwise see what the workers wrote above, or try one process: --executor serial.",
            )
        dead.pool.shutdown(wait=False)
        return self._start()

    def _start(self) -> _Slot:
        progress = RawValue("d", -1.0)
        pool = ProcessPoolExecutor(1, mp_context=_SPAWN, initializer=_initialize, initargs=(progress,))
        with _one_thread_each(), _interrupts_held_back():
            pool.submit(worker.preload, self._preload)
        (process,) = pool._processes.values()  # noqa: SLF001  Python < 3.14 has no public way to kill a pool's worker
        return _Slot(pool, process, progress)


_progress: Any = None


def _initialize(progress: Any) -> None:
    """Prepare a worker process: no interrupts, no orphans, nothing on stdout, which belongs to the command."""
    global _progress  # noqa: PLW0603  a worker process has one slot for life
    _progress = progress
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if sys.stdout is not None and sys.stderr is not None:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    progress.value = 0.0


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    _progress.value = 0.0
    with worker.reporting(_set_progress):
        return function(*args, **kwargs)


def _set_progress(fraction: float) -> None:
    _progress.value = fraction


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes started meanwhile inherit one thread for every numerical library, and restore our own settings."""
    before = {name: os.environ.get(name) for name in THREAD_SETTINGS}
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let processes started meanwhile inherit a blocked SIGINT: Ctrl-C cannot end them before they ignore it."""
    resource_tracker.ensure_running()  # it unblocks SIGINT when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
