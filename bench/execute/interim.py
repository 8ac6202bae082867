"""The folder of a run -> the looks that were planned at its claims and those that were taken, and what they decided.

``looks.json`` holds the plan, made before the first result, and every look with its decisions. It only ever grows: no
look is forgotten, and none is taken twice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.errors import BenchError
from bench.execute.storage import Versioned, locked
from bench.plan.claims import Claim
from bench.plan.shape import Spending

FILE = "looks.json"


@dataclass(frozen=True)
class Decision:
    """A verdict that stands from the look that gave it, on the claim ``id`` of that ``digest``."""

    id: str
    digest: str
    verdict: str


@dataclass(frozen=True)
class Taken:
    """A look that was taken."""

    at: datetime
    decided: tuple[Decision, ...]
    """What it decided and no earlier look had."""


class Looks(Versioned):
    """What ``looks.json`` holds."""

    SCHEMA = 1
    HINT = "It says what was decided at which look and cannot be made again: restore it, or start with --fresh."

    schema_version: int = 1
    seeds: tuple[int, ...]
    """The suite's, of which the looks take the first ones."""
    looks: tuple[int, ...]
    """Numbers of seeds."""
    spending: Spending
    alphas: tuple[float, ...]
    """The error that each look may spend."""
    taken: tuple[Taken, ...] = ()

    def seen(self, number: int) -> tuple[int, ...]:
        """The seeds that the look of this ``number``, counted from 1, judges."""
        return self.seeds[: self.looks[number - 1]]

    def verdicts(self, claims: Sequence[Claim]) -> Mapping[str, str]:
        """Claim's id -> the verdict that some look gave on what the claim says now."""
        said = {(claim.id, claim.digest) for claim in claims}
        decisions = [entry for look in self.taken for entry in look.decided]
        return {entry.id: entry.verdict for entry in decisions if (entry.id, entry.digest) in said}

    def deciding_look(self, claim: Claim) -> int:
        """The number of the look that decided a claim, 0 if none did."""
        said = claim.id, claim.digest
        looks = enumerate(self.taken, 1)
        return next((n for n, look in looks if said in {(entry.id, entry.digest) for entry in look.decided}), 0)


def read(folder: Path) -> Looks | None:
    """The looks planned and taken in the folder of a run; None if it is not run sequentially."""
    return Looks.read(folder / FILE) if os.path.lexists(folder / FILE) else None


def plan(folder: Path, looks: Looks, results: int) -> Looks:
    """The plan of looks in the folder, which must be locked: ``looks``, stored before or now, ahead of any result."""
    stored = read(folder)
    if stored is not None:
        if looks.model_copy(update={"taken": stored.taken}) == stored:
            return stored
        planned = f"{', '.join(map(str, stored.looks))} seeds ({stored.spending})"
        message = f"{folder} was planned with looks at {planned}; the suite now plans others, or other seeds."
        raise BenchError(message, hint="Restore them in the suite; or --fresh moves the results aside and plans anew.")
    if results:
        message = f"{folder} holds {results} results, and looks are planned before there are any."
        hint = "Move them aside with --fresh, or write elsewhere with --out; or run without --sequential."
        raise BenchError(message, hint=hint)
    looks.write(folder / FILE)
    return looks


def take(folder: Path, looks: Looks, claims: Sequence[Claim], decided: Mapping[str, str]) -> Looks:
    """Write down that the next look was taken and what it ``decided``: claim's id -> verdict."""
    before = looks.verdicts(claims)
    made = tuple(
        Decision(claim.id, claim.digest, decided[claim.id])
        for claim in claims
        if claim.id in decided and claim.id not in before
    )
    taken = looks.model_copy(update={"taken": (*looks.taken, Taken(datetime.now(UTC), made))})
    with locked(folder):
        if read(folder) != looks:
            raise BenchError(f"Another process took a look at {folder}.", hint="Give the same command again.")
        taken.write(folder / FILE)
    return taken


@dataclass(frozen=True)
class LookResult:
    """Where a run stands after a look."""

    number: int
    of: int
    seeds: int
    claims: int
    """Those that the run goes on for: the gating ones, or all if none gates."""
    decided: int
    hopeless: int
    gating: bool
    goes_on: bool
