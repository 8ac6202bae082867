"""The figures of a report: what they show, that they are the same every time, and that any name fits into them."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bench.experiment import Metric
from bench.judge.analysis import Analysis, MetricOptions, analyze
from bench.judge.selected import limits_of_selected
from bench.present import numbers
from bench.present.build import analyzed
from bench.present.figures.claims import claims_figure
from bench.present.figures.lines import lines_figure
from bench.present.figures.published import published_figure
from bench.present.figures.style import wrap
from bench.present.render import markdown
from bench.present.report import Figure, plain
from bench.present.sections import analysis_sections
from bench.present.study import Context, Study

SVG = "{http://www.w3.org/2000/svg}"


def simulated(
    factors: dict[str, list[object]],
    *,
    seeds: int = 6,
    log: bool = False,
    label: str = "Loss",
    confidence: float = 0.95,
) -> tuple[Analysis, pd.DataFrame, Context]:
    """A full factorial of noise, with an effect of the first factor."""
    rng = np.random.default_rng(7)
    grid = pd.MultiIndex.from_product([*factors.values(), range(seeds)], names=[*factors, "seed"]).to_frame(index=False)
    first = grid.iloc[:, 0].map({level: code for code, level in enumerate(next(iter(factors.values())))})
    grid["loss"] = np.exp(first.astype(float) + rng.normal(size=len(grid)) / 4)
    context = Context(factors, [Metric("loss", label, unit="nats", better="lower")], confidence=confidence)
    options = [MetricOptions("loss", log=log, margin=0.5 if log else 0.2)]
    return analyze(grid, list(factors), "seed", options, confidence=confidence), grid, context


def study_of(analysis: Analysis, context: Context) -> Study:
    return Study(context.factors, context.metrics, context.block, context.confidence, analysis=analysis)


def figures_of(analysis: Analysis, _: pd.DataFrame, context: Context) -> dict[str, Figure]:
    sections = analysis_sections(study_of(analysis, context))
    return {figure.name: figure for section in sections for figure in section.figures}


def texts(figure: Figure) -> list[str]:
    return [node.text or "" for node in ET.fromstring(figure.svg).iter(f"{SVG}text")]


@cache
def two_by_two(*, log: bool = False) -> dict[str, Figure]:
    """All the figures of a two-level design, drawn once."""
    return figures_of(*simulated({"reg": ["l1", "l2"], "act": ["relu", "gelu"]}, log=log))


@pytest.mark.parametrize("log", [False, True])
def test_every_kind_of_figure_is_drawn(log: bool) -> None:
    """A two-level design gets all the figures, each a valid SVG with a title, a description and a caption."""
    figures = two_by_two(log=log)
    assert set(figures) == {f"{kind}-loss" for kind in ("effects", "interactions", "runs")}
    for figure in figures.values():
        root = ET.fromstring(figure.svg)
        assert root.tag == f"{SVG}svg"
        assert [root.findtext(f"{SVG}{tag}") for tag in ("title", "desc")] == [figure.title, figure.alt]
        assert figure.encode("png").startswith(b"\x89PNG")
        assert figure.encode("pdf").startswith(b"%PDF")
    assert "reg: l1 → l2" in texts(figures["effects-loss"])


def test_figures_are_the_same_every_time() -> None:
    """Another process draws the same bytes, with no date in them."""
    code = (
        "import hashlib; from tests.present.test_figures import two_by_two\n"
        "print(hashlib.sha256(b''.join(f.svg for f in two_by_two().values())).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    figures = two_by_two()
    assert other.strip() == hashlib.sha256(b"".join(figure.svg for figure in figures.values())).hexdigest()
    assert not any(re.search(rb"20\d\d-\d\d-\d\d", figure.svg) for figure in figures.values())


def test_figures_can_stand_on_one_page() -> None:
    """No id occurs in two of them, every reference has its id, and no rule reaches beyond the picture."""
    figures = two_by_two()
    ids = [element.get("id") for figure in figures.values() for element in ET.fromstring(figure.svg).iter()]
    named = [name for name in ids if name]
    assert len(named) == len(set(named))
    for figure in figures.values():
        text = figure.svg.decode()
        assert set(re.findall(r"(?:#|url\(#)([\w-]+)", re.sub(r"#[0-9a-f]{6}\b", "", text))) <= set(named)
        assert "<style" not in text


def test_hovering_tells_the_seed() -> None:
    """Every run is a mark whose title is its cell, seed and value, in the order of the marks from left to right."""
    analysis, runs, context = simulated({"reg": ["l1", "l2"]})
    root = ET.fromstring(figures_of(analysis, runs, context)["runs-loss"].svg)
    marks = {title.text: float(mark.get("x", "nan")) for mark in root.iter(f"{SVG}use") for title in mark}
    wanted = {f"{row.reg}, seed {row.seed}: {numbers.significant(row.loss)}": row.loss for row in runs.itertuples()}
    assert marks.keys() == wanted.keys()
    assert sorted(marks, key=lambda title: marks[title]) == sorted(wanted, key=lambda title: wanted[title])


@cache
def one_factor() -> tuple[Analysis, pd.DataFrame, Context]:
    return simulated({"reg": ["l1", "l2"]})


@settings(max_examples=8)
@given(st.text(max_size=40))
def test_any_name_is_shown_as_text(name: str) -> None:
    """A label is neither markup nor a formula, and none of it is cut."""
    label = f"$x_{{{name}}}$"
    analysis, runs, context = one_factor()
    context = replace(context, metrics=[replace(context.metrics[0], label=label)])
    shown = " ".join(texts(figures_of(analysis, runs, context)["effects-loss"]))
    assert plain(label) in shown


def test_control_characters_do_not_reach_the_file() -> None:
    """What XML cannot hold is replaced, in names as in levels."""
    figures = figures_of(*simulated({"a\x00b": ["x\x1b", "<script>"], "c": [1, 2]}))
    assert any(plain("a\x00b") in text for text in texts(figures["effects-loss"]))
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
        assert {"0.1", "1", "10", "100"} <= set(texts(figures["trend-loss-0"]))


@pytest.mark.parametrize("break_up", ["one seed", "constant", "missing"])
def test_poor_data_are_drawn(break_up: str) -> None:
    """One seed, a constant metric, or runs without a value give figures without warnings."""
    _, runs, context = simulated({"reg": ["l1", "l2"], "act": ["relu", "gelu"]})
    runs = runs[runs["seed"] == 0] if break_up == "one seed" else runs
    runs = runs.assign(loss=1.0) if break_up == "constant" else runs
    runs.loc[runs.index[: 7 if break_up == "missing" else 0], "loss"] = np.nan
    analysis = analyze(runs, ["reg", "act"], "seed", ["loss"])
    assert all(figure.svg for figure in figures_of(analysis, runs, context).values())


def test_limits_of_selected_effects() -> None:
    """With 1 degree of freedom t is Cauchy, whose quantiles are tangents: 2 survivors of 5 have 1 - 2/5 alpha."""
    frame = pd.DataFrame({"scale": "difference", "estimate": [1.0] * 5, "se": 2.0, "df": 1.0, "family_size": 5})
    frame[["low", "high"]] = 0.0, 2.0
    frame["p_adjusted"] = [0.01, 0.04, 0.2, 0.9, 0.9]
    wide = 2.0 * np.tan(np.pi * (0.5 - 0.05 * 2 / 5 / 2))
    limits = limits_of_selected(frame, frame)
    assert limits["low_fcr"].to_numpy() == pytest.approx(1 - wide)
    assert limits["high_fcr"].to_numpy() == pytest.approx(1 + wide)
    none = limits_of_selected(frame, frame.assign(p_adjusted=0.5))
    assert none["high_fcr"].to_numpy() == pytest.approx(1 + 2.0 * np.tan(np.pi * (0.5 - 0.05 / 5 / 2)))
    alone = limits_of_selected(frame.assign(family_size=0), frame)
    assert alone[["low_fcr", "high_fcr"]].to_numpy().tolist() == frame[["low", "high"]].to_numpy().tolist()


@pytest.mark.parametrize("log", [False, True])
def test_an_interval_excludes_no_effect_just_where_its_point_is_filled(log: bool) -> None:
    """For every effect of simulated tables, the drawn limits and the adjusted p say the same."""
    analysis = simulated({"a": [1, 2], "b": [1, 2], "c": [1, 2], "d": [1, 2]}, seeds=4, log=log)[0]
    contrasts = analysis.contrasts
    limits = limits_of_selected(contrasts, analysis.terms)
    neutral = 1.0 if log else 0.0
    excludes = (limits["low_fcr"] > neutral) | (limits["high_fcr"] < neutral)
    assert excludes.tolist() == (contrasts["p_adjusted"] <= 0.05).tolist()
    assert excludes.any()
    assert not excludes.all()


def test_limits_agree_with_their_marks_at_any_confidence() -> None:
    """The marks are at 5%: so are the limits of what is in the family, whatever the other intervals are."""
    analysis, _, context = simulated({"a": [1, 2], "b": [1, 2]}, seeds=4)
    wide = simulated({"a": [1, 2], "b": [1, 2]}, seeds=4, confidence=0.999)
    ours, theirs = (study_of(one, about).selected for one, about in ((analysis, context), (wide[0], wide[2])))
    np.testing.assert_allclose(ours[["low_fcr", "high_fcr"]], theirs[["low_fcr", "high_fcr"]])
    assert (theirs["high"] - theirs["low"] > ours["high"] - ours["low"]).all()


def test_survivors_among_factors_with_three_levels_count_for_the_limits_of_others() -> None:
    """They are tests of the family, though no single interval shows them: 1 - 2/3 alpha, and not 1 - 1/3 alpha."""
    rng = np.random.default_rng(14)
    factors = {"a": [1, 2, 3], "b": [1, 2]}
    grid = pd.MultiIndex.from_product([*factors.values(), range(6)], names=[*factors, "seed"]).to_frame(index=False)
    grid["y"] = 3.0 * grid["a"] + 1.1 * grid["b"] + rng.normal(size=len(grid))
    analysis = analyze(grid, list(factors), "seed", ["y"])
    (own,) = analysis.contrasts.query("effect == 'b'").itertuples()
    assert 0.05 / 3 < own.p < 2 * 0.05 / 3
    limits = limits_of_selected(analysis.contrasts, analysis.terms).set_index("effect").loc["b"]
    assert own.p_adjusted <= 0.05
    assert limits["low_fcr"] > 0.0


def test_levels_that_have_no_test_of_their_own_are_not_called_insignificant() -> None:
    """A factor with three levels is tested as a whole: diamonds, said in key and caption; other points as ever."""
    three, both, two = (
        figures_of(*simulated(factors))["effects-loss"]
        for factors in ({"a": [1, 2, 3]}, {"a": [1, 2, 3], "b": [1, 2]}, {"b": [1, 2]})
    )
    assert "no test of its own" in texts(three)
    assert not {"not significant", "adjusted p < 0.05"} & set(texts(three))
    assert "Filled" not in three.caption
    assert "No test of its own (diamond): one of several contrasts of a term" in three.caption
    assert "among 3 tests;" in both.caption
    assert "diamond" in both.caption
    assert "diamond" not in two.caption
    assert "no test of its own" not in texts(two)


def test_confounded_means_are_not_drawn() -> None:
    """Where combinations are missing there are no interaction plots, and the report says why."""
    _, runs, context = simulated({"a": [1, 2], "b": [1, 2]})
    part = runs[(runs["a"] == 1) | (runs["b"] == 1)].reset_index(drop=True)
    analysis = analyze(part, ["a", "b"], "seed", ["loss"])
    sections = analysis_sections(study_of(analysis, context))
    names = {figure.name for section in sections for figure in section.figures}
    assert names == {"effects-loss", "runs-loss"}
    assert any("mix effects" in text for section in sections if section.title == "Runs" for text in section.text)


def test_many_runs_are_drawn_as_quantiles() -> None:
    """Beyond fifty runs a cell the marks are quantiles, which the caption says, so that a page stays small."""
    figure = figures_of(*simulated({"reg": ["l1", "l2"]}, seeds=80))["runs-loss"]
    assert "25 quantiles of the runs" in figure.caption
    assert len(list(ET.fromstring(figure.svg).iter(f"{SVG}use"))) < 80


def test_the_picture_of_claims_keeps_scales_apart() -> None:
    """One panel a metric and scale; verdicts differ by colour and filling; margins and published values are drawn."""
    claims = pd.DataFrame(
        {
            "metric": ["loss", "loss", "loss"],
            "scale": ["difference", "ratio", "difference"],
            "label": ["falls", "doubles", "stays"],
            "sign": ["✓", "✗", "?"],
            "verdict": ["supported", "refuted", "inconclusive"],
            "estimate": [-1.0, 1.1, np.nan],
            "low": [-1.5, 0.9, np.nan],
            "high": [-0.5, 1.3, np.nan],
            "start": [-1.8, 0.8, np.nan],
            "end": [-0.2, 1.4, np.nan],
            "margin": [0.3, 2.0, 0.3],
            "published": [-0.7, np.nan, 0.0],
        }
    )
    figure = claims_figure(claims, [Metric("loss", "Loss", unit="nats")])
    shown = texts(figure)
    assert {"✓ falls", "✗ doubles", "Change of Loss (nats)", "Ratio of Loss"} <= set(shown)
    assert {"supported", "refuted", "margin", "published"} <= set(shown)
    assert "? stays" not in shown
    assert "Without an estimate, and not drawn: 1 claim." in figure.caption


@pytest.mark.parametrize("block", ["seed", None])
@pytest.mark.parametrize(
    ("loss", "log"),
    [
        (lambda loss, _: loss * 1e160, False),
        (lambda loss, _: loss * 1e-160, False),
        (lambda loss, reg: loss * np.where(reg == "l1", 1e-200, 1e200), True),
        (lambda loss, _: loss.where(loss.index != 3, 0.0), True),
    ],
)
def test_values_of_any_size_are_drawn_and_written(
    loss: Callable[[pd.Series, pd.Series], pd.Series], log: bool, block: str | None
) -> None:
    """No warning, no number of a hundred digits, and no crash where a metric cannot be analysed on its scale."""
    _, frame, _ = simulated({"reg": ["l1", "l2"], "act": ["relu", "gelu"]}, seeds=4)
    frame["loss"] = loss(frame["loss"], frame["reg"])
    report = analyzed(analyze(frame, ["reg", "act"], block, [MetricOptions("loss", log=log)]), "runs.csv")
    shown = [text for section in report.sections for figure in section.figures for text in texts(figure)]
    assert not re.search(r"\d{40}", markdown.render(report) + " ".join(shown))


def test_the_two_lines_of_a_u_shape_are_drawn_with_their_changes() -> None:
    """A panel a claim: the means of the levels, both lines, the break as a dotted line, each change with its limits."""
    lines = pd.DataFrame(
        {
            "claim": "u", "scale": "difference", "line": [1, 1, 2, 2, 2], "dose": [1.0, 2.0, 2.0, 3.0, 4.0],
            "mean": [5.0, 3.0, 3.0, 4.0, 6.0], "mean_low": 2.0, "mean_high": 7.0, "fitted": [5.0, 3.0, 2.8, 4.3, 5.8],
            "change": [-2.0] * 2 + [3.0] * 3, "low": [-2.5] * 2 + [2.0] * 3, "high": [-1.5] * 2 + [4.0] * 3, "n": 5,
        }
    )  # fmt: skip
    claims = pd.DataFrame({"claim": ["u"], "contrast": ["two lines along dose, 1 to 4"], "verdict": ["supported"]})
    context = Context({"dose": [1.0, 2.0, 3.0, 4.0]}, [Metric("loss", "Loss", unit="nats")])
    figure = lines_figure(context.metrics[0], claims, lines, context)
    expected = {"u: supported", "−2.00 [−2.50, −1.50],", "then 3.00 [2.00, 4.00]", "dose", "Loss (nats)"}
    assert expected <= set(texts(figure))
    [axes] = figure.drawing.canvas.axes
    drawn = [line.get_xydata().tolist() for line in axes.lines if len(line.get_xydata()) < 4]
    assert [[1.0, 5.0], [2.0, 3.0]] in drawn
    assert [[2.0, 2.8], [3.0, 4.3], [4.0, 5.8]] in drawn
    [dotted] = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert set(dotted.get_xdata()) == {2.0}


@pytest.mark.parametrize("factors", [{"reg": ["l1", "l2"], "act": ["relu", "gelu"]}, {"dose": [1, 2, 4, 8]}])
def test_a_long_label_of_an_axis_stays_within_the_picture(factors: dict[str, list[object]]) -> None:
    """Whatever kind of figure names the metric: it is broken into lines, none of which is cut at an edge."""
    label = "Overlap of the attributes' directions in the change of activations, above what chance makes of it"
    analysis, runs, context = simulated(factors, label=label)
    rows = {"metric": "loss", "scale": "difference", "label": "a claim", "sign": "✓", "verdict": "supported"}
    limits = {"estimate": 1.0, "low": 0.5, "high": 1.5, "start": 0.4, "end": 1.6, "margin": 0.1, "published": 2.0}
    figures = [
        *figures_of(analysis, runs, context).values(),
        claims_figure(pd.DataFrame([rows | limits]), context.metrics),
    ]
    assert len(figures) >= 4
    for figure in figures:
        assert figure.svg
        canvas = figure.drawing.canvas
        whole, renderer = canvas.bbox, FigureCanvasAgg(canvas).get_renderer()
        for axes in canvas.axes:
            for axis in (axes.xaxis, axes.yaxis):
                place = axis.label.get_window_extent(renderer)
                over = (-place.x0, place.x1 - whole.x1, -place.y0, place.y1 - whole.y1)
                assert max(over) < 4 or not axis.label.get_text(), (figure.name, over)  # points, of empty room


def test_long_names_break_at_blanks_only() -> None:
    """No word is cut, whatever the room."""
    assert wrap("orthogonal positive_kurtosis l2", 0.5).split("\n") == ["orthogonal", "positive_kurtosis", "l2"]


def test_a_density_does_not_depend_on_the_confidence_of_its_interval() -> None:
    """The t density of a difference is that of the estimate, whatever interval is drawn over it."""
    widths = []
    for confidence in (0.8, 0.95):
        analysis, runs, context = simulated({"reg": ["l1", "l2"]}, confidence=confidence)
        right = figures_of(analysis, runs, context)["runs-loss"].drawing.canvas.axes[1]
        [density] = [part for part in right.collections if len(part.get_paths()[0].vertices) > 80]
        widths.append(np.ptp(density.get_paths()[0].vertices[:, 0]))
    assert widths[0] == pytest.approx(widths[1])


def test_no_figure_holds_an_image() -> None:
    """The key of colours is drawn, too: a page loads no image, not even one of its own."""
    table = pd.DataFrame({"metric": "loss", "cell": ["a", "b"], "z": [1.0, -4.0], "within_3_se": [True, False]})
    figure = published_figure(table, [Metric("loss", "Loss")])
    assert b"<image" not in figure.svg
    assert figure.alt.endswith("Beyond three: loss in b.")


MANY = """
import signal
from bench.present.figures.style import blank
from bench.present.figures.parallel import draw
from bench.present.report import Figure

def interrupt(signum, frame):
    raise KeyboardInterrupt

signal.signal(signal.SIGTERM, interrupt)
figures = [Figure(f"n{i}", "Caption.", "alt", lambda: blank(1.0)[0]) for i in range(6)]
draw([(figure, "svg") for figure in figures])
assert all("svg" in figure.made for figure in figures) or len(__import__("os").sched_getaffinity(0)) < 2
"""


def test_processes_that_draw_end_without_a_word() -> None:
    """The signal that ends them is not answered as the command answers it, by an interruption with its traceback."""
    done = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, check=True)
    assert done.stderr == ""
