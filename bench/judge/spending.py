"""Planned looks at growing data -> the error that each look may spend, so that all looks together keep alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.plan.shape import Spending
from bench.stats.boundaries import obrien_fleming, pocock

_SPENDING = {"obrien_fleming": obrien_fleming, "pocock": pocock}


@dataclass(frozen=True)
class Look:
    """One of at most two looks; its family of comparisons is judged at ``alpha``."""

    number: int
    of: int
    alpha: float


def shares(seeds: Sequence[int], spending: Spending, alpha: float = 0.05) -> tuple[float, ...]:
    """What looks after so many ``seeds`` each, rising, may spend; they add up to ``alpha``.

    A look may spend what Lan & DeMets (1983) let be spent by then, less what earlier looks could. Any procedure that
    keeps its family-wise error at a look below that look's share keeps it below ``alpha`` over all looks: the chance
    that some look errs is at most the sum (Bonferroni's inequality), whatever the tests, however many, and however the
    looks depend on each other. Boundaries that use the correlation of the looks hold for a single test, not for Holm's
    family of several, nor for the t of few seeds.
    """
    spent = _SPENDING[spending](np.asarray(seeds, float) / seeds[-1], alpha)
    return tuple(float(share) for share in np.diff(spent, prepend=0.0))


def look(first: int, more: int | None, seeds: int, alpha: float = 0.05) -> Look:
    """The look at ``seeds`` seeds of a plan: ``first`` seeds, and ``more`` of them where these are undecided.

    The error is spent nearly evenly (Lan & DeMets 1983, Pocock's kind), so that clear changes are told at the first
    look, and adds up to ``alpha`` (``shares``).
    """
    if not more:
        return Look(1, 1, alpha)
    early, late = shares((first, first + more), "pocock", alpha)
    return Look(1, 2, early) if seeds <= first else Look(2, 2, late)
