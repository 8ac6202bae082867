"""Sign flips, permutations and bootstrap against full enumeration in R and large runs of boot."""

import itertools

import numpy as np
import pytest
from scipy import stats

from bench.stats.bootstrap import (
    bootstrap,
    interquartile_mean,
    mean_difference,
    performance_profile,
    probability_of_improvement,
)
from bench.stats.resample import permute_two, permute_within_blocks, sign_flip

RNG = np.random.default_rng


def two(reference, case):
    frame, results = reference("a06_two_sample")
    chosen = frame[frame["case"] == case]
    x, y = (chosen.loc[chosen["group"] == group, "value"].to_numpy(float) for group in "xy")
    return x, y, results[case]


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
    """Where nothing is observed every drawn flip and permutation is as large, so p is 1 and not one draw less."""
    balanced = np.tile([1.0, -1.0], 10)
    assert sign_flip(balanced[:, None], RNG(0), flips=4_001).p[0] == 1.0
    assert permute_two(balanced, balanced, RNG(0), permutations=4_001) == 1.0
    assert permute_within_blocks(np.vstack([[[1.0, 2.0], [2.0, 1.0]]] * 10), RNG(0), permutations=4_001) == 1.0


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


CASES = ["equal_n8", "tiny", "sleep_unpaired", "one_constant", "separated"]


@pytest.mark.parametrize("case", CASES)
def test_permutation_of_two_samples_is_full_enumeration(reference, case):
    """The p of all splits agrees with R."""
    x, y, answers = two(reference, case)
    assert permute_two(x, y, RNG(0)) == pytest.approx(answers["permutation_exact"]["p_two_sided"], rel=1e-12)


def test_large_samples_are_permuted_by_chance():
    """Beyond half a million splits p is drawn, close to Student's for normal data."""
    rng = RNG(3)
    x, y = rng.normal(size=25), rng.normal(0.5, 1, 25)
    expected = stats.ttest_ind(x, y).pvalue
    assert permute_two(x, x + 100.0, rng) == 1 / 10_001
    assert abs(permute_two(x, y, rng) - expected) < 0.1 * expected + 5 * np.sqrt(expected / 10_000)


def test_permutation_within_blocks_is_full_enumeration():
    """Three blocks of three cells: p is the share of the 216 arrangements with a sum of squares as large."""
    table = RNG(4).normal(size=(3, 3)) + np.array([0.0, 1.0, 2.0])
    sizes = [
        (np.array(rows).sum(axis=0) ** 2).sum()
        for rows in itertools.product(*(itertools.permutations(row - row.mean()) for row in table))
    ]
    observed = ((table - table.mean(axis=1, keepdims=True)).sum(axis=0) ** 2).sum()
    assert permute_within_blocks(table, RNG(0)) == pytest.approx((np.array(sizes) >= observed - 1e-9).mean())
    drawn = permute_within_blocks(np.vstack([table, table + 5]), RNG(0), permutations=2_000)
    assert 0 < drawn < 0.1
    assert np.isnan(permute_within_blocks(np.ones((3, 3)), RNG(0)))


def test_drawn_permutations_within_blocks_are_near_all_of_them():
    """Of 6^5 arrangements the drawn p lies within 5 Monte-Carlo SDs, and separated cells reach the smallest p."""
    table = RNG(11).normal(size=(6, 3)) + np.array([0.0, 0.4, 0.8])
    exact = permute_within_blocks(table, RNG(0))
    drawn = permute_within_blocks(table, RNG(0), permutations=7_000)
    assert drawn != exact
    assert abs(drawn - exact) < 5 * np.sqrt(exact * (1 - exact) / 7_000)
    apart = np.array([0.0, 100.0]) + RNG(12).normal(size=(20, 2))
    assert permute_within_blocks(apart, RNG(0), permutations=500) == 1 / 501
    assert np.isnan(permute_within_blocks(table[:, :1], RNG(0)))


