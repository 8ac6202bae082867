"""Seeds within seeds: what a suite declares, what its runs are handed, and what its tables hold."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

import bench
from bench.errors import BenchError
from bench.experiment import Experiment, Job, Seed
from bench.plan.design import jobs
from bench.plan.strata import Strata
from bench.plan.suite import Suite, check

COMMAND = Path(__file__).parents[1] / "command.py"
LAB = """
from dataclasses import dataclass
import bench

@dataclass(frozen=True)
class Params:
    reg: str = "l1"

def run(jobs, progress):
    for job in jobs:
        seeds = [job.seed_of(name) for name in ("data", "init", "sae")]
        yield {"loss": 1.0 + seeds[0] + 0.1 * seeds[1] + 0.01 * seeds[2] + (job.params.reg == "l2")}

def plain(jobs, progress):
    return ({"loss": float(job.seed)} for job in jobs)

METRICS = [bench.Metric("loss", "Loss")]
EXPERIMENT = bench.Experiment(Params, METRICS, run, strata=["data", "init", "sae"])
CLASHING = bench.Experiment(Params, [*METRICS, bench.Metric("sae_seed", "x")], run, strata=["data", "sae"])
PLAIN = bench.Experiment(Params, METRICS, plain)
"""
SUITE = """
name = "strata"
experiment = "strata_lab:EXPERIMENT"
[seeds]
data = 2
init = 3
sae = [4, 9]
crossed = true
[factors]
reg = ["l1", "l2"]
"""
CLAIM = """
[[claims]]
id = "worse"
statement = "L2 is worse"
metric = "loss"
contrast = { factor = "reg", from = "l1", to = "l2" }
expect = "increase"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the experiment, in which the test runs."""
    (tmp_path / "strata_lab.py").write_text(LAB)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "strata_lab", raising=False)
    return tmp_path


def plan_of(folder: Path, text: str = SUITE, **change: object) -> bench.plan.suite.Plan:
    path = folder / "suite.toml"
    path.write_text(text)
    return bench.check(path, **change)


def test_crossed_strata_give_every_combination_and_nested_ones_seeds_of_their_own(folder: Path) -> None:
    """Runs of a cell are all combinations; in nested strata no inner seed is shared, and the outer ones stay."""
    crossed = [job.seeds for _, job in jobs(plan_of(folder))][::2]
    assert crossed == [{"data": d, "init": i, "sae": s} for d in (0, 1) for i in (0, 1, 2) for s in (4, 9)]
    nested = [job.seeds for _, job in jobs(plan_of(folder, SUITE.replace("crossed = true", "")))][::2]
    assert [seeds["data"] for seeds in nested] == [0] * 6 + [1] * 6
    assert len({seeds["init"] for seeds in nested}) == 6
    assert len({seeds["sae"] for seeds in nested}) == 12


def test_seeds_added_later_keep_the_runs_that_there_are() -> None:
    """Of more seeds in any stratum, the runs of fewer are a part, with the same keys."""
    few, more = ({"data": tuple(range(n)), "sae": tuple(range(n + 1))} for n in (2, 5))
    for crossed in (True, False):
        assert {*Strata(few, crossed).runs()} < {*Strata(more, crossed).runs()}


def test_a_plain_number_of_seeds_stays_what_it_is() -> None:
    """Jobs without strata have the keys that they had, and one seed for every stratum that is asked for."""
    plain = Experiment(dict, [], lambda _jobs, _progress: iter(()), version="3")
    assert plain.key(Job({}, 7)) == Experiment(dict, [], plain.run, version="3", strata=["sae"]).key(Job({}, 7))
    assert plain.key(Job({}, 7)) == hashlib.sha256(b'[{}, 7, "3"]').hexdigest()[:20]
    assert (Job({}, 7).seeds, Job({}, 7).seed_of("sae")) == ({}, 7)
    seed = Seed.of({"data": 7, "sae": 7})
    assert plain.key(Job({}, seed)) != plain.key(Job({}, 7))
    assert (Job({}, seed).seed_of("init"), Job({}, Seed.of({"data": 1, "sae": 2})).seed_of("sae")) == (7, 2)


def test_workers_are_handed_the_seeds_of_strata_and_tables_have_a_column_each(folder: Path) -> None:
    """A run by worker processes gives what its strata's seeds say, exports them, and is found by them."""
    (folder / "suite.toml").write_text(SUITE)
    frame = bench.run("suite.toml", workers=1)
    assert (frame["status"] == "ok").all()
    wide = bench.load("strata", wide=True)
    assert [*wide.columns] == ["run", "reg", "seed", "data_seed", "init_seed", "sae_seed", "status", "loss"]
    expected = 1 + wide["data_seed"] + 0.1 * wide["init_seed"] + 0.01 * wide["sae_seed"] + (wide["reg"] == "l2")
    assert wide["loss"].tolist() == pytest.approx(expected.tolist())
    assert (wide["seed"] == wide["data_seed"]).all()
    assert bench.arrays("strata", seed={"data": 1, "init": 0, "sae": 9}, reg="l2") == {}
    with pytest.raises(BenchError, match="No runs"):
        bench.arrays("strata", seed={"data": 1, "init": 0}, reg="l2")
    again = bench.run("suite.toml", workers=1, seeds="0-2")
    assert again["seed"].nunique() == 3
    assert {*frame["run"]} < {*again["run"]}


