"""What harness and store cost, beside calling the experiment directly: both run here, one after the other.

    make overhead                                # about four minutes on two cores
    python benchmarks/overhead.py --only trivial --jobs 20000 --beside d4560a3

The batches are the same on both sides, in one process and in the same order, so that what differs is the harness: plan,
dispatch, checks of the outcomes, journal. It prints one line a case, and the milliseconds that a trivial job costs on
worker processes. With ``--beside``, it prints what trivial jobs cost beside the bench of another commit.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from beside import print_ratios

import bench
from bench.execute.coordinate import execute
from bench.execute.run import create
from bench.execute.schedule import batches, even_size, missing
from bench.experiment import Experiment, Job, Metric, Progress

if TYPE_CHECKING:
    from bench.plan.suite import Plan

ROOT = Path(__file__).parents[1]
Times = tuple[float, float]
CASES = ("full_factorial", "trivial")
TRIVIAL = (
    'name = "trivial"\nexperiment = "overhead:EXPERIMENT"\nseeds = {}\n[factors]\na = [0, 1, 2, 3, 4]\nb = [0, 1]\n'
)


@dataclass(frozen=True)
class Params:
    """Parameters of an experiment that does nothing."""

    a: int = 0
    b: int = 0


def run(jobs: Sequence[Job], _progress: Progress) -> Iterator[dict[str, float]]:
    """Next to nothing for each job."""
    for job in jobs:
        yield {"loss": float(job.seed), "score": 0.5}


EXPERIMENT = Experiment(params=Params, metrics=(Metric("loss", "Loss"), Metric("score", "Score")), run=run)


def main() -> None:
    """Print the ratio of the times, and what a trivial job costs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=CASES, help="one case instead of both")
    parser.add_argument("--jobs", type=int, default=100_000, help="trivial ones")
    parser.add_argument("--beside", metavar="COMMIT", help="compare trivial jobs with the bench of another commit")
    parser.add_argument("--json", action="store_true", help="print the CPU seconds of trivial jobs only")
    options = parser.parse_args()
    if options.beside:
        print_ratios("overhead.py", ["--jobs", str(options.jobs)], options.beside, rounds=3)
        return
    only = "trivial" if options.json else options.only
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        if only != "trivial":
            suite = bench.check(ROOT / "suites" / "full_factorial.toml")
            alone, stored = direct(suite), harness(suite, Path(folder), "serial", 1)
            for clock, without, within in zip(("wall clock", "CPU"), alone, stored, strict=True):
                ratio = within / without
                print(
                    f"full_factorial, {clock}: direct {without:.1f} s, harness {within:.1f} s, ratio {ratio:.3f}",
                    flush=True,
                )
        if only != "full_factorial":
            path = Path(folder) / "trivial.toml"
            path.write_text(TRIVIAL.format(options.jobs // 10))
            suite = bench.check(path)
            for executor, workers in (("serial", 1), ("local", 2)):
                took, seconds[executor] = harness(suite, Path(folder) / executor, executor, workers)
                if not options.json:
                    each = took / options.jobs * 1000
                    print(f"{options.jobs} trivial jobs, {executor}: {took:.1f} s, {each:.3f} ms a job", flush=True)
    if options.json:
        print(json.dumps({f"the coordinator of {options.jobs} jobs, {name}": took for name, took in seconds.items()}))


def direct(suite: Plan) -> Times:
    """What the experiment takes for all jobs of ``suite``, called with the harness's batches."""
    pending = list(missing(suite, ()))
    size = even_size(len(pending), 1, suite.experiment.batch_size)
    made = [
        [Job(suite.experiment.make(job.values), job.seed) for job in batch] for batch in batches(iter(pending), size)
    ]
    list(suite.experiment.run(made[0][:1], lambda _fraction: None))  # not timed: imports

    def work() -> None:
        for batch in made:
            list(suite.experiment.run(batch, lambda _fraction: None))

    return timed(work)


def harness(suite: Plan, out: Path, executor: str, workers: int) -> Times:
    """What the same jobs take as a run that is stored."""

    def work() -> None:
        tally = execute(suite, create(suite, out), executor=executor, workers=workers)
        if tally.ok < tally.planned:
            raise RuntimeError(f"only {tally.ok} of {tally.planned} jobs are ok")

    return timed(work)


def timed(work: Callable[[], None]) -> Times:
    """Seconds by the clock, and of this process on CPUs, which a busy machine changes less."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
