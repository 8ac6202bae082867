"""Records go into append-only segments, one per coordinator; what can be trusted comes out, all else is named."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.errors import BenchError
from bench.execute import artefacts
from bench.execute.provenance import source_of
from bench.execute.records import LONGEST, OUTCOMES, Record, encode, encode_record
from bench.execute.segments import LAST, Damage, scan, segments
from bench.execute.storage import own_folder, storing, sync_folder


@dataclass(frozen=True)
class Alarm:
    """A job that was run twice and gave different values; the first record is the one in use."""

    first: Record
    second: Record


@dataclass(frozen=True)
class Contents:
    """All that a journal holds."""

    records: Mapping[str, Record]
    """Key -> the record in use: of those of the latest source an outcome before a failure, the first outcome, the last
    failure."""
    lacking: Mapping[str, Record]
    """Key -> the outcome of a job that counts as missing, since it lacks a metric that is declared."""
    superseded: Sequence[Record]
    """Outcomes that later records have replaced: of other source, or lacking a metric."""
    sessions: Sequence[Mapping[str, Any]]
    """What each coordinator said of itself: when, where, which code."""
    session_of: Mapping[str, int]
    """Key -> which of ``sessions`` stored the record in use; absent where its description is damaged."""
    environments: Mapping[str, Mapping[str, Any]]
    """Environment id -> its description."""
    damaged: Sequence[Damage]
    alarms: Sequence[Alarm]

    def source(self, key: str) -> str:
        """Of the record in use (``provenance.source_of``)."""
        return source_of(self.sessions[self.session_of[key]]) if key in self.session_of else ""


@dataclass(frozen=True)
class Settled:
    """What a journal holds, as far as running the rest needs it."""

    sources: Mapping[str, str]
    """Key of a job that needs no further run -> source of its outcome (``provenance.source_of``)."""
    lacking: int
    """Outcomes beside these, of jobs that are run again because they lack a metric."""
    damaged: Sequence[Damage]

    @property
    def outcomes(self) -> int:
        """Jobs whose outcome is stored, whether it counts or not."""
        return len(self.sources) + self.lacking


def read(folder: Path, metrics: Collection[str] = ()) -> Contents:
    """All records of a journal; nothing in it is executed, followed or believed without its checksum.

    ``metrics``: those that the experiment declares; an outcome that lacks one is none.
    """
    records: dict[str, Record] = {}
    session_of: dict[str, int] = {}
    sessions: list[Mapping[str, Any]] = []
    environments: dict[str, Mapping[str, Any]] = {}
    damaged: list[Damage] = []
    alarms: list[Alarm] = []
    superseded: list[Record] = []
    sources = [""]
    segment, current = "", -1
    for name, item in scan(folder):
        if name != segment:
            segment, current = name, -1
        if isinstance(item, Damage):
            damaged.append(item)
        elif isinstance(item, Record):
            known = records.get(item.key)
            if known is not None and known.status in OUTCOMES:
                if _stands(known, metrics, sources[session_of.get(item.key, -1) + 1], sources[current + 1]):
                    alarms += _differing(known, item)
                    continue
                superseded.append(known)
            records[item.key] = item
            session_of[item.key] = current
        elif item["kind"] == "session":
            current = len(sessions)
            sessions.append(item)
            sources.append(source_of(item))
        elif item["kind"] == "environment":
            environments[str(item.get("id"))] = item
    lacking = {key: record for key, record in records.items() if _lacks(record, metrics)}
    return Contents(
        records={key: record for key, record in records.items() if key not in lacking} if lacking else records,
        lacking=lacking,
        superseded=superseded,
        sessions=sessions,
        session_of={key: session for key, session in session_of.items() if session >= 0},
        environments=environments,
        damaged=damaged,
        alarms=alarms,
    )


def settled(folder: Path, metrics: Collection[str] = ()) -> Settled:
    """The jobs that need no further run (100 bytes each; ``read`` takes 2 kB), and what is damaged."""
    held: dict[str, str] = {}
    lacking: set[str] = set()
    damaged: list[Damage] = []
    segment, source = "", ""
    for name, item in scan(folder):
        if name != segment:
            segment, source = name, ""
        if isinstance(item, Damage):
            damaged.append(item)
        elif isinstance(item, Record):
            if item.key in held and item.key not in lacking and _alike(held[item.key], source):
                continue
            held.pop(item.key, None)
            lacking.discard(item.key)
            if item.status in OUTCOMES:
                held[item.key] = source
                if _lacks(item, metrics):
                    lacking.add(item.key)
        elif item["kind"] == "session":
            source = source_of(item)
    for key in lacking:
        del held[key]
    return Settled(held, len(lacking), damaged)


def _stands(outcome: Record, metrics: Collection[str], before: str, now: str) -> bool:
    """Whether an outcome of the source ``before`` stays in use where a later record of the source ``now`` follows."""
    return _alike(before, now) and not _lacks(outcome, metrics)


def _alike(before: str, now: str) -> bool:
    """Whether two sources are not known to differ."""
    return before == now or not (before and now)


def _differing(first: Record, second: Record) -> list[Alarm]:
    return [Alarm(first, second)] if second.status in OUTCOMES and second.values != first.values else []


def _lacks(record: Record, metrics: Collection[str]) -> bool:
    """Whether it is an outcome without a value, not even NaN, of one of ``metrics``."""
    return record.status in OUTCOMES and not all(name in record.metrics for name in metrics)


class Journal:
    """Appends to a new segment of ``folder``, which must be locked.

    Every append reaches the operating system before it returns (a killed process loses nothing) and the disk within
    ``sync_every`` seconds. The segment is created by the first append; ``session`` is its first line.

    Raises:
        BenchError: from ``append`` and ``close`` when the disk is full or fails; what was stored before stays readable.
    """

    def __init__(self, folder: Path, session: Mapping[str, Any], *, sync_every: float = 1.0) -> None:
        self._folder = folder.absolute()  # an experiment in this process may change the current folder
        self._session = session
        self._sync_every = sync_every
        self._path = folder
        self._descriptor = -1
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._syncer = threading.Thread(target=self._sync_until_closed, name="journal-fsync", daemon=True)
        self._sync_error: OSError | None = None

    def append(self, records: Iterable[Record]) -> list[Record]:
        """Store finished jobs; returns them as they are stored: one whose line could not be read again has failed."""
        stored, lines = [], []
        for record in records:
            line = encode_record(record)
            if len(line) > LONGEST:
                reason = f"what it noted takes {len(line)} bytes; a run may note {LONGEST}"
                record = replace(record, status="failed", metrics={}, notes={}, reason=reason, artefact="")  # noqa: PLW2901
                line = encode_record(record)
            stored.append(record)
            lines.append(line)
        self._write(b"".join(lines))
        return stored

    def keep(self, arrays: bytes) -> str:
        """Store packed arrays beside the journal, ahead of the record that names their digest; none have none."""
        return artefacts.save(self._folder.with_name("artefacts"), arrays) if arrays else ""

    def append_environment(self, environment: Mapping[str, Any]) -> None:
        """Store the description of an environment that records refer to by its ``id``."""
        self._write(encode("environment", environment))

    def close(self) -> None:
        """Bring everything to the disk."""
        if self._descriptor < 0:
            return
        self._closing.set()
        self._dirty.set()
        self._syncer.join()
        os.close(self._descriptor)
        self._descriptor = -1
        with storing(self._path):
            self._raise_sync_error()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        if self._descriptor < 0:
            self._open()
        with storing(self._path):
            self._raise_sync_error()
            end = os.fstat(self._descriptor).st_size
            try:
                _write_all(self._descriptor, data)
            except BaseException:  # an interrupt too: half a line must not be glued to the next one
                os.ftruncate(self._descriptor, end)
                raise
        self._dirty.set()

    def _open(self) -> None:
        own_folder(self._folder)
        with storing(self._folder):
            last = max((int(path.stem) for path in segments(self._folder)), default=0)
            if last == LAST:
                hint = "bench names segments in order; give that one the number after the others."
                raise BenchError(f"{self._folder} has a segment {last}, after which none can be named.", hint=hint)
            self._path = self._folder / f"{last + 1:05d}.jsonl"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o644)
            self._syncer.start()
            sync_folder(self._folder)
        self._write(encode("session", self._session))

    def _sync_until_closed(self) -> None:
        closing = False
        while not closing:
            self._dirty.wait()
            closing = self._closing.is_set()
            self._dirty.clear()
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                self._sync_error = error
                return
            self._closing.wait(self._sync_every)

    def _raise_sync_error(self) -> None:
        if self._sync_error is not None:
            raise self._sync_error


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
