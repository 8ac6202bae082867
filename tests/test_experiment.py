"""The contract with an experiment: which jobs are the same, and what is said of one that is not found."""

from __future__ import annotations

import hashlib
import json
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from bench.errors import BenchError, Exit
from bench.experiment import Experiment, Job, Metric, Outcome, Progress, function, identify, resolve


class Act(Enum):
    """Levels by their values."""

    RELU = "relu"
    GELU = "gelu"


class Params(BaseModel):
    """One field of each kind."""

    reg: Literal["l1", "l2"] = "l1"
    lr: float = 0.1
    act: Act = Act.RELU
    widths: tuple[int, ...] = (3,)


class Reordered(BaseModel):
    """The fields of Params in another order."""

    widths: tuple[int, ...] = (3,)
    act: Act = Act.RELU
    lr: float = 0.1
    reg: Literal["l1", "l2"] = "l1"


class Extended(Params):
    """Params with a parameter more, whose default is the old behaviour."""

    bias: bool = False


@dataclass(frozen=True)
class Plain:
    """The fields of Params in a dataclass."""

    reg: Literal["l1", "l2"] = "l1"
    lr: float = 0.1
    act: Act = Act.RELU
    widths: tuple[int, ...] = (3,)


def run_nothing(jobs: Sequence[Job], progress: Progress) -> Iterator[Mapping[str, float]]:
    return iter(())


def experiment(params: type) -> Experiment:
    return Experiment(params=params, metrics=[Metric("loss", "Loss")], run=run_nothing)


def key(subject: Experiment, seed: int = 4, **values: object) -> str:
    return subject.key(Job(subject.make({"reg": "l2", "lr": 0.5} | values), seed))


def test_the_key_of_a_job_never_changes() -> None:
    """A key is the same in every release: results stored under it must be found again."""
    assert key(experiment(Params)) == "df79862a599eb04dc6ac"


@pytest.mark.parametrize("params", [Reordered, Extended, Plain])
def test_what_leaves_a_key_alone(params: type) -> None:
    """The order of fields, a new field at its default and the kind of class are no part of a job's identity."""
    assert key(experiment(params)) == key(experiment(Params))


def test_values_that_mean_the_same_have_one_key() -> None:
    """A value given as its default, as another type of number or as an enum's value is that value."""
    subject = experiment(Params)
    assert key(subject, act="relu", widths=[3]) == key(subject)
    assert key(subject, lr=2) == key(subject, lr=2.0)
    assert key(subject, act="gelu") == key(subject, act=Act.GELU)


def test_what_changes_a_key() -> None:
    """Any parameter, the seed and the version are each part of a job's identity."""
    subject = experiment(Params)
    keys = [
        key(subject),
        key(subject, reg="l1"),
        key(subject, lr=0.5000000000000001),
        key(subject, act="gelu"),
        key(subject, widths=[3, 3]),
        key(subject, seed=5),
        key(replace(subject, version="2")),
        key(experiment(Extended), bias=True),
    ]
    assert len(set(keys)) == len(keys)


def test_fields_and_defaults() -> None:
    """Fields come in the order of declaration; values are what JSON can hold."""
    subject = experiment(Plain)
    assert list(subject.fields) == ["reg", "lr", "act", "widths"]
    assert subject.defaults == {"reg": "l1", "lr": 0.1, "act": "relu", "widths": [3]}


