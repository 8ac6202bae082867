"""Records go into append-only segments, one per coordinator; what can be trusted comes out, all else is named."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from bench.errors import BenchError
from bench.execute import artefacts
from bench.execute.provenance import source_of
from bench.execute.records import LAST, LONGEST, OUTCOMES, Damage, Record, encode, encode_record, scan, segments
from bench.execute.storage import own_folder, storing, sync_folder


@dataclass(frozen=True)
class Alarm:
    """A job that was run twice and gave different values; the first record is the one in use."""

    first: Record
    second: Record


class Contents:
    """What the lines of a journal come to, in their order; an outcome that lacks one of ``metrics`` is none.

    Unless it is ``whole``, one record stands for all that are alike: 200 bytes a job instead of 2 kB.
    """

    def __init__(self, metrics: Collection[str] = (), *, whole: bool = True) -> None:
        self._metrics, self._whole = metrics, whole
        self._entries: dict[str, tuple[Record, int]] = {}
        """Key -> the record in use, and which of ``sessions`` stored it; -1 where its description is damaged."""
        self._alike: dict[tuple[str, bool, int], tuple[Record, int]] = {}
        self._sources = {-1: ""}
        self.sessions: list[Mapping[str, Any]] = []
        """What each coordinator said of itself: when, where, which code."""
        self.environments: dict[str, Mapping[str, Any]] = {}
        """Environment id -> its description."""
        self.superseded: list[Record] = []
        """Outcomes that later records have replaced: of other source, or lacking a metric."""
        self.damaged: list[Damage] = []
        self.alarms: list[Alarm] = []

    @cached_property
    def records(self) -> Mapping[str, Record]:
        """Key -> the record in use, of the latest source: its first outcome, or where it has none, its last failure."""
        return {key: record for key, (record, _) in self._entries.items() if not self._lacks(record)}

    @cached_property
    def lacking(self) -> Mapping[str, Record]:
        """Key -> the outcome of a job that counts as missing, since it lacks a metric that is declared."""
        return {key: record for key, (record, _) in self._entries.items() if self._lacks(record)}

    @cached_property
    def session_of(self) -> Mapping[str, int]:
        """Key -> which of ``sessions`` stored the record in use; absent where its description is damaged."""
        return {key: session for key, (_, session) in self._entries.items() if session >= 0}

    def source(self, key: str) -> str:
        """Of the record in use (``provenance.source_of``)."""
        return self._sources[self._entries[key][1]] if key in self._entries else ""

    def settled(self) -> dict[str, str]:
        """Key of a job that needs no further run -> source of its outcome."""
        outcomes = ((key, entry) for key, entry in self._entries.items() if entry[0].status in OUTCOMES)
        return {key: self._sources[session] for key, (record, session) in outcomes if not self._lacks(record)}

    def follow(self, folder: Path) -> Self:
        """Take in all lines of the journal in ``folder``; none is believed without its checksum."""
        for session, item in scan(folder):
            if isinstance(item, Damage):
                self.damaged.append(item)
            elif isinstance(item, Record):
                self._add(item, len(self.sessions) - 1 if session else -1)
            elif item.get("kind") == "session":
                self._sources[len(self.sessions)] = source_of(item)
                self.sessions.append(item)
            elif item.get("kind") == "environment":
                facts = {fact: item[fact] for fact in item if fact not in ("kind", "schema")}
                self.environments[str(item.get("id"))] = facts
        return self

    def _add(self, record: Record, session: int) -> None:
        """An outcome stands against later records of a source that is not known to be another, unless it lacks one."""
        if (known := self._entries.get(record.key)) and known[0].status in OUTCOMES:
            before, now = self._sources[known[1]], self._sources[session]
            if (before == now or not (before and now)) and not self._lacks(known[0]):
                if self._whole and record.status in OUTCOMES and record.values != known[0].values:
                    self.alarms.append(Alarm(known[0], record))
                return
            if self._whole:
                self.superseded.append(known[0])
        entry = record, session
        if not self._whole:
            entry = self._alike.setdefault((record.status, self._lacks(record), session), entry)
        self._entries[record.key] = entry

    def _lacks(self, record: Record) -> bool:
        """Whether it is an outcome without a value, not even NaN, of a metric that is declared."""
        return record.status in OUTCOMES and not all(name in record.metrics for name in self._metrics)


def read(folder: Path, metrics: Collection[str] = (), *, whole: bool = True) -> Contents:
    """What the journal in ``folder`` comes to (``Contents``)."""
    return Contents(metrics, whole=whole).follow(folder)


class Journal(AbstractContextManager["Journal"]):
    """Appends to a new segment of ``folder``, which must be locked.

    Every append reaches the operating system before it returns (a killed process loses nothing) and the disk within
    ``sync_every`` seconds. The segment is created by the first append; ``session`` is its first line.
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

    def __exit__(self, *_: object) -> None:
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
