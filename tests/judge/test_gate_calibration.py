"""The gate's error rates, measured by simulation on runs of full_factorial's size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import bench
from bench.errors import BenchError
from bench.judge.gate.calibration import Gated, calibrate_gate

if TYPE_CHECKING:
    from tests.conftest import Commands, Lab


@pytest.fixture(scope="module")
def gated() -> Gated:
    """8 metrics in 16 cells, 10 seeds that cells share in part; the margin is one SD of the difference of two runs."""
    rng = np.random.default_rng(8)
    seeds = np.repeat(rng.normal(size=(10, 8)), 16, axis=1)
    values = seeds + rng.normal(size=(10, 128))
    margin = np.sqrt(2.0) * values.std(axis=0, ddof=1)
    return Gated(values, [f"m{number}" for number in range(8) for _ in range(16)], margin, np.full(128, -1.0))


def test_false_alarms_are_rare_and_two_margins_are_found(gated: Gated) -> None:
    """Over 500 comparisons of 128 tests a false alarm has a probability of at most 5 %; two margins are found."""
    rates = calibrate_gate(gated, np.random.default_rng(1), repetitions=500, sizes=(2.0,))
    nothing = rates[rates["size"] == 0.0]
    assert set(nothing["noise"]) == {"normal", "resampled"}
    assert (nothing["any_alarm_high"] <= 0.05).all()
    planted = rates[rates["size"] == 2.0]
    assert len(planted) == 8
    assert (planted["any_alarm"] >= 0.95).all()
    assert (planted["equivalent"] < 0.01).all()


def test_planted_changes_are_for_the_worse(gated: Gated) -> None:
    """Where higher is better the planted change is downwards; else nothing would be an alarm."""
    upwards = Gated(gated.values, gated.metric, gated.margin, -gated.better)
    rates = calibrate_gate(upwards, np.random.default_rng(1), repetitions=50, sizes=(3.0,))
    assert (rates.loc[rates["size"] == 3.0, "any_alarm"] == 1.0).all()


def test_simulated_runs_have_the_covariances_of_the_run(gated: Gated) -> None:
    """Draws have the means of the run, and its covariances over seeds, to within Monte-Carlo error."""
    from bench.judge.gate.calibration import _pairs

    few = gated.values[:, ::40]
    draws = np.concatenate(
        [old.reshape(-1, few.shape[1]) for old, _ in _pairs(few, np.random.default_rng(2), "normal", 2000)]
    )
    np.testing.assert_allclose(draws.mean(axis=0), few.mean(axis=0), atol=0.06)
    np.testing.assert_allclose(np.cov(draws.T), np.cov(few.T), atol=0.12)


def test_the_command_measures_stores_and_shows(lab: Lab, command: Commands) -> None:
    """``bench calibrate RUN`` prints the rates, keeps them, and the report and the comparison of the run show them."""
    bench.run(lab.suite(seeds=6), out=lab.out, executor="serial")
    bench.accept("diets", out=lab.out)
    code, out, _ = command("calibrate", lab.folder / "diets.toml", "--repetitions", 20, "--out", lab.out)
    assert code == 0
    assert "False alarms where nothing is planted" in out
    titles = [section.title for section in bench.report("diets", out=lab.out).sections]
    assert "Error rates of this gate" in titles
    assert "Error rates of this gate" in [part.title for part in bench.compare("diets", out=lab.out).sections]
    bench.run(lab.folder / "diets.toml", seeds=7, out=lab.out, executor="serial")
    assert "Error rates of this gate" not in [part.title for part in bench.report("diets", out=lab.out).sections]


def test_what_cannot_be_calibrated_is_refused(lab: Lab, command: Commands, tmp_path: Path) -> None:
    """Two seeds are too few, a damaged file of rates is named, and the command needs exactly one thing to calibrate."""
    bench.run(lab.suite(seeds=2), out=lab.out, executor="serial")
    with pytest.raises(BenchError, match="cannot tell how values vary"):
        bench.calibrate_gate("diets", out=lab.out)
    (lab.out / "diets" / "calibration.json").write_text("{}")
    with pytest.raises(BenchError, match="damaged"):
        bench.report("diets", out=lab.out)
    assert command("calibrate")[0] == 2
    assert command("calibrate", "diets", "--procedure", "--out", lab.out)[0] == 2
