"""The analysis of features: what latents respond to, how two sets of them are matched, and the report of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import bench
from bench.errors import BenchError
from bench.present.files import files
from polysem import metrics
from polysem.features.__main__ import app
from polysem.features.matching import cosines, match, matched_by_chance, matched_similarity, mean_overlap, overlap
from polysem.features.over_seeds import pairs
from polysem.features.report import compare
from polysem.features.responses import responses

if TYPE_CHECKING:
    from tests.polysem.conftest import Start

SUITE = """
name = "tiny"
experiment = "polysem.toy:EXPERIMENT"
seeds = 3

[params]
n_train = 100
n_val = 20
epochs = 5
sae_epochs = 5
keep_arrays = {keep}
groups = [[0, 1, 2], [3, 4]]

[factors]
act = ["relu", "gelu"]
reg = ["none", "l1", "l2"]
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that kept its arrays, ``tiny``; features 5 to 7 never vary in it."""
    folder = tmp_path_factory.mktemp("reports")
    suite = folder / "tiny.toml"
    suite.write_text(SUITE.format(keep="true"))
    bench.run(suite, out=folder, executor="serial")
    return folder


def test_permuted_latents_are_matched_back() -> None:
    """Latents in another order and of another size are found again, each with cosine 1."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((16, 8))
    order = rng.permutation(16)
    similarity = cosines(rows, rng.uniform(0.1, 10, (16, 1)) * rows[order])
    first, second = match(similarity)
    assert np.array_equal(order[second], first)
    assert similarity[first, second] == pytest.approx(np.ones(16))


def test_matching_is_the_best_of_all() -> None:
    """The greatest sum wins over the greedy choice of the greatest entry: 0.8 + 0.7 against 0.9 + 0.1."""
    first, second = match(np.array([[0.9, 0.8], [0.7, 0.1]]))
    assert (first.tolist(), second.tolist()) == ([0, 1], [1, 0])


def test_a_latent_without_direction_is_left_out() -> None:
    """Zero and NaN rows have NaN cosines, are matched to what is left, and do not enter the mean."""
    rows = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    broken = np.array([[np.nan, 1.0], [0.0, 1.0], [3.0, 0.0]])
    assert match(cosines(rows, broken))[1].tolist() == [2, 1, 0]
    assert matched_similarity(rows, broken) == pytest.approx(1.0)
    assert np.isnan(matched_similarity(np.zeros((2, 3)), np.ones((2, 3))))
    assert np.isnan(cosines(np.empty((2, 0)), np.empty((4, 0)))).all()


def test_orthogonal_decoders_do_not_overlap() -> None:
    """Columns of an orthogonal matrix have zero cosines, equal ones have 1, and opposite ones −1."""
    basis = np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))[0]
    assert overlap(3 * basis) == pytest.approx(np.eye(12), abs=1e-12)
    assert mean_overlap(basis) == pytest.approx(0, abs=1e-12)
    assert overlap(np.array([[1.0, 2.0, -5.0]])) == pytest.approx(np.array([[1, 1, -1], [1, 1, -1], [-1, -1, 1]]))


def test_overlap_is_macs_without_its_diagonal() -> None:
    """The mean over distinct pairs is MACS, whose mean counts k zeros among k^2 entries, times k/(k - 1)."""
    decoder = np.random.default_rng(2).standard_normal((12, 16))
    assert mean_overlap(decoder) == pytest.approx(metrics.macs(decoder) * 16 / 15, rel=1e-6)


def test_chance_is_the_level_of_unrelated_latents() -> None:
    """Sets of latents that have nothing in common lie within what chance gives about as often as they should."""
    rng = np.random.default_rng(3)
    p = []
    for _ in range(100):
        a, b = rng.standard_normal((2, 6, 8))
        by_chance = matched_by_chance(a, b, rng, repetitions=39)
        p.append((1 + (by_chance >= matched_similarity(a, b)).sum()) / 40)
    assert np.mean(p) == pytest.approx(0.5, abs=4 / np.sqrt(12 * 100))
    assert np.mean(np.array(p) <= 0.1) < 0.1 + 4 * np.sqrt(0.1 * 0.9 / 100)


def test_related_latents_are_above_chance() -> None:
    """The same latents with a little noise are more alike than all permutations, which are not near 0 themselves."""
    rng = np.random.default_rng(4)
    a = rng.standard_normal((16, 8))
    b = a + 0.3 * rng.standard_normal((16, 8))
    by_chance = matched_by_chance(a, b, rng, repetitions=100)
    assert matched_similarity(a, b) > 0.9 > by_chance.max()
    assert by_chance.mean() > 0.3


def test_responses_are_what_their_names_say() -> None:
    """Correlations, conditional means and the mean in silence are those of numpy or of the hand."""
    features = np.array([[1.0, 0, 2, 0, 0], [0, 3, 1, 0, 0], [0, 0, 0, 0, 0]])
    latents = np.array([[2.0, 1, 4, 0, 1], [5, 5, 5, 5, 5]])
    found = responses(latents, features)
    assert found.correlation[0, 0] == pytest.approx(np.corrcoef(latents[0], features[0])[0, 1])
    assert np.isnan(found.correlation[1]).all()
    assert np.isnan(found.correlation[:, 2]).all()
    assert found.mean_when_active[0, :2] == pytest.approx([3, 2.5])
    assert np.isnan(found.mean_when_active[:, 2]).all()
    assert found.mean_when_silent == pytest.approx([0.5, 5])


