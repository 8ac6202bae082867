"""How the claims of a run stand becomes words: which were made after results, and what was decided at which look."""

from __future__ import annotations

from collections.abc import Iterator

from pandas import DataFrame

from bench.execute import manifest
from bench.execute.interim import LookResult, Looks
from bench.execute.precedence import seals
from bench.execute.run import Run
from bench.judge.signed import DECIDED, HOPELESS
from bench.plan.claims import claims_to_decide
from bench.plan.find import from_project
from bench.present import numbers


def post_hoc(run: Run) -> list[str]:
    """The claims that were made, or changed, when results of their jobs were stored somewhere; sealed ones never."""
    return [] if run.seal else _late(run)


def sentences(run: Run) -> Iterator[str]:
    """Which claims are post hoc and why, and what shows that the others are not."""
    stored = manifest.read(run.folder)
    if stored.seal and not run.seal:
        yield f"The seal {stored.seal} does not fit what was claimed and run, and proves nothing."
    if run.seal:
        yield from _sealed(run)
        return
    late = post_hoc(run)
    if late:
        yield f"Post hoc: {numbers.listed([_why(run, name) for name in late], most=20)}."
    if len(late) < len(run.suite.claims):
        which, home = "the other claims" if late else "the claims", from_project(run.folder.parent)
        yield (
            f"That {which} came before the results is on the record of this folder alone: its run.json, written on "
            f"{stored.host} by the clock of that machine. It knows of the results below {home}; what was "
            "deleted, changed by hand, run elsewhere, or run with other parameters or another version leaves no trace. "
            f"Sealed seeds need no record: seeds = {{ sealed = {len(run.suite.seeds)} }}."
        )


def _sealed(run: Run) -> Iterator[str]:
    others = len(seals(run.folder.parent, run.suite.reference) - {run.seal})
    variants = f"{numbers.counted(others, 'other sealed variant')} of this experiment" if others else "no other variant"
    yield (
        f"Sealed: the seeds are drawn from {run.seal}, a hash of what is claimed, the cells, the experiment and its "
        "version, so that no result of them can be known before the claims were fixed. To show when that was, and that "
        f"no variants were tried, publish the seal before the run (a commit, a registration): "
        f"{from_project(run.folder.parent)} holds {variants}."
    )
    if late := _late(run):
        yield f"Reworded after results, which a seal does not prevent: {numbers.listed(late, most=20)}."


def _late(run: Run) -> list[str]:
    return [
        claim.id for claim in run.suite.claims if claim.id not in run.declared or run.declared[claim.id].results > 0
    ]


def _why(run: Run, name: str) -> str:
    if name not in run.declared:
        return f"{name} (run.json does not say when it was made)"
    entry = run.declared[name]
    found = numbers.counted(entry.results, "result")
    return f"{name} ({found} of its runs stored before, in {numbers.listed(entry.where) or run.folder.name})"


def look_line(look: LookResult) -> str:
    """``look 1 of 3: 10 seeds: 2 of 3 claims decided, going on``."""
    noun = "gating claim" if look.gating else "claim"
    said = f"look {look.number} of {look.of}: {look.seeds} seeds: "
    said += f"{look.decided} of {numbers.counted(look.claims, noun)} decided"
    if look.hopeless:
        said += f", {look.hopeless} not identifiable in this design"
    return f"{said}, {'going on' if look.goes_on else 'stopping'}"


def waiting(run: Run, planned: Looks) -> str:
    """What is said of the claims before the first look."""
    return (
        f"No look was taken yet: the first is planned at {planned.looks[0]} seeds, and no claim is judged before. "
        f"{run.suite.command} --sequential goes on."
    )


def of_looks(run: Run, planned: Looks, claims: DataFrame) -> Iterator[str]:
    """How far a sequential run came, what its verdicts cost, and what its numbers do not correct."""
    taken, of = len(planned.taken), len(planned.looks)
    counting = claims["claim"].isin([claim.id for claim in claims_to_decide(run.suite.claims)])
    is_open = ~claims.loc[counting, "verdict"].isin([*DECIDED, *HOPELESS])
    stopped = taken == of or not is_open.any()
    yield (
        f"The run was sequential: looks at {numbers.listed([str(look) for look in planned.looks])} seeds were planned "
        f"before any result, the error spent {_SPENT[planned.spending]}. It "
        + ("stopped at" if stopped else "goes on after")
        + f" look {taken} of {of}, at {planned.looks[taken - 1]} seeds, with {_error(sum(planned.alphas[:taken]))} of "
        f"{_error(sum(planned.alphas))} spent; this look could spend {_error(planned.alphas[taken - 1])}. What a look "
        "decided stands. The looks' shares add up, so that the chance of any wrong verdict of a kind stays below their "
        "sum."
    )
    run_since = len(run.suite.seeds) - planned.looks[taken - 1]
    if run_since > 0:
        yield f"The claims rest on the {planned.looks[taken - 1]} seeds of that look; {run_since} more are in the rest."
    if taken < of:
        yield (
            "Estimates and intervals are not corrected for the looks: where a run stops early, estimates tend to lie "
            "too far from no effect."
        )


_SPENT = {
    "obrien_fleming": "mostly at the last (O'Brien and Fleming's kind)",
    "pocock": "nearly evenly (Pocock's kind)",
}


def _error(alpha: float) -> str:
    return f"{alpha:.3g}"
