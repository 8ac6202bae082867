"""Accepted baselines: what is written reads back, and nothing else is believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import bench
from bench.errors import BenchError
from bench.execute.baseline import accept, load, of_run
from bench.execute.inventory import find

if TYPE_CHECKING:
    from tests.conftest import Lab


@pytest.fixture
def accepted(lab: Lab) -> Path:
    """The baseline of a finished run."""
    bench.run(lab.suite(seeds=3), out=lab.out, executor="serial")
    return bench.accept("diets", out=lab.out)


def test_values_read_back_exactly(lab: Lab, accepted: Path) -> None:
    """A baseline holds the run's values to the last bit, one row a run sorted by levels and seed, and its origin."""
    stored, run = load(accepted), of_run(find("diets", lab.out))
    order = ["dose", "diet", "seed"]
    pd.testing.assert_frame_equal(
        stored.frame, run.frame.sort_values(order).reset_index(drop=True), check_dtype=False, check_categorical=False
    )
    assert stored.origin is not None
    assert run.origin is not None
    assert stored.origin.model_copy(update={"sha256": ""}) == run.origin
    lines = accepted.read_text().splitlines()
    assert lines[0] == "dose,diet,parameters,seed,status,score,loss"
    assert len(lines) == 13


def test_accepting_twice_writes_the_same_bytes(lab: Lab, accepted: Path) -> None:
    """The CSV of the same values is the same text, so that version control shows what has changed and nothing else."""
    before = accepted.read_bytes()
    assert bench.accept("diets", out=lab.out).read_bytes() == before


def test_line_ends_of_version_control_do_no_harm(accepted: Path) -> None:
    """A checkout with carriage returns is the same baseline."""
    accepted.write_bytes(accepted.read_bytes().replace(b"\n", b"\r\n"))
    assert len(load(accepted).frame) == 12


def test_diverged_runs_are_kept_as_such(lab: Lab) -> None:
    """A run that diverged stands in the baseline with its status."""
    bench.run(lab.suite("wild", trouble="diverges"), out=lab.out, executor="serial")
    assert load(bench.accept("wild", out=lab.out)).frame["status"].value_counts()["diverged"] == 4


def test_unfinished_runs_are_refused(lab: Lab) -> None:
    """A run with failures is no baseline."""
    bench.run(lab.suite("sick", trouble="fails"), out=lab.out, executor="serial")
    with pytest.raises(BenchError, match="4 of its 16 runs have no outcome"):
        bench.accept("sick", out=lab.out)


def test_other_files_are_not_overwritten(lab: Lab, accepted: Path) -> None:
    """A CSV that bench did not accept, such as a published table, is left alone."""
    table = lab.folder / "post.csv"
    table.write_text("metric,mean,std,n\n")
    with pytest.raises(BenchError, match="is there already"):
        accept(find("diets", lab.out), table)
    with pytest.raises(BenchError, match="CSV"):
        accept(find("diets", lab.out), lab.folder / "post.txt")
    assert table.read_text() == "metric,mean,std,n\n"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text[:-1],
        lambda text: text.replace(",ok,", ",ok,1", 1),
        lambda text: "\n".join(text.splitlines()[:-1]) + "\n",
        lambda _: "",
        lambda text: text + text.splitlines()[-1] + "\n",
    ],
    ids=["cut in half", "last byte lost", "a value edited", "a row lost", "emptied", "a row doubled"],
)
def test_changed_files_are_refused(accepted: Path, damage: Callable[[str], str]) -> None:
    """Whatever is not what was accepted is refused, with the way to restore it."""
    accepted.write_text(damage(accepted.read_text()))
    with pytest.raises(BenchError, match="not what was accepted") as raised:
        load(accepted)
    assert "version control" in raised.value.hint


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda stored: stored.update(schema_version=2), "schema version 2"),
        (lambda stored: stored.pop("metrics"), "metrics"),
        (lambda stored: stored.update(colour="red"), "colour"),
        (lambda stored: stored.update(metrics=["score"]), "columns"),
        (lambda stored: stored.update(sha256="0" * 64), "checksum"),
    ],
)
def test_manifests_that_do_not_fit_are_refused(
    accepted: Path, edit: Callable[[dict[str, Any]], object], said: str
) -> None:
    """A manifest of another version, with other keys, or of another CSV is refused with the reason."""
    path = accepted.with_suffix(".json")
    stored = json.loads(path.read_text())
    edit(stored)
    path.write_text(json.dumps(stored))
    with pytest.raises(BenchError) as raised:
        load(accepted)
    assert said in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe", b"a,b\n1,2\n", b"{}", b'"'])
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """A file that bench did not write and that is no table of means is refused, whatever it holds."""
    path = tmp_path / "foreign.csv"
    path.write_bytes(content)
    with pytest.raises(BenchError, match="cannot be used as a baseline"):
        load(path)


def test_a_broken_manifest_is_refused(accepted: Path) -> None:
    """A manifest that is no JSON is refused."""
    accepted.with_suffix(".json").write_text("{")
    with pytest.raises(BenchError, match="is damaged"):
        load(accepted)


def test_what_is_not_there_is_said(lab: Lab) -> None:
    """A missing baseline says how to make one; a folder without a run is no baseline."""
    with pytest.raises(BenchError, match="There is no baseline") as raised:
        load(lab.folder / "none.csv", lab.out)
    assert "bench baseline accept" in raised.value.hint
    with pytest.raises(BenchError):
        load(lab.folder, lab.out)
