"""The gate's error rates, measured by simulation on runs of full_factorial's size."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

import bench
from bench.errors import BenchError
from bench.judge.gate.calibration import REPEATS, Gated, Occasions, calibrate_gate, occasion_frame
from tests.conftest import EXPERIMENT

if TYPE_CHECKING:
    from tests.conftest import Commands, Lab

MARGINS = '\n[metrics]\nscore = { margin = 0.5 }\nloss = { margin = "10%" }\n'
DRIFT = """
OCCASION = [0]


def drift():
    return 1.0 + 0.5 * OCCASION[0] + 0.01 * random.random()
"""


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
    some = replace(gated, values=few)
    draws = np.concatenate(
        [old.reshape(-1, few.shape[1]) for old, _ in _pairs(some, np.random.default_rng(2), "normal", 2000)]
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


def occasions_of(rng: np.random.Generator, within: float, between: float, occasions: int = 3) -> Gated:
    """One metric in 16 cells by 10 seeds, which drifts from one occasion to the next; another that does not vary."""
    seeds = rng.normal(size=(10, 16))
    drift = between * rng.normal(size=(occasions, 1, 16))
    values = 10.0 + seeds + drift + within * rng.normal(size=(occasions, 10, 16))
    both = np.concatenate([values, np.broadcast_to(seeds, values.shape)], axis=2)
    names = [f"{name}" for name in ("drifts", "same") for _ in range(16)]
    return Gated(both[0], names, np.full(32, np.nan), np.zeros(32), [False] * 32, both)


def test_drift_between_occasions_raises_false_alarms() -> None:
    """What varies five times as much between occasions as within alarms nearly always; without drift, at most 5 %."""
    rng = np.random.default_rng(4)
    for between, low, high in ((0.0, 0.0, 0.08), (0.5, 0.9, 1.0)):
        rates = calibrate_gate(occasions_of(rng, 0.1, between), rng, repetitions=200, sizes=())
        rate = rates.set_index("noise")["any_alarm"]
        assert low <= rate["occasions"] <= high
        assert low <= rate[REPEATS] <= high
        assert rate["normal"] <= 0.05


def test_spread_is_taken_apart_as_it_was_put_together() -> None:
    """SDs within and between occasions come out as planted, the limits hold them, and equal bits are deterministic."""
    found = occasion_frame(occasions_of(np.random.default_rng(9), 0.1, 0.5, occasions=40)).set_index("metric")
    drifts, same = found.loc["drifts"], found.loc["same"]
    assert drifts["within"] == pytest.approx(0.01, rel=0.05)
    assert drifts["between"] == pytest.approx(0.05, rel=0.05)
    assert drifts["low"] < 0.05 < drifts["high"]
    assert list(found["deterministic"]) == [False, True]
    assert (same[["within", "between", "low", "high"]] == 0.0).all()


def test_the_component_of_variance_is_that_of_statsmodels() -> None:
    """Mean squares of occasions and of what is left are those of the two-way ANOVA without replication."""
    gated = occasions_of(np.random.default_rng(2), 0.3, 0.4, occasions=5)
    assert gated.repeats is not None
    occasions = Occasions(gated.repeats, gated.metric)
    occasion, seed = (index.ravel() for index in np.indices((5, 10)))
    table = pd.DataFrame({"y": gated.repeats[:, :, 0].ravel(), "occasion": occasion, "seed": seed})
    expected = anova_lm(ols("y ~ C(occasion) + C(seed)", table).fit())
    assert occasions.df == (4, 36)
    for own, row in zip(occasions.mean_squares, ("C(occasion)", "Residual"), strict=True):
        assert own[0] == pytest.approx(expected.loc[row, "mean_sq"])


def test_drawn_occasions_have_the_spread_that_was_found() -> None:
    """Drawn runs vary between occasions and within as the repeats do, beyond the seeds that they share."""
    gated = occasions_of(np.random.default_rng(3), 0.1, 0.5, occasions=6)
    assert gated.repeats is not None
    occasions = Occasions(gated.repeats, gated.metric)
    drawn = Occasions(occasions.draw(np.random.default_rng(0), 4000), gated.metric)
    np.testing.assert_allclose(drawn.between()[:16], occasions.between()[:16], rtol=0.06)
    np.testing.assert_allclose(drawn.mean_squares[1][:16], occasions.mean_squares[1][:16], rtol=0.06)


def test_repeats_measure_the_rate_across_occasions(lab: Lab, command: Commands) -> None:
    """Three runs of unchanged code: the rate across occasions is said where it matters, deterministic metrics named."""
    suite = lab.suite(seeds=6)
    (lab.folder / "drifting.py").write_text(
        EXPERIMENT.replace("draw.lognormvariate(0, 1)", "drift() * draw.lognormvariate(0, 1)") + DRIFT
    )
    suite.write_text(suite.read_text().replace("lab_of_a_user", "drifting") + MARGINS)
    names = []
    for number in range(3):
        if number:
            sys.modules["drifting"].OCCASION[0] = number  # type: ignore[attr-defined]
        bench.run(suite, out=lab.out, executor="serial")
        names.append((lab.out / "diets").rename(lab.out / f"repeat{number}").name)
        if number < 2:
            assert bench.calibrate_gate(names[0], repetitions=20, out=lab.out).data.keys() == {"rates"}
    once = command("calibrate", names[0], "--repetitions", 20, "--out", lab.out)[1]
    assert "within one occasion" in " ".join(once.split())
    assert "Across occasions the rate is unknown" in " ".join(once.split())
    before = bench.compare(names[1], names[0], out=lab.out)
    assert "Across occasions the rate is unknown; bench calibrate RUN RUN RUN" in before.sections[1].text[0]
    assert any(
        point.startswith("Deterministic on this machine") and "Score" in point for point in before.sections[0].points
    )
    code, out, error = command("calibrate", *names, "--repetitions", 40, "--out", lab.out)
    said = " ".join(out.split())
    assert (code, error) == (0, "")
    assert "spread between 3 repeats" in said
    assert "more than is promised" in said
    assert "Deterministic, equal bit for bit in every repeat: Score." in said
    after = bench.compare(names[0], names[1], out=lab.out).sections[1].text[0]
    assert "across occasions, by 3 repeats (bench calibrate)" in after
    assert "Error rates of this gate" in [section.title for section in bench.report(names[0], out=lab.out).sections]


def test_what_is_no_repeat_is_refused(lab: Lab) -> None:
    """A run given twice, a copy of it, other seeds or cells, and runs of other source are no repeats."""
    suite = lab.suite(seeds=4)
    bench.run(suite, out=lab.out, executor="serial")
    shutil.copytree(lab.out / "diets", lab.out / "copy")
    bench.run(lab.suite("fewer", seeds=3), out=lab.out, executor="serial")
    bench.run(lab.suite("others", seeds=4, seconds=1e-9), out=lab.out, executor="serial")
    bench.run(lab.suite("changed", seeds=4), out=lab.out, executor="serial")
    journal = next((lab.out / "changed" / "journal").iterdir())
    for name, why in (("diets", "is that run, or a copy"), ("copy", "is that run, or a copy"), ("fewer", "seeds")):
        with pytest.raises(BenchError, match=why):
            bench.calibrate_gate("diets", name, out=lab.out)
    with pytest.raises(BenchError, match="its cells, parameters or seeds are others"):
        bench.calibrate_gate("diets", "others", out=lab.out)
    assert (
        bench.calibrate_gate("diets", "changed", repetitions=20, out=lab.out).data["occasions"]["deterministic"].all()
    )
    assert journal.is_file()


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
