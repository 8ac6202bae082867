"""A suite with planned looks -> its runs up to one look after the other, until its claims are decided."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from bench.errors import BenchError
from bench.execute import interim, journal
from bench.execute.coordinate import Tally
from bench.execute.interim import Looks
from bench.execute.run import Run
from bench.execute.storage import locked
from bench.plan.claims import claims_to_decide
from bench.plan.shape import SequentialTable
from bench.plan.suite import Plan


@dataclass(frozen=True)
class Judged:
    """What the claims come to at a look."""

    decided: Mapping[str, str]
    """Claim's id -> the verdict that stands from now on."""
    hopeless: Collection[str]
    """Claims that no number of seeds decides."""


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


Work = Callable[[Plan, Run], Tally]
"""Runs what is missing of a suite."""
Judge = Callable[[Run, Looks, int], Judged]
"""(run, looks, number of a look) -> what the claims come to by the data of that look."""
OnLook = Callable[[LookResult], None]


def run_to_looks(run: Run, alphas: Sequence[float], *, work: Work, judge: Judge, on_look: OnLook | None = None) -> Run:
    """Run the seeds up to each look in turn and judge the claims there, until none that counts is open.

    Returns the run as far as it came.

    ``alphas``: the error that each look may spend. A look is taken when every run up to it has an outcome: if some
    fail, it is not taken, and the next call tries them again. A look that was taken is not taken again: what it
    decided stands, and what it left open stays open until the next one.
    """
    suite = run.suite
    planned = planned_looks(suite)
    stored = Looks(seeds=suite.seeds, looks=tuple(planned.looks), spending=planned.spending, alphas=tuple(alphas))
    with locked(run.folder):
        stored = interim.plan(run.folder, stored, len(journal.read(run.journal, whole=False).settled()))
    counting = {claim.id for claim in claims_to_decide(suite.claims)}
    gating = any(claim.gate for claim in suite.claims)
    number = max(1, len(stored.taken))
    while True:
        part = dataclasses.replace(suite, seeds=stored.seen(number))
        now = Run(run.folder, part, run.updated)
        tally = work(part, now)
        if tally.failed or tally.lost:
            return now
        judged = judge(now, stored, number)
        if number > len(stored.taken):
            stored = interim.take(run.folder, stored, suite.claims, judged.decided)
        decided = counting & stored.verdicts(suite.claims).keys()
        hopeless = counting & set(judged.hopeless) - decided
        goes_on = number < len(stored.looks) and len(decided) + len(hopeless) < len(counting)
        if on_look is not None:
            seeds, of = stored.looks[number - 1], len(stored.looks)
            on_look(LookResult(number, of, seeds, len(counting), len(decided), len(hopeless), gating, goes_on))
        if not goes_on:
            return now
        number += 1


def planned_looks(suite: Plan) -> SequentialTable:
    """The looks of a suite that can be run sequentially."""
    if suite.looks is None:
        hint = f"Plan them in {suite.path}: [sequential] with looks = [10, 20, 40], the last at all seeds."
        raise BenchError(f"{suite.path} plans no looks.", hint=hint)
    if not suite.claims:
        hint = "Declare what is to be decided as [[claims]] (docs/claims.md), or run without --sequential."
        raise BenchError(f"{suite.path} makes no claims that looks could decide.", hint=hint)
    if len(suite.seeds) != suite.looks.looks[-1]:
        message = f"The last look of {suite.path} is at {suite.looks.looks[-1]} seeds, not at {len(suite.seeds)}."
        raise BenchError(message, hint="Leave out --seeds: looks are at the seeds of the suite.")
    return suite.looks
