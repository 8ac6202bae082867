"""The mixed model against R's lme4 and lmerTest."""

import numpy as np
import pytest

from bench.stats.anova import fit_anova
from bench.stats.coding import terms_up_to
from bench.stats.mixed import fit_mixed, mixed_anova

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
