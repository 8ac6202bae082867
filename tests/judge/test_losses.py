"""Lost runs: which factors they depend on, and what they leave of effects, against counting by hand and simulation."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bench
from bench.errors import BenchError
from bench.judge.analysis import MetricOptions, analyze
from bench.present.build import analyzed
from bench.stats.loss_test import loss_test


def table(seeds=8, seed=0):
    """Three learning rates by two optimisers; half of the runs at 0.1 lost."""
    rows = itertools.product(range(seeds), ("0.001", "0.01", "0.1"), ("sgd", "adam"))
    frame = pd.DataFrame(rows, columns=["seed", "lr", "opt"])
    rng = np.random.default_rng(seed)
    frame["y"] = (0.5 + 0.1 * rng.normal(size=len(frame))).clip(0.01, 0.99)
    gone = (frame["lr"] == "0.1") & (frame["seed"] % 2 == 0)
    return frame.assign(y=frame["y"].mask(gone))


def test_two_levels_have_the_sign_test_of_discordant_pairs():
    """With two levels the permutation is McNemar's exact test on the strata that lost one of two."""
    rng = np.random.default_rng(1)
    lost = np.array([[1, 0]] * 2 + [[0, 1]] * 9 + [[1, 1]] * 3 + [[0, 0]] * 6, dtype=bool)
    stratum, level = np.divmod(np.arange(lost.size), 2)
    p = loss_test(lost.reshape(-1), level, stratum, rng, permutations=100_000)
    assert p == pytest.approx(stats.binomtest(2, 11).pvalue, abs=0.004)


