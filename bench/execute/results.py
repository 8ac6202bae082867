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
    records = run.contents.records
    found = [records.get(job.key) for job in planned]
    return pd.DataFrame({**_columns(run, planned, found), **_metrics(run, found)})


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
    planned = list(run.planned())
    records = run.contents.records
    said: list[tuple[Planned, Record | None, str, str]] = []
    for job in planned:
        record = records.get(job.key)
        if record is None:
            continue
        if record.reason:
            said.append((job, record, "", record.reason))
        said += [(job, record, metric, text) for metric, text in record.notes.items()]
    table = _columns(run, [job for job, *_ in said], [record for _, record, *_ in said])
    return pd.DataFrame({**table, "metric": [entry[2] for entry in said], "text": [entry[3] for entry in said]})


def _columns(run: Run, planned: Sequence[Planned], found: Sequence[Record | None]) -> dict[str, Any]:
    columns: dict[str, Any] = {"run": [job.key for job in planned]}
    for position, (name, levels) in enumerate(run.suite.factors.items()):
        code = {_typed(level): index for index, level in enumerate(levels)}
        codes = [code[_typed(job.levels[position])] for job in planned]
        columns[name] = pd.Categorical.from_codes(codes, categories=_categories(levels), ordered=True)
    columns |= _seeds(run.suite, planned)
    statuses = ["missing" if record is None else record.status for record in found]
    columns["status"] = pd.Categorical(statuses, categories=[*STATUSES, "missing"])
    return columns


def _seeds(suite: Plan, planned: Sequence[Planned]) -> dict[str, Any]:
    if suite.strata is None:
        return {"seed": np.array([job.seed for job in planned], dtype=np.int64)}
    columns = {
        column: np.array([strata_of(job.seed)[name] for job in planned], dtype=np.int64)
        for name, column in suite.strata.columns.items()
    }
    return {"seed": columns[suite.strata.columns[suite.strata.unit]], **columns}


def _metrics(run: Run, found: Sequence[Record | None]) -> dict[str, Any]:
    nan = float("nan")
    return {
        metric.name: np.array(
            [nan if record is None else record.metrics.get(metric.name, nan) for record in found], dtype=np.float64
        )
        for metric in run.suite.experiment.metrics
    }


def _categories(levels: Sequence[Any]) -> pd.Index:
    """Levels that keep their type: pandas would make one of 1 and 2.5 a different number."""
    same = len({type(level) for level in levels}) == 1
    index: pd.Index = pd.Index(levels) if same else pd.Index(levels, dtype=object)
    return index


def _typed(level: Any) -> tuple[type, Any]:
    return type(level), level


def measured(suite: Plan, jobs: pd.DataFrame) -> pd.DataFrame:
    """The ``wide`` frame with NaN in every metric of a run that is not ok."""
    names = [metric.name for metric in suite.experiment.metrics]
    return jobs.assign(**jobs[names].where(jobs["status"] == "ok"))
