"""Simulated error rates become a report: which procedure keeps its level where, and which does not."""

from __future__ import annotations

from collections.abc import Iterator

from pandas import DataFrame

from bench.present import numbers
from bench.present.report import Column, Report, Section, Table


def calibrated(rates: DataFrame, factors: int, seeds: int) -> Report:
    """The table of ``bench.calibrate``, one table a kind of noise."""
    claimed = rates[rates["claims"]]
    broken = claimed[~claimed["holds"]]
    kept = f"{len(claimed) - len(broken)} of {len(claimed)}"
    verdict = (
        f"Where the default procedure promises a family-wise error of at most 5%, it keeps it in {kept} simulations "
        f"(within Monte-Carlo error)."
    )
    points = [*_exceeding(broken), *_exceeding(rates[~rates["claims"] & ~rates["holds"]])]
    shown = rates.assign(
        promises=["yes" if claims else "no" for claims in rates["claims"]],
        keeps=["yes" if holds else "NO" for holds in rates["holds"]],
    )
    columns = (
        Column("Procedure", ("procedure",), key=True),
        Column("Simulated", ("repetitions",), "count"),
        Column("One test rejects [99%]", ("rejected", "rejected_low", "rejected_high"), "interval"),
        Column("95% interval covers [99%]", ("covered", "covered_low", "covered_high"), "interval"),
        Column("Any of all rejects [99%]", ("any_rejected", "any_rejected_low", "any_rejected_high"), "interval"),
        Column("Promised", ("promises",)),
        Column("Kept", ("keeps",)),
    )
    tables = [
        Table(str(scenario), rows, columns) for scenario, rows in shown.groupby("scenario", sort=False, observed=True)
    ]
    size = f"{2**factors} cells × {numbers.counted(seeds, 'seed')}"
    sections = [
        Section("What was found", [verdict], points, verdict=True),
        Section("How to read it", [_MEANING, _KEPT]),
        Section("Error rates", exhibits=tables),
    ]
    return Report(f"Error rates of the procedures: {size}", {}, sections, {"calibration": rates})


def _exceeding(rates: DataFrame) -> Iterator[str]:
    for scenario, procedure, rate in zip(rates["scenario"], rates["procedure"], rates["any_rejected"], strict=True):
        yield f"{scenario}: {procedure} finds at least one effect that is not there in {numbers.percent(rate)} of runs."


_MEANING = (
    "No effect is real in any simulation (in the multiplicative ones, no interaction), so every rejection is an error. "
    "One test: unadjusted, at 5%. Any of all: every effect of the design, judged by Holm, or by the joint maximum over "
    "sign flips where the procedure says so."
)
_KEPT = (
    "Kept: the family-wise error is at most 5%, or above it by no more than chance among so many simulations (exact "
    "binomial tests, 1% for the whole table). Limits are Wilson's, 99%."
)
