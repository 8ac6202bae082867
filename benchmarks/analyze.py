"""What the analysis costs in time and memory, beside a loop over statsmodels and pingouin, and beside another checkout.

    python benchmarks/analyze.py
    git worktree add ../earlier COMMIT
    python benchmarks/analyze.py --beside ../earlier

Every measurement is a process of its own, and checkouts take turns, so that what else the machine does slows both. Time
is that of the processor, within the analysis; memory is the largest of the process, with the table. What needs more
than ``LIMIT`` seconds of the processor is ended.

The loop is what one would write in a notebook for one metric of a 2^4 design with 10 seeds: the block ANOVA by types II
and III and with HC3, and every pair of cells by Welch's and the paired t with Hedges' g. It leaves out what it would
have to write by hand (sign flips, noncentral limits, aliases), which ours includes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pingouin
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.anova import anova_lm

import bench

LIMIT = 300
CASES = {
    "160 runs x 8 metrics": (["ab"] * 4, 10, 8),
    "100,000 runs x 8 metrics": (["ab"] * 4, 6_250, 8),
    "1,000,000 runs": (["ab"] * 4, 62_500, 1),
    "one factor of 1,000 levels, 5 seeds": ([[f"level {number}" for number in range(1_000)]], 5, 1),
    "10 factors, 3 seeds": (["ab"] * 10, 3, 1),
}
SMALL = next(iter(CASES))


def main() -> None:
    """Print time and memory of every case, and ratios with their range."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="Another checkout of this project.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", choices=[*CASES, "loop"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(*measure(given.case))
        return
    here = Path(bench.__file__).parents[1]
    print(beside(SMALL, {"bench.analyze": (here, SMALL), "loop": (here, "loop")}, given.repeats))
    for case in CASES if given.beside else ():
        print(beside(case, {"now": (here, case), "then": (given.beside.resolve(), case)}, given.repeats))


def beside(title: str, sides: dict[str, tuple[Path, str]], repeats: int) -> str:
    """One line on the medians of both sides, and on the ratio of the second's time to the first's, turn by turn."""
    turns = [{name: measured(*side) for name, side in sides.items()} for _ in range(repeats)]
    parts = []
    for name in sides:
        results = [result for turn in turns if (result := turn[name]) is not None]
        seconds, megabytes = (statistics.median(column) for column in zip(*results, strict=True)) if results else (0, 0)
        parts.append(f"{name} {seconds:.2f} s, {megabytes:.0f} MB" if results else f"{name} more than {LIMIT} s")
    first, second = sides
    ratios = [turn[second][0] / turn[first][0] for turn in turns if turn[first] and turn[second]]
    spread = f" ({min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} turns)" if len(ratios) > 1 else ""
    ratio = f"; {second} takes {statistics.median(ratios):.2f} times as long{spread}" if ratios else ""
    return f"{title}: {'; '.join(parts)}{ratio}"


def measured(folder: Path, case: str) -> tuple[float, float] | None:
    """Seconds and megabytes of a case by the code in a folder; None if it was ended."""
    command = [sys.executable, __file__, "--case", case]
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode < 0:
        return None
    if result.returncode:
        sys.exit(result.stderr)
    seconds, megabytes = map(float, result.stdout.split())
    return seconds, megabytes


def measure(case: str) -> tuple[float, float]:
    """Seconds of the processor and megabytes of this process."""
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
    factors, seeds, metrics = CASES.get(case, CASES[SMALL])
    frame = table(factors, seeds, metrics)
    names = ([f"f{number}" for number in range(len(factors))], "seed", [f"m{number}" for number in range(metrics)])
    small = table(["ab"], 3, 1)
    bench.analyze(small, ["f0"], "seed", ["m0"])  # imports are not what is measured
    start = time.process_time()
    if case == "loop":
        for metric in names[2]:
            loop(frame, metric)
    else:
        bench.analyze(frame, *names)
    return time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(factors: list[str] | list[list[str]], seeds: int, metrics: int) -> pd.DataFrame:
    """Runs of a full factorial with seed effects and one real effect."""
    rng = np.random.default_rng(0)
    names = [f"f{number}" for number in range(len(factors))]
    frame = pd.DataFrame(itertools.product(range(seeds), *factors), columns=["seed", *names])
    real = frame["f0"] == factors[0][-1]
    for number in range(metrics):
        frame[f"m{number}"] = rng.normal(size=len(frame)) + 0.5 * real + rng.normal(size=seeds)[frame["seed"]]
    return frame


def loop(frame: pd.DataFrame, metric: str) -> None:
    """One metric, as a notebook would analyse it."""
    names = [name for name in frame if name.startswith("f")]
    formula = f"{metric} ~ {' * '.join(f'C({name}, Sum)' for name in names)} + C(seed, Sum)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.ols(formula, frame).fit()
        for kind, robust in ((2, None), (3, None), (3, "hc3")):
            anova_lm(model, typ=kind, robust=robust)
    cells = [group[metric].to_numpy() for _, group in frame.groupby(names)]
    for a, b in itertools.combinations(cells, 2):
        stats.ttest_ind(a, b, equal_var=False)
        stats.ttest_rel(a, b)
        stats.mannwhitneyu(a, b)
        pingouin.compute_effsize(a, b, eftype="hedges")


if __name__ == "__main__":
    main()
