"""A suite as a value: made in Python or read, written and read again, narrowed, run; with the same jobs either way."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from enum import Enum
from pathlib import Path

import nbclient
import nbformat
import pytest

import bench
from bench import Experiment, Margin, Metric, Suite
from bench.errors import BenchError
from bench.plan.design import cells, jobs
from bench.plan.source import parse
from bench.plan.suite import Plan, check
from bench.present.render.json import render
from tests.conftest import EXPERIMENT, Lab

ROOT = Path(__file__).parent.parent
FILES = [path for folder in ("suites", "examples") for path in sorted((ROOT / folder).rglob("*.toml"))]
SUITES = [path for path in FILES if "name" in tomllib.loads(path.read_text()) and path.parent.name != "audits"]
"""All but published figures, and what suites only extend."""
GRID = {"dose": [0, 1.0, 2.0], "diet": ["plain", "rich"]}
FILE = """
name = "diets"
experiment = "lab_of_a_user:EXPERIMENT"
seeds = 4
[factors]
dose = [0, 1.0, 2.0]
diet = ["plain", "rich"]
[metrics.score]
margin = 1
[metrics.loss]
margin = "5%"
[[claims]]
id = "dose"
statement = "A dose raises the score"
label = "Dose ↑ score"
headline = true
metric = "score"
expect = "increase"
contrast = { factor = "dose", from = 0, to = 2.0 }
"""
CLAIM = {
    "id": "dose",
    "statement": "A dose raises the score",
    "label": "Dose ↑ score",
    "headline": True,
    "metric": "score",
    "expect": "increase",
    "contrast": {"factor": "dose", "from": 0, "to": 2.0},
}


class Diet(Enum):
    """Levels by their values."""

    PLAIN = "plain"
    RICH = "rich"


@pytest.fixture
def diets(lab: object) -> Suite:
    """The suite of ``FILE``, made in Python of an imported experiment."""
    from lab_of_a_user import EXPERIMENT

    margins = {"score": 1, "loss": "5%"}
    return Suite("diets", EXPERIMENT, seeds=4, factors=GRID, margins=margins, claims=[CLAIM])


def keys(plan: Plan) -> list[str]:
    return [plan.experiment.key(job) for _, job in jobs(plan)]


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_a_suite_that_is_written_is_itself(path: Path) -> None:
    """Every suite of the project, written and read again, is equal, and has the same jobs, claims and metrics."""
    suite = Suite.read(path)
    again = Suite._of(parse(path, suite.to_toml()))  # relative paths are seen from there
    assert again == suite
    old, new = check(suite, seeds=(0, 1)), check(again, seeds=(0, 1))
    assert keys(new) == keys(old)
    assert (new.factors, new.claims, new.metrics, new.published) == (
        old.factors,
        old.claims,
        old.metrics,
        old.published,
    )


def test_python_and_a_file_make_the_same_suite(diets: Suite, tmp_path: Path) -> None:
    """The same keys in a file and in Python give equal suites, jobs, digests and reports."""
    (tmp_path / "diets.toml").write_text(FILE)
    read = Suite.read(tmp_path / "diets.toml")
    assert read == diets
    assert read != Suite("diets", diets.experiment, seeds=5, factors=GRID)
    one, other = check(diets), check(read)
    assert keys(one) == keys(other)
    assert one.digest == other.digest
    assert one.claims == other.claims
    assert bench.run(diets, out=tmp_path, executor="serial")["value"].notna().all()
    first = render(bench.report("diets", out=tmp_path))
    bench.run(read, out=tmp_path, executor="serial")
    second = render(bench.report("diets", out=tmp_path))
    assert first.count("<diets>") == second.count(f"{tmp_path / 'diets.toml'}") > 0
    assert first.replace("<diets>", f"{tmp_path / 'diets.toml'}") == second


def test_what_python_offers_is_as_good_as_toml(lab: object) -> None:
    """Tuples, ranges, numpy's numbers, margins and experiments are taken for what they stand for."""
    import numpy as np
    from lab_of_a_user import EXPERIMENT

    factors = {"dose": tuple(np.linspace(0, 1, 3)), "diet": ("plain", "rich")}
    suite = Suite(
        "diets", EXPERIMENT, seeds=range(2), factors=factors, margins={"score": Margin(0.5), "loss": Margin.parse("5%")}
    )
    assert check(suite).factors["dose"] == (0.0, 0.5, 1.0)
    assert suite.metrics["loss"].margin == "5%"
    both = Suite("diets", EXPERIMENT, seeds=2, factors=GRID, margins={"loss": "5%"}, metrics={"loss": {"scale": "log"}})
    assert both.data["metrics"] == {"loss": {"margin": "5%", "scale": "log"}}
    assert Suite(name="diets", experiment=EXPERIMENT, seeds=2, factors=factors).experiment == suite.experiment
    odd = {"dose": np.linspace(0, 1, 3), "diet": list(Diet), "seconds": [np.float64(0.5)]}
    same = Suite(
        "diets", EXPERIMENT, seeds=np.arange(2), factors=odd, published=Path("means.csv"), params={"trouble": None}
    )
    assert same.data == {
        "name": "diets",
        "experiment": "lab_of_a_user:EXPERIMENT",
        "seeds": [0, 1],
        "factors": {"dose": [0.0, 0.5, 1.0], "diet": ["plain", "rich"], "seconds": [0.5]},
        "published": "means.csv",
        "params": {"trouble": "null"},
    }


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"factors": {"dose": {1.0, 2.0}}}, "factors.dose"),
        ({"factors": {"dose": frozenset({1.0, 2.0})}}, "factors.dose"),
        ({"factors": {"dose": {"levels": {1.0, 2.0}}}}, "factors.dose.levels"),
        ({"factors": GRID, "seeds": {1, 2}}, "seeds"),
        ({"factors": GRID, "sequential": {"looks": {2, 4}}}, "sequential.looks"),
        (
            {"factors": GRID, "claims": [{**CLAIM, "contrast": {"factor": "dose", "order": {0, 1.0}}}]},
            "claims[0].contrast.order",
        ),
    ],
)
def test_a_set_is_no_list(lab: object, given: dict[str, object], place: str) -> None:
    """The first level is the reference, and a set has none: it is refused in place of a list."""
    with pytest.raises(BenchError, match=rf"{re.escape(place)}: .* cannot be (.|\n)*A set has no order"):
        Suite("diets", "lab_of_a_user:EXPERIMENT", **{"seeds": 2, **given})


