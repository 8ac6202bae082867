"""A weighted sum of means of regions of a factorial -> weights of the cells that were run, or that they cannot tell it.

A region fixes some factors at a level and gives every combination of the others the same weight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from bench.stats.coding import Floats, Ints, Term, term_columns, terms_up_to

_TOLERANCE = 1e-8
Region = Mapping[int, int]
"""Factor, by position -> level, counted from 0."""


@dataclass(frozen=True)
class CellWeights:
    """How to estimate the sum from the means of the cells."""

    weights: Floats
    """One for each cell that was run."""
    assumes: tuple[Term, ...] = ()
    """Interactions that are taken to be zero, and would bias the estimate if they were not."""


def cell_weights(
    codes: Ints, levels: Sequence[int], regions: Sequence[Region], weights: Sequence[float], order: int
) -> CellWeights | None:
    """Weights of the cells ``codes`` (cells, factors) for the sum of ``weights`` times the means of ``regions``.

    Where every cell of the regions was run, these are plain averages, which assume nothing. Else they are least-squares
    weights in the model of all terms of at most ``order`` factors (the largest order at which the design is of full
    rank, ``identify.Design.order``), or of as many factors as the sum itself is about, if these are more. None where
    that model cannot tell the sum.
    """
    inside = [np.all([codes[:, factor] == level for factor, level in region.items()], axis=0) for region in regions]
    sizes = [prod(size for factor, size in enumerate(levels) if factor not in region) for region in regions]
    if all(cells.sum() == size for cells, size in zip(inside, sizes, strict=True)):
        parts = zip(weights, inside, sizes, strict=True)
        return CellWeights(np.sum([weight * cells / size for weight, cells, size in parts], axis=0))
    own = dict(_components(levels, regions, weights))
    order = max([order, *(len(term) for term in own)])
    model = terms_up_to(order, len(levels))
    columns = np.hstack([np.ones((len(codes), 1)), *(term_columns(codes, levels, term) for term in model)])
    coefficients = np.concatenate(
        [[sum(weights)], *(own.get(term, np.zeros(prod(levels[f] - 1 for f in term))) for term in model)]
    )
    solution = np.asarray(coefficients @ np.linalg.pinv(columns), float)
    if np.abs(solution @ columns - coefficients).max() > _TOLERANCE * max(1.0, np.abs(coefficients).max()):
        return None
    solution[np.abs(solution) < _TOLERANCE * np.abs(solution).max()] = 0.0
    omitted = [term for term in terms_up_to(len(levels), len(levels)) if len(term) > order]
    biases = [np.abs(solution @ term_columns(codes, levels, term)).max(initial=0.0) for term in omitted]
    return CellWeights(solution, tuple(t for t, bias in zip(omitted, biases, strict=True) if bias > _TOLERANCE))


def _components(
    levels: Sequence[int], regions: Sequence[Region], weights: Sequence[float]
) -> Iterator[tuple[Term, Floats]]:
    """What the sum is in sum coding, term by term: a region has no part in terms of factors that it leaves open."""
    fixed = sorted({factor for region in regions for factor in region})
    for local in terms_up_to(len(fixed), len(fixed)):
        term = tuple(fixed[position] for position in local)
        parts = np.zeros(prod(levels[factor] - 1 for factor in term))
        for region, weight in zip(regions, weights, strict=True):
            if region.keys() >= set(term):
                code = np.array([[region.get(factor, 0) for factor in range(len(levels))]], dtype=np.int64)
                parts += weight * term_columns(code, levels, term)[0]
        if np.abs(parts).max(initial=0.0) > _TOLERANCE:
            yield term, parts
