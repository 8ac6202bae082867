"""Where numbers come from is written down truly."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.execute.coordinate import execute
from bench.execute.journal import read
from bench.execute.provenance import THREAD_SETTINGS, code, digest_of, environment
from bench.execute.run import create
from tests.execute.conftest import MakeSuite


def test_the_id_changes_with_what_may_change_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal environments have equal ids; another version, CPU, instruction set or thread setting has another."""
    here = environment()
    assert environment() == here
    facts = {name: value for name, value in here.items() if name != "id"}
    changes = [
        {"python": "CPython 2.7.18"},
        {"packages": {**here["packages"], "numpy": "1.0"}},
        {"cpu": "abacus"},
        {"instructions": []},
        {"kernels": {"torch": "NONE"}},
        {"threads": dict.fromkeys(THREAD_SETTINGS, "64")},
        {"experiment": {"training": "by hand"}},
    ]
    ids = {here["id"]}
    for change in changes:
        with monkeypatch.context() as patch:
            patch.setattr("bench.execute.provenance._facts", lambda _torch, change=change: {**facts, **change})
            ids.add(environment()["id"])
    assert len(ids) == 1 + len(changes)


def test_versions_are_had_without_importing_packages() -> None:
    """Describing the environment imports no numerical package, which would take seconds."""
    script = (
        "import sys; from bench.execute.provenance import environment; found = environment()['packages'];"
        "assert 'numpy' in found, found; assert not {'numpy', 'torch', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_kernels_of_torch_are_those_it_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch is loaded, the instructions that it was told to use are part of the environment; else nothing is."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert environment()["kernels"] == {}
    script = "import torch; from bench.execute.provenance import environment; print(environment()['kernels']['torch'])"
    told = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}
    done = subprocess.run([sys.executable, "-c", script], check=True, env=told, capture_output=True, text=True)
    assert done.stdout == "DEFAULT\n"


def test_an_experiment_adds_what_it_knows(make_suite: MakeSuite, tmp_path: Path) -> None:
    """Every record's environment holds what the experiment says of its process; one that fails says why instead."""
    suite = make_suite("LOOP", {"kind": ["fine"]})

    def failing() -> dict[str, str]:
        raise OSError("no longer known")

    experiment = dataclasses.replace(suite.experiment, environment=lambda: {"training": "by hand"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tiny.LOOP", experiment)
        run = create(dataclasses.replace(suite, experiment=experiment), tmp_path / "out")
        execute(run.suite, run, executor="serial")
    contents = read(run.journal)
    (described,) = {record.environment for record in contents.records.values()}
    assert contents.environments[described]["experiment"] == {"training": "by hand"}
    experiment = dataclasses.replace(suite.experiment, environment=failing)
    assert environment(experiment)["experiment"] == {"unknown": "OSError: no longer known"}
    assert "experiment" not in environment(suite.experiment)


def test_every_record_says_where_it_was_made(make_suite: MakeSuite, tmp_path: Path) -> None:
    """The journal describes the environment of the worker that made each record: one thread, unlike this process."""
    suite = make_suite("LOOP", {"kind": ["fine"]})
    run = create(suite, tmp_path / "out")
    execute(suite, run, workers=1)
    contents = read(run.journal)
    (described,) = {record.environment for record in contents.records.values()}
    assert contents.environments[described]["threads"] == dict.fromkeys(THREAD_SETTINGS, "1")
    (session,) = contents.sessions
    assert [entry["name"] for entry in session["code"]] == ["bench", "tiny"]
    assert session["suite"] == suite.digest


def test_the_commit_is_that_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracked module has its repository's commit, and is dirty once changed; an untracked one has none."""

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "tracked_code.py").write_text("")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "Begin")
    (tmp_path / "untracked_code.py").write_text("")
    __import__("tracked_code")
    __import__("untracked_code")
    found = code("tracked_code")
    assert (found["commit"], found["dirty"]) == (git("rev-parse", "HEAD"), False)
    (tmp_path / "tracked_code.py").write_text("changed = True")
    assert code("tracked_code")["dirty"]
    assert code("untracked_code")["commit"] == ""
    assert code("never_imported")["commit"] == ""


def test_the_digest_of_a_package_changes_with_any_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest that bench has of itself is of all its files; one of given files is theirs, and says which it is."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "package_here" / "inner").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py", "inner/part.py"):
        (tmp_path / "package_here" / name).write_text("")
    __import__("package_here")
    before = code("package_here")
    (tmp_path / "package_here" / "inner" / "part.py").write_text("two = 2")
    assert code("package_here")["digest"] != before["digest"] != ""
    given = code("package_here", {"a.py": "1"})
    assert (before["covers"], given["covers"], given["digest"]) == ("package", "imports", digest_of({"a.py": "1"}))
    assert digest_of({"a.py": "1"}) != digest_of({"a.py": "2"}) != digest_of({"b.py": "2"})
    assert code("never_imported")["digest"] == digest_of({}) == ""
