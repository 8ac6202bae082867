"""A suite -> the files that say what it meant when it was run -> the same suite, without its experiment.

``suite.toml`` is its text; ``run.json`` and ``cells.jsonl`` are what that text meant to the experiment then, so that
results can be read when the experiment has changed or gone, and without running its code; ``published.csv`` is a copy.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import tomllib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import BenchError
from bench.execute.storage import open_stored, read_stored, reading, refuse_newer, replace, replacing
from bench.experiment import Experiment, Metric
from bench.plan.claims import Claim
from bench.plan.design import cells, n_cells
from bench.plan.metrics import MetricSettings
from bench.plan.shape import BaselineTable
from bench.plan.suite import Plan

SCHEMA = 2
"""Version of what ``run.json`` and ``cells.jsonl`` hold; in version 1, 1, 1.0 and true had one key (``migrate``)."""


@dataclass(frozen=True)
class Declaration:
    """A claim as it was first made: what it said, when, and what was known by then."""

    id: str
    digest: str
    """``Claim.digest``."""
    at: datetime
    results: int
    """Planned jobs whose outcome was stored before, in any run; a claim is declared in advance if there was none."""
    where: tuple[str, ...] = ()
    """The folders of these runs, below the folder of runs."""


@dataclass(frozen=True)
class Sealing:
    """A seal (``bench.plan.seal``) under which a run was run, and when it first was."""

    seal: str
    at: datetime


class Manifest(BaseModel):
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
    declared_seeds: list[int] | None = None
    """None in runs that were stored before this was kept."""
    params: dict[str, Any]
    factors: dict[str, list[tuple[str | int | float | bool, Any]]]
    listed: bool
    n_cells: int
    metrics: tuple[Metric, ...]
    metric_settings: dict[str, MetricSettings]
    baseline: BaselineTable = BaselineTable()
    published: bool
    host: str
    updated: datetime
    source: dict[str, str] = {}
    """File -> digest, of the experiment when the suite was last run; empty in runs that were stored before this was
    kept."""
    claims: tuple[Claim, ...] = ()
    declared: tuple[Declaration, ...] = ()
    """Every claim that the suite has made at the start of a run, in the order of time; of one twice, the last holds."""
    seal: str = ""
    """What the seeds are drawn from, if they are."""
    sealings: tuple[Sealing, ...] = ()
    """Every seal of the run, in the order of time."""


@dataclass(frozen=True, slots=True)
class StoredCell:
    """A line of ``cells.jsonl``."""

    levels: Sequence[Any]
    """In the order of the factors."""
    changed: Mapping[str, Any]
    """Parameters that differ from their defaults (``Experiment.changed``)."""


def write(
    folder: Path,
    suite: Plan,
    updated: datetime,
    *,
    source: Mapping[str, str] = MappingProxyType({}),
    declared: tuple[Declaration, ...] = (),
    sealings: tuple[Sealing, ...] = (),
) -> None:
    """Replace the files in ``folder`` by those of ``suite``; results that are stored there stay as they are.

    ``source``: file -> digest, of its experiment. ``declared`` and ``sealings`` are the record of claims and seals
    (``bench.execute.precedence``). The list of cells stays empty, until ``write_cells`` has written it.
    """
    plan = uuid.uuid4().hex
    manifest = Manifest(
        schema_version=SCHEMA,
        plan=plan,
        name=suite.name,
        path=str(suite.path.absolute()),
        digest=suite.digest,
        reference=suite.reference,
        version=suite.experiment.version,
        seeds=list(suite.seeds),
        declared_seeds=list(suite.declared_seeds),
        params=dict(suite.params),
        factors={name: list(settings.items()) for name, settings in suite.settings.items()},
        listed=not suite.is_full_grid,
        n_cells=n_cells(suite),
        metrics=tuple(suite.experiment.metrics),
        metric_settings=dict(suite.metrics),
        baseline=suite.baseline,
        published=suite.published is not None,
        host=socket.gethostname(),
        updated=updated,
        source=dict(source),
        claims=suite.claims,
        declared=declared,
        seal=suite.seal,
        sealings=sealings,
    )
    replace(folder / "suite.toml", suite.text)
    if suite.published is not None:
        with reading(suite.published):
            table = suite.published.read_bytes()
        replace(folder / "published.csv", table)
    replace(folder / "cells.jsonl", f"{json.dumps({'plan': plan, 'listed': False})}\n")
    replace(folder / "run.json", json.dumps(manifest.model_dump(), default=str, indent=1))


def write_cells(folder: Path, suite: Plan, given_up: threading.Event) -> None:
    """Write the list of cells that belongs to what ``write`` has written of ``suite``, or none of it if ``given_up``.

    Raises:
        CancelledError: it was given up.
    """
    plan = read(folder).plan
    with replacing(folder / "cells.jsonl") as file:
        file.write(f"{json.dumps({'plan': plan})}\n".encode())
        for cell in cells(suite):
            if given_up.is_set():
                raise CancelledError
            levels = [cell.levels[name] for name in suite.factors]
            file.write(f"{json.dumps([levels, suite.experiment.changed(cell.params)])}\n".encode())


def read(folder: Path) -> Manifest:
    """What ``run.json`` holds.

    Raises:
        BenchError: there is none, it is damaged, or a newer bench wrote it.
    """
    path = folder / "run.json"
    if not os.path.lexists(path):
        raise BenchError(f"{folder} is not the folder of a run: it has no run.json.", hint="bench runs lists the runs.")
    text = read_stored(path).decode(errors="replace")
    try:
        stored = json.loads(text)
        if isinstance(stored, dict) and isinstance(stored.get("schema_version"), int):
            refuse_newer(folder, stored["schema_version"], SCHEMA)
        return Manifest.model_validate(stored)
    except (ValidationError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def read_cells(folder: Path, manifest: Manifest) -> Iterator[StoredCell]:
    """The cells in the order of the design, one at a time; none if the run was ended before they were listed.

    Raises:
        BenchError: there are none, or not those of ``manifest``.
    """
    path = folder / "cells.jsonl"
    known = [{(type(level), level) for level, _ in pairs} for pairs in manifest.factors.values()]
    number = 0
    try:
        with reading(path), open_stored(path) as file:
            head = json.loads(file.readline())
            _check(head["plan"] == manifest.plan, "it belongs to another run.json")
            if head.get("listed") is False:
                return
            for line in file:
                levels, changed = json.loads(line)
                fits = all((type(level), level) in there for level, there in zip(levels, known, strict=True))
                _check(fits and isinstance(changed, dict), "its cells are not those of run.json")
                number += 1
                yield StoredCell(levels, changed)
            _check(number == manifest.n_cells, "cells are missing")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged(path, error) from error


def read_text(folder: Path) -> str:
    """The text of the suite.

    Raises:
        BenchError: there is none, or it is no suite.
    """
    path = folder / "suite.toml"
    try:
        text = read_stored(path).decode().replace("\r\n", "\n")
        _check(not {"seeds", "extends"}.isdisjoint(tomllib.loads(text)), "it has no seeds")
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    return text


def read_suite(folder: Path, manifest: Manifest) -> Plan:
    """The suite as it was run; its experiment has the metrics and the version of then, and cannot be run.

    Raises:
        BenchError: its text or its cells are damaged.
    """
    text = read_text(folder)
    listed = None
    if manifest.listed:
        listed = tuple(dict(zip(manifest.factors, cell.levels, strict=True)) for cell in read_cells(folder, manifest))
    return Plan(
        name=manifest.name,
        reference=manifest.reference,
        experiment=Experiment(params=dict, metrics=manifest.metrics, run=_cannot_run, version=manifest.version),
        seeds=tuple(manifest.seeds),
        declared_seeds=tuple(manifest.seeds if manifest.declared_seeds is None else manifest.declared_seeds),
        params=manifest.params,
        factors={name: tuple(level for level, _ in pairs) for name, pairs in manifest.factors.items()},
        listed=listed,
        metrics=manifest.metric_settings,
        baseline=manifest.baseline,
        published=folder / "published.csv" if manifest.published else None,
        path=Path(manifest.path),
        text=text,
        settings={name: dict(pairs) for name, pairs in manifest.factors.items()},
        digest=manifest.digest,
        claims=manifest.claims,
        seal=manifest.seal,
    )


def _check(fits: bool, why: str) -> None:
    if not fits:
        raise ValueError(why)


def _damaged(path: Path, error: Exception) -> BenchError:
    why = str(error).partition("\n")[0]
    hint = "Delete it and run the suite again: it is written anew, and every stored result stays."
    return BenchError(f"{path} is damaged: {why}.", hint=hint)


def _cannot_run(*_: object) -> NoReturn:
    raise BenchError("A stored run is a record; it cannot be run.", hint="Run its suite: bench run SUITE.")
