"""What a user says of metrics by name -> the options that the analysis takes; a BenchError names what is odd."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from bench.errors import BenchError
from bench.judge.analysis import MetricOptions
from bench.plan.metrics import Margin
from bench.plan.suite import Plan

Direction = Literal["lower", "higher", "neither"]
_DIRECTIONS: tuple[Direction, ...] = ("lower", "higher", "neither")


def metric_options(
    metrics: Sequence[str],
    log: Collection[str],
    margin: Mapping[str, float | str],
    better: Mapping[str, str],
    ranges: Mapping[str, Sequence[float] | str] = MappingProxyType({}),
) -> list[MetricOptions]:
    """One entry for each of ``metrics``; ``log``, ``margin``, ``better`` and ``ranges`` are by metric.

    Raises:
        BenchError: for a setting of a metric that is not named, and for a margin, a direction or a range that is none.
    """
    for setting, by_metric in (("log", log), ("margin", margin), ("better", better), ("range", ranges)):
        if unknown := [name for name in by_metric if name not in metrics]:
            raise BenchError(
                f"{setting} is given for {unknown[0]!r}, which is not one of the metrics.",
                hint=f"Metrics: {', '.join(metrics)}.",
            )
    margins = {name: Margin.parse(size, of=name) for name, size in margin.items()}
    return [
        MetricOptions(
            name,
            log=name in log,
            margin=margins[name].size if name in margins else None,
            relative=name in margins and margins[name].relative,
            better=_direction(name, better.get(name, "neither")),
            range=_range(name, ranges[name]) if name in ranges else None,
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
            range=suite.metrics[metric.name].range,
        )
        for metric in suite.experiment.metrics
    ]


def _range(name: str, limits: Sequence[float] | str) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in (limits.split(",") if isinstance(limits, str) else limits))
    except (TypeError, ValueError):
        low = high = float("nan")
    if not low < high:
        hint = "Give two numbers between which it always lies, the lower first: 0,1."
        raise BenchError(f"The range {limits!r} of {name} is none.", hint=hint)
    return low, high


def _direction(name: str, word: str) -> Direction:
    for direction in _DIRECTIONS:
        if word == direction:
            return direction
    raise BenchError(f"{word!r} is no direction in which {name} is better.", hint="Give lower, higher or neither.")
