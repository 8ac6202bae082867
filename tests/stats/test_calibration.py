"""The error rates of the procedures, by simulation."""

import numpy as np
import pytest

from bench.stats.anova import fit_anova
from bench.stats.calibration import _anova, calibrate
from bench.stats.coding import terms_up_to
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


def test_every_rate_counts_all_the_repetitions(rates):
    """All 800 tables are judged, but a tenth of those with lost runs; a covered truth is one that is not rejected."""
    regression = ["regression" in procedure for _, procedure in rates.index]
    np.testing.assert_array_equal(rates["repetitions"], np.where(regression, 80, 800))
    np.testing.assert_allclose(rates["covered"], 1 - rates["rejected"])
    assert (rates["rejected_low"] <= rates["rejected"]).all()
    assert (rates["any_rejected_low"] <= rates["any_rejected"]).all()
    assert (rates["any_rejected"] <= rates["any_rejected_high"]).all()


@pytest.mark.parametrize("block", [True, False])
def test_the_quick_anova_is_the_anova(block):
    """The p values of many complete tables at once are those of each table's fitted model."""
    codes = np.array([(a, b) for a in range(2) for b in range(2)])
    values = np.random.default_rng(3).normal(size=(3, 5, 4)) + 0.5 * codes[:, 0]
    signs = 2 * codes - 1
    columns = np.column_stack([signs, signs.prod(axis=1)])
    found = _anova(values, (values @ columns / 2).mean(axis=1), block=block)
    seed = np.repeat(np.arange(5), 4) if block else None
    for table, p in zip(values, found, strict=True):
        rows = fit_anova(table.reshape(-1), np.tile(codes, (5, 1)), [2, 2], terms_up_to(2, 2), seed).tests()
        np.testing.assert_allclose(p, [row.p for row in rows if row.term is not None], rtol=1e-9)
