"""The folder of a run holds what was planned, and tables tell all of it."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bench
from bench.errors import BenchError, Exit
from bench.execute import manifest, storage
from bench.execute.coordinate import execute
from bench.execute.inventory import find, runs, summarize
from bench.execute.manifest import Manifest
from bench.execute.results import remarks, tidy, wide
from bench.execute.run import Run, create, load, store
from bench.execute.storage import locked
from bench.plan.design import jobs
from bench.plan.suite import Plan
from bench.plan.suite import load as load_suite
from tests.execute.conftest import MakeSuite


def finished(suite: Plan, out: Path, **options: object) -> Run:
    run = create(suite, out)
    execute(suite, run, executor="serial", **options)
    return run


def test_a_stored_run_needs_no_experiment(
    make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Suite, plan and results are read back equal after the experiment has gone; running it is refused in words."""
    suite = make_suite("ENSEMBLE", {"kind": ["fine", "nan"], "sleep": [0, 0.5e-3], "size": [3, 1]}, seeds=[7, 2])
    run = finished(suite, tmp_path / "out")
    table = wide(run)
    monkeypatch.delitem(sys.modules, "tiny")
    monkeypatch.setattr(sys, "path", [])
    stored = load(run.folder)
    pd.testing.assert_frame_equal(wide(stored), table)
    for name in ("name", "reference", "seeds", "params", "factors", "listed", "metrics", "text", "digest", "settings"):
        assert getattr(stored.suite, name) == getattr(suite, name)
    assert stored.suite.path == suite.path.absolute()
    assert stored.suite.experiment.metrics == suite.experiment.metrics
    assert "tiny" not in sys.modules
    with pytest.raises(BenchError, match="cannot be run"):
        stored.suite.experiment.run([], lambda _: None)


def test_keys_of_a_stored_plan_are_those_of_the_experiment(make_suite: MakeSuite, tmp_path: Path) -> None:
    """The plan on disk gives every job the key that the experiment gives it, in the order of the design."""
    suite = make_suite("LOOP", {"size": [1, 2], "kind": ["fine", "ünïcode"], "sleep": [0.1 + 0.2, 1e-300]}, seeds=2)
    run = create(suite, tmp_path)
    with locked(run.folder):
        store(run, suite)
    planned = list(load(run.folder).planned())
    assert [job.key for job in planned] == [suite.experiment.key(job) for _, job in jobs(suite)]
    assert [job.levels for job in planned] == [list(cell.levels.values()) for cell, _ in jobs(suite)]


def test_tables_hold_every_planned_run(make_suite: MakeSuite, tmp_path: Path) -> None:
    """Failed, diverged and missing runs have their rows; factors keep the suite's order and types; no value is NaN."""
    kinds = ["fine", "raises", "diverges", "nan"]
    suite = make_suite("LOOP", {"kind": kinds, "size": [10, 9], "sleep": [0, 0.001]}, seeds=2)
    run = finished(suite, tmp_path / "out")
    more = make_suite("LOOP", {"kind": kinds, "size": [10, 9], "sleep": [0, 0.001]}, seeds=3)
    with locked(run.folder):
        store(create(more, tmp_path / "out"), more)
    table = wide(load(run.folder))
    rows = tidy(run.suite, table)
    assert list(table.columns) == ["run", "kind", "size", "sleep", "seed", "status", "loss", "score"]
    assert len(table) == 4 * 2 * 2 * 3
    assert list(table["kind"].cat.categories) == kinds
    assert list(table["size"].cat.categories) == [10, 9]
    assert table["size"].cat.ordered
    assert table["sleep"].cat.categories.tolist() == [0.0, 0.001]
    assert table.groupby("seed")["status"].apply(lambda status: status.value_counts().to_dict())[2, "missing"] == 16
    first = table[table["seed"] == 0].groupby("kind", observed=True)["status"].unique()
    assert [list(first[kind]) for kind in kinds] == [["ok"], ["failed"], ["diverged"], ["ok"]]
    assert table.loc[table["status"].isin(["failed", "missing"]), ["loss", "score"]].isna().all(axis=None)
    assert (table.loc[table["status"] == "diverged", "loss"] == math.inf).all()

    assert list(rows.columns) == ["run", "kind", "size", "sleep", "seed", "status", "metric", "value"]
    assert len(rows) == 2 * len(table)
    for metric in ("loss", "score"):
        part = rows[rows["metric"] == metric].reset_index(drop=True)
        np.testing.assert_array_equal(part["value"], table[metric])
        pd.testing.assert_frame_equal(part[list(table.columns[:6])], table[list(table.columns[:6])])

    said = remarks(load(run.folder))
    assert said.groupby(["kind", "metric"], observed=True)["text"].first().to_dict() == {
        ("raises", ""): said["text"][said["kind"] == "raises"].iloc[0],
        ("diverges", ""): "the loss left the earth",
        ("nan", "score"): "nothing to score",
    }


