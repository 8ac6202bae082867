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
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.experiment import Metric
from bench.judge.analysis import Analysis, MetricOptions, analyze
from bench.judge.simultaneous import simultaneous
from bench.present.build import analysis_sections
from bench.present.plots import canvas, letters
from bench.present.plots.canvas import Canvas, Panel
from bench.present.plots.key import Sample, rows
from bench.present.plots.levels import side_by_side, to_scale
from bench.present.plots.observed import by_block, observed
from bench.present.plots.scale import Scale
from bench.present.plots.svg import Ink
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
    sections = analysis_sections(analysis, context)
    return {figure.name: figure for section in sections for figure in section.figures}


def texts(figure: Figure) -> list[str]:
    return [node.text or "" for node in ET.fromstring(figure.svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("log", [False, True])
def test_every_kind_of_figure_is_drawn(log: bool) -> None:
    """A two-level design gets all the figures, each a valid SVG with a caption and a text alternative."""
    figures = figures_of(*simulated({"reg": ["l1", "l2"], "act": ["relu", "gelu"]}, log=log))
    assert set(figures) == {f"{kind}-loss" for kind in ("effects", "interactions", "runs", "slopes")}
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
    told = {title.text: float(mark.get("cx", "nan")) for mark in root.iter(f"{SVG}circle") for title in mark}
    wanted = {canvas.seed_title("seed", row.seed, row.loss): row.loss for row in runs.itertuples()}
    assert told.keys() == wanted.keys()
    assert sorted(told, key=lambda title: told[title]) == sorted(wanted, key=lambda title: wanted[title])


@settings(max_examples=8)
@given(st.text(max_size=40))
def test_any_name_is_shown_as_text(name: str) -> None:
    """A label is neither markup nor a formula: the SVG parses and holds it, or its shortened form, as text."""
    analysis, runs, context = simulated({"reg": ["l1", "l2"]}, label=f"$x_{{{name}}}$")
    figure = figures_of(analysis, runs, context)["slopes-loss"]
    shown = letters.quantity(context.metrics[0], 2.2)
    assert letters.text_width(shown) <= 2.2
    assert shown in texts(figure)


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
    analysis = analyze(runs, ["a", "b"], "seed", ["y"])
    rows = observed(analysis, Context({"a": ["x", "y"], "b": ["p", "q"]}, [Metric("y", "Y")]))
    assert by_block(rows, [0], log=False).to_numpy().tolist() == [[2.5, 5.0]]
    assert by_block(rows, [0], log=True).to_numpy() == pytest.approx(np.array([[2.0, 4.0]]))


def test_a_seed_that_lacks_a_cell_is_not_averaged() -> None:
    """Where a run has no value, its seed's means would be of other cells than those of the rest, and are left out."""
    analysis, runs, context = simulated({"a": ["x", "y"], "b": ["p", "q"]})
    runs.loc[runs["seed"].eq(2) & runs["a"].eq("x") & runs["b"].eq("p"), "loss"] = np.nan
    analysis = analyze(runs, ["a", "b"], "seed", ["loss"])
    assert list(by_block(observed(analysis, context), [0], log=False).index) == ["0", "1", "3", "4", "5"]


def test_confounded_means_are_not_drawn() -> None:
    """Where combinations are missing there are no interaction plots and slopes, and the report says why."""
    _, runs, context = simulated({"a": [1, 2], "b": [1, 2]})
    part = runs[(runs["a"] == 1) | (runs["b"] == 1)].reset_index(drop=True)
    analysis = analyze(part, ["a", "b"], "seed", ["loss"])
    sections = analysis_sections(analysis, context)
    names = {figure.name for section in sections for figure in section.figures}
    assert names == {"effects-loss", "runs-loss"}
    assert any("mix effects" in text for section in sections if section.title == "Runs" for text in section.text)


def drawn(figure: Figure) -> list[tuple[ET.Element, str]]:
    """Every mark with the style of its group and its own."""
    groups = ET.fromstring(figure.svg).iter(f"{SVG}g")
    return [(mark, f"{group.get('style')}; {mark.get('style', '')}") for group in groups for mark in group]


def seeds_that_differ() -> pd.DataFrame:
    """Two cells whose seeds differ far more than the cells within a seed do."""
    runs = pd.DataFrame({"reg": ["l1"] * 6 + ["l2"] * 6, "seed": [*range(6)] * 2})
    runs["loss"] = 10.0 * runs["seed"] + runs["reg"].eq("l2") * (1 + 0.01 * (runs["seed"] % 2))
    return runs


@pytest.mark.parametrize(
    ("block", "filled", "said"), [("seed", True, "paired t test"), (None, False, "Welch's t test")]
)
def test_interval_and_filling_are_of_one_test(block: str | None, filled: bool, said: str) -> None:
    """Where runs share seeds the paired interval is drawn and the paired p fills it; where not, both are Welch's."""
    runs = seeds_that_differ()
    context = Context({"reg": ["l1", "l2"]}, [Metric("loss", "Loss")], block or "")
    figure = figures_of(analyze(runs, ["reg"], block, ["loss"]), runs, context)["runs-loss"]
    fills = [style.rpartition("fill: ")[2] for mark, style in drawn(figure) if mark.get("r") == "2.7"]
    intervals = [mark for mark, style in drawn(figure) if "stroke-width: 1.8" in style]  # the key's is the last
    start, _, end, _ = map(float, intervals[0].get("d", "")[1:].split())
    assert len(intervals) == 2
    assert fills == ["#d55e00" if filled else "#ffffff"]
    assert (end - start < 20) == filled
    assert said in figure.caption
    assert "The intervals are not adjusted" in figure.caption


def test_a_baseline_without_values_is_missed() -> None:
    """Where the baseline cell has no value nothing is called the baseline, and the figure says why."""
    _, runs, context = simulated({"reg": ["l1", "l2"], "act": ["relu", "gelu"]})
    runs.loc[runs["reg"].eq("l1") & runs["act"].eq("relu"), "loss"] = np.nan
    figure = figures_of(analyze(runs, ["reg", "act"], "seed", ["loss"]), runs, context)["runs-loss"]
    assert "baseline" not in texts(figure)
    assert "the baseline cell has no value" in texts(figure)
    assert "which has no value" in figure.caption


def test_figures_say_what_their_marks_mean() -> None:
    """Every figure with marks of several kinds names them, and none that it does not have."""
    figures = figures_of(*simulated({"reg": ["l1", "l2"], "act": ["relu", "gelu"]}))
    assert {"95% interval", "interval for all 3 effects at once", "adjusted p < 0.05"} <= {
        *texts(figures["effects-loss"])
    }
    assert {"run", "density", "mean", "95% interval, paired"} <= {*texts(figures["runs-loss"])}
    assert {"each seed", "mean"} <= {*texts(figures["slopes-loss"])}
    assert {"act:", "relu", "gelu"} <= {*texts(figures["interactions-loss"])}
    single = figures_of(*simulated({"reg": ["l1", "l2"]}))["effects-loss"]
    assert "at once" not in single.caption + "".join(texts(single))


def test_numbers_beside_a_forest_are_those_of_the_table() -> None:
    """An effect is written in the figure as in the table beside it, with the decimals of the whole column."""
    analysis, _, context = simulated({"a": ["x", "y"], "b": ["p", "q"], "c": ["u", "v"]})
    (section,) = [s for s in analysis_sections(analysis, context) if s.title == "Effects"]
    column = [row[1] for row in section.tables[0].rows]
    assert [text for text in texts(section.figures[0]) if text in column] == column


def test_interactions_share_their_axis() -> None:
    """The same value lies at the same height in every panel, so that panels can be compared."""
    figure = figures_of(*simulated({"a": ["x", "y"], "b": ["p", "q"], "c": ["u", "v"]}))["interactions-loss"]
    labels = [text for text in texts(figure) if re.fullmatch(r"\d+\.\d+", text)]
    paths = [mark.get("d", "") for mark, style in drawn(figure) if style.startswith("fill: none; stroke: #5f6873")]
    ticks = [list(map(float, path[1:].split())) for path in paths]
    heights = [y for x, y, *end in ticks if end == [pytest.approx(x + 3.5), y]]
    assert len(heights) == 3 * len(labels) > 0
    assert len(set(heights)) == len(labels)


def test_doses_are_drawn_to_scale() -> None:
    """Levels over decades lie evenly on a logarithmic axis, 0 apart at its left, few-fold ones at their distances."""
    decades = to_scale([1.0, 0.01, 0.1, 10.0], 3.0)
    assert decades.names == ["0.01", "0.1", "1", "10"]
    assert decades.codes.tolist() == [1, 2, 0, 3]
    assert np.diff(decades.at) == pytest.approx(1.0)
    with_zero = to_scale([0.0, 0.1, 1.0, 10.0], 3.0)
    assert with_zero.has_gap
    assert with_zero.at[0] < with_zero.at[1] == pytest.approx(-1.0)
    assert to_scale([2, 4, 8], 3.0).at.tolist() == [2, 4, 8]
    figure = figures_of(*simulated({"dose": [0.0, 0.01, 0.1, 1.0, 10.0]}))["slopes-loss"]
    assert "logarithmic for dose; 0, which it cannot hold, stands at its left behind a break" in figure.caption
    assert {"0", "0.01", "0.1", "1", "10"} <= {*texts(figure)}


@settings(max_examples=200)
@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.floats(0.8, 8.0), st.booleans(), st.booleans())
def test_ticks_are_told_apart(low: float, size: float, inches: float, log: bool, upright: bool) -> None:
    """Ticks are at most six values within the axis, with labels that differ, mean them, and do not overlap."""
    size = max(size, 1e-6 * abs(low))  # narrower ones have no digits left to say
    scale = Scale(abs(low) + 1e-3, abs(low) + 1e-3 + size, log=True) if log else Scale(low, low + size)
    found = scale.ticks(inches, upright=upright)
    room = 1e-6 * (scale.high - scale.low)
    assert len(found) <= 6
    assert len(set(found.values())) == len(found)
    assert all(scale.low - room <= value <= scale.high + room for value in found)
    read = [float(label.replace("−", "-")) for label in found.values()]
    assert read == pytest.approx(list(found), rel=1e-5, abs=1e-9)
    at = scale.share(list(found)) * inches
    widths = [letters.text_width(label, letters.SMALL) for label in found.values()]
    gaps = [(widths[i] + widths[i + 1]) / 2 for i in range(len(widths) - 1)]
    assert upright or all(step >= gap for step, gap in zip(np.diff(at), gaps, strict=True))


@settings(max_examples=100)
@example(["name"] * 30, 1.0)
@given(st.lists(st.text("abcMW ", min_size=1, max_size=40), min_size=1, max_size=30), st.floats(1.0, 7.0))
def test_names_of_levels_do_not_overlap(names: list[str], width: float) -> None:
    """Names below an axis are whole side by side, or at an angle and far enough apart."""
    axis = side_by_side(names, width)
    across = axis.scale.share(axis.at) * width
    sizes = np.array([letters.text_width(name, letters.SMALL) for name in axis.names])
    shown = np.array([bool(name) for name in axis.names])
    if axis.angled:
        assert np.all(np.diff(across[shown]) >= 0.15)
    else:
        assert np.all(np.diff(across) >= (sizes[1:] + sizes[:-1]) / 2)


@pytest.mark.parametrize(
    "factors",
    [
        {"a factor with a long name": ["one level with a long name", "W" * 40, "x"], "M" * 30: ["M" * 25, "W" * 30]},
        {"a": list("vwxyz"), "b": list("pqrs"), "c": [True, False]},
        {"one": ["only", "two"]},
    ],
    ids=["long names", "forty cells", "one factor"],
)
def test_nothing_is_cut(factors: dict[str, list[object]]) -> None:
    """All text of a figure, at any angle, lies within it, also where names are long or there is little to show."""
    for figure in figures_of(*simulated(factors, seeds=2, label="A metric with a long label, is it not")).values():
        root = ET.fromstring(figure.svg)
        _, _, width, height = map(float, root.get("viewBox", "").split())
        for node in root.iter(f"{SVG}text"):
            for x, y in corners(node):
                assert -1 <= x <= width + 1, (figure.name, node.text)
                assert -1 <= y <= height + 1, (figure.name, node.text)


def corners(node: ET.Element) -> list[tuple[float, float]]:
    """Where the baseline of a line of text begins and ends."""
    style = dict(part.split(": ") for part in node.get("style", "").split("; "))
    x, y = float(node.get("x", "nan")), float(node.get("y", "nan"))
    bold = style.get("font-weight") == "bold"
    long = 72 * letters.text_width(node.text or "", float(style["font-size"].removesuffix("px")), bold=bold)
    start = {"middle": -long / 2, "end": -long}.get(style.get("text-anchor", ""), 0.0)
    angle = np.radians(float(re.sub(r"rotate\((\S+).*", r"\1", node.get("transform", "rotate(0 "))))
    return [(x + far * float(np.cos(angle)), y + far * float(np.sin(angle))) for far in (start, start + long)]


def test_long_intervals_are_cut_with_an_arrow() -> None:
    """An interval that leaves the panel ends at its edge in an arrow, there only, and on that side."""
    page = Canvas(2, 1)
    panel = Panel(page, 0, 0, 2, 1, Scale(0.0, 1.0), Scale(0.0, 2.0))
    panel.intervals([0.5, 0.2], [3.0, 0.4], [0.5, 1.5], Ink(stroke="#000000"), arrows=True)
    marks = [mark.get("d") for group in ET.fromstring(page.svg()).iter(f"{SVG}g") for mark in group]
    assert marks[:2] == ["M72 54 144 54", "M28.8 18 57.6 18"]
    assert len(marks) == 3
    assert str(marks[2]).startswith("M146.86 54")


def test_keys_break_into_rows() -> None:
    """What does not fit beside the others of a row begins the next one; nothing is lost."""
    samples = [Sample(f"sample {index}", box=Ink(fill="#000000")) for index in range(7)]
    found = rows(samples, 3.0)
    assert [sample for row in found for sample in row] == samples
    assert all(sum(sample.width for sample in row) <= 3.2 for row in found)
    assert len(found) > 1


def test_two_seeds_on_a_logarithmic_axis() -> None:
    """Limits of intervals that are 0 or infinite, as ratios of two seeds can be, leave every figure drawable."""
    analysis, runs, context = simulated({"a": ["x", "y"], "b": ["p", "q"]}, seeds=2, log=True)
    runs["loss"] **= 150
    analysis = analyze(runs, ["a", "b"], "seed", [MetricOptions("loss", log=True, margin=0.5)])
    drawn = figures_of(analysis, runs, context)
    assert {"effects-loss", "runs-loss"} <= set(drawn)
    assert all(b"NaN" not in figure.svg and b"inf" not in figure.svg for figure in drawn.values())


def test_disjoint_seeds_have_no_paired_interval() -> None:
    """Where cells share no seed there is no paired test, and the figure draws and claims no interval."""
    runs = seeds_that_differ().assign(seed=range(12))
    context = Context({"reg": ["l1", "l2"]}, [Metric("loss", "Loss")])
    figure = figures_of(analyze(runs, ["reg"], "seed", ["loss"]), runs, context)["runs-loss"]
    assert "without intervals and p" in figure.caption
    assert not [style for _, style in drawn(figure) if "stroke-width: 1.8" in style]
