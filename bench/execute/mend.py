"""The folder of a run -> what is wrong with what is stored, in words, and the mending of it ahead of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bench.errors import BenchError
from bench.execute import artefacts, interim, manifest
from bench.execute.journal import Contents
from bench.execute.segments import ASIDE
from bench.execute.storage import own_folder, storing, sync_folder
from bench.execute.versioned import DamagedError


def mend(folder: Path) -> list[str]:
    """Move a damaged ``run.json`` to ``damaged/`` and delete what killed processes were writing; nothing else is lost.

    The folder must be locked. Returns the names of what was moved.
    """
    for place in (folder, folder / "journal", *(folder / "artefacts").glob("??")):
        for path in place.glob(".*.new"):
            if not path.is_dir():
                with storing(path):
                    path.unlink()
    try:
        if os.path.lexists(folder / "run.json"):
            manifest.read(folder)
    except DamagedError:
        _move_aside(folder / "run.json")
        return ["run.json"]
    return []


def faults(folder: Path, contents: Contents | None = None) -> Iterator[str]:
    """What is wrong in the folder of a run whose journal holds ``contents``: results are at stake, or evidence is."""
    if contents is not None:
        yield from _of_journal(folder, contents)
    try:
        interim.read(folder)
    except BenchError as error:
        yield error.message
    links = sorted(path.name for path in folder.iterdir() if path.is_symlink())
    yield from (f"{name} is a link, which is not followed" for name in links)


def _of_journal(folder: Path, contents: Contents) -> Iterator[str]:
    if contents.damaged:
        first = contents.damaged[0]
        yield (
            f"{len(contents.damaged)} damaged lines (the first is line {first.line} of journal/{first.segment}: "
            f"{first.why}), which bench run sets aside, running what they held"
        )
    if contents.alarms:
        yield f"{len(contents.alarms)} jobs were run twice and gave different values; the earlier ones are in use"
    digests = {record.artefact for record in contents.records.values()} - {""}
    if lost := sum(not artefacts.exists(folder / "artefacts", digest) for digest in digests):
        yield f"the arrays of {lost} records are missing; bench run --fresh makes all anew"


def _move_aside(path: Path) -> None:
    aside = path.parent / ASIDE
    own_folder(aside)
    number = 1
    while os.path.lexists(target := aside / f"{path.name}.{number}"):
        number += 1
    with storing(path):
        path.rename(target)
        sync_folder(path.parent)
