"""A stored run -> how often the gate would err on runs like it: false alarms, and power against size of change.

Pairs of runs are simulated that differ by their seeds only, a change is planted or none, and the gate judges them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.execute.baseline import Baseline
from bench.judge.analysis import MetricOptions
from bench.judge.gate.compare import DIRECTION, margin_on_scale
from bench.judge.gate.decide import decide, on_scale, paired
from bench.judge.gate.matched import Sides
from bench.stats.coding import Floats
from bench.stats.diagnostics import wilson

Noise = Literal["normal", "resampled"]
NOISES: tuple[Noise, ...] = ("normal", "resampled")
SIZES = (0.5, 1.0, 1.5, 2.0, 3.0)
"""Planted changes, in margins."""
_AT_ONCE = 50


@dataclass(frozen=True, eq=False)
class Gated:
    """What is compared: ``values`` (seeds, comparisons), none missing; the rest per column."""

    values: Floats
    """On the scale of the analysis."""
    metric: Sequence[str]
    margin: Floats
    """On that scale too; NaN for none."""
    better: Floats
    """1 where higher is better, -1 where lower is, 0 for neither."""


def gated_values(run: Baseline, rules: Sequence[MetricOptions]) -> Gated:
    """What the gate would compare of a run, cell by cell; comparisons with a missing value are left out.

    Raises:
        BenchError: fewer than three seeds, or nothing without missing values.
    """
    sides = Sides.of(run, run)
    values: list[Floats] = []
    metric: list[str] = []
    margin: list[float] = []
    better: list[float] = []
    for rule in rules:
        for cell in sides.same:
            measured = np.asarray(sides.new[rule.name][cell], float)
            scaled = on_scale(measured, np.array(rule.log))
            if np.isfinite(scaled).all():
                values.append(scaled)
                metric.append(rule.name)
                margin.append(margin_on_scale(rule, on_log=rule.log, old_mean=float(measured.mean())))
                better.append(DIRECTION[rule.better])
    seeds = len(sides.new)
    if seeds < 3 or not values:
        raise BenchError(
            f"{run.source} cannot tell how values vary: {seeds} seeds, {len(values)} cells without missing values.",
            hint="Run the suite with ten seeds or more.",
        )
    return Gated(np.array(values).T, metric, np.array(margin), np.array(better))


def calibrate_gate(
    gated: Gated,
    rng: np.random.Generator,
    *,
    repetitions: int = 500,
    alpha: float = 0.05,
    sizes: Sequence[float] = SIZES,
) -> pd.DataFrame:
    """Rates with Wilson's 95 % limits, one row per kind of noise, planted metric and size.

    Both sides are drawn anew, for each planted change a fifth as often: ``normal`` with the means of the run and all
    its covariances over seeds, those between cells and metrics included, or its ``resampled`` seeds. A comparison then
    has the noise of other seeds, more than that of a change which leaves the seeds' draws alone.

    ``size`` 0 plants nothing (A/A); else the ``metric`` gets worse (without a direction, larger) in all its cells by so
    many margins, or SDs of the difference where it has none. ``alarm``: the share of comparisons that fail, of the
    planted ones if there are any; ``any_alarm``: of runs in which one does, which without a planted change is the
    family-wise error; ``equivalent``: of comparisons that are shown to be so.
    """
    planted = max(1, repetitions // 5)
    rows = [_rates(gated, rng, noise, "", 0.0, repetitions, alpha) for noise in NOISES]
    for metric in dict.fromkeys(gated.metric):
        rows += [_rates(gated, rng, "normal", metric, size, planted, alpha) for size in sizes]
    return pd.DataFrame(rows)


def _rates(
    gated: Gated, rng: np.random.Generator, noise: Noise, metric: str, size: float, repetitions: int, alpha: float
) -> dict[str, object]:
    planted = np.array([name == metric for name in gated.metric])
    watched = planted if metric else np.ones(len(planted), bool)
    spread = np.sqrt(2.0) * gated.values.std(axis=0, ddof=1)
    unit = np.where(np.isnan(gated.margin), spread, gated.margin)
    shift = np.where(planted, size * unit * np.where(gated.better > 0, -1.0, 1.0), 0.0)
    alarm, any_alarm, equivalent = 0.0, 0.0, 0.0
    for old, new in _pairs(gated.values, rng, noise, repetitions):
        runs = len(old)
        before, now = (np.concatenate(list(side), axis=1) for side in (old, new + shift))
        margin, better = np.tile(gated.margin, runs), np.tile(gated.better, runs)
        measured = np.zeros(len(margin), bool)  # the values are on the scale of the analysis already
        found = decide(paired(before, now, measured), margin, better, alpha, families=runs)
        failed = found.alarm.reshape(runs, -1)
        alarm += failed[:, watched].mean(axis=1).sum()
        any_alarm += failed.any(axis=1).sum()
        equivalent += (found.verdict == "equivalent").reshape(runs, -1)[:, watched].mean(axis=1).sum()
    return {
        "noise": noise,
        "metric": metric,
        "size": size,
        "unit": "margin" if np.isfinite(gated.margin[watched]).all() else "SD",
        "comparisons": repetitions,
        "tests": len(planted),
        **_share("alarm", alarm, repetitions),
        **_share("any_alarm", any_alarm, repetitions),
        **_share("equivalent", equivalent, repetitions),
    }


def _pairs(values: Floats, rng: np.random.Generator, noise: Noise, repetitions: int) -> Iterator[tuple[Floats, Floats]]:
    """So many pairs of runs drawn independently, some at a time; each side (runs, seeds, comparisons)."""
    seeds = len(values)
    mean = values.mean(axis=0)
    deviations = (values - mean) / np.sqrt(seeds - 1)
    for start in range(0, repetitions, _AT_ONCE):
        runs = min(_AT_ONCE, repetitions - start)
        if noise == "resampled":
            both = values[rng.integers(seeds, size=(2, runs, seeds))]
        else:
            both = mean + rng.normal(size=(2, runs, seeds, seeds)) @ deviations
        yield both[0], both[1]


def _share(name: str, count: float, of: int) -> dict[str, float]:
    """A rate and its limits; those of single comparisons are as if the comparisons of a run were one, so too wide."""
    low, high = wilson(round(count), of, 0.95)
    return {name: count / of, f"{name}_low": low, f"{name}_high": high}
