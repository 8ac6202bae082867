"""Hidden randomness is found by running one job twice, and named by metric."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import bench
from bench.errors import BenchError
from tests.conftest import Commands

EXPERIMENT = """
import random, os
from dataclasses import dataclass
import bench
from bench import Experiment, Metric

@dataclass(frozen=True)
class Params:
    kind: str = "fine"
    x: int = 0

calls = []

def value(job, place):
    calls.append(job)
    return {{
        "fine": job.seed + job.params.x,
        "global": random.random(),
        "hash": hash("text"),
        "state": len(calls),
        "place": place,
        "nan": float("nan"),
    }}[job.params.kind]

def run(jobs, progress):
    for place, job in enumerate(jobs):
        if job.params.kind == "raises":
            raise ValueError("no luck")
        yield {{"steady": 1.0, "m": float(value(job, place))}}

A = Experiment(params=Params, metrics=[Metric("steady", "S"), Metric("m", "M")], run=run, batch_size={batch_size})
"""


@pytest.fixture
def suite(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    kind, batch_size, name = request.param
    (tmp_path / f"{name}.py").write_text(EXPERIMENT.format(batch_size=batch_size))
    path = tmp_path / "suite.toml"
    path.write_text(
        f'name = "twice"\nexperiment = "{name}:A"\nseeds = 1\n[params]\nkind = "{kind}"\n[factors]\nx = [0, 1]\n'
    )
    return path


@pytest.mark.parametrize(
    "suite", [("fine", 1, "steady_1"), ("fine", 4, "steady_4"), ("nan", 4, "nan_4")], indirect=True
)
def test_what_depends_on_parameters_and_seed_alone_passes(suite: Path, tmp_path: Path) -> None:
    """Equal numbers, NaN included, pass, and nothing is left behind."""
    before = {path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts}
    assert bench.check(suite, twice=True).name == "twice"
    assert {path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts} == before


@pytest.mark.parametrize(
    "suite",
    [("global", 1, "drawn_1"), ("hash", 1, "hashed_1"), ("state", 1, "stateful_1"), ("place", 4, "placed_4")],
    indirect=True,
)
def test_the_metric_that_differs_is_named(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A global generator, the order of a set, state that is kept and a place in a batch are found, by metric."""
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)  # Dask sets it for the processes that it starts
    with pytest.raises(BenchError, match=r"of the run x = 0, seed 0, m is \S+ alone and \S+ in company\.") as error:
        bench.check(suite, twice=True)
    assert "steady" not in error.value.message
    assert "default_rng(seed)" in error.value.hint


@pytest.mark.parametrize("suite", [("raises", 1, "raising_1")], indirect=True)
def test_a_job_that_fails_says_why(suite: Path) -> None:
    """What has no outcome cannot be compared."""
    with pytest.raises(BenchError, match=r"has failed: ValueError: no luck"):
        bench.check(suite, twice=True)


@pytest.mark.parametrize(
    ("suite", "differs"),
    [(("fine", 1, "first_fine"), False), (("global", 1, "first_drawn"), True), (("state", 1, "first_kept"), True)],
    indirect=["suite"],
)
def test_the_first_run_of_a_version_runs_one_job_again(
    suite: Path, tmp_path: Path, command: Commands, *, differs: bool
) -> None:
    """One line says whether it came out the same, by metric if not; later runs do not, nor where it is switched off."""
    first = ["run", suite, "--out", tmp_path / "reports", "--executor", "serial"]
    code, _, err = command(*first)
    assert (code, "alone: its numbers are the same" in err) == (0, not differs)
    assert ("seed 0, m is " in err, "steady" in err) == (differs, False)
    for later in (first, [*first, "--seeds", "2"], [*first, "--fresh"]):
        assert "alone" not in command(*later)[2]
    module = next(path for path in tmp_path.glob("first_*.py"))
    module.write_text(module.read_text().replace("batch_size=", 'version="2", batch_size='))
    del sys.modules[module.stem]
    importlib.invalidate_caches()
    assert "alone" not in command(*first, "--no-twice", "--out", tmp_path / "other")[2]
    assert "alone" in command(*first)[2]
