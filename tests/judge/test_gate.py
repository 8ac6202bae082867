"""Verdicts on changes: their order, their error rates, and the tests behind them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats import weightstats

from bench.execute.baseline import ID, Baseline, Origin
from bench.judge.analysis import MetricOptions
from bench.judge.gate.compare import margin_on_scale
from bench.judge.gate.decide import Changes, Decisions, Moments, decide, independent, on_scale, paired
from bench.judge.gate.matched import cells_by_seed
from bench.judge.sensitivity import detectable_change, seeds_to_decide
from bench.judge.spending import look
from bench.stats.coding import Floats
from bench.stats.diagnostics import wilson
from bench.stats.power import term_power, tost_power

RAW = np.zeros(1, bool)
LOG = np.ones(1, bool)


def judged(difference: object, *, margin: float = 1.0, better: float = -1.0) -> tuple[Changes, Decisions]:
    """The changes of one metric in one cell, from zero, and the decision on them."""
    column = np.asarray(difference, float)[:, None]
    changes = paired(np.zeros_like(column), column, RAW)
    return changes, decide(changes, np.array([margin]), np.array([better]))


def verdict(difference: object, *, margin: float = 1.0, better: float = -1.0) -> tuple[str, bool, bool]:
    """Verdict, whether it is beyond the margin, and whether the gate fails."""
    _, found = judged(difference, margin=margin, better=better)
    return str(found.verdict[0]), bool(found.material[0]), bool(found.alarm[0])


NOISE = np.linspace(-0.1, 0.1, 10)


@pytest.mark.parametrize(
    ("difference", "margin", "better", "expected"),
    [
        (np.zeros(10), 1.0, -1.0, ("identical", False, False)),
        (np.full(10, 0.5), 1.0, -1.0, ("deterministic change", False, False)),
        (np.full(10, 1.5), 1.0, -1.0, ("deterministic change", True, True)),
        (np.full(10, 1.5), 1.0, 1.0, ("deterministic change", True, False)),
        (np.full(10, -1.5), 1.0, 1.0, ("deterministic change", True, True)),
        (np.full(10, 1.0), 1.0, -1.0, ("deterministic change", False, False)),
        (np.full(10, 0.5), 0.2, 1.0, ("deterministic change", True, False)),
        (np.full(10, 0.5), np.nan, 0.0, ("deterministic change", True, True)),
        (0.5 + NOISE, 1.0, -1.0, ("equivalent", False, False)),
        (0.98 + NOISE, 1.0, -1.0, ("regression", False, True)),
        (2.0 + NOISE, 1.0, -1.0, ("regression", True, True)),
        (2.0 + NOISE, 1.0, 1.0, ("improvement", True, False)),
        (2.0 + NOISE, 1.0, 0.0, ("change", True, True)),
        (100.0 * NOISE, 1.0, -1.0, ("inconclusive", False, False)),
        (NOISE, np.nan, -1.0, ("no margin", False, False)),
        (np.full(10, np.nan), 1.0, -1.0, ("not measured", False, False)),
        ([0.5], 1.0, -1.0, ("inconclusive", False, False)),
        ([0.0], 1.0, -1.0, ("identical", False, False)),
    ],
)
def test_verdicts_come_in_order(
    difference: object, margin: float, better: float, expected: tuple[str, bool, bool]
) -> None:
    """Identical before constant before equivalent before changed before undecided; only what is worse fails."""
    assert verdict(difference, margin=margin, better=better) == expected


def test_equal_up_to_rounding_is_equivalent_without_a_margin() -> None:
    """Values that differ by their last bit are not identical, and nothing is tested on rounding errors."""
    old = np.linspace(1.0, 2.0, 10)[:, None]
    found = decide(paired(old, np.nextafter(old, 3.0), RAW), np.array([np.nan]), np.array([-1.0]))
    assert (found.verdict[0], bool(found.alarm[0])) == ("equivalent", False)
    assert np.isnan(found.p[0])


def test_a_factor_is_a_constant_change_of_logarithms() -> None:
    """A metric times 1.1 on a log scale shifts by log 1.1 in every seed."""
    old = np.random.default_rng(0).lognormal(size=(10, 1))
    changes = paired(old, 1.1 * old, LOG)
    assert changes.constant[0]
    assert changes.value[0] == pytest.approx(np.log(1.1))


def test_missing_values_leave_pairs_out() -> None:
    """A pair with a missing or infinite side counts neither in n nor in the estimate; NaN to NaN is no difference."""
    old = np.array([[1.0], [2.0], [np.nan], [4.0], [np.nan]])
    new = np.array([[1.5], [2.7], [3.0], [np.inf], [np.nan]])
    changes = paired(old, new, RAW)
    assert (changes.n[0], changes.value[0]) == (2, pytest.approx(0.6))
    assert paired(old, old, RAW).same[0]
    assert not paired(np.full((3, 1), np.nan), np.full((3, 1), np.nan), RAW).same[0]


@pytest.mark.parametrize(
    ("difference", "margin", "better", "noninferior"),
    [
        (np.zeros(10), 1.0, -1.0, True),
        (np.full(10, 0.5), 1.0, -1.0, True),
        (np.full(10, 1.5), 1.0, -1.0, False),
        (np.full(10, 1.5), 1.0, 1.0, True),
        (0.5 + NOISE, 1.0, 0.0, True),
        (0.98 + NOISE, 1.0, -1.0, False),
        (3.0 + NOISE, 1.0, 1.0, True),
        (-3.0 + NOISE, 1.0, -1.0, True),
        (3.0 + NOISE, 1.0, -1.0, False),
        (3.0 + NOISE, 1.0, 0.0, False),
        (3.0 + NOISE, np.nan, 1.0, True),
        (NOISE, np.nan, 1.0, False),
        (NOISE, np.nan, 0.0, False),
        (2.0 + 60.0 * NOISE, 1.0, 1.0, True),
        (-2.0 + 60.0 * NOISE, 1.0, 1.0, False),
        (-2.0 + 60.0 * NOISE, 1.0, -1.0, True),
        (2.0 + 60.0 * NOISE, 1.0, -1.0, False),
        (2.0 + 60.0 * NOISE, 1.0, 0.0, False),
        (100.0 * NOISE, 1.0, -1.0, False),
        (np.full(10, np.nan), 1.0, -1.0, False),
    ],
)
def test_what_is_shown_to_be_no_worse(difference: object, margin: float, better: float, noninferior: bool) -> None:
    """Equal, better, or not worse by the margin; without a direction, equivalent; never without a margin to show it."""
    _, decisions = judged(difference, margin=margin, better=better)
    assert bool(decisions.noninferior[0]) is noninferior


def test_same_means_every_value() -> None:
    """One value that differs, or is missing on one side, is not the same; a sample is never."""
    old = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    new = np.array([[1.0, 1.0], [2.0, np.nan], [3.5, 3.0]])
    assert paired(old, new, np.zeros(2, bool)).same.tolist() == [False, False]
    sides = Moments.of(old[:, :1])
    assert not independent(sides, sides, RAW).same[0]


def test_moments_are_of_what_is_finite() -> None:
    """Mean, SD and number without missing or infinite values; one value has no SD, none has no mean."""
    values = np.array([[1.0, 5.0, np.nan], [2.0, np.nan, np.nan], [np.inf, np.nan, np.nan], [6.0, np.nan, np.nan]])
    found = Moments.of(values)
    np.testing.assert_allclose(found.mean, [3.0, 5.0, np.nan])
    np.testing.assert_allclose(found.sd, [np.std([1.0, 2.0, 6.0], ddof=1), np.nan, np.nan])
    assert found.n.tolist() == [3, 1, 0]


@pytest.mark.parametrize("side", ["old", "new"])
@pytest.mark.parametrize("size", [1e8, -1e8])
def test_rounding_is_that_of_the_larger_side(side: str, size: float) -> None:
    """Changes of one unit in the last place of the larger side are none, whichever it is and whatever its sign."""
    large = size + np.spacing(abs(size)) * np.arange(5.0)[:, None]
    small = np.ones((5, 1))
    old, new = (large, small) if side == "old" else (small, large)
    assert paired(old, new, RAW).constant[0]
    assert independent(Moments.of(old), Moments.of(new), RAW).constant[0]


def test_small_numbers_vary() -> None:
    """Values of 1e-20 are no rounding errors, also where some are missing."""
    values = 1e-20 * np.arange(1.0, 6.0)[:, None]
    for missing in (values, np.where(values == values[2], np.nan, values)):
        changes = paired(values, 2 * missing, RAW)
        assert not changes.constant[0]
        assert changes.se[0] > 0
    few, many = Moments.of(values[:3]), Moments.of(values)
    assert independent(few, many, RAW).n.tolist() == independent(many, few, RAW).n.tolist() == [3]


def test_logarithms_are_of_what_is_positive() -> None:
    """Nothing that is infinite, and no logarithm of zero or less, is a number on the scale of the analysis."""
    values = np.array([0.5, 0.0, -1.0, np.inf, np.nan])
    np.testing.assert_array_equal(on_scale(values, np.zeros(5, bool)), [0.5, 0.0, -1.0, np.nan, np.nan])
    np.testing.assert_array_equal(on_scale(values, np.ones(5, bool)), [np.log(0.5), *[np.nan] * 4])


def test_tests_are_those_of_the_libraries() -> None:
    """Paired and Welch t tests and intervals are SciPy's, equivalence is statsmodels', adjusted p are Holm's."""
    rng = np.random.default_rng(3)
    old, new = rng.normal(size=(10, 4)), rng.normal([0.1, 0.5, 1.0, 2.0], size=(10, 4))
    four = np.zeros(4, bool)
    for changes, test in (
        (paired(old, new, four), stats.ttest_rel(new, old)),
        (independent(Moments.of(old), Moments.of(new), four), stats.ttest_ind(new, old, equal_var=False)),
    ):
        found = decide(changes, np.full(4, 0.8), np.full(4, -1.0))
        np.testing.assert_allclose(found.p, test.pvalue)
        np.testing.assert_allclose(found.low, test.confidence_interval().low)
        np.testing.assert_allclose(found.high, test.confidence_interval().high)
        np.testing.assert_allclose(found.p_adjusted.min(), 4 * test.pvalue.min())
    for column in range(4):
        p = weightstats.ttost_ind(new[:, column], old[:, column], -0.8, 0.8, usevar="unequal")[0]
        assert found.p_equivalent[column] == pytest.approx(p)


