"""Processes that are killed at random: whoever dies, the table in the end is that of a calm run."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Self

from bench.errors import BenchError
from bench.execute.coordinate import execute
from bench.execute.journal import read
from bench.execute.records import OUTCOMES, Record
from bench.execute.run import create
from bench.execute.segments import scan
from tests.torture import subjects
from tests.torture.strength import Strength


def coordinators(folder: Path, strength: Strength) -> str:
    """Kill the coordinator at any moment, start-up included, and resume until all is done; over many runs."""
    suite = subjects.suite(folder, seeds=30, sleep=0.01)
    expected, choose = subjects.calm_table(suite, folder), random.Random(3)
    kills = runs = torn = 0
    while strength.wants(kills, 200):
        out = folder / f"run-{runs}"
        stored: dict[str, str] = {}
        while _killed(suite.path, out, choose):
            kills += 1
            contents = read(out / "tiny" / "journal")
            found = {key: record.values for key, record in contents.records.items()}
            assert stored.items() <= found.items(), "a stored record was lost or changed"
            stored, torn = found, torn + len(contents.damaged)
        assert subjects.table(out / "tiny") == expected, "the table differs from that of a calm run"
        assert stored_twice(out / "tiny" / "journal") == 0, "a job was stored twice"
        runs += 1
    return f"{kills} SIGKILLs over {runs} runs, {torn} torn lines; no record lost, every table byte-equal"


def workers(folder: Path, strength: Strength) -> str:
    """Kill workers at any moment while they work, again and again; over many runs."""
    suite = subjects.suite(folder, seeds=25, sleep=0.05)
    expected, choose = subjects.calm_table(suite, folder), random.Random(5)
    kills = runs = lost = stopped = 0
    while strength.wants(kills, 200):
        out = folder / f"run-{runs}"
        with _Killer(choose) as killer:
            try:
                lost += execute(suite, create(suite, out), workers=2).lost
            except BenchError:  # its workers were killed before they had begun, twice
                stopped += 1
        kills += killer.kills
        execute(suite, create(suite, out), workers=2)
        assert subjects.table(out / "tiny") == expected, "the table differs from that of a calm run"
        assert not read(out / "tiny" / "journal").alarms
        runs += 1
    return (
        f"{kills} SIGKILLs of workers over {runs} runs ({lost} jobs given up as lost and {stopped} runs stopped by it, "
        f"all made good by the same command); every table byte-equal"
    )


def stored_twice(journal: Path) -> int:
    """How many jobs have more than one outcome."""
    keys = Counter(item.key for _, item in scan(journal) if isinstance(item, Record) and item.status in OUTCOMES)
    return sum(count > 1 for count in keys.values())


def _killed(suite: Path, out: Path, choose: random.Random) -> bool:
    """Run a coordinator and kill it at some moment; False if it had ended before."""
    command = [sys.executable, subjects.EXECUTE / "coordinator.py", suite, out]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as coordinator:
        assert coordinator.stdout is not None
        n_lines = choose.choice([0, 1, *range(2, 20)])
        for _ in range(n_lines):
            coordinator.stdout.readline()
        time.sleep(choose.uniform(0, 0.05))
        coordinator.kill()
        coordinator.stdout.read()
    return coordinator.returncode == -signal.SIGKILL


class _Killer:
    """Kills one child of this process after the other until told to stop."""

    def __init__(self, choose: random.Random) -> None:
        self.kills = 0
        self._choose = choose
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._enough.wait(self._choose.uniform(0.2, 1.5)):
            if children := multiprocessing.active_children():
                os.kill(self._choose.choice(children).pid or 0, signal.SIGKILL)
                self.kills += 1
