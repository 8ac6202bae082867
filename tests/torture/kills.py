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
from bench.execute.records import OUTCOMES, Record, scan
from bench.execute.run import create
from bench.execute.schedule import TARGET
from tests.torture import subjects
from tests.torture.strength import Strength

SLEEP = 0.05
"""Seconds that a job takes."""
AT_START = 0.3
"""The part of the coordinators that are killed at any moment of their first seconds."""


def coordinators(folder: Path, strength: Strength) -> str:
    """Kill the coordinator at any moment, start-up included, and resume until all is done; over many runs."""
    suite = subjects.suite(folder, seeds=20, sleep=SLEEP)
    expected, choose = subjects.calm_table(suite, folder), random.Random(3)
    in_flight = round(2 * TARGET / SLEEP)
    kills = runs = torn = again = 0
    while strength.wants(kills, 200):
        out = folder / f"run-{runs}"
        (folder / "runs").unlink()
        before = kills
        stored: dict[str, bytes] = {}
        while _killed(suite.path, out, choose):
            kills += 1
            contents = read(out / "tiny" / "journal")
            found = {key: record.values for key, record in contents.records.items()}
            assert stored.items() <= found.items(), "a stored record was lost or changed"
            stored, torn = found, torn + len(contents.damaged)
        assert subjects.table(out / "tiny") == expected, "the table differs from that of a calm run"
        assert stored_twice(out / "tiny" / "journal") == 0, "a job was stored twice"
        jobs = (folder / "runs").read_text().splitlines()
        repeated = len(jobs) - len({*jobs})
        assert repeated <= (kills - before) * in_flight, "more was run again than was in flight"
        runs, again = runs + 1, again + repeated
    return (
        f"{kills} SIGKILLs over {runs} runs, {torn} torn lines; no record lost, every table byte-equal; "
        f"of the jobs that are counted {again / max(1, kills):.1f} run again a kill ({in_flight} jobs are in flight)"
    )


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
    """Run a coordinator and kill it while it starts or when it has stored some more; False if it had ended before."""
    command = [sys.executable, subjects.EXECUTE / "coordinator.py", suite, out]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as coordinator:
        assert coordinator.stdout is not None
        if choose.random() < AT_START:
            time.sleep(choose.uniform(0, 3))
        elif first := coordinator.stdout.readline():
            enough = int(first) + choose.randint(1, 60)
            next((line for line in coordinator.stdout if int(line) >= enough), None)
            time.sleep(choose.uniform(0, SLEEP))
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
