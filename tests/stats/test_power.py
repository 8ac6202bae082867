"""Power and sample size against R's power.t.test, pwr and simulation."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.stats.power import (
    f_power,
    runs_for,
    seeds_for,
    smallest_effect,
    term_power,
    tost_power,
)

ANSWERS = json.loads((Path(__file__).parents[1] / "reference/stats/a18_power.json").read_text())["results"]


def rows(key):
    found = ANSWERS[key]
    return found["rows"] if isinstance(found, dict) else found


def power_of(row, n):
    if row["type"] == "two.sample":
        return f_power(row["d"] ** 2 * n / 2, 1, 2 * n - 2, row["alpha"])
    return term_power(row["d"], n, 1, row["alpha"])


def two_sided(key):
    return [row for row in rows(key) if row["alternative"] == "two.sided"]


def test_power_of_t_is_that_of_r():
    """Power of paired, one-sample and two-sample t agrees with power.t.test(strict = TRUE)."""
    found = [power_of(row, row["n"]) for row in two_sided("t_power")]
    np.testing.assert_allclose(found, [row["power_strict_true"] for row in two_sided("t_power")], atol=1e-8)


def test_sample_sizes_are_those_of_r():
    """The n that reaches a power, and the effect that n detects, agree with R's root finding."""
    for row in two_sided("t_n"):
        n = runs_for(lambda n, row=row: float(power_of(row, n)), row["power"])
        np.testing.assert_allclose(n, row["n_exact"], rtol=1e-6)
    for row in two_sided("t_n"):
        if row["type"] != "two.sample":
            np.testing.assert_allclose(seeds_for(row["d"], power=row["power"]), row["n_exact"], rtol=1e-6)


def test_power_of_f_is_that_of_r():
    """Power of one-way ANOVA, of regression terms and of a 2^k effect agree with R."""
    for row in rows("anova_power"):
        n = row["k"] * row["n_per_group"]
        found = f_power(row["cohen_f"] ** 2 * n, row["k"] - 1, n - row["k"], row["alpha"])
        np.testing.assert_allclose(found, row["power"], atol=1e-8)
    for row in rows("f2"):
        np.testing.assert_allclose(f_power(row["lambda"], row["u"], row["v"], row["alpha"]), row["power"], atol=1e-8)
    for row in rows("factorial_2k"):
        np.testing.assert_allclose(f_power(row["ncp"], 1, row["df_error"], row["alpha"]), row["power"], atol=1e-8)


@pytest.mark.parametrize(("tests", "d_z"), [(1, 1.00), (15, 1.58), (120, 2.10)])
def test_smallest_detectable_effect_of_ten_seeds(tests, d_z):
    """Ten seeds detect 1.00, 1.58 and 2.10 SDs with power 0.8 in families of 1, 15 and 120."""
    assert smallest_effect(10, tests) == pytest.approx(d_z, abs=0.01)
    assert term_power(d_z, 10) == term_power(d_z, 10, 1, 0.05)
    assert seeds_for(smallest_effect(10, tests), tests) == pytest.approx(10.0, rel=1e-6)


def test_the_level_is_5_percent_unless_told_otherwise():
    """Every power has the default level 0.05, and grows with the level."""
    powers = [
        lambda *alpha: term_power(0.8, 10, 1, *alpha),
        lambda *alpha: f_power(4.0, 2, 9, *alpha),
        lambda *alpha: tost_power(1.5, 0.1, 1.0, 10, *alpha),
    ]
    for power in powers:
        assert power() == power(0.05) < power(0.1)


def test_two_seeds_are_the_fewest_that_detect_anything():
    """Two seeds detect what has power 0.8 at one degree of freedom; one seed detects nothing."""
    assert float(term_power(smallest_effect(2), 2)) == pytest.approx(0.8)
    assert np.isnan(smallest_effect(1))
    assert seeds_for(0.0) == np.inf
    assert seeds_for(-0.9) == seeds_for(0.9)
    assert seeds_for(1e3) == 2.0


@pytest.mark.parametrize(("margin", "sd", "n"), [(0.0, 1.0, 9), (1.0, 0.0, 9), (1.0, 1.0, 1)])
def test_equivalence_without_margin_spread_or_seeds_is_refused(margin, sd, n):
    """Power of two one-sided tests needs a positive margin and SD, and two seeds."""
    with pytest.raises(ValueError, match="needs n >= 2"):
        tost_power(margin, 0.0, sd, n)


@pytest.mark.parametrize("true", [0.0, 0.5])
def test_power_of_equivalence_is_the_simulated_one(true):
    """Power of two one-sided tests lies within the binomial error of 40,000 simulated experiments."""
    from scipy import stats

    rng = np.random.default_rng(8)
    L = rng.normal(true, 1.0, size=(40_000, 10))
    half = stats.t.ppf(0.95, 9) * L.std(axis=1, ddof=1) / np.sqrt(10)
    inside = (np.abs(L.mean(axis=1)) + half < 1.0).mean()
    expected = tost_power(1.0, true, 1.0, 10)
    assert abs(inside - expected) < 4 * np.sqrt(expected * (1 - expected) / 40_000)


@pytest.mark.parametrize("d_z", [1e3, 1e6, 1e12, 1e16])
def test_an_effect_that_hardly_varies_takes_two_seeds(d_z: float) -> None:
    """However large an effect is in SDs, its power is 1 and two seeds find it, also among many tests."""
    assert term_power(d_z, 4) == pytest.approx(1.0)
    assert seeds_for(d_z, 1) == pytest.approx(2.0, abs=0.5)
    assert 2.0 <= seeds_for(d_z, 1000) < 5.0
