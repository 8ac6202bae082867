"""Functions to run -> futures, on the workers of a Dask cluster: one that runs elsewhere, or one of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from importlib.metadata import version
from logging import CRITICAL
from typing import Any

import dask
from distributed import Client, LocalCluster
from distributed.scheduler import KilledWorker

from bench.errors import BenchError
from bench.execute.provenance import THREAD_SETTINGS, cpu_count, environment
from bench.execute.slots import spawning
from bench.execute.workers import Death, Workers

EVERY = 1.0
"""Seconds between two looks at how many workers the cluster has."""
PATIENCE = 120.0
"""Seconds that a cluster may be without any worker."""


class Cluster(Workers):
    """An executor on the cluster whose scheduler is at ``address``, or on one of our own with ``workers`` processes.

    ``workers`` is also how much work is handed to the cluster at a time; by default as much as it has threads, however
    many these become. TLS is a matter of Dask's own configuration, for an address ``tls://``.
    """

    isolates = False
    """Dask may let work wait behind other work on one worker, and counts its death against both."""

    def __init__(self, address: str | None, workers: int | None) -> None:
        self._address = address or "this machine"
        self._workers = workers
        self._looked, self._threads = 0.0, 0
        self._alive = time.monotonic()
        self._versions = versions()
        self._own: LocalCluster | None = None
        self._own_size = workers or cpu_count()
        try:
            if address is None:
                self._own = _local(self._own_size)
            self._client = Client(self._own or address, set_as_default=False)
        except Exception as error:  # of many kinds: addresses, certificates, sockets
            hint = "Give --address as the scheduler prints it, e.g. tcp://10.0.0.5:8786."
            message = f"There is no Dask scheduler at {self._address}: {type(error).__name__}: {error}"
            raise BenchError(message, hint=hint) from error
        self._executor = self._client.get_executor(pure=False, retries=0)
        try:
            self._check_workers()
        except BaseException:
            self.shutdown()
            raise

    @property
    def size(self) -> int:
        """How much work to hand out at a time: at least 1, so that a cluster which grows on demand grows."""
        self._look()
        return self._workers or max(1, self._threads)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``function`` on a worker whose versions are ours; the cluster forgets the result with the future."""
        self._check_connection()
        future: Future[Any] = self._executor.submit(run_checked, self._versions, function, *args, **kwargs)
        return future

    def death(self, future: Future[Any]) -> Death | None:
        """Whether workers died with the work; Dask itself tries it on several."""
        self._check_connection()
        if future.cancelled():
            return Death("its Dask worker ended")
        error = future.exception()
        if not isinstance(error, KilledWorker):
            return None
        times = error.allowed_failures + 1
        return Death("its Dask worker was killed (out of memory is the usual cause)", times)

    def watch(self) -> None:
        """Raise a BenchError if the scheduler is gone, or has had no worker for too long."""
        self._check_connection()
        self._look()
        if self._looked - self._alive > PATIENCE:
            raise self._deserted()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster, one of our own ends; what workers of another's run is run to its end there, unheard."""
        self._executor.shutdown(wait=wait and not cancel_futures)
        self._client.close()
        if self._own is not None:
            self._own.close()

    def _look(self) -> None:
        if time.monotonic() - self._looked < EVERY:
            return
        self._threads = sum(self._client.nthreads().values())
        self._looked = time.monotonic()
        if self._threads:
            self._alive = self._looked
        if self._own is not None and self._threads < self._own_size:
            self._own.scale(self._own_size)  # Dask does not replace a worker that dies while it is being replaced

    def _deserted(self) -> BenchError:
        message = f"The Dask cluster at {self._address} has had no worker for {PATIENCE:.0f} s."
        hint = "Look at what its workers print, or at the queue that they wait in; then give the same command again."
        return BenchError(message, hint=hint)

    def _check_connection(self) -> None:
        if self._client.status != "running":
            hint = "What had finished is stored; the same command runs the rest."
            raise BenchError(f"The Dask scheduler at {self._address} is gone.", hint=hint)

    def _check_workers(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
            found: Mapping[str, Mapping[str, str]] = self._client.run(versions)
        except TimeoutError as error:
            raise self._deserted() from error
        except Exception as error:  # whatever a worker raises when it imports bench
            message = f"The Dask workers at {self._address} cannot run bench: {type(error).__name__}: {error}"
            raise BenchError(message, hint="Install it there, in the version that is installed here.") from error
        for worker, theirs in found.items():
            _require_same(self._versions, theirs, worker)


def versions() -> Mapping[str, str]:
    """What a worker must have in common with its coordinator: package -> version."""
    here = environment()
    packages = {name: version(name) for name in ("dask", "distributed", "polysem-bench")}
    return {"Python": here["python"].rpartition(".")[0], **packages, **here["packages"]}


def run_checked(ours: Mapping[str, str], function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """On a worker, which may have joined at any time: run ``function`` if the versions are those of the coordinator."""
    _require_same(ours, versions(), "A worker that joined")
    return function(*args, **kwargs)


def _require_same(ours: Mapping[str, str], theirs: Mapping[str, str], who: str) -> None:
    if different := [
        f"{name} {theirs.get(name, 'missing')} (here {ours.get(name, 'missing')})"
        for name in dict.fromkeys([*ours, *theirs])
        if ours.get(name) != theirs.get(name)
    ]:
        hint = "The same numbers need the same versions: install here what is there, or there what is here."
        raise BenchError(f"{who} has other versions: {', '.join(different)}.", hint=hint)


def _local(workers: int) -> LocalCluster:
    """A cluster of processes like our slots: one thread each, deaf to Ctrl-C; and we count their deaths ourselves."""
    settings = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(THREAD_SETTINGS, "1"),
    }
    with dask.config.set(settings), spawning():
        return LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=CRITICAL
        )
