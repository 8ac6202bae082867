"""Code edited: what is stored of other source is said, run again on request, and then superseded without an alarm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.execute.records import decode, encode

if TYPE_CHECKING:
    from tests.conftest import Commands

EXPERIMENT = """
from dataclasses import dataclass
from bench.experiment import Experiment, Metric
from helper import OFFSET
@dataclass(frozen=True)
class P:
    x: int = 0
def run(jobs, progress):
    for job in jobs:
        yield {"m": 1.0 + OFFSET + job.seed + job.params.x}
A = Experiment(params=P, metrics=[Metric("m", "M")], run=run)
"""
SUITE = 'name = "code"\nexperiment = "exp:A"\nseeds = 3\n[factors]\nx = [1, 2]\n'


class Project:
    """A user's folder with an experiment of two files, in which each command starts anew."""

    def __init__(self, folder: Path, command: Commands) -> None:
        self.folder, self.command = folder, command
        (folder / "exp.py").write_text(EXPERIMENT)
        (folder / "helper.py").write_text("OFFSET = 0.0\n")
        (folder / "suite.toml").write_text(SUITE)

    def bench(self, *arguments: str, code: int = 0) -> str:
        """Both streams as one line of text."""
        ended, out, err = self.command.anew(self.folder, *arguments)
        assert ended == code, out + err
        return " ".join(f"{out} {err}".split())

    def run(self, *options: str) -> str:
        """Run the suite."""
        return self.bench("run", "suite.toml", "--executor", "serial", *options)

    def edit(self, name: str, before: str, after: str) -> None:
        """Replace text in a file."""
        path = self.folder / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def values(self) -> list[float]:
        """The values in use, in the order of the design."""
        rows = self.bench("export", "code", "--wide").split()[1:]
        return [float(row.split(",")[4]) for row in rows]


@pytest.fixture
def project(tmp_path: Path, command: Commands) -> Project:
    return Project(tmp_path, command)


@pytest.mark.parametrize(("name", "before", "after"), [("exp.py", "1.0 +", "8.0 +"), ("helper.py", "0.0", "7.0")])
def test_edited_code_is_said_and_run_again_on_request(project: Project, name: str, before: str, after: str) -> None:
    """``run``, ``report`` and ``compare`` count what is of other source; ``--rerun-changed`` puts new values in use."""
    assert "ource" not in project.run()
    old = project.values()
    project.bench("baseline", "accept", "code")
    project.edit(name, before, after)
    said = "Other source: 6 of 6 results (of seeds 0 to 2) come from other source of the experiment than today's"
    text = project.run()
    assert said in text
    assert f"(changed: {name})" in text
    assert "--rerun-changed runs them again" in text
    assert project.values() == old
    for command in (("report", "code"), ("compare", "code")):
        assert "Other source: 6 of 6 results" in project.bench(*command)
    assert "to_run 6" in project.run("--dry-run", "--rerun-changed")
    assert "to_run 0" in project.run("--dry-run")
    text = project.run("--rerun-changed")
    assert "Superseded: 6 results of other source were run again; the newer ones are in use." in text
    assert project.values() == [value + 7.0 for value in old]
    assert "Other source" not in project.run("--rerun-changed")
    report = project.bench("report", "code", "--full")
    assert "Superseded 6 results of other source were run again" in report
    assert "Not deterministic" not in report
    assert [line["damage"] for line in json.loads(project.bench("runs", "--format", "json"))["runs"]] == [""]
    project.edit(name, after, before)
    assert said in project.run()


def test_an_edit_elsewhere_makes_nothing_stale(project: Project) -> None:
    """Tests, other experiments and other files of the folder are no source of this one."""
    (project.folder / "other.py").write_text(EXPERIMENT)
    (project.folder / "test_exp.py").write_text("from exp import A")
    project.run()
    project.edit("other.py", "1.0 +", "2.0 +")
    project.edit("test_exp.py", "A", "A, P")
    assert "ource" not in project.run()


