"""Cells of two-level factors -> the words that define them as a fraction, and its resolution (Box & Hunter 1961)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bench.stats.coding import Ints, Term

MOST_GENERATORS = 10
"""Beyond so many independent words, their 2^p - 1 products are not listed."""


@dataclass(frozen=True)
class RegularFraction:
    """A 2^(k - p) design: the products of columns that are the same in every cell."""

    generated: int
    """p: how many factors are products of the others."""
    words: tuple[Term, ...]
    """The defining relation, the shortest words first."""
    signs: tuple[int, ...]
    """What each word's product is in every cell, +1 or -1."""

    @property
    def resolution(self) -> int:
        """Length of the shortest word: III if main effects meet two-factor interactions, IV if only these meet."""
        return len(self.words[0])


def regular_fraction(codes: Ints, levels: Sequence[int]) -> RegularFraction | None:
    """The fraction that the cells (rows of ``codes``, all different) are; None for a full factorial or no fraction."""
    if set(levels) != {2} or len(codes) < 2:
        return None
    words = _constant_products(codes ^ codes[0])
    if not 0 < len(words) <= MOST_GENERATORS or len(codes) != 2 ** (len(levels) - len(words)):
        return None
    products = [
        np.bitwise_xor.reduce(part) for size in range(1, len(words) + 1) for part in combinations(np.array(words), size)
    ]
    terms = sorted((tuple(np.flatnonzero(word).tolist()) for word in products), key=lambda word: (len(word), word))
    signs = tuple(int(np.prod(2 * codes[0, list(word)] - 1)) for word in terms)
    return RegularFraction(len(words), tuple(terms), signs)


def _constant_products(differences: Ints) -> list[Ints]:
    """A basis of the sets of factors, as 0/1 rows, whose product never changes: the null space modulo 2."""
    rows, pivots = differences.copy() % 2, list[int]()
    for column in range(rows.shape[1]):
        candidates = np.flatnonzero(rows[len(pivots) :, column]) + len(pivots)
        if not len(candidates):
            continue
        top = len(pivots)
        rows[[top, candidates[0]]] = rows[[candidates[0], top]]
        others = np.flatnonzero(rows[:, column])
        rows[others[others != top]] ^= rows[top]
        pivots.append(column)
    free = [column for column in range(rows.shape[1]) if column not in pivots]
    basis = []
    for column in free:
        word = np.zeros(rows.shape[1], dtype=np.int64)
        word[column] = 1
        word[pivots] = rows[: len(pivots), column]
        basis.append(word)
    return basis
