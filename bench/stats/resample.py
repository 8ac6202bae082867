"""Contrasts per seed -> p values by flipping the signs of seeds: exact where feasible, else Monte Carlo.

Under the null hypothesis that a contrast is symmetric about zero, every assignment of signs to the seeds is equally
likely (Fisher 1935; Winkler et al. 2014 for one sign per seed across all effects and metrics). A Monte-Carlo p counts
the observed arrangement among the drawn ones, so it is never zero (Phipson & Smyth 2010).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.stats.coding import Floats, Ints

MOST_EXACT_SEEDS = 14
_TIE = 1e-10
_CHUNK = 2_000
_MOST_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class SignFlip:
    """Two-sided p values of each contrast and each group of contrasts, alone and for the largest of all of them."""

    p: Floats
    """One contrast at a time: the share of flips whose |mean| reaches the observed one."""
    p_group: Floats
    """One group at a time: the share of flips whose largest |t| within the group reaches the observed one."""
    p_max: Floats
    """Of each group, adjusted for all: the share of flips whose largest |t| of all reaches that of the group."""
    exact: bool
    floor: float
    """The smallest p that this number of seeds (or flips) can give."""


def sign_flip(
    contrasts: Floats, rng: np.random.Generator, *, group: Ints | None = None, flips: int = 10_000
) -> SignFlip:
    """Flip the signs of ``contrasts`` (seeds, effects) seed by seed; NaN marks an effect that a seed lacks.

    ``group`` (effects,) counts from 0 and never falls; without it each contrast is one of its own. The maximum is taken
    over |t|, which for fixed values is an increasing function of |sum| / sqrt(sum of squares), so that all flips are
    one matrix product. A contrast that is zero in every seed has p = NaN, and so has a group of such.
    """
    if contrasts.ndim != 2:
        raise ValueError(f"contrasts have two axes, seeds and effects, not {contrasts.ndim}")
    seeds, width = contrasts.shape
    group = np.arange(width) if group is None else group
    exact = seeds <= MOST_EXACT_SEEDS
    present = ~np.isnan(contrasts)
    values = np.where(present, contrasts, 0.0)
    size = np.sqrt((values**2).sum(axis=0))
    usable = (size > 0) & (present.sum(axis=0) > 1)
    standard = values[:, usable] / size[usable]
    observed = np.abs(standard.sum(axis=0))
    counts = present.sum(axis=0)[usable]
    own, start = np.unique(group[usable], return_index=True)
    largest_in_group = _largest(_as_t(observed, counts)[None], start)[0]
    bound = largest_in_group * (1.0 - _TIE) - _TIE
    total = 2 ** max(seeds - 1, 0) if exact else flips + 1  # one more: the observed signs are among the drawn ones
    reached = np.full(len(observed), 0 if exact else 1)
    reached_group, reached_max = (np.full(len(own), 0 if exact else 1) for _ in range(2))
    rows = max(16, min(_CHUNK, _MOST_AT_ONCE // max(len(observed), seeds, 1)))
    for signs in _all_signs(seeds, rows) if exact else _drawn_signs(seeds, flips, rows, rng):
        flipped = np.abs(signs @ standard)
        reached += (flipped >= observed * (1.0 - _TIE) - _TIE).sum(axis=0)
        in_group = _largest(_as_t(flipped, counts), start)
        reached_group += (in_group >= bound).sum(axis=0)
        largest = np.sort(in_group.max(axis=1, initial=0.0))
        reached_max += len(signs) - np.searchsorted(largest, bound)
    p, groups = np.full(width, np.nan), int(group.max(initial=-1)) + 1
    p_group, p_max = np.full(groups, np.nan), np.full(groups, np.nan)
    p[usable], p_group[own], p_max[own] = reached / total, reached_group / total, reached_max / total
    return SignFlip(p=p, p_group=p_group, p_max=p_max, exact=exact, floor=1 / total)


def _largest(t: Floats, start: Ints) -> Floats:
    """The largest column of each group of neighbouring columns."""
    return t if len(start) == t.shape[1] else np.asarray(np.maximum.reduceat(t, start, axis=1))


def _all_signs(seeds: int, rows: int) -> Iterator[Floats]:
    """Every assignment of signs up to a global change of sign, which leaves |sum| as it is."""
    total = 2 ** max(seeds - 1, 0)
    for start in range(0, total, rows):
        patterns = np.arange(start, min(start + rows, total))[:, None] >> np.arange(seeds)[None, :] & 1
        yield np.where(patterns == 1, -1.0, 1.0)


def _drawn_signs(seeds: int, flips: int, rows: int, rng: np.random.Generator) -> Iterator[Floats]:
    for start in range(0, flips, rows):
        yield np.asarray(rng.integers(2, size=(min(rows, flips - start), seeds)) * 2.0 - 1.0, float)


def _as_t(standard: Floats, counts: Floats) -> Floats:
    share = np.minimum(standard**2 / counts, 1.0 - 1e-15)
    return np.asarray(np.sqrt(share * (counts - 1.0) / (1.0 - share)), float)