def test_a_file_of_the_same_name_elsewhere_is_another_source(project: Project, tmp_path_factory: Any) -> None:
    """A suite in another folder that has the same name and names its own ``exp.py`` does not pass for the first."""
    project.run()
    there = Project(tmp_path_factory.mktemp("elsewhere"), project.command)
    options = ("--out", str(project.folder / "reports"))
    assert "ource" not in there.run(*options)
    there.edit("exp.py", "1.0 +", "3.0 +")
    assert "Other source: 6 of 6 results" in there.run(*options)


def test_only_what_was_stored_before_the_edit_is_of_other_source(project: Project) -> None:
    """Seeds added after an edit are of today's source, and are not run again."""
    project.run()
    project.edit("helper.py", "0.0", "5.0")
    assert "Other source: 6 of 8 results (of seeds 0 to 2)" in project.run("--seeds", "4")
    assert "to_run 6" in project.run("--seeds", "4", "--dry-run", "--rerun-changed")


def test_compare_tells_the_source_of_both_sides(project: Project) -> None:
    """The same source and an edited one are told apart by what was stored of them, commit or not."""
    project.run()
    project.bench("baseline", "accept", "code")
    assert "Nothing: the same suite, code and environment." in project.bench("compare", "code")
    project.edit("helper.py", "0.0", "0.0  # or so")
    project.run("--fresh")
    text = project.bench("compare", "code")
    assert "Code of exp: source " in text
    assert "Nothing: the same" not in text


def test_results_of_an_earlier_bench_are_of_unknown_source(project: Project) -> None:
    """A digest that was made in another way says neither that the source is today's nor that it is not."""
    project.run()
    project.bench("baseline", "accept", "code")
    (segment,) = (project.folder / "reports" / "code" / "journal").glob("*.jsonl")
    head, *rest = segment.read_bytes().splitlines(keepends=True)
    content = decode(head[:-1])
    del content["source"], content["kind"], content["schema"]
    for entry in content["code"]:
        del entry["covers"]
    segment.write_bytes(b"".join([encode("session", content), *rest]))
    text = project.run("--rerun-changed")
    assert "Source unknown: 6 results were stored by an earlier bench" in text
    assert "Whether it was today's is unknown." in text
    assert "Superseded" not in text
    text = project.bench("compare", "code")
    assert "Whether the source of exp is the same is unknown" in text
    assert "Nothing: the same" not in text
    manifest = project.folder / "reports" / "code" / "run.json"
    stored = json.loads(manifest.read_text())
    del stored["source"]
    manifest.write_text(json.dumps(stored))
    assert "ource unknown" not in project.bench("report", "code")


def test_a_metric_that_was_added_is_run(project: Project) -> None:
    """Results without a metric that is declared now are missing and run again, which is said, and are no alarm."""
    project.run()
    project.edit("exp.py", '"m": 1.0', '"n": 0.5 * job.params.x, "m": 1.0')
    project.edit("exp.py", 'Metric("m", "M")]', 'Metric("m", "M"), Metric("n", "N")]')
    assert "to_run 6" in project.run("--dry-run")
    assert "Superseded: 6 results lacked a metric that is declared now (n) and were run again" in project.run()
    report = project.bench("report", "code", "--full")
    assert "no finite number" not in report
    assert "Not deterministic" not in report
    assert "all 6 runs are done" in report.lower()
    assert "uperseded" not in project.run("--seeds", "4")


def test_a_metric_that_was_added_is_not_a_value_that_is_no_number(project: Project) -> None:
    """Until they are run again, results without a declared metric count as missing, and that is said."""
    project.run()
    manifest = project.folder / "reports" / "code" / "run.json"
    stored = json.loads(manifest.read_text())
    stored["metrics"].append({**stored["metrics"][0], "name": "n"})
    stored["metric_settings"]["n"] = stored["metric_settings"]["m"]
    manifest.write_text(json.dumps(stored))
    report = project.bench("report", "code")
    assert "6 stored results lack a metric that the experiment declares now" in report
    assert "6 not done yet" in report
    assert "no finite number" not in report


def test_what_looks_have_judged_is_not_run_again(project: Project) -> None:
    """``--rerun-changed`` does not go with ``--sequential``: a look that was taken stands."""
    text = project.bench("run", "suite.toml", "--sequential", "--rerun-changed", code=2)
    assert "Results that looks have judged are not run again" in text
