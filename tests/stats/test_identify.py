"""What cells identify and how precisely, against R's alias(), car::vif and hand calculation."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from bench.stats.identify import identify
from bench.stats.precision import correlation, full_factorial_error, standard_errors, variance_inflation

CUBE = np.array(list(product(range(2), repeat=4)), dtype=np.int64)
FACTORS = ["init", "noise", "reg", "act"]
POST = np.array([[int(level) for level in f"{cell:04b}"] for cell in (0, 8, 4, 3, 11, 12, 6, 15)])
"""The post's eight cells in its order: init, noise, reg, act."""
HALF = np.array([(a, b, c, (a + b + c) % 2) for a, b, c in product((0, 1), repeat=3)])
"""The 2^(4-1) with D = ABC in -1/+1 coding: +1 where an odd number of the others is."""


@pytest.fixture
def r(reference: Callable) -> Callable:
    return lambda name: reference(name)[1]


@pytest.mark.parametrize(("name", "cells"), [("a04_ablation_8of16", POST), ("a04b_half_fraction", HALF)])
def test_vif_and_biases_are_those_of_r(r: Callable, name: str, cells: np.ndarray) -> None:
    """VIF agree with car::vif, and what main effects take in of each interaction with R's alias matrix."""
    answers, design = r(name), identify(cells, (2, 2, 2, 2))
    matrix = {row["coef"]: row for row in answers["alias_matrix_main_by_2way"]["rows"]}
    vif = {row["term"]: row["gvif"] for row in answers["vif_main"]["rows"]}
    for entry in design.identified[:4]:
        factor = FACTORS[entry.term[0]]
        assert variance_inflation(design, entry) == pytest.approx(vif[factor])
        ours = dict(zip(entry.biased_by.terms, entry.biased_by.coefficients, strict=True))
        theirs = matrix[factor]
        for a, b in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
            assert ours.get((a, b), 0.0) == pytest.approx(theirs[f"{FACTORS[a]}:{FACTORS[b]}"], abs=1e-9)


def test_the_posts_cells_by_hand() -> None:
    """Reg and act correlate with 3 / sqrt(15); a standard error is 2 sqrt(VIF / sum of squares) of its column."""
    design = identify(POST, (2, 2, 2, 2))
    assert correlation(design, (2,), (3,)) == pytest.approx(3 / np.sqrt(15))
    errors = standard_errors(design)
    assert errors[2,] == pytest.approx(2 * np.sqrt(3.25 / 8))
    assert errors[3,] == pytest.approx(2 * np.sqrt(3.75 / 7.5))
    assert full_factorial_error((2, 2, 2, 2), (2,)) == pytest.approx(0.5)


@pytest.mark.parametrize("levels", [(2, 2, 2, 2), (2, 3), (3, 2, 4)])
def test_standard_errors_of_the_full_factorial_have_the_closed_form(levels: tuple[int, ...]) -> None:
    """Least squares over every cell gives the variance 2^m 4^(1 - m) / product of the levels averaged over."""
    design = identify(np.array(list(product(*map(range, levels)))), levels)
    for entry, (term, error) in zip(design.identified, standard_errors(design).items(), strict=True):
        assert entry.term == term
        assert error == pytest.approx(full_factorial_error(levels, term))
        assert variance_inflation(design, entry) == pytest.approx(1.0)


def test_the_half_fraction_by_hand() -> None:
    """With D = ABC each main effect takes in the product of the other three, and pairs are the opposite pairs."""
    design = identify(HALF, (2, 2, 2, 2))
    for entry in design.identified[:4]:
        others = tuple(factor for factor in range(4) if factor != entry.term[0])
        assert entry.biased_by.terms == (others,)
        assert entry.biased_by.coefficients == pytest.approx([1.0])
    for entry in design.identified[4:10]:
        assert not entry.estimable
        assert entry.alias.terms == (tuple(factor for factor in range(4) if factor not in entry.term),)
        assert variance_inflation(design, entry) == np.inf


def test_npk_is_aliased_with_its_blocks(reference: Callable) -> None:
    """In R's npk the three-factor interaction alone is aliased, with the blocks."""
    frame, answers = reference("a12_npk")
    codes = frame[["N", "P", "K"]].astype(int).to_numpy()
    design = identify(codes, (2, 2, 2), frame["block"].astype(int).to_numpy() - 1)
    assert answers["alias_full_block"]["aliased"] == ["N1:P1:K1"]
    assert [entry.term for entry in design.identified if not entry.estimable] == [(0, 1, 2)]


def test_a_half_fraction_follows_its_defining_relation():
    """With I = ABCD a main effect is biased by the interaction of the other three, and AB is CD."""
    half = CUBE[CUBE.sum(axis=1) % 2 == 0]
    found = {entry.term: entry for entry in identify(half, [2, 2, 2, 2]).identified}
    assert found[(0,)].estimable
    assert found[(0,)].biased_by.terms == ((1, 2, 3),)
    assert found[(0,)].alias.terms == ()
    assert not found[(0, 1)].estimable
    assert found[(0, 1)].biased_by.terms == ()
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
