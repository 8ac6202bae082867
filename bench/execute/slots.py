"""Functions to run -> futures, on worker processes of this machine that can be killed without harm to each other."""

from __future__ import annotations

import ctypes
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.execute import worker
from bench.execute.provenance import THREAD_SETTINGS
from bench.execute.workers import Death, Limits, Output, Workers, in_bytes

_SPAWN = multiprocessing.get_context("spawn")

STARTS = 3
"""So often in a row a worker may die before it is ready."""
PATIENCE = 5.0
"""Seconds that a worker with nothing left to do may take to end; threads of an experiment may keep it."""


@dataclass
class _Slot:
    """One worker process, and the thread that talks to it."""

    process: SpawnProcess
    connection: Connection
    state: Any
    """Shared doubles, without a lock: fraction of the work that is done, negative until the worker is ready; when the
    batch that runs began, on the monotonic clock, 0 where none runs."""
    thread: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1))
    futures: set[Future[Any]] = field(default_factory=set)
    stopped: str = ""
    """At which limit we killed the process."""
    usual: float = 0.0
    """Bytes that it held when it had done its first work."""
    stillborn: int = 0
    """So many workers in its place died before they were ready, one after the other."""

    @property
    def unfinished(self) -> set[Future[Any]]:
        return {future for future in self.futures if not future.done()}

    def submit(self, call: tuple[Any, ...]) -> Future[Any]:
        self.futures = {*self.unfinished, future := self.thread.submit(self._run, call)}
        return future

    def _run(self, call: tuple[Any, ...]) -> Any:
        try:
            self.connection.send(call)
            value, error = self.connection.recv()
        except (EOFError, OSError) as broken:
            self.connection.close()
            raise BrokenExecutor("the worker process ended") from broken
        if error is not None:
            raise error
        return value

    def end(self) -> None:
        """Let the worker end when all that was submitted is done."""
        with suppress(RuntimeError):  # it has been asked to before
            self.thread.submit(self.connection.close)
        self.thread.shutdown(wait=False)

    def kill(self) -> None:
        """End the worker and all that it has started, also if it has itself ended."""
        self.process.kill()
        if self.process.pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join(PATIENCE)

    def memory(self) -> float:
        """Bytes of the worker that are in the machine's memory; 0 when it has ended."""
        try:
            pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        except OSError:
            return 0.0
        return int(pages) * float(os.sysconf("SC_PAGE_SIZE"))

    def is_bloated(self, limit: float) -> bool:
        """Whether it has doubled the memory that it keeps between pieces of work, to more than half of ``limit``."""
        if limit == math.inf or self.state[1] or self.unfinished or not self.futures:
            return False
        memory = self.memory()
        self.usual = self.usual or memory
        return memory > max(2 * self.usual, limit / 2)


