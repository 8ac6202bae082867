"""Sign flips against full enumeration in R and by brute force."""

import itertools

import numpy as np
import pytest
from scipy import stats

from bench.stats.resample import sign_flip

RNG = np.random.default_rng


@pytest.mark.parametrize("case", ["sleep", "high_corr", "n5", "ties_zeros"])
def test_sign_flips_are_all_of_them(reference, case):
    """Up to 14 seeds p is that of full enumeration in R."""
    frame, results = reference("a07_paired")
    wide = frame[frame["case"] == case].pivot(index="pair", columns="group", values="value")
    differences = (wide["x"] - wide["y"]).to_numpy()
    answers = results[case]["signflip_exact"]
    found = sign_flip(differences[:, None], RNG(0))
    if found.exact:
        assert found.p[0] == pytest.approx(answers["p_two_sided"], rel=1e-12)
    else:
        error = np.sqrt(answers["p_two_sided"] / 10_000)
        assert abs(found.p[0] - answers["p_two_sided"]) < 5 * error


def test_maximum_over_effects_is_that_of_brute_force():
    """The joint p recomputes t of every effect under every flip, one sign per seed, and takes the largest."""
    L = RNG(1).normal(0.4, 1.0, size=(7, 5))
    observed = np.abs(stats.ttest_1samp(L, 0.0).statistic)
    largest = [
        np.abs(stats.ttest_1samp(np.array(signs)[:, None] * L, 0.0).statistic).max()
        for signs in itertools.product((1, -1), repeat=7)
    ]
    expected = (np.array(largest)[:, None] >= observed - 1e-9).mean(axis=0)
    found = sign_flip(L, RNG(0))
    np.testing.assert_allclose(found.p_max, expected, rtol=1e-12)
    assert found.floor == 2 / 2**7


def test_maximum_over_effects_of_unequal_size_compares_t():
    """Where seeds lack an effect its t has fewer degrees of freedom, and brute force over the same signs agrees."""
    L = RNG(33).normal(0.5, 1.0, size=(8, 3))
    L[5:, 0] = L[7, 1] = np.nan

    def sizes(table):
        return np.abs(stats.ttest_1samp(table, 0.0, nan_policy="omit").statistic)

    flips = [sizes(np.array(signs)[:, None] * L).max() for signs in itertools.product((1, -1), repeat=8)]
    expected = (np.array(flips)[:, None] >= sizes(L) - 1e-9).mean(axis=0)
    np.testing.assert_allclose(sign_flip(L, RNG(0)).p_max, expected, rtol=1e-12)


@pytest.mark.parametrize(("seeds", "exact"), [(14, True), (15, False)])
def test_up_to_14_seeds_are_flipped_in_every_way(seeds, exact):
    """The smallest p of 14 seeds is 2 in 2^14; from 15 on flips are drawn, and it is that of their number."""
    found = sign_flip(np.ones((seeds, 1)), RNG(0), flips=999)
    assert found.exact == exact
    assert found.p[0] == found.floor == (2 / 2**14 if exact else 1 / 1000)


def test_what_every_arrangement_reaches_has_p_one():
    """Where nothing is observed every drawn flip is as large, so p is 1 and not one draw less."""
    balanced = np.tile([1.0, -1.0], 10)
    assert sign_flip(balanced[:, None], RNG(0), flips=4_001).p[0] == 1.0


def test_an_effect_of_one_seed_has_no_flips():
    """One seed's contrast has p NaN; two seeds' has the p 1 or 1/2 that two signs can give."""
    L = np.array([[1.0, 2.0], [np.nan, 3.0], [np.nan, np.nan]])
    np.testing.assert_array_equal(sign_flip(L, RNG(0)).p, [np.nan, 0.5])
    with pytest.raises(ValueError, match="two axes"):
        sign_flip(np.ones(3), RNG(0))


def test_monte_carlo_p_is_never_zero_and_near_the_exact_one():
    """With more than 14 seeds p lies within Monte-Carlo error of the t test's for normal data, and above its floor."""
    rng = RNG(5)
    L = rng.normal(0.5, 1.0, size=(30, 1))
    found = sign_flip(L, rng)
    expected = stats.ttest_1samp(L[:, 0], 0.0).pvalue
    assert not found.exact
    assert abs(found.p[0] - expected) < 0.1 * expected + 5 * np.sqrt(expected / 10_000)
    assert sign_flip(L + 100.0, rng).p[0] == 1 / 10_001 == found.floor


def test_missing_and_zero_contrasts_have_no_flips():
    """An effect that is zero in every seed has p NaN; one that some seeds lack is flipped over the others."""
    L = RNG(2).normal(1.0, 1.0, size=(6, 3))
    L[:, 1] = 0.0
    L[4:, 2] = np.nan
    found = sign_flip(L, RNG(0))
    assert np.isnan(found.p[1])
    np.testing.assert_allclose(found.p[2], sign_flip(L[:4, 2:], RNG(0)).p[0])
