"""Whatever happens on the way, a suite ends in the same table."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.errors import BenchError, Exit
from bench.execute.coordinate import Tally, execute
from bench.execute.inventory import runs
from bench.execute.journal import read
from bench.execute.manifest import write_cells
from bench.execute.results import wide
from bench.execute.run import Run, create, load, store
from bench.execute.slots import Slots
from bench.execute.storage import locked
from bench.execute.workers import Limits
from bench.plan.design import Cell, cells
from bench.plan.suite import Plan
from bench.plan.suite import load as load_suite
from tests.execute.conftest import MakeSuite

COORDINATOR = Path(__file__).parent / "coordinator.py"


def finished(suite: Plan, out: Path, **options: object) -> tuple[Run, Tally]:
    run = create(suite, out)
    return run, execute(suite, run, **options)


def table(run: Run) -> str:
    """The table of results as bytes would be: every digit, NaN and status."""
    return wide(load(run.folder)).to_csv(float_format=float.hex)


def statuses(run: Run) -> dict[str, str]:
    """Kind -> status, where all runs of a kind have the same."""
    found = (
        wide(load(run.folder))
        .groupby("kind", observed=True)["status"]
        .agg(lambda status: "/".join(sorted(set(status))))
    )
    return dict(found)


def reasons(run: Run) -> set[str]:
    """Why runs have no outcome."""
    return {record.reason for record in read(run.journal).records.values() if record.status in ("failed", "lost")}


def test_the_table_depends_on_no_executor_or_number_of_workers(make_suite: MakeSuite, tmp_path: Path) -> None:
    """Serial, slots, threads and a shared pool, one to five workers, give the same table to the byte."""
    kinds = ["fine", "nan", "infinite", "diverges", "raises", "lacks"]
    suite = make_suite("ENSEMBLE", {"kind": kinds, "size": [1, 2, 3]}, seeds=4)
    ways = [("serial", 1), ("local", 1), ("local", 3), ("concurrent.futures:ThreadPoolExecutor", 5)]
    tables = []
    for number, (executor, workers) in enumerate(ways):
        run, tally = finished(suite, tmp_path / str(number), executor=executor, workers=workers)
        assert (tally.planned, tally.ok, tally.diverged, tally.failed, tally.lost) == (72, 36, 12, 24, 0)
        tables.append(table(run))
    assert tables == tables[:1] * len(ways)


def test_only_what_is_missing_is_run(make_suite: MakeSuite, tmp_path: Path) -> None:
    """A failed job is run again and superseded by its success; a diverged one is an outcome; then nothing is left."""
    suite = make_suite("LOOP", {"kind": ["fine", "diverges", "raises_once"]}, seeds=2)
    run, first = finished(suite, tmp_path / "out", executor="serial")
    assert (first.stored_before, first.ok, first.diverged, first.failed) == (0, 2, 2, 2)
    _, second = finished(suite, tmp_path / "out", executor="serial")
    assert (second.stored_before, second.ok, second.diverged, second.failed) == (4, 2, 0, 0)
    assert statuses(run) == {"fine": "ok", "diverges": "diverged", "raises_once": "ok"}
    segments = sorted(run.journal.iterdir())
    _, third = finished(suite, tmp_path / "out", executor="nowhere:to_be_started")
    assert third.stored_before == third.planned == 6
    assert sorted(run.journal.iterdir()) == segments


def test_a_coordinator_killed_anywhere_loses_nothing(make_suite: MakeSuite, tmp_path: Path) -> None:
    """SIGKILL at random moments, resumed until done: the table is that of an uninterrupted run, no job stored twice."""
    suite = make_suite("LOOP", {"kind": ["fine", "nan", "raises"], "size": [1, 2]}, seeds=15, sleep=0.05)
    whole, _ = finished(suite, tmp_path / "whole", executor="serial")
    choose = random.Random(1)
    command = [sys.executable, COORDINATOR, suite.path, tmp_path / "killed"]
    stored = 0
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as coordinator:
            assert coordinator.stdout is not None
            enough = stored + choose.randint(1, 12)
            stored = next(int(line) for line in coordinator.stdout if int(line) >= enough)
            time.sleep(choose.uniform(0, 0.05))
            coordinator.kill()
        assert coordinator.returncode == -signal.SIGKILL
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False, timeout=60)
    killed = create(suite, tmp_path / "killed")
    assert table(killed) == table(whole)
    keys = Counter(
        record.split(b'"key":"')[1][:20]
        for segment in killed.journal.iterdir()
        for record in segment.read_bytes().splitlines()
        if b'"status":"ok"' in record
    )
    assert set(keys.values()) == {1}


def test_a_killed_worker_costs_nobody_else(make_suite: MakeSuite, tmp_path: Path) -> None:
    """Jobs that always kill their worker are lost, one that does so once is retried, all others have their numbers."""
    suite = make_suite("ENSEMBLE", {"kind": ["fine", "kills", "kills_once"]}, seeds=1)
    fine = make_suite("ENSEMBLE", {"kind": ["fine"]}, seeds=1, name="calm")
    run, tally = finished(suite, tmp_path / "out", workers=2)
    assert not multiprocessing.active_children()
    assert statuses(run) == {"fine": "ok", "kills": "lost", "kills_once": "ok"}
    assert tally.lost == 1
    calm, _ = finished(fine, tmp_path / "out", executor="serial")
    values = wide(run).query("kind == 'fine'")["loss"].tolist()
    assert values == wide(calm)["loss"].tolist()
    lost = [record for record in read(run.journal).records.values() if record.status == "lost"]
    assert [(record.batch_size, record.attempt) for record in lost] == [(1, 3)]
    assert lost[0].reason == "its worker process was killed by SIGKILL (out of memory is the usual cause); 3 attempts"


def test_a_time_limit_fails_only_what_hangs(make_suite: MakeSuite, tmp_path: Path) -> None:
    """A batch that takes too long is stopped and its jobs run alone: one that hangs has failed, with the reason."""
    suite = make_suite("ENSEMBLE", {"kind": ["fine", "hangs", "nan"]}, seeds=2)
    run, tally = finished(suite, tmp_path / "out", workers=1, limits=Limits(seconds=1.0))
    assert statuses(run) == {"fine": "ok", "hangs": "failed", "nan": "ok"}
    assert (tally.ok, tally.failed, tally.lost) == (4, 2, 0)
    assert reasons(run) == {"stopped at the time limit of 0:00:01"}
    assert not multiprocessing.active_children()


def test_a_memory_limit_fails_only_what_takes_too_much(make_suite: MakeSuite, tmp_path: Path) -> None:
    """A worker that grows too large is stopped and its jobs run alone: the one that needs so much has failed."""
    suite = make_suite("ENSEMBLE", {"kind": ["fine", "hoards", "nan"]}, seeds=1)
    run, _ = finished(suite, tmp_path / "out", workers=1, limits=Limits(memory=300e6))
    assert statuses(run) == {"fine": "ok", "hoards": "failed", "nan": "ok"}
    assert reasons(run) == {"stopped at the memory limit of 300.0 MB"}


IMPORTS = """
import multiprocessing, time
from tiny import LOOP
if multiprocessing.parent_process() is not None:
    kept = bytearray(b"x") * {size}
    time.sleep({seconds})
