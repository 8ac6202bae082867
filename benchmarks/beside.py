"""What a benchmark of this folder measures of this bench beside that of another commit: both run here, in turns."""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def print_ratios(script: str, arguments: list[str], commit: str, rounds: int) -> None:
    """Print the median ratio of each figure, with the smallest and the largest.

    ``script``: a file of this folder that with ``--json`` prints the name of each figure and its CPU seconds.
    """
    command = ["git", "archive", commit, "bench"]
    archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory() as other:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(other, filter="data")
        pairs = [[_measure(script, arguments, root) for root in (str(ROOT), other)] for _ in range(rounds)]
    for name in pairs[0][0]:
        ratios = sorted(ours[name] / theirs[name] for ours, theirs in pairs)
        ours, theirs = (statistics.median(pair[side][name] for pair in pairs) for side in (0, 1))
        print(
            f"{name}: {ours:.2f} CPU-s, {theirs:.2f} at {commit}; ratio {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


def _measure(script: str, arguments: list[str], root: str) -> dict[str, float]:
    command = [sys.executable, Path(__file__).parent / script, *arguments, "--json"]
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
