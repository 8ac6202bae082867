"""The folder of a run -> what is wrong with it, and the mending of what can be mended, which loses no good record."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Literal

from bench.errors import BenchError
from bench.execute import artefacts, journal, looks, manifest
from bench.execute.run import planned
from bench.execute.segments import ASIDE, REKEYED, Damage, segments, set_aside
from bench.execute.storage import NewerSchemaError, lock_state, locked, own_folder, storing, sync_folder


@dataclass(frozen=True)
class Finding:
    """One thing that a run's folder should not hold, lacks, or holds in a bad state."""

    level: Literal["problem", "note"]
    """Whether results are at stake."""
    where: str
    """The file or folder, from the folder of the run."""
    what: str
    remedy: str
    """What mending does; where there is no ``mend``, what you can do, if anything."""
    mend: Callable[[], None] | None = None


@dataclass(frozen=True)
class Checkup:
    """What was found in a run's folder."""

    folder: Path
    findings: Sequence[Finding]
    """What is there now, the worst first."""
    mended: Sequence[Finding] = ()
    """What was there and has been mended."""

    @property
    def healthy(self) -> bool:
        """Whether no results are at stake."""
        return not any(finding.level == "problem" for finding in self.findings)


def check_up(folder: Path, *, mend: bool = False) -> Checkup:
    """Examine the folder of a run, after mending what can be mended if ``mend`` asks for it.

    Without ``mend`` nothing is written; nothing in the folder is ever executed or followed.

    Raises:
        BenchError: the folder cannot be read; to be mended, it cannot be written, or a process is writing to it.
    """
    mended: list[Finding] = []
    if mend:
        with locked(folder):
            for finding in _findings(folder):
                if finding.mend is not None:
                    finding.mend()
                    mended.append(finding)
    held, holder = lock_state(folder)
    if held:
        what = f"{holder or 'another process'} is writing to the run"
        remedy = "Wait until it has finished; what it writes cannot be judged meanwhile."
        return Checkup(folder, [Finding("note", "lock", what, remedy)])
    findings = list(_findings(folder))
    if holder:
        findings.append(Finding("note", "lock", f"{holder} was killed while it wrote", "The lock is free."))
    return Checkup(folder, sorted(findings, key=lambda finding: finding.level == "note"), mended)


def _findings(folder: Path) -> Iterator[Finding]:
    yield from _entries(folder, _OURS, "")
    yield from _entries(folder / "journal", _SEGMENTS, "journal/")
    yield from _plan(folder)
    yield from _looks(folder)
    yield from _journal(folder)


_FOLDERS = {"journal", "artefacts", "figures", ASIDE, REKEYED}
_OURS = re.compile(
    "|".join(
        [
            r"lock|suite\.toml|run\.json|cells(-[0-9a-f]{32})?\.jsonl|published\.csv|looks\.json",
            r"report\.\w+",
            *_FOLDERS,
        ]
    )
)
_SEGMENTS = re.compile(rf"\d{{5,9}}\.jsonl|{ASIDE}|{REKEYED}")
_LEFTOVER = re.compile(r"\..+\.new")
_AGAIN = "then run the suite again, which writes it anew; every stored result stays."


