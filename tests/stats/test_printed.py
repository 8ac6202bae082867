"""Printed numbers: what they may stand for, and what these allow for other numbers, by hand and by brute force."""

from __future__ import annotations

from math import isnan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.stats import printed
from bench.stats.printed import exactly, read


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2.1", 2.05, 2.15),
        ("2.10", 2.095, 2.105),
        ("-17.9%", -0.1795, -0.1785),
        ("−17.9%", -0.1795, -0.1785),
        ("+5%", 0.045, 0.055),
        (".04", 0.035, 0.045),
        ("3", 2.5, 3.5),
        ("1e-3", 0.0005, 0.0015),
        ("<0.01", 0.0, 0.01),
        ("< .01", 0.0, 0.01),
        (">2", 2.0, np.inf),
        ("1.5–1.6", 1.45, 1.65),
        ("1.5 to 1.6", 1.45, 1.65),
    ],
)
def test_what_rounds_to_a_text(text: str, low: float, high: float) -> None:
    """The last printed digit is good to half a unit, wherever it stands."""
    found = read(text)
    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(high)


@pytest.mark.parametrize("text", ["", "n.s.", "1,5", "nan", "inf", "1e999", "--1", "1-2-3", "<"])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Anything else raises, rather than being read as something."""
    with pytest.raises(ValueError, match="not a"):
        read(text)


@given(st.floats(-1e6, 1e6), st.integers(0, 6))
def test_a_number_lies_within_what_its_rounding_stands_for(number: float, digits: int) -> None:
    """Whatever is rounded to text is among the values that the text stands for."""
    found = read(f"{number:.{digits}f}")
    slack = 1e-9 * max(1.0, abs(number))
    assert found.low - slack <= number <= found.high + slack


def test_the_posts_figures_by_hand() -> None:
    """With 18 degrees of freedom t = 2.1 is p = 0.0501; configuration 8 against 1 is t = 3.60 and d = 1.61."""
    p = printed.p_of_t(read("2.1"), exactly(18.0))
    assert p.value == pytest.approx(2 * stats.t.sf(2.1, 18))
    assert round(p.value, 4) == 0.0501
    assert (p.low, p.high) == pytest.approx((2 * stats.t.sf(2.15, 18), 2 * stats.t.sf(2.05, 18)))
    one, eight = (read("8.7022"), read("1.4480")), (read("6.3689"), read("1.2965"))
    sds = [printed.sample_sd(sd, 10, 0) for _, sd in (one, eight)]
    t = printed.t_of_means(one[0], sds[0], 10, eight[0], sds[1], 10, pooled=True)
    d = printed.d_of_means(one[0], sds[0], 10, eight[0], sds[1], 10)
    assert (round(t.value, 2), round(d.value, 2)) == (-3.60, -1.61)
    assert t.value == pytest.approx((6.3689 - 8.7022) / sqrt((1.448**2 + 1.2965**2) / 9))


def test_t_is_that_of_the_samples() -> None:
    """From exact means and SDs, Student's and Welch's t, degrees of freedom and p are scipy's, for unequal sizes."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=7), rng.normal(1.0, 3.0, size=12)
    summary = [(exactly(float(z.mean())), exactly(float(z.std(ddof=1))), len(z)) for z in (x, y)]
    (mean_a, sd_a, n_a), (mean_b, sd_b, n_b) = summary
    for pooled in (True, False):
        expected = stats.ttest_ind(y, x, equal_var=pooled)
        t = printed.t_of_means(mean_a, sd_a, n_a, mean_b, sd_b, n_b, pooled=pooled)
        df = exactly(n_a + n_b - 2.0) if pooled else printed.welch_df(sd_a, n_a, sd_b, n_b)
        assert t.value == pytest.approx(expected.statistic)
        assert df.value == pytest.approx(expected.df)
        assert printed.p_of_t(t, df).value == pytest.approx(expected.pvalue)


@given(st.integers(0, 10_000))
def test_ranges_hold_every_value_that_rounds_to_the_print(seed: int) -> None:
    """Whatever unrounded numbers lie behind printed ones, their t, df, p, d and change are within the ranges."""
    rng = np.random.default_rng(seed)
    n_a, n_b = (int(n) for n in rng.integers(2, 30, size=2))
    means, sds = rng.uniform(1, 3, size=2), rng.uniform(0.1, 2, size=2)
    mean_a, mean_b, sd_a, sd_b = (read(f"{number:.1f}") for number in (*means, *sds))
    exact = stats.ttest_ind_from_stats(means[1], sds[1], n_b, means[0], sds[0], n_a, equal_var=False)
    a, b = sds[0] ** 2 / n_a, sds[1] ** 2 / n_b
    df = (a + b) ** 2 / (a**2 / (n_a - 1) + b**2 / (n_b - 1))
    t = printed.t_of_means(mean_a, sd_a, n_a, mean_b, sd_b, n_b, pooled=False)
    degrees = printed.welch_df(sd_a, n_a, sd_b, n_b)
    change = printed.change_of_means(mean_a, mean_b)
    for found, value in ((t, exact.statistic), (degrees, df), (change, means[1] / means[0] - 1)):
        assert isnan(found.low) or found.low - 1e-9 <= value <= found.high + 1e-9
    p = printed.p_of_t(t, degrees)
    assert isnan(p.low) or p.low - 1e-9 <= exact.pvalue <= p.high + 1e-9


def test_a_missing_sd_follows_from_t() -> None:
    """The SD that was not printed is the one that gives the printed t; where no SD does, there is none."""
    mean_a, sd_a, mean_b = exactly(5.0), exactly(1.0), exactly(3.0)
    t = printed.t_of_means(mean_a, sd_a, 10, mean_b, exactly(1.7), 10, pooled=False)
    assert printed.missing_sd(mean_a, sd_a, 10, mean_b, 10, exactly(t.value)).value == pytest.approx(1.7)
    assert isnan(printed.missing_sd(mean_a, sd_a, 10, mean_b, 10, read("6.4")).low)  # at most 2 / sqrt(0.1) = 6.32
    bounds = printed.missing_sd(mean_a, sd_a, 10, mean_b, 10, read("6.3"))
    assert bounds.low == 0.0
    assert bounds.high == pytest.approx(sqrt(10 * ((2 / 6.25) ** 2 - 0.1)))


@pytest.mark.parametrize(("mean", "n", "possible"), [("5.19", 28, False), ("5.18", 28, True), ("3.45", 20, True)])
def test_means_of_whole_numbers(mean: str, n: int, possible: bool) -> None:
    """The GRIM test's own example: 28 whole numbers have no mean of 5.19 (145 / 28 = 5.179, 146 / 28 = 5.214)."""
    assert printed.is_mean_of_integers(read(mean), n) is possible