def test_a_set_that_is_a_value_is_sorted() -> None:
    """A parameter may be a set, whose elements have an order of their own, not that of their hashes."""
    words = {"tags": [{"b", "a", "c"}, set()]}
    suite = Suite("x", "m:E", seeds=1, params={"kept": {3, 1, 2}}, factors=words, cells=[{"tags": {"z", "y"}}])
    assert suite.data["params"] == {"kept": [1, 2, 3]}
    assert suite.data["factors"] == {"tags": [["a", "b", "c"], []]}
    assert suite.data["cells"] == [{"tags": ["y", "z"]}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeds": 0}, ["Suite 'diets': seeds: seeds cannot be 0"]),
        ({"seed": 3}, ['seed: unknown key "seed"', 'Did you mean "seeds"?']),
        ({"factors": {"dose": [0], "diet": "plain"}}, ["factors.diet: factors.diet cannot be"]),
        ({"factors": {"dose": [0, "x"]}}, ["factors.dose[1]: dose cannot be"]),
        ({"factors": None}, ['"factors" or "cells" is missing']),
        ({"margins": {"scor": 1}}, ["metrics.scor", 'Did you mean "score"?']),
        ({"margins": {"score": object()}}, ["metrics.score.margin"]),
        ({"margins": {"score": 1}, "metrics": 3}, ["metrics: metrics cannot be 3"]),
        ({"margins": {"score": 1}, "metrics": {"score": "log"}}, ['metrics.score cannot be "log"']),
        ({"claims": [{**CLAIM, "label": "x" * 41}]}, ["claims[0].label", "at most 40"]),
        ({"claims": [CLAIM, {**CLAIM, "id": "b"}]}, ["claims[1].headline", "one headline"]),
        ({"cells": [{"dose": 1.0}]}, ["either factors or cells"]),
    ],
)
def test_faults_name_their_keys(lab: object, change: dict[str, object], words: list[str]) -> None:
    """Where there is no file, a fault says under which keys it is."""
    given = {"seeds": 3, "factors": GRID, **change}
    with pytest.raises(BenchError) as raised:
        check(Suite("diets", "lab_of_a_user:EXPERIMENT", **given))
    assert [word for word in words if word not in str(raised.value)] == []
    assert ":0:0" not in str(raised.value)


