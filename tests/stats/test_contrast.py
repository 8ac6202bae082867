"""Contrasts from complete blocks, incomplete blocks and independent runs."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from bench.stats.coding import centred, term_columns, term_effects, terms_up_to
from bench.stats.contrast import independent, one_sample, polynomial_weights, within_blocks


@pytest.fixture
def runs():
    """A 2 x 3 factorial in seven blocks: codes, columns, effects, block, values."""
    rng = np.random.default_rng(2)
    codes = np.array([(a, b) for _ in range(7) for a in range(2) for b in range(3)])
    block = np.repeat(np.arange(7), 6)
    terms, levels = terms_up_to(1, 2), (2, 3)
    columns = np.hstack([term_columns(codes, levels, term) for term in terms])
    effects = np.zeros((3, 3))
    effects[0, 0], effects[1:, 1:] = term_effects(levels, (0,))[0, 0], term_effects(levels, (1,))
    values = rng.normal(size=42) + rng.normal(size=7)[block] + codes[:, 0] * rng.normal(1, 1, 7)[block]
    return columns, effects, block, values


def test_jackknife_is_the_paired_t_on_complete_blocks(runs):
    """With complete blocks, leaving out one block at a time gives the t of one contrast per block."""
    columns, effects, block, values = runs
    fitted = within_blocks(values, block, columns, effects)
    weights = effects @ np.linalg.pinv(centred(columns[:6], None))
    per_block = values.reshape(7, 6) @ weights.T
    expected = one_sample(per_block, magnitude=1.0)
    for name in ("value", "low", "high", "t", "df", "p"):
        np.testing.assert_allclose(getattr(fitted, name), getattr(expected, name), rtol=1e-9)
    reference = stats.ttest_1samp(per_block, 0.0)
    np.testing.assert_allclose(expected.t, reference.statistic, rtol=1e-12)
    np.testing.assert_allclose(expected.low, reference.confidence_interval().low, rtol=1e-12)


def test_jackknife_is_that_of_statsmodels_on_incomplete_blocks(runs):
    """With cells missing, estimates, t and p are those of OLS on centred data with the cluster jackknife."""
    columns, effects, block, values = runs
    kept = np.random.default_rng(4).random(42) > 0.25
    columns, block, values = columns[kept], block[kept], values[kept]
    fitted = within_blocks(values, block, columns, effects)
    model = sm.OLS(centred(values, block), centred(columns, block))
    expected = model.fit(cov_type="cluster-jk", cov_kwds={"groups": block}, use_t=True).t_test(effects)
    np.testing.assert_allclose(fitted.value, expected.effect, rtol=1e-9)
    np.testing.assert_allclose(fitted.t, expected.tvalue, rtol=1e-9)
    np.testing.assert_allclose(fitted.p, expected.pvalue, rtol=1e-9)


def test_an_effect_that_one_block_alone_identifies_has_no_standard_error():
    """If leaving out a block loses the effect, its t is NaN and not a number from a singular matrix."""
    columns = np.array([[1.0], [-1.0], [1.0], [1.0], [-1.0], [-1.0]])
    block = np.array([0, 0, 1, 1, 2, 2])
    fitted = within_blocks(np.arange(6.0) ** 2, block, columns, np.array([[2.0]]))
    assert fitted.value[0] == pytest.approx(-1.0)
    assert np.isnan(fitted.t[0])


def test_an_effect_alike_in_all_blocks_has_no_standard_error():
    """A spread over blocks that is rounding error of the largest value counts as none, though one value is zero."""
    codes = np.tile([[0], [1]], (5, 1))
    block = np.repeat(np.arange(5), 2)
    values = 1e6 * block + 0.1 * codes[:, 0]
    fitted = within_blocks(values, block, term_columns(codes, [2], (0,)), np.array([[2.0]]))
    assert values.min() == 0.0
    assert fitted.value[0] == pytest.approx(0.1, rel=1e-6)
    assert fitted.constant[0]
    assert np.isnan(fitted.t[0])


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
