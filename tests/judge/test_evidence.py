"""What is held against a claim: p values beyond a bound, by each method."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.judge.claims.cases import Case
from bench.judge.claims.evidence import Sample, by_blocks, by_sign_flips, estimate_lines, per_seed, weigh_lines
from bench.judge.claims.verdicts import judge_claims
from bench.plan.claims import Claim, Comparison, Expect
from bench.plan.kinds import TwoLines
from bench.plan.lookup import Lookup
from bench.plan.source import Faults, parse
from bench.stats.contrast import randomized_blocks

TABLE = np.random.default_rng(5).normal([0.0, 0.4, 0.1], size=(9, 3)) + np.arange(9)[:, None]
WEIGHTS = np.array([[-1.0, 1.0, 0.0], [0.5, 0.5, -1.0]])
DIFFERENCES = TABLE @ WEIGHTS.T


@pytest.mark.parametrize("bound", [-0.3, 0.0, 0.8])
@pytest.mark.parametrize("direction", [1, -1])
def test_a_bound_is_what_a_comparison_must_exceed(bound: float, direction: int) -> None:
    """Each method gives the one-sided p that a comparison lies beyond the bound in a direction."""
    sample = Sample(TABLE, WEIGHTS, None)
    side = "greater" if direction > 0 else "less"
    alone = stats.ttest_1samp(DIFFERENCES, bound, alternative=side).pvalue
    np.testing.assert_allclose(per_seed(sample, bound, direction), alone)
    model = randomized_blocks(TABLE, WEIGHTS)
    t = direction * (model.value - bound) / model.se
    np.testing.assert_allclose(by_blocks(sample, bound, direction), stats.t.sf(t, model.df))
    mean = DIFFERENCES.mean(axis=0) - bound
    flipped = stats.permutation_test(
        (DIFFERENCES - bound,), np.mean, permutation_type="samples", n_resamples=np.inf, axis=0
    ).pvalue
    expected = np.where(direction * mean > 0, flipped / 2, 1 - flipped / 2)
    np.testing.assert_allclose(by_sign_flips(sample, bound, direction), expected)


def test_the_size_of_a_comparison_is_that_of_its_largest_values() -> None:
    """What rounding can explain grows with the largest value of each cell that is compared, whatever its sign."""
    table = np.array([[1.0, -2.0, 9.0], [3.0, np.nan, 9.0], [-4.0, 1.0, 9.0]])
    np.testing.assert_array_equal(Sample(table, np.array([[-1.0, 1.0, 0.0]]), None).magnitude, [6.0])


DOSES = np.arange(7.0)


def two_lines(expect: Expect = "u_shape") -> tuple[Claim, np.ndarray]:
    """A claim along DOSES, and the weights of its comparisons."""
    names = Lookup(Faults(parse(Path("suite.toml"), "")), {"dose": {dose: dose for dose in DOSES.tolist()}})
    comparisons = TwoLines(two_lines="dose").compared(names)
    weights = [[dict(zip(_doses(c), c.weights, strict=True)).get(dose, 0.0) for dose in DOSES] for c in comparisons]
    return Claim("u", "It is a U.", "value", "two_lines", comparisons, expect), np.array(weights)


def _doses(comparison: Comparison) -> list[object]:
    return [region["dose"] for region in comparison.regions]


def noisy(means: np.ndarray, seed: int, n: int = 20) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return means + rng.normal(size=(n, 1)) + rng.normal(scale=0.5, size=(n, len(means)))


def test_two_lines_are_chosen_on_half_of_the_seeds_and_tested_on_the_others() -> None:
    """By numpy's polyfit of each seed and scipy's t: the break of the least doubtful weaker line, tested elsewhere."""
    claim, weights = two_lines()
    table = noisy(np.abs(DOSES - 2.0), seed=3)
    table[5, 0] = np.nan  # seed 5 is left out, and the others keep their half
    slopes = {
        at: np.array([[-np.polyfit(DOSES[: at + 1], row[: at + 1], 1)[0], np.polyfit(DOSES[at:], row[at:], 1)[0]]
                      for row in table if np.isfinite(row).all()])
        for at in range(1, 6)
    }  # fmt: skip
    even = np.delete(np.arange(20), 5) % 2 == 0

    def p(of: np.ndarray, side: str = "greater") -> np.ndarray:
        return np.asarray(stats.ttest_1samp(of, 0, alternative=side).pvalue)

    at = min(slopes, key=lambda at: p(slopes[at][even]).max())
    assert at == 2
    found = weigh_lines(claim, Sample(table, weights, None))
    assert found.support == pytest.approx(2 * p(slopes[at][~even]).max())
    assert found.refute == pytest.approx(min(1, 4 * max(p(slopes[at], "less").min() for at in slopes)))
    estimate = estimate_lines(claim, Sample(table, weights, None), 0.95)
    weaker = slopes[at][~even][:, 0] * 2  # the shorter line, over its range
    assert estimate["estimate"] == pytest.approx(weaker.mean())
    assert estimate["n"] == 9
    assert estimate["detail"].startswith(f"fall {weaker.mean():.3g} up to dose 2.0, rise ")


@pytest.mark.parametrize("scale", ["identity", "log"])
def test_the_two_lines_are_those_of_the_seeds_that_test_them(scale: Literal["identity", "log"]) -> None:
    """By numpy's polyfit and scipy's t: fitted values at the levels of both lines, their changes, means of levels."""
    claim = replace(two_lines()[0], scale=scale)
    table = noisy(np.abs(DOSES - 2.0), seed=3)
    runs = [{"dose": dose, "seed": seed, "value": value} for seed, row in enumerate(table)
            for dose, value in zip(DOSES.tolist(), np.exp(row) if scale == "log" else row, strict=True)]  # fmt: skip
    runs += [{"dose": 99.0, "seed": seed, "value": np.nan} for seed in range(len(table))]  # no level of the claim
    lines = judge_claims(pd.DataFrame(runs), ["dose"], [claim]).lines
    unit = np.exp if scale == "log" else np.asarray
    assert set(lines["scale"]) == {"ratio" if scale == "log" else "difference"}
    for number, levels in ((1, [0, 1, 2]), (2, [2, 3, 4, 5, 6])):
        own, tested = lines[lines["line"] == number], table[1::2][:, levels]
        assert own["dose"].tolist() == levels
        np.testing.assert_allclose(own["mean"], unit(tested.mean(axis=0)))
        slope, start = np.polyfit(levels, tested.mean(axis=0), 1)
        np.testing.assert_allclose(own["fitted"], unit(start + slope * np.array(levels)))
        changes = stats.ttest_1samp([np.polyfit(levels, row, 1)[0] * (levels[-1] - levels[0]) for row in tested], 0)
        low, high = changes.confidence_interval()
        expected = unit(np.array([slope * (levels[-1] - levels[0]), low, high]))
        np.testing.assert_allclose(own[["change", "low", "high"]].iloc[0].to_numpy(float), expected)
        assert set(own["n"]) == {10}


@pytest.mark.parametrize(
    ("means", "u_shape", "inverted_u"),
    [
        (np.abs(DOSES - 3), "support", "refute"),
        (-np.abs(DOSES - 3), "refute", "support"),
        (DOSES, "refute", "refute"),
        (0 * DOSES, "", ""),
        (np.maximum(DOSES - 3, 0), "", "refute"),
    ],
)
def test_a_shape_is_told_from_its_contrary_and_from_a_line(means: np.ndarray, u_shape: str, inverted_u: str) -> None:
    """A line is no U either way; nothing, and what is flat up to a level, stay open."""
    for expect, decided in (("u_shape", u_shape), ("inverted_u", inverted_u)):
        claim, weights = two_lines(expect)  # type: ignore[arg-type]
        found = weigh_lines(claim, Case(claim, noisy(means, seed=1), weights).sample)
        assert {name for name in ("support", "refute") if getattr(found, name) < 0.01} == {decided} - {""}


def test_a_fall_below_the_margin_makes_no_u() -> None:
    """What is flat and then rises is no U if a fall as large as the margin is excluded."""
    claim, weights = two_lines()
    table = noisy(np.maximum(DOSES - 3, 0), seed=1)
    assert weigh_lines(claim, Sample(table, weights, 0.1)).refute > 0.05
    assert weigh_lines(claim, Sample(table, weights, 1.5)).refute < 0.01


def test_a_flat_line_makes_a_u_no_oftener_than_its_error() -> None:
    """Chosen on one half and tested on the other, a curve that is flat and then rises is a U in 2.5 % of samples."""
    claim, weights = two_lines()
    p = [
        weigh_lines(claim, Sample(noisy(np.maximum(DOSES - 3, 0), seed), weights, None)).support for seed in range(600)
    ]
    assert np.mean(np.array(p) <= 0.05) < 0.025 + 3 * np.sqrt(0.025 * 0.975 / 600)
