"""A run mends what can be mended of its folder, loses nothing, and what it cannot mend is named."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.execute.coordinate import execute
from bench.execute.inventory import locate, mend, runs
from bench.execute.journal import Journal, read
from bench.execute.results import wide
from bench.execute.run import Run, create, load
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
    return load(made.folder)


def tear(run: Run) -> Path:
    path = run.journal / "00001.jsonl"
    path.write_bytes(path.read_bytes()[:-7])
    return path


def flip(run: Run) -> Path:
    path = run.journal / "00001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"seed":1', b'"seed":7', 1))
    return path


def spoil(pattern: str) -> Callable[[Run], Path]:
    def harm(run: Run) -> Path:
        (path,) = run.folder.glob(pattern)
        path.write_text("{")
        return path

    return harm


@pytest.mark.parametrize("harm", [tear, flip, spoil("run.json"), spoil("cells-*.jsonl"), spoil("suite.toml")])
def test_running_again_mends_and_loses_nothing(run: Run, suite: Plan, harm: Callable[[Run], Path]) -> None:
    """Whatever was harmed, the same command brings the whole table back; damaged lines and plans are kept aside."""
    table = wide(run)
    path = harm(run)
    damaged, good = path.read_bytes().splitlines(), set(read(run.journal, ()).records)
    name = runs(run.folder.parent)[0].damage
    assert path.name in name or "damaged lines" in name or path.name == "suite.toml"
    execute(suite, create(suite, run.folder.parent), executor="serial")
    assert good <= set(read(run.journal, ()).records)
    if "cells" not in path.name and path.name != "suite.toml":
        kept = [line for file in run.folder.rglob("*") if file.is_file() for line in file.read_bytes().splitlines()]
        assert set(damaged) <= set(kept)
    assert [line.damage for line in runs(run.folder.parent)] == [""]
    assert wide(load(run.folder)).equals(table)


def test_what_killed_processes_left_goes(run: Run) -> None:
    """Files that were being written are deleted, wherever they are; nothing else is, and no folder."""
    (run.artefacts / "ab" / ".x.new").mkdir(parents=True)
    (run.folder / ".new").write_text("mine")
    before = sorted(run.folder.rglob("*"))
    for place in (run.folder, run.journal, run.artefacts / "ab"):
        (place / ".run.json.new").write_text("{")
    with locked(run.folder):
        assert mend(run.folder) == []
    assert sorted(run.folder.rglob("*")) == before


def test_what_is_moved_aside_is_named_and_takes_the_place_of_nothing(run: Run) -> None:
    """Of two damaged files of one name both are kept."""
    for number, content in enumerate(("{", "["), 1):
        (run.folder / "run.json").write_text(content)
        with locked(run.folder):
            assert mend(run.folder) == ["run.json"]
            assert mend(run.folder) == []
        assert (run.folder / "damaged" / f"run.json.{number}").read_text() == content
    assert (run.folder / "damaged" / "run.json.1").read_text() == "{"


def test_what_cannot_be_mended_is_named(run: Run, tmp_path: Path) -> None:
    """Different values of one job, links and a damaged file of looks are told by ``runs``, and left."""
    first = next(iter(read(run.journal, ()).records.values()))
    with Journal(run.journal, {"host": "here"}) as journal:
        journal.append([dataclasses.replace(first, metrics={"loss": 1.0, "score": 1.0})])
    (run.folder / "link").symlink_to(tmp_path)
    (run.folder / "looks.json").write_text("x")
    (line,) = runs(run.folder.parent)
    assert line.ok == 6
    for said in ("1 jobs were run twice and gave different values", "link is a link", "looks.json is damaged"):
        assert said in line.damage


def test_a_newer_run_is_not_mended(run: Run, suite: Plan) -> None:
    """What a newer bench wrote is refused and left alone."""
    path = run.folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))
    before = path.read_bytes()
    with pytest.raises(BenchError, match="newer bench"):
        create(suite, run.folder.parent)
    with locked(run.folder), pytest.raises(BenchError, match="newer bench"):
        mend(run.folder)
    assert path.read_bytes() == before


def test_a_folder_without_its_plan_is_still_found(run: Run, suite: Plan) -> None:
    """A run that has lost run.json is found by name; running its suite makes it whole."""
    (run.folder / "run.json").unlink()
    assert locate("tiny", run.folder.parent) == run.folder
    execute(suite, create(suite, run.folder.parent), executor="serial")
    assert [line.ok for line in runs(run.folder.parent)] == [6]


@pytest.mark.parametrize("harm", [spoil("run.json"), lambda run: (run.folder / "run.json").unlink()])
def test_a_plan_of_another_experiment_is_refused(
    run: Run, make_suite: MakeSuite, harm: Callable[[Run], object]
) -> None:
    """With run.json damaged or gone, the journal says whose results these are."""
    harm(run)
    with pytest.raises(BenchError, match="holds runs of tiny:LOOP"):
        create(make_suite("ENSEMBLE", {"kind": ["fine"]}), run.folder.parent)


def test_one_damaged_run_does_not_hide_the_others(run: Run) -> None:
    """Every run is listed; the damaged one without counts, which are not zero, and with its damage."""
    shutil.copytree(run.folder, run.folder.with_name("other"))
    spoil("run.json")(run)
    found = {line.name: line for line in runs(run.folder.parent)}
    assert (found["other"].ok, found["other"].damage) == (6, "")
    assert (found["tiny"].ok, found["tiny"].planned) == (None, None)
    assert "run.json is damaged" in found["tiny"].damage
