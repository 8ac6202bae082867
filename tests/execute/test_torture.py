"""The torture itself works; at full strength it is ``make torture``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_torture_of_data_runs() -> None:
    """Truncation, corruption, damaged arrays and fuzzing run at a thousandth of their strength and say so."""
    names = ["truncation", "corruption", "arrays", "fuzz"]
    command = [sys.executable, "-m", "tests.torture", *names, "--scale", "0.001"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == names
    assert "10 corruptions" in done.stdout
    assert "100 mutants" in done.stdout
