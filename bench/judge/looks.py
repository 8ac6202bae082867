"""A planned second look at a comparison -> the error that each look may spend, so that looking twice keeps alpha."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.stats.sequential import pocock


@dataclass(frozen=True)
class Look:
    """One of at most two looks; its family of comparisons is judged at ``alpha``."""

    number: int
    of: int
    alpha: float


def look(first: int, more: int | None, seeds: int, alpha: float = 0.05) -> Look:
    """The look at ``seeds`` seeds of a plan: ``first`` seeds, and ``more`` of them where these are undecided.

    The error is spent nearly evenly (Lan & DeMets 1983, Pocock's kind), so that clear changes are told at the first
    look. What the looks spend adds up to ``alpha``, which holds whatever the tests and however many (Bonferroni's
    inequality); boundaries that use the correlation of the looks hold for a single test only.
    """
    if not more:
        return Look(1, 1, alpha)
    spent = float(pocock(np.array([first / (first + more)]), alpha)[0])
    return Look(1, 2, spent) if seeds <= first else Look(2, 2, alpha - spent)
