"""A suite and the jobs that are settled -> the jobs that are missing, in batches that a worker runs at once."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError
from bench.experiment import identifier
from bench.plan.design import Cell, seeded
from bench.plan.suite import Plan

MOST_HELD = 100_000
"""So many jobs at most wait for company; beyond it the fullest group goes as it is."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A job that is to be run, as plain data."""

    key: str
    levels: Mapping[str, Any]
    seed: int
    values: Mapping[str, Any]
    """Parameter -> value (``Experiment.inputs``)."""
    group: Hashable
    """What ``Experiment.batch_by`` says of it."""


def missing(suite: Plan, settled: Collection[str]) -> Iterator[Pending]:
    """Every job that is not settled, in the order of the design; one at a time."""
    experiment = suite.experiment

    def prepare(cell: Cell) -> tuple[Cell, Callable[[int], str], Mapping[str, Any], Hashable]:
        key_of = identifier(experiment.changed(cell.params), experiment.version)
        return cell, key_of, experiment.inputs(cell.params), _group(suite, cell)

    for (cell, key_of, inputs, group), seed in seeded(suite, prepare):
        key = key_of(seed)
        if key not in settled:
            yield Pending(key, cell.levels, seed, inputs, group)


def even_size(n_jobs: int, workers: int, largest: int) -> int:
    """Jobs per batch, at most ``largest``, such that all workers run equally many batches of about that size."""
    rounds = math.ceil(n_jobs / (workers * largest))
    return max(1, math.ceil(n_jobs / (workers * max(1, rounds))))


def batches(pending: Iterable[Pending], size: int, *, most_held: int = MOST_HELD) -> Iterator[list[Pending]]:
    """Batches of up to ``size`` jobs of one group, each in the order given; at the end the largest leftovers first."""
    groups: dict[Hashable, list[Pending]] = defaultdict(list)
    held = 0
    for job in pending:
        group = groups[job.group]
        group.append(job)
        held += 1
        if len(group) >= size:
            held -= len(group)
            yield groups.pop(job.group)
        elif held >= most_held:
            fullest = max(groups, key=lambda name: len(groups[name]))
            held -= len(groups[fullest])
            yield groups.pop(fullest)
    yield from sorted(groups.values(), key=len, reverse=True)


def _group(suite: Plan, cell: Cell) -> Hashable:
    try:
        group = suite.experiment.batch_by(cell.params)
        hash(group)
    except Exception as error:  # a user's function may raise anything; it is theirs to read
        message = f"batch_by of {suite.reference} failed for {cell.params!r:.200}: {type(error).__name__}: {error}"
        raise BenchError(message, hint="It takes the parameters of a job and returns a hashable value.") from error
    return group