@pytest.mark.parametrize(("x", "y"), [([], [1.0, 2.0]), ([1.0], []), ([2.0, 2.0], [2.0])])
def test_nothing_to_permute_is_nan(x, y):
    """An empty sample, and values that do not vary, have no permutation p."""
    assert np.isnan(permute_two(np.array(x), np.array(y), RNG(0)))


@pytest.mark.parametrize("case", ["equal_n8", "unequal_var", "lognormal"])
def test_bootstrap_of_two_samples_is_boots(reference, case):
    """Percentile and BCa limits lie within 5 Monte-Carlo SDs of a million resamples; the acceleration is exact."""
    x, y, results = two(reference, case)
    answers = results["bootstrap_diff_means"]
    found = bootstrap([x, y], mean_difference, RNG(0), resamples=20_000)
    large, sd = answers["large_run"], answers["sd_of_one_run"]
    assert found.value == pytest.approx(answers["estimate"])
    assert found.acceleration == pytest.approx(answers["run_seed"]["a_jack_boot_formula"], rel=1e-9)
    for ours, name in ((found.percentile, "perc"), (found.bca, "bca")):
        for value, end in zip(ours, ("low", "high"), strict=True):
            assert abs(value - large[f"{name}_{end}"]) < 5 * sd[f"{name}_{end}"], (name, end)
    assert abs(found.se - large["boot_se"]) < 5 * sd["boot_se"]


@pytest.mark.parametrize("case", ["high_corr", "n25_equiv"])
def test_bootstrap_of_pairs_is_boots(reference, case):
    """The same for the mean of paired differences."""
    frame, results = reference("a07_paired")
    wide = frame[frame["case"] == case].pivot(index="pair", columns="group", values="value")
    answers = results[case]["bootstrap_mean_diff"]
    found = bootstrap([(wide["x"] - wide["y"]).to_numpy()], mean_difference, RNG(0), resamples=20_000)
    for value, end in zip(found.bca, ("low", "high"), strict=True):
        assert abs(value - answers["large_run"][f"bca_{end}"]) < 5 * answers["sd_of_one_run"][f"bca_{end}"]


def test_bootstrap_intervals_are_of_the_confidence_asked_for():
    """The limits are the quantiles of normal theory for a mean, at 95 % by default and at 80 %, within 5 %."""
    x = stats.norm.ppf((np.arange(200) + 0.5) / 200)
    se = x.std() / np.sqrt(200)
    for level, options in ((0.95, {}), (0.8, {"confidence": 0.8})):
        found = bootstrap([x], mean_difference, RNG(0), **options)
        for limits in (found.percentile, found.bca):
            np.testing.assert_allclose(limits, np.array(stats.norm.interval(level)) * se, rtol=0.05)
        assert found.se == pytest.approx(se, rel=0.05)


def test_bootstrap_of_a_constant_is_undefined():
    """A sample that never varies has no BCa interval, and one value cannot be resampled."""
    assert np.isnan(bootstrap([np.full(5, 2.0)], mean_difference, RNG(0), resamples=100).bca).all()
    with pytest.raises(ValueError, match="two values"):
        bootstrap([np.array([1.0])], mean_difference, RNG(0))


def test_scores_of_rliable():
    """The interquartile mean is scipy's 25 % trimmed mean; improvement is U / nm; the profile counts scores above."""
    rng = RNG(6)
    x, y = rng.normal(1, 1, 12), rng.normal(size=9)
    assert interquartile_mean([x[None]])[0] == pytest.approx(stats.trim_mean(x, 0.25))
    both = np.concatenate([x, y])
    assert interquartile_mean([x[None], y[None]])[0] == pytest.approx(stats.trim_mean(both, 0.25))
    U = stats.mannwhitneyu(x, y).statistic
    assert probability_of_improvement([x[None], y[None]])[0] == pytest.approx(U / (12 * 9))
    profile = performance_profile(np.array([4.0, 1.0, np.nan, 2.0]), np.array([0.0, 2.0, 3.0, 9.0]))
    np.testing.assert_allclose(profile, [1, 1 / 3, 1 / 3, 0])
    assert np.isnan(performance_profile(np.array([np.nan]), np.array([0.0, 2.0]))).all()
