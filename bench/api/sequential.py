"""A suite with planned looks -> its runs up to one look after the other, until its claims are decided."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from bench.errors import BenchError
from bench.execute import interim, journal
from bench.execute.coordinate import Tally
from bench.execute.interim import LookResult, Looks
from bench.execute.results import measured, wide
from bench.execute.run import Run
from bench.execute.storage import locked
from bench.judge.signed import DECIDED, HOPELESS
from bench.judge.spending import shares
from bench.plan.claims import claims_to_decide
from bench.plan.shape import SequentialTable
from bench.plan.suite import Plan
from bench.present.sections.claims import judge_look


def run_to_looks(run: Run, work: Callable[[Plan, Run], Tally], on_look: Callable[[LookResult], None] | None) -> Run:
    """Run the seeds up to each look in turn and judge the claims there, until none that counts is open.

    Returns the run as far as it came. ``work`` runs what is missing of a suite. A look is taken when every run up to it
    has an outcome: if some fail, it is not taken, and the next call tries them again. A look that was taken is not
    taken again: what it decided stands, and what it left open stays open until the next one.
    """
    suite = run.suite
    planned = planned_looks(suite)
    alphas = tuple(shares(planned.looks, planned.spending))
    stored = Looks(seeds=suite.seeds, looks=tuple(planned.looks), spending=planned.spending, alphas=alphas)
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
        judged = judge_look(now, stored, number, measured(part, wide(now))).claims
        verdicts = dict(zip(judged["claim"], judged["verdict"], strict=True))
        if number > len(stored.taken):
            decided = {claim: verdict for claim, verdict in verdicts.items() if verdict in DECIDED}
            stored = interim.take(run.folder, stored, suite.claims, decided)
        standing = counting & stored.verdicts(suite.claims).keys()
        hopeless = {claim for claim in counting - standing if verdicts.get(claim) in HOPELESS}
        goes_on = number < len(stored.looks) and len(standing) + len(hopeless) < len(counting)
        if on_look is not None:
            seeds, of = stored.looks[number - 1], len(stored.looks)
            on_look(LookResult(number, of, seeds, len(counting), len(standing), len(hopeless), gating, goes_on))
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
