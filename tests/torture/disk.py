"""A disk that fills up: what was stored is read, the exit code is not 0, and with more room the rest is run."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from bench.errors import Exit
from bench.execute.journal import read
from tests.torture import subjects
from tests.torture.strength import Strength


def full_disk(folder: Path, strength: Strength) -> str:
    """Run suites on small tmpfs of growing sizes (root only; the tests inject ENOSPC)."""
    if os.geteuid() != 0:
        return "left out: mounting a small tmpfs needs root"
    suite = subjects.suite(folder, seeds=30, sleep=0.0)
    expected, disk = subjects.calm_table(suite, folder), folder / "disk"
    disk.mkdir()
    sizes = range(16, 80, max(4, round(4 / strength.scale)))
    stopped, stored = 0, []
    for size in sizes:
        with ExitStack() as stack:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk], check=True)
            stack.callback(subprocess.run, ["umount", disk], check=True)
            code = _run(suite.path, disk)
            found = read(disk / "tiny" / "journal")
            assert not found.damaged, "a full disk tore a line"
            if code != 0:
                assert code == Exit.RUNS_FAILED, code
                stopped += 1
                stored.append(len(found.records))
            subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
            assert _run(suite.path, disk) == 0
            assert read(disk / "tiny" / "journal").records.items() >= found.records.items()
            assert subjects.table(disk / "tiny") == expected, "the table differs from that of a calm run"
    return (
        f"{len(sizes)} disks of {sizes[0]} to {sizes[-1]} KiB, {stopped} full before the end with {sorted(stored)} of "
        "180 records stored, all of them read; with more room every table byte-equal"
    )


def _run(suite: Path, out: Path) -> int:
    command = [sys.executable, subjects.EXECUTE / "coordinator.py", suite, out]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
