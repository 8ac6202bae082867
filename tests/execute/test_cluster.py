"""A Dask cluster gives the same table as this process, whatever becomes of its workers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

pytest.importorskip("distributed")

import dask
from distributed import Client, LocalCluster, Security
from distributed.scheduler import KilledWorker

from bench.errors import BenchError
from bench.execute import cluster as cluster_module
from bench.execute.cluster import Cluster, versions
from tests.execute.conftest import MakeSuite
from tests.execute.test_coordinate import finished, reasons, statuses, table


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers of one thread, which Dask replaces when they die, and a scheduler with Dask's own settings."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as running:
        yield running


def test_the_table_is_that_of_a_serial_run(make_suite: MakeSuite, tmp_path: Path, cluster: LocalCluster) -> None:
    """Every status and every digit of every value are the same; what fails on a worker fails with the same reason."""
    kinds = ["fine", "nan", "infinite", "diverges", "raises", "lacks"]
    suite = make_suite("ENSEMBLE", {"kind": kinds, "size": [1, 2]}, seeds=3)
    serial, _ = finished(suite, tmp_path / "serial", executor="serial")
    run, tally = finished(suite, tmp_path / "dask", executor="dask", address=cluster.scheduler_address)
    assert (tally.ok, tally.diverged, tally.failed, tally.lost) == (18, 6, 12, 0)
    assert table(run) == table(serial)
    assert reasons(run) == reasons(serial)


def test_killed_workers_cost_only_the_jobs_that_kill(make_suite: MakeSuite, tmp_path: Path) -> None:
    """On a cluster of our own, a job that kills once is tried again, one that always kills is lost, others live."""
    suite = make_suite("LOOP", {"kind": ["fine", "kills", "kills_once", "nan"]}, seeds=1)
    run, tally = finished(suite, tmp_path / "out", executor="dask", workers=2)
    assert statuses(run) == {"fine": "ok", "kills": "lost", "kills_once": "ok", "nan": "ok"}
    assert tally.lost == 1
    assert reasons(run) == {"its Dask worker was killed (out of memory is the usual cause); 3 attempts"}


def test_deaths_that_dask_has_counted_are_counted(cluster: LocalCluster) -> None:
    """Where Dask tries work on several workers before it gives up, all of them have died of it; an error is none."""
    executor = Cluster(cluster.scheduler_address, None)
    killed, failed = Future[None](), Future[None]()
    killed.set_exception(KilledWorker("task", None, 3))
    failed.set_exception(ValueError())
    death = executor.death(killed)
    assert death is not None
    assert (death.times, death.limited) == (4, False)
    assert executor.death(failed) is None
    executor.shutdown()


def test_results_are_not_kept_by_the_cluster(make_suite: MakeSuite, tmp_path: Path, cluster: LocalCluster) -> None:
    """When a run has ended, the scheduler holds nothing of it: a worker that dies later repeats no work."""
    finished(make_suite("LOOP", {"kind": ["fine"]}), tmp_path, executor="dask", address=cluster.scheduler_address)
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        assert client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) == 0


def test_the_window_is_the_number_of_threads(cluster: LocalCluster) -> None:
    """No more work is handed out at a time than the cluster has threads, or than was asked for."""
    cluster.wait_for_workers(2)  # an earlier test may have killed some
    for workers, size in ((None, 2), (1, 1), (5, 5)):
        executor = Cluster(cluster.scheduler_address, workers)
        assert executor.size == size
        executor.shutdown()


def test_other_versions_are_refused(
    make_suite: MakeSuite, tmp_path: Path, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with other versions than ours stops the run before any job, naming worker and packages."""
    ours = {**versions(), "numpy": "0.1", "abacus": "3000"}
    monkeypatch.setattr(cluster_module, "versions", Pretended(ours))
    suite = make_suite("LOOP", {"kind": ["fine"]})
    with pytest.raises(BenchError, match=r"tcp://.* has other versions: numpy .* \(here 0.1\), abacus missing"):
        finished(suite, tmp_path / "out", executor="dask", address=cluster.scheduler_address)


