"""Pictures of the two other systems: what is drawn of a run, and the intervals beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bench
from bench.errors import BenchError
from bench.present.report import Figure, Table
from polysem.pictures import collisions, geometry
from polysem.pictures.__main__ import app, draw

if TYPE_CHECKING:
    from tests.polysem.conftest import Start

GEOMETRY = """
name = "geometry"
experiment = "polysem.superposition:EXPERIMENT"
seeds = 2

[params]
instances = 2
steps = 50
batch = 64

[factors]
sparsity = [0.0, 0.9]
"""

COLLISIONS = """
name = "collisions"
experiment = "polysem.incidental:EXPERIMENT"
seeds = 3

[params]
features = 16
steps = 20

[factors]
neurons = [16, 32]
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small run of each experiment."""
    folder = tmp_path_factory.mktemp("reports")
    for text in (GEOMETRY, COLLISIONS):
        suite = folder / "suite.toml"
        suite.write_text(text)
        bench.run(suite, out=folder, executor="serial")
    return folder


def instances(counts: dict[int, list[int]], **others: int) -> pd.DataFrame:
    """A run of collisions: width -> the count of each seed."""
    rows = [
        {"neurons": m, "seed": seed, "collisions": count, "opposite_pairs": count, "triples": 0, "features": 8}
        for m, of_width in counts.items()
        for seed, count in enumerate(of_width)
    ]
    return pd.DataFrame(rows).assign(single_features=8, **others)


def test_slope_and_ratio_of_a_law_that_holds_exactly() -> None:
    """Counts of n²/4m for n = 8 have the slope -1 in every seed, and the ratio 1."""
    table = instances({4: [4, 4], 8: [2, 2], 16: [1, 1]})
    slope = collisions.slope(table).frame.iloc[0]
    assert (slope["slope"], slope["low"], slope["high"], slope["n"]) == pytest.approx((-1, -1, -1, 2))
    assert collisions.counts(table).frame["ratio"].tolist() == pytest.approx([1, 1, 1])


def test_the_slope_is_fitted_within_seeds_and_counts_the_instances_without_collisions() -> None:
    """Two seeds of the slopes -1 and -2; a third has one width with collisions, and no slope."""
    slope = collisions.slope(instances({4: [8, 16, 2], 8: [4, 4, 0]})).frame.iloc[0]
    half = stats.t.ppf(0.975, 1) * stats.sem([-1, -2])
    assert (slope["slope"], slope["high"]) == pytest.approx((-1.5, -1.5 + half))
    assert (slope["n"], slope["zero"]) == (2, 1)


def test_bootstrap_limits_hold_the_mean_and_widen_with_spread() -> None:
    """Limits of counts that vary lie around their mean, those of equal counts on it."""
    frame = collisions.counts(instances({4: [5] * 8, 8: [1, 9] * 4})).frame.set_index("neurons")
    assert frame.loc["4", ["low", "mean", "high"]].tolist() == [5, 5, 5]
    low, high = frame.loc["8", ["low", "high"]].astype(float)
    assert 1 < low < 4
    assert 6 < high < 9


def test_the_mechanism_has_exact_limits_of_a_share() -> None:
    """Of 40 collisions 39 are pairs of opposite sign: the limits of Clopper and Pearson."""
    table = instances({4: [20, 20]})
    table.loc[0, ["opposite_pairs", "triples"]] = [19, 1]
    frame = collisions.mechanism(table, "neurons").frame.set_index("what")
    low, high = stats.beta.ppf(0.025, 39, 2), stats.beta.ppf(0.975, 40, 1)
    for what in ("collisions that are pairs of opposite sign", "collisions of no more than two features"):
        assert frame.loc[what, ["k", "share", "low", "high"]].tolist() == pytest.approx([39, 39 / 40, low, high])
    assert frame.loc["features with exactly one large weight", "high"] == 1


def test_a_phase_diagram_has_the_colour_of_what_happens_in_each_state() -> None:
    """Three states with certainty, and one that is half of two; rows are importance, columns sparsity."""
    states = [(0.1, 0.0, 1, 0, 0), (0.1, 0.9, 0, 0, 1), (1.0, 0.0, 0, 1, 0), (1.0, 0.9, 0, 1, 0), (1.0, 0.9, 0, 0, 1)]
    table = pd.DataFrame(states, columns=["importance", "sparsity", "absent", "dedicated", "superposed"])
    [figure] = geometry.figures(table, ["importance", "sparsity"], lambda _: np.zeros((1, 2)))
    assert figure.name == "phase"
    [mesh] = figure.drawing.canvas.axes[0].collections[:1]
    absent, dedicated, superposed = (
        np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]) for colour in geometry.PHASES.values()
    )
    drawn = np.asarray(mesh.get_array())
    assert drawn.reshape(2, 2, 3) == pytest.approx(
        np.array([[absent, superposed], [dedicated, (dedicated + superposed) / 2]])
    )


def test_directions_and_dimensionalities_are_those_of_the_seed_with_the_lowest_loss(out: Path) -> None:
    """Each panel draws the stored weights of the better of two seeds."""
    [section] = draw(bench.find("geometry", out=out)).sections
    by_name = {figure.name: figure for figure in section.figures}
    assert set(by_name) == {"dimensionalities", "directions"}
    table = bench.load("geometry", wide=True, out=out)
    panels = by_name["directions"].drawing.canvas.axes[:2]
    for level, panel in zip((0.0, 0.9), panels, strict=True):
        rows = table[table["sparsity"] == level]
        seed = int(rows.loc[rows["loss"].idxmin(), "seed"])
        w = bench.arrays("geometry", seed=seed, sparsity=level, out=out)["weights"]
        drawn = np.array([line.get_xydata()[1] for line in panel.lines])
        assert drawn == pytest.approx(w.T)


def test_the_command_writes_pictures_beside_the_run(start: Start, out: Path) -> None:
    """Markdown with its pictures in the folder of the run; every width of the small run has a row."""
    code, err = start("polysem.pictures", app, "collisions", "--out", out)
    assert code == 0, err
    text = (out / "collisions" / "pictures.md").read_text()
    assert "pictures-figures/collisions.svg" in text
    assert (out / "collisions" / "pictures-figures" / "collisions.svg").read_text().startswith("<svg")
    exhibits = draw(bench.find("collisions", out=out)).sections[0].exhibits
    assert [type(exhibit) for exhibit in exhibits] == [Figure, Table]


def test_speed_is_drawn_beside_the_law() -> None:
    """A line for each lambda, and the means of the runs as dots; without a collision there is no mechanism to tell."""
    table = instances({100: [0, 0]}, l1_norm=5, steps=100, reg_lambda=1, lr=1)
    [figure] = collisions.exhibits(table, ["steps"])
    [line] = figure.drawing.canvas.axes[0].lines
    times, law = line.get_data()
    assert law == pytest.approx(1 / (1 / np.sqrt(200 / np.pi) + times))


def test_noise_is_drawn_by_its_kurtosis_and_what_diverged_is_counted() -> None:
    """A dot for each value, of which t(3) has one; its other run is counted beneath."""
    values = {"laplace": [0.1, 0.12], "student_t3": [0.2, np.nan], "rademacher": [0.8, 0.7]}
    rows = [(kind, seed, value, value) for kind, of in values.items() for seed, value in enumerate(of)]
    table = pd.DataFrame(rows, columns=["noise", "seed", "fourth_power", "collisions"]).assign(neurons=16)
    [figure] = collisions.exhibits(table, ["noise"])
    axes = figure.drawing.canvas.axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert (labels[0], labels[3], labels[4]) == ("Rademacher", "Laplace", "t(3)\n1 of 2 diverged")
    heights = sorted(y for dots in axes.collections for _, y in dots.get_offsets() if len(dots.get_offsets()) == 2)
    assert heights == pytest.approx([0.1, 0.12, 0.7, 0.8])


def test_widths_among_other_factors_are_not_pooled_into_one_picture() -> None:
    """Only the mechanism is told, by the first factor."""
    table = instances({4: [1, 1], 8: [1, 1]}).assign(reg="l1")
    assert [type(exhibit) for exhibit in collisions.exhibits(table, ["reg", "neurons"])] == [Table]


def test_a_run_of_another_experiment_has_no_pictures_here(tmp_path: Path) -> None:
    """The message names what has."""
    suite = tmp_path / "other.toml"
    suite.write_text(
        'name = "other"\nexperiment = "polysem.toy:EXPERIMENT"\nseeds = 1\n'
        '[params]\nn_train = 100\nn_val = 20\nepochs = 1\nsae_epochs = 1\n[factors]\nact = ["relu", "gelu"]\n'
    )
    bench.run(suite, out=tmp_path, executor="serial")
    with pytest.raises(BenchError, match=r"polysem\.toy"):
        draw(bench.find("other", out=tmp_path))
