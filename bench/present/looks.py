"""Looks that were planned and taken become sentences: where a run stands after each, and what its error came to."""

from __future__ import annotations

from collections.abc import Iterator

from pandas import DataFrame

from bench.execute.interim import LookResult, Looks
from bench.execute.run import Run
from bench.judge.signed import DECIDED, HOPELESS
from bench.plan.claims import claims_to_decide
from bench.present import numbers


def line(look: LookResult) -> str:
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


def sentences(run: Run, planned: Looks, claims: DataFrame) -> Iterator[str]:
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
