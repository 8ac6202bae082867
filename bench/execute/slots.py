"""Functions to run -> futures, on worker processes of this machine that can be killed without harm to each other."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from bench.errors import BenchError
from bench.execute import worker
from bench.execute.limits import Limits, in_bytes, in_words
from bench.execute.provenance import THREAD_SETTINGS
from bench.execute.workers import Death, Workers

_P = ParamSpec("_P")
_T = TypeVar("_T")
_SPAWN = multiprocessing.get_context("spawn")

STARTS = 3
"""So often in a row a worker may die before it is ready."""
PATIENCE = 5.0
"""Seconds that a worker with nothing left to do may take to end; threads of an experiment may keep it."""


@dataclass
class _Slot:
    """One worker process, with a pool of its own: a pool whose worker is killed breaks as a whole."""

    pool: ProcessPoolExecutor
    process: BaseProcess
    progress: Any
    """A shared double, without a lock that a killed worker would keep: fraction done; negative before the start."""
    began: Any
    """Another: when the batch that runs began, on the monotonic clock; 0 where none runs."""
    futures: set[Future[Any]] = field(default_factory=set)
    n_submitted: int = 0
    stopped: str = ""
    """At which limit we killed the process."""
    memory_before: float = 0.0
    """Bytes that it held when it had done its first work."""
    stillborn: int = 0
    """So many workers in its place died before they were ready, one after the other."""

    def n_unfinished(self) -> int:
        self.futures = {future for future in self.futures if not future.done()}
        return len(self.futures)


class Slots(Workers):
    """An executor of ``workers`` spawned processes, each with one thread for numerical libraries.

    When a worker dies, what it was running (and what was queued behind it) fails with ``BrokenExecutor``; the others
    go on, and the next ``submit`` starts another in its place. Submit no more at once than there are workers, then a
    dying worker takes down nothing but its own. Workers leave Ctrl-C to their coordinator, and end when it does (on
    Linux at once; elsewhere a worker in a C call that holds the GIL ends after it). What an experiment starts ends with
    its worker: each is the head of a process group.

    The workers start at once and import ``preload`` ("package.module:NAME"), while the caller does other things.
    ``watch``, called often, kills those that exceed ``limits``. A worker that has doubled the memory that it
    keeps between two pieces of work, to more than half of what it may, is replaced: what leaks does not add up.

    Raises:
        BenchError: memory is limited where it cannot be watched.
    """

    def __init__(self, workers: int, *, preload: str = "", limits: Limits | None = None) -> None:
        self._preload = preload
        self._limits = limits or Limits()
        if self._limits.memory < float("inf") and not Path("/proc/self/statm").exists():
            raise BenchError("The memory of workers can be limited on Linux only: there is no /proc here.")
        self._slots: list[_Slot] = []
        try:
            for _ in range(workers):
                self._slots.append(self._start())
        except BaseException:  # an interrupt too: those that have been started must not stay
            self.kill()
            raise

    @property
    def size(self) -> int:
        """How many workers there are."""
        return len(self._slots)

    def submit(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run ``function`` on the least busy worker.

        Raises:
            BenchError: one worker after the other dies as soon as it is started.
        """
        index = min(range(len(self._slots)), key=lambda index: self._slots[index].n_unfinished())
        slot = self._slots[index]
        if self._is_bloated(slot):
            self._retire(slot)
            slot = self._slots[index] = self._start()
        while True:
            try:
                return self._submit_to(slot, function, *args, **kwargs)
            except BrokenExecutor:
                slot = self._slots[index] = self._replacement(slot)

    def fraction(self, future: Future[Any]) -> float:
        """Which part of the work of ``future`` is done, from 0 to 1."""
        for slot in self._slots:
            if future in slot.futures:
                return max(0.0, float(slot.progress.value))
        return 0.0

    def death(self, future: Future[Any]) -> Death | None:
        """Whether its worker was stopped at a limit, or by which signal it was killed."""
        if not future.cancelled() and not isinstance(future.exception(), BrokenExecutor):
            return None
        slot = next((slot for slot in self._slots if future in slot.futures), None)
        if slot is None:
            return Death("its worker process ended")
        if slot.stopped:
            return Death(slot.stopped, limited=True)
        slot.process.join(PATIENCE)
        return Death(f"its worker process {_end(slot.process.exitcode)}")

    def watch(self) -> None:
        """Kill each worker whose batch has run for too long, or that takes too much memory."""
        if not self._limits:
            return
        now = time.monotonic()
        for slot in self._slots:
            began = slot.began.value
            if slot.stopped:
                continue
            if began and now - began > self._limits.seconds:
                slot.stopped = f"stopped at the time limit of {in_words(self._limits.seconds)}"
            elif (slot.n_unfinished() or not slot.n_submitted) and _memory(slot.process) > self._limits.memory:
                slot.stopped = f"stopped at the memory limit of {in_bytes(self._limits.memory)}"
            if slot.stopped:
                _kill(slot.process)

    def kill(self) -> None:
        """End every worker at once; unfinished work fails with ``BrokenExecutor``."""
        for slot in self._slots:
            _kill(slot.process)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the workers finish what was submitted, and end; one that then does not end by itself is killed."""
        for slot in self._slots:
            slot.pool.shutdown(wait=False, cancel_futures=cancel_futures)
        if wait:
            for slot in self._slots:
                wait_for(slot.futures)
                slot.process.join(PATIENCE)
                _kill(slot.process)
                slot.pool.shutdown(wait=True)

    def _submit_to(self, slot: _Slot, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        if slot.progress.value > 0 and slot.n_unfinished() == 0:
            slot.progress.value = 0.0  # which the worker does too, though only once it begins
        future = slot.pool.submit(_run, function, *args, **kwargs)
        slot.futures.add(future)
        slot.n_submitted += 1
        return future

    def _is_bloated(self, slot: _Slot) -> bool:
        if self._limits.memory == float("inf") or slot.began.value or slot.n_unfinished() or not slot.n_submitted:
            return False
        memory = _memory(slot.process)
        slot.memory_before = slot.memory_before or memory
        return memory > max(2 * slot.memory_before, self._limits.memory / 2)

    def _replacement(self, dead: _Slot) -> _Slot:
        stillborn = dead.stillborn + 1 if dead.progress.value < 0 else 0
        if stillborn == STARTS:
            dead.process.join(PATIENCE)
            hint = "See what they wrote above, or try one process: --executor serial."
            if (dead.process.exitcode or 0) >= 0:  # nobody killed it
                guard = 'under `if __name__ == "__main__":`, because every worker imports it.'
                hint = f"A script that runs a suite must do so {guard} Otherwise: {hint}"
            how = _end(dead.process.exitcode)
            raise BenchError(f"Workers end as soon as they are started; the last of {STARTS} {how}.", hint=hint)
        _kill(dead.process)
        dead.pool.shutdown(wait=False)
        return self._start(stillborn)

    def _retire(self, slot: _Slot) -> None:
        """Let a worker that has nothing to do end by itself, and see to it that it does."""
        slot.pool.shutdown(wait=False)
        slot.process.join(PATIENCE)
        _kill(slot.process)

    def _start(self, stillborn: int = 0) -> _Slot:
        progress, began = RawValue("d", -1.0), RawValue("d", 0.0)
        pool = ProcessPoolExecutor(1, mp_context=_SPAWN, initializer=_initialize, initargs=(progress, began))
        with _one_thread_each(), interrupts_held_back():
            pool.submit(_run, worker.preload, self._preload)
        (process,) = pool._processes.values()  # noqa: SLF001  Python < 3.14 has no public way to kill a pool's worker
        return _Slot(pool, process, progress, began, stillborn=stillborn)


_progress: Any = None
_began: Any = None


def _initialize(progress: Any, began: Any) -> None:
    """Prepare a worker process: no interrupts, no orphans, nothing on stdout, which belongs to the command."""
    global _progress, _began
    _progress, _began = progress, began
    os.setpgid(0, 0)
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if sys.stdout is not None and sys.stderr is not None:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    progress.value = 0.0


def _die_with_parent() -> None:
    """Let Linux kill this process when its parent ends, even if it holds the GIL or is stopped."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        parent = multiprocessing.parent_process()
        if parent is not None and os.getppid() != parent.pid:  # it has ended already
            os._exit(1)


