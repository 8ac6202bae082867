"""Per-seed contrasts -> p values by flipping signs: exact up to 14 seeds, Monte Carlo beyond.

Under the null hypothesis that a contrast is symmetric about zero, every assignment of signs to the seeds is equally
likely (Fisher 1935; Winkler et al. 2014 for one sign per seed across all effects and metrics).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.stats.coding import Floats

MOST_EXACT_SEEDS = 14
_TIE = 1e-10


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
    signs = _all_signs(seeds) if exact else rng.choice((-1.0, 1.0), size=(flips, seeds))
    present = ~np.isnan(contrasts)
    values = np.where(present, contrasts, 0.0)
    size = np.sqrt((values**2).sum(axis=0))
    usable = (size > 0) & (present.sum(axis=0) > 1)
    standard = values[:, usable] / size[usable]
    observed = np.abs(standard.sum(axis=0))
    flipped = np.abs(signs @ standard)
    counts = present.sum(axis=0)[usable]
    reached = flipped >= observed * (1.0 - _TIE) - _TIE
    t_flipped, t_observed = _as_t(flipped, counts), _as_t(observed, counts)
    largest = t_flipped.max(axis=1, initial=0.0)
    reached_max = largest[:, None] >= t_observed * (1.0 - _TIE) - _TIE
    extra = 0 if exact else 1
    p, p_max = np.full(len(size), np.nan), np.full(len(size), np.nan)
    p[usable] = (reached.sum(axis=0) + extra) / (len(signs) + extra)
    p_max[usable] = (reached_max.sum(axis=0) + extra) / (len(signs) + extra)
    return SignFlip(p=p, p_max=p_max, exact=exact, floor=1 / (len(signs) + extra))


def _all_signs(seeds: int) -> Floats:
    """Every assignment of signs up to a global change of sign, which leaves |sum| as it is."""
    patterns = np.arange(2 ** max(seeds - 1, 0))[:, None] >> np.arange(seeds)[None, :] & 1
    return np.where(patterns == 1, -1.0, 1.0)


def _as_t(standard: Floats, counts: Floats) -> Floats:
    share = np.minimum(standard**2 / counts, 1.0 - 1e-15)
    return np.asarray(np.sqrt(share * (counts - 1.0) / (1.0 - share)), float)
