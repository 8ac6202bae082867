"""The figures of a report: what they show, that they are the same every time, and that any name fits into them."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.experiment import Metric
from bench.judge.analysis import Analysis, MetricOptions, analyze
from bench.judge.screening import screening_frame
from bench.judge.simultaneous import simultaneous
from bench.present.build import analysis_sections
from bench.present.illustrate import illustrated
from bench.present.plots import canvas
from bench.present.plots.observed import by_block, observed
from bench.present.report import Figure, plain
from bench.present.tables import Context

SVG = "{http://www.w3.org/2000/svg}"


def simulated(
    factors: dict[str, list[object]], *, seeds: int = 6, log: bool = False, label: str = "Loss"
) -> tuple[Analysis, pd.DataFrame, Context]:
    """A full factorial of noise, with an effect of the first factor."""
    rng = np.random.default_rng(7)
    grid = pd.MultiIndex.from_product([*factors.values(), range(seeds)], names=[*factors, "seed"]).to_frame(index=False)
    first = grid.iloc[:, 0].map({level: code for code, level in enumerate(next(iter(factors.values())))})
    grid["loss"] = np.exp(first.astype(float) + rng.normal(size=len(grid)) / 4)
    context = Context(factors, [Metric("loss", label, unit="nats", better="lower")])
    margin = 0.5 if log else 0.2
    return analyze(grid, list(factors), "seed", [MetricOptions("loss", log=log, margin=margin)]), grid, context


def figures_of(analysis: Analysis, runs: pd.DataFrame, context: Context) -> dict[str, Figure]:
    sections = illustrated(list(analysis_sections(analysis, context, 6)), analysis, runs, context)
    return {figure.name: figure for section in sections for figure in section.figures}


def texts(figure: Figure) -> list[str]:
    return [node.text or "" for node in ET.fromstring(figure.svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("log", [False, True])
def test_every_kind_of_figure_is_drawn(log: bool) -> None:
    """A two-level design gets all the figures, each a valid SVG with a caption and a text alternative."""
    figures = figures_of(*simulated({"reg": ["l1", "l2"], "act": ["relu", "gelu"]}, log=log))
    kinds = ["effects", "interactions", "screening", "runs", "slopes", "residuals"]
    assert set(figures) == {*(f"{kind}-loss" for kind in kinds), "means"}
    for figure in figures.values():
        assert ET.fromstring(figure.svg).tag == f"{SVG}svg"
        assert figure.caption
        assert figure.alt
    assert "reg: l1 → l2" in texts(figures["effects-loss"])


def test_figures_are_the_same_every_time() -> None:
    """Another process draws the same bytes, with no date in them."""
    code = (
        "import hashlib; from tests.present.test_figures import figures_of, simulated\n"
        "figures = figures_of(*simulated({'reg': ['l1', 'l2'], 'act': ['relu', 'gelu']}))\n"
        "print(hashlib.sha256(b''.join(f.svg for f in figures.values())).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    figures = figures_of(*simulated({"reg": ["l1", "l2"], "act": ["relu", "gelu"]}))
    assert other.strip() == hashlib.sha256(b"".join(figure.svg for figure in figures.values())).hexdigest()
    assert not any(re.search(rb"20\d\d-\d\d-\d\d", figure.svg) for figure in figures.values())


def test_hovering_tells_the_seed() -> None:
    """Every run is a mark whose title is its seed and value, in the order of the marks from left to right."""
    analysis, runs, context = simulated({"reg": ["l1", "l2"]})
    root = ET.fromstring(figures_of(analysis, runs, context)["runs-loss"].svg)
    told = {title.text: float(mark.get("x", "nan")) for mark in root.iter(f"{SVG}use") for title in mark}
    wanted = {canvas.seed_title("seed", row.seed, row.loss): row.loss for row in runs.itertuples()}
    assert told.keys() == wanted.keys()
    assert sorted(told, key=lambda title: told[title]) == sorted(wanted, key=lambda title: wanted[title])


@settings(max_examples=8, deadline=None)
@given(st.text(max_size=40))
def test_any_name_is_shown_as_text(name: str) -> None:
    """A label is neither markup nor a formula: the SVG parses and holds it, or its shortened form, as text."""
    figure = figures_of(*simulated({"reg": ["l1", "l2"]}, label=f"$x_{{{name}}}$"))["slopes-loss"]
    assert canvas.shortened(f"$x_{{{name}}}$ (nats)", 32).strip() in {text.strip() for text in texts(figure)}


def test_control_characters_do_not_reach_the_file() -> None:
    """What XML cannot hold is replaced, in labels as in levels."""
    figures = figures_of(*simulated({"a\x00b": ["x\x1b", "<script>"]}))
    assert any(plain("a\x00b") in text for text in texts(figures["slopes-loss"]))
    assert all(b"<script" not in figure.svg for figure in figures.values())


@pytest.mark.parametrize(
    "factors",
    [
        {"one": ["only", "two"]},
        {"dose": [0.1, 1.0, 10.0, 100.0], "diet": ["plain", "rich", "with a very long name indeed, and more"]},
        {f"factor {index}": [False, True] for index in range(6)},
        {"many": [f"level {index}" for index in range(70)]},
    ],
    ids=["one factor", "levels", "six factors", "seventy cells"],
)
def test_any_design_is_drawn(factors: dict[str, list[object]]) -> None:
    """One factor or six, long names and many cells: every figure is drawn, and says what it leaves out."""
    figures = figures_of(*simulated(factors, seeds=3))
    assert all(figure.svg for figure in figures.values())
    if "many" in factors:
        assert "10 further cells not drawn" in figures["runs-loss"].caption
    if "dose" in factors:
        assert "Dose–response over dose" in figures["slopes-loss"].caption
        assert "10" in texts(figures["slopes-loss"])


@pytest.mark.parametrize("break_up", ["one seed", "constant", "missing"])
def test_poor_data_are_drawn(break_up: str) -> None:
    """One seed, a constant metric, or runs without a value give figures without warnings."""
    _, runs, context = simulated({"reg": ["l1", "l2"], "act": ["relu", "gelu"]})
    runs = runs[runs["seed"] == 0] if break_up == "one seed" else runs
    runs = runs.assign(loss=1.0) if break_up == "constant" else runs
    runs.loc[runs.index[: 7 if break_up == "missing" else 0], "loss"] = np.nan
    analysis = analyze(runs, ["reg", "act"], "seed", ["loss"])
    assert all(figure.svg for figure in figures_of(analysis, runs, context).values())


def test_simultaneous_limits_are_bonferroni() -> None:
    """With 1 degree of freedom t is Cauchy, whose quantiles are tangents: 3 effects widen 95% intervals by theirs."""
    frame = pd.DataFrame({"scale": ["difference"], "low": [-1.0], "high": [3.0], "df": [1.0], "family_size": [3]})
    ratio = frame.assign(scale="ratio", low=np.exp(-1.0), high=np.exp(3.0))
    wider = np.tan(np.pi * (0.5 - 0.025 / 3)) / np.tan(np.pi * (0.5 - 0.025))
    found = simultaneous(frame).iloc[0]
    assert (found["low_all"], found["high_all"]) == pytest.approx((1 - 2 * wider, 1 + 2 * wider))
    assert np.log(simultaneous(ratio).iloc[0]["high_all"]) == pytest.approx(1 + 2 * wider)


def test_means_of_a_seed_weigh_cells_equally() -> None:
    """A seed's mean at a level averages the other factors' cells, however many runs each has; geometric for ratios."""
    runs = pd.DataFrame({"a": list("xxxyyy"), "b": list("ppqppq"), "seed": 0, "y": [1.0, 1, 4, 2, 2, 8]})
    analysis = analyze(runs, ["a", "b"], None, ["y"])
    rows = observed(analysis, runs, Context({"a": ["x", "y"], "b": ["p", "q"]}, [Metric("y", "Y")]))
    assert by_block(rows, [0], log=False).to_numpy().tolist() == [[2.5, 5.0]]
    assert by_block(rows, [0], log=True).to_numpy() == pytest.approx(np.array([[2.0, 4.0]]))


def test_a_seed_that_lacks_a_cell_is_not_averaged() -> None:
    """Where a run has no value, its seed's means would be of other cells than those of the rest, and are left out."""
    analysis, runs, context = simulated({"a": ["x", "y"], "b": ["p", "q"]})
    runs.loc[runs["seed"].eq(2) & runs["a"].eq("x") & runs["b"].eq("p"), "loss"] = np.nan
    analysis = analyze(runs, ["a", "b"], "seed", ["loss"])
    assert list(by_block(observed(analysis, runs, context), [0], log=False).index) == [0, 1, 3, 4, 5]


