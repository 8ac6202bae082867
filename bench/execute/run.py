"""The folder of a run: a suite goes in; what is planned and what is done come out, and no experiment is imported.

``reports/<name>/`` holds the files of ``manifest`` (what was planned), ``journal/`` (the results) and ``lock``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from bench.errors import BenchError
from bench.execute import REPORTS, artefacts, interim, manifest
from bench.execute.interim import Looks
from bench.execute.journal import Contents, read
from bench.execute.precedence import declare
from bench.execute.records import experiments
from bench.execute.storage import DamagedError, locked, read_stored, storing
from bench.experiment import identifier, strata_of
from bench.plan.design import MOST_IN_MEMORY, n_cells
from bench.plan.seeds import draw_seeds, seal
from bench.plan.suite import Plan


@dataclass(frozen=True)
class Run:
    """A folder and the suite that was last run in it."""

    folder: Path
    suite: Plan
    """As loaded for this run, or as stored: then its experiment knows its metrics and version, and cannot be run."""
    updated: datetime
    """When the suite was last run."""
    stored: manifest.Generation | None = field(default=None, repr=False, compare=False)
    """What was read of the plan; None of a run that is being made, whose plan is read when it is asked for."""

    @property
    def plan(self) -> manifest.Generation:
        """What is planned, as it is stored: all that ``run.json`` holds, and the cells."""
        return self.stored or manifest.read_all(self.folder)

    @property
    def head(self) -> manifest.Manifest:
        """The same without the cells."""
        return self.stored[0] if self.stored else manifest.read(self.folder)

    @property
    def published(self) -> bytes:
        """The published table that the suite names."""
        table = self.head.table
        return read_stored(self.folder / "published.csv") if table is None else table.encode()

    @property
    def journal(self) -> Path:
        """The folder of the journal."""
        return self.folder / "journal"

    @property
    def artefacts(self) -> Path:
        """The folder of the arrays that jobs stored."""
        return self.folder / "artefacts"

    @cached_property
    def contents(self) -> Contents:
        """All that the journal holds, read once."""
        return read(self.journal, [metric.name for metric in self.suite.experiment.metrics])

    @cached_property
    def source(self) -> Mapping[str, str]:
        """File -> digest: the source of the experiment when the suite was last run; empty where it is not known."""
        return self.head.source

    def key(self, seed: int | Mapping[str, int], levels: Mapping[str, Any]) -> str:
        """The key of the one planned job with this seed, or these seeds of its strata, and these levels."""
        found = [
            job.key
            for job in self.planned()
            if seed in (job.seed, strata_of(job.seed))
            and levels.items() <= dict(zip(self.suite.factors, job.levels, strict=True)).items()
        ]
        if len(found) == 1:
            return found[0]
        given = ", ".join(f"{name}={level!r}" for name, level in levels.items())
        factors = "; ".join(f"{name}: {', '.join(map(repr, known))}" for name, known in self.suite.factors.items())
        message = f"{len(found) or 'No'} runs of {self.folder} have seed={seed}, {given or 'any levels'}."
        raise BenchError(message, hint=f"Give a level of each factor ({factors}) and a planned seed.")

    def arrays(self, key: str) -> dict[str, NDArray[Any]]:
        """The arrays of the job ``key`` by name; none if it stored none."""
        record = self.contents.records.get(key)
        if record is None:
            hint = "The column `run` of bench.load names those that have one."
            raise BenchError(f"{self.folder} has no result of a run {key!r:.80}.", hint=hint)
        try:
            return artefacts.read(self.artefacts, record.artefact) if record.artefact else {}
        except ValueError as error:
            hint = "The metrics are not concerned; bench run --fresh makes all anew."
            raise BenchError(f"The arrays of the run {key} cannot be read: {error}.", hint=hint) from error

    @cached_property
    def declared(self) -> Mapping[str, manifest.Declaration]:
        """Claim's id -> when it was first made as the suite makes it now."""
        entries = self.head.declared
        said = {(claim.id, claim.digest) for claim in self.suite.claims}
        return {entry.id: entry for entry in entries if (entry.id, entry.digest) in said}

    @cached_property
    def seal(self) -> str:
        """The seal that the seeds were drawn from; empty if they are not drawn from what was run and claimed."""
        stored, cells = self.plan
        if not stored.seal:
            return ""
        changed = (cell.changed for cell in cells)
        own = seal(stored.claims, changed, stored.reference, stored.version)
        strata = self.suite.strata
        drawn = draw_seeds(own, len(stored.seeds)) if strata is None else strata.sealed(own).runs()
        return own if own == stored.seal and tuple(stored.seeds) == drawn else ""

    @cached_property
    def looks(self) -> Looks | None:
        """The looks that were planned and taken; None if it is not run sequentially."""
        return interim.read(self.folder)

    @property
    def n_planned(self) -> int:
        """How many jobs are planned: more than ``planned`` gives, if the run was ended before its cells were listed."""
        head = self.head
        return head.n_cells * len(head.seeds)

    def planned(self) -> Iterator[Planned]:
        """Every planned job in the order of the design, as it was stored.

        Of a run that was ended before its cells were listed, only those that have been run, by what the journal says.
        """
        stored, cells = self.plan
        if not cells:
            yield from _run_so_far(self.folder, stored)
            return
        keys = [identifier(cell.changed, stored.version) for cell in cells]
        for seed in stored.run_seeds:
            for cell, key_of in zip(cells, keys, strict=True):
                yield Planned(key_of(seed), cell.levels, seed)


