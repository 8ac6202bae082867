"""What designs identify, against the theory of fractional factorials and counting by hand."""

from itertools import product

import numpy as np

from bench.stats.identify import identify

CUBE = np.array(list(product(range(2), repeat=4)), dtype=np.int64)


def test_a_half_fraction_follows_its_defining_relation():
    """With I = ABCD a main effect is biased by the interaction of the other three, and AB is CD."""
    half = CUBE[CUBE.sum(axis=1) % 2 == 0]
    found = {entry.term: entry for entry in identify(half, [2, 2, 2, 2]).identified}
    assert found[(0,)].estimable
    assert found[(0,)].biased_by == ((1, 2, 3),)
    assert found[(0,)].alias.terms == ()
    assert not found[(0, 1)].estimable
    assert found[(0, 1)].biased_by == ()
    assert found[(0, 1)].alias.terms == ((2, 3),)
    np.testing.assert_allclose(found[(0, 1)].alias.coefficients, [1.0])


def test_an_interaction_that_is_aliased_with_none_enters_the_model():
    """A 2 x 2 with one more cell at another level of C tells AB from all main effects, and no other interaction."""
    cells = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]])
    design = identify(cells, [2, 2, 2])
    assert design.order == 1
    assert design.model == ((0,), (1,), (2,), (0, 1))
    assert [entry.term for entry in design.identified if entry.estimable] == [(0,), (1,), (2,), (0, 1)]


def test_interactions_that_share_an_alias_stay_out_of_the_model():
    """Of a half fraction the model has the main effects only; the whole factorial has every term."""
    assert identify(CUBE[CUBE.sum(axis=1) % 2 == 0], [2, 2, 2, 2]).model == ((0,), (1,), (2,), (3,))
    assert len(identify(CUBE, [2, 2, 2, 2]).model) == 15
