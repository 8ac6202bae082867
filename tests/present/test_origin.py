"""A report says where its numbers come from, and when they come from several places."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import bench
from bench.execute.inventory import find
from bench.execute.journal import Journal
from bench.plan.find import from_project
from bench.present import brief
from bench.present.origin import mixtures, origin
from bench.present.render import html, markdown, terminal
from bench.present.render import json as as_json

if TYPE_CHECKING:
    from tests.conftest import Lab


def state_of(lab: Lab, name: str) -> str:
    return " ".join(bench.report(name, out=lab.out).sections[0].text)


@pytest.fixture
def own_lab(lab: Lab, lab_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An experiment of this test's own, whose source may be changed."""
    path = lab.folder / "changing_lab.py"
    path.write_text((lab_folder / "lab_of_a_user.py").read_text())
    monkeypatch.syspath_prepend(str(lab.folder))
    return path


def test_results_of_different_code_are_said(lab: Lab, own_lab: Path) -> None:
    """A source that changed under one version is said with the runs of each; one that changed back is no change."""
    suite = lab.folder / "changed.toml"
    suite.write_text('name = "changed"\nexperiment = "changing_lab:EXPERIMENT"\nseeds = 2\n[factors]\ndose = [0, 1]\n')
    bench.run(suite, out=lab.out, executor="serial")
    bench.run(suite, seeds=3, out=lab.out, executor="serial")
    assert "Different code" not in state_of(lab, "changed")
    own_lab.write_text(own_lab.read_text() + "\n# another thought\n")
    bench.run(suite, seeds=4, out=lab.out, executor="serial")
    said = "Other source: 6 of 8 results (of seeds 0 to 2) come from other source of the experiment than"
    assert f"{said} that of the last bench run" in state_of(lab, "changed")
    assert any(f"{said} today's" in caution for caution in brief.cautions(lab.out / "changed"))
    own_lab.write_text(own_lab.read_text().removesuffix("\n# another thought\n"))
    bench.run(suite, seeds=3, out=lab.out, executor="serial")
    assert "Other source" not in state_of(lab, "changed")
    assert origin(find("changed", lab.out))["Code"].count("source ") == 4


def test_nothing_that_is_kept_says_where_the_project_lies(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in run.json and in reports are from the project, wherever in it one stands; of commands from there."""
    (lab.folder / "pyproject.toml").touch()
    (lab.folder / "below").mkdir()
    monkeypatch.chdir(lab.folder / "below")
    claim = """
        [[claims]]
        id = "c"
        statement = "It rises."
        metric = "score"
        expect = "increase"
        contrast = { factor = "dose", from = 0.0, to = 1.0 }
    """
    suite = lab.suite("placed", seeds=3)
    suite.write_text(suite.read_text() + claim)
    bench.run(suite, out=lab.out, executor="serial")
    kept = [(lab.out / "placed" / "run.json").read_text(), *map(as_json.render, (
        bench.report("placed", out=lab.out), bench.beside("placed", "placed", out=lab.out), bench.design(suite)
    ))]  # fmt: skip
    assert not [text for text in kept if str(lab.folder) in text]
    assert json.loads(kept[0])["path"] == "placed.toml"
    run = find("placed", lab.out)
    assert origin(run)["Suite"].startswith("placed.toml, digest ")
    assert origin(run)["Folder"] == "reports/placed"
    assert run.suite.path == Path("../placed.toml")
    monkeypatch.chdir(lab.out / "placed")  # another project, or none: what lies elsewhere is named in full
    (lab.out / "placed" / "pyproject.toml").touch()
    assert origin(find(str(lab.out / "placed"), lab.out))["Folder"] == "."
    assert from_project(lab.out) == str(lab.out)


def test_results_of_different_environments_are_said(lab: Lab) -> None:
    """Runs that were made in two environments are counted, with what differs between these."""
    bench.run(lab.suite("moved", seeds=2), out=lab.out, executor="serial")
    assert not list(mixtures(find("moved", lab.out), {job.key for job in find("moved", lab.out).planned()}))
    run = find("moved", lab.out)
    (here,) = run.contents.environments.values()
    bench.run(lab.suite("moved", seeds=3), out=lab.out, executor="serial")
    segment = sorted(run.journal.glob("*.jsonl"))[1]
    moved = [record for record in find("moved", lab.out).contents.records.values() if record.seed == 2]
    segment.unlink()
    there = {
        **{name: value for name, value in here.items() if name not in ("kind", "schema")},
        "id": "b",
        "cpu": "abacus",
        "experiment": {"training": "by hand"},
    }
    with Journal(run.journal, {}) as journal:
        journal.append_environment(there)
        journal.append(dataclasses.replace(record, environment="b") for record in moved)
    text = state_of(lab, "moved")
    assert "made in 2 of them (8 runs by " in text
    assert "4 runs by b), which differ in cpu and training;" in text
    assert "abacus" in origin(find("moved", lab.out))["Environment b"]
    assert origin(find("moved", lab.out))["Environment b"].endswith("; training by hand")


def test_lines_that_were_set_aside_are_remembered(lab: Lab) -> None:
    """After a rerun has replaced what damaged lines held, no alarm is left, and provenance keeps the fact."""
    suite = lab.suite("torn", seeds=2)
    bench.run(suite, out=lab.out, executor="serial")
    segment = lab.out / "torn" / "journal" / "00001.jsonl"
    segment.write_bytes(segment.read_bytes()[:-9])
    assert "1 damaged line of the journal cannot be read" in state_of(lab, "torn")
    bench.run(suite, out=lab.out, executor="serial")
    assert "damaged" not in state_of(lab, "torn")
    assert origin(find("torn", lab.out))["Set aside"].startswith("1 damaged line of the journal")


ODD: list[Any] = [None, 3, "<script>", [1], {"a": {"b": []}}, "\x1b[2J", -1e300]


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize("odd", ODD)
def test_a_malicious_journal_is_only_text(lab: Lab, odd: Any) -> None:
    """Whatever a journal with good checksums says of its sessions and environments, a report shows it as plain text."""
    bench.run(lab.suite("odd", seeds=2), out=lab.out, executor="serial")
    folder = find("odd", lab.out).journal
    with Journal(folder, dict.fromkeys(("started", "host", "code", "set_aside"), odd)) as journal:
        journal.append_environment(dict.fromkeys(("id", "python", "packages", "threads", "experiment"), odd))
    with Journal(folder, {"code": [odd, {"digest": odd, "commit": odd}], "set_aside": {"x": odd}}) as journal:
        journal.append_environment({})
    report = bench.report("odd", out=lab.out)
    for render in (terminal.render, markdown.render, html.fragment):
        text = render(report)
        assert "\x1b" not in text
    assert "<script>" not in html.fragment(report)