@dataclass(frozen=True, slots=True)
class Planned:
    """One run that the suite asks for."""

    key: str
    levels: Sequence[Any]
    """In the order of the suite's factors."""
    seed: int


def create(suite: Plan, out: Path = REPORTS, *, fresh: bool = False) -> Run:
    """The run of ``suite`` under ``out``, new or continued; ``fresh`` moves an old one aside and starts anew."""
    folder = out / suite.name
    entries = _entries(folder)
    if fresh and entries & OURS:
        _move_aside(folder)
        entries = _entries(folder)
    if entries & OURS:
        if others := _references(folder) - {suite.reference}:
            raise BenchError(
                f"{folder} holds runs of {', '.join(sorted(others))}, and {suite.path} is of {suite.reference}.",
                hint="Give the suite another name or write elsewhere with --out; --fresh moves the old folder aside.",
            )
    elif foreign := entries - _REPORTS:
        raise BenchError(
            f"{folder} is not the folder of a run: it holds {', '.join(sorted(foreign)[:3])}.",
            hint="Give the suite another name, or write elsewhere with --out.",
        )
    return Run(folder, suite, datetime.now(UTC))


def _references(folder: Path) -> set[str]:
    """The experiments whose results a folder holds, as its plan says, or if that is lost, its journal."""
    try:
        if os.path.lexists(folder / "run.json"):
            return {manifest.read(folder).reference}
    except DamagedError:  # which the run mends
        pass
    return experiments(folder / "journal")


def continue_run(run: Run, suite: Plan) -> Run:
    """The stored ``run``, to be continued with the seeds of ``suite``, which must otherwise be its own."""
    if (suite.digest, suite.reference) != (run.suite.digest, run.suite.reference):
        raise BenchError(
            f"{suite.path} is not the suite that {run.folder} was last run by.",
            hint="Name the file of its suite; if it was changed since, run it first: bench run SUITE.",
        )
    return Run(run.folder, suite, datetime.now(UTC))


def store(run: Run, suite: Plan, source: Mapping[str, str] = MappingProxyType({})) -> manifest.Manifest:
    """Write down that ``suite`` is what ``run`` plans from now on; its folder must be locked.

    Very many cells are left to ``list_cells``: what a reader cannot do without is there before. ``source``: file ->
    digest, of the experiment as it is now (``bench.plan.imports``).
    """
    declared, sealings = declare(run.folder, suite, run.updated)
    plan = manifest.of(suite, run.updated, source=source, declared=declared, sealings=sealings)
    if n_cells(suite) <= MOST_IN_MEMORY:
        return list_cells(run, plan, suite)
    manifest.write(run.folder, plan)
    return plan


def list_cells(run: Run, plan: manifest.Manifest, suite: Plan) -> manifest.Manifest:
    """Write down the cells of ``suite``, and ``plan`` with the name of that list, which is returned."""
    plan = manifest.write_cells(run.folder, plan, suite)
    manifest.write(run.folder, plan)
    return plan


def load(folder: Path) -> Run:
    """The run that is stored in ``folder``."""
    generation = manifest.read_all(folder)
    stored, _ = generation
    suite = manifest.read_suite(folder, generation)
    if suite.listed == ():  # the run was ended before its cells were listed
        so_far = dict.fromkeys(tuple(job.levels) for job in _run_so_far(folder, stored))
        suite = replace(suite, listed=tuple(dict(zip(suite.factors, levels, strict=True)) for levels in so_far))
    return Run(folder, suite, stored.updated, generation)


def _run_so_far(folder: Path, stored: manifest.Manifest) -> Iterator[Planned]:
    """The jobs that coordinators of this very suite have stored, in the order of the design."""
    contents = read(folder / "journal")
    run_seeds = stored.run_seeds
    seeds = {seed: place for place, seed in enumerate(run_seeds)}
    places: list[dict[tuple[type, Any], int]] = [
        {(type(level), level): place for place, (level, _) in enumerate(pairs)} for pairs in stored.factors.values()
    ]
    jobs: list[tuple[int, list[int], Planned]] = []
    for key, session in contents.session_of.items():
        record, by = contents.records[key], contents.sessions[session]
        if (by.get("suite"), by.get("version")) == (stored.digest, stored.version) and record.seed in seeds:
            levels = [record.levels.get(name) for name in stored.factors]
            cell = [place.get((type(level), level), -1) for place, level in zip(places, levels, strict=True)]
            if min(cell, default=0) >= 0:
                place = seeds[record.seed]
                jobs.append((place, cell, Planned(key, levels, run_seeds[place])))
    yield from (job for *_, job in sorted(jobs, key=lambda entry: entry[:2]))


OURS = {"lock", "suite.toml", "run.json", "journal"}
"""By any of these the folder of a run is known, even if others are lost or were never written."""
_REPORTS = {"report.md", "report.html", "figures", "tables"}
"""What reports leave in the folder of a run; a project may keep them where it does not keep the run."""


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
