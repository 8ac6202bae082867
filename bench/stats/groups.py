"""Independent groups with variances of their own -> p adjusted for all pairs, or for those with one group.

For tables without blocks. A group of fewer than two values, or without variation beyond rounding errors, has no test.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy  # its submodule stats is slow to load, and is loaded where it is first used

from bench.stats.coding import ROUNDING, Bools, Floats


def games_howell(samples: Sequence[Floats]) -> Floats:
    """P of every pair of groups, shape (groups, groups), adjusted for all of them (Games & Howell 1976), by scipy."""
    p = np.full((len(samples), len(samples)), np.nan)
    usable = np.flatnonzero(_varying(samples))
    if len(usable) > 1:
        tested = [_in_one_unit(samples)[index] for index in usable]
        p[np.ix_(usable, usable)] = scipy.stats.tukey_hsd(*tested, equal_var=False).pvalue
        np.fill_diagonal(p, np.nan)
    return p


def dunnett(samples: Sequence[Floats], control: int, rng: np.random.Generator) -> Floats:
    """P of each group against the ``control``, adjusted for all of them, pooled SD (Dunnett 1955), by scipy.

    The integral is quasi-Monte-Carlo: p moves by some 3e-4 with ``rng``. NaN for the control itself.
    """
    p = np.full(len(samples), np.nan)
    usable = _varying(samples)
    others = np.flatnonzero(usable & (np.arange(len(samples)) != control))
    if usable[control] and len(others):
        scaled = _in_one_unit(samples)
        p[others] = scipy.stats.dunnett(*(scaled[index] for index in others), control=scaled[control], rng=rng).pvalue
    return p


def _varying(samples: Sequence[Floats]) -> Bools:
    size = max((float(np.abs(sample).max(initial=0.0)) for sample in samples), default=0.0)
    return np.array([len(sample) > 1 and np.ptp(sample) > ROUNDING * size for sample in samples], bool)


def _in_one_unit(samples: Sequence[Floats]) -> list[Floats]:
    """The samples less their common middle, in units of their largest distance from it."""
    pooled = np.concatenate(list(samples))
    middle = float(pooled.min() / 2 + pooled.max() / 2)
    return [(sample - middle) / float(np.abs(pooled - middle).max()) for sample in samples]
