"""What the analysis costs beside a loop over statsmodels and pingouin, and on a table of 100,000 rows.

    python benchmarks/analyze.py

The loop is what one would write in a notebook for one metric of a 2^4 design with 10 seeds: the block ANOVA by types II
and III and with HC3, and every pair of cells by Welch's and the paired t with Hedges' g. It leaves out what it would
have to write by hand (sign flips, noncentral limits, aliases, mixed-model degrees of freedom), which ours includes.
"""

from __future__ import annotations

import itertools
import resource
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pingouin
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.anova import anova_lm

import bench

FACTORS = ["init", "noise", "reg", "act"]
METRICS = [f"m{number}" for number in range(8)]


def main() -> None:
    """Print the times, their ratio, and the peak memory."""
    small = table(seeds=10)
    bench.analyze(small, FACTORS, "seed", METRICS[:1])  # imports are not what is measured
    loop(small, METRICS[0])
    ours = seconds(lambda: bench.analyze(small, FACTORS, "seed", METRICS))
    theirs = seconds(lambda: [loop(small, metric) for metric in METRICS])
    print(f"160 runs x 8 metrics: loop {theirs:.2f} s, bench.analyze {ours:.2f} s, ratio {theirs / ours:.1f}")
    large = table(seeds=6250)
    ours = seconds(lambda: bench.analyze(large, FACTORS, "seed", METRICS))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(large)} runs x 8 metrics: bench.analyze {ours:.1f} s, peak memory {peak:.0f} MB")


def table(seeds: int) -> pd.DataFrame:
    """Runs of a 2^4 design with seed effects and one real effect."""
    rng = np.random.default_rng(0)
    rows = [(*cell, seed) for seed in range(seeds) for cell in itertools.product("ab", repeat=len(FACTORS))]
    frame = pd.DataFrame(rows, columns=[*FACTORS, "seed"])
    for metric in METRICS:
        frame[metric] = (
            rng.normal(size=len(frame)) + 0.5 * (frame["reg"] == "b") + rng.normal(size=seeds)[frame["seed"]]
        )
    return frame


def loop(frame: pd.DataFrame, metric: str) -> None:
    """One metric, as a notebook would analyse it."""
    formula = f"{metric} ~ C(init, Sum) * C(noise, Sum) * C(reg, Sum) * C(act, Sum) + C(seed, Sum)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.ols(formula, frame).fit()
        for kind, robust in ((2, None), (3, None), (3, "hc3")):
            anova_lm(model, typ=kind, robust=robust)
    cells = [group[metric].to_numpy() for _, group in frame.groupby(FACTORS)]
    for a, b in itertools.combinations(cells, 2):
        stats.ttest_ind(a, b, equal_var=False)
        stats.ttest_rel(a, b)
        stats.mannwhitneyu(a, b)
        pingouin.compute_effsize(a, b, eftype="hedges")


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
