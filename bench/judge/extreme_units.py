"""Metrics of extremely large or small values -> their analysis in a unit of their own, and its frames turned back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bench.stats.coding import Floats

if TYPE_CHECKING:
    from bench.judge.analysis import Analysis

_FAR = 1e100
"""Squares and sums of values between 1 / _FAR and _FAR are numbers; these are analysed as they are."""
_LIMITS = ("estimate", "se", "low", "high")
_IN_UNITS = {
    **dict.fromkeys(("contrasts", "levels", "simple", "requested", "trends"), _LIMITS),
    **dict.fromkeys(("pairwise", "pairwise_independent"), ("diff", "low", "high")),
    "equivalence": ("margin", "estimate", "low", "high"),
    "survivors": ("bound_low", "bound_high", "low", "high"),
    "marginal": ("se",),
    "values": ("value",),
}
"""Frame -> columns in the metric's unit; on a log scale none of them is."""


def unit_of(values: Floats) -> float:
    """1, or a power of two near the median size of values that lies beyond 1e100 or below 1e-100."""
    size = np.abs(values[np.isfinite(values) & (values != 0)])
    median = float(np.partition(size, len(size) // 2)[len(size) // 2]) if len(size) else 1.0
    return 1.0 if 1 / _FAR < median < _FAR else float(2.0 ** np.floor(np.log2(median)))


def in_units(analysis: Analysis, units: Mapping[str, float]) -> Analysis:
    """The analysis of values divided by the ``units`` of their metrics, in the unit of the values themselves."""
    if all(unit == 1.0 for unit in units.values()):
        return analysis
    of_differences = {option.name: 1.0 if option.log else units[option.name] for option in analysis.metrics}
    frames = {}
    for name, columns in _IN_UNITS.items():
        frame = getattr(analysis, name)
        unit = frame["metric"].map(of_differences).to_numpy(float)
        frames[name] = frame.assign(**{column: frame[column].to_numpy(float) * unit for column in columns})
    for name, columns in (("cells", ("mean", "sd", "min", "max")), ("marginal", ("mean", "low", "high"))):
        frame = frames.get(name, getattr(analysis, name))
        unit = frame["metric"].map(units).to_numpy(float)
        frames[name] = frame.assign(**{column: frame[column].to_numpy(float) * unit for column in columns})
    logs = frames["values"]["metric"].map({o.name: np.log(units[o.name]) if o.log else 0.0 for o in analysis.metrics})
    unit = analysis.anova["metric"].map(of_differences).to_numpy(float)
    with np.errstate(over="ignore", under="ignore"):  # of sums of squares only the ratios are numbers
        sums = analysis.anova["sum_sq"].to_numpy(float) * unit * unit
    frames["anova"] = analysis.anova.assign(sum_sq=np.where(np.isinf(sums), np.nan, sums))
    frames["values"] = frames["values"].assign(value=frames["values"]["value"].to_numpy(float) + logs.to_numpy(float))
    for name, columns in (("components", ("se_units", "se_all")), ("needs", ("sd", "margin"))):
        if (frame := getattr(analysis, name)) is not None:
            unit = frame["metric"].map(of_differences).to_numpy(float)
            frames[name] = frame.assign(**{column: frame[column].to_numpy(float) * unit for column in columns})
    far = [
        f"{name}: analysed in units of {unit:.3g}, diagnostics and variances too."
        for name, unit in units.items()
        if unit != 1.0
    ]
    return replace(analysis, notes=(*far, *analysis.notes), **frames)
