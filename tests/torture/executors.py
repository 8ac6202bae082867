"""The full factorial by every way to run it: one table, which an earlier bench gave of these numbers."""

from __future__ import annotations

from pathlib import Path

import bench
from bench.present.render.csv import csv
from tests.torture import subjects
from tests.torture.strength import Strength

ROOT = Path(__file__).parents[2]


def executors(folder: Path, strength: Strength) -> str:
    """Run the suite in this process, on worker processes and on a Dask cluster."""
    expected = (subjects.EXECUTE / "stored_schema_1" / "full_factorial.csv").read_text()
    ways = ("serial", "local", "dask")
    for executor in ways:
        bench.run(ROOT / "suites" / "full_factorial.toml", out=folder / executor, executor=executor, workers=2)
        table = csv(bench.load("full_factorial", out=folder / executor, wide=True))
        assert table == expected, f"the table by {executor} is another one"
    return f"{', '.join(ways)}: {expected.count(chr(10)) - 1} runs, each table equal to the byte to that of d4560a3"