def _entries(folder: Path, ours: re.Pattern[str], prefix: str) -> Iterator[Finding]:
    """Links, unfinished files, and what bench did not put there."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        where = prefix + entry.name
        if entry.is_symlink():
            what, remedy = "a link, which could lead writing out of the folder", "Remove it, or put the file here."
            yield Finding("problem", where, what, remedy)
        elif _LEFTOVER.fullmatch(entry.name) and entry.is_file():
            what = "a file that was being written when its process was killed; the old one is in force"
            yield Finding("note", where, what, "Delete it.", partial(_delete, Path(entry.path)))
        elif not ours.fullmatch(entry.name):
            yield Finding("note", where, "not of bench", "It is left alone.")
        elif entry.is_dir() != (entry.name in _FOLDERS):
            kind = "a file" if entry.name in _FOLDERS else "a folder"
            yield Finding("problem", where, f"{kind} stands in its place", "Move it elsewhere.")


def _plan(folder: Path) -> Iterator[Finding]:
    """What was planned: ``run.json``, then what belongs to it."""
    try:
        stored = manifest.read(folder)
    except BenchError as error:
        yield _unreadable(folder, "run.json", error)
        return
    checks: Mapping[str, Callable[[], object]] = {
        stored.cells or "run.json": lambda: list(manifest.read_cells(folder, stored)),
        "suite.toml": lambda: stored.text or manifest.read_text(folder),
    }
    for name, check in checks.items():
        try:
            check()
        except BenchError as error:
            yield _unreadable(folder, name, error)


def _looks(folder: Path) -> Iterator[Finding]:
    """What was decided at which look of a sequential run, which nothing can make again."""
    try:
        looks.read(folder)
    except BenchError as error:
        yield Finding("problem", looks.FILE, error.message, error.hint)


def _unreadable(folder: Path, name: str, error: BenchError) -> Finding:
    path = folder / name
    if isinstance(error, NewerSchemaError):
        return Finding("problem", name, "written by a newer bench", error.hint)
    if not os.path.lexists(path):
        return Finding("problem", name, "missing", "Run the suite again, which writes it anew; every result stays.")
    if not path.is_file():
        return Finding("problem", name, "not a file", "Move it elsewhere.")
    what = f"damaged: {error.message.partition(' is damaged: ')[2] or error.message}"
    return Finding("problem", name, what, f"Move it to {ASIDE}/; {_AGAIN}", partial(_move_aside, path))


def _journal(folder: Path) -> Iterator[Finding]:
    where = folder / "journal"
    try:
        contents = journal.read(where, _declared(folder))
    except BenchError as error:
        yield Finding("problem", "journal", error.message, error.hint)
        return
    for name, group in groupby(contents.damaged, key=lambda damage: damage.segment):
        lines = list(group)
        remedy = f"Move what is damaged to journal/{ASIDE}/; then run the suite again for what it held."
        yield Finding("problem", f"journal/{name}", _lines(lines), remedy, partial(set_aside, where, lines))
    if contents.alarms:
        first = contents.alarms[0].first
        levels = ", ".join(f"{name} = {level}" for name, level in first.levels.items())
        yield Finding(
            "problem",
            "journal",
            f"{len(contents.alarms)} jobs were run twice and gave different values (the first: {levels}, seed "
            f"{first.seed}); the earlier values are in use",
            "Find what else they depend on than parameters and seed, then run the suite with --fresh.",
        )
    if kept := segments(where / ASIDE):
        size = sum(path.stat().st_size for path in kept)
        what = f"{size} bytes of damaged lines were set aside earlier"
        yield Finding("note", f"journal/{ASIDE}", what, "They are kept to be looked at, and count for nothing.")
    yield from _artefacts(folder / "artefacts", {record.artefact for record in contents.records.values()} - {""})
    try:
        keys = {job.key for job in planned(folder)}
    except BenchError:
        return
    n_missing = len(keys - contents.records.keys())
    if contents.superseded:
        what = f"{len(contents.superseded)} outcomes were replaced by later ones, of other source or with more metrics"
        yield Finding("note", "journal", what, "They are kept, and count for nothing.")
    if n_missing:
        what = f"{n_missing} of {len(keys)} planned runs have no result"
        yield Finding("note", "journal", what, "Run the suite again for them.")
    n_outside = len(contents.records.keys() - keys)
    if n_outside:
        what = f"{n_outside} stored results are of other seeds or levels than the suite was last run with"
        yield Finding("note", "journal", what, "They are kept, and shown when the suite asks for them again.")


def _declared(folder: Path) -> list[str]:
    """The metrics that the run's experiment declares; none where its files are damaged, which is found elsewhere."""
    try:
        return [metric.name for metric in manifest.read(folder).metrics]
    except BenchError:
        return []


def _artefacts(folder: Path, named: Collection[str]) -> Iterator[Finding]:
    """Arrays that records name and that cannot be read, and arrays that none names."""
    doubts = []
    for digest in sorted(named):
        try:
            artefacts.read(folder, digest)
        except ValueError as error:
            doubts.append(str(error))
    if doubts:
        what = f"the arrays of {len(doubts)} records cannot be read (the first: {doubts[0]})"
        yield Finding("problem", "artefacts", what, "The metrics are not concerned. bench run --fresh makes all anew.")
    stray = [path for path in sorted(folder.glob("??/*")) if path.name.removesuffix(".npz") not in named]
    if leftovers := [path for path in stray if _LEFTOVER.fullmatch(path.name)]:
        what = f"{len(leftovers)} files that were being written when their process was killed"
        yield Finding("note", "artefacts", what, "Delete them.", partial(_delete, *leftovers))
    if others := len(stray) - len(leftovers):
        yield Finding("note", "artefacts", f"{others} files that no record in use names", "They are left alone.")


def _lines(damaged: Sequence[Damage]) -> str:
    shown = [f"line {damage.line} ({damage.why})" for damage in damaged[:3]]
    return f"{'; '.join(shown)}{f'; and {len(damaged) - 3} more lines' if len(damaged) > 3 else ''}"


def _delete(*paths: Path) -> None:
    for path in paths:
        with storing(path):
            path.unlink(missing_ok=True)


def _move_aside(path: Path) -> None:
    aside = path.parent / ASIDE
    own_folder(aside)
    number = 1
    while os.path.lexists(target := aside / f"{path.name}.{number}"):
        number += 1
    with storing(path):
        path.rename(target)
        sync_folder(path.parent)
