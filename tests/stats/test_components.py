"""Variance components: worked examples, the formulas of two strata, and coverage by simulation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from bench.stats.components import large_sample_limits, mean_squares

SUPPLIERS = np.array(
    [
        [[1, -1, 0], [-2, -3, -4], [-2, 0, 1], [1, 4, 0]],
        [[1, -2, -3], [0, 4, 2], [-1, 0, -2], [0, 3, 2]],
        [[2, 4, 0], [-2, 0, 2], [1, -1, 2], [3, 2, 1]],
    ],
    float,
)
"""Coded purity of three determinations of four batches of three suppliers (Montgomery, Design and Analysis of
Experiments, section 14.1)."""

THERMAL = """
37 38 37 41 41 40 41 42 41  42 41 43 42 42 42 43 42 43  30 31 31 31 31 31 29 30 28  42 43 42 43 43 43 42 42 42
28 30 29 29 30 29 31 29 29  42 42 43 45 45 45 44 46 45  25 26 27 28 28 30 29 27 27  40 40 40 43 42 42 43 43 41
25 25 25 27 29 28 26 26 26  35 34 34 35 35 34 35 34 35
"""
"""Thermal performance of ten modules, by three operators three times each (Houf & Berman 1988, as in Montgomery's
gauge study and in the documentation of SAS's VARCOMP, "Using the GRR Method")."""


def test_nested_components_are_those_of_montgomerys_suppliers() -> None:
    """Mean squares 7.53, 7.77 and 2.64 with 2, 9 and 24 degrees of freedom; batches vary by 1.71, runs by 2.64."""
    found = mean_squares(SUPPLIERS[..., None], crossed=False)
    assert found.terms == ((0,), (0, 1), (0, 1, 2))
    assert found.df.tolist() == [2, 9, 24]
    assert np.round(found.mean_squares[:, 0], 2).tolist() == [7.53, 7.77, 2.64]
    assert np.round(found.components[1:, 0], 2).tolist() == [1.71, 2.64]
    assert found.components[0, 0] == pytest.approx((7.53 - 7.77) / 12, abs=1e-3)


def test_crossed_components_are_those_of_the_gauge_study() -> None:
    """SAS prints mean squares 437.328395 and 19.633333 of parts and operators; a mean of three runs has a third."""
    table = np.array(THERMAL.split(), float).reshape(10, 3, 3)
    found = mean_squares(table.mean(axis=2)[..., None], crossed=True)
    assert found.terms == ((0,), (1,), (0, 1))
    assert (3 * found.mean_squares[:2, 0]).tolist() == pytest.approx([437.328395, 19.633333], abs=1e-6)
    parts, operators, both = found.mean_squares[:, 0]
    assert found.components[:, 0].tolist() == pytest.approx([(parts - both) / 3, (operators - both) / 10, both])


@pytest.mark.parametrize("term", [0, 1])
def test_limits_of_two_crossed_strata_are_burdick_borror_and_montgomerys(term: int) -> None:
    """The limits of parts and of operators in their book of 2005, written out for two mean squares."""
    table = np.array(THERMAL.split(), float).reshape(10, 3, 3).mean(axis=2)
    found = mean_squares(table[..., None], crossed=True)
    (a, b), (n, m) = found.mean_squares[[term, 2], 0], found.df[[term, 2]]
    groups = 3 if term == 0 else 10
    expected = []
    for level in (0.975, 0.025):
        f, own, error = stats.f.ppf(level, n, m), stats.chi2.ppf(level, n) / n, stats.chi2.ppf(1 - level, m) / m
        g, h = 1 - 1 / own, 1 / error - 1
        cross = ((f - 1) ** 2 - g**2 * f**2 - h**2) / f
        width = np.sqrt(g**2 * a**2 + h**2 * b**2 + cross * a * b) / groups
        expected.append((a - b) / groups + (-width if level > 0.5 else width))
    low, high = found.interval(found.weights[term])
    assert [low[0], high[0]] == pytest.approx(expected)


def test_limits_of_one_mean_square_are_exact() -> None:
    """Of a single mean square they are those by chi squared, at any confidence."""
    low, high = large_sample_limits(np.array([2.0]), np.array([[3.0]]), np.array([7.0]), 0.9)
    assert [low[0], high[0]] == pytest.approx([2 * 3 * 7 / stats.chi2.ppf(q, 7) for q in (0.95, 0.05)])


def test_mean_squares_add_up_to_all_variation_and_agree_with_the_expected_ones() -> None:
    """Sums of squares of all terms are the total; with components as drawn, their means are those expected."""
    rng = np.random.default_rng(5)
    for crossed in (True, False):
        table = rng.standard_normal((4, 3, 2, 5))
        found = mean_squares(table, crossed=crossed)
        total = ((table - table.mean(axis=(0, 1, 2))) ** 2).sum(axis=(0, 1, 2))
        assert (found.df @ found.mean_squares).tolist() == pytest.approx(total.tolist())
        assert found.df.sum() == 23


def test_intervals_cover_the_components_of_six_by_three_by_three_by_three() -> None:
    """Nominal 95 % covers .93 to .97 for every one of fifteen components (the whole study: benchmarks)."""
    rng, shape, repeats = np.random.default_rng(1), (6, 3, 3, 3), 1500
    terms = [term for size in range(1, 5) for term in combinations(range(4), size)]
    table = np.zeros((*shape, repeats))
    for term in terms:
        table = table + rng.standard_normal([n if axis in term else 1 for axis, n in enumerate(shape)] + [repeats])
    found = mean_squares(table, crossed=True)
    for weights in found.weights:
        low, high = found.interval(weights)
        assert 0.93 <= ((low <= 1) & (high >= 1)).mean() <= 0.97
