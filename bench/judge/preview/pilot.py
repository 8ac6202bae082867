"""A stored run and a suite of the same experiment -> what its seeds tell about noise and time, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.execute.run import Run
from bench.experiment import Job
from bench.plan.design import cells
from bench.plan.suite import Plan
from bench.stats.coding import Floats


@dataclass(frozen=True)
class Pilot:
    """Stored results of the cells of a suite; NaN where the run has none."""

    name: str
    seeds: tuple[int, ...]
    values: Mapping[str, Floats]
    """Metric -> values as measured, shape (seeds, cells)."""
    seconds: Floats
    """Mean time of a run of each cell, alone on one worker; shape (cells,)."""

    @property
    def seconds_per_run(self) -> float:
        """Mean over the cells that have a time."""
        return float(np.nanmean(self.seconds))


def read_pilot(run: Run, suite: Plan) -> Pilot | None:
    """The results of ``run`` for the cells of ``suite``, found by what the jobs are and not by how either names them.

    None if it holds none of them.
    """
    records = {key: record for key, record in run.contents.records.items() if record.status == "ok"}
    seeds = tuple(sorted({record.seed for record in records.values()}))
    found = [
        [records.get(suite.experiment.key(Job(cell.params, seed))) for seed in seeds]  # a cell's results
        for cell in cells(suite)
    ]
    if not any(record for results in found for record in results):
        return None
    nan = float("nan")
    values = {
        metric.name: np.array(
            [[nan if record is None else record.metrics.get(metric.name, nan) for record in row] for row in found]
        ).T
        for metric in suite.experiment.metrics
    }
    times = [[record.seconds for record in row if record is not None] for row in found]
    seconds = np.array([np.mean(row) if row else nan for row in times])
    return Pilot(run.folder.name, seeds, values, seconds)
