"""Printed numbers: what they may stand for, and what these allow for other numbers, by hand and by brute force."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, sqrt

import numpy as np
import pingouin
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.audit import intervals
from bench.audit.intervals import UNKNOWN, Sample, exactly
from bench.audit.intervals import read_figure as read


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
    p = intervals.p_of_t(read("2.1"), exactly(18.0))
    assert p.value == pytest.approx(2 * stats.t.sf(2.1, 18))
    assert round(p.value, 4) == 0.0501
    assert (p.low, p.high) == pytest.approx((2 * stats.t.sf(2.15, 18), 2 * stats.t.sf(2.05, 18)))
    one = Sample("1", 10, read("8.7022"), read("1.4480")).with_sample_sd(0)
    eight = Sample("8", 10, read("6.3689"), read("1.2965")).with_sample_sd(0)
    t, d = intervals.t_of_means(one, eight, pooled=True), intervals.d_of_means(one, eight)
    assert (round(t.value, 2), round(d.value, 2)) == (-3.60, -1.61)
    assert t.value == pytest.approx((6.3689 - 8.7022) / sqrt((1.448**2 + 1.2965**2) / 9))


def test_t_is_that_of_the_samples() -> None:
    """From exact means and SDs, Student's and Welch's t, degrees of freedom and p are scipy's, for unequal sizes."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=7), rng.normal(1.0, 3.0, size=12)
    a, b = (Sample("", len(z), exactly(float(z.mean())), exactly(float(z.std(ddof=1)))) for z in (x, y))
    for pooled in (True, False):
        expected = stats.ttest_ind(y, x, equal_var=pooled)
        t = intervals.t_of_means(a, b, pooled=pooled)
        df = exactly(len(x) + len(y) - 2.0) if pooled else intervals.welch_df(a, b)
        assert t.value == pytest.approx(expected.statistic)
        assert df.value == pytest.approx(expected.df)
        assert intervals.p_of_t(t, df).value == pytest.approx(expected.pvalue)
    assert intervals.d_of_means(a, b).value == pytest.approx(pingouin.compute_effsize(y, x, eftype="cohen"))
    difference = y.mean() - x.mean()
    variance, sd = (x.var(ddof=1) + y.var(ddof=1)) / 2, (x.std(ddof=1) + y.std(ddof=1)) / 2
    assert intervals.d_of_average_variance(a, b).value == pytest.approx(difference / sqrt(variance))
    assert intervals.d_of_average_sd(a, b).value == pytest.approx(difference / sd)


@given(st.integers(0, 10_000), st.integers(0, 3), st.booleans())
def test_ranges_hold_every_value_that_rounds_to_the_print(seed: int, digits: int, pooled: bool) -> None:
    """Whatever unrounded numbers lie behind printed ones, their t, df, p, d and change are within the ranges.

    Also where an SD is printed as 0.0 or 0, and d where nothing but t and the sizes is known.
    """
    rng = np.random.default_rng(seed)
    n = [int(each) for each in rng.integers(2, 30, size=2)]
    means, sds = rng.uniform(1, 3, size=2) * rng.choice([-1, 1]), rng.uniform(0.01, 2, size=2)
    a, b = (
        Sample("", *each).with_sample_sd(1)
        for each in zip(
            n, [read(f"{x:.{digits}f}") for x in means], [read(f"{x:.{digits}f}") for x in sds], strict=True
        )
    )
    exact = stats.ttest_ind_from_stats(means[1], sds[1], n[1], means[0], sds[0], n[0], equal_var=pooled)
    shares = sds**2 / n
    welch = shares.sum() ** 2 / (shares**2 / (np.array(n) - 1)).sum()
    t, degrees = intervals.t_of_means(a, b, pooled=pooled), intervals.welch_df(a, b)
    d = (means[1] - means[0]) / sqrt(((n[0] - 1) * sds[0] ** 2 + (n[1] - 1) * sds[1] ** 2) / (sum(n) - 2))
    d_average = (means[1] - means[0]) / sqrt((sds**2).mean())
    ranges = [
        (t, exact.statistic),
        (degrees, welch),
        (intervals.p_of_t(t, exactly(sum(n) - 2.0) if pooled else degrees), exact.pvalue),
        (intervals.change_of_means(a, b), (means[1] - means[0]) / abs(means[0])),
        (intervals.d_of_means(a, b), d),
        (intervals.d_of_average_variance(a, b), d_average),
        (intervals.d_of_average_sd(a, b), (means[1] - means[0]) / sds.mean()),
        (intervals.d_of_t(exactly(exact.statistic), a, b, pooled=pooled), d),
        *([] if pooled else [(intervals.d_of_t(exactly(exact.statistic), a, b, pooled=False), d_average)]),
    ]
    for found, value in ranges:
        assert isnan(found.low) or found.overlaps(exactly(value))
    sd = intervals.missing_sd(a, b, exactly(exact.statistic), pooled=pooled)
    assert sd.overlaps(exactly(sds[1]))


def test_nothing_overlaps_what_is_beyond_it() -> None:
    """A bound to one side has no slack: ">2" is not 1.9, and "<0.01" is not 0.0101, however small a number."""
    assert read(">2").overlaps(exactly(2.5))
    assert not read(">2").overlaps(exactly(1.9))
    assert not read("<0.01").overlaps(exactly(0.0101))
    assert not read("<1e-12").overlaps(exactly(1e-10))


@pytest.mark.parametrize("pooled", [True, False])
def test_a_missing_sd_follows_from_t(pooled: bool) -> None:
    """The SD that was not printed is the one that gives the printed t, for unequal sizes too."""
    a, b = Sample("", 10, exactly(5.0), exactly(1.0)), Sample("", 16, exactly(3.0), exactly(1.7))
    t = intervals.t_of_means(a, b, pooled=pooled)
    assert intervals.missing_sd(a, replace(b, sd=UNKNOWN), t, pooled=pooled).value == pytest.approx(1.7)


def test_where_no_sd_gives_t_there_is_none() -> None:
    """Means 2 apart, one SD of 1 and ten values each allow at most 2 / sqrt(0.1) = 6.32."""
    a, b = Sample("", 10, exactly(5.0), exactly(1.0)), Sample("", 10, exactly(3.0))
    assert isnan(intervals.missing_sd(a, b, read("6.4"), pooled=True).low)
    bounds = intervals.missing_sd(a, b, read("6.3"), pooled=False)
    assert bounds.low == 0.0
    assert bounds.high == pytest.approx(sqrt(10 * ((2 / 6.25) ** 2 - 0.1)))


@pytest.mark.parametrize(("mean", "n", "possible"), [("5.19", 28, False), ("5.18", 28, True), ("3.45", 20, True)])
def test_means_of_whole_numbers(mean: str, n: int, possible: bool) -> None:
    """The GRIM test's own example: 28 whole numbers have no mean of 5.19 (145 / 28 = 5.179, 146 / 28 = 5.214)."""
    assert intervals.is_mean_of_integers(Sample("", n, read(mean))) is possible
