"""Worker slots can be killed without harm to each other, and outlive nobody."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.execute.executors import Serial
from bench.execute.provenance import THREAD_SETTINGS
from bench.execute.slots import STARTS, Slots, _serve
from bench.execute.workers import MOST, Limits, Workers


@pytest.fixture(scope="module")
def slots() -> Iterator[Slots]:
    """Two slots for all tests of this module: what one test kills is replaced for the next."""
    with Slots(2) as started:
        yield started


def test_a_killed_worker_takes_down_its_own_work_only(slots: Slots) -> None:
    """Its future breaks, the neighbour finishes in its process, and the next submit finds a new worker."""
    pids = {slots.submit(_slow_pid, 0.2) for _ in range(2)}
    first, second = (future.result() for future in pids)
    assert first != second
    doomed, neighbour = slots.submit(_slow_pid, 30.0), slots.submit(_slow_pid, 1.0)
    time.sleep(0.2)
    victim = next(slot.process for slot in slots._slots if doomed in slot.futures)
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    with pytest.raises(BrokenExecutor):
        doomed.result(timeout=60)
    survivor = neighbour.result(timeout=60)
    assert {victim.pid, survivor} == {first, second}
    again = {future.result() for future in [slots.submit(_slow_pid, 0.2) for _ in range(2)]}
    assert survivor in again
    assert victim.pid not in again


def test_workers_compute_with_one_thread_and_the_parent_as_before(slots: Slots) -> None:
    """Thread settings of numerical libraries are 1 in a worker, and untouched in the parent."""
    before = {name: os.environ.get(name) for name in THREAD_SETTINGS}
    theirs = slots.submit(_environment).result()
    assert [theirs.get(name) for name in THREAD_SETTINGS] == ["1"] * len(THREAD_SETTINGS)
    assert {name: os.environ.get(name) for name in THREAD_SETTINGS} == before


def test_workers_ignore_interrupts(slots: Slots) -> None:
    """Ctrl-C, which reaches every process of a terminal, ends no worker."""
    assert slots.submit(_survive_interrupt).result(timeout=60) == "alive"


def test_killing_all_workers_ends_their_work_at_once(slots: Slots) -> None:
    """What was running breaks within seconds, and the slots can be used again."""
    running = [slots.submit(_slow_pid, 60.0) for _ in range(2)]
    slots.kill()
    assert not wait(running, timeout=60).not_done
    assert all(isinstance(future.exception(), BrokenExecutor) for future in running)
    assert slots.submit(_slow_pid, 0.0).result(timeout=60)


def test_a_worker_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that an experiment leaves behind cannot keep the command waiting."""
    monkeypatch.setattr("bench.execute.slots.PATIENCE", 0.2)
    with Slots(1) as slots:
        pid = slots.submit(_leave_thread).result(timeout=60)
        start = time.monotonic()
    assert time.monotonic() - start < 10
    assert _all_gone([pid], seconds=10)


_PARENT = """
import sys, time
sys.path.insert(0, {folder!r})
from bench.execute.slots import Slots
from test_slots import *
from test_slots import _hold_the_interpreter, _slow_pid, _stop
if __name__ == "__main__":
    slots = Slots({workers})
    pids = [slots.submit(_slow_pid, 0.3) for _ in range({workers})]
    print(*[pid.result() for pid in pids], flush=True)
    [slots.submit(*work) for work in ((_slow_pid, 300.0), (_stop,), (_hold_the_interpreter,))[:{workers}]]
    time.sleep(0.5)
    print(flush=True)
    time.sleep(300)
"""


def test_no_orphans(tmp_path: Path) -> None:
    """Workers of a parent that is killed end within seconds: in the middle of work, stopped, in a C call."""
    script = tmp_path / "parent.py"
    script.write_text(_PARENT.format(folder=str(Path(__file__).parent), workers=3))
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len({*pids}) == 3
        parent.stdout.readline()
        parent.kill()
    assert _all_gone(pids, seconds=10)


