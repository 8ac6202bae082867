"""Results that an earlier bench stored under other keys: found and moved, and none is taken for another.

``stored_before_keys_of_text`` was written by bench at 9d071bd, which compared parameters with defaults by ``==``.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import bench
from bench.execute.migrate import rekeyed
from bench.execute.run import load
from bench.present.brief import cautions

HERE = Path(__file__).parent
VALUES = [1, 3, 15, 17, 1.125, 3.125, 15.125, 17.125]


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stored run, and its suite beside ``reports``."""
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "reports" / "keys"
    shutil.copytree(HERE / "stored_before_keys_of_text", folder)
    shutil.copy(folder / "suite.toml", tmp_path / "one.toml")
    return folder


def n_records(folder: Path) -> int:
    return sum(path.read_text().count('"kind":"record"') for path in (folder / "journal").glob("*.jsonl"))


def test_an_old_run_is_reported_as_it_is(old: Path) -> None:
    """Reading writes nothing and finds every result, by the keys of then."""
    before = (old / "run.json").read_bytes()
    assert list(bench.load("keys")["value"]) == VALUES
    assert (old / "run.json").read_bytes() == before
    assert rekeyed(old) == 0


def test_an_old_run_goes_on_with_its_results(old: Path) -> None:
    """Running the suite again runs nothing, says that results got other keys, and keeps the lines as they were."""
    first = (old / "journal" / "00001.jsonl").read_bytes()
    assert list(bench.run("one.toml", executor="serial")["value"]) == VALUES
    assert n_records(old) == 8
    assert rekeyed(old) == 6
    assert all(line in first for line in (old / "journal" / "rekeyed" / "00001.jsonl").read_bytes().splitlines())
    assert any("6 results of an earlier bench" in caution for caution in cautions(old))
    assert next(line.damage for line in bench.runs() if line.name == "keys") == ""
    bench.run("one.toml", executor="serial")
    assert (n_records(old), rekeyed(old)) == (8, 6)


def test_one_is_not_taken_for_all(old: Path, tmp_path: Path) -> None:
    """After 1, stored under the key of the default 1.0, the suite with 1.0 runs it, and no alarm is raised."""
    text = (tmp_path / "one.toml").read_text()
    (tmp_path / "all.toml").write_text(text.replace("[1, 0.5]", "[1.0, 0.5]"))
    assert list(bench.run("all.toml", executor="serial")["value"])[:2] == [30, 32]
    assert not load(old).contents.alarms
    assert list(bench.run("one.toml", executor="serial")["value"]) == VALUES
    assert n_records(old) == 12


def test_results_of_unknown_parameters_are_left_alone(old: Path) -> None:
    """Where old keys do not follow from what run.json says, nothing is moved, and what is not found is run anew."""
    manifest = json.loads((old / "run.json").read_text())
    (old / "run.json").write_text(json.dumps({**manifest, "params": {"tolerance": 0.5}}))
    assert list(bench.run("one.toml", executor="serial")["value"]) == VALUES
    assert (n_records(old), rekeyed(old)) == (14, 0)
