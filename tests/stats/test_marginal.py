"""Marginal means and simple effects against R's emmeans."""

import numpy as np
import pytest

from bench.stats.coding import terms_up_to
from bench.stats.marginal import all_pairs, marginal_means, simple_pairs
from bench.stats.multiplicity import adjust
from bench.stats.posthoc import tukey

CASES = [
    ("a01_factorial_balanced", "emmeans_full", False),
    ("a01_factorial_balanced", "emmeans_full_block", True),
    ("a03_factorial_unbalanced", "emmeans_full_block", True),
    ("a05_twofactor_3x4", "emmeans_full", False),
    ("a12_npk", "emmeans_twoway_block", True),
    ("a16_within_2x3", "emmeans_block", True),
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def case(request, reference):
    name, model, blocked = request.param
    frame, results = reference(name)
    factors = list(frame.select_dtypes("category").columns)
    codes = np.stack([frame[factor].cat.codes for factor in factors], axis=1).astype(np.int64)
    levels = [len(frame[factor].cat.categories) for factor in factors]
    terms = terms_up_to(2 if "twoway" in model else len(factors), len(factors))
    block = np.unique(frame["block" if "block" in frame else "seed"], return_inverse=True)[1] if blocked else None
    answers = results[model]
    pair = next(key.removeprefix("simple_") for key in answers if key.startswith("simple_")).split("_by_")
    return factors, pair, (frame["value"].to_numpy(float), codes, levels, terms), block, answers


def test_marginal_means_are_those_of_emmeans(case):
    """Mean, SE, df and limits of one factor agree."""
    factors, pair, given, block, answers = case
    means = marginal_means(*given, [factors.index(pair[0])], block)
    rows = answers[f"means_{pair[0]}"]["rows"]
    low, high = means.limits()
    for ours, key in ((means.value, "emmean"), (means.se, "se"), (low, "ci_low"), (high, "ci_high")):
        np.testing.assert_allclose(ours, [row[key] for row in rows], rtol=1e-9)
    assert means.df == rows[0]["df"]


@pytest.mark.parametrize("covariance", ["ols", "hc3"])
def test_pairs_of_marginal_means_are_those_of_emmeans(case, covariance):
    """Differences of one factor's means and Tukey's p agree, also with HC3."""
    factors, pair, given, block, answers = case
    rows = answers[f"pairs_{pair[0]}" if covariance == "ols" else f"pairs_hc3_{pair[0]}"]["rows"]
    means = marginal_means(*given, [factors.index(pair[0])], block, covariance=covariance)
    found = means.contrast(all_pairs(len(means.value))[1])
    if len(rows) == 1:
        limits = (rows[0]["ci_low"], rows[0]["ci_high"])
        np.testing.assert_allclose((found.low[0], found.high[0]), limits, rtol=1e-9)
    assert not found.constant.any()
    np.testing.assert_allclose(found.value, [row["estimate"] for row in rows], rtol=1e-9)
    np.testing.assert_allclose(found.t, [row["t"] for row in rows], rtol=1e-9)
    np.testing.assert_allclose(tukey(found.t, len(means.value), means.df), [row["p"] for row in rows], atol=1e-6)


def test_adjusted_pairs_of_two_factors_are_those_of_emmeans(case):
    """All pairs of cells of two factors agree under every adjustment, and so do simple effects."""
    factors, pair, given, block, answers = case
    first, second = pair
    means = marginal_means(*given, [factors.index(first), factors.index(second)], block)
    order = np.lexsort((means.combinations[:, 0], means.combinations[:, 1]))  # emmeans varies the first factor fastest
    found = means.contrast(all_pairs(len(order))[1] @ np.eye(len(order))[order])
    methods = [key.rsplit("_", 1)[1] for key in answers if key.startswith(f"pairs_{first}_{second}_")]
    for method in methods:
        rows = answers[f"pairs_{first}_{second}_{method}"]["rows"]
        p = tukey(found.t, len(order), means.df) if method == "tukey" else found.p
        if method not in {"tukey", "none"}:
            p = adjust(found.p, method)
        expected = np.array([row["p"] for row in rows])
        tolerance = {"tukey": 1e-6, "sidak": 1e-15}.get(method, 0.0)
        np.testing.assert_allclose(p, expected, rtol=1e-8 if method != "tukey" else 0.0, atol=tolerance, err_msg=method)
    simple = means.contrast(simple_pairs(means.combinations, 0)[1])
    rows = answers[f"simple_{first}_by_{second}"]["rows"]
    np.testing.assert_allclose(np.sort(simple.value), np.sort([row["estimate"] for row in rows]), rtol=1e-9)


def test_aliased_models_have_no_marginal_means():
    """Means that the design cannot give are refused."""
    codes = np.array([[0, 0], [1, 1], [0, 0], [1, 1]])
    with pytest.raises(ValueError, match="not estimable"):
        marginal_means(np.arange(4.0), codes, [2, 2], [(0,), (1,)], [0])
