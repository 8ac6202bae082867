"""The error rates of the procedures, by simulation."""

import numpy as np
import pytest

from bench.stats.calibration import calibrate
from bench.stats.scenarios import SCENARIOS


@pytest.fixture(scope="module")
def rates():
    return calibrate(np.random.default_rng(7), repetitions=800).set_index(["scenario", "procedure"])


def test_family_wise_error_is_controlled_wherever_it_is_claimed(rates):
    """In every scenario that the contrast per seed claims, its family-wise error is 0.05 within Monte-Carlo error."""
    claimed = rates[rates["claims"]]
    assert set(claimed.index.get_level_values("scenario")) == {s.name for s in SCENARIOS if s.claimed}
    assert claimed["holds"].all(), claimed[~claimed["holds"]]


def test_single_tests_keep_their_level_and_intervals_cover(rates):
    """One effect is rejected at most 5 % of the time within Monte-Carlo error, so 95 % intervals cover."""
    claimed = rates[rates["claims"]]
    assert (claimed["rejected_low"] <= 0.05).all()
    assert (claimed["covered_high"] >= 0.95).all()


def test_the_table_shows_where_others_fail(rates):
    """An effect that varies by seed breaks the block ANOVA, and runs taken as independent lose all power to seeds."""
    assert rates.loc[("effect varies by seed", "block ANOVA"), "rejected_low"] > 0.2
    assert rates.loc[("seed effects", "runs taken as independent"), "rejected_high"] < 0.02
    raw = rates.loc["multiplicative, raw scale"]
    assert not raw["holds"].any()
    assert not raw["claims"].any()
