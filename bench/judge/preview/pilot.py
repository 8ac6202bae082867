"""A stored run and a suite of the same experiment -> what its seeds tell about noise and time, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.execute.run import Run
from bench.experiment import Job, strata_of
from bench.plan.design import cells
from bench.plan.suite import Plan
from bench.stats.coding import Floats, Ints


@dataclass(frozen=True)
class Pilot:
    """Stored results of the cells of a suite; NaN where the run has none."""

    name: str
    seeds: tuple[int, ...]
    values: Mapping[str, Floats]
    """Metric -> values as measured, shape (seeds, cells); of seeds with strata, means within those of the first."""
    seconds: Floats
    """Mean time of a run of each cell, alone on one worker; shape (cells,)."""
    runs: Mapping[str, Floats]
    """Metric -> values of all runs, shape (runs of a cell, cells); the same where seeds have no strata."""
    strata: tuple[str, ...] = ()
    """Names of the strata, the outermost first; empty without."""
    labels: Ints | None = None
    """The seeds of the strata of each run of a cell, shape (runs of a cell, strata)."""

    @property
    def seconds_per_run(self) -> float:
        """Mean over the cells that have a time."""
        return float(np.nanmean(self.seconds))


def read_pilot(run: Run, suite: Plan) -> Pilot | None:
    """The results of ``run`` for the cells of ``suite``, found by what the jobs are and not by how either names them.

    Of a run whose seeds have strata, those that it was last run with. None if it holds none of them.
    """
    records = {key: record for key, record in run.contents.records.items() if record.status == "ok"}
    strata = run.suite.strata
    seeds = tuple(sorted({record.seed for record in records.values()})) if strata is None else run.suite.seeds
    of_cells = [
        [records.get(suite.experiment.key(Job(cell.params, seed))) for seed in seeds]  # a cell's results
        for cell in cells(suite)
    ]
    if not any(record for results in of_cells for record in results):
        return None
    nan = float("nan")
    values = {
        metric.name: np.array(
            [[nan if record is None else record.metrics.get(metric.name, nan) for record in row] for row in of_cells]
        ).T
        for metric in suite.experiment.metrics
    }
    times = [[record.seconds for record in row if record is not None] for row in of_cells]
    seconds = np.array([np.mean(row) if row else nan for row in times])
    if strata is None:
        return Pilot(run.folder.name, seeds, values, seconds, values)
    labels = np.array([[*strata_of(seed).values()] for seed in seeds], np.int64)
    means = {
        name: _unit_means(table, labels[:, 0], log=suite.metrics[name].scale == "log") for name, table in values.items()
    }
    return Pilot(run.folder.name, seeds, means, seconds, values, tuple(strata.seeds), labels)


def _unit_means(table: Floats, units: Ints, *, log: bool) -> Floats:
    """Means of the rows of each unit that have a value; geometric ones for a metric analysed as logarithms."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = pd.DataFrame(np.log(table) if log else table).groupby(units).mean()
    return np.asarray(np.exp(rows) if log else rows, float)