def test_where_leaves_cells_out_and_levels_in_their_order(diets: Suite) -> None:
    """Cells go, levels without any cell too; the first level stays the reference even if its first cell goes."""
    plan = check(diets.where(lambda cell: (cell["dose"], cell["diet"]) != (0, "plain"), reason="no one fasts"))
    assert plan.factors == {"dose": (0.0, 1.0, 2.0), "diet": ("plain", "rich")}
    assert len(list(cells(plan))) == 5
    assert {exclusion.reason for exclusion in plan.exclusions} == {"no one fasts"}
    assert set(keys(plan)) < set(keys(check(diets)))
    fewer = check(diets.where(lambda cell: cell["dose"] != 1.0))
    assert fewer.factors == {"dose": (0.0, 2.0), "diet": ("plain", "rich")}
    assert len(list(cells(fewer))) == 4
    with pytest.raises(BenchError, match="No cell of diets is left"):
        diets.where(lambda _: False)


def test_where_keeps_what_holds_in_parts(lab: object, tmp_path: Path) -> None:
    """Nested sweeps, exclusions and parameters that follow levels survive, and can be written."""
    swept = {"levels": [1.0, 2.0, 3.0], "under": {"diet": "rich"}}
    suite = Suite(
        "parts",
        "lab_of_a_user:EXPERIMENT",
        seeds=1,
        factors={"diet": ["plain", "rich"], "dose": swept, "trouble": ["none", "nan"]},
        exclude=[{"where": {"dose": [2.0], "trouble": "nan"}, "reason": "odd"}],
        set=[{"where": {"diet": "rich"}, "params": {"seconds": 0.001}}],
    )
    narrowed = suite.where(lambda cell: cell["dose"] != 1.0)
    (tmp_path / "parts.toml").write_text(narrowed.to_toml())
    for plan in (check(narrowed), bench.check(tmp_path / "parts.toml")):
        assert [(*cell.levels.values(), cell.params.seconds) for cell in cells(plan)] == [
            ("plain", 0.0, "none", 0.0),
            ("plain", 0.0, "nan", 0.0),
            ("rich", 2.0, "none", 0.001),
            ("rich", 3.0, "none", 0.001),
            ("rich", 3.0, "nan", 0.001),
        ]


