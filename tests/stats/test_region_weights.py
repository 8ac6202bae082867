"""Weighted means of regions: estimated from the cells that were run, and refused where these cannot tell them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from bench.stats.coding import term_levels
from bench.stats.identify import identify
from bench.stats.region_weights import cell_weights

POST = np.array(
    [
        [0, 0, 0, 0],
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 1],
        [1, 0, 1, 1],
        [1, 1, 0, 0],
        [0, 1, 1, 0],
        [1, 1, 1, 1],
    ]
)
"""The post's eight cells: init, noise, reg, act."""
FULL = np.array(list(product((0, 1), repeat=4)))
HALF = FULL[FULL[:, :3].sum(axis=1) % 2 == FULL[:, 3]]
"""Of the cells, those where the last factor is the product of the others: D = ABC."""


def effect(factors: tuple[int, ...]) -> tuple[list[dict[int, int]], list[float]]:
    """A main effect or interaction of two-level factors as regions and weights."""
    choices = list(product((0, 1), repeat=len(factors)))
    weights = [np.prod([2 * side - 1 for side in choice]) / 2 ** (len(factors) - 1) for choice in choices]
    return [dict(zip(factors, choice, strict=True)) for choice in choices], weights


@pytest.mark.parametrize("cells", [POST, FULL, HALF], ids=["post", "full", "half"])
def test_effects_are_told_where_the_design_identifies_them(cells: np.ndarray) -> None:
    """For every effect of the factorial, weights exist exactly where ``identify`` calls it estimable, with its bias."""
    design = identify(cells, (2, 2, 2, 2))
    for entry in design.identified:
        assert term_levels((2, 2, 2, 2), entry.term) == [(1,) * len(entry.term)]
        found = cell_weights(cells, (2, 2, 2, 2), *effect(entry.term), design.order)
        assert (found is not None) == entry.estimable, entry.term
        assert found is None or set(found.assumes) == set(entry.biased_by.terms)


def test_cells_that_were_run_are_compared_as_they_are() -> None:
    """The difference of two cells needs these two alone, however many others are missing."""
    first, second = dict(enumerate(POST[2])), dict(enumerate(POST[6]))
    found = cell_weights(POST, (2, 2, 2, 2), [first, second], [-1.0, 1.0], 1)
    assert found is not None
    assert found.weights.tolist() == [0, 0, -1, 0, 0, 0, 1, 0]
    assert found.assumes == ()


def test_a_simple_effect_at_a_level_never_run_with_it_cannot_be_told() -> None:
    """The post never combined L1 with GELU, so that the effect of reg under GELU is not identifiable."""
    assert cell_weights(POST, (2, 2, 2, 2), [{2: 0, 3: 1}, {2: 1, 3: 1}], [-1.0, 1.0], 1) is None


def test_the_estimate_is_that_of_least_squares() -> None:
    """In an incomplete design, weights times cell means are the coefficients that numpy's least squares gives."""
    y = np.random.default_rng(1).normal(size=8)
    coded = np.hstack([np.ones((8, 1)), 2.0 * POST - 1])
    expected = 2 * np.linalg.lstsq(coded, y, rcond=None)[0][1:]
    found = [cell_weights(POST, (2, 2, 2, 2), *effect((factor,)), 1) for factor in range(4)]
    assert [float(entry.weights @ y) for entry in found if entry] == pytest.approx(expected.tolist())


def test_levels_beyond_two() -> None:
    """In a complete 3 × 2, a level against the mean of another is the difference of their plain averages."""
    cells = np.array(list(product((0, 1, 2), (0, 1))))
    found = cell_weights(cells, (3, 2), [{0: 0}, {0: 2}], [-1.0, 1.0], 2)
    assert found is not None
    assert found.weights.tolist() == [-0.5, -0.5, 0, 0, 0.5, 0.5]
    without = cells[1:]
    additive = cell_weights(without, (3, 2), [{0: 0}, {0: 2}], [-1.0, 1.0], 1)
    assert additive is not None
    assert additive.assumes == ((0, 1),)
    assert additive.weights @ (10 * without[:, 0] + 3 * without[:, 1]) == pytest.approx(20)