"""


@pytest.mark.parametrize(
    ("size", "seconds", "what"), [(1, 60, "time limit of 0:00:01"), (400_000_000, 9, "memory limit")]
)
def test_limits_hold_while_a_worker_imports(
    make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, seconds: int, what: str
) -> None:
    """An experiment whose import takes too long, or too much, is stopped, and its jobs say where."""
    make_suite("LOOP", {"kind": ["fine"]}, seeds=1)
    (tmp_path / f"heavy_{size}.py").write_text(IMPORTS.format(size=size, seconds=seconds))
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "tiny.toml"
    path.write_text(path.read_text().replace("tiny:LOOP", f"heavy_{size}:LOOP"))
    limits = Limits(seconds=1.0) if size == 1 else Limits(memory=300e6)
    run, tally = finished(load_suite(path), tmp_path / "out", workers=1, limits=limits)
    assert (tally.ok, tally.failed) == (0, 1)
    (reason,) = reasons(run)
    assert what in reason


def test_a_job_that_notes_too_much_has_failed(make_suite: MakeSuite, tmp_path: Path) -> None:
    """It is counted as failed, with the reason, by the run that it is of and by every reader."""
    suite = make_suite("LOOP", {"kind": ["fine", "writes"]}, seeds=1)
    run, tally = finished(suite, tmp_path / "out", executor="serial")
    assert (tally.ok, tally.failed) == (1, 1)
    assert statuses(run) == {"fine": "ok", "writes": "failed"}


@pytest.mark.parametrize("executor", ["serial", "local"])
def test_an_experiment_that_changes_folder_changes_nothing_else(
    make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executor: str
) -> None:
    """With a relative folder of reports every run is stored there, and the current folder is what it was."""
    monkeypatch.chdir(tmp_path)
    suite = make_suite("LOOP", {"kind": ["moves"]}, seeds=3)
    run, tally = finished(suite, Path("out"), executor=executor)
    assert (tally.ok, Path.cwd()) == (3, tmp_path)
    assert statuses(run) == {"moves": "ok"}


@pytest.mark.parametrize("executor", ["serial", "local"])
def test_stdout_is_for_results(
    make_suite: MakeSuite, tmp_path: Path, capfd: pytest.CaptureFixture[str], executor: str
) -> None:
    """What an experiment prints, even past Python, goes to stderr."""
    finished(make_suite("LOOP", {"kind": ["chats"]}, seeds=2), tmp_path / "out", executor=executor)
    out, err = capfd.readouterr()
    assert (out, err.count("chat")) == ("", 2)


def test_what_leaks_does_not_add_up(make_suite: MakeSuite, tmp_path: Path) -> None:
    """Jobs that leave memory behind are all done within a limit that they would exceed together."""
    suite = make_suite("LOOP", {"kind": ["leaks"]}, seeds=12, sleep=0.3)  # too long for two to be handed out together
    _, tally = finished(suite, tmp_path / "out", workers=1, limits=Limits(memory=600e6))
    assert (tally.ok, tally.failed) == (12, 0)


def test_limits_are_not_promised_by_who_cannot_keep_them(make_suite: MakeSuite, tmp_path: Path) -> None:
    """With any other executor than local workers, limits are refused."""
    with pytest.raises(BenchError, match="local workers only"):
        finished(make_suite("LOOP", {"kind": ["fine"]}), tmp_path / "out", executor="serial", limits=Limits(seconds=9))


def test_a_shared_pool_that_breaks_is_started_anew(make_suite: MakeSuite, tmp_path: Path) -> None:
    """In a pool whose workers fall together, a job that kills is lost and its companions are not."""
    suite = make_suite("LOOP", {"kind": ["kills", "fine"]}, seeds=1, sleep=0.5)
    run, _ = finished(suite, tmp_path / "out", workers=2, executor="tiny:shared_pool")
    assert statuses(run) == {"kills": "lost", "fine": "ok"}


@pytest.mark.parametrize("executor", ["local", "dask"])
def test_ctrl_c_keeps_what_is_done(make_suite: MakeSuite, tmp_path: Path, executor: str) -> None:
    """Ctrl-C on the whole terminal: exit code 130, what was finished is stored, no process is left, no traceback."""
    suite = make_suite("LOOP", {"kind": ["fine"], "size": [1, 2]}, seeds=200, sleep=0.05)
    command = [sys.executable, COORDINATOR, suite.path, tmp_path / "out", executor]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **streams) as coordinator:
        assert coordinator.stdout is not None
        while coordinator.stdout.readline() in ("0\n", "1\n", "2\n"):
            pass
        os.killpg(coordinator.pid, signal.SIGINT)
        output, errors = coordinator.communicate(timeout=60)
    assert coordinator.returncode == Exit.INTERRUPTED
    assert not errors
    stored = sum(wide(load(tmp_path / "out" / "tiny"))["status"] == "ok")
    assert 3 <= stored < 400
    assert f"Interrupted: {stored} of 400 runs are stored" in output.splitlines()[-1]
    assert _group_is_gone(coordinator.pid, seconds=10)


def test_ctrl_c_waits_for_what_is_nearly_done(make_suite: MakeSuite, tmp_path: Path) -> None:
    """What ends within a second of Ctrl-C is stored."""
    suite = make_suite("LOOP", {"kind": ["fine"]}, seeds=1, sleep=0.3)
    calls = iter([None, KeyboardInterrupt])

    def interrupt(*_: float) -> None:
        if error := next(calls):
            raise error

    with pytest.raises(BenchError, match="1 of 1 runs are stored"), ThreadPoolExecutor(1) as pool:
        finished(suite, tmp_path / "out", executor=pool, on_progress=interrupt)
    assert (wide(load(tmp_path / "out" / "tiny"))["status"] == "ok").all()


def test_ctrl_c_in_a_serial_run(make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process too, the jobs before the interrupted one are stored."""
    suite = make_suite("LOOP", {"kind": ["fine"]}, seeds=9)
    run = create(suite, tmp_path / "out")

    def interrupt(done: float, stored: int, total: int, failed: int) -> None:
        if stored >= 4:
            raise KeyboardInterrupt

    with pytest.raises(BenchError) as raised:
        execute(suite, run, executor="serial", on_progress=interrupt)
    assert raised.value.exit_code is Exit.INTERRUPTED
    stored = sum(wide(load(run.folder))["status"] == "ok")
    assert f"{stored} of 9 runs are stored" in raised.value.message
    assert finished(suite, tmp_path / "out", executor="serial")[1].stored_before == stored >= 4


