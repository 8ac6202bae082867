"""Coordinators that are started together on one folder, and killed: one at a time writes, and nothing is lost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench.errors import Exit
from tests.torture import subjects
from tests.torture.kills import stored_twice
from tests.torture.strength import Strength

COORDINATORS = 5


def together(folder: Path, strength: Strength) -> str:
    """Start five coordinators of one suite at once and kill one of them, until all is done; over many runs."""
    suite = subjects.suite(folder, seeds=30, sleep=0.02)
    expected, choose = subjects.calm_table(suite, folder), random.Random(7)
    rounds = runs = refused = 0
    while strength.wants(rounds, 40):
        out = folder / f"run-{runs}"
        command = [sys.executable, subjects.EXECUTE / "coordinator.py", suite.path, out]
        is_done = False
        while not is_done:
            crowd = [
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                for _ in range(COORDINATORS)
            ]
            time.sleep(choose.uniform(0.5, 5.0))
            choose.choice(crowd).kill()
            codes = [coordinator.wait() for coordinator in crowd]
            assert {*codes} <= {Exit.OK, Exit.USAGE, -signal.SIGKILL}, codes
            refused += codes.count(Exit.USAGE)
            rounds += 1
            is_done = Exit.OK in codes
        assert subjects.table(out / "tiny") == expected, "the table differs from that of a calm run"
        assert stored_twice(out / "tiny" / "journal") == 0, "a job was stored twice"
        runs += 1
    return (
        f"{COORDINATORS} coordinators at once, {rounds} times over {runs} runs, one killed each time: {refused} "
        "refused; no job stored twice, every table byte-equal"
    )