def test_parameters_that_follow_levels(lab: object, tmp_path: Path) -> None:
    """Each cell gets the parameters of the tables that hold there, later ones first, also from a suite it extends."""
    (tmp_path / "matched.toml").write_text(
        """
        [params]
        seconds = 0.5
        [[set]]
        where = { diet = "rich" }
        params = { seconds = 0.0021 }
        [[set]]
        where = { diet = "rich", dose = [1.0, 2.0] }
        params = { seconds = 0.003 }
        """
    )
    (tmp_path / "diets.toml").write_text(
        'extends = "matched.toml"\n' + FILE.replace("[0, 1.0, 2.0]", "[0, 2.0]").replace("to = 2.0", "to = 2")
    )
    with pytest.raises(BenchError, match=r"dose has no level 1\.0") as raised:
        bench.check(tmp_path / "diets.toml")
    assert "matched.toml:8:" in str(raised.value)
    (tmp_path / "diets.toml").write_text('extends = "matched.toml"\n' + FILE)
    plan = bench.check(tmp_path / "diets.toml")
    seconds = {(cell.levels["dose"], cell.levels["diet"]): cell.params.seconds for cell in cells(plan)}
    assert seconds == {
        **dict.fromkeys(((dose, "plain") for dose in (0.0, 1.0, 2.0)), 0.5),
        (0.0, "rich"): 0.0021,
        (1.0, "rich"): 0.003,
        (2.0, "rich"): 0.003,
    }
    assert list(plan.factors) == ["dose", "diet"]
    fewer = Suite.read(tmp_path / "diets.toml").where(lambda cell: cell["dose"] < 2)
    claim = {**CLAIM, "contrast": {"factor": "dose", "from": 0, "to": 1.0}}
    bench.run(Suite(**{**fewer.data, "claims": [claim]}), seeds=2, out=tmp_path, executor="serial")
    said = bench.report("diets", out=tmp_path).provenance["Parameters that follow levels"]
    assert said.endswith("seconds = 0.003 where diet is rich and dose is 1.0")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"where": {"diet": "rich"}, "params": {"secnds": 1}}, ["no parameter", 'Did you mean "seconds"']),
        ({"where": {"diet": "rich"}, "params": {"seconds": "x"}}, ["seconds cannot be"]),
        ({"where": {"diet": "rich"}, "params": {"dose": 1.0}}, ["dose is a factor and is in [[set]] too"]),
        ({"where": {"diet": "poor"}, "params": {"seconds": 1.0}}, ["no level", "poor"]),
        ({"where": {}, "params": {"seconds": 1.0}}, ["set[0].where"]),
        ({"where": {"diet": "rich"}}, ["params"]),
    ],
)
def test_faults_of_parameters_that_follow_levels(lab: object, table: dict[str, object], words: list[str]) -> None:
    """What a table [[set]] cannot mean is said where it stands."""
    with pytest.raises(BenchError) as raised:
        check(Suite("diets", "lab_of_a_user:EXPERIMENT", seeds=1, factors=GRID, set=[table]))
    assert [word for word in words if word not in str(raised.value)] == []
    assert "set[0]" in str(raised.value) or "[[set]]" in str(raised.value)


def test_labels_and_headlines_are_no_part_of_what_is_claimed(lab: object) -> None:
    """A claim keeps its digest, and with it its date, when only its label or its place in the report changes."""

    def claim(**changes: object) -> object:
        given = {**CLAIM, **changes}
        return check(Suite("diets", "lab_of_a_user:EXPERIMENT", seeds=1, factors=GRID, claims=[given])).claims[0]

    first = claim()
    assert (first.label, first.headline) == ("Dose ↑ score", True)
    assert claim(label="", headline=False).digest == first.digest
    assert claim(statement="Otherwise").digest != first.digest


def test_only_what_is_public_is_offered() -> None:
    """``dir(bench)`` names what is documented, and each of it is there."""
    assert dir(bench) == sorted(bench.__all__)
    assert all(getattr(bench, name) is not None for name in bench.__all__)
    assert {"Experiment", "Metric", "Job", "Outcome", "Suite", "Margin"} <= set(dir(bench))


def test_an_experiment_without_a_name_is_refused() -> None:
    """What no module holds could not be found again by a worker, or tomorrow."""
    nameless = Experiment(params=dict, metrics=[Metric("m", "M")], run=lambda *_: iter(()))
    with pytest.raises(BenchError, match="no name by which it could be found"):
        Suite("x", nameless, seeds=1, factors={"a": [1]})