def test_a_full_disk_stops_the_run_and_loses_nothing(
    make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the journal can grow no more, the command says so; what was stored is read, and the rest is run later."""
    suite = make_suite("LOOP", {"kind": ["fine"], "size": [1, 2]}, seeds=10, sleep=0.02)
    real, room = os.write, [4000]

    def write_until_full(descriptor: int, data: bytes) -> int:
        if Path(f"/proc/self/fd/{descriptor}").readlink().suffix != ".jsonl":
            return real(descriptor, data)
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        n = real(descriptor, data[: room[0]])
        room[0] -= n
        return n

    run = create(suite, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr("bench.execute.journal.os.write", write_until_full)
        with pytest.raises(BenchError, match="No space left") as raised:
            execute(suite, run, executor="serial")
    assert raised.value.exit_code is Exit.RUNS_FAILED
    stored = sum(wide(load(run.folder))["status"] == "ok")
    assert 0 < stored < 20
    _, tally = finished(suite, tmp_path / "out", executor="serial")
    assert (tally.stored_before, tally.ok, tally.damaged) == (stored, 20 - stored, [])


def test_damage_is_said_and_its_jobs_are_run_again(make_suite: MakeSuite, tmp_path: Path) -> None:
    """A torn tail and a flipped byte cost their own records, which the next run replaces."""
    suite = make_suite("LOOP", {"kind": ["fine"]}, seeds=6)
    run, _ = finished(suite, tmp_path / "out", executor="serial")
    before = table(run)
    (segment,) = run.journal.iterdir()
    data = bytearray(segment.read_bytes()[:-20])
    data[data.index(b'"seed":2') + 7] ^= 1
    segment.write_bytes(data)
    _, tally = finished(suite, tmp_path / "out", executor="serial")
    assert (tally.stored_before, tally.ok) == (4, 2)
    assert [damage.why.split(":")[0] for damage in tally.damaged] == ["the checksum does not fit", "torn"]
    assert not read(run.journal).damaged
    assert table(run) == before
    assert read(run.journal).sessions[1]["set_aside"] == {segment.name: 2}


def test_a_second_coordinator_is_refused(make_suite: MakeSuite, tmp_path: Path) -> None:
    """While one coordinator writes, another is refused and changes nothing, not even the stored suite."""
    suite = make_suite("LOOP", {"kind": ["fine"]})
    run, _ = finished(suite, tmp_path / "out", executor="serial")
    before = {path: path.read_bytes() for path in run.folder.iterdir() if path.is_file()}
    changed = make_suite("LOOP", {"kind": ["fine", "nan"]})
    with locked(run.folder), pytest.raises(BenchError, match=f"process {os.getpid()}"):
        finished(changed, tmp_path / "out")
    assert {path: path.read_bytes() for path in before} == before


def test_progress_counts_up_to_everything(make_suite: MakeSuite, tmp_path: Path) -> None:
    """From what was stored to all jobs, never back; running jobs count by fractions, failures as they come."""
    finished(make_suite("ENSEMBLE", {"kind": ["fine"]}, seeds=2, sleep=0.05), tmp_path / "out", executor="serial")
    suite = make_suite("ENSEMBLE", {"kind": ["fine", "raises"]}, seeds=8, sleep=0.05)
    heard: list[tuple[float, int, int, int]] = []
    finished(suite, tmp_path / "out", workers=2, on_progress=lambda *now: heard.append(now))
    assert heard[0] == (2, 2, 16, 0)
    assert heard[-1] == (16, 16, 16, 8)
    assert [now[0] for now in heard] == sorted(now[0] for now in heard)
    assert [now[1] for now in heard] == sorted(now[1] for now in heard)
    assert any(done > stored for done, stored, _, _ in heard)


def test_a_long_list_of_cells_is_written_when_jobs_are_done(
    make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a suite with very many cells, jobs are stored before the list of its cells is; in the end it is there."""
    stored: list[int] = []
    n_stored: list[int] = []

    def write_late(*given: Any) -> object:
        n_stored.append(stored[-1])
        return write_cells(*given)

    monkeypatch.setattr("bench.execute.run.MOST_IN_MEMORY", 3)
    monkeypatch.setattr("bench.execute.manifest.write_cells", write_late)
    suite = make_suite("LOOP", {"kind": ["fine", "nan"], "size": [1, 2]}, seeds=2)
    run, _ = finished(suite, tmp_path / "out", executor="serial", on_progress=lambda *at: stored.append(at[1]))
    assert n_stored == [8]
    assert list(wide(load(run.folder))["status"]) == ["ok"] * 8


@pytest.mark.parametrize("n_stored", [7, 10])
@pytest.mark.parametrize("listed", [False, True])
def test_ctrl_c_gives_up_a_long_list_and_readers_see_what_is_stored(
    make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: bool, n_stored: int
) -> None:
    """A list of cells that is not yet complete when Ctrl-C comes is never completed; no reader needs it."""
    if listed:
        make_suite("QUICK", {"size": [1]})
        path, rows = tmp_path / "tiny.toml", "".join(f"[[cells]]\nsize = {size}\n" for size in range(5, 0, -1))
        path.write_text(f'name = "tiny"\nexperiment = "tiny:QUICK"\nseeds = 2\n{rows}')
        suite = load_suite(path)
    else:
        suite = make_suite("QUICK", {"size": [5, 4, 3, 2, 1]}, seeds=2)

    def interrupted(suite: Plan) -> Iterator[Cell]:
        yield next(iter(cells(suite)))
        raise KeyboardInterrupt

    def interrupt(done: float, stored: int, total: int, failed: int) -> None:
        if stored >= n_stored < total:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bench.execute.run.MOST_IN_MEMORY", 3)
        patch.setattr("bench.execute.manifest.cells", interrupted)
        with pytest.raises(BenchError, match=f"{n_stored} of 10 runs are stored") as raised:
            finished(suite, tmp_path / "out", executor="serial", on_progress=interrupt)
    assert raised.value.exit_code is Exit.INTERRUPTED
    stopped = load(tmp_path / "out" / "tiny")
    assert not list(stopped.folder.glob("cells*"))
    in_order = [[size, seed, "ok"] for seed in range(2) for size in (5, 4, 3, 2, 1)]
    assert wide(stopped)[["size", "seed", "status"]].values.tolist() == in_order[:n_stored]
    (line,) = runs(tmp_path / "out")
    assert (line.planned, line.ok, line.missing, line.damage) == (10, n_stored, 10 - n_stored, "")
    if n_stored < 10:
        assert f"before its 10 planned runs were all listed: only the {n_stored}" in str(bench.report(stopped.folder))
    run, tally = finished(suite, tmp_path / "out", executor="serial")
    assert (tally.stored_before, tally.ok) == (n_stored, 10 - n_stored)
    whole, _ = finished(suite, tmp_path / "whole", executor="serial")
    assert table(run) == table(whole)


def test_a_probe_of_very_many_cells_waits_for_no_list(
    make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its time is up nothing is listed, and what has been run is shown and counts."""
    suite = make_suite("QUICK", {"size": [3, 2, 1]}, seeds=1)
    with monkeypatch.context() as patch:
        patch.setattr("bench.execute.run.MOST_IN_MEMORY", 2)
        patch.setattr("bench.execute.manifest.cells", lambda _: 1 / 0)
        _, tally = finished(suite, tmp_path / "out", executor="serial", seconds=0)
    assert tally.ok == len(wide(load(tmp_path / "out" / "tiny"))) == 1
    assert finished(suite, tmp_path / "out", executor="serial")[1].ok == 2


def test_a_run_so_far_holds_nothing_of_other_suites(
    make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its cells are listed a run shows no stored result that may be of other parameters than it now plans."""
    finished(make_suite("LOOP", {"size": [1, 2]}, seeds=2), tmp_path / "out", executor="serial")
    other = make_suite("LOOP", {"size": [1, 2]}, seeds=2, sleep=0.001)
    monkeypatch.setattr("bench.execute.run.MOST_IN_MEMORY", 1)
    monkeypatch.setattr("bench.execute.manifest.cells", lambda _: 1 / 0)
    run = create(other, tmp_path / "out")
    with locked(run.folder):
        store(run, other)
    assert len(wide(load(run.folder))) == 0
    assert runs(tmp_path / "out")[0].missing == 4


def test_a_started_executor_is_used_and_left_running(make_suite: MakeSuite, tmp_path: Path) -> None:
    """The caller's executor serves several suites and is the caller's to end."""
    with ThreadPoolExecutor(2) as pool:
        for name in ("one", "two"):
            suite = make_suite("LOOP", {"kind": ["fine"]}, name=name)
            assert finished(suite, tmp_path / "out", executor=pool)[1].ok == 3
        assert pool.submit(int).result() == 0


def test_slots_started_before_the_suite_is_known(make_suite: MakeSuite, tmp_path: Path) -> None:
    """Workers that were started before the experiment could be found still find it."""
    with Slots(1, preload="tiny:LOOP") as slots:
        suite = make_suite("LOOP", {"kind": ["fine"]})
        assert finished(suite, tmp_path / "out", executor=slots)[1].ok == 3


def test_a_factory_may_make_workers(make_suite: MakeSuite, tmp_path: Path) -> None:
    """What a factory returns is watched as our own workers are, if it can be."""
    suite = make_suite("LOOP", {"kind": ["fine", "kills"]}, seeds=1)
    run, _ = finished(suite, tmp_path / "out", executor="tiny:own_slots", workers=1)
    assert statuses(run) == {"fine": "ok", "kills": "lost"}
    assert "killed by SIGKILL" in "".join(reasons(run))


def test_workers_that_cannot_import_the_experiment_stop_the_run(
    make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An experiment that only the coordinator has is an error of the whole run, with its advice, and no failed job."""
    make_suite("LOOP", {"kind": ["fine"]})
    monkeypatch.setitem(sys.modules, "phantom", __import__("tiny"))
    path = tmp_path / "tiny.toml"
    path.write_text(path.read_text().replace("tiny:LOOP", "phantom:LOOP"))
    suite = load_suite(path)
    run = create(suite, tmp_path / "out")
    with pytest.raises(BenchError, match="'phantom' cannot be imported: ModuleNotFoundError") as raised:
        execute(suite, run, workers=1)
    assert "package.module:NAME" in raised.value.hint
    assert set(wide(load(run.folder))["status"]) == {"missing"}


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        ("nonsense", "'nonsense' is not an executor"),
        ("nowhere:factory", "cannot be started: ModuleNotFoundError"),
        ("builtins:int", "returned 2, which is not an executor"),
    ],
)
def test_wrong_executors_are_said(make_suite: MakeSuite, tmp_path: Path, executor: str, message: str) -> None:
    """An executor that does not exist, cannot be started or is none is an error with what is allowed."""
    with pytest.raises(BenchError, match=message) as raised:
        finished(make_suite("LOOP", {"kind": ["fine"]}), tmp_path / "out", executor=executor, workers=2)
    assert "ThreadPoolExecutor" in raised.value.hint


def test_no_workers_is_said(make_suite: MakeSuite, tmp_path: Path) -> None:
    """Zero workers are refused."""
    with pytest.raises(BenchError, match="0 workers"):
        finished(make_suite("LOOP", {"kind": ["fine"]}), tmp_path / "out", workers=0)


def _group_is_gone(group: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
