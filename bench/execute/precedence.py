"""A suite and a folder of runs -> what was known of its jobs, and under which seals it was run, when it claimed what.

Results count wherever they lie below the folder of runs: in a run that was moved aside, in one of another name, in a
journal by itself. Only what was deleted, changed by hand or lies elsewhere leaves no trace.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.execute import manifest
from bench.execute.manifest import Declaration, Manifest, Sealing
from bench.execute.records import OUTCOMES, SEGMENT, Record, scan
from bench.plan.design import jobs
from bench.plan.suite import Plan


@dataclass(frozen=True)
class Stored:
    """When and where a job's outcome was first stored."""

    at: datetime
    """When the session that stored it began; the beginning of time if that is unknown."""
    where: str
    """The folder, below that of the runs."""

    def precedes(self, claimed: datetime) -> bool:
        """Whether it was stored before that; a session of an earlier bench has the second in which it began."""
        return self.at < claimed if self.at.microsecond else self.at + timedelta(seconds=1) <= claimed


def declare(folder: Path, suite: Plan, now: datetime) -> tuple[tuple[Declaration, ...], tuple[Sealing, ...]]:
    """What was declared in the folder of a run before, and what the suite claims now that says something else.

    Of each claim it is kept when a run of the experiment first made it, and how many outcomes of the planned jobs were
    stored before, here or in another run; jobs that are planned only now may add to them. Then the seals under which
    the run was run, and that of ``suite``, if it has another.
    """
    stored = manifest.read(folder) if os.path.lexists(folder / "run.json") else None
    before, sealings = (stored.declared, stored.sealings) if stored else ((), ())
    if suite.seal and suite.seal not in {entry.seal for entry in sealings}:
        sealings = (*sealings, Sealing(suite.seal, now))
    if not suite.claims:
        return before, sealings
    own = {(entry.id, entry.digest): entry for entry in before}
    elsewhere = [entry for stored in _manifests(folder.parent, suite.reference) for entry in stored.declared]
    first = {(entry.id, entry.digest): entry for entry in sorted(elsewhere, key=lambda entry: entry.at, reverse=True)}
    outcomes = first_stored(folder.parent, suite).values()
    made = []
    for claim in suite.claims:
        entry, earliest = (known.get((claim.id, claim.digest)) for known in (own, first))
        at = now if earliest is None else earliest.at
        earlier = [outcome for outcome in outcomes if outcome.precedes(at)]
        if entry is None or len(earlier) > entry.results:
            where = tuple(sorted({outcome.where for outcome in earlier}))
            made.append(Declaration(claim.id, claim.digest, at, len(earlier), where))
    return (*before, *made), sealings


def first_stored(out: Path, suite: Plan) -> Mapping[str, Stored]:
    """Key -> the first outcome of each job of ``suite`` in the journals below ``out``, of those that have one."""
    known: dict[str, Stored] = {}
    for folder, _, files in os.walk(out):  # which follows no links
        for key, outcome in _outcomes(Path(folder), out, suite) if any(map(SEGMENT.fullmatch, files)) else ():
            if key not in known or outcome.at < known[key].at:
                known[key] = outcome
    keys = (suite.experiment.key(job) for _, job in (jobs(suite) if known else ()))
    return {key: known[key] for key in keys if key in known}


def seals(out: Path, reference: str) -> set[str]:
    """The seals under which suites of this experiment were run, below ``out``."""
    return {entry.seal for stored in _manifests(out, reference) for entry in stored.sealings}


def _manifests(out: Path, reference: str) -> Iterator[Manifest]:
    for folder, _, files in os.walk(out):
        if "run.json" in files:
            with suppress(BenchError):  # a damaged run says so when it is read itself
                stored = manifest.read(Path(folder))
                if stored.reference == reference:
                    yield stored


def _outcomes(folder: Path, out: Path, suite: Plan) -> Iterator[tuple[str, Stored]]:
    """The outcomes of a journal that are of the experiment."""
    where = str((folder.parent if folder.name == "journal" else folder).relative_to(out))
    metrics = {metric.name for metric in suite.experiment.metrics}
    with suppress(BenchError):  # what cannot be read is said by the run that it belongs to
        for session, item in scan(folder):
            if isinstance(item, Record) and item.status in OUTCOMES:
                known = session.get("experiment")
                if known == suite.reference or (known is None and metrics == set(item.metrics)):
                    yield item.key, Stored(_started(session), where)


def _started(session: Mapping[str, Any]) -> datetime:
    try:
        at = datetime.fromisoformat(session["started"])
    except (KeyError, TypeError, ValueError):
        return datetime.min.replace(tzinfo=UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
