"""What is held against a claim: p values beyond a bound, by each method."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.judge.claims.evidence import Sample, by_blocks, by_sign_flips, per_seed
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
