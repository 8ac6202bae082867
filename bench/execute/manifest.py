"""A suite -> the files that say what it meant when it was run -> the same suite, without its experiment.

``run.json`` holds its text, its published table and what both meant to the experiment then, and names the file that
lists its cells, so that results can be read when the experiment has changed or gone, and without running its code. What
belongs together is in force from the moment in which ``run.json`` is replaced.
"""

from __future__ import annotations

import json
import os
import re
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import Field

from bench.errors import BenchError
from bench.execute.storage import Versioned, damaged, open_stored, read_stored, reading, replace, replacing, storing
from bench.experiment import Experiment, Metric
from bench.plan.claims import Claim
from bench.plan.design import cells, n_cells
from bench.plan.find import from_project, in_project
from bench.plan.grid import Setting
from bench.plan.metrics import MetricSettings
from bench.plan.shape import BaselineTable, ProxiesTable
from bench.plan.strata import Strata
from bench.plan.suite import Plan


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
    """A seal (``bench.plan.seeds``) under which a run was run, and when it first was."""

    seal: str
    at: datetime


class Manifest(Versioned):
    """What ``run.json`` holds; what older runs lack has a default.

    In version 1, 1, 1.0 and true had one key, so that such results may be run again.
    """

    SCHEMA = 2
    HINT = "Run the suite again: it is written anew, and every stored result stays."

    plan: str
    """The same at the head of the list of cells, which belongs to it."""
    cells: str = "cells.jsonl"
    """The file that lists them; none until they are listed."""
    text: str = ""
    """The suite's; of an older run, ``suite.toml`` holds it."""
    table: str | None = None
    """The published one; of an older run, ``published.csv`` holds it."""
    name: str
    path: str
    digest: str
    reference: str
    version: str
    seeds: list[Annotated[int, Field(ge=0, lt=2**63)]]
    declared_seeds: list[int] | None = None
    strata: dict[str, list[int]] | None = None
    """The seeds of each stratum, the outermost first, of which those of ``seeds`` are hashes."""
    crossed: bool = False
    """Whether strata are crossed, else nested."""
    proxies: ProxiesTable | None = None
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
    source: dict[str, str] = Field(default_factory=dict)
    """File -> digest, of the experiment when the suite was last run."""
    sets: tuple[Setting, ...] = ()
    claims: tuple[Claim, ...] = ()
    declared: tuple[Declaration, ...] = ()
    """Every claim that the suite made at the start of a run, in the order of time; of one twice, the last holds."""
    seal: str = ""
    """What the seeds are drawn from, if they are."""
    sealings: tuple[Sealing, ...] = ()
    """Every seal of the run, in the order of time."""

    @property
    def stratified(self) -> Strata | None:
        """The strata as a value."""
        if self.strata is None:
            return None
        return Strata({name: tuple(seeds) for name, seeds in self.strata.items()}, self.crossed)

    @property
    def run_seeds(self) -> tuple[int, ...]:
        """``seeds``, which know those of their strata, if there are any."""
        return tuple(self.seeds) if self.stratified is None else self.stratified.runs()


@dataclass(frozen=True, slots=True)
class StoredCell:
    """A line of ``cells.jsonl``."""

    levels: Sequence[Any]
    """In the order of the factors."""
    changed: Mapping[str, Any]
    """Parameters that differ from their defaults (``Experiment.changed``)."""


Generation = tuple[Manifest, Sequence[StoredCell]]
"""What is planned, as one process wrote it at one time: no cells if the run was ended before they were listed."""


def of(suite: Plan, updated: datetime, **told: Any) -> Manifest:
    """What ``run.json`` is to hold of ``suite``, and is ``told``; its cells are yet to be listed (``write_cells``)."""
    return Manifest(
        **{name: getattr(suite, name) for name in _AS_IN_A_PLAN},
        schema_version=Manifest.SCHEMA,
        plan=uuid.uuid4().hex,
        cells="",
        table=suite.published and _published(suite.published),
        path=from_project(suite.path),
        version=suite.experiment.version,
        strata=suite.strata and suite.strata.seeds,
        crossed=suite.strata is not None and suite.strata.crossed,
        factors={name: list(settings.items()) for name, settings in suite.settings.items()},
        listed=not suite.is_full_grid,
        n_cells=n_cells(suite),
        metrics=suite.experiment.metrics,
        metric_settings=suite.metrics,
        published=suite.published is not None,
        host=socket.gethostname(),
        updated=updated,
        **told,
    )


_AS_IN_A_PLAN = (
    "name", "text", "digest", "reference", "seeds", "declared_seeds", "params", "baseline", "sets", "claims", "seal",
    "proxies",
)  # fmt: skip
"""Fields of a ``Plan`` and of a ``Manifest`` alike."""