def test_workers_that_are_killed_while_they_start_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two in one place, one after the other, are not the end of a run."""
    monkeypatch.setattr("bench.execute.slots._serve", partial(_die_first, tmp_path, 2, 0))
    with Slots(1) as slots:
        deaths = [slots.submit(os.getpid).exception(timeout=60) for _ in range(4)]
    assert all(error is None or isinstance(error, BrokenExecutor) for error in deaths)
    assert deaths[-1] is None
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("exit_code", "how"), [(0, "was killed by SIGKILL"), (3, "ended with exit code 3")])
def test_workers_that_cannot_start_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exit_code: int, how: str
) -> None:
    """The third in a row that dies before it is ready ends the run, with advice that fits its death."""
    monkeypatch.setattr("bench.execute.slots._serve", partial(_die_first, tmp_path, 99, exit_code))
    with (
        Slots(1) as slots,
        pytest.raises(BenchError, match=f"as soon as they are started; the last of 3 {how}") as raised,
    ):
        _submit(slots, STARTS + 1)
    assert ('__name__ == "__main__"' in raised.value.hint) == (exit_code > 0)
    assert len(list(tmp_path.iterdir())) == STARTS


def _submit(slots: Slots, times: int) -> None:
    for _ in range(times):
        slots.submit(os.getpid).exception(timeout=60)


def _die_first(folder: Path, times: int, exit_code: int, *shared: Any) -> None:
    """Stands for the start of a worker: the first ones die before they say that they are ready."""
    for number in range(times):
        with suppress(FileExistsError):
            (folder / str(number)).touch(exist_ok=False)
            os._exit(exit_code) if exit_code else os.kill(os.getpid(), signal.SIGKILL)
    _serve(*shared)


@pytest.mark.parametrize("end", ["kill", "limit", "shutdown"])
def test_what_an_experiment_starts_ends_with_its_worker(end: str) -> None:
    """A process that work leaves behind is gone once its worker is: killed, stopped at a limit, or done."""
    limits = Limits(seconds=0.5) if end == "limit" else None
    with Slots(1, limits=limits) as slots:
        child = slots.submit(_leave_process).result(timeout=60)
        assert Path(f"/proc/{child}").exists()
        doomed = slots.submit(_slow_pid, 60.0) if end != "shutdown" else None
        if doomed is not None:
            slots._slots[0].state[1] = time.monotonic()
            if end == "kill":
                os.kill(slots._slots[0].process.pid, signal.SIGKILL)
            while not doomed.done():
                slots.watch()
                time.sleep(0.05)
            slots.submit(os.getpid).result(timeout=60)
            assert _all_gone([child], seconds=10)
    assert _all_gone([child], seconds=10)


def test_a_fork_that_outlives_its_worker_does_not_keep_the_work(slots: Slots) -> None:
    """It holds the connection of the worker open, and ends with it."""
    doomed = slots.submit(_fork_and_die)
    deadline = time.monotonic() + 20
    while not doomed.done() and time.monotonic() < deadline:
        slots.watch()
        time.sleep(0.05)
    assert isinstance(doomed.exception(timeout=0), BrokenExecutor)


def test_what_cannot_be_sent_is_an_error_of_its_work(slots: Slots) -> None:
    """An argument, a result or an error that no pickle can hold fails its future; the worker stays."""
    for function in (threading.Lock, _raise_a_lock):
        with pytest.raises(RuntimeError, match="cannot pickle"):
            slots.submit(function).result(timeout=60)
    with pytest.raises(TypeError, match="cannot pickle"):
        slots.submit(str, threading.Lock()).result(timeout=60)
    assert slots.submit(_slow_pid, 0.1).result(timeout=60)


def test_a_killed_group_leaves_no_semaphores(tmp_path: Path) -> None:
    """With coordinator, workers and Python's own tracker killed at once, nothing stays in /dev/shm."""
    script = tmp_path / "parent.py"
    script.write_text(_PARENT.format(folder=str(Path(__file__).parent), workers=1))
    before = set(Path("/dev/shm").iterdir())
    command = [sys.executable, script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        os.killpg(parent.pid, signal.SIGKILL)
    assert _all_gone(pids, seconds=10)
    deadline = time.monotonic() + 60  # those of other tests, which run at the same time, come and go
    while set(Path("/dev/shm").iterdir()) - before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert set(Path("/dev/shm").iterdir()) - before == set()


@pytest.mark.parametrize("start", [lambda: Slots(2), Serial], ids=["slots", "serial"])
def test_what_workers_print_is_bounded(capfd: pytest.CaptureFixture[str], start: Callable[[], Workers]) -> None:
    """The first megabyte is shown, by all workers together or in this process, and it is said that there was more."""
    with start() as workers:
        for _ in range(4):
            workers.submit(_chat, MOST // 2).result(timeout=60)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("talk")
    assert "what more they print is not shown" in err
    assert len(err) < MOST + 1000


def _chat(size: int) -> None:
    os.write(2, b"talk" * (size // 4))
    os.write(1, b"talk" * (size // 4))


def _fork_and_die() -> None:
    if os.fork() == 0:
        time.sleep(300)
    os.kill(os.getpid(), signal.SIGKILL)


def _raise_a_lock() -> None:
    raise RuntimeError(threading.Lock())


def _slow_pid(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def _environment() -> dict[str, str]:
    return dict(os.environ)


def _survive_interrupt() -> str:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    return "alive"


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _hold_the_interpreter() -> None:
    re.match(r"(a+)+$", "a" * 64 + "b")


def _leave_process() -> int:
    return subprocess.Popen(["sleep", "300"]).pid


def _leave_thread() -> int:
    threading.Thread(target=time.sleep, args=(60,)).start()
    return os.getpid()


def _all_gone(pids: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False