@pytest.mark.parametrize("exponent", [-130, -90, 90, 130])
def test_no_unit_changes_the_test_of_independent_runs(exponent: int) -> None:
    """No fourth power of a standard error leaves the range of numbers."""
    old, new = np.random.default_rng(3).normal(size=(2, 10, 4))
    test = stats.ttest_ind(new, old, equal_var=False)
    changes = independent(*(Moments.of(side * 10.0**exponent) for side in (old, new)), np.zeros(4, bool))
    np.testing.assert_allclose(changes.df, test.df)


@pytest.mark.parametrize(
    ("shift", "equivalent", "regression"), [(0.0, 0.79, 0.001), (1.0, 0.05, 0.41), (2.0, 0.0, 0.99)]
)
def test_simulated_rates_are_those_of_the_specification(shift: float, equivalent: float, regression: float) -> None:
    """Ten seeds, a margin of one SD of the difference, one of 8 metrics shifted: simulated elsewhere beforehand."""
    rng = np.random.default_rng(5)
    verdicts = []
    for _ in range(1000):
        difference = rng.normal(size=(10, 8)) + np.where(np.arange(8) == 0, shift, 0.0)
        changes = paired(np.zeros((10, 8)), difference, np.zeros(8, bool))
        verdicts.append(decide(changes, np.ones(8), np.full(8, -1.0)).verdict[0])
    for name, rate in (("equivalent", equivalent), ("regression", regression)):
        low, high = wilson(verdicts.count(name), len(verdicts), 0.999)
        assert low - 0.005 <= rate <= high + 0.005


