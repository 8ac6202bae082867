"""The folder of a run: a suite goes in; the same suite, what is planned and what is done come out, nothing imported.

``reports/<name>/`` holds ``suite.toml`` (the text last run), ``run.json`` and ``cells.jsonl`` (what that text meant to
the experiment then), ``published.csv`` (if the suite names one), ``journal/`` (the results) and ``lock``.
"""

from __future__ import annotations

import json
import shutil
import socket
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import BenchError
from bench.execute.journal import Contents, read
from bench.execute.storage import locked, reading, replace, storing
from bench.experiment import Experiment, Metric, identify
from bench.plan.design import cells
from bench.plan.suite import MetricSettings, Suite

REPORTS = Path("reports")
SCHEMA = 1
"""Version of what ``run.json`` and ``cells.jsonl`` hold."""
RESERVED = ("run", "seed", "status", "metric", "value")
"""Columns of every table of runs; no factor or metric may be called so."""


@dataclass(frozen=True)
class Run:
    """A folder and the suite that was last run in it."""

    folder: Path
    suite: Suite
    """As loaded for this run, or as stored: then its experiment knows its metrics and version, and cannot be run."""
    updated: datetime
    """When the suite was last run."""

    @property
    def journal(self) -> Path:
        """The folder of the journal."""
        return self.folder / "journal"

    @cached_property
    def contents(self) -> Contents:
        """All that the journal holds, read once."""
        return read(self.journal)

    def planned(self) -> Iterator[Planned]:
        """Every planned job in the order of the design, as it was stored."""
        stored = _manifest(self.folder)
        cells = list(_stored_cells(self.folder, stored))
        for seed in stored.seeds:
            for cell in cells:
                yield Planned(identify(cell.changed, seed, stored.version), cell.levels, seed)


@dataclass(frozen=True, slots=True)
class Planned:
    """One run that the suite asks for."""

    key: str
    levels: Sequence[Any]
    """In the order of the suite's factors."""
    seed: int


@dataclass(frozen=True)
class Summary:
    """One line about a run."""

    name: str
    folder: Path
    updated: datetime
    planned: int
    ok: int
    diverged: int
    failed: int
    lost: int
    missing: int
    outside: int
    """Stored jobs that the suite as last run does not ask for."""


def create(suite: Suite, out: Path = REPORTS, *, fresh: bool = False) -> Run:
    """The run of ``suite`` under ``out``, new or continued; ``fresh`` moves an old one aside and starts anew.

    Raises:
        BenchError: the folder cannot be used: unwritable, not a run's, another experiment's, or held by a process.
    """
    for name in (*suite.factors, *(metric.name for metric in suite.experiment.metrics)):
        if name in RESERVED:
            hint = f"Tables of runs have columns {', '.join(RESERVED)} of their own; rename it in the experiment."
            raise BenchError(f"{suite.path}: a factor or metric cannot be called {name!r}.", hint=hint)
    folder = out / suite.name
    entries = _entries(folder)
    if fresh and entries & _OURS:
        _move_aside(folder)
        entries = _entries(folder)
    if "run.json" in entries:
        known = _manifest(folder)
        if known.reference != suite.reference:
            raise BenchError(
                f"{folder} holds runs of {known.reference}, and {suite.path} is of {suite.reference}.",
                hint="Give the suite another name or write elsewhere with --out; --fresh moves the old folder aside.",
            )
    elif entries and not entries & _OURS:
        raise BenchError(
            f"{folder} is not the folder of a run: it holds {', '.join(sorted(entries)[:3])}.",
            hint="Give the suite another name, or write elsewhere with --out.",
        )
    return Run(folder, suite, datetime.now(UTC))


