"""Level codes of a factorial -> columns of a linear model in sum coding, term by term, and the effects they stand for.

The first level of a factor is its reference, coded -1 in each of the factor's k - 1 columns; level j has +1 in column
j - 1 and 0 elsewhere. With two levels this is the -1/+1 coding of the 2^k literature (Box, Hunter &
Hunter 2005, ch. 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from math import prod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
ROUNDING = 16 * np.finfo(float).eps
"""Relative size of a spread that rounding alone explains."""
Term = tuple[int, ...]
"""The factors of a main effect or an interaction, by position and in order."""


def terms_up_to(order: int, n_factors: int) -> list[Term]:
    """Every main effect and interaction of at most ``order`` factors, main effects first, in R's order of ``a*b*c``."""
    terms = [term for size in range(1, order + 1) for term in combinations(range(n_factors), size)]
    return sorted(terms, key=lambda term: (len(term), term[::-1]))


def term_df(levels: Sequence[int], term: Term) -> int:
    """Degrees of freedom of a term: the product of (levels - 1) over its factors."""
    return prod(levels[factor] - 1 for factor in term)


def term_columns(codes: Ints, levels: Sequence[int], term: Term) -> Floats:
    """Sum-coded columns of a term, shape (rows, df); ``codes`` (rows, factors) counts levels from 0."""
    bases = [level_columns(levels[factor])[codes[:, factor]] for factor in term]
    columns = np.ones((len(codes), 1))
    for basis in bases:
        columns = (columns[:, :, None] * basis[:, None, :]).reshape(len(codes), columns.shape[1] * basis.shape[1])
    return columns


def term_effects(levels: Sequence[int], term: Term) -> Floats:
    """Matrix (df, df) that turns a term's coefficients into its effects.

    An effect compares one level of each factor of the term with that factor's reference, averaged over the other
    factors: a main effect is a difference of means, an interaction of m factors the m-fold difference of differences
    divided by 2^(m - 1). For two levels that is twice the coefficient.
    """
    effects: Floats = np.ones((1, 1))
    for factor in term:
        effects = np.asarray(np.kron(effects, np.eye(levels[factor] - 1) + 1.0), float)
    return effects / 2.0 ** (len(term) - 1)


def term_levels(levels: Sequence[int], term: Term) -> list[tuple[int, ...]]:
    """Which level of each factor the rows of ``term_effects`` compare with the reference."""
    return list(product(*(range(1, levels[factor]) for factor in term)))


def centred(columns: Floats, block: Ints | None) -> Floats:
    """Columns less their mean, or less their mean within each block (blocks counted from 0).

    Twice, so that a mean much larger than the spread leaves no rounding error behind.
    """
    return _less_means(_less_means(columns, block), block)


def _less_means(columns: Floats, block: Ints | None) -> Floats:
    if block is None:
        return np.asarray(columns - columns.sum(axis=0) / max(len(columns), 1))
    counts = np.maximum(np.bincount(block), 1)
    flat = columns[:, None] if columns.ndim == 1 else columns
    sums = np.stack([np.bincount(block, weights=column) for column in flat.T] or [counts], axis=1)[:, : flat.shape[1]]
    return (flat - (sums / counts[:, None])[block]).reshape(columns.shape)


def level_columns(levels: int) -> Floats:
    """Sum-coded columns of each level of a factor, shape (levels, levels - 1)."""
    return np.vstack([-np.ones(levels - 1), np.eye(levels - 1)])
