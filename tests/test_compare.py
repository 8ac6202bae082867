"""``bench compare`` and ``bench baseline accept``: verdicts, formats and exit codes as a user and a CI meet them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

import bench
from bench.errors import BenchError, Exit
from bench.execute import baseline
from bench.execute.inventory import find
from bench.judge.analysis import MetricOptions
from bench.judge.gate.compare import compare
from bench.present import compared
from bench.present.render import github, junit, markdown

if TYPE_CHECKING:
    from tests.conftest import Commands, Lab

MARGINS = '\n[metrics]\nscore = { margin = 0.5 }\nloss = { margin = "10%" }\n'


def accepted(lab: Lab, *, seeds: object = 8, margins: str = MARGINS) -> Path:
    """The baseline of a finished run of a suite with margins."""
    suite = lab.suite(seeds=seeds)
    suite.write_text(suite.read_text() + margins)
    bench.run(suite, out=lab.out, executor="serial")
    return bench.accept("diets", out=lab.out)


def plant(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change what was accepted and seal it again, as if the code had given other numbers then."""
    text = change(pd.read_csv(path)).to_csv(index=False, lineterminator="\n")
    path.write_text(text)
    manifest = path.with_suffix(".json")
    stored = json.loads(manifest.read_text())
    stored["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    manifest.write_text(json.dumps(stored))


def wobble(frame: pd.DataFrame, shift: float, *, where: str = "dose >= 0") -> pd.DataFrame:
    """Scores lower by ``shift``, a little more or less from seed to seed."""
    rows = frame.query(where).index
    lower = shift * (1 + 0.01 * (frame.loc[rows, "seed"] - 3.5))
    return frame.assign(score=frame["score"].sub(lower, fill_value=0.0))


def test_a_report_holds_its_run_against_the_baseline(lab: Lab) -> None:
    """The verdict says how the run compares with what was accepted, also where seeds are inherited; or why not."""
    path = accepted(lab)
    assert (
        bench.report("diets", out=lab.out).sections[0].facts["Baseline: passed"].startswith(f"Compared with {path}. ")
    )
    heir = lab.folder / "heir.toml"
    heir.write_text('name = "diets"\nextends = "diets.toml"\n')
    bench.run(heir, out=lab.out, executor="serial")
    assert "Baseline: passed" in bench.report("diets", out=lab.out).sections[0].facts
    path.write_text("what?")
    assert "cannot be compared" in bench.report("diets", out=lab.out).sections[0].facts["Baseline"]


def test_the_same_numbers_are_identical(lab: Lab) -> None:
    """A run compared with itself is identical everywhere, by its file, its name and its folder."""
    path = accepted(lab)
    for given in (None, path, "diets", lab.out / "diets"):
        report = bench.compare("diets", given, out=lab.out)
        assert (report.outcome, report.exit_code) == ("passed", Exit.OK)
        assert set(report.data["changes"]["verdict"]) == {"identical"}


@pytest.mark.parametrize(
    ("shift", "outcome", "code"),
    [(0.001, "passed", Exit.OK), (-2.0, "regression", Exit.REGRESSION), (2.0, "passed", Exit.OK)],
)
def test_the_direction_decides(lab: Lab, shift: float, outcome: str, code: Exit) -> None:
    """Of a score that should be high, a little is equivalent, what was higher before is a regression, lower is not."""
    plant(accepted(lab), lambda frame: wobble(frame, shift))
    report = bench.compare("diets", out=lab.out)
    assert (report.outcome, report.exit_code) == (outcome, code)


def test_a_regression_names_metric_and_cells(lab: Lab) -> None:
    """A planted regression in the cells of one dose is told with its metric and these cells, and no others."""
    plant(accepted(lab), lambda frame: wobble(frame, -2.0, where="dose == 1"))
    report = bench.compare("diets", out=lab.out)
    failing = [finding for finding in report.findings if finding.fails]
    assert {(finding.metric, finding.where) for finding in failing} == {("Score", "1.0/plain"), ("Score", "1.0/rich")}
    assert report.sections[0].title == "Verdict: regression"
    assert report.sections[0].points[0].startswith("Score: worse in 2 places (1.0/plain and 1.0/rich)")


def test_noise_is_inconclusive_and_says_what_would_help(lab: Lab) -> None:
    """Other seeds' values are undecided: the exit code is 4, with the detectable change and the seeds needed."""
    plant(accepted(lab), lambda frame: frame.assign(seed=(frame["seed"] + 1) % 8).sort_values(["dose", "diet", "seed"]))
    report = bench.compare("diets", out=lab.out)
    assert (report.outcome, report.exit_code) == ("inconclusive", Exit.INCONCLUSIVE)
    undecided = report.data["changes"].query("verdict == 'inconclusive'")
    assert (undecided["detectable"] > 0).all()
    assert (undecided["seeds"] > 8).all()
    assert "would be decided" in report.sections[0].text[-1]


def test_strict_demands_noninferiority(lab: Lab) -> None:
    """What is merely undecided fails under ``strict``; a change for the better and equality do not."""
    path = accepted(lab)
    assert bench.compare("diets", out=lab.out, strict=True).outcome == "passed"
    plant(path, lambda frame: wobble(frame, 2.0))
    assert bench.compare("diets", out=lab.out, strict=True).outcome == "passed"
    bench.accept("diets", out=lab.out)
    plant(path, lambda frame: frame.assign(score=frame["score"] + 3.0 * (frame["seed"] % 2 - 0.5)))
    assert bench.compare("diets", out=lab.out).outcome == "inconclusive"
    report = bench.compare("diets", out=lab.out, strict=True)
    assert report.exit_code is Exit.REGRESSION
    assert any("not shown to be no worse" in point for point in report.sections[0].points)


def test_without_margins_nothing_is_equivalent(lab: Lab) -> None:
    """A small change of a metric without a margin is neither passed for none nor an alarm."""
    plant(accepted(lab, margins=""), lambda frame: frame.assign(score=frame["score"] + 1e-6 * (frame["seed"] - 3.5)))
    report = bench.compare("diets", out=lab.out)
    verdicts = report.data["changes"].set_index("metric")["verdict"]
    assert set(verdicts["score"]) == {"no margin"}
    assert set(verdicts["loss"]) == {"identical"}
    assert report.outcome == "passed"


def test_a_run_that_measured_nothing_is_no_success(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every value is missing now, the verdict is not 'passed' and the exit code not 0."""
    path = accepted(lab)
    old, new = baseline.load(path), baseline.load(path)
    new.frame.loc[:, ["score", "loss"]] = float("nan")
    monkeypatch.setattr(compared, "of_run", lambda _: new)
    report = compared.build(find("diets", lab.out), old)
    assert (report.outcome, report.exit_code) == ("nothing measured", Exit.INCONCLUSIVE)


def test_lost_values_are_not_dropped(lab: Lab) -> None:
    """A seed without a value now, which had one, makes its comparison one that was not measured."""
    path = accepted(lab)
    before, later = baseline.load(path), baseline.load(path)
    later.frame.loc[later.frame["seed"] == 3, "status"] = "diverged"
    found = compare(before, later, [MetricOptions("score", margin=0.5), MetricOptions("loss", margin=0.1, log=True)])
    assert set(found.changes["verdict"]) == {"not measured"}
    assert set(found.changes["lost"]) == {1}
    assert found.outcome() == "nothing measured"


def test_failed_runs_cost_3(lab: Lab) -> None:
    """A run with failed jobs exits with 3 unless there is a regression."""
    path = accepted(lab)
    sick = lab.suite("sick", trouble="fails", seeds=8)
    bench.run(sick, out=lab.out, executor="serial")
    report = bench.compare("sick", path, out=lab.out)
    assert report.exit_code is Exit.RUNS_FAILED
    assert "have no outcome" in " ".join(report.sections[0].text)


def test_changed_parameters_are_compared_without_pairing(lab: Lab) -> None:
    """Cells of the same levels whose shared parameters changed are named and compared by Welch's test."""
    path = accepted(lab)
    other = lab.suite("diets2", seeds=8, seconds=1e-9)
    bench.run(other, out=lab.out, executor="serial")
    report = bench.compare("diets2", path, out=lab.out)
    assert set(report.data["changes"]["method"]) == {"Welch"}
    assert any(point.startswith("Cells whose other parameters changed") for point in report.sections[0].points)
    assert any(point.startswith("Shared parameters: ") for point in report.sections[1].points)


def test_new_and_removed_cells_and_metrics_are_listed(lab: Lab) -> None:
    """Cells and metrics that only one side has are named, and the others compared."""
    path = accepted(lab)
    bigger = lab.suite("bigger", seeds=8)
    bigger.write_text(bigger.read_text().replace("[0.0, 1.0]", "[1.0, 2.0]"))
    bench.run(bigger, out=lab.out, executor="serial")
    report = bench.compare("bigger", path, out=lab.out)
    points = report.sections[0].points
    assert "New cells, not in the baseline: 2.0/plain and 2.0/rich." in points
    assert "Cells of the baseline that are not run any more: 0.0/plain and 0.0/rich." in points
    verdicts = report.data["changes"].groupby("where")["verdict"].unique().map(list).to_dict()
    assert verdicts == {name: ["identical"] for name in ("1.0/plain", "1.0/rich")} | {
        name: ["not measured"] for name in ("0.0/plain", "0.0/rich")
    }


ABSENT = {
    "a level": lambda text: text.replace("[0.0, 1.0]", "[1.0]"),
    "a level that is called otherwise now": lambda text: text.replace("[0.0, 1.0]", "[1.0, 1e-9]"),
    "a factor": lambda text: text.replace('diet = ["plain", "rich"]', ""),
    "cells that a design leaves out": lambda text: (
        text + '\n[[exclude]]\nwhere = { dose = 0, diet = "rich" }\nreason = "costly"\n'
    ),
    "seeds": lambda text: text.replace("seeds = 8", "seeds = 6"),
}


@pytest.mark.parametrize("change", ABSENT.values(), ids=ABSENT)
@pytest.mark.parametrize("unit", ["cells", "effects"])
def test_what_is_not_run_any_more_is_not_passed(lab: Lab, change: Callable[[str], str], unit: str) -> None:
    """Whatever the baseline has and the run has not is not measured: exit code 4, and 1 if each must be shown."""
    path = accepted(lab)
    less = lab.suite("less", seeds=8)
    less.write_text(change(less.read_text()) + f'{MARGINS}\n[baseline]\ncompare = "{unit}"\n')
    bench.run(less, out=lab.out, executor="serial")
    report = bench.compare("less", path, out=lab.out)
    assert "not measured" in set(report.data["changes"]["verdict"])
    assert (report.outcome, report.exit_code) == ("inconclusive", Exit.INCONCLUSIVE)
    assert any("not run" in point for point in report.sections[0].points)
    assert bench.compare("less", path, strict=True, out=lab.out).exit_code is Exit.REGRESSION
    assert "error" in junit.render(report)


@pytest.mark.parametrize(
    ("change", "removed"),
    [
        ("a level", '"0.0/plain", "0.0/rich"'),
        ("a level", "{ dose = 0 }"),
        ("a level", '{ dose = [0, 7], diet = ["plain", "rich"] }'),
        ("a level", '{ dose = 0.0, metric = "score" }, { dose = 0.0, metric = "loss" }'),
        ("a factor", '{ diet = "rich" }'),
        ("seeds", "{ seed = [6, 7] }"),
        ("seeds", '{ seed = 6 }, { seed = 7, metric = ["score", "loss"] }'),
    ],
)
def test_what_the_suite_says_was_removed_is_not_missed(lab: Lab, change: str, removed: str) -> None:
    """Names of cells, or tables of levels, metrics and seeds, excuse what they name, and no more than that."""
    path = accepted(lab)
    less = lab.suite("less", seeds=8)
    less.write_text(f"{ABSENT[change](less.read_text())}{MARGINS}\n[baseline]\nremoved = [{removed}]\n")
    bench.run(less, out=lab.out, executor="serial")
    report = bench.compare("less", path, out=lab.out)
    assert (report.outcome, report.exit_code) == ("passed", Exit.OK)
    assert set(report.data["changes"]["verdict"]) == {"identical"}
    assert any(point.startswith("Not run any more, as the suite says: ") for point in report.sections[0].points)
    part = (
        removed.rpartition('", "')[0] + '"' if removed.startswith('"') else '{ dose = 0, diet = "plain" }, { seed = 6 }'
    )
    less.write_text(less.read_text().replace(removed, part))
    bench.run(less, out=lab.out, executor="serial")
    assert bench.compare("less", path, out=lab.out).exit_code is Exit.INCONCLUSIVE


def test_removed_excuses_no_change_of_what_is_run(lab: Lab) -> None:
    """A cell that is called removed and is run nevertheless is compared, and the needless entry is named."""
    path = accepted(lab, margins=f"{MARGINS}\n[baseline]\nremoved = [{{ dose = 1 }}]\n")
    assert bench.compare("diets", out=lab.out).outcome == "passed"
    plant(path, lambda frame: wobble(frame, -2.0, where="dose == 1"))
    report = bench.compare("diets", out=lab.out)
    assert report.outcome == "regression"
    assert any("nothing of the kind is missing" in point and "dose" in point for point in report.sections[0].points)


def test_a_metric_that_is_gone_is_not_measured(lab: Lab) -> None:
    """A metric of the baseline that the experiment has no more is missed in every cell, unless the suite says why."""
    path = accepted(lab)
    plant(path, lambda frame: frame.assign(gone=1.0))
    manifest = path.with_suffix(".json")
    stored = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(stored | {"metrics": ["score", "loss", "gone"]}))
    report = bench.compare("diets", out=lab.out)
    assert (report.outcome, report.exit_code) == ("inconclusive", Exit.INCONCLUSIVE)
    assert "Metrics of the baseline that are not measured any more: gone." in report.sections[0].points
    suite = lab.folder / "diets.toml"
    text = suite.read_text()
    for table in ('removed = ["gone"]', 'removed = [{ metric = "gone" }]', 'metrics = ["score", "loss"]'):
        suite.write_text(f"{text}\n[baseline]\n{table}\n")
        bench.run(suite, out=lab.out, executor="serial")
        assert bench.compare("diets", path, out=lab.out).outcome == "passed"


def test_published_means_of_what_is_not_run_are_not_measured(lab: Lab) -> None:
    """A row of a published table without a cell or metric beside it does not let the gate pass."""
    accepted(lab)
    table = lab.folder / "post.csv"
    wide = bench.load("diets", wide=True, out=lab.out)
    cells = wide.groupby(["dose", "diet"], observed=True)["score"].agg(mean="mean", std="std", n="count").reset_index()
    cells = cells.assign(metric="score", std=1e-3)
    more = cells.head(1).assign(dose=9.0)
    for rows, outcome in ((cells, "passed"), (pd.concat([cells, more]), "inconclusive")):
        rows.to_csv(table, index=False)
        suite = lab.folder / "wide.toml"
        text = (
            (lab.folder / "diets.toml").read_text().replace('"diets"', '"wide"').replace("margin = 0.5", "margin = 9.0")
        )
        suite.write_text(f'{text}\n[baseline]\nfile = "{table.name}"\n')
        bench.run(suite, out=lab.out, executor="serial")
        assert bench.compare("wide", out=lab.out).outcome == outcome


def test_seeds_of_a_second_look_are_awaited(lab: Lab) -> None:
    """Seeds that the suite plans to run if the first are undecided are not missed before; others are."""
    path = accepted(lab, seeds=8)
    less = lab.suite("less", seeds=4)
    for more, outcome in ((4, "passed"), (3, "inconclusive")):
        suite = f"{lab.suite('less', seeds=4).read_text()}{MARGINS}\n[baseline]\nmore_seeds = {more}\n"
        less.write_text(suite)
        bench.run(less, out=lab.out, executor="serial")
        assert bench.compare("less", path, out=lab.out).outcome == outcome


def test_one_shared_seed_is_one(lab: Lab) -> None:
    """Of one seed that both have it is said that it is one, and which; runs are compared as independent."""
    path = accepted(lab, seeds=4)
    bench.run(lab.suite("other", seeds=[3, 7, 8, 9]), out=lab.out, executor="serial")
    report = bench.compare("other", path, out=lab.out)
    notes = " ".join(report.sections[0].points)
    assert "share one seed only, 3, too few to pair by" in notes
    assert "share no seeds" not in notes
    bench.run(lab.suite("others", seeds=[6, 7, 8, 9]), out=lab.out, executor="serial")
    assert "share no seeds" in " ".join(bench.compare("others", path, out=lab.out).sections[0].points)


def test_another_experiment_is_refused(lab: Lab) -> None:
    """Runs of another experiment are not compared."""
    path = accepted(lab)
    manifest = path.with_suffix(".json")
    manifest.write_text(manifest.read_text().replace("lab_of_a_user:EXPERIMENT", "elsewhere:EXPERIMENT"))
    with pytest.raises(BenchError, match="elsewhere:EXPERIMENT"):
        bench.compare("diets", path, out=lab.out)


def test_effects_are_compared_where_the_suite_says_so(lab: Lab) -> None:
    """A change in one dose's cells is a change of the dose's effect and of the mean, and of no interaction."""
    margins = f'{MARGINS}\n[baseline]\ncompare = "effects"\nmetrics = ["score"]\n'
    plant(accepted(lab, margins=margins), lambda frame: wobble(frame, -2.0, where="dose == 1"))
    verdicts = bench.compare("diets", out=lab.out).data["changes"].set_index("where")
    assert set(verdicts["metric"]) == {"score"}
    assert verdicts.loc["(mean of all cells)", "estimate"] == pytest.approx(-1.0)
    assert verdicts.loc["dose", "estimate"] == pytest.approx(-2.0)
    assert verdicts["verdict"].to_dict() == {
        "(mean of all cells)": "regression",
        "dose": "regression",
        "diet": "equivalent",
        "dose:diet": "equivalent",
    }


def test_published_means_are_a_baseline(lab: Lab) -> None:
    """Means, SDs and n of a table are compared by Welch's test from summary statistics; SDs may be a population's."""
    accepted(lab)
    wide = bench.load("diets", wide=True, out=lab.out)
    table = lab.folder / "post.csv"
    cells = wide.groupby(["dose", "diet"], observed=True)["score"]
    rows = cells.agg(mean="mean", std=lambda values: values.std(ddof=0), n="count").reset_index()
    rows.assign(metric="score", mean=rows["mean"] + 8.0).to_csv(table, index=False)
    suite = lab.folder / "diets.toml"
    suite.write_text(suite.read_text() + f'\n[baseline]\nfile = "{table.name}"\nsd = "population"\n')
    bench.run(suite, out=lab.out, executor="serial")
    report = bench.compare("diets", out=lab.out)
    found = report.data["changes"]
    assert list(found["verdict"]) == ["regression"] * 4
    assert found["estimate"].tolist() == pytest.approx([-8.0] * 4)
    first = cells.get_group((0.0, "plain"))
    assert found["df"][0] == pytest.approx(2 * (len(first) - 1))
    assert found["high"][0] - found["estimate"][0] == pytest.approx(2.144787 * first.std() * (2 / 8) ** 0.5)


def test_more_seeds_are_run_for_a_second_look(lab: Lab) -> None:
    """What 6 seeds leave undecided is looked at again with those of the baseline, at the error that is left."""
    path = accepted(lab, seeds=12)
    plant(path, lambda frame: frame.assign(score=frame["score"] + 2.0 * ((frame["seed"] % 2) - 0.5)))
    suite = lab.folder / "less.toml"
    suite.write_text((lab.folder / "diets.toml").read_text().replace('"diets"', '"less"').replace("= 12", "= 6"))
    bench.run(suite, out=lab.out, executor="serial")
    first = bench.compare("less", path, more_seeds=6, out=lab.out)
    assert (first.look.number, set(first.data["changes"]["n"])) == (1, {6})
    assert "bench compare RUN --suite SUITE" in " ".join(first.sections[0].text)
    report = bench.compare("less", path, suite=suite, more_seeds=6, strict=True, out=lab.out)
    assert (report.look.number, report.look.of) == (2, 2)
    assert report.look.alpha < 0.05
    assert set(report.data["changes"]["n"]) == {12}
    run = find("less", lab.out)
    with pytest.raises(BenchError, match="0 seeds that the run does not have"):
        compared.further_seeds(run, baseline.load(path), 6)
    with pytest.raises(BenchError, match="is not the suite"):
        bench.compare("less", path, suite=lab.suite("diets", seeds=6), more_seeds=6, out=lab.out)


def test_junit_has_a_case_per_metric_and_cell(lab: Lab) -> None:
    """JUnit XML counts and names every comparison, with a failure for each that fails the gate."""
    plant(accepted(lab), lambda frame: wobble(frame, -2.0, where="dose == 1"))
    suite = ET.fromstring(junit.render(bench.compare("diets", out=lab.out))).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("8", "2")
    failed = {(case.get("classname"), case.get("name")) for case in suite if case.find("failure") is not None}
    assert failed == {("Score", "1.0/plain"), ("Score", "1.0/rich")}


def test_github_gets_annotations_and_a_summary_it_accepts(lab: Lab) -> None:
    """Points of the verdict become errors on one line each; a summary beyond the limit is cut and says so."""
    plant(accepted(lab), lambda frame: wobble(frame, -2.0))
    report = bench.compare("diets", out=lab.out)
    first = github.commands(report).splitlines()[0]
    assert first.startswith("::error title=diets%3A compared with")
    assert "Score: worse" in first
    assert github.summary(report) == markdown.render(report)
    short = github.summary(report, most=600)
    assert len(short.encode()) <= 600
    assert "Cut here" in short


def test_the_command_prints_and_exits(lab: Lab, command: Commands) -> None:
    """Every format prints to stdout, with the exit code of the verdict; a changed file costs 2 and no traceback."""
    path = accepted(lab)
    arguments = ("compare", "diets", "--out", lab.out)
    assert command("baseline", "accept", "diets", "--out", lab.out)[0] == 0
    for form, start in (("terminal", "diets: compared"), ("md", "# diets"), ("json", "{"), ("junit", "<?xml")):
        code, out, _ = command(*arguments, "--format", form)
        assert (code, out.startswith(start)) == (0, True)
    plant(path, lambda frame: wobble(frame, -2.0))
    code, out, _ = command(*arguments, "--format", "json")
    assert code == 1
    assert json.loads(out)["schema_version"] == 2
    assert len(json.loads(out)["changes"]) == 8
    path.write_text(path.read_text()[:-20])
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert "checksum" in err
    assert "Traceback" not in err


def test_the_job_summary_is_appended(lab: Lab, command: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """The summary goes to the file that GitHub names, behind what is there; stdout has the annotations."""
    accepted(lab)
    summary = lab.folder / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    code, out, _ = command("compare", "diets", "--out", lab.out, "--format", "github")
    assert (code, out.startswith("::notice title=diets")) == (0, True)
    assert summary.read_text().startswith("before\n# diets: compared with")
