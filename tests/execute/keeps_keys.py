"""Parameters whose keys an earlier bench made otherwise: an int that equals a float default, and a set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.experiment import Experiment, Job, Metric, Progress


@dataclass(frozen=True)
class Params:
    """``max_features`` as scikit-learn has it: 1 is one feature, 1.0 is all of them."""

    max_features: int | float | str = 1.0
    tolerance: float = math.nan
    tags: frozenset[str] = frozenset()


def run(jobs: Sequence[Job], progress: Progress) -> Iterator[Mapping[str, float]]:
    for job in jobs:
        given = job.params.max_features
        yield {"m": (1 if type(given) is int else 30 * given) + len(job.params.tags) + job.seed / 8}


EXPERIMENT = Experiment(params=Params, metrics=[Metric("m", "M")], run=run)