def test_given_seeds_take_the_place_of_the_first_stratum(folder: Path) -> None:
    """--seeds 3 is three seeds of the outermost stratum; inner ones stay."""
    plan = plan_of(folder, seeds=[5, 2])
    assert plan.strata is not None
    assert (plan.strata.seeds["data"], plan.strata.seeds["init"], plan.n_units) == ((5, 2), (0, 1, 2), 2)


def test_suites_from_python_toml_and_a_stored_run_are_the_same(folder: Path) -> None:
    """A table of strata is a value in Python, is written as TOML, and is read from what a run stores."""
    strata = {"data": 2, "init": 3, "sae": [4, 9], "crossed": True}
    suite = Suite("strata", "strata_lab:EXPERIMENT", seeds=strata, factors={"reg": ["l1", "l2"]})
    (folder / "again.toml").write_text(suite.to_toml())
    plan = plan_of(folder)
    assert (check(suite).digest, bench.check("again.toml").digest) == (plan.digest, plan.digest)
    bench.run(suite, executor="serial")
    from bench.execute.inventory import find

    assert find("strata").suite.strata == plan.strata
    assert find("strata").suite.seeds == plan.seeds
    assert [job.seed.strata for job in find("strata").planned()] == [job.seeds for _, job in jobs(plan)]


def test_sealed_strata_are_drawn_from_what_is_claimed(folder: Path) -> None:
    """With sealed = true every stratum's seeds come from the seal; another claim has others."""
    text = SUITE.replace("crossed = true", "crossed = true\nsealed = true") + CLAIM
    plan, other = plan_of(folder, text), plan_of(folder, text.replace('"increase"', '"decrease"'))
    assert plan.seal
    assert plan.strata is not None
    assert [len(seeds) for seeds in plan.strata.seeds.values()] == [2, 3, 2]
    assert not {*plan.seeds} & {*other.seeds}
    (folder / "suite.toml").write_text(text)
    bench.run("suite.toml", executor="serial")
    assert "Sealed: the seeds are drawn from" in str(bench.report("strata").sections)


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("sae = [4, 9]", "saee = 2", ['no stratum "saee"', 'Did you mean "sae"']),
        ("sae = [4, 9]", "sae = 0", ["seeds.sae cannot be 0", "how many each has"]),
        ("sae = [4, 9]", "sae = [4, 4]", ["the seed 4 is listed twice"]),
        ("sae = [4, 9]", "sae = 90000", ["540000 runs of each cell"]),
        ("sae = [4, 9]", "sae = true", ["seeds.sae cannot be true"]),
        ("crossed = true", "crossed = 3", ["seeds.crossed cannot be 3"]),
        ("init = 3\nsae = [4, 9]\n", "", ["the seeds have 1 stratum", "sealed = 30"]),
        (":EXPERIMENT", ":PLAIN", ['no stratum "data"', "a single seed"]),
        (":EXPERIMENT", ":CLASHING", ["have a column sae_seed"]),
        ("[factors]", "[sequential]\nlooks = [2, 3]\n[factors]", ["these have strata"]),
    ],
)
def test_faults_of_strata(folder: Path, old: str, new: str, parts: list[str]) -> None:
    """What strata cannot be is said with its place and what is allowed."""
    with pytest.raises(BenchError) as raised:
        plan_of(folder, SUITE.replace(old, new))
    assert all(part in str(raised.value) for part in parts), raised.value


def test_a_baseline_does_not_hold_strata(folder: Path) -> None:
    """Runs whose seeds have strata are not accepted as a baseline, and compare says so."""
    (folder / "suite.toml").write_text(SUITE)
    bench.run("suite.toml", executor="serial")
    with pytest.raises(BenchError, match="have strata"):
        bench.accept("strata")


def test_bench_check_shows_strata(folder: Path) -> None:
    """The command names the strata, their seeds, and whether they are crossed."""
    (folder / "suite.toml").write_text(SUITE)
    command = [sys.executable, str(COMMAND), "check", "suite.toml"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "data: 0, 1; init: 0 to 2; sae: 4, 9" in shown.stdout
    assert "crossed" in shown.stdout
