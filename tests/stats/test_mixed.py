"""The mixed model against R's lme4 and lmerTest."""

import numpy as np
import pytest
from scipy import stats

from bench.stats.anova import fit_anova
from bench.stats.coding import terms_up_to
from bench.stats.mixed import _pooled_df, fit_mixed, mixed_anova

CASES = [
    ("a01_factorial_balanced", "mixed_full"),
    ("a01_factorial_balanced", "mixed_twoway"),
    ("a02_factorial_lognormal", "mixed_full"),
    ("a03_factorial_unbalanced", "mixed_full"),
    ("a03_factorial_unbalanced", "mixed_twoway"),
    ("a12_npk", "mixed_twoway"),
    ("a15_within_4configs", "mixed"),
    ("a16_within_2x3", "mixed"),
]


def arguments(frame, order=None):
    factors = list(frame.select_dtypes("category").columns)
    codes = np.stack([frame[factor].cat.codes for factor in factors], axis=1).astype(np.int64)
    levels = [len(frame[factor].cat.categories) for factor in factors]
    block = np.unique(frame["block" if "block" in frame else "seed"], return_inverse=True)[1]
    terms = terms_up_to(order or len(factors), len(factors))
    return factors, (frame["value"].to_numpy(float), codes, levels, terms, block)


@pytest.mark.parametrize(("name", "model"), CASES)
def test_variances_and_tests_are_those_of_lmertest(reference, name, model):
    """REML criterion, both variances, F, Satterthwaite's df and p agree with lmer to 1e-6."""
    frame, results = reference(name)
    if model not in results:
        pytest.fail(f"{name} has no {model}")
    answers = results[model]
    factors, given = arguments(frame, 2 if model.endswith("twoway") else None)
    fit = fit_mixed(*given)
    np.testing.assert_allclose(fit.criterion, answers["reml_criterion"], rtol=1e-9)
    variances = [row["vcov"] for row in answers["variance_components"]]
    np.testing.assert_allclose((fit.block_variance, fit.error_variance), variances, rtol=1e-6)
    found = {frozenset(factors[f] for f in row.term): row for row in mixed_anova(fit)}
    for row in answers["type3_satterthwaite"]["rows"]:
        ours = found[frozenset(row["term"].split(":"))]
        theirs = [row[key] for key in ("df", "df_den", "F", "p")]
        np.testing.assert_allclose((ours.df, ours.df_error, ours.F, ours.p), theirs, rtol=1e-6, err_msg=row["term"])


def test_balanced_mixed_model_is_the_block_anova(reference):
    """In balanced data with a positive block variance, F and df are those of the block ANOVA."""
    frame, _ = reference("a16_within_2x3")
    _, given = arguments(frame)
    mixed, block = mixed_anova(fit_mixed(*given)), fit_anova(*given).tests()[1:]
    np.testing.assert_allclose([row.F for row in mixed], [row.F for row in block], rtol=1e-9)
    np.testing.assert_allclose([row.df_error for row in mixed], [row.df_error for row in block], rtol=1e-9)


def test_a_term_of_three_levels_in_unbalanced_data_is_tested_by_generalised_least_squares():
    """F is Wald's of dense generalised least squares at the fitted variances, with one df for both its dimensions."""
    rng = np.random.default_rng(4)
    codes = np.tile([[0], [1], [2]], (7, 1))
    block = np.repeat(np.arange(7), 3)
    values = 2.0 * rng.normal(size=7)[block] + rng.normal(size=21) + 0.8 * codes[:, 0]
    kept = np.setdiff1d(np.arange(21), [2, 5, 7, 8, 15])
    codes, block, values = codes[kept], block[kept], values[kept]
    fit = fit_mixed(values, codes, [3], [(0,)], block)
    assert fit.block_variance > 0
    row = mixed_anova(fit)[0]
    X = np.eye(3)[codes[:, 0]]
    V = fit.block_variance * (block[:, None] == block) + fit.error_variance * np.eye(len(block))
    weighted = np.linalg.solve(V, X)
    means = np.linalg.solve(X.T @ weighted, weighted.T @ values)
    C = np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])
    spread = C @ np.linalg.inv(X.T @ weighted) @ C.T
    assert pytest.approx((C @ means) @ np.linalg.solve(spread, C @ means) / 2, rel=1e-8) == row.F
    directions = np.linalg.eigh(fit.covariance[1:, 1:])[1]
    single = [fit.test(np.append(0.0, direction)[None])[1] for direction in directions.T]
    assert np.ptp(single) > 0.01
    mean_square = np.mean([df / (df - 2) for df in single])
    assert row.df_error / (row.df_error - 2) == pytest.approx(mean_square, rel=1e-8)
    assert row.p == pytest.approx(stats.f.sf(row.F, 2, row.df_error))


def test_the_common_degrees_of_freedom_are_those_of_the_mean_square():
    """Squares of t with 4 and 10 df have means 2 and 1.25, F with 2 and 5.2 df the mean of both; 2 df is the least."""
    assert _pooled_df(np.array([4.0, 10.0])) == pytest.approx(5.2)
    assert _pooled_df(np.array([7.0, 7.0])) == 7.0
    assert _pooled_df(np.array([1.5])) == 1.5
    assert _pooled_df(np.array([1.5, 9.0])) == 2.0


def test_no_block_variance_gives_no_degrees_of_freedom():
    """Where blocks differ less than chance the estimate is zero, and the tests are NaN rather than wrong."""
    codes = np.tile([[0], [1]], (6, 1))
    values = np.array([1.0, -1.0, -1.0, 1.0, 2.0, -2.0, -2.0, 2.0, 1.5, -1.5, -1.0, 1.0])
    fit = fit_mixed(values, codes, [2], [(0,)], np.repeat(np.arange(6), 2))
    assert fit.block_variance == 0.0
    assert np.isnan(mixed_anova(fit)[0].p)


def test_constant_values_have_no_mixed_model():
    """A response without variation is not fitted."""
    codes = np.tile([[0], [1]], (6, 1))
    assert fit_mixed(np.full(12, 3.0), codes, [2], [(0,)], np.repeat(np.arange(6), 2)) is None
