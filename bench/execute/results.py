"""A run -> pandas tables of every run that its suite asks for, finished or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.execute.records import STATUSES, Record
from bench.execute.run import Planned, Run
from bench.experiment import strata_of
from bench.plan.suite import Plan


def wide(run: Run) -> pd.DataFrame:
    """One row per planned run, in the order of the design: ``run``, a column per factor, ``seed``, ``status``, metrics.

    Factors are ordered Categoricals with the levels of the suite; ``status`` is ok, diverged, failed, lost or missing;
    a metric without a value is NaN. Where seeds have strata, ``seed`` is that of the first, before a column of each.
    """
    planned = list(run.planned())
    found = [run.contents.records.get(job.key) for job in planned]
    measures = [{} if record is None else record.metrics for record in found]
    table = _columns(run, planned, found)
    for metric in run.suite.experiment.metrics:
        table[metric.name] = np.array([values.get(metric.name, np.nan) for values in measures], dtype=np.float64)
    return pd.DataFrame(table)


def tidy(suite: Plan, table: pd.DataFrame) -> pd.DataFrame:
    """One row per planned run and metric, of one as ``wide`` gives it: its other columns, ``metric`` and ``value``."""
    names = [metric.name for metric in suite.experiment.metrics]
    rows = table.drop(columns=names).loc[np.repeat(np.arange(len(table)), len(names))].reset_index(drop=True)
    order = np.tile(np.arange(len(names)), len(table))
    rows["metric"] = pd.Categorical.from_codes(order, categories=pd.Index(names), ordered=False)
    rows["value"] = table[names].to_numpy(float).reshape(-1)
    return rows


def remarks(run: Run) -> pd.DataFrame:
    """What is said of runs, in ``text``: why one is not ok (``metric`` is empty), or why a metric has no value."""
    records = run.contents.records
    entries = [
        (job, records[job.key], metric, text)
        for job in run.planned()
        if job.key in records
        for metric, text in [("", records[job.key].reason), *records[job.key].notes.items()]
        if metric or text
    ]
    table = _columns(run, [job for job, *_ in entries], [record for _, record, *_ in entries])
    return pd.DataFrame({**table, "metric": [entry[2] for entry in entries], "text": [entry[3] for entry in entries]})


def _columns(run: Run, planned: Sequence[Planned], found: Sequence[Record | None]) -> dict[str, Any]:
    columns: dict[str, Any] = {"run": [job.key for job in planned]}
    for position, (name, levels) in enumerate(run.suite.factors.items()):
        code = {(type(level), level): index for index, level in enumerate(levels)}
        codes = [code[type(job.levels[position]), job.levels[position]] for job in planned]
        columns[name] = pd.Categorical.from_codes(codes, categories=_categories(levels), ordered=True)
    if (strata := run.suite.strata) is None:
        columns["seed"] = np.array([job.seed for job in planned], dtype=np.int64)
    else:
        seeds = {
            column: np.array([strata_of(job.seed)[name] for job in planned], dtype=np.int64)
            for name, column in strata.columns.items()
        }
        columns |= {"seed": seeds[strata.columns[strata.unit]], **seeds}
    statuses = ["missing" if record is None else record.status for record in found]
    columns["status"] = pd.Categorical(statuses, categories=[*STATUSES, "missing"])
    return columns


def _categories(levels: Sequence[Any]) -> pd.Index:
    """Levels that keep their type: pandas would make one of 1 and 2.5 a different number."""
    same = len({type(level) for level in levels}) == 1
    index: pd.Index = pd.Index(levels) if same else pd.Index(levels, dtype=object)
    return index


def measured(suite: Plan, jobs: pd.DataFrame) -> pd.DataFrame:
    """The ``wide`` frame with NaN in every metric of a run that is not ok."""
    names = [metric.name for metric in suite.experiment.metrics]
    return jobs.assign(**jobs[names].where(jobs["status"] == "ok"))