_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.killpg(0, signal.SIGKILL)


def _kill(process: BaseProcess) -> None:
    """End a worker and all that it has started, also if it has itself ended."""
    process.kill()
    if process.pid is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _run(function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    _progress.value = 0.0
    try:
        with worker.reporting(_note):
            return function(*args, **kwargs)
    finally:
        _began.value = 0.0


def _note(fraction: float, began: float) -> None:
    _progress.value = fraction
    _began.value = began


def _memory(process: BaseProcess) -> float:
    """Bytes of a process that are in the machine's memory; 0 when it has ended."""
    try:
        pages = Path(f"/proc/{process.pid}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0.0
    return int(pages) * float(os.sysconf("SC_PAGE_SIZE"))


def _end(exit_code: int | None) -> str:
    """How a process ended, in words."""
    if exit_code is None or exit_code >= 0:
        return "ended" if exit_code is None else f"ended with exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:  # a real-time signal has no name
        name = f"signal {-exit_code}"
    usual = " (out of memory is the usual cause)" if -exit_code == signal.SIGKILL else ""
    return f"was killed by {name}{usual}"


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
def interrupts_held_back() -> Iterator[None]:
    """Let processes started meanwhile inherit a blocked SIGINT: Ctrl-C cannot end them before they ignore it."""
    resource_tracker.ensure_running()  # it unblocks SIGINT when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