class Slots(Workers):
    """An executor of ``workers`` spawned processes, each with one thread for numerical libraries.

    When a worker dies, what it was running (and what was queued behind it) fails with ``BrokenExecutor``; the others
    go on, and the next ``submit`` starts another in its place. Submit no more at once than there are workers, then a
    dying worker takes down nothing but its own. Workers leave Ctrl-C to their coordinator, and end when it does (on
    Linux at once; elsewhere a worker in a C call that holds the GIL ends after it). What an experiment starts ends with
    its worker: each is the head of a process group. What workers print goes to stderr (``output``).

    The workers start at once and import ``preload`` ("package.module:NAME"), while the caller does other things.
    ``watch``, called often, kills those that exceed ``limits``. A worker that has doubled the memory that it
    keeps between two pieces of work, to more than half of what it may, is replaced: what leaks does not add up.
    """

    def __init__(self, workers: int, *, preload: str = "", limits: Limits | None = None) -> None:
        self._preload = preload
        self._limits = limits or Limits()
        if self._limits.memory < math.inf and not Path("/proc/self/statm").exists():
            raise BenchError("The memory of workers can be limited on Linux only: there is no /proc here.")
        self._output = Output()
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

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``function`` on the least busy worker; a BenchError says that each dies as soon as it is started."""
        index = min(range(len(self._slots)), key=lambda index: len(self._slots[index].unfinished))
        slot = self._slots[index]
        if is_bloated := slot.is_bloated(self._limits.memory):
            slot.end()
            slot.process.join(PATIENCE)
        if is_bloated or slot.connection.closed or not slot.process.is_alive():
            slot = self._slots[index] = self._replacement(slot)
        if slot.state[0] > 0 and not slot.unfinished:
            slot.state[0] = 0.0  # which the worker does too, though only once it begins
        return slot.submit((function, args, kwargs))

    def fraction(self, future: Future[Any]) -> float:
        """Which part of the work of ``future`` is done, from 0 to 1."""
        return next((max(0.0, float(slot.state[0])) for slot in self._slots if future in slot.futures), 0.0)

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
        """Kill each worker whose batch has run for too long, or that takes too much memory, and what dead ones left."""
        now = time.monotonic()
        for slot in self._slots:
            began = slot.state[1]
            if not slot.process.is_alive():
                if slot.unfinished:
                    slot.kill()  # what it forked may hold its connection open
            elif began and now - began > self._limits.seconds:
                slot.stopped = f"stopped at the time limit of {timedelta(seconds=self._limits.seconds)}"
            elif (slot.unfinished or not slot.futures) and slot.memory() > self._limits.memory:
                slot.stopped = f"stopped at the memory limit of {in_bytes(self._limits.memory)}"
            if slot.stopped:
                slot.kill()

    def kill(self) -> None:
        """End every worker at once; unfinished work fails with ``BrokenExecutor``."""
        for slot in self._slots:
            slot.kill()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the workers finish what was submitted, and end; one that then does not end by itself is killed."""
        for slot in self._slots:
            for future in slot.futures if cancel_futures else ():
                future.cancel()
            slot.end()
        if wait:
            for slot in self._slots:
                wait_for(slot.futures)
                slot.process.join(PATIENCE)
                slot.kill()
            self._output.close()

    def _replacement(self, dead: _Slot) -> _Slot:
        dead.kill()
        stillborn = dead.stillborn + 1 if dead.state[0] < 0 else 0
        if stillborn == STARTS:
            hint = "See what they wrote above, or try one process: --executor serial."
            if (dead.process.exitcode or 0) >= 0:  # nobody killed it
                guard = 'under `if __name__ == "__main__":`, because every worker imports it.'
                hint = f"A script that runs a suite must do so {guard} Otherwise: {hint}"
            how = _end(dead.process.exitcode)
            raise BenchError(f"Workers end as soon as they are started; the last of {STARTS} {how}.", hint=hint)
        dead.end()
        return self._start(stillborn)

    def _start(self, stillborn: int = 0) -> _Slot:
        ours, theirs = _SPAWN.Pipe()
        state = _SPAWN.RawArray("d", (-1.0, 0.0))
        process = _SPAWN.Process(target=_serve, args=(theirs, self._output.pipe, state, self._preload))
        with spawning():
            process.start()
        theirs.close()
        return _Slot(process, ours, state, stillborn=stillborn)


def _serve(calls: Connection, output: Connection, state: Any, preload: str) -> None:
    """What a worker process does: import the experiment, then run what it is sent until nothing more can come.

    No interrupts, no orphans, nothing on stdout, which belongs to the command.
    """
    os.setpgid(0, 0)
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    output.close()
    state[0] = 0.0

    def note(fraction: float, began: float) -> None:
        state[:] = fraction, began

    with worker.reporting(note):
        worker.preload(preload)
        state[1] = 0.0
        while True:
            try:
                call = calls.recv_bytes()
            except EOFError:
                return
            answer: tuple[Any, BaseException | None]
            try:
                function, args, kwargs = ForkingPickler.loads(call)
                answer = function(*args, **kwargs), None
            except BaseException as error:  # noqa: BLE001  it is for whose work it was
                answer = None, error
            state[1] = 0.0
            try:
                calls.send(answer)
            except Exception as error:  # noqa: BLE001  what no pickle can hold
                calls.send((None, RuntimeError(f"{type(error).__name__}: {error}")))


def _end_with_parent() -> None:
    """End this process when its parent does: on Linux at once, even if it holds the GIL or is stopped."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent.pid:  # it has ended already
            os._exit(1)

    def wait() -> None:
        parent.join()
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()


_PR_SET_PDEATHSIG = 1


def _end(exit_code: int | None) -> str:
    """How a process ended, in words."""
    if exit_code is None or exit_code >= 0:
        return "ended" if exit_code is None else f"ended with exit code {exit_code}"
    known = {number.value: number.name for number in signal.Signals}  # a real-time signal has no name
    name = known.get(-exit_code, f"signal {-exit_code}")
    usual = " (out of memory is the usual cause)" if -exit_code == signal.SIGKILL else ""
    return f"was killed by {name}{usual}"


@contextmanager
def spawning() -> Iterator[None]:
    """Let processes started meanwhile inherit one thread for every numerical library, and a blocked SIGINT.

    Ctrl-C cannot end them before they ignore it. Our own settings are restored.
    """
    resource_tracker.ensure_running()  # it unblocks SIGINT when it starts
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    before = {name: os.environ.pop(name) for name in THREAD_SETTINGS if name in os.environ}
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, "1"))
    try:
        yield
    finally:
        for name in THREAD_SETTINGS:
            del os.environ[name]
        os.environ.update(before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