def test_confounded_means_are_not_drawn() -> None:
    """Where combinations are missing there are no interaction plots and slopes, and the report says why."""
    _, runs, context = simulated({"a": [1, 2], "b": [1, 2]})
    part = runs[(runs["a"] == 1) | (runs["b"] == 1)].reset_index(drop=True)
    analysis = analyze(part, ["a", "b"], "seed", ["loss"])
    sections = illustrated(list(analysis_sections(analysis, context, 6)), analysis, part, context)
    names = {figure.name for section in sections for figure in section.figures}
    assert names == {"effects-loss", "runs-loss", "means", "residuals-loss"}
    assert any("mix effects" in text for section in sections if section.title == "Runs" for text in section.text)


def test_screening_needs_a_complete_two_level_design() -> None:
    """Three levels, or cells that were not run, give no half-normal plot: its effects would differ in precision."""
    assert screening_frame(simulated({"a": [1, 2, 3], "b": [1, 2]})[0]).empty
    _, runs, _ = simulated({"a": [1, 2], "b": [1, 2]})
    assert len(screening_frame(analyze(runs, ["a", "b"], "seed", ["loss"]))) == 3
    part = runs[(runs["a"] == 1) | (runs["b"] == 1)]
    assert screening_frame(analyze(part, ["a", "b"], "seed", ["loss"])).empty
