"""A suite and what is stored of it -> how many jobs and batches are missing, and what time and disk they will take."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from statistics import fmean, median
from types import MappingProxyType
from typing import Any

from bench.execute.batches import even_size, missing
from bench.execute.records import OUTCOMES, Record, encode_record
from bench.plan.design import n_jobs
from bench.plan.suite import Plan


@dataclass(frozen=True)
class Forecast:
    """What it will take to run what is missing of a suite; NaN where nothing is stored to judge by."""

    planned: int
    """Jobs that the suite asks for."""
    stored: int
    to_run: int
    batches: int
    workers: int
    seconds: float
    """By the clock, start-up aside: what stored jobs of the same cells took, shared out among the workers."""
    bytes: float
    """That the journal will grow by."""


def forecast(
    suite: Plan, records: Mapping[str, Record], workers: int, again: Mapping[str, Record] = MappingProxyType({})
) -> Forecast:
    """What it will take ``workers`` to run the jobs of ``suite`` that have no outcome among the stored ``records``.

    ``again``: records of jobs that are run again, which tell how long they take. A job is expected to take the median
    of the stored jobs of its cell, or where its cell has none, the mean of the cells' medians.
    """
    settled = {key: record for key, record in records.items() if record.status in OUTCOMES}
    known = {**again, **settled}
    of_cell = _seconds(known)
    usual = fmean(of_cell.values()) if of_cell else math.nan
    groups: Counter[Hashable] = Counter()
    seconds = 0.0
    for job in missing(suite, settled):
        groups[job.group] += 1
        seconds += of_cell.get(_cell(job.levels), usual)
    to_run = groups.total()
    size = even_size(to_run, workers, suite.experiment.batch_size) if to_run else 1
    planned = n_jobs(suite)
    line = fmean(len(encode_record(record)) for record in itertools.islice(known.values(), 100)) if known else math.nan
    return Forecast(
        planned=planned,
        stored=planned - to_run,
        to_run=to_run,
        batches=sum(math.ceil(n / size) for n in groups.values()),
        workers=workers,
        seconds=seconds / max(1, min(workers, to_run)),
        bytes=line * to_run if to_run else 0.0,
    )


def _seconds(records: Mapping[str, Record]) -> dict[Hashable, float]:
    """Cell -> median of what its jobs took."""
    found: dict[Hashable, list[float]] = defaultdict(list)
    for record in records.values():
        found[_cell(record.levels)].append(record.seconds)
    return {cell: median(seconds) for cell, seconds in found.items()}


def _cell(levels: Mapping[str, Any]) -> Hashable:
    return frozenset(levels.items())