def test_strata_of_unequal_size_are_permuted_within():
    """A single stratum of 3 and 5 runs with 2 lost has the two-sided p of the hypergeometric distribution."""
    lost = np.array([1, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
    level = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    p = loss_test(lost, level, np.zeros(8, dtype=np.int64), np.random.default_rng(2), permutations=100_000)
    count = stats.hypergeom(8, 3, 2)
    sizes = (np.arange(3) - 2 * 3 / 8) ** 2
    assert p == pytest.approx(count.pmf(np.arange(3))[sizes >= sizes[2] - 1e-12].sum(), abs=0.005)


@pytest.mark.parametrize("levels", [3, 5, 8])
def test_null_rate_of_losses(levels):
    """Runs lost at random, at rates that differ by seed: not clearly more than 5 % of 300 tables are rejected."""
    rng = np.random.default_rng(3)
    stratum, level = np.divmod(np.arange(10 * levels), levels)
    rejected = 0
    for _ in range(300):
        lost = rng.random(len(stratum)) < rng.uniform(0.1, 0.6, size=10)[stratum]
        rejected += loss_test(lost, level, stratum, rng, permutations=1_000) <= 0.05
    assert stats.binomtest(rejected, 300, 0.05, alternative="greater").pvalue > 0.001


def test_lost_runs_are_counted_by_factor_and_said():
    """Half the runs at 0.1: counted by level, attributed to lr and not to opt, and named in the verdict."""
    analysis = analyze(table(), ["lr", "opt"], "seed", ["y"])
    losses = analysis.losses.set_index(["factor", "level"])
    assert losses.loc["lr", ["lost", "runs"]].to_numpy().tolist() == [[0, 16], [0, 16], [8, 16]]
    assert losses.loc[("lr", "0.1"), "p_adjusted"] < 0.01
    assert np.isnan(losses.loc[("opt", "sgd"), "p"])  # both are lost, or neither
    assert set(analysis.contrasts["lost"]) == {8}
    said = analyzed(analysis, "runs.csv").sections[0].facts["Lost runs"]
    assert said.startswith("y: 8 of 48 runs have no value, more at some levels than at others of lr")
    assert "estimated from the survivors" in said
    assert "From the survivors: 8 runs lost their values." in str(analyzed(analysis, "runs.csv"))


def test_a_range_bounds_what_lost_runs_could_change():
    """The bounds are the estimates with all lost runs at either end of the range."""
    frame = table()
    options = [MetricOptions("y", better="higher", range=(0.0, 1.0))]
    survivors = analyze(frame, ["lr", "opt"], "seed", options).survivors.set_index(["b", "a"])
    for end, bound, limit in ((0.0, "bound_low", "low"), (1.0, "bound_high", "high")):
        means = frame.assign(y=frame["y"].fillna(end)).pivot_table(index="seed", columns="lr", values="y")
        change = stats.ttest_1samp(means["0.1"] - means["0.01"], 0.0)
        interval = change.confidence_interval()
        row = survivors.loc[("0.01", "0.1")]
        assert row[bound] == pytest.approx((means["0.1"] - means["0.01"]).mean())
        assert row[limit] == pytest.approx(getattr(interval, limit))
    exact = survivors.loc[("0.001", "0.01")]
    assert exact["bound_low"] == pytest.approx(exact["bound_high"])


def test_bounds_of_a_log_scale_are_ratios():
    """With a range above 0 they are ratios; one that reaches 0, or values outside, gives none and says why."""
    rows = {}
    for ends in ((0.001, 1.0), (0.0, 1.0), (0.6, 1.0)):
        options = [MetricOptions("y", log=True, range=ends)]
        rows[ends] = (
            analyze(table(), ["lr", "opt"], "seed", options).survivors.set_index(["b", "a"]).loc[("0.01", "0.1")]
        )
    assert 0 < rows[0.001, 1.0]["bound_low"] < 0.5
    assert rows[0.001, 1.0]["bound_high"] > 1
    assert rows[0.0, 1.0]["reason"] == "the range of a log scale must be above 0"
    assert rows[0.6, 1.0]["reason"] == "values lie outside the range 0.6 to 1"


def test_without_a_range_lost_runs_rank_worst():
    """Seeds in which 0.1 was lost count as worse than 0.01, the others by their values; binomial over seeds."""
    frame = table()
    survivors = analyze(frame, ["lr"], "seed", [MetricOptions("y", better="higher")]).survivors
    row = survivors.set_index(["b", "a"]).loc[("0.01", "0.1")]
    one = frame[frame["opt"] == "sgd"]
    single = analyze(one, ["lr"], "seed", [MetricOptions("y", better="higher")]).survivors.set_index(["b", "a"])
    cells = one.pivot(index="seed", columns="lr", values="y").fillna(-np.inf)
    worse, better = int((cells["0.1"] < cells["0.01"]).sum()), int((cells["0.1"] > cells["0.01"]).sum())
    found = single.loc[("0.01", "0.1")]
    assert (found["worse"], found["better"], found["tied"]) == (worse, better, 0)
    assert found["p"] == pytest.approx(stats.binomtest(better, worse + better).pvalue)
    assert row["worse"] >= 4
    lower = analyze(one, ["lr"], "seed", [MetricOptions("y", better="lower")]).survivors.set_index(["b", "a"])
    assert lower.loc[("0.01", "0.1"), "worse"] >= 4


def test_runs_without_an_outcome_are_not_lost():
    """Runs that are missing, failed or lost with their worker are no losses; those that diverged are."""
    frame = table()
    lost = frame["y"].isna()
    for status, count in (("diverged", 8), ("missing", 0), ("failed", 0)):
        found = analyze(frame.assign(status=np.where(lost, status, "ok")), ["lr", "opt"], "seed", ["y"])
        assert found.losses["lost"].sum() == 2 * count


@pytest.mark.parametrize("status", [None, "ok"])
def test_a_metric_that_does_not_exist_at_a_level_is_not_lost_there(status):
    """What no run of a level has, though none diverged, is no loss and no run of the count; what diverged is."""
    frame = table()
    frame["y"] = frame["y"].mask(frame["opt"] == "adam")
    frame = frame if status is None else frame.assign(status=status)
    analysis = analyze(frame, ["lr", "opt"], "seed", ["y"])
    losses = analysis.losses.set_index(["factor", "level"])
    assert losses.loc["lr", ["lost", "runs"]].to_numpy().tolist() == [[0, 8], [0, 8], [4, 8]]
    assert losses.loc[("opt", "adam"), "runs"] == 0
    assert set(analysis.contrasts["lost"]) == {4}
    assert "opt = adam has no values" in " ".join(analysis.lost)
    whole = table().assign(y=0.5 + np.arange(48) % 7)
    whole["y"] = whole["y"].mask(whole["opt"] == "adam")
    assert analyze(whole, ["lr", "opt"], "seed", ["y"]).losses.empty
    whole["status"] = np.where(whole["opt"] == "adam", "diverged", "ok")
    assert analyze(whole, ["lr", "opt"], "seed", ["y"]).losses["lost"].sum() == 48


def test_without_losses_there_is_nothing_to_say():
    """A whole table has neither frame nor words on losses."""
    analysis = analyze(table().assign(y=0.5 + np.arange(48) % 7), ["lr", "opt"], "seed", ["y"])
    assert analysis.losses.empty
    assert analysis.survivors.empty
    assert "survivors" not in str(analyzed(analysis, "runs.csv"))


def test_a_range_is_two_rising_numbers():
    """The API takes a pair or text; others are refused by name."""
    found = bench.analyze(table(), ["lr"], "seed", ["y"], ranges={"y": "0,1"})
    assert found.metrics[0].range == (0.0, 1.0)
    for wrong in ((1, 0), "0", "a,b", (0, 1, 2)):
        with pytest.raises(BenchError, match="range"):
            bench.analyze(table(), ["lr"], "seed", ["y"], ranges={"y": wrong})
    with pytest.raises(BenchError, match="'z'"):
        bench.analyze(table(), ["lr"], "seed", ["y"], ranges={"z": (0, 1)})
