"""Two runs side by side: what differs is shown, what is in one only stays, and nothing is tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import bench
from bench.experiment import Metric
from bench.present.beside import _survivors
from bench.present.render import terminal
from bench.present.study import Context

if TYPE_CHECKING:
    from tests.conftest import Lab


def test_two_runs_stand_side_by_side(lab: Lab) -> None:
    """Every effect and cell of both has a row with the numbers of each, and their seeds are said to differ."""
    for name, seeds in (("few", 4), ("many", 6)):
        bench.run(lab.suite(name, seeds=seeds), out=lab.out, executor="serial")
    report = bench.beside("few", "many", out=lab.out)
    for name, side in (("few", "a"), ("many", "b")):
        alone = bench.report(name, out=lab.out).data["contrasts"]
        assert report.data["effects"][f"estimate_{side}"].tolist() == alone["estimate"].tolist()
    shown = terminal.render(report, width=200)
    assert "few (A) beside many (B)" in shown
    assert "Nothing here tests A against B" in shown
    differing = next(section for section in report.sections if section.title == "What differs")
    assert "Seeds: 0 to 3 → 0 to 5" in differing.points


def test_survivors_are_sorted_by_run(lab: Lab) -> None:
    """What survives in both runs, and what in one of them only, opens the report: each effect in one list."""
    for name, seeds in (("few", 2), ("many", 8)):
        bench.run(lab.suite(name, seeds=seeds), out=lab.out, executor="serial")
    report = bench.beside("few", "many", out=lab.out)
    effects = report.data["effects"]
    in_a, in_b = effects["p_adjusted_a"] < 0.05, effects["p_adjusted_b"] < 0.05
    listed = {name: text.count(" on ") for name, text in report.sections[0].facts.items() if "survive" in name}
    assert listed == {
        "Effects that survive in both": (in_a & in_b).sum(),
        "Effects that survive only in B": (in_b & ~in_a).sum(),
    }
    assert (in_b & ~in_a).any()


def test_opposite_effects_do_not_agree() -> None:
    """An effect that survives in both runs with different signs, or that one run cannot test, is said to be so."""
    effects = pd.DataFrame(
        {"metric": "loss", "effect": ["a", "b", "c"], "scale": ["difference", "ratio", "difference"]}
    )
    for run, estimates in {"a": [3.0, 0.5, 1.0], "b": [-3.0, 0.6, np.nan]}.items():
        effects[f"estimate_{run}"] = estimates
        effects[f"p_adjusted_{run}"] = np.where(np.isnan(estimates), np.nan, 0.01)
    found = dict(_survivors(effects, Context({}, [Metric("loss", "Loss")])))
    assert found == {
        "Effects that survive in both": "b on Loss.",
        "Effects that survive in both, in opposite directions": "a on Loss.",
        "Effects that survive in one, and are not tested in the other": "c on Loss.",
    }


def test_what_one_run_lacks_is_missing(lab: Lab) -> None:
    """A level that only one of the runs has keeps its row, with dashes on the other side."""
    bench.run(lab.suite("two"), out=lab.out, executor="serial")
    suite = lab.suite("three")
    suite.write_text(suite.read_text().replace("[0.0, 1.0]", "[0.0, 2.0]"))
    bench.run(suite, out=lab.out, executor="serial")
    cells = bench.beside("two", "three", out=lab.out).data["cells"].set_index("cell")
    assert cells.loc["1.0/rich", "mean_b"].isna().all()
    assert cells.loc["2.0/rich", "mean_a"].isna().all()
    assert cells.loc["0.0/rich", ["mean_a", "mean_b"]].notna().to_numpy().all()


def test_a_run_without_results_is_said_to_have_none(lab: Lab) -> None:
    """Beside a run in which everything failed there is nothing to compare, and its state says so."""
    bench.run(lab.suite("fine", seeds=2), out=lab.out, executor="serial")
    bench.run(lab.suite("dead", seeds="[1]", trouble="fails"), out=lab.out, executor="serial")
    shown = terminal.render(bench.beside("fine", "dead", out=lab.out))
    assert "nothing to compare" in shown
    assert "of 4 runs, 0 are ok, 4 failed" in shown