def test_listed_cells_and_odd_levels(make_suite: MakeSuite, tmp_path: Path) -> None:
    """Listed cells come back as listed."""
    path = tmp_path / "listed.toml"
    cells = '[[cells]]\nkind = "fine"\nsize = 3\n[[cells]]\nkind = "nan"\nsize = 1\n'
    make_suite("LOOP", {"size": [1]})
    path.write_text(f'name = "listed"\nexperiment = "tiny:LOOP"\nseeds = 2\n{cells}')
    run = finished(load_suite(path), tmp_path / "out")
    table = wide(load(run.folder))
    assert list(zip(table["kind"], table["size"], table["seed"], strict=True)) == [
        ("fine", 3, 0), ("nan", 1, 0), ("fine", 3, 1), ("nan", 1, 1),
    ]  # fmt: skip
    assert load(run.folder).suite.listed == ({"kind": "fine", "size": 3}, {"kind": "nan", "size": 1})


def test_a_changed_suite_adds_and_reinterprets_nothing(make_suite: MakeSuite, tmp_path: Path) -> None:
    """Only new levels and seeds are run, dropped ones stay in the journal, and other parameters make other runs."""
    out = tmp_path / "out"
    run = finished(make_suite("LOOP", {"kind": ["fine", "nan"], "size": [1, 2]}, seeds=2), out)
    before = wide(run).set_index("run")["loss"]
    wider = make_suite("LOOP", {"kind": ["fine", "infinite"], "size": [2, 1]}, seeds=3)
    assert execute(wider, create(wider, out), executor="serial").ok == 12 - 4
    after = wide(load(run.folder)).set_index("run")["loss"]
    both = before.index.intersection(after.index)
    assert len(both) == 4
    pd.testing.assert_series_equal(before[both], after[both])
    assert summarize(load(run.folder)).outside == 4
    other = make_suite("LOOP", {"kind": ["fine"], "size": [2, 1]}, seeds=3, sleep=0.001)
    assert execute(other, create(other, out), executor="serial").stored_before == 0
    again = make_suite("LOOP", {"kind": ["fine", "nan"], "size": [1, 2]}, seeds=2)
    assert execute(again, create(again, out), executor="serial").stored_before == 8
    pd.testing.assert_series_equal(wide(load(run.folder)).set_index("run")["loss"], before)


def test_fresh_moves_the_old_run_aside(make_suite: MakeSuite, tmp_path: Path) -> None:
    """``fresh`` deletes nothing: the old folder keeps its results under a dated name, and the new one starts empty."""
    suite = make_suite("LOOP", {"kind": ["fine"]})
    old = finished(suite, tmp_path / "out")
    before = wide(old)
    new = create(suite, tmp_path / "out", fresh=True)
    assert execute(suite, new, executor="serial").stored_before == 0
    (aside,) = [line for line in runs(tmp_path / "out") if line.folder != new.folder]
    assert aside.folder.name.startswith("tiny.20")
    assert aside.ok == 3
    pd.testing.assert_frame_equal(wide(load(aside.folder)), before)
    with locked(new.folder), pytest.raises(BenchError, match="is being written by process"):
        create(suite, tmp_path / "out", fresh=True)
    (new.folder / "run.json").write_text("{")
    (tmp_path / "out" / aside.folder.name).rename(tmp_path / "kept")
    again = create(suite, tmp_path / "out", fresh=True)
    assert execute(suite, again, executor="serial").stored_before == 0


def test_a_plan_without_results_is_no_run(make_suite: MakeSuite, tmp_path: Path) -> None:
    """Where a project keeps ``run.json`` beside a report, no run is listed; who names it learns how to run it."""
    out = tmp_path / "out"
    kept = finished(make_suite("LOOP", {"kind": ["fine"]}, name="kept"), out)
    for path in kept.folder.iterdir():
        if path.name != "run.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert runs(out) == []
    with pytest.raises(BenchError, match="There is no run under"):
        find(None, out)
    with pytest.raises(BenchError, match="has the plan of a run") as raised:
        find("kept", out)
    assert raised.value.hint == f"To run it here: bench run {tmp_path / 'kept.toml'}."
    again = finished(make_suite("LOOP", {"kind": ["fine"]}, name="kept"), out)
    assert [line.folder for line in runs(out)] == [again.folder]


