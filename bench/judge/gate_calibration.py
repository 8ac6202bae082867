"""A stored run -> how often the gate would err on runs like it: false alarms, and power against size of change.

Runs are simulated that differ by their seeds only, a change is planted or none, and the gate itself judges them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from bench.judge.gate import decide, paired
from bench.stats.coding import Bools, Floats
from bench.stats.diagnostics import wilson

Noise = Literal["normal", "resampled"]
SIZES = (0.5, 1.0, 1.5, 2.0, 3.0)
"""Planted changes, in margins."""


@dataclass(frozen=True, eq=False)
class Gated:
    """What is compared: ``values`` (seeds, comparisons) on the scale of the analysis, complete; the rest per column."""

    values: Floats
    metric: Sequence[str]
    margin: Floats
    """On that scale; NaN for none."""
    better: Floats
    """1 where higher is better, -1 where lower is, 0 for neither."""


def calibrate_gate(
    gated: Gated, rng: np.random.Generator, *, repetitions: int = 500, alpha: float = 0.05, sizes: Sequence[float] = SIZES
) -> pd.DataFrame:
    """Rates with Wilson's 95 % limits, one row per kind of noise, planted metric and size.

    Both sides of a comparison are drawn anew: ``normal`` with the means of the run and its covariances over seeds, those
    between cells and metrics included, or its ``resampled`` seeds. So a comparison has the noise of other seeds, more
    than that of a change which leaves the seeds' draws alone. ``size`` 0 plants nothing (A/A); else the ``metric`` gets
    worse (without a direction, larger) by so many margins, or SDs of the difference where it has none, in all its cells.
    ``alarm``: the share of single comparisons (among the planted ones, if any) that fail; ``any_alarm``: of runs in which
    one does, which without a planted change is the family-wise error.
    """
    rows = [_rates(gated, rng, noise, "", 0.0, repetitions, alpha) for noise in _DRAWS]
    for metric in dict.fromkeys(gated.metric):
        for size in sizes:
            rows.append(_rates(gated, rng, "normal", metric, size, repetitions, alpha))
    return pd.DataFrame(rows)


def _rates(
    gated: Gated, rng: np.random.Generator, noise: Noise, metric: str, size: float, repetitions: int, alpha: float
) -> dict[str, object]:
    planted = np.array([name == metric for name in gated.metric])
    shift = np.where(planted, size * _unit(gated), 0.0)
    watched = planted if metric else np.ones(len(planted), bool)
    alarms, found, equivalent = np.zeros(repetitions, int), 0, 0
    for repetition, (old, new) in enumerate(_pairs(gated, rng, noise, repetitions)):
        decisions = decide(paired(old, new + shift, _RAW(len(shift))), gated.margin, gated.better, alpha)
        alarms[repetition] = decisions.alarm[watched].sum()
        found += bool(decisions.alarm.any())
        equivalent += int((decisions.verdict[watched] == "equivalent").sum())
    judged = repetitions * int(watched.sum())
    return {
        "noise": noise,
        "metric": metric,
        "size": size,
        "unit": "margin" if np.isfinite(gated.margin[watched]).all() else "SD",
        "comparisons": repetitions,
        "tests": len(planted),
        **_share("alarm", int(alarms.sum()), judged),
        **_share("any_alarm", found, repetitions),
        **_share("equivalent", equivalent, judged),
    }
