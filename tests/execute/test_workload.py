"""What a suite will take, judged by what is stored of it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

import bench
from bench.errors import BenchError
from bench.execute.journal import read
from bench.execute.records import Record
from bench.execute.schedule import Forecast, forecast
from bench.plan.design import jobs
from tests.execute.conftest import MakeSuite


def test_cells_are_judged_by_their_own_runs(make_suite: MakeSuite) -> None:
    """A missing job takes the median of its cell, one of an unknown cell the mean of the medians, shared by workers."""
    suite = make_suite("ENSEMBLE", {"size": [1, 2, 3]}, seeds=10)
    took = {1: [2.0, 900.0, 3.0, 2.5, 2.5], 2: [10.0]}
    stored = [
        _record(suite.experiment.key(_job(suite, size, seed)), size, seed, each)
        for size, seconds in took.items()
        for seed, each in enumerate(seconds)
    ]
    found = forecast(suite, {record.key for record in stored}, stored, workers=4)
    assert (found.planned, found.stored, found.to_run) == (30, 6, 24)
    assert found.seconds == pytest.approx((5 * 2.5 + 9 * 10.0 + 10 * 6.25) / 4)
    assert found.batches == 1 + 2 + 2  # of at most 6 = 24 / 4 jobs, and of one size each


def test_nothing_stored_is_nothing_known(make_suite: MakeSuite) -> None:
    """Without stored jobs, time and disk are NaN and the counts are there."""
    found = forecast(make_suite("LOOP", {"kind": ["fine"]}, seeds=5), (), (), workers=2)
    assert (found.to_run, found.batches) == (5, 5)
    assert math.isnan(found.seconds)
    assert math.isnan(found.bytes)


def test_a_job_that_came_to_nothing_tells_no_time(make_suite: MakeSuite) -> None:
    """One that was lost has no time, and one that failed may have taken none: only outcomes tell how long jobs take."""
    suite = make_suite("LOOP", {"size": [1]}, seeds=5)
    ok, lost = _record("k", 1, 0, 2.0), replace(_record("k", 1, 0, math.nan), status="lost")
    failed = replace(_record("k", 1, 0, 0.1), status="failed")
    assert forecast(suite, (), [ok, lost, failed], workers=1).seconds == 10.0
    assert forecast(suite, (), [lost, ok], workers=1).seconds == 10.0
    assert forecast(suite, (), [failed, ok, failed], workers=1).seconds == 10.0


def test_nothing_left_takes_nothing(make_suite: MakeSuite, tmp_path: Path) -> None:
    """When every job has its outcome, a forecast is zeros."""
    suite = make_suite("LOOP", {"kind": ["fine"]})
    bench.run(suite, out=tmp_path, executor="serial")
    assert bench.forecast(suite, out=tmp_path, workers=2) == Forecast(3, 3, 0, 0, 2, 0.0, 0.0)


def test_disk_is_what_the_journal_grows_by(make_suite: MakeSuite, tmp_path: Path) -> None:
    """The forecast of half a suite is within a tenth of the lines that are then written."""
    bench.run(make_suite("LOOP", {"kind": ["fine"], "size": [1, 2]}, seeds=20), out=tmp_path, executor="serial")
    suite = make_suite("LOOP", {"kind": ["fine"], "size": [1, 2]}, seeds=40)
    expected = bench.forecast(suite, out=tmp_path).bytes
    bench.run(suite, out=tmp_path, executor="serial")
    lines = (tmp_path / "tiny" / "journal" / "00002.jsonl").read_bytes().splitlines(keepends=True)
    grown = sum(len(line) for line in lines if b'"kind":"record"' in line)
    assert expected == pytest.approx(grown, rel=0.1)


def test_a_probe_runs_a_part_and_keeps_it(
    make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its time is up a probe starts nothing more; what it ran is stored, and judges the rest."""
    monkeypatch.setattr("bench.api.suites.PROBE", 0.0)
    suite = make_suite("LOOP", {"kind": ["fine", "nan"]}, seeds=50)
    found = bench.forecast(suite, out=tmp_path, executor="serial", probe=True)
    assert (found.stored, found.to_run) == (1, 99)
    assert len(read(tmp_path / "tiny" / "journal").records) == 1
    assert found.seconds > 0
    assert len(bench.run(suite, out=tmp_path, executor="serial").query("status == 'ok'")) == 200


def test_a_fresh_probe_is_refused(make_suite: MakeSuite, tmp_path: Path) -> None:
    """A probe that keeps its results and a fresh start that moves them aside exclude each other."""
    with pytest.raises(BenchError, match="keeps its results"):
        bench.forecast(make_suite("LOOP", {"kind": ["fine"]}), out=tmp_path, probe=True, fresh=True)


def _job(suite: object, size: int, seed: int) -> object:
    return next(job for cell, job in jobs(suite) if (cell.levels["size"], job.seed) == (size, seed))


def _record(key: str, size: int, seed: int, seconds: float) -> Record:
    return Record(
        key=key, levels={"size": size}, seed=seed, status="ok", metrics={"loss": 1.0}, notes={}, reason="",
        seconds=seconds, batch=1, batch_size=1, attempt=1, host="here", environment="e",
    )  # fmt: skip
