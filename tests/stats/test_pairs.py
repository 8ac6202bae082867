"""Two samples, independent or paired, against R."""

import numpy as np
import pytest

from bench.stats.equivalence import tost
from bench.stats.pairs import Cells, compare_pairs

TWO = ["equal_n8", "unequal_var", "tiny", "near_margin", "ties", "lognormal", "one_constant", "separated"]
TWO += ["toothgrowth_supp", "sleep_unpaired"]
PAIRED = ["sleep", "high_corr", "n25_equiv", "n5", "n60", "ties_zeros"]


def two(reference, case):
    frame, results = reference("a06_two_sample")
    chosen = frame[frame["case"] == case]
    x, y = (chosen.loc[chosen["group"] == group, "value"].to_numpy(float) for group in "xy")
    return x, y, results[case]


def pairs(reference, case):
    frame, results = reference("a07_paired")
    wide = frame[frame["case"] == case].pivot(index="pair", columns="group", values="value")
    return wide["x"].to_numpy(float), wide["y"].to_numpy(float), results[case]


def compared(x, y, *, paired):
    cell = np.repeat([0, 1], [len(x), len(y)])
    block = np.concatenate([np.arange(len(x)), np.arange(len(y))]) if paired else None
    cells = Cells.of(np.concatenate([x, y]), cell, block, 2)
    return compare_pairs(cells, np.array([0]), np.array([1])).iloc[0]


@pytest.mark.parametrize("case", TWO)
def test_t_tests_and_effect_sizes_are_those_of_r(reference, case):
    """Welch, d, g (exact J) and their noncentral limits, and d_av agree with R."""
    x, y, answers = two(reference, case)
    row = compared(x, y, paired=False)
    welch = answers["welch_t"]
    np.testing.assert_allclose(
        row[["diff", "t", "df", "p_welch", "low", "high"]].astype(float),
        [answers["diff_means"], *(welch[key] for key in ("statistic", "df", "p", "ci_low", "ci_high"))],
        rtol=1e-9,
    )
    sizes = answers["effect_sizes"]
    for ours, theirs in (("d", "d_pooled"), ("g", "g_pooled")):
        expected = [sizes[theirs][key] for key in ("estimate", "ci_low", "ci_high")]
        np.testing.assert_allclose(
            row[[ours, f"{ours}_low", f"{ours}_high"]].astype(float), expected, rtol=1e-8, atol=1e-7
        )
    np.testing.assert_allclose(row["d_av"], sizes["d_avg_variance"]["estimate"], rtol=1e-9)


@pytest.mark.parametrize("case", PAIRED)
def test_paired_statistics_are_those_of_r(reference, case):
    """The paired t, d_z with noncentral limits, g_z and d_av agree with R."""
    x, y, answers = pairs(reference, case)
    row = compared(x, y, paired=True)
    np.testing.assert_allclose(row["t_paired"], answers["paired_t"]["statistic"], rtol=1e-9)
    np.testing.assert_allclose(row["p_paired"], answers["paired_t"]["p"], rtol=1e-9)
    interval = [answers["paired_t"][key] for key in ("estimate", "ci_low", "ci_high")]
    np.testing.assert_allclose(row[["diff_paired", "low_paired", "high_paired"]].astype(float), interval, rtol=1e-9)
    sizes = answers["effect_sizes"]
    expected = [sizes["d_z"][key] for key in ("estimate", "ci_low", "ci_high")]
    np.testing.assert_allclose(row[["d_z", "d_z_low", "d_z_high"]].astype(float), expected, rtol=1e-8, atol=1e-7)
    np.testing.assert_allclose(row["g_z"], sizes["g_z"]["estimate"], rtol=1e-9)
    np.testing.assert_allclose(row["d_av"], sizes["d_av"], rtol=1e-9)


@pytest.mark.parametrize("case", TWO)
def test_equivalence_of_two_samples_is_that_of_r(reference, case):
    """Both one-sided p and the 90 % interval agree with R's one-sided t tests, Welch and Student."""
    x, y, answers = two(reference, case)
    row = compared(x, y, paired=False)
    for block in answers["tost"]:
        expected = block["welch"]
        found = tost(row["diff"], row["diff"] / row["t"], row["df"], block["margin"])
        ours = (found.p_lower, found.p_upper, found.p, found.low, found.high)
        theirs = [expected[key] for key in ("p_lower", "p_upper", "p_tost", "ci90_low", "ci90_high")]
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize("case", PAIRED)
def test_paired_equivalence_is_that_of_r(reference, case):
    """The same for the differences of pairs."""
    x, y, answers = pairs(reference, case)
    d = x - y
    for expected in answers["tost"]:
        found = tost(d.mean(), d.std(ddof=1) / np.sqrt(len(d)), len(d) - 1, expected["margin"])
        ours, theirs = (found.p_lower, found.p_upper, found.p), [expected[k] for k in ("p_lower", "p_upper", "p_tost")]
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_no_standard_error_is_no_equivalence():
    """An estimate whose standard error is zero or missing is not shown to be equivalent, and its neighbour is."""
    found = tost([0.1, 0.1, 0.1], [0.0, np.nan, 0.1], 9, 1.0)
    np.testing.assert_array_equal(np.isnan(found.p), [True, True, False])
    np.testing.assert_array_equal(np.isnan(found.low), [True, True, False])


def test_a_margin_must_be_positive():
    """A margin of zero would make equivalence impossible to show and is refused."""
    with pytest.raises(ValueError, match="positive"):
        tost(0.0, 1.0, 9, 0.0)