def test_finding_runs(make_suite: MakeSuite, tmp_path: Path) -> None:
    """A run is found by name, by folder, or as the newest; a wrong name is told what there is."""
    out = tmp_path / "out"
    with pytest.raises(BenchError, match="There is no run under"):
        find(None, out)
    first = finished(make_suite("LOOP", {"kind": ["fine"]}, name="first"), out)
    second = finished(make_suite("LOOP", {"kind": ["fine", "raises"]}, name="second"), out)
    assert find(None, out).folder == second.folder
    assert find("first", out).folder == first.folder
    assert find(first.folder, tmp_path / "elsewhere").folder == first.folder
    with pytest.raises(BenchError, match="out holds 2 runs") as raised:
        find(out, tmp_path / "elsewhere")
    assert raised.value.hint == "Name one of them: first, second."
    first.folder.rename(tmp_path / "elsewhere")
    assert find(out, tmp_path / "nowhere").folder == second.folder
    (tmp_path / "elsewhere").rename(first.folder)
    with pytest.raises(BenchError, match="no run 'frist'") as raised:
        find("frist", out)
    assert raised.value.hint == 'Did you mean "first"? Runs there: first, second.'
    lines = runs(out)
    assert [(line.name, line.planned, line.ok, line.failed, line.missing) for line in lines] == [
        ("second", 6, 3, 3, 0), ("first", 3, 3, 0, 0),
    ]  # fmt: skip