def test_an_offset_takes_no_digits_of_independent_runs() -> None:
    """Two runs without shared seeds, a trillion away: their change and its interval are those of the plain values."""
    values = np.round(np.random.default_rng(4).normal(size=(2, 6)) * 1024) / 1024

    def side(column: Floats, seeds: range, offset: float) -> Baseline:
        frame = pd.DataFrame({"a": "x", ID: "cell", "seed": seeds, "status": "ok", "loss": column + offset})
        origin = Origin(suite="s", digest="d", experiment="e", version="1", params={}, factors={"a": ["x"]},
            metrics=["loss"], updated=datetime(2020, 1, 1, tzinfo=UTC), code=[], environments=[])  # fmt: skip
        return Baseline("a run", "seeds", frame, origin)

    plain, far = (
        cells_by_seed(side(values[0], range(6), offset), side(values[1], range(6, 12), offset), {"loss": False}).changes
        for offset in (0.0, 2.0**40)
    )
    for name in ("value", "se", "df", "p"):
        np.testing.assert_allclose(getattr(far, name), getattr(plain, name), rtol=1e-12)


def test_undecided_comparisons_say_what_would_decide_them() -> None:
    """The smallest detectable change has a power of 80 %, and the seeds tell both no change and one of a margin."""
    n, tests = 10, 8
    se = 2.0 / np.sqrt(n)
    change = detectable_change(se, n - 1, tests)
    assert term_power(change / 2.0, n, alpha=0.05 / tests) == pytest.approx(0.8, abs=1e-6)
    seeds = int(seeds_to_decide(2.0, 1.5, tests))
    powers = [
        (tost_power(1.5, 0.0, 2.0, k), float(term_power(0.75, k, alpha=0.05 / tests))) for k in (seeds - 1, seeds)
    ]
    assert min(powers[0]) < 0.8 <= min(powers[1])
    assert np.isnan(seeds_to_decide(2.0, float("nan"), tests))
    assert seeds_to_decide(1.0, 1e-9, tests) == np.inf