def store(run: Run, suite: Suite) -> None:
    """Write down that ``suite`` is what ``run`` plans from now on; its folder must be locked."""
    plan = uuid.uuid4().hex
    lines = [json.dumps({"plan": plan})]
    for cell in cells(suite):
        levels = [cell.levels[name] for name in suite.factors]
        lines.append(json.dumps([levels, suite.experiment.changed(cell.params)]))
    manifest = _Manifest(
        schema_version=SCHEMA,
        plan=plan,
        name=suite.name,
        path=str(suite.path.absolute()),
        digest=suite.digest,
        reference=suite.reference,
        version=suite.experiment.version,
        seeds=list(suite.seeds),
        params=dict(suite.params),
        factors={name: list(settings.items()) for name, settings in suite.settings.items()},
        listed=suite.listed is not None,
        n_cells=len(lines) - 1,
        metrics=tuple(suite.experiment.metrics),
        metric_settings=dict(suite.metrics),
        published=suite.published is not None,
        host=socket.gethostname(),
        updated=run.updated,
    )
    replace(run.folder / "suite.toml", suite.text)
    if suite.published is not None:
        with storing(run.folder / "published.csv"):
            shutil.copyfile(suite.published, run.folder / "published.csv")
    replace(run.folder / "cells.jsonl", "\n".join([*lines, ""]))
    replace(run.folder / "run.json", json.dumps(manifest.model_dump(), default=str, indent=1))


def load(folder: Path) -> Run:
    """The run that is stored in ``folder``.

    Raises:
        BenchError: it holds none, or what it holds is damaged.
    """
    stored = _manifest(folder)
    with reading(folder / "suite.toml"):
        text = (folder / "suite.toml").read_text(encoding="utf-8", errors="replace")
    listed = None
    if stored.listed:
        listed = tuple(dict(zip(stored.factors, cell.levels, strict=True)) for cell in _stored_cells(folder, stored))
    suite = Suite(
        name=stored.name,
        reference=stored.reference,
        experiment=Experiment(params=dict, metrics=stored.metrics, run=_cannot_run, version=stored.version),
        seeds=tuple(stored.seeds),
        params=stored.params,
        factors={name: tuple(level for level, _ in pairs) for name, pairs in stored.factors.items()},
        listed=listed,
        metrics=stored.metric_settings,
        published=folder / "published.csv" if stored.published else None,
        path=Path(stored.path),
        text=text,
        settings={name: dict(pairs) for name, pairs in stored.factors.items()},
        digest=stored.digest,
    )
    return Run(folder, suite, stored.updated)


