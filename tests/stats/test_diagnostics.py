"""Diagnostics and ratios: against R, scipy and textbooks."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.stats.diagnostics import (
    bimodality,
    levene,
    normal_shares,
    odd_seeds,
    seed_autocorrelation,
    shapiro,
    variation_class,
    wilson,
)
from bench.stats.pairs import Cells
from bench.stats.ratio import ratio_of_means, ratios_of_pairs

RNG = np.random.default_rng


@pytest.mark.parametrize("name", ["a08_oneway_hetero_k4", "a09_oneway_balanced_k6", "a10_plantgrowth", "a11_chickwts"])
def test_homogeneity_tests_are_those_of_r(reference, name):
    """Brown-Forsythe and Shapiro agree with R."""
    frame, results = reference(name)
    samples = [group.to_numpy() for _, group in frame.groupby("group")["value"]]
    found, expected = levene(samples), results["levene_median"]
    np.testing.assert_allclose((found.statistic, found.p), (expected["statistic"], expected["p"]), rtol=1e-9)
    residuals = (frame["value"] - frame.groupby("group")["value"].transform("mean")).to_numpy()
    expected = results["shapiro_residuals"]
    found = shapiro(residuals)
    np.testing.assert_allclose((found.statistic, found.p), (expected["statistic"], expected["p"]), rtol=1e-7)


@pytest.mark.parametrize("check", [shapiro, lambda x: levene([x, x])])
@pytest.mark.parametrize("values", [np.full(6, 2.0), np.array([1.0]), np.array([])])
def test_nothing_to_diagnose_is_nan(check, values):
    """Constant, single or absent values give NaN without a warning."""
    assert np.isnan(check(values).p)


def test_single_runs_and_constant_cells_leave_the_other_cells_to_compare():
    """A cell of one run does not count; a constant cell beside one that varies is compared."""
    x, y, constant = np.array([1.0, 2.0, 4.0, 7.0]), np.array([3.0, 3.5, 4.5, 4.0]), np.full(4, 2.0)
    assert levene([x, y, np.array([9.0])]) == levene([x, y])
    assert np.isnan(levene([x, np.array([9.0])]).p)
    assert levene([x, constant]).p == pytest.approx(stats.levene(x, constant).pvalue)


@pytest.mark.parametrize(("n", "tested"), [(3, False), (4, True), (5000, True), (5001, False)])
def test_normality_is_tested_of_four_to_5000_values(n, tested):
    """Beyond the range of Shapiro and Wilk there is no p; the unit does not matter."""
    values = RNG(9).normal(size=n)
    assert np.isfinite(shapiro(values).p) == tested
    assert np.isfinite(shapiro(1e-25 * values).p) == tested


def test_collapsed_runs_are_found():
    """A sample in two clumps is called bimodal where it splits; a normal one is not."""
    rng = RNG(1)
    clumps = np.concatenate([rng.normal(0, 0.1, 3), rng.normal(4, 0.3, 7)])
    found = bimodality(clumps, normal_shares(10, rng))
    assert found.p < 0.01
    assert found.n_low == 3
    assert 0.5 < found.threshold < 3.0
    assert bimodality(stats.norm.ppf((np.arange(10) + 0.5) / 10), normal_shares(10, rng)).p > 0.3
    two_constants = bimodality(np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]), normal_shares(6, rng))
    assert two_constants.separation == np.inf


def test_a_split_by_hand():
    """Two groups of three about 1 and 11: cut at 6, ten apart at an SD of root 2/3, 4 of 154 squares left within."""
    shares = np.array([0.01, 4 / 154, 0.5, 0.9])
    found = bimodality(np.array([11.0, 0.0, 1.0, 12.0, 2.0, 10.0]), shares)
    assert (found.threshold, found.n_low) == (6.0, 3)
    assert found.separation == pytest.approx(10 / np.sqrt(2 / 3))
    assert found.p == (1 + 2) / (4 + 1)


def test_five_values_are_the_fewest_that_split():
    """Four values, and none, are not divided; five are, and the simulated shares come in the number asked for."""
    rng = RNG(7)
    assert np.isnan(bimodality(np.array([0.0, 1.0, 2.0, 9.0]), normal_shares(4, rng)).p)
    assert len(normal_shares(4, rng)) == 0
    shares = normal_shares(5, rng, draws=99)
    assert shares.shape == (99,)
    assert ((shares > 0) & (shares < 1)).all()
    assert 1 / 100 <= bimodality(np.array([0.0, 1.0, 2.0, 9.0, 10.0]), shares).p <= 1


def test_bimodality_alarms_at_its_level():
    """Among normal samples the alarm rate at 0.1 is within binomial error of 0.1."""
    rng = RNG(2)
    shares = normal_shares(10, rng, draws=999)
    alarms = sum(bimodality(rng.normal(size=10), shares).p <= 0.1 for _ in range(300))
    assert stats.binomtest(alarms, 300, 0.1).pvalue > 0.001


def test_an_odd_seed_stands_out():
    """A seed whose every cell is shifted is far from the median of seeds, also with cells missing."""
    table = RNG(3).normal(size=(9, 6)) * 0.1
    table[4] += 3.0
    table[2, :3] = np.nan
    distance = odd_seeds(table)
    assert np.abs(distance).argmax() == 4
    assert distance[4] > 3.5
    assert np.isnan(odd_seeds(np.ones((4, 2)))).all()
    assert np.isnan(odd_seeds(np.full((3, 2), np.nan))).all()


def test_the_distance_of_seeds_is_in_robust_sds():
    """Means of the deviations from each cell's mean, from their median, over the normal-consistent MAD of scipy."""
    table = RNG(8).normal(size=(7, 3)) + np.array([0.0, 5.0, -3.0])
    table[1, 2] = table[4, 0] = np.nan
    means = pd.DataFrame(table).pipe(lambda t: t - t.mean()).mean(axis=1).to_numpy()
    expected = (means - np.median(means)) / stats.median_abs_deviation(means, scale="normal")
    np.testing.assert_allclose(odd_seeds(table), expected, rtol=1e-5)
    alone = np.vstack([table, np.full(3, np.nan)])
    np.testing.assert_allclose(odd_seeds(alone), [*expected, np.nan], rtol=1e-5)


