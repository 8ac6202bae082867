"""The gate's own error rates, simulated and stored with a run, become the part of a report that shows them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from pandas import DataFrame

from bench.errors import BenchError
from bench.execute.run import Run
from bench.execute.storage import read_stored, replace
from bench.present import numbers
from bench.present.render.json import dumps, records
from bench.present.report import Column, Report, Section, Table

_FILE = "calibration.json"


def store(run: Run, rates: DataFrame) -> None:
    """Keep the rates (``bench.judge.gate.calibration.calibrate_gate``) in the folder of the run that they are of."""
    replace(run.folder / _FILE, dumps({**_subject(run), "rates": records(rates)}))


def sections(run: Run) -> Iterator[Section]:
    """What is stored of the gate's error rates, if that is of this suite and number of seeds; else nothing."""
    path = run.folder / _FILE
    if not os.path.lexists(path):
        return
    try:
        stored = json.loads(read_stored(path))
        if all(stored[name] == value for name, value in _subject(run).items()):
            yield _section(run, DataFrame(stored["rates"]), appendix=True)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        hint = "Delete it, or measure again: bench calibrate RUN."
        raise BenchError(f"{path} is damaged: {error!s:.80}.", hint=hint) from error


def report(run: Run, rates: DataFrame) -> Report:
    """The rates by themselves."""
    section = _section(run, rates, appendix=False)
    return Report(f"{run.suite.name}: error rates of the gate", {}, [section], {"rates": rates})


def _subject(run: Run) -> dict[str, object]:
    return {"digest": run.suite.digest, "seeds": len(run.suite.seeds)}


def _section(run: Run, rates: DataFrame, *, appendix: bool) -> Section:
    labels = {metric.name: metric.label for metric in run.suite.experiment.metrics}
    nothing = rates[rates["size"] == 0.0]
    planted = rates[rates["size"] > 0.0]
    shown = planted.assign(label=planted["metric"].map(labels))
    first = nothing.iloc[0]
    lead = (
        f"Where nothing has changed but the seeds, {numbers.percent(float(nothing['any_alarm'].max()))} of comparisons "
        f"of this size ({int(first['tests'])} tests, {numbers.counted(len(run.suite.seeds), 'seed')}) raise a false "
        "alarm; at most 5% is promised."
    )
    tables = [_false_alarms(nothing), _power(shown)]
    return Section("Error rates of this gate", [lead, _HOW], exhibits=tables, appendix=appendix)


def _false_alarms(rates: DataFrame) -> Table:
    columns = (
        Column("Noise", ("noise",), key=True),
        Column("Comparisons", ("comparisons",), "count"),
        Column("False alarms, each run [95%]", ("any_alarm", "any_alarm_low", "any_alarm_high"), "interval"),
        Column("Each metric and cell", ("alarm",), "percent"),
        Column("Shown to be equivalent", ("equivalent",), "percent"),
    )
    return Table("False alarms where nothing is planted", rates, columns)


def _power(rates: DataFrame) -> Table:
    columns = (
        Column("Metric", ("label",), key=True),
        Column("Size", ("size",), "value"),
        Column("In", ("unit",)),
        Column("Found in a run [95%]", ("any_alarm", "any_alarm_low", "any_alarm_high"), "interval"),
        Column("In each cell", ("alarm",), "percent"),
        Column("Called equivalent", ("equivalent",), "percent"),
    )
    return Table("How often a change of one metric in all its cells is found", rates, columns)


_HOW = (
    "Both sides are simulated: with the means of this run and its covariances over seeds (normal), or from its seeds "
    "drawn again (resampled). So a change stands against the noise of other seeds, which is larger than that between "
    "runs of the same seeds. Sizes are in margins, or in SDs of the difference of two runs where a metric has none."
)
