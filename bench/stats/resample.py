"""Contrasts, tables or samples -> p values by flipping signs or permuting: exact where feasible, else Monte Carlo.

Under the null hypothesis that a contrast is symmetric about zero, every assignment of signs to the seeds is equally
likely (Fisher 1935; Winkler et al. 2014 for one sign per seed across all effects and metrics). A Monte-Carlo p counts
the observed arrangement among the drawn ones, so it is never zero (Phipson & Smyth 2010).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from itertools import permutations as permutations_of
from math import comb, factorial

import numpy as np

from bench.stats.coding import Floats

MOST_EXACT_SEEDS = 14
_TIE = 1e-10
_CHUNK = 2_000
_MOST_SPLITS = 500_000


@dataclass(frozen=True)
class SignFlip:
    """Two-sided p values of each contrast, alone and for the largest of all of them."""

    p: Floats
    """One contrast at a time: the share of flips whose |mean| reaches the observed one."""
    p_max: Floats
    """Adjusted for all the contrasts together: the share of flips whose largest |t| reaches the observed one."""
    exact: bool
    floor: float
    """The smallest p that this number of seeds (or flips) can give."""


def sign_flip(contrasts: Floats, rng: np.random.Generator, *, flips: int = 10_000) -> SignFlip:
    """Flip the signs of ``contrasts`` (seeds, effects) seed by seed; NaN marks an effect that a seed lacks.

    The maximum is taken over |t|, which for fixed values is an increasing function of |sum| / sqrt(sum of squares),
    so that all flips are one matrix product. A contrast that is zero in every seed has p = NaN.
    """
    if contrasts.ndim != 2:
        raise ValueError(f"contrasts have two axes, seeds and effects, not {contrasts.ndim}")
    seeds = len(contrasts)
    exact = seeds <= MOST_EXACT_SEEDS
    present = ~np.isnan(contrasts)
    values = np.where(present, contrasts, 0.0)
    size = np.sqrt((values**2).sum(axis=0))
    usable = (size > 0) & (present.sum(axis=0) > 1)
    standard = values[:, usable] / size[usable]
    observed = np.abs(standard.sum(axis=0))
    counts = present.sum(axis=0)[usable]
    t_observed = _as_t(observed, counts)
    total = 2 ** max(seeds - 1, 0) if exact else flips + 1  # one more: the observed signs are among the drawn ones
    reached = np.full(len(observed), 0 if exact else 1)
    reached_max = reached.copy()
    for signs in [_all_signs(seeds)] if exact else _drawn_signs(seeds, flips, rng):
        flipped = np.abs(signs @ standard)
        reached += (flipped >= observed * (1.0 - _TIE) - _TIE).sum(axis=0)
        largest = np.sort(_as_t(flipped, counts).max(axis=1, initial=0.0))
        reached_max += len(signs) - np.searchsorted(largest, t_observed * (1.0 - _TIE) - _TIE)
    p, p_max = np.full(len(size), np.nan), np.full(len(size), np.nan)
    p[usable], p_max[usable] = reached / total, reached_max / total
    return SignFlip(p=p, p_max=p_max, exact=exact, floor=1 / total)


def permute_within_blocks(table: Floats, rng: np.random.Generator, *, permutations: int = 10_000) -> float:
    """Test equal cells of ``table`` (blocks, cells) by permuting values within each block; the statistic is F.

    Exact while there are at most ``permutations`` arrangements, else Monte Carlo; NaN where nothing varies.
    """
    blocks, cells = table.shape
    centred = table - table.mean(axis=1, keepdims=True)
    if blocks < 1 or cells < 2 or not (centred != 0).any():
        return float("nan")
    observed = float((centred.sum(axis=0) ** 2).sum())
    arrangements = factorial(cells) ** (blocks - 1)
    if arrangements <= permutations:
        orders = np.array(list(permutations_of(range(cells))))
        sums = centred[0][None, :]
        for row in centred[1:]:
            sums = (sums[:, None, :] + row[orders][None, :, :]).reshape(-1, cells)
        reached = (sums**2).sum(axis=1) >= observed * (1 - _TIE)
        return float(reached.mean())
    reached_count = 0
    for start in range(0, permutations, _CHUNK):
        count = min(_CHUNK, permutations - start)
        drawn = rng.permuted(np.broadcast_to(centred, (count, blocks, cells)), axis=2).sum(axis=1)
        reached_count += int(((drawn**2).sum(axis=1) >= observed * (1 - _TIE)).sum())
    return (reached_count + 1) / (permutations + 1)


def permute_two(x: Floats, y: Floats, rng: np.random.Generator, *, permutations: int = 10_000) -> float:
    """Two-sided p of equal means of two independent samples: the share of splits whose |difference| reaches theirs.

    Exact up to half a million splits, else Monte Carlo; NaN where nothing varies.
    """
    pooled = np.concatenate([x, y])
    n, total = len(x), len(x) + len(y)
    if min(n, len(y)) < 1 or np.ptp(pooled) == 0:
        return float("nan")
    pooled = pooled - pooled.mean()
    observed = abs(float(pooled[:n].sum()))
    bound = observed - _TIE * float(np.abs(pooled).sum())
    if comb(total, n) <= _MOST_SPLITS:
        splits = np.fromiter(
            (index for split in combinations(range(total), n) for index in split), np.int64, comb(total, n) * n
        )
        return float((np.abs(pooled[splits.reshape(-1, n)].sum(axis=1)) >= bound).mean())
    drawn = np.concatenate(
        [
            rng.permuted(np.broadcast_to(pooled, (min(_CHUNK, permutations - start), total)), axis=1)[:, :n].sum(axis=1)
            for start in range(0, permutations, _CHUNK)
        ]
    )
    return float(((np.abs(drawn) >= bound).sum() + 1) / (permutations + 1))


def _all_signs(seeds: int) -> Floats:
    """Every assignment of signs up to a global change of sign, which leaves |sum| as it is."""
    patterns = np.arange(2 ** max(seeds - 1, 0))[:, None] >> np.arange(seeds)[None, :] & 1
    return np.where(patterns == 1, -1.0, 1.0)


def _drawn_signs(seeds: int, flips: int, rng: np.random.Generator) -> Iterator[Floats]:
    for start in range(0, flips, _CHUNK):
        yield np.asarray(rng.integers(2, size=(min(_CHUNK, flips - start), seeds)) * 2.0 - 1.0, float)


def _as_t(standard: Floats, counts: Floats) -> Floats:
    share = np.minimum(standard**2 / counts, 1.0 - 1e-15)
    return np.asarray(np.sqrt(share * (counts - 1.0) / (1.0 - share)), float)