def test_drift_over_seeds_is_found():
    """A trend over the seeds gives a positive autocorrelation with a small p; white noise does not on average."""
    assert seed_autocorrelation(np.arange(20.0)).p < 1e-4
    by_hand = seed_autocorrelation(np.array([1.0, 2.0, np.nan, 3.0, 4.0]))
    assert by_hand.statistic == pytest.approx(1.25 / 5)
    assert by_hand.p == pytest.approx(2 * stats.norm.cdf((3 / 5 - 2) / np.sqrt(4 * 2 / 15)))
    assert np.isnan(seed_autocorrelation(np.array([1.0, 2.0, 4.0])).p)
    rng = RNG(4)
    rejected = sum(seed_autocorrelation(rng.normal(size=20)).p < 0.05 for _ in range(400))
    assert stats.binomtest(rejected, 400, 0.05).pvalue > 0.001


def test_classes_of_variation_and_shares():
    """Classes start at 15, 30 and 50 %, as in the published post; Wilson's limits are the textbook ones."""
    classes = [variation_class(cv) for cv in (0.149, 0.15, 0.299, 0.3, 0.499, 0.5, 9.0, np.nan)]
    assert classes == ["robust", "moderate", "moderate", "high", "high", "volatile", "volatile", ""]
    np.testing.assert_allclose(wilson(2, 10), (0.0566822, 0.5098375), rtol=1e-5)
    assert np.isnan(wilson(0, 0)).all()


def test_fiellers_interval_is_that_of_the_paired_t():
    """A ratio is a limit exactly where the paired t of x - ratio * y is at its critical value."""
    rng = RNG(5)
    y = rng.normal(10, 1, 9)
    x = 1.3 * y + rng.normal(0, 0.5, 9)
    found = ratio_of_means(x[:, None], y[:, None])
    ratio, low, high = found.value[0], found.low[0], found.high[0]
    assert low < ratio < high
    assert ratio == pytest.approx(x.mean() / y.mean())
    for limit in (low, high):
        assert stats.ttest_1samp(x - limit * y, 0.0).pvalue == pytest.approx(0.05, rel=1e-9)
    near_zero = rng.normal(0, 1, 9)
    unbounded = ratio_of_means(x[:, None], (near_zero - near_zero.mean() + 0.01)[:, None])
    assert np.isnan([unbounded.low, unbounded.high]).all()
    y[0] = np.nan
    without = ratio_of_means(x[:, None], y[:, None])
    assert without.value[0] == pytest.approx(x[1:].mean() / y[1:].mean())


def ratio_of_samples(x, y):
    cell = np.repeat([0, 1], [len(x), len(y)])
    found = ratios_of_pairs(Cells.of(np.concatenate([x, y]), cell, None, 2), np.array([0]), np.array([1]))
    return found.value[0], found.low[0], found.high[0]


def test_fiellers_interval_of_independent_samples_is_welchs():
    """A limit is where Welch's t of x and ratio * y is critical, with the degrees of freedom at the estimate."""
    rng = RNG(6)
    x, y = rng.normal(12, 3, 9), rng.normal(10, 1, 6)
    ratio, low, high = ratio_of_samples(x, y)
    df = stats.ttest_ind(x, ratio * y, equal_var=False).df
    for limit in (low, high):
        t = stats.ttest_ind(x, limit * y, equal_var=False).statistic
        assert abs(t) == pytest.approx(stats.t.ppf(0.975, df), rel=1e-9)
    assert np.isnan(ratio_of_samples(x[:1], y)[0])
    assert np.isnan(ratio_of_samples(x, y[:1])[0])
    assert np.isfinite(ratio_of_samples(x[:2], y[:2])[0])
    assert np.isnan(ratio_of_samples(x, y - y)[0])
    np.testing.assert_array_equal(ratio_of_samples(np.full(4, 3.0), np.full(5, 2.0)), (1.5, np.nan, np.nan))


def test_two_runs_a_cell_say_nothing_of_equal_spread():
    """Two values lie equally far from their median, so that no test of spread is left, and nothing warns."""
    pairs = [np.array([0.1, 0.5]), np.array([3.0, 7.7]), np.array([-1.0, 2.3])]
    assert np.isnan(levene(pairs).p)
    assert np.isfinite(levene([*pairs, np.array([0.0, 1.0, 5.0])]).p)
