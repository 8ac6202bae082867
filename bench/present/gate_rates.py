"""The gate's own error rates, simulated and stored with a run, become the part of a report that shows them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pandas import DataFrame

from bench.errors import BenchError
from bench.execute.run import Run
from bench.execute.storage import read_stored, replace
from bench.judge.gate.calibration import REPEATS
from bench.present import numbers
from bench.present.render.json import dumps, records
from bench.present.report import Column, Report, Section, Table
from bench.present.study import NAME, Context

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
    context = Context({}, run.suite.experiment.metrics)
    nothing, planted = (measured.rates[measured.rates["size"].eq(0.0) == still] for still in (True, False))
    seeds = numbers.counted(len(run.suite.seeds), "seed")
    lead = (
        f"Where nothing has changed but the seeds, {numbers.percent(measured.any_alarm('normal', 'resampled'))} of "
        f"comparisons of this size ({int(nothing.iloc[0]['tests'])} tests, {seeds}) raise a false alarm; at most 5% is "
        f"promised. {ASSUMED}."
    )
    each_run = ("any_alarm", "any_alarm_low", "any_alarm_high")
    false_alarms = (
        Column("Noise", ("noise",), key=True), Column("Comparisons", ("comparisons",), "count"),
        Column("False alarms, each run [95%]", each_run, "interval"),
        Column("Each metric and cell", ("alarm",), "percent"),
        Column("Shown to be equivalent", ("equivalent",), "percent"),
    )  # fmt: skip
    power = (
        NAME["metric"], Column("Size", ("size",), "value"), Column("In", ("unit",)),
        Column("Found in a run [95%]", each_run, "interval"), Column("In each cell", ("alarm",), "percent"),
        Column("Called equivalent", ("equivalent",), "percent"),
    )  # fmt: skip
    tables = [
        Table("False alarms where nothing is planted", nothing, false_alarms),
        Table("How often a change of one metric in all its cells is found", context.worded(planted), power),
    ]
    text = [_ONE_OCCASION]
    if measured.occasions is not None:
        shown = context.worded(measured.occasions)
        shown["kind"] = np.where(shown["deterministic"].astype(bool), "deterministic", "")
        text = list(_across(measured, shown))
        spread = (
            NAME["metric"], Column("Within", ("within",), "percent"),
            Column("Between [95%]", ("between", "low", "high"), "percent_interval"), Column("", ("kind",)),
        )  # fmt: skip
        tables.insert(0, Table("SD within and between occasions, of the mean", shown, spread))
    return Section("Error rates of this gate", [lead, *text, _HOW], exhibits=tables, appendix=appendix)


def _across(measured: GateRates, occasions: DataFrame) -> Iterator[str]:
    """What the repeats say."""
    rate, pairs = measured.any_alarm("occasions"), measured.runs * (measured.runs - 1)
    verdict = "more than is promised" if rate > _PROMISED else "as promised"
    yield (
        f"Across occasions {numbers.percent(rate)} of comparisons raise a false alarm, {verdict}: simulated with the "
        f"spread between {measured.runs} repeats, which is a rough estimate of it. Of the comparisons of two repeats, "
        f"{round(measured.any_alarm(REPEATS) * pairs)} of {pairs} raise one."
    )
    if rate > _PROMISED:
        yield (
            "Compare on one machine at one time (docs/ci.md), or leave the metrics that drift out of the gate: "
            "[baseline] metrics."
        )
    if names := list(occasions.loc[occasions["kind"] != "", "label"]):
        yield f"Deterministic, equal bit for bit in every repeat: {numbers.listed(names, most=99)}."


_PROMISED = 0.05
_ONE_OCCASION = (
    f"Across occasions the rate is unknown, since this is measured from one run; {_MEASURE}. A metric that gives the "
    "same bits again, for the same seed on the same machine, is deterministic there and raises no false alarm."
)
_HOW = (
    "Both sides are simulated: with the means of this run and its covariances over seeds (normal), or from its seeds "
    "drawn again (resampled). A change is therefore judged against the noise between seeds, which is larger than that "
    "between runs of the same seeds. Sizes are in margins, or in SDs of the difference of two runs where a metric has "
    "none."
)
