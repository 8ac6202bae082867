"""The tests that keep the promises of the store and of execution, as the docs name them; torture tries them harder."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import bench
from bench.present.render import terminal

ROOT = Path(__file__).parents[1]


def test_every_link_leads_to_a_file() -> None:
    """Pages and committed reports name no picture, table or page that a clone does not have."""
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("reports/*/*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#\s:]+)[)#]", page.read_text("utf-8"))]
    assert len(links) > 200
    assert not [(page.name, link) for page, link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize(("page", "promises"), [("storage", 22), ("execution", 10)])
def test_every_promise_has_its_test(page: str, promises: int) -> None:
    """The tests that keep a promise exist, and none of them is skipped or expected to fail."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    _, _, section = text.partition("## What is promised, and which test keeps it\n")
    bullets = re.findall(r"^- .*?(?=^- |^$)", section, flags=re.MULTILINE | re.DOTALL)
    assert len(bullets) == promises
    for bullet in bullets:
        places = re.findall(r"`([\w/]+\.py)::(\w+)`", bullet)
        assert places, bullet
        for file, name in places:
            tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
            (test,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
            marks = [ast.unparse(mark) for mark in test.decorator_list]
            assert not any("mark.skip" in mark or "mark.xfail" in mark for mark in marks)


ODD = """
from dataclasses import dataclass
from bench.experiment import Experiment, Metric, Outcome

@dataclass(frozen=True)
class Params:
    dose: int = 0

def run(jobs, progress):
    for job in jobs:
        if job.seed == 5:
            raise ValueError("seed 5 is cursed")
        values = {"constant": 1.0, "never": float("nan"), "beyond": float("inf") if job.seed == 1 else job.seed / 7}
        yield Outcome({**values, "sometimes": float("nan") if job.seed == 2 else job.seed + job.params.dose / 3},
                      notes={"sometimes": "nothing to count"} if job.seed == 2 else {})

EXPERIMENT = Experiment(Params, [Metric(n, n) for n in ("constant", "never", "beyond", "sometimes")], run)
"""


def test_odd_metrics_are_recorded_and_shown(tmp_path: Path) -> None:
    """Constant, missing, infinite and partly missing metrics keep every row, and the report says what it left out."""
    (tmp_path / "odd_lab.py").write_text(ODD)
    suite = tmp_path / "odd.toml"
    suite.write_text('name = "odd"\nexperiment = "odd_lab:EXPERIMENT"\nseeds = 6\n[factors]\ndose = [0, 1]\n')
    frame = bench.run(suite, out=tmp_path / "out", executor="serial")
    counts = frame.groupby("metric", observed=True)["value"].agg(["size", "count"])
    assert counts["size"].tolist() == [12] * 4
    assert counts["count"].to_dict() == {"constant": 10, "never": 0, "beyond": 10, "sometimes": 8}
    text = " ".join(terminal.render(bench.report("odd", out=tmp_path / "out"), full=True).split())
    assert "Without a value in any run, and left out below: never." in text
    assert "4 of the runs that are ok have a value that is no finite number (beyond and sometimes)" in text
    assert "nothing to count" in text
    assert "seed 5 is cursed" in text
