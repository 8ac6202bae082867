"""Metrics of extremely large or small values -> their analysis in a unit of their own, and its frames turned back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.stats.coding import Floats

if TYPE_CHECKING:
    from bench.judge.analysis import Analysis

_FAR = 1e100
"""Squares and sums of values between 1 / _FAR and _FAR are numbers; these are analysed as they are."""
_FEW_DIGITS = " Numbers so small have lost digits in the table already."
_LIMITS = ("estimate", "se", "low", "high")
_IN_UNITS = {
    **dict.fromkeys(("contrasts", "levels", "simple", "requested", "trends"), _LIMITS),
    **dict.fromkeys(("pairwise", "pairwise_independent"), ("diff", "low", "high")),
    "equivalence": ("margin", "estimate", "low", "high"),
    "survivors": ("bound_low", "bound_high", "low", "high"),
    "marginal": ("se",),
    "values": ("value",),
    "components": ("se_units", "se_all"),
    "needs": ("sd", "margin"),
}
"""Frame -> columns in the metric's unit; on a log scale none of them is. Frames of strata may be None."""


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
    logs = {option.name: np.log(units[option.name]) if option.log else 0.0 for option in analysis.metrics}
    frames: dict[str, Any] = {
        name: _scaled(frame, columns, of_differences)
        for name, columns in _IN_UNITS.items()
        if (frame := getattr(analysis, name)) is not None
    }
    frames["cells"] = _scaled(analysis.cells, ("mean", "sd", "min", "max"), units)
    frames["marginal"] = _scaled(frames["marginal"], ("mean", "low", "high"), units)
    values = frames["values"]
    frames["values"] = values.assign(value=values["value"].to_numpy(float) + values["metric"].map(logs).to_numpy(float))
    with np.errstate(over="ignore", under="ignore"):  # of sums of squares only the ratios are numbers
        anova = _scaled(_scaled(analysis.anova, ("sum_sq",), of_differences), ("sum_sq",), of_differences)
    frames["anova"] = anova.assign(sum_sq=anova["sum_sq"].where(~np.isinf(anova["sum_sq"])))
    far = [
        f"{name}: analysed in units of {unit:.3g}, diagnostics and variances too."
        f"{_FEW_DIGITS if unit < np.finfo(float).tiny else ''}"
        for name, unit in units.items()
        if unit != 1.0
    ]
    return replace(analysis, notes=(*far, *analysis.notes), **frames)


def _scaled(frame: pd.DataFrame, columns: Sequence[str], units: Mapping[str, float]) -> pd.DataFrame:
    """The frame with ``columns`` multiplied by the unit of the metric of their row."""
    unit = frame["metric"].map(units).to_numpy(float)
    return frame.assign(**{column: frame[column].to_numpy(float) * unit for column in columns})