def test_runs_are_counted_without_reading_their_journals(
    make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run kept of itself is what reading gives; a journal, plan or file that has changed since is read."""
    suite = make_suite("LOOP", {"kind": ["fine", "diverges", "raises"], "size": [1, 2]}, seeds=2)
    bench.run(suite, out=tmp_path, executor="serial")
    folder = tmp_path / "tiny"
    kept = (folder / "counts.json").read_text()
    (folder / "counts.json").unlink()
    (counted,) = runs(tmp_path)
    assert (counted.ok, counted.diverged, counted.failed) == (4, 4, 4)
    (folder / "counts.json").write_text(kept)
    with monkeypatch.context() as patch:
        patch.setattr("bench.execute.journal.scan", lambda *_: pytest.fail("the journal was read"))
        assert runs(tmp_path) == [counted]
    for harm in ("{", kept.replace('"ok": 4', '"ok": 5').replace('"schema_version": 1', '"schema_version": 9')):
        (folder / "counts.json").write_text(harm)
        assert runs(tmp_path) == [counted]
    (folder / "counts.json").write_text(kept)
    (segment,) = (folder / "journal").glob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b'"status":"ok"', b'"status":"OK"', 1))
    assert "1 damaged lines" in runs(tmp_path)[0].damage
    bench.run(suite, out=tmp_path, executor="serial")
    assert runs(tmp_path)[0].damage == ""
    bench.run(make_suite("LOOP", {"kind": ["fine"]}), out=tmp_path, executor="serial")
    assert (runs(tmp_path)[0].planned, runs(tmp_path)[0].missing) == (3, 0)


def test_folders_that_are_not_ours_are_left_alone(make_suite: MakeSuite, tmp_path: Path) -> None:
    """A folder of other files, a file in its place, another experiment's run: each is refused by name, untouched."""
    suite = make_suite("LOOP", {"kind": ["fine"]})
    (tmp_path / "a" / "tiny").mkdir(parents=True)
    (tmp_path / "a" / "tiny" / "thesis.tex").touch()
    with pytest.raises(BenchError, match=r"not the folder of a run: it holds thesis\.tex"):
        create(suite, tmp_path / "a")
    assert [path.name for path in (tmp_path / "a" / "tiny").iterdir()] == ["thesis.tex"]
    (tmp_path / "b").touch()
    with pytest.raises(BenchError, match="cannot be written"):
        create(suite, tmp_path / "b")
    finished(suite, tmp_path / "c")
    other = make_suite("ENSEMBLE", {"kind": ["fine"]})
    for _ in range(2):
        with pytest.raises(BenchError, match=r"holds runs of tiny:LOOP, and .* is of tiny:ENSEMBLE"):
            create(other, tmp_path / "c")
        (tmp_path / "c" / "tiny" / "run.json").unlink(missing_ok=True)  # the journal knows it, too


def test_a_run_starts_where_only_its_report_is_kept(make_suite: MakeSuite, tmp_path: Path) -> None:
    """A folder with a committed report and no run, as in a fresh clone, becomes that of a run; the report stays."""
    folder = tmp_path / "tiny"
    (folder / "figures").mkdir(parents=True)
    (folder / "report.md").write_text("what was found")
    assert summarize(finished(make_suite("LOOP", {"kind": ["fine"]}, seeds=1), tmp_path)).ok == 1
    assert (folder / "report.md").read_text() == "what was found"


def test_links_in_the_folder_are_refused(make_suite: MakeSuite, tmp_path: Path) -> None:
    """A link in a run's folder cannot lead bench to write elsewhere; a folder that is a link is the user's choice."""
    suite = make_suite("LOOP", {"kind": ["fine"]})
    (tmp_path / "precious").write_text("thesis")
    (tmp_path / "out" / "tiny").mkdir(parents=True)
    link = tmp_path / "out" / "tiny" / ".run.json.new"
    link.symlink_to(tmp_path / "precious")
    with pytest.raises(BenchError, match=r"holds a link: \.run\.json\.new"):
        create(suite, tmp_path / "out")
    link.unlink()
    (tmp_path / "linked").symlink_to(tmp_path / "out")
    assert finished(suite, tmp_path / "linked").folder.resolve() == tmp_path / "out" / "tiny"
    assert (tmp_path / "precious").read_text() == "thesis"


@pytest.mark.parametrize(
    ("number", "hint"), [(errno.EROFS, "read-only"), (errno.EACCES, "may write"), (errno.ENOSPC, "Free")]
)
def test_a_folder_that_cannot_be_written_is_said(
    make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, hint: str
) -> None:
    """Whichever step fails, the error names the path and the way out, and what was stored stays."""
    suite = make_suite("LOOP", {"kind": ["fine"]})
    run = finished(suite, tmp_path / "out")
    before = wide(run)

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    for target in (
        "bench.execute.storage.os.open",
        "bench.execute.storage.os.fsync",
        "bench.execute.storage.Path.replace",
        "bench.execute.run.Path.mkdir",
    ):
        with monkeypatch.context() as patch:
            patch.setattr(target, fail)
            with pytest.raises(BenchError, match=r"out/tiny.* cannot be (written|read)") as raised:
                finished(suite, tmp_path / "out")
            assert hint in raised.value.hint or "cannot be read" in raised.value.message
    pd.testing.assert_frame_equal(wide(load(run.folder)), before)


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_read_only_folder_is_said(make_suite: MakeSuite, tmp_path: Path) -> None:
    """A folder that may not be written is named, with a way out."""
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(BenchError, match="Permission denied"):
        create(make_suite("LOOP", {"kind": ["fine"]}), tmp_path / "out")


@pytest.mark.parametrize("file", ["run.json", "cells-*.jsonl"])
def test_damaged_files_are_said_and_mended_by_running_again(make_suite: MakeSuite, tmp_path: Path, file: str) -> None:
    """Whatever stands in a run's files, it is an error that says what to do; doing it brings every result back."""
    suite = make_suite("LOOP", {"kind": ["fine", "nan"]}, seeds=1)
    run = finished(suite, tmp_path / "out")
    (path,) = run.folder.glob(file)
    good = path.read_text()
    wrong = ["", "{", "[1]", '{"plan": 1}', "[" * 100_000, "\0\xff", good[: len(good) // 2]]
    changes = (  # of one file or the other
        ("nan", "x"),
        ('"nan"', "[]"),
        ("{}", "3"),
        ('"version": "1"', '"version": 1'),
        ('"seeds": [\n  0', '"seeds": [\n  -1'),
        ("label", "x"),
    )
    wrong += [good.replace(old, new) for old, new in changes]
    for text in {*wrong, good.rpartition("\n[")[0] + "\n"} - {good}:
        path.write_text(text)
        with pytest.raises(BenchError) as raised:
            wide(load(run.folder))
        assert "Run the suite again" in raised.value.hint
    path.unlink()
    with pytest.raises(BenchError, match=path.name):
        wide(load(run.folder))
    assert execute(suite, create(suite, tmp_path / "out"), executor="serial").stored_before == 2
    assert (wide(load(run.folder))["status"] == "ok").all()


def test_a_newer_format_is_left_alone(make_suite: MakeSuite, tmp_path: Path) -> None:
    """A run written by a later version is neither read nor written."""
    suite = make_suite("LOOP", {"kind": ["fine"]})
    run = finished(suite, tmp_path / "out")
    stored = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps({**stored, "schema_version": Manifest.SCHEMA + 1, "more": 1}))
    for use in (lambda: load(run.folder), lambda: create(suite, tmp_path / "out")):
        with pytest.raises(BenchError, match="written by a newer bench"):
            use()


def test_readers_see_one_plan_while_another_takes_its_place(
    make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However a writer and a reader take turns, and wherever a writer is killed, a whole plan is read: old or new."""
    suites = [make_suite("LOOP", {"size": sizes}, seeds=seeds) for sizes, seeds in (([1, 2], 2), ([3, 4, 5], 1))]
    expected = [
        [(size, seed) for seed in range(len(suite.seeds)) for size in suite.factors["size"]] for suite in suites
    ]
    run = create(suites[0], tmp_path / "out")
    with locked(run.folder):
        store(run, suites[0])

    def stored() -> list[tuple[int, int]]:
        table = wide(load(run.folder))
        return list(zip(table["size"], table["seed"], strict=True))

    real = Path.replace
    seen = []

    def read_around(path: Path, target: Path) -> Path:
        seen.append(stored())
        done = real(path, target)
        seen.append(stored())
        return done

    for number in range(1, 5):
        with monkeypatch.context() as patch, locked(run.folder):
            patch.setattr(Path, "replace", read_around)
            store(run, suites[number % 2])
    assert len(seen) >= 4 * 6
    assert all(plan in expected for plan in seen)
    for steps in range(5):
        left = [steps]

        def die(path: Path, target: Path, left: list[int] = left) -> Path:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return real(path, target)

        with monkeypatch.context() as patch, locked(run.folder), suppress(KeyboardInterrupt):
            patch.setattr(Path, "replace", die)
            store(run, suites[steps % 2])
        assert stored() in expected
    assert len(list(run.folder.glob("cells*"))) <= 2

    reads = []
    once = manifest.read_cells

    def read_late(folder: Path, plan: manifest.Manifest) -> object:
        reads.append(plan.plan)
        if len(reads) == 1:  # the writer is faster than this reader
            with locked(folder):
                store(run, suites[1])
        return once(folder, plan)

    with locked(run.folder):
        store(run, suites[0])
    monkeypatch.setattr(manifest, "read_cells", read_late)
    assert stored() == expected[1]
    assert len(reads) == 2


@pytest.mark.parametrize("which", ["report", "figure"])
def test_files_that_belong_together_are_replaced_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """Where one cannot be written, as on a full disk, the other is as it was, and nothing else is left."""
    files = {tmp_path / name: b"new" for name in ("report.md", "figure.svg")}
    for path in files:
        path.write_bytes(b"old")
    real = storage.open_own

    def full(path: Path, flags: int) -> object:
        return Path("/dev/full").open("wb") if which in path.name else real(path, flags)

    monkeypatch.setattr(storage, "open_own", full)
    with pytest.raises(BenchError, match="No space left") as raised:
        storage.replace_all(files)
    monkeypatch.undo()
    assert raised.value.exit_code == Exit.RUNS_FAILED
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == dict.fromkeys(files, b"old")
    storage.replace_all(files)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize(
    "content", [b"root:x:0:0:root:/root:/bin/bash\n", b"\0\xff", b"metric,mean\n" + b" " * (1 << 20)]
)
def test_no_other_file_than_a_table_is_taken_for_a_published_one(
    make_suite: MakeSuite, tmp_path: Path, content: bytes
) -> None:
    """What a suite names as published and is no table is copied into no folder of a run."""
    make_suite("LOOP", {"kind": ["fine"]})
    (tmp_path / "secret").write_bytes(content)
    path = tmp_path / "tiny.toml"
    path.write_text('published = "secret"\n' + path.read_text())
    with pytest.raises(BenchError, match="secret is no published table"):
        finished(load_suite(path), tmp_path / "out")
    assert not any(content[:9] in file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file())


def test_published_table_travels_with_the_run(make_suite: MakeSuite, tmp_path: Path) -> None:
    """The published table is copied, so that a stored run refers to nothing outside its folder."""
    suite = make_suite("LOOP", {"kind": ["fine"]})
    (tmp_path / "table.csv").write_text("kind,metric,mean,std,n\nfine,loss,1,1,3\n")
    path = tmp_path / "tiny.toml"
    path.write_text('published = "table.csv"\n' + path.read_text())
    suite = load_suite(path)
    run = finished(suite, tmp_path / "out")
    (tmp_path / "table.csv").unlink()
    stored = load(run.folder).suite.published
    assert stored == run.folder / "published.csv"
    assert stored.read_text().startswith("kind,metric")
    assert json.loads((run.folder / "run.json").read_text())["published"] is True
