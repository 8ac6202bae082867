"""Levels that are awkward, None and texts that cannot be seen, go from a suite to a gate and to another's table."""

from __future__ import annotations

import html
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import bench
from bench.errors import BenchError
from bench.plan.labels import visible

if TYPE_CHECKING:
    from tests.conftest import Commands

EXPERIMENT = """
from dataclasses import dataclass
from typing import Any, Literal
import random
import bench

@dataclass(frozen=True)
class Params:
    cap: float | None = 1.0
    tag: str | None = "x"
    word: Literal["null", "x"] | None = "x"
    plain: str = "x"
    size: int = 1
    anything: Any = 0

@bench.function(metrics=["m"])
def measure(params: Params, seed: int) -> dict[str, float]:
    return {"m": random.Random(repr((params, seed))).gauss(100 * (params.cap is None), 1)}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the experiment, in a module of its own for each test."""
    name = "levels_" + "".join(letter for letter in tmp_path.name if letter.isalnum())
    (tmp_path / f"{name}.py").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path)
    return f"{name}:measure"


def test_none_goes_from_python_to_a_gate(here: str, command: Commands) -> None:
    """It is called null in every table, and is None to the experiment, in a claim, and in a filter of cells."""
    contrast = {"factor": "cap", "from": None, "to": 1.0, "at": {"tag": None}}
    claim = {"id": "c", "statement": "s", "metric": "m", "expect": "decrease", "contrast": contrast}
    suite = bench.Suite(
        "nulls", here, seeds=6, params={"word": None}, claims=[claim], factors={"cap": [None, 1.0], "tag": [None, "a"]}
    )
    plan = bench.check(suite)
    assert plan.factors == {"cap": ("null", 1.0), "tag": ("null", "a")}
    assert plan.values({"cap": "null", "tag": "null"}) == {"word": None, "cap": None, "tag": None}
    frame = bench.run(suite, executor="serial")
    assert frame.groupby("cap", observed=True)["value"].mean()["null"] > 90
    report = str(bench.report("nulls"))
    assert "cap: null → 1.0" in report
    assert "supported" in report
    assert "word = null" in bench.report("nulls").provenance["Shared parameters"]
    bench.accept("nulls")
    assert bench.compare("nulls").outcome == "passed"
    kept = suite.where(lambda cell: cell["cap"] is None or cell["tag"] is None)
    assert [cell["cap"] for cell in bench.check(kept).combinations()] == ["null", "null", 1.0]
    code, out, _ = command("export", "nulls", "--wide")
    assert (code, set(pd.read_csv(io.StringIO(out), keep_default_na=False)["cap"])) == (0, {"null", "1.0"})


def test_a_suite_with_none_is_the_same_in_toml(here: str) -> None:
    """Written and read back, a suite is equal, has the same digest and gives the same parameters."""
    cells = [{"cap": None, "tag": "a"}, {"cap": 2.0, "tag": None}]
    for keys in ({"cells": cells}, {"factors": {"cap": [None, 2.0]}, "params": {"tag": None}}):
        suite = bench.Suite("same", here, seeds=2, **keys)
        Path("same.toml").write_text(suite.to_toml())
        one, two = bench.check(suite), bench.check("same.toml")
        assert (one.digest, one.settings, one.params) == (two.digest, two.settings, two.params)
        assert None in one.settings["cap"].values()


@pytest.mark.parametrize(
    ("lines", "name", "value"),
    [
        ('factors.cap = ["null", 2.0]', "cap", None),
        ('factors.cap = { levels = [2.0, 3.0], under = { size = 1 }, otherwise = "null" }', "cap", None),
        ('factors.tag = ["null", "a"]', "tag", None),
        ('factors.anything = ["null", "a"]', "anything", None),
        ('factors.word = ["null", "x"]', "word", None),
        ('factors.plain = ["null", "x"]', "plain", "null"),
        ('set = [{ where = { size = 1 }, params = { cap = "null" } }]', "cap", None),
        ('exclude = [{ where = { cap = "null", size = 2 }, reason = "r" }]\nfactors.cap = [2.0, "null"]', "cap", None),
    ],
)
def test_null_is_the_word_for_none_in_toml(here: str, lines: str, name: str, value: object) -> None:
    """Where a parameter may be None; one that takes texts only is given the text."""
    head = f'name = "s"\nexperiment = "{here}"\nseeds = 2\nfactors.size = [1, 2]'
    Path("suite.toml").write_text(f"{head}\n{lines}\n")
    plan = bench.check("suite.toml")
    assert value in [plan.values(cell)[name] for cell in plan.combinations() if name in plan.values(cell)]


@pytest.mark.parametrize(("text", "hint"), [("null", 'write "null"'), ("None", 'write "null"'), ('"nil"', '"null"')])
def test_none_in_another_spelling_is_explained(here: str, text: str, hint: str) -> None:
    """What TOML or the experiment refuses is answered with the word."""
    Path("suite.toml").write_text(f'name = "s"\nexperiment = "{here}"\nseeds = 2\n[factors]\ncap = [{text}, 1.0]\n')
    with pytest.raises(BenchError, match=r"suite\.toml:5:8") as raised:
        bench.check("suite.toml")
    assert hint in str(raised.value)


@pytest.mark.usefixtures("sketched")
def test_levels_that_cannot_be_seen_have_a_form_that_can(here: str, command: Commands) -> None:
    """Empty, with a line's end, with blanks at an edge: distinct and visible in each format, and in a piped table."""
    levels = ["", "a\nb", "a b", " a b"]
    claim = {"id": "c", "statement": "s", "metric": "m", "expect": "increase"}
    claims = [{**claim, "contrast": {"factor": "plain", "from": "", "to": "a\nb", "at": {"size": 1}}}]
    suite = bench.Suite("seen", here, seeds=4, factors={"plain": levels, "size": [1, 2]}, claims=claims)
    bench.run(suite, executor="serial")
    forms = [visible(level) for level in levels]
    assert forms == ['""', r'"a\nb"', "a b", '" a b"']
    for name, read in (("md", lambda out: out.replace("\\\\", "\\")), ("html", html.unescape), ("text", str)):
        code, out, _ = command(
            "report", "seen", "--full", *([] if name == "text" else ["--format", name, "--output", "-"])
        )
        assert (code, [form for form in forms[1:] if f'plain: "" → {form}' not in read(out)]) == (0, []), name
    wide = command("export", "seen", "--wide")[1]
    Path("seen.csv").write_text(wide)
    code, out, err = command("analyze", "seen.csv", "--factors", "plain,size", "--block", "seed", "--metric", "m")
    assert (code, r'plain: "" → "a\nb"' in out) == (0, True), err
