"""What very large suites and runs cost the coordinator and their readers: memory, and seconds of ``bench runs``.

    python benchmarks/scale.py [--cells 1048576] [--records 1000000] [--seconds 60]

It runs a suite of so many cells (a power of two) on two workers for so many seconds, and makes up a run of so many
records, which is resumed and listed. Each step is a process of its own, whose largest resident set is printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from pydantic import create_model

from bench.execute.coordinate import execute
from bench.execute.inventory import COUNTS, Counts, segment_marks
from bench.execute.journal import Journal
from bench.execute.records import Record
from bench.execute.run import create, load, store
from bench.execute.storage import locked
from bench.experiment import Experiment, Job, Metric, Progress
from bench.plan.suite import load as load_suite

FACTORS = 20
TOGETHER = 1000
"""Records that are appended at a time."""


def run(jobs: Sequence[Job], _progress: Progress) -> Iterator[dict[str, float]]:
    """Next to nothing for each job."""
    for job in jobs:
        yield {"loss": float(job.seed), "score": 0.5}


Params = create_model("Params", **{f"f{number}": (int, 0) for number in range(FACTORS)})  # type: ignore[call-overload]
EXPERIMENT = Experiment(Params, [Metric("loss", "Loss"), Metric("score", "Score")], run)


def begin(folder: Path, seconds: float) -> str:
    """Run what can be run of the suite of many cells in so many seconds."""
    suite = load_suite(folder / "cells.toml")
    first: list[float] = []
    start = time.monotonic()

    def note(_done: float, n_stored: int, _planned: int, _failed: int) -> None:
        if n_stored and not first:
            first.append(time.monotonic() - start)

    tally = execute(suite, create(suite, folder / "cells"), workers=2, seconds=seconds, on_progress=note)
    return f"{tally.planned} cells: the first result after {first[0]:.1f} s, {tally.ok} results"


def make_up(folder: Path) -> str:
    """Store records of all jobs of the other suite, as if they had been run, and the counts that a run keeps."""
    suite = load_suite(folder / "records.toml")
    made = create(suite, folder / "records")
    with locked(made.folder):
        store(made, suite)
        made = load(made.folder)
        records = (
            Record(
                key=job.key, levels=dict(zip(suite.factors, job.levels, strict=True)), seed=job.seed, status="ok",
                metrics={"loss": number / 7, "score": number / 11}, notes={}, reason="", seconds=0.25, batch=number,
                batch_size=1, attempt=1, host="here", environment="e",
            )
            for number, job in enumerate(made.planned())
        )  # fmt: skip
        with Journal(made.journal, {"host": "here", "experiment": suite.reference}) as journal:
            while journal.append(islice(records, TOGETHER)):
                pass
    counts = dict.fromkeys(COUNTS, 0) | {"planned": made.n_planned, "ok": made.n_planned}
    kept = Counts(plan=made.head.plan, segments=segment_marks(made.journal), counts=counts)
    kept.write(made.folder / "counts.json")
    return f"{made.n_planned} records made up"


def resume(folder: Path) -> str:
    """Find that nothing is missing."""
    suite = load_suite(folder / "records.toml")
    tally = execute(suite, create(suite, folder / "records"), workers=2)
    if tally.stored_before < tally.planned:
        raise RuntimeError(f"only {tally.stored_before} of {tally.planned} jobs are stored")
    return f"run again: {tally.stored_before} records found"


def list_runs(folder: Path) -> str:
    """List the runs, as a command of its own."""
    code = "from bench.cli import main; main()"
    command = [sys.executable, "-c", code, "runs", "--out", str(folder / "records"), "--format", "json"]
    done = subprocess.run(command, capture_output=True, check=True)
    (line,) = [line for line in json.loads(done.stdout)["runs"] if line["name"] == "records"]
    return f"bench runs: {line['ok']} records counted"


def measured(step: Callable[..., str], *arguments: object) -> str:
    """What a step says, and what it took of this process, which does nothing else, and of those that it started."""
    start, before = time.monotonic(), _cpu()
    said = step(*arguments)
    memory = getrusage(RUSAGE_SELF).ru_maxrss / 1000
    return f"{said}; {time.monotonic() - start:.1f} s by the clock, {_cpu() - before:.1f} CPU-s, {memory:.0f} MB"


def _cpu() -> float:
    return sum(used.ru_utime + used.ru_stime for used in map(getrusage, (RUSAGE_SELF, RUSAGE_CHILDREN)))


def main() -> None:
    """Print a line a step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=2**FACTORS)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        grid = "".join(f"f{number} = [0, 1]\n" for number in range(options.cells.bit_length() - 1))
        few = "f0 = [0, 1]\nf1 = [0, 1, 2, 3, 4]\n"
        for suite, seeds, factors in (("cells", 1, grid), ("records", options.records // 10, few)):
            start = f'name = "{suite}"\nexperiment = "scale:EXPERIMENT"\nseeds = {seeds}\n[factors]\n'
            (folder / f"{suite}.toml").write_text(start + factors)
        steps: list[tuple[Callable[..., str], tuple[object, ...]]] = [
            (begin, (folder, options.seconds)), (make_up, (folder,)), (list_runs, (folder,)), (resume, (folder,)),
        ]  # fmt: skip
        for step, arguments in steps:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                print(alone.submit(measured, step, *arguments).result(), flush=True)


if __name__ == "__main__":
    main()
