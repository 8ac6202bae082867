"""Boundaries of sequential plans, against published tables and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.stats.boundaries import Spending, crossing, obrien_fleming, plan_looks, pocock
from bench.stats.diagnostics import wilson


@pytest.mark.parametrize(
    ("looks", "z"),
    [
        (1, [1.95996]),
        (2, [2.9626, 1.9686]),
        (3, [3.7103, 2.5114, 1.9930]),
        (4, [4.3326, 2.9631, 2.3590, 2.0141]),
        (5, [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
    ],
)
def test_obrien_fleming_boundaries_are_the_published_ones(looks: int, z: list[float]) -> None:
    """Equally spaced looks, 0.025 on each side: the boundaries that gsDesign (sfLDOF) and ldbounds print."""
    found = plan_looks(np.arange(1, looks + 1), 0.05, obrien_fleming)
    np.testing.assert_allclose(found.z, z, atol=1.5e-4)
    assert found.spent[-1] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("looks", "constant", "shape"),
    [(2, 2.178, "pocock"), (5, 2.413, "pocock"), (2, 1.977, "obrien_fleming"), (5, 2.040, "obrien_fleming")],
)
def test_classical_boundaries_spend_five_percent(looks: int, constant: float, shape: str) -> None:
    """The constants of Jennison & Turnbull (2000, tables 2.1 and 2.3) give an error of 0.05 in all looks together."""
    fraction = np.arange(1, looks + 1) / looks
    z = np.full(looks, constant) if shape == "pocock" else constant / np.sqrt(fraction)
    assert crossing(z, fraction).sum() == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize("spending", [obrien_fleming, pocock])
def test_every_look_spends_what_was_planned(spending: Spending) -> None:
    """Crossing probabilities of unequally spaced looks without an effect add up to the spending function."""
    found = plan_looks([10, 20, 40], 0.03, spending)
    np.testing.assert_allclose(np.cumsum(crossing(found.z, found.fraction)), found.spent, atol=1e-10)


def test_one_look_has_the_power_of_a_z_test() -> None:
    """With a drift and a single look, crossing is the power of the two-sided z test."""
    found = plan_looks([7])
    power = stats.norm.sf(found.z[0] - 3.0) + stats.norm.cdf(-found.z[0] - 3.0)
    assert crossing(found.z, found.fraction, 3.0)[0] == pytest.approx(power, abs=1e-12)


def test_levels_serve_t_tests() -> None:
    """Paired t tests after 10 and 20 seeds, judged by the levels of the looks, err in 5 % of comparisons in all."""
    looks = plan_looks([10, 20], 0.05, pocock)
    values = np.random.default_rng(1).normal(size=(20, 20_000))
    first = stats.ttest_1samp(values[:10], 0.0).pvalue < looks.level[0]
    second = stats.ttest_1samp(values, 0.0).pvalue < looks.level[1]
    low, high = wilson(int((first | second).sum()), 20_000, 0.999)
    assert low <= 0.05 <= high


@pytest.mark.parametrize(("seeds", "alpha"), [([], 0.05), ([10, 10], 0.05), ([0, 5], 0.05), ([5], 0.0)])
def test_impossible_plans_are_refused(seeds: list[int], alpha: float) -> None:
    """Looks without new seeds and levels that are none are errors."""
    with pytest.raises(ValueError, match=r"looks come|alpha lies"):
        plan_looks(seeds, alpha)