def test_make_reports_every_fault() -> None:
    """Each value that a field refuses is an entry of one error."""
    with pytest.raises(ValidationError) as raised:
        experiment(Params).make({"reg": "l3", "lr": "fast"})
    assert [entry["loc"] for entry in raised.value.errors()] == [("reg",), ("lr",)]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """An importable module that holds one experiment and one thing that is none."""
    module = types.ModuleType("some_experiments")
    module.FIRST = experiment(Params)
    module.OTHER = 3
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_resolve(module: types.ModuleType) -> None:
    """An experiment is found by the name of its module and its own."""
    assert resolve("some_experiments:FIRST") is module.FIRST


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("", "does not name an experiment"),
        ("some_experiments", "does not name an experiment"),
        (":FIRST", "does not name an experiment"),
        ("some_experiments:", "does not name an experiment"),
        ("some_experiments:SECOND", r"no Experiment called 'SECOND' \(it has FIRST\)"),
        ("some_experiments:OTHER", r"no Experiment called 'OTHER' \(it has FIRST\)"),
        ("json:FIRST", r"no Experiment called 'FIRST' \(it has none\)"),
        ("no_such_module:FIRST", "cannot be imported: ModuleNotFoundError"),
        ("..:FIRST", "cannot be imported: TypeError"),
    ],
)
def test_resolve_refuses(module: types.ModuleType, reference: str, words: str) -> None:
    """A name that leads to no experiment is refused with what there is, and how one is named."""
    with pytest.raises(BenchError, match=words) as raised:
        resolve(reference)
    assert "package.module:NAME" in raised.value.hint
    assert raised.value.exit_code is Exit.USAGE


@given(
    st.dictionaries(
        st.text(), st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())
    ),
    st.integers(0, 2**63 - 1),
    st.text(),
)
def test_what_is_hashed_is_json(changed: dict[str, object], seed: int, version: str) -> None:
    """The key is the hash of the JSON text of parameters, seed and version, however it is put together."""
    text = json.dumps([changed, seed, version], sort_keys=True)
    assert identify(changed, seed, version) == hashlib.sha256(text.encode()).hexdigest()[:20]


def test_a_plain_function_is_an_experiment() -> None:
    """A function of parameters and seed becomes an experiment that runs one job at a time; metrics may be names."""

    @function(metrics=["loss", Metric("score", "Score", better="higher")], version="3", sources=["data.csv"])
    def train(params: Params, seed: int) -> dict[str, float] | Outcome:
        if seed == 1:
            return Outcome({"loss": 1e30}, diverged="blew up")
        return {"loss": params.lr, "score": float(seed)}

    assert [(metric.name, metric.label) for metric in train.metrics] == [("loss", "loss"), ("score", "Score")]
    assert (train.params, train.version, train.batch_size, train.sources) == (Params, "3", 1, ["data.csv"])
    first, second = train.run([Job(Params(lr=0.5), 0), Job(Params(), 1)], lambda _part: None)
    assert first == {"loss": 0.5, "score": 0.0}
    assert isinstance(second, Outcome)


def _no_annotation(params, seed):
    return {}


def _one_argument(params: Params) -> dict[str, float]:
    return {}


def _three_arguments(params: Params, seed: int, third: int) -> dict[str, float]:
    return {}


def _yields(params: Params, seed: int) -> Iterator[dict[str, float]]:
    yield {}


async def _waits(params: Params, seed: int) -> dict[str, float]:
    return {}


def _unknown_class(params: "Nowhere", seed: int) -> dict[str, float]:  # noqa: F821
    return {}


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (_no_annotation, "_no_annotation does not say which class its parameters are of"),
        (_one_argument, "_one_argument cannot run a job: too many positional arguments"),
        (_three_arguments, "_three_arguments cannot run a job: missing a required argument: 'third'"),
        (_yields, "_yields must return the metrics of one job"),
        (_waits, "_waits must return the metrics of one job"),
        (_unknown_class, "_unknown_class cannot run a job: name 'Nowhere' is not defined"),
    ],
)
def test_a_function_that_cannot_run_a_job_is_refused(run: Callable[..., Any], said: str) -> None:
    """What a function lacks is said where it is declared, with how to write it."""
    with pytest.raises(BenchError, match=said) as error:
        function(metrics=["loss"])(run)
    assert "def run(params: Params, seed: int)" in error.value.hint


def test_importing_an_experiment_leaves_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that changes the current folder when it is imported does not change it for bench."""
    text = "import os\nos.chdir('/')\nfrom bench import Experiment\nA = Experiment(params=dict, metrics=[], run=iter)\n"
    (tmp_path / "wandering_module.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    resolve("wandering_module:A")
    assert Path.cwd() == tmp_path
