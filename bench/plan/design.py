"""A suite -> its cells and jobs, one at a time and in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from bench.errors import BenchError
from bench.experiment import Job
from bench.plan.grid import n_combinations
from bench.plan.levels import Level, attempt, describe
from bench.plan.suite import Plan


@dataclass(frozen=True)
class Cell:
    """One combination of levels, and the experiment's parameters that it stands for."""

    levels: Mapping[str, Level]
    params: Any


MOST_KEPT = 100_000
"""So many cells at most are made once and kept for every seed; more are made anew for each."""
_T = TypeVar("_T")


def n_cells(suite: Plan) -> int:
    """How many cells there are; none is made but where some of a grid are nested or excluded."""
    if suite.listed is not None:
        return len(suite.listed)
    return n_combinations(suite.factors, suite.nestings, suite.exclusions)


def n_jobs(suite: Plan) -> int:
    """How many jobs there are: one for each cell and seed."""
    return n_cells(suite) * len(suite.seeds)


def cells(suite: Plan) -> Iterator[Cell]:
    """Every cell, made when it is asked for.

    Raises:
        BenchError: at a combination that the experiment refuses.
    """
    for levels in suite.combinations():
        trial = attempt(suite.experiment, suite.values(levels))
        for refusal in trial.refusals.values():
            message = f"{suite.path}: the experiment refuses the cell {describe(levels)}."
            raise BenchError(message, hint=refusal.allowed)
        yield Cell(levels, trial.params)


def jobs(suite: Plan) -> Iterator[tuple[Cell, Job]]:
    """Every job with its cell: all cells of the first seed, then all of the next."""
    for cell, seed in seeded(suite, lambda cell: cell):
        yield cell, Job(cell.params, seed)


def seeded(suite: Plan, make: Callable[[Cell], _T]) -> Iterator[tuple[_T, int]]:
    """What ``make`` makes of every cell, with every seed, in the order of ``jobs``."""
    keeps = len(suite.seeds) > 1 and n_cells(suite) <= MOST_KEPT
    kept: list[_T] = []
    for turn, seed in enumerate(suite.seeds):
        if keeps and turn > 0:
            yield from ((made, seed) for made in kept)
            continue
        for cell in cells(suite):
            made = make(cell)
            if keeps:
                kept.append(made)
            yield made, seed