@pytest.mark.parametrize("mean", [40.0, -40.0])
@pytest.mark.parametrize(
    ("rule", "on_log", "expected"),
    [
        (MetricOptions("m", margin=0.3), False, 0.3),
        (MetricOptions("m", margin=0.05, relative=True), False, 2.0),
        (MetricOptions("m", margin=0.05, log=True), False, 2.0),
        (MetricOptions("m", margin=0.05, log=True), True, np.log(1.05)),
        (MetricOptions("m"), False, np.nan),
        (MetricOptions("m", log=True), True, np.nan),
    ],
)
def test_a_margin_in_percent_is_of_the_size_of_the_mean(
    rule: MetricOptions, on_log: bool, expected: float, mean: float
) -> None:
    """A margin is positive whatever the sign of the baseline's mean; there is none of a mean of 0."""
    assert margin_on_scale(rule, on_log=on_log, old_mean=mean) == pytest.approx(expected, nan_ok=True)
    if rule.margin is not None and expected == 2.0:
        assert np.isnan(margin_on_scale(rule, on_log=False, old_mean=0.0))


def test_two_looks_keep_the_error_of_one() -> None:
    """A family of 8 looked at after 10 and, where undecided, after 20 seeds errs in at most 5 % of comparisons."""
    rng = np.random.default_rng(11)
    first, second = look(10, 10, 10), look(10, 10, 20)
    assert first.alpha + second.alpha == pytest.approx(0.05)
    assert look(10, None, 20).alpha == 0.05
    alarms, runs = 0, 1500
    for _ in range(runs):
        values = rng.normal(size=(20, 8))
        for now, seeds in ((first, 10), (second, 20)):
            changes = paired(np.zeros((seeds, 8)), values[:seeds], np.zeros(8, bool))
            if decide(changes, np.full(8, np.nan), np.zeros(8), now.alpha).alarm.any():
                alarms += 1
                break
    assert wilson(alarms, runs, 0.999)[0] <= 0.05
    assert alarms > 0.02 * runs
