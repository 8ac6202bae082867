"""The doctor finds whatever can be wrong with a run's folder, mends what can be mended, and loses nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.execute.coordinate import execute
from bench.execute.doctor import check_up
from bench.execute.frames import wide
from bench.execute.journal import Journal, read
from bench.execute.run import Run, create, load, locate, runs
from bench.execute.storage import locked
from bench.plan.suite import Plan
from tests.execute.conftest import MakeSuite


@pytest.fixture
def suite(make_suite: MakeSuite) -> Plan:
    return make_suite("LOOP", {"kind": ["fine", "nan"]}, seeds=3)


@pytest.fixture
def run(suite: Plan, tmp_path: Path) -> Run:
    """A finished run in a folder of its own."""
    made = create(suite, tmp_path / "out")
    execute(suite, made, executor="serial")
    return made


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


def segment(run: Run) -> Path:
    return run.journal / "00001.jsonl"


def tear(run: Run) -> None:
    segment(run).write_bytes(segment(run).read_bytes()[:-7])


def flip(run: Run) -> None:
    segment(run).write_bytes(segment(run).read_bytes().replace(b'"seed":1', b'"seed":7', 1))


def leave(run: Run) -> None:
    (run.folder / ".run.json.new").write_text("{")
    (run.journal / ".00001.jsonl.new").write_text("{")


def spoil(name: str) -> Callable[[Run], None]:
    return lambda run: next(run.folder.glob(name)).write_text("{")  # type: ignore[func-returns-value]


def test_a_healthy_run_is_called_so(run: Run) -> None:
    """An untouched run has no findings, and looking at it writes nothing, not even a lock."""
    (run.folder / "lock").unlink()
    before = snapshot(run.folder)
    found = check_up(run.folder)
    assert found.healthy
    assert not found.findings
    assert snapshot(run.folder) == before
    assert not (run.folder / "lock").exists()


@pytest.mark.parametrize(
    ("harm", "where", "what", "level"),
    [
        (tear, "journal/00001.jsonl", "line 8 (torn", "problem"),
        (flip, "journal/00001.jsonl", "the checksum does not fit", "problem"),
        (spoil("run.json"), "run.json", "damaged", "problem"),
        (spoil("cells-*.jsonl"), "cells-", "damaged", "problem"),
        (leave, ".run.json.new", "being written when its process was killed", "note"),
    ],
)
def test_what_can_be_mended_is_mended_and_nothing_is_lost(
    run: Run, suite: Plan, harm: Callable[[Run], None], where: str, what: str, level: str
) -> None:
    """Each harm is named; mending takes it away, keeps its bytes, and a rerun brings the whole table back."""
    table = wide(run)
    harm(run)
    damaged, good = snapshot(run.folder), set(read(run.journal).records)
    found = check_up(run.folder)
    finding = next(finding for finding in found.findings if finding.where.startswith(where))
    where = finding.where
    assert (what in finding.what, finding.level, finding.mend is None) == (True, level, False)
    assert snapshot(run.folder) == damaged
    mended = check_up(run.folder, mend=True)
    assert where in {finding.where for finding in mended.mended}
    assert not any(finding.mend for finding in mended.findings)
    assert set(read(run.journal).records) == good
    if level == "problem":
        kept = b"\n".join(snapshot(run.folder).values())
        lost = set(damaged[where].splitlines()) - set(kept.splitlines())
        assert not lost
    execute(suite, create(suite, run.folder.parent), executor="serial")
    assert check_up(run.folder).healthy
    assert wide(load(run.folder)).equals(table)


def test_what_cannot_be_mended_is_said_and_left(run: Run, tmp_path: Path) -> None:
    """Alarms, links, foreign files and a file in the place of a folder are named with what can be done, untouched."""
    first = next(iter(read(run.journal).records.values()))
    with Journal(run.journal, {"host": "here"}) as journal:
        journal.append(
            [type(first)(**{**{name: getattr(first, name) for name in first.__slots__}, "metrics": {"loss": 1.0}})]
        )
    (run.folder / "thesis.tex").touch()
    (run.folder / "link").symlink_to(tmp_path)
    (run.folder / "published.csv").mkdir()
    before = snapshot(run.folder)
    found = check_up(run.folder, mend=True)
    said = {finding.where: (finding.level, finding.what) for finding in found.findings}
    assert said["thesis.tex"] == ("note", "not of bench")
    assert said["link"][0] == said["published.csv"][0] == said["journal"][0] == "problem"
    assert "1 jobs were run twice and gave different values" in said["journal"][1]
    assert not found.mended
    assert snapshot(run.folder) == before


def test_results_that_are_not_planned_are_noted(run: Run, make_suite: MakeSuite) -> None:
    """Results of levels that were dropped are counted, and are no problem."""
    narrower = make_suite("LOOP", {"kind": ["fine"]}, seeds=3)
    execute(narrower, create(narrower, run.folder.parent), executor="serial")
    found = check_up(run.folder)
    assert found.healthy
    assert [finding.what[:16] for finding in found.findings] == ["3 stored results"]


def test_a_run_that_is_being_written_is_left_alone(run: Run) -> None:
    """While a process holds the folder it is named, nothing else is judged, and mending is refused."""
    tear(run)
    with locked(run.folder):
        found = check_up(run.folder)
        assert [finding.what for finding in found.findings] == [
            f"process {os.getpid()} on {os.uname().nodename} is writing to the run"
        ]
        with pytest.raises(BenchError, match="is being written"):
            check_up(run.folder, mend=True)
    assert "lock" not in {finding.where for finding in check_up(run.folder).findings}


def test_a_killed_writer_is_named(run: Run) -> None:
    """A lock that a killed process left is said to be free, until the next writer has ended well."""
    script = (
        "import os, signal, sys; from pathlib import Path; from bench.execute.storage import locked\n"
        "with locked(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(run.folder)]) as killed:
        killed.wait()
    (finding,) = check_up(run.folder).findings
    assert finding.what == f"process {killed.pid} on {os.uname().nodename} was killed while it wrote"
    assert finding.level == "note"
    assert not check_up(run.folder, mend=True).findings


def test_a_newer_run_is_not_mended(run: Run) -> None:
    """What a newer bench wrote is said to be so and left alone."""
    stored = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps({**stored, "schema_version": 99}))
    found = check_up(run.folder, mend=True)
    assert [(finding.what, finding.mend) for finding in found.findings] == [("written by a newer bench", None)]


def test_a_folder_without_its_plan_is_still_found(run: Run, suite: Plan) -> None:
    """A run that has lost run.json can be examined by name; running its suite makes it whole."""
    (run.folder / "run.json").unlink()
    assert locate("tiny", run.folder.parent) == run.folder
    assert [(finding.where, finding.what) for finding in check_up(run.folder).findings] == [("run.json", "missing")]
    execute(suite, create(suite, run.folder.parent), executor="serial")
    assert not check_up(run.folder).findings


def test_one_damaged_run_does_not_hide_the_others(run: Run, make_suite: MakeSuite) -> None:
    """Every run is listed; the damaged one without counts, which are not zero, and with its damage."""
    shutil.copytree(run.folder, run.folder.with_name("other"))
    spoil("run.json")(run)
    found = {line.name: line for line in runs(run.folder.parent)}
    assert (found["other"].ok, found["other"].damage) == (6, "")
    assert (found["tiny"].ok, found["tiny"].planned) == (None, None)
    assert "run.json is damaged" in found["tiny"].damage


def test_lost_results_and_a_damaged_file_of_looks_are_named(run: Run) -> None:
    """Results that are gone without a trace are counted against the plan; looks that cannot be read are a problem."""
    lines = segment(run).read_bytes().splitlines(keepends=True)
    segment(run).write_bytes(b"".join(line for line in lines if b'"seed":1' not in line))
    (note,) = check_up(run.folder).findings
    assert (note.level, note.what) == ("note", "2 of 6 planned runs have no result")
    (run.folder / "looks.json").write_text("x")
    found = check_up(run.folder)
    assert not found.healthy
    assert found.findings[0].where == "looks.json"
