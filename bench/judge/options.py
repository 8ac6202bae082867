"""What a user says of metrics by name -> the options that the analysis takes; a BenchError names what is odd."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from bench.errors import BenchError
from bench.judge.analysis import MetricOptions
from bench.plan.metrics import Margin
from bench.plan.suite import Plan

Direction = Literal["lower", "higher", "neither"]
_DIRECTIONS: tuple[Direction, ...] = ("lower", "higher", "neither")


def metric_options(
    metrics: Sequence[str], log: Collection[str], margin: Mapping[str, float | str], better: Mapping[str, str]
) -> list[MetricOptions]:
    """One entry for each of ``metrics``; ``log``, ``margin`` and ``better`` are by metric.

    Raises:
        BenchError: for a setting of a metric that is not named, and for a margin or a direction that is none.
    """
    for setting, given in (("log", log), ("margin", margin), ("better", better)):
        if unknown := [name for name in given if name not in metrics]:
            raise BenchError(
                f"{setting} is given for {unknown[0]!r}, which is not one of the metrics.",
                hint=f"Metrics: {', '.join(metrics)}.",
            )
    known = {name: Margin.parse(size, of=name) for name, size in margin.items()}
    return [
        MetricOptions(
            name,
            log=name in log,
            margin=known[name].size if name in known else None,
            relative=name in known and known[name].relative,
            better=_direction(name, better.get(name, "neither")),
        )
        for name in metrics
    ]


def suite_options(suite: Plan) -> list[MetricOptions]:
    """One entry for each metric of the suite's experiment, as the suite says."""
    return [
        MetricOptions(
            metric.name,
            log=suite.metrics[metric.name].scale == "log",
            margin=suite.metrics[metric.name].margin,
            relative=suite.metrics[metric.name].relative,
            better=metric.better,
        )
        for metric in suite.experiment.metrics
    ]


def _direction(name: str, given: str) -> Direction:
    for direction in _DIRECTIONS:
        if given == direction:
            return direction
    raise BenchError(f"{given!r} is no direction in which {name} is better.", hint="Give lower, higher or neither.")
