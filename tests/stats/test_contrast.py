"""Contrasts from complete blocks, incomplete blocks and independent runs."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from bench.stats.coding import term_columns, terms_up_to
from bench.stats.contrast import independent, one_sample, per_block, polynomial_weights, randomized_blocks


def test_one_sample_is_scipys_t():
    """t, p and limits of every column are those of the one-sample t; a column without spread is not tested."""
    contrasts = np.random.default_rng(2).normal(0.5, 1.0, size=(7, 3))
    contrasts[:, 1] = 0.1
    found, expected = one_sample(contrasts, magnitude=1.0, confidence=0.9), stats.ttest_1samp(contrasts[:, ::2], 0.0)
    np.testing.assert_allclose(found.t[::2], expected.statistic)
    np.testing.assert_allclose(found.p[::2], expected.pvalue)
    np.testing.assert_allclose([found.low[::2], found.high[::2]], expected.confidence_interval(0.9))
    np.testing.assert_array_equal(found.constant, [False, True, False])
    assert found.value[1] == pytest.approx(0.1)
    assert np.isnan([found.t[1], found.p[1], found.se[1], found.low[1], found.df[1]]).all()


def test_contrasts_of_values_far_from_zero_are_exact():
    """At an offset of 10^12 the contrasts are those of the same values without it, though the cells are 16."""
    table = np.random.default_rng(3).integers(-4000, 4000, size=(6, 16)) / 1024
    weights = np.sign(np.sin(np.arange(48.0))).reshape(3, 16) / 7
    weights -= weights.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(per_block(table + 2.0**40, weights), table @ weights.T, rtol=1e-9, atol=1e-9)
    mean = np.full((1, 16), 1 / 16)
    np.testing.assert_allclose(per_block(table + 2.0**40, mean), (table + 2.0**40).mean(axis=1, keepdims=True))


def test_contrast_of_two_independent_cells_is_welchs_t():
    """Satterthwaite's contrast of two cells is Welch's test."""
    rng = np.random.default_rng(6)
    a, b = rng.normal(0, 1, 8), rng.normal(0.5, 4, 5)
    mean, variance = np.array([a.mean(), b.mean()]), np.array([a.var(ddof=1), b.var(ddof=1)])
    found = independent(mean, variance, np.array([8, 5]), np.array([[1.0, -1.0]]), magnitude=1.0)
    expected = stats.ttest_ind(a, b, equal_var=False)
    np.testing.assert_allclose(
        (found.t[0], found.p[0], found.df[0]), (expected.statistic, expected.pvalue, expected.df)
    )
    np.testing.assert_allclose((found.low[0], found.high[0]), expected.confidence_interval())


def test_montgomerys_filtration_rates():
    """The effects of the unreplicated 2^4 in Montgomery's textbook come out as printed there."""
    rates = [45, 71, 48, 65, 68, 60, 80, 65, 43, 100, 45, 104, 75, 86, 70, 96]
    codes = np.array([[(row >> factor) & 1 for factor in range(4)] for row in range(16)])
    terms = terms_up_to(4, 4)
    columns = np.hstack([np.ones((16, 1)), *(term_columns(codes, (2,) * 4, term) for term in terms)])
    effects = dict(zip(terms, 2 * np.linalg.lstsq(columns, np.array(rates, float))[0][1:], strict=True))
    printed = {(0,): 21.625, (1,): 3.125, (2,): 9.875, (3,): 14.625, (0, 2): -18.125, (0, 3): 16.625, (0, 1, 3): 4.125}
    for term, value in printed.items():
        assert effects[term] == pytest.approx(value)


def test_two_blocks_have_one_degree_of_freedom():
    """Two seeds suffice for a t test, and one does not."""
    found = one_sample(np.array([[1.0], [2.0]]), magnitude=2.0)
    assert found.t[0] == pytest.approx(3.0)
    assert found.p[0] == pytest.approx(stats.ttest_1samp([1.0, 2.0], 0.0).pvalue)
    assert np.isnan(one_sample(np.array([[1.0]]), magnitude=1.0).p[0])


def test_orthogonal_contrasts_add_up_to_the_omnibus_sum_of_squares(reference):
    """The squared contrasts of four configurations sum to the sum of squares of R's repeated measures."""
    frame, results = reference("a15_within_4configs")
    table = frame.pivot_table(index="seed", columns="config", values="value", observed=True).to_numpy()
    weights = polynomial_weights(np.arange(4.0))
    np.testing.assert_allclose(weights @ weights.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(weights.sum(axis=1), 0.0, atol=1e-12)
    total = len(table) * ((table @ weights.T).mean(axis=0) ** 2).sum()
    row = next(row for row in results["lm_block"]["type2"]["rows"] if row["term"] == "config")
    assert total == pytest.approx(row["ss"], rel=1e-9)


def test_polynomial_contrasts_are_those_of_r():
    """contr.poly(4), and a straight line in uneven positions has only a linear part."""
    linear, cubic = [-0.6708204, -0.2236068, 0.2236068, 0.6708204], [-0.2236068, 0.6708204, -0.6708204, 0.2236068]
    printed = [linear, [0.5, -0.5, -0.5, 0.5], cubic]
    np.testing.assert_allclose(polynomial_weights(np.arange(4.0)), printed, atol=1e-7)
    at = np.array([1.0, 2.0, 10.0])
    length = np.sqrt(((at - at.mean()) ** 2).sum())
    np.testing.assert_allclose(polynomial_weights(at) @ (3 * at + 1), [3 * length, 0], atol=1e-12)
    with pytest.raises(ValueError, match="all different"):
        polynomial_weights(np.array([1.0, 1.0, 2.0]))
    with pytest.raises(ValueError, match="two or more"):
        polynomial_weights(np.array([1.0]))


def test_a_contrast_of_independent_cells_counts_the_runs_that_it_compares():
    """Of three cells, the difference of two rests on the runs of these."""
    mean, variance, n = np.array([1.0, 3.0, 9.0]), np.ones(3), np.array([4, 5, 6])
    found = independent(mean, variance, n, np.array([[-1.0, 1.0, 0.0], [-0.5, -0.5, 1.0]]), magnitude=9.0)
    assert found.n.tolist() == [9, 15]


def test_one_residual_for_all_contrasts_is_that_of_the_additive_model():
    """Estimate, standard error and degrees of freedom are those of statsmodels' regression on blocks and cells."""
    rng = np.random.default_rng(2)
    table = rng.normal(size=(5, 3)) + rng.normal(size=(5, 1))
    block, cell = np.indices(table.shape)
    columns = [np.ones(15), *(block.ravel() == b for b in range(1, 5)), *(cell.ravel() == c for c in (1, 2))]
    model = sm.OLS(table.ravel(), np.column_stack(columns).astype(float)).fit()
    found = randomized_blocks(table, np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]]))
    np.testing.assert_allclose(found.value, model.params[5:])
    np.testing.assert_allclose(found.se, model.bse[5:])
    np.testing.assert_allclose(found.p, model.pvalues[5:])