NOTEBOOK = """
from dataclasses import dataclass
import bench
from bench import Experiment, Metric, Suite

@dataclass(frozen=True)
class Params:
    dose: float = 0.0
    diet: str = "plain"

def run(jobs, progress):
    for job in jobs:
        yield {"score": 10 + 5 * job.params.dose + job.seed * 7 % 5}

HERE = Experiment(params=Params, metrics=[Metric("score", "Score", better="higher")], run=run)
suite = Suite("notebook", HERE, seeds=3, factors={"dose": [0.0, 1.0], "diet": ["plain", "rich"]}, margins={"score": 1})
print(bench.design(suite).title)
frame = bench.run(suite.where(lambda cell: cell["diet"] != "poor"))
print(frame["value"].notna().all(), len(frame))
print(bench.report("notebook"))
"""


def test_a_notebook_needs_no_file(tmp_path: Path) -> None:
    """An experiment of the notebook itself is designed, run serially (which is said) and reported, without a file."""
    done = subprocess.run(
        [sys.executable, "-"], input=NOTEBOOK, capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert "True 12" in done.stdout
    assert "All 12 runs are done and none failed." in done.stdout
    assert "runs are made in this process, one after the other" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]
    again = bench.plan.suite.Suite.read(tmp_path / "reports" / "notebook" / "suite.toml")
    assert again.experiment == "__main__:HERE"


CELLS = (
    """
import bench
from bench import Suite
from lab_of_a_user import EXPERIMENT
claim = {"id": "dose", "statement": "A dose raises the score", "metric": "score", "expect": "increase"}
claim["contrast"] = {"factor": "dose", "from": 0.0, "to": 1.0}
suite = Suite("imported", EXPERIMENT, seeds=8, factors={"dose": [0.0, 1.0]}, margins={"score": 1}, claims=[claim])
bench.undecidable(suite)
""",
    "bench.design(suite)",
    'bench.run(suite, workers=2).groupby("metric").size().to_dict()',
    'bench.report("imported")',
    NOTEBOOK,
)


def test_a_notebook_of_a_real_kernel(lab: Lab) -> None:
    """In a kernel, an imported experiment is designed, run by workers and reported; one of the notebook runs serially.

    Nothing is said of the first; of the second, that it runs serially, and that a module would run in parallel.
    """
    (lab.folder / "lab_of_a_user.py").write_text(EXPERIMENT)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    nbclient.NotebookClient(
        notebook, kernel_name="python3", resources={"metadata": {"path": str(lab.folder)}}
    ).execute()
    start, design, run, report, own = (cell["outputs"] for cell in notebook.cells)
    assert [output["data"]["text/plain"] for output in (*start, run[-1])] == ["{}", "{'score': 16, 'loss': 16}"]
    assert "imported: the design, 2 cells × 8 seeds" in design[0]["data"]["text/html"]
    assert "A dose raises the score" in report[0]["data"]["text/html"]
    assert [len(outputs) for outputs in (start, design, run, report)] == [1, 1, 2, 1]  # a run shows its progress
    streams = {name: "".join(out["text"] for out in own if out.get("name") == name) for name in ("stdout", "stderr")}
    assert "All 12 runs are done and none failed." in streams["stdout"]
    assert "which worker processes cannot import" in streams["stderr"]
    assert "Put the experiment into a module to run it in parallel" in streams["stderr"]
    assert {path.name for path in lab.out.iterdir()} >= {"imported", "notebook"}


def test_workers_elsewhere_cannot_run_a_notebooks_experiment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cluster is refused in words."""
    import lab_of_a_user

    monkeypatch.setattr(sys.modules["__main__"], "HERE", lab_of_a_user.EXPERIMENT, raising=False)
    suite = Suite("diets", "__main__:HERE", seeds=1, factors=GRID)
    with pytest.raises(BenchError, match="worker processes cannot import"):
        bench.run(suite, executor="dask", out=tmp_path)
    with pytest.warns(UserWarning, match="one after the other"):
        bench.run(suite, out=tmp_path)
