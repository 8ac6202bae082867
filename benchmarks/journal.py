"""How long 100,000 records take to store and to load, beside what one would write oneself: CSV and lines of JSON.

    python benchmarks/journal.py [--records 10000] [--beside d4560a3]

Both columns of a ratio are measured here, one after the other; the seconds are CPU time of this process.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from beside import print_ratios

import bench
from bench.execute.journal import Journal
from bench.execute.records import Record
from bench.execute.run import Run, create, store
from bench.execute.storage import locked
from bench.experiment import Experiment, Job, Metric, Progress
from bench.plan.suite import load

TOGETHER = 100
"""Records that are appended at a time."""
SUITE = """
name = "journal"
experiment = "journal:EXPERIMENT"
seeds = {seeds}
[factors]
width = [1, 2, 3, 4, 5]
tied = [false, true]
"""


@dataclass(frozen=True)
class Params:
    """Two factors."""

    width: int = 1
    tied: bool = False


def never(jobs: Sequence[Job], progress: Progress) -> Iterator[dict[str, float]]:
    """Nothing is run: the records are made up."""
    yield from ()


EXPERIMENT = Experiment(params=Params, metrics=[Metric("loss", "Loss"), Metric("score", "Score")], run=never)


def main() -> None:
    """Print the seconds of each way and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--beside", metavar="COMMIT", help="compare with the bench of another commit instead")
    parser.add_argument("--json", action="store_true", help="print the seconds of bench only")
    options = parser.parse_args()
    n_records = options.records
    if options.beside:
        print_ratios("journal.py", ["--records", str(n_records)], options.beside, rounds=3)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "journal.toml").write_text(SUITE.format(seeds=n_records // 10))
        suite = load(folder / "journal.toml")
        run = create(suite, folder / "reports")
        with locked(run.folder):
            store(run, suite)
        records = list(_records(run))
        rows = [_row(record) for record in records]
        seconds = {
            "append": {
                "bench": _timed(lambda: _append(run, records)),
                "csv": _timed(lambda: _append_csv(folder / "rows.csv", rows)),
                "json lines": _timed(lambda: _append_lines(folder / "rows.jsonl", rows)),
            },
            "load": {
                "bench": _timed(lambda: bench.load(run.folder)),
                "csv": _timed(lambda: _tidy(pd.read_csv(folder / "rows.csv"))),
                "json lines": _timed(lambda: _tidy(pd.read_json(folder / "rows.jsonl", lines=True))),
            },
        }
    if options.json:
        print(json.dumps({f"{step} {len(records)} records": ways["bench"] for step, ways in seconds.items()}))
        return
    print(f"{len(records)} records")
    for step, ways in seconds.items():
        for way, took in ways.items():
            beside = "" if way == "bench" else f"; bench takes {ways['bench'] / took:.1f} times as long"
            print(f"{step:<8}{way:<12}{took:6.2f} s{beside}")


def _records(run: Run) -> Iterator[Record]:
    for number, job in enumerate(run.planned()):
        yield Record(
            key=job.key, levels=dict(zip(run.suite.factors, job.levels, strict=True)), seed=job.seed, status="ok",
            metrics={"loss": number / 7, "score": number / 11}, notes={}, reason="", seconds=0.25, batch=number,
            batch_size=1, attempt=1, host="here", environment="e",
        )  # fmt: skip


def _row(record: Record) -> dict[str, Any]:
    return {**record.levels, "seed": record.seed, **record.metrics}


def _append(run: Run, records: Sequence[Record]) -> None:
    with locked(run.folder), Journal(run.journal, {"host": "here"}) as journal:
        for first in range(0, len(records), TOGETHER):
            journal.append(records[first : first + TOGETHER])


def _append_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        csv.DictWriter(file, rows[0]).writeheader()
    for first in range(0, len(rows), TOGETHER):
        with path.open("a", newline="") as file:
            csv.DictWriter(file, rows[0]).writerows(rows[first : first + TOGETHER])


def _append_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    for first in range(0, len(rows), TOGETHER):
        with path.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows[first : first + TOGETHER])


def _tidy(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.melt(["width", "tied", "seed"], ["loss", "score"], "metric")


def _timed(step: Callable[[], object]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


if __name__ == "__main__":
    main()
