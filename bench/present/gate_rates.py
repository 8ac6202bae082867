"""The gate's own error rates, simulated and stored with a run, become the part of a report that shows them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pandas import DataFrame

from bench.errors import BenchError
from bench.execute.run import Run
from bench.execute.storage import read_stored, replace
from bench.judge.gate.calibration import REPEATS
from bench.present import numbers
from bench.present.render.json import dumps, records
from bench.present.report import Column, Report, Section, Table

_FILE = "calibration.json"
ASSUMED = (
    "That holds within one occasion: the same machine at the same time. What differs between occasions (timings, GPUs, "
    "other machines) is no part of it"
)

_MEASURE = "bench calibrate RUN RUN RUN measures it from repeats of unchanged code"


@dataclass(frozen=True, eq=False)
class GateRates:
    """What was measured of the gate's errors."""

    rates: DataFrame
    """``bench.judge.gate.calibration.calibrate_gate``."""
    occasions: DataFrame | None
    """``occasion_frame``; None if it was measured from one run."""
    runs: int

    def any_alarm(self, *noises: str) -> float:
        """The highest rate of false alarms under one of these kinds of noise."""
        rates = self.rates[(self.rates["size"] == 0.0) & self.rates["noise"].isin(noises)]
        return float(rates["any_alarm"].max())


def store(run: Run, measured: GateRates) -> None:
    """Keep the rates in the folder of the run that they are of."""
    occasions = None if measured.occasions is None else records(measured.occasions)
    content = {**_subject(run), "rates": records(measured.rates), "occasions": occasions, "runs": measured.runs}
    replace(run.folder / _FILE, dumps(content))


def stored(run: Run) -> GateRates | None:
    """What is stored of the gate's error rates, if that is of this suite and number of seeds.

    Raises:
        BenchError: the file is damaged.
    """
    path = run.folder / _FILE
    if not os.path.lexists(path):
        return None
    try:
        content = json.loads(read_stored(path))
        if any(content[name] != value for name, value in _subject(run).items()):
            return None
        occasions = content.get("occasions")
        frame = None if occasions is None else DataFrame(occasions)
        measured = GateRates(DataFrame(content["rates"]), frame, int(content.get("runs", 1)))
        _section(run, measured, appendix=True)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        hint = "Delete it, or measure again: bench calibrate RUN."
        raise BenchError(f"{path} is damaged: {error!s:.80}.", hint=hint) from error
    return measured


def sections(run: Run) -> Iterator[Section]:
    """The stored rates, if there are any."""
    if measured := stored(run):
        yield _section(run, measured, appendix=True)


def report(run: Run, measured: GateRates) -> Report:
    """The rates by themselves."""
    section = _section(run, measured, appendix=False)
    frames = {"rates": measured.rates} | ({} if measured.occasions is None else {"occasions": measured.occasions})
    return Report(f"{run.suite.name}: error rates of the gate", {}, [section], frames)


def assumption(run: Run) -> str:
    """What the promised rate of false alarms takes for granted, and what is known of it across occasions."""
    measured = stored(run)
    promise = f"At most 5% of comparisons of unchanged code raise a false alarm. {ASSUMED}"
    if measured is None or measured.occasions is None:
        return f"{promise}. Across occasions the rate is unknown; {_MEASURE}."
    rate = numbers.percent(measured.any_alarm("occasions"))
    return f"{promise}: across occasions, by {measured.runs} repeats (bench calibrate), {rate} do."


def _subject(run: Run) -> dict[str, object]:
    return {"digest": run.suite.digest, "seeds": len(run.suite.seeds)}


def _section(run: Run, measured: GateRates, *, appendix: bool) -> Section:
    labels = {metric.name: metric.label for metric in run.suite.experiment.metrics}
    rates = measured.rates
    nothing = rates[rates["size"] == 0.0]
    planted = rates[rates["size"] > 0.0]
    shown = planted.assign(label=planted["metric"].map(labels))
    first = nothing.iloc[0]
    size = f"{int(first['tests'])} tests, {numbers.counted(len(run.suite.seeds), 'seed')}"
    lead = (
        f"Where nothing has changed but the seeds, {numbers.percent(measured.any_alarm('normal', 'resampled'))} of "
        f"comparisons of this size ({size}) raise a false alarm; at most 5% is promised. {ASSUMED}."
    )
    text = [lead]
    tables = [_false_alarms(nothing), _power(shown)]
    if measured.occasions is None:
        text.append(_ONE_OCCASION)
    else:
        text += _across(measured, labels)
        tables.insert(0, _spread(measured.occasions, labels))
    return Section("Error rates of this gate", [*text, _HOW], exhibits=tables, appendix=appendix)


def _across(measured: GateRates, labels: Mapping[str, str]) -> Iterator[str]:
    """What the repeats say."""
    assert measured.occasions is not None
    rate, repeats = measured.any_alarm("occasions"), measured.any_alarm(REPEATS)
    pairs = measured.runs * (measured.runs - 1)
    verdict = "more than is promised" if rate > _PROMISED else "as promised"
    yield (
        f"Across the occasions of these {measured.runs} repeats, {numbers.percent(rate)} raise a false alarm, "
        f"{verdict}: simulated with the spread between them, which {measured.runs} repeats tell roughly. Held against "
        f"each other, {round(repeats * pairs)} of {pairs} do."
    )
    if rate > _PROMISED:
        yield (
            "Compare on one machine at one time (docs/ci.md), or leave the metrics that drift out of the gate: "
            "[baseline] metrics."
        )
    same = measured.occasions.loc[measured.occasions["deterministic"].astype(bool), "metric"]
    if names := [labels.get(name, name) for name in same]:
        yield f"Deterministic, equal bit for bit in every repeat: {numbers.listed(names, most=99)}."


def _spread(occasions: DataFrame, labels: Mapping[str, str]) -> Table:
    shown = occasions.assign(
        label=[labels.get(name, name) for name in occasions["metric"]],
        kind=["deterministic" if same else "" for same in occasions["deterministic"]],
    )
    columns = (
        Column("Metric", ("label",), key=True),
        Column("Within", ("within",), "percent"),
        Column("Between [95%]", ("between", "low", "high"), "percent_interval"),
        Column("", ("kind",)),
    )
    return Table("SD within and between occasions, of the mean", shown, columns)


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


_PROMISED = 0.05
_ONE_OCCASION = (
    f"Across occasions the rate is unknown, since this is measured from one run; {_MEASURE}. A metric that gives the "
    "same bits again, for the same seed on the same machine, is deterministic there and raises no false alarm."
)
_HOW = (
    "Both sides are simulated: with the means of this run and its covariances over seeds (normal), or from its seeds "
    "drawn again (resampled). So a change stands against the noise of other seeds, which is larger than that between "
    "runs of the same seeds. Sizes are in margins, or in SDs of the difference of two runs where a metric has none."
)
