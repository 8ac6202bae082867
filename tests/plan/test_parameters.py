"""Every feature of pydantic and of dataclasses: runs get the parameters that the suite gives, or `check` refuses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import features
import pytest
from pydantic_core import to_jsonable_python

from bench.execute.schedule import missing
from bench.execute.worker import run_batch
from bench.experiment import Job
from bench.plan.source import SuiteError
from bench.plan.suite import load

Write = Callable[[str], Path]
KEYS = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from bench.execute.schedule import missing
from bench.plan.suite import load
for path in sorted(Path({suites!r}).glob("*.toml")):
    print(path.stem, *(job.key for job in missing(load(path), ())))
"""


def text(name: str, levels: object) -> str:
    given = ", ".join(map(str, levels)) if isinstance(levels, tuple) else levels
    return f'name = "s"\nexperiment = "features:EXPERIMENT_{name}"\nseeds = 1\n[factors]\nx = [{given}]\n'


@pytest.mark.parametrize("name", features.WORKS)
def test_a_run_gets_what_the_suite_gives(name: str, write: Write) -> None:
    """Parameters in a worker are those that the suite's values validate to, once."""
    experiment, levels = features.WORKS[name]
    suite = load(write(text(name, levels)))
    pending = list(missing(suite, ()))
    assert len({job.key for job in pending}) == len(levels) == 2
    features.SEEN.clear()
    results = [run_batch(experiment, [(job.values, job.seed)], lambda _: None)[0] for job in pending]
    assert [result.reason for result in results] == ["", ""]
    wanted = [experiment.make(suite.values(job.levels)) for job in pending]
    for params, job in zip(features.SEEN, pending, strict=True):
        wanted = experiment.make(suite.values(job.levels))
        assert type(params.x) is type(wanted.x)
        assert visible(params) == visible(wanted)


def visible(params: Any) -> dict[str, Any]:
    """What an experiment sees of its parameters; NaN equals itself here, a list a tuple, a word an enum's value."""
    names = [name for name in dir(params) if not name.startswith(("_", "model_"))] + ["_twice"]
    values = {name: getattr(params, name, None) for name in names}
    loose = {name: values[name] for name in values if name != "x" and not callable(values[name])}
    plain = {name: "nan" if repr(value) == "nan" else to_jsonable_python(value) for name, value in loose.items()}
    return {**plain, "x": values["x"]}


@pytest.mark.parametrize("name", features.REFUSED)
def test_what_json_does_not_give_back_is_refused(name: str, write: Write) -> None:
    """Parameters that would reach a run as others, or be other ones tomorrow, are refused with what becomes of them."""
    _, levels, words = features.REFUSED[name]
    with pytest.raises(SuiteError) as raised:
        load(write(text(name, levels)))
    assert [word for word in words if word not in str(raised.value)] == []


def test_a_worker_that_makes_other_parameters_fails_the_run(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a validator decides otherwise on another machine, the job fails in words instead of running as another."""
    experiment, levels = features.WORKS["DecidedByTheMachine"]
    job = next(missing(load(write(text("DecidedByTheMachine", levels))), ()))
    monkeypatch.setitem(features.MACHINE, "home", "elsewhere")
    features.SEEN.clear()
    (result,) = run_batch(experiment, [(job.values, job.seed)], lambda _: None)
    assert (result.status, features.SEEN) == ("failed", [])
    assert "other parameters of the same values: home differ" in result.reason


def test_keys_do_not_depend_on_the_process(tmp_path: Path) -> None:
    """Another order of hashes, as every process has, leaves all keys as they are."""
    for name, (_, levels) in features.WORKS.items():
        (tmp_path / f"{name}.toml").write_text(text(name, levels))
    code = KEYS.format(folder=str(Path(__file__).parent), suites=str(tmp_path))
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert outputs.pop().count("\n") == len(features.WORKS)


def test_equal_values_of_different_types_have_different_keys() -> None:
    """1, 1.0 and true are three jobs, whichever of them is the default."""
    subject = features.WORKS["Anything"][0]
    for nested in ({"a": 1}, {"a": 1.0}, {"a": True}):
        default = subject.make({"x": nested})
        keys = {subject.key(Job(subject.make({"x": {"a": value}}), 0)) for value in (1, 1.0, True)}
        assert len(keys) == 3, default
    either = features.WORKS["IntOrFloat"][0]
    assert len({either.key(Job(either.make({"x": value}), 0)) for value in (1, 1.0, "1.0")}) == 3
    assert either.changed(either.make({"x": 1})) == {"x": 1}
    assert either.changed(either.make({"x": 1.0})) == {}


@pytest.mark.parametrize("levels", ['1, "1"', '0.1, "0.1"', 'true, "True"', "1, 1.0", "1, true", '[1], "[1]"'])
@pytest.mark.parametrize("listed", [False, True])
def test_levels_that_tables_cannot_tell_apart_are_refused(levels: str, listed: bool, write: Write) -> None:
    """What a report would refuse after the runs, or take for one level, is refused before them."""
    grid = text("Untyped", levels)
    first, second = levels.split(", ")
    cells = "".join(f"[[cells]]\nx = {level}\nother = {other}\n" for level, other in ((first, 1), (second, 2)))
    with pytest.raises(SuiteError, match=r"tell apart|twice|\[1\]"):
        load(write(grid.partition("[factors]")[0] + cells if listed else grid))
