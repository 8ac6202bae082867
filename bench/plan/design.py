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
    """One combination of levels, with the experiment's parameters for it."""

    levels: Mapping[str, Level]
    """Factor -> level."""
    params: Any
    """An instance of ``Experiment.params``."""


MOST_IN_MEMORY = 100_000
"""So many cells at most are made once and held in memory for all seeds; more are made anew for each seed."""
_T = TypeVar("_T")


def n_cells(suite: Plan) -> int:
    """The number of cells; they are made, and counted, only where parts of a grid are nested or excluded."""
    if suite.listed is not None:
        return len(suite.listed)
    return n_combinations(suite.factors, suite.nestings, suite.exclusions)


def n_jobs(suite: Plan) -> int:
    """The number of jobs: one for each cell and seed."""
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
    """``make(cell)`` and a seed, for every cell and seed in the order of ``jobs``."""
    fit_in_memory = len(suite.seeds) > 1 and n_cells(suite) <= MOST_IN_MEMORY
    memory: list[_T] = []
    for seed in suite.seeds:
        if memory:
            yield from ((item, seed) for item in memory)
            continue
        for cell in cells(suite):
            item = make(cell)
            if fit_in_memory:
                memory.append(item)
            yield item, seed