def write(folder: Path, manifest: Manifest) -> None:
    """Let ``manifest`` be what ``folder`` plans, from one moment to the next; what it no longer names goes.

    For people, ``suite.toml`` and ``published.csv`` are written beside ``run.json``, which holds the same.
    """
    manifest.write(folder / "run.json")
    replace(folder / "suite.toml", manifest.text)
    if manifest.table is not None:
        replace(folder / "published.csv", manifest.table)
    for path in folder.glob("cells*.jsonl"):
        if CELLS.fullmatch(path.name) and path.name != manifest.cells and not path.is_dir():
            with storing(path):
                path.unlink()


CELLS = re.compile(r"cells(-[0-9a-f]{32})?\.jsonl")
"""The name of a list of cells."""


def write_cells(folder: Path, manifest: Manifest, suite: Plan) -> Manifest:
    """List the cells of ``suite`` in a file of their own; returns ``manifest`` with its name."""
    name = f"cells-{manifest.plan}.jsonl"
    with replacing(folder / name) as file:
        file.write(f"{json.dumps({'plan': manifest.plan})}\n".encode())
        for cell in cells(suite):
            levels = [cell.levels[name] for name in suite.factors]
            file.write(f"{json.dumps([levels, suite.experiment.changed(cell.params)])}\n".encode())
    return manifest.model_copy(update={"cells": name})


def _published(path: Path) -> str:
    """The text of a published table: not of any file that a suite may name."""
    with reading(path), path.open("rb") as file:
        content = file.read(MOST_PUBLISHED + 1)
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        names = {name.strip().strip('"') for name in text.partition("\n")[0].split(",")}
        _check(len(content) <= MOST_PUBLISHED and {"metric", "mean"} <= names, "no columns metric and mean")
    except ValueError as error:
        hint = "It has a column per factor, and metric, mean, std and n, in at most 1 MiB."
        raise BenchError(f"{path} is no published table.", hint=hint) from error
    return text


MOST_PUBLISHED = 1 << 20
"""Bytes of the largest published table."""


def read(folder: Path) -> Manifest:
    """What ``run.json`` holds."""
    path = folder / "run.json"
    if not os.path.lexists(path):
        raise BenchError(f"{folder} is not the folder of a run: it has no run.json.", hint="bench runs lists the runs.")
    return Manifest.read(path)


def read_all(folder: Path) -> Generation:
    """``run.json`` and the cells that belong to it, also while another process replaces them."""
    while True:
        stored = read(folder)
        try:
            return stored, tuple(read_cells(folder, stored))
        except BenchError:
            if read(folder) == stored:
                raise


def read_cells(folder: Path, manifest: Manifest) -> Iterator[StoredCell]:
    """The cells in the order of the design, one at a time; none if the run was ended before they were listed."""
    if not manifest.cells:
        return
    if not CELLS.fullmatch(manifest.cells):
        raise damaged(folder / "run.json", f"cells is {manifest.cells!r:.60}", manifest.HINT)
    path = folder / manifest.cells
    known = [{(type(level), level) for level, _ in pairs} for pairs in manifest.factors.values()]
    number = 0
    try:
        with reading(path), open_stored(path) as file:
            _check(json.loads(file.readline())["plan"] == manifest.plan, "it belongs to another run.json")
            for line in file:
                levels, changed = json.loads(line)
                fits = all((type(level), level) in there for level, there in zip(levels, known, strict=True))
                _check(fits and isinstance(changed, dict), "its cells are not those of run.json")
                number += 1
                yield StoredCell(levels, changed)
            _check(number == manifest.n_cells, "cells are missing")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise damaged(path, str(error), manifest.HINT) from error


def read_suite(folder: Path, generation: Generation) -> Plan:
    """The suite as it was run; its experiment has the metrics and the version of then, and cannot be run."""
    manifest, stored_cells = generation
    text = manifest.text or read_stored(folder / "suite.toml").decode(errors="replace")
    listed = None
    if manifest.listed:
        listed = tuple(dict(zip(manifest.factors, cell.levels, strict=True)) for cell in stored_cells)
    declared = tuple(manifest.seeds if manifest.declared_seeds is None else manifest.declared_seeds)
    alike = {name: getattr(manifest, name) for name in _AS_IN_A_PLAN}
    return Plan(
        **alike | {"text": text, "seeds": manifest.run_seeds, "declared_seeds": declared},
        experiment=Experiment(params=dict, metrics=manifest.metrics, run=_cannot_run, version=manifest.version),
        strata=manifest.stratified,
        factors={name: tuple(level for level, _ in pairs) for name, pairs in manifest.factors.items()},
        listed=listed,
        metrics=manifest.metric_settings,
        published=folder / "published.csv" if manifest.published else None,
        path=in_project(manifest.path),
        settings={name: dict(pairs) for name, pairs in manifest.factors.items()},
    )


def _check(fits: bool, why: str) -> None:
    if not fits:
        raise ValueError(why)


def _cannot_run(*_: object) -> NoReturn:
    raise BenchError("A stored run is a record; it cannot be run.", hint="Run its suite: bench run SUITE.")