def test_pairs_are_in_the_order_of_features() -> None:
    """Pairs come by the strongest feature of the first latent, in absolute value; one that is constant comes first."""
    first = np.array([[0.1, 0.9], [-0.8, 0.2], [np.nan, np.nan]])
    found = pairs({"correlation": first}, {"correlation": first[::-1]})
    assert found[["first", "second", "feature"]].to_numpy().tolist() == [[2, 0, -1], [1, 1, 0], [0, 2, 1]]
    assert found["similarity"].to_numpy()[1:] == pytest.approx([1, 1])
    assert np.isnan(found["similarity"].iloc[0])


def test_a_run_becomes_a_report(out: Path) -> None:
    """Seeds, pairs and figures of the two levels that were asked for are all there, in every format."""
    report = compare("tiny", factor="reg", level="l2", seed=2, out=out)
    assert report.title == "What latents encode: reg none and l2"
    assert report.provenance["Other factors held at"] == "act = relu"
    assert report.data["seeds"]["seed"].tolist() == [0, 1, 2]
    assert sorted(report.data["pairs"]["second"]) == list(range(16))
    overlaps = report.data["runs"].set_index(["reg", "seed"])["overlap"]
    decoder = bench.arrays("tiny", out=out, seed=1, act="relu", reg="l2")["decoder"]
    assert overlaps["l2", 1] == pytest.approx(mean_overlap(decoder))
    page = files(report, "html")["report.html"].decode()
    assert page.count("<svg") >= 3
    assert set(files(report, "md")) == {
        "report.md",
        *(f"figures/{name}.svg" for name in ("encoding", "recovery", "activation", "overlap")),
    }
    again = compare("tiny", factor="reg", level="l2", seed=2, out=out)
    assert all(again.data[name].equals(frame) for name, frame in report.data.items())


def test_equal_runs_are_matched_with_themselves(out: Path) -> None:
    """A level beside itself is alike to the last latent: similarity 1, whatever chance gives."""
    kept = bench.arrays("tiny", out=out, seed=0, act="gelu", reg="l1")
    found = pairs(kept, kept)
    assert found["first"].tolist() == found["second"].tolist()
    assert found["similarity"].to_numpy() == pytest.approx(np.ones(16))


def test_one_seed_says_so(out: Path, tmp_path: Path) -> None:
    """With one seed the report claims nothing about variation, and its intervals are missing."""
    suite = tmp_path / "tiny.toml"
    suite.write_text(SUITE.format(keep="true"))
    bench.run(suite, seeds=1, out=tmp_path, executor="serial")
    report = compare("tiny", out=tmp_path)
    assert "one seed only" in "".join(report.sections[0].text)
    assert report.data["contrasts"]["low"].isna().all()
    assert pd.isna(report.data["seeds"]["between_seeds"]).all()


def test_runs_in_which_nothing_varies_have_no_similarity(tmp_path: Path) -> None:
    """Without any active feature similarity, chance and p are missing, and no seed counts as compared."""
    suite = tmp_path / "tiny.toml"
    suite.write_text(SUITE.format(keep="true\np_active = 0.0"))
    bench.run(suite, seeds=2, out=tmp_path, executor="serial")
    report = compare("tiny", out=tmp_path)
    assert report.data["seeds"][["similarity", "chance", "p", "between_seeds"]].isna().all(axis=None)
    assert "Over 0 seeds" in report.sections[0].text[0]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"factor": "rge"}, "act, reg"),
        ({"factor": "reg", "level": "none"}, "l1, l2"),
        ({"seed": 7}, "0 to 2"),
    ],
)
def test_what_is_not_there_is_named(out: Path, asked: dict[str, str], told: str) -> None:
    """An unknown factor, level or seed is an error whose hint lists those that there are."""
    with pytest.raises(BenchError, match=told):
        compare("tiny", out=out, **asked)  # type: ignore[arg-type]


def test_a_run_without_arrays_says_how_to_keep_them(start: Start, tmp_path: Path) -> None:
    """The command ends with exit code 2 and the line of the suite that is missing, without a traceback."""
    suite = tmp_path / "tiny.toml"
    suite.write_text(SUITE.format(keep="false"))
    bench.run(suite, seeds=1, out=tmp_path, executor="serial")
    code, err = start("polysem.features", app, "tiny", "--out", tmp_path)
    assert code == 2
    assert "keep_arrays = true" in err
    assert "Traceback" not in err


def test_the_command_writes_a_page_beside_the_run(start: Start, out: Path) -> None:
    """By default the page lies in a folder of its own, and the run's folder stays as it was."""
    before = sorted((out / "tiny").rglob("*"))
    assert start("polysem.features", app, "tiny", "--out", out)[0] == 0
    assert (out / "tiny.features" / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert sorted((out / "tiny").rglob("*")) == before
    assert [summary.name for summary in bench.runs(out)] == ["tiny"]