def test_a_worker_that_joins_later_is_checked_too(
    make_suite: MakeSuite, tmp_path: Path, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no worker was seen at the start, the first piece of work finds the difference, and no job has failed."""
    monkeypatch.setattr(Cluster, "_check_workers", lambda _self: None)
    monkeypatch.setattr(cluster_module, "versions", Pretended({**versions(), "numpy": "0.1"}))
    suite = make_suite("LOOP", {"kind": ["fine"]})
    with pytest.raises(BenchError, match="A worker that joined has other versions: numpy"):
        finished(suite, tmp_path / "out", executor="dask", address=cluster.scheduler_address)


def test_a_cluster_without_workers_is_not_waited_for_in_vain(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When no worker is there for long enough, work that is running is given up with advice."""
    monkeypatch.setattr(cluster_module, "EVERY", 0.0)
    executor = Cluster(cluster.scheduler_address, None)
    monkeypatch.setattr(cluster_module, "PATIENCE", 0.0)
    cluster.wait_for_workers(1)
    executor.watch()
    monkeypatch.setattr(executor._client, "nthreads", dict)
    with pytest.raises(BenchError, match="has had no worker"):
        executor.watch()
    executor.shutdown()


def test_no_scheduler_is_said(make_suite: MakeSuite, tmp_path: Path) -> None:
    """An address at which nobody listens, and one that is none, are errors that show what an address is."""
    suite = make_suite("LOOP", {"kind": ["fine"]})
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        with (
            dask.config.set({"distributed.comm.timeouts.connect": "100ms"}),
            pytest.raises(BenchError, match="no Dask scheduler at") as raised,
        ):
            finished(suite, tmp_path / "out", executor="dask", address=address)
        assert "tcp://" in raised.value.hint


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_tls_as_dask_is_configured(make_suite: MakeSuite, tmp_path: Path) -> None:
    """An encrypted cluster is used with the certificate of Dask's configuration, and refuses whoever has none."""
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate]
    subprocess.run([*command, "-days", "2", "-subj", "/CN=localhost"], check=True, capture_output=True)
    roles = ("scheduler", "worker", "client")
    security = Security(
        require_encryption=True,
        tls_ca_file=certificate,
        **{f"tls_{role}_cert": certificate for role in roles},
        **{f"tls_{role}_key": key for role in roles},
    )
    ours = {
        "distributed.comm.tls.ca-file": certificate,
        "distributed.comm.tls.client.cert": certificate,
        "distributed.comm.tls.client.key": key,
    }
    suite = make_suite("LOOP", {"kind": ["fine"]})
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50, security=security
    ) as encrypted:
        address = encrypted.scheduler_address
        assert address.startswith("tls://")
        with pytest.raises(BenchError, match="no Dask scheduler at tls://"):
            finished(suite, tmp_path / "out", executor="dask", address=address)
        with dask.config.set(ours):
            assert finished(suite, tmp_path / "out", executor="dask", address=address)[1].ok == 3


def test_an_address_is_for_dask(make_suite: MakeSuite, tmp_path: Path) -> None:
    """With another executor, an address is refused instead of ignored."""
    with pytest.raises(BenchError, match="has no address"):
        finished(make_suite("LOOP", {"kind": ["fine"]}), tmp_path / "out", address="tcp://127.0.0.1:1")


class Pretended:
    """Stands for ``versions`` here, and is the real one where it is sent."""

    def __init__(self, pretended: dict[str, str]) -> None:
        self._pretended = pretended

    def __call__(self) -> dict[str, str]:
        """The pretended versions."""
        return self._pretended

    def __reduce__(self) -> tuple[object, ...]:
        return getattr, (cluster_module, "versions")
