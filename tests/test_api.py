"""The Python API: the same numbers as the commands, and an import that costs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import bench
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.present.report import Report
    from tests.conftest import Lab


def test_importing_bench_imports_nothing_of_weight() -> None:
    """``import bench`` brings in no third-party package at all."""
    code = (
        "import sys, bench; print(sorted({'numpy', 'pandas', 'pydantic', 'rich', 'typer', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_run_returns_what_load_returns(lab: Lab) -> None:
    """``run`` returns the tidy frame that ``load`` reads back, with ordered factors and one row a run and metric."""
    frame = bench.run(lab.suite(seeds=3), out=lab.out, executor="serial")
    pd.testing.assert_frame_equal(frame, bench.load("diets", out=lab.out))
    assert list(frame["dose"].cat.categories) == [0.0, 1.0]
    assert frame["dose"].cat.ordered
    assert len(frame) == 2 * 2 * 3 * 2


def test_wide_and_long_hold_the_same_values(lab: Lab) -> None:
    """A pivot of the long frame is the wide one."""
    bench.run(lab.suite(seeds=3), out=lab.out, executor="serial")
    wide = bench.load("diets", wide=True, out=lab.out).set_index("run").sort_index()
    pivoted = bench.load("diets", out=lab.out).pivot_table("value", "run", "metric", observed=True)
    for metric in ("score", "loss"):
        pd.testing.assert_series_equal(wide[metric], pivoted[metric], check_names=False)


def test_seeds_may_be_a_count_a_list_or_text(lab: Lab) -> None:
    """A count, the seeds themselves and the command line's text name the same seeds."""
    suite = lab.suite()
    assert bench.check(suite, seeds=3).seeds == bench.check(suite, seeds=[0, 1, 2]).seeds == (0, 1, 2)
    assert bench.check(suite, seeds="0-2").seeds == bench.check(suite, seeds="3").seeds == (0, 1, 2)


def test_fresh_starts_anew(lab: Lab) -> None:
    """``fresh`` leaves nothing stored, and the earlier results lie beside the new ones."""
    suite = lab.suite(seeds=2)
    bench.run(suite, out=lab.out, executor="serial")
    assert bench.forecast(suite, out=lab.out).to_run == 0
    assert bench.forecast(suite, out=lab.out, fresh=True).to_run == 8
    bench.run(suite, out=lab.out, executor="serial", fresh=True)
    assert len(bench.runs(lab.out)) == 2


@pytest.mark.usefixtures("sketched")
def test_report_and_analyze_agree(lab: Lab) -> None:
    """The report's effects are those that ``analyze`` finds in the exported table."""
    bench.run(lab.suite(seeds=5), out=lab.out, executor="serial")
    report = bench.report("diets", out=lab.out)
    found = bench.analyze(bench.load("diets", wide=True, out=lab.out), ["dose", "diet"], "seed", ["score"])
    shown = report.data["contrasts"].query("metric == 'score'")["estimate"]
    assert shown.tolist() == found.contrasts["estimate"].tolist()
    assert report._repr_html_().startswith("<div")


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("all_values", [True, False])
def test_values_of_runs_that_are_not_ok_are_not_analysed(
    wild: tuple[Path, Report], *, wide: bool, all_values: bool
) -> None:
    """However a run is loaded, ``analyze`` finds what its report finds, and counts the runs that it leaves out."""
    out, report = wild
    shown = report.data["contrasts"].query("metric == 'score'")
    frame = bench.load("wild", wide=wide, all_values=all_values, out=out)
    values = frame["score" if wide else "value"]
    assert values[frame["status"] == "diverged"].notna().all() == all_values
    assert values[frame["status"] == "ok"].notna().all()
    found = bench.analyze(frame, ["dose", "diet"], "seed", ["score"])
    assert shown["estimate"].tolist() == found.contrasts["estimate"].tolist()
    assert found.notes[0].startswith("Of 20 runs, 4 are not ok by their status (4 diverged)")


def test_progress_counts_up_to_all_jobs(lab: Lab) -> None:
    """The last word of ``progress`` is that all jobs are stored and none has failed."""
    said: list[tuple[float, int, int, int]] = []
    bench.run(lab.suite(seeds=2), out=lab.out, executor="serial", progress=lambda *state: said.append(state))
    assert said[-1] == (8.0, 8, 8, 0)


def test_a_nested_suite_that_extends_another_runs_and_reports(lab: Lab) -> None:
    """Nested and inherited, a suite is stored as the cells that it meant, and its report says how to finish it."""
    lab.suite(seeds=3)
    suite = lab.folder / "nested.toml"
    sweep = 'trouble = { levels = ["none", "nan"], under = { diet = "rich" } }'
    suite.write_text(f'name = "nested"\nextends = "diets.toml"\n[params]\nseconds = 0\n[factors]\n{sweep}\n')
    text = (lab.folder / "diets.toml").read_text().replace('trouble = "none"\n', "")
    (lab.folder / "diets.toml").write_text(text)
    bench.run(suite, out=lab.out, executor="serial")
    wide = bench.load("nested", wide=True, out=lab.out)
    assert len(wide) == 3 * 2 * 3
    assert set(wide.loc[wide["diet"] == "plain", "trouble"]) == {"none"}
    assert "nested: 6 cells × 3 seeds" in str(bench.report("nested", out=lab.out))
    assert '# name = "diets"' in (lab.out / "nested" / "suite.toml").read_text()
    assert bench.forecast(suite, out=lab.out).to_run == 0


def test_no_run_is_a_clear_error(lab: Lab) -> None:
    """Where there is no run, the error says how to start one."""
    with pytest.raises(BenchError, match="bench run SUITE"):
        bench.load(out=lab.out)


@pytest.mark.parametrize(
    ("factor", "said"), [("loss", "9:1: loss is the name of"), ("value", "9:1: value is the name of")]
)
def test_columns_of_a_table_have_one_meaning(lab: Lab, lab_folder: Path, factor: str, said: str) -> None:
    """A factor called like a metric or like a column of every table is refused before anything is run."""
    module = lab.folder / f"lab_with_{factor}.py"
    source = (lab_folder / "lab_of_a_user.py").read_text()
    module.write_text(source.replace("dose: float", f"{factor}: float").replace("p.dose", f"p.{factor}"))
    suite = lab.suite("clashing")
    suite.write_text(suite.read_text().replace("lab_of_a_user", module.stem).replace("dose", factor))
    with pytest.raises(BenchError, match=said):
        bench.run(suite, out=lab.out, executor="serial")


def test_a_function_runs_as_a_suite_names_it(lab: Lab) -> None:
    """A decorated function beside the suite is run by workers and stored like any experiment."""
    (lab.folder / "hurried.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\nimport bench\n"
        "@dataclass(frozen=True)\nclass Params:\n    x: float = 0.0\n"
        "@bench.function(metrics=['loss'])\n"
        "def train(params: Params, seed):\n    return {'loss': params.x + seed}\n"
    )
    suite = lab.folder / "hurried.toml"
    suite.write_text('name = "hurried"\nexperiment = "hurried:train"\nseeds = 2\n[factors]\nx = [0.0, 10.0]\n')
    frame = bench.run(suite, out=lab.out, workers=1)
    assert frame["value"].tolist() == [0.0, 10.0, 1.0, 11.0]