def find(run: str | Path | None = None, out: Path = REPORTS) -> Run:
    """The run of that name under ``out``, or in that folder; the newest under ``out`` if none is named.

    Raises:
        BenchError: there is none.
    """
    if run is None:
        if found := _folders(out):
            return load(max(found, key=lambda folder: (folder / "run.json").stat().st_mtime_ns))
        raise BenchError(f"There is no run under {out}.", hint="Start one: bench run SUITE.")
    for folder in (out / run, Path(run)):
        if (folder / "run.json").is_file():
            return load(folder)
    names = [folder.name for folder in _folders(out)]
    close = get_close_matches(str(run), names, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    hint += f"Runs there: {', '.join(names[:8])}." if names else "Start one: bench run SUITE."
    raise BenchError(f"There is no run {str(run)!r} under {out}.", hint=hint)


def runs(out: Path = REPORTS) -> list[Summary]:
    """Every run under ``out``, the newest first."""
    return sorted((summarize(load(folder)) for folder in _folders(out)), key=lambda line: line.updated, reverse=True)


def summarize(run: Run) -> Summary:
    """What is done of a run, counted in its journal."""
    records = run.contents.records
    count = Counter(records[job.key].status if job.key in records else "missing" for job in run.planned())
    within = count.total() - count["missing"]
    return Summary(
        name=run.folder.name,
        folder=run.folder,
        updated=run.updated,
        planned=count.total(),
        ok=count["ok"],
        diverged=count["diverged"],
        failed=count["failed"],
        lost=count["lost"],
        missing=count["missing"],
        outside=len(records) - within,
    )


_OURS = {"lock", "suite.toml", "run.json", "journal"}
"""By any of these the folder of a run is known, even if others are lost or were never written."""


class _Manifest(BaseModel):
    """What ``run.json`` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int
    plan: str
    """The same in ``cells.jsonl``, which belongs to it."""
    name: str
    path: str
    digest: str
    reference: str
    version: str
    seeds: list[Annotated[int, Field(ge=0, lt=2**63)]]
    params: dict[str, Any]
    factors: dict[str, list[tuple[str | int | float | bool, Any]]]
    listed: bool
    n_cells: int
    metrics: tuple[Metric, ...]
    metric_settings: dict[str, MetricSettings]
    published: bool
    host: str
    updated: datetime


@dataclass(frozen=True, slots=True)
class _StoredCell:
    levels: Sequence[Any]
    changed: Mapping[str, Any]


def _manifest(folder: Path) -> _Manifest:
    path = folder / "run.json"
    if not path.is_file():
        raise BenchError(f"{folder} is not the folder of a run: it has no run.json.", hint="bench runs lists the runs.")
    with reading(path):
        text = path.read_text(encoding="utf-8", errors="replace")
    try:
        stored = json.loads(text)
        if isinstance(stored, dict) and isinstance(stored.get("schema_version"), int):
            _refuse_newer(folder, stored["schema_version"])
        return _Manifest.model_validate(stored)
    except (ValidationError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def _refuse_newer(folder: Path, schema_version: int) -> None:
    if schema_version > SCHEMA:
        message = f"{folder} was written by a newer bench (schema version {schema_version}; this one reads {SCHEMA})."
        raise BenchError(message, hint="Update bench, or run the suite with another --out.")


def _stored_cells(folder: Path, manifest: _Manifest) -> Iterator[_StoredCell]:
    path = folder / "cells.jsonl"
    known = [{(type(level), level) for level, _ in pairs} for pairs in manifest.factors.values()]
    n_cells = 0
    try:
        with reading(path), path.open(encoding="utf-8", errors="replace") as file:
            _check(json.loads(file.readline())["plan"] == manifest.plan, "it belongs to another run.json")
            for line in file:
                levels, changed = json.loads(line)
                fits = all((type(level), level) in there for level, there in zip(levels, known, strict=True))
                _check(fits and isinstance(changed, dict), "its cells are not those of run.json")
                n_cells += 1
                yield _StoredCell(levels, changed)
            _check(n_cells == manifest.n_cells, "cells are missing")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged(path, error) from error


def _check(fits: bool, why: str) -> None:
    if not fits:
        raise ValueError(why)


def _damaged(path: Path, error: Exception) -> BenchError:
    why = str(error).partition("\n")[0]
    hint = "Delete it and run the suite again: it is written anew, and every stored result stays."
    return BenchError(f"{path} is damaged: {why}.", hint=hint)


def _folders(out: Path) -> list[Path]:
    return sorted(path.parent for path in out.glob("*/run.json")) if out.is_dir() else []


def _entries(folder: Path) -> set[str]:
    """Names in the folder of a run, which is made if there is none; links could lead writing out of it."""
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        entries = {entry.name: entry.is_symlink() for entry in folder.iterdir()}
    if links := sorted(name for name, is_link in entries.items() if is_link):
        hint = "bench writes only inside the folder of a run; make the folder itself a link if it must be elsewhere."
        raise BenchError(f"{folder} holds a link: {links[0]}.", hint=hint)
    return set(entries)


def _move_aside(folder: Path) -> None:
    with locked(folder), storing(folder):
        stamp = datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
        aside = folder.with_name(f"{folder.name}.{stamp}")
        if aside.exists():
            raise BenchError(f"{aside} exists already.", hint="Wait a second and try again.")
        folder.rename(aside)


def _cannot_run(*_: object) -> NoReturn:
    raise BenchError("A stored run is a record; it cannot be run.", hint="Run its suite: bench run SUITE.")
