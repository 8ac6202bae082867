"""Which runs were lost, by level and stratum -> whether some levels lose more than others."""

from __future__ import annotations

import numpy as np

from bench.stats.coding import Bools, Ints

_MOST_DRAWS = 20_000_000


def loss_test(
    lost: Bools, level: Ints, stratum: Ints, rng: np.random.Generator, *, permutations: int = 10_000
) -> float:
    """P of equal loss at all levels, by permuting the flags ``lost`` (runs,) among the runs of each stratum.

    The statistic is the sum over levels of (lost - expected)², expected being the share of the stratum; a permuted
    count per level is multivariate hypergeometric, so that it is drawn as such. Monte Carlo, the observed arrangement
    among the drawn ones: never 0. NaN where no stratum has both lost and other runs at different levels.
    """
    levels = int(level.max(initial=-1)) + 1
    counts = np.zeros((int(stratum.max(initial=-1)) + 1, levels, 2), dtype=np.int64)
    np.add.at(counts, (stratum, level, lost.astype(np.int64)), 1)
    runs, gone = counts.sum(axis=2), counts[:, :, 1].sum(axis=1)
    open_ = (gone > 0) & (gone < runs.sum(axis=1)) & ((runs > 0).sum(axis=1) > 1)
    if not open_.any():
        return float("nan")
    strata, different = np.unique(np.column_stack([runs[open_], gone[open_]]), axis=0, return_counts=True)
    permutations = max(1_000, min(permutations, _MOST_DRAWS // (int(open_.sum()) * levels)))
    expected = (runs[open_] * (gone[open_] / runs[open_].sum(axis=1))[:, None]).sum(axis=0)
    permuted = np.zeros((permutations, levels))
    for row, alike in zip(strata, different, strict=True):
        permuted += rng.multivariate_hypergeometric(row[:-1], row[-1], size=(permutations, int(alike))).sum(axis=1)
    observed = ((counts[open_, :, 1].sum(axis=0) - expected) ** 2).sum()
    reached = int((((permuted - expected) ** 2).sum(axis=1) >= observed * (1 - 1e-10)).sum())
    return (reached + 1) / (permutations + 1)
