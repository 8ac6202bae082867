"""The folder of runs -> which runs it holds, what each has come to, what is wrong with it, and the mending of that."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.errors import BenchError
from bench.execute import REPORTS, artefacts, interim, manifest
from bench.execute.journal import Contents
from bench.execute.records import ASIDE, STATUSES, segments
from bench.execute.run import OURS, Run, load
from bench.execute.storage import DamagedError, Versioned, own_folder, reading, storing, sync_folder
from bench.plan.find import in_project
from bench.plan.source import did_you_mean


def mend(folder: Path) -> list[str]:
    """Move a damaged ``run.json`` to ``damaged/`` and delete what killed processes were writing; nothing else is lost.

    The folder must be locked. Returns the names of what was moved.
    """
    for place in (folder, folder / "journal", *(folder / "artefacts").glob("??")):
        for path in place.glob(".*.new"):
            if not path.is_dir():
                with storing(path):
                    path.unlink()
    path, aside = folder / "run.json", folder / ASIDE
    try:
        if os.path.lexists(path):
            manifest.read(folder)
    except DamagedError:
        own_folder(aside)
        names = (aside / f"{path.name}.{number}" for number in itertools.count(1))
        with storing(path):
            path.rename(next(name for name in names if not os.path.lexists(name)))
            sync_folder(folder)
        return [path.name]
    return []


def faults(folder: Path, contents: Contents | None = None) -> Iterator[str]:
    """What is wrong in the folder of a run whose journal holds ``contents``: results are at stake, or evidence is."""
    if contents is not None and contents.damaged:
        first = contents.damaged[0]
        yield (
            f"{len(contents.damaged)} damaged lines (the first is line {first.line} of journal/{first.segment}: "
            f"{first.why}), which bench run sets aside, running what they held"
        )
    if contents is not None and contents.alarms:
        yield f"{len(contents.alarms)} jobs were run twice and gave different values; the earlier ones are in use"
    digests = set() if contents is None else {record.artefact for record in contents.records.values()} - {""}
    if lost := sum(not artefacts.exists(folder / "artefacts", digest) for digest in digests):
        yield f"the arrays of {lost} records are missing; bench run --fresh makes all anew"
    try:
        interim.read(folder)
    except BenchError as error:
        yield error.message
    links = sorted(path.name for path in folder.iterdir() if path.is_symlink())
    yield from (f"{name} is a link, which is not followed" for name in links)


@dataclass(frozen=True)
class Summary:
    """One line about a run; of one whose files are damaged there is no count (None)."""

    name: str
    folder: Path
    updated: datetime
    planned: int | None = None
    ok: int | None = None
    diverged: int | None = None
    failed: int | None = None
    lost: int | None = None
    missing: int | None = None
    outside: int | None = None
    """Stored jobs that the suite as last run does not ask for."""
    damage: str = ""
    """What is wrong with what is stored, or why the run cannot be read."""


def find(run: str | Path | None = None, out: Path = REPORTS) -> Run:
    """The run of that name under ``out``, or in that folder; the newest under ``out`` if none is named."""
    return load(locate(run, out))


def locate(run: str | Path | None = None, out: Path = REPORTS) -> Path:
    """The folder of the run that ``find`` would load, whatever state it is in; of a folder of runs, the only one."""
    if run is None:
        if known := _folders(out):
            return max(known, key=_updated)
        raise BenchError(f"There is no run under {out}.", hint="Start one: bench run SUITE.")
    for folder in (out / run, Path(run)):
        if any(os.path.lexists(folder / name) for name in OURS):
            if _is_plan_only(folder):
                hint = f"To run it here: bench run {in_project(manifest.read(folder).path)}."
                raise BenchError(f"{folder} has the plan of a run (run.json), and not its results.", hint=hint)
            return folder
        if inner := _folders(folder):
            if len(inner) == 1:
                return inner[0]
            hint = f"Name one of them: {', '.join(entry.name for entry in inner[:8])}."
            raise BenchError(f"{folder} holds {len(inner)} runs.", hint=hint)
    names = [folder.name for folder in _folders(out)]
    there = f"Runs there: {', '.join(names[:8])}." if names else "Start one: bench run SUITE."
    hint = f"{did_you_mean(str(run), names)} {there}".lstrip()
    raise BenchError(f"There is no run {str(run)!r} under {out}.", hint=hint)


def runs(out: Path = REPORTS) -> list[Summary]:
    """Every run under ``out``, the newest first; one whose files are damaged says so."""
    return sorted(map(_summary, _folders(out)), key=lambda line: line.updated, reverse=True)


def summarize(run: Run) -> Summary:
    """What is done of a run, counted in its journal."""
    records, planned = run.contents.records, run.n_planned
    count = Counter(records[job.key].status for job in run.planned() if job.key in records)
    counts = [planned, *(count[status] for status in STATUSES), planned - count.total(), len(records) - count.total()]
    damage = "; ".join(faults(run.folder, run.contents))
    return Summary(run.folder.name, run.folder, run.updated, **dict(zip(COUNTS, counts, strict=True)), damage=damage)


class Counts(Versioned):
    """What ``counts.json`` holds: what a run without faults had come to when the journal had these segments."""

    SCHEMA = 1
    HINT = "It is written anew by the next run."

    schema_version: int = 1
    plan: str
    segments: dict[str, tuple[int, int]]
    """Name -> bytes, and the time of the last change in nanoseconds."""
    counts: dict[str, int]
    """Of ``Summary``."""


COUNTS = ("planned", *STATUSES, "missing", "outside")


def segment_marks(journal: Path) -> dict[str, tuple[int, int]]:
    """The segments as they are: taken before they are read, they show whether what was read is all there is."""
    return {path.name: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in segments(journal)}


def keep_counts(run: Run, marks: Mapping[str, tuple[int, int]]) -> None:
    """Keep what ``run`` came to, so that ``runs`` need not read a journal of a million lines to count them."""
    line = summarize(run)
    if not line.damage and not any(record.artefact for record in run.contents.records.values()):
        counts = {name: getattr(line, name) for name in COUNTS}
        Counts(plan=run.head.plan, segments=dict(marks), counts=counts).write(run.folder / "counts.json")


def _summary(folder: Path) -> Summary:
    try:
        return _kept(folder) or summarize(load(folder))
    except BenchError as error:
        updated = datetime.fromtimestamp(_updated(folder) / 1e9, UTC)
        return Summary(folder.name, folder, updated, damage=error.message)


def _kept(folder: Path) -> Summary | None:
    """The summary of a run by its kept counts; None where there are none, or the run has changed since."""
    if not os.path.lexists(folder / "counts.json"):
        return None
    stored = manifest.read(folder)
    try:
        kept = Counts.read(folder / "counts.json")
    except BenchError:
        return None
    if (kept.plan, kept.segments, (*kept.counts,)) != (stored.plan, segment_marks(folder / "journal"), COUNTS):
        return None
    return Summary(folder.name, folder, stored.updated, damage="; ".join(faults(folder)), **kept.counts)


def _folders(out: Path) -> list[Path]:
    if not out.is_dir():
        return []
    with reading(out):
        known = sorted(folder for folder in out.iterdir() if os.path.lexists(folder / "run.json"))
    return [folder for folder in known if not _is_plan_only(folder)]


def _is_plan_only(folder: Path) -> bool:
    """Whether a run has nothing but its plan here, as where a project keeps ``run.json`` beside a report."""
    stored = itertools.chain(folder.glob("journal"), folder.glob("cells*.jsonl"))
    return os.path.lexists(folder / "run.json") and next(stored, None) is None


def _updated(folder: Path) -> int:
    return (folder / "run.json").lstat().st_mtime_ns
