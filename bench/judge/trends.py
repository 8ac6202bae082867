"""Estimates of every metric -> how it goes along each factor with numbers as levels: a slope, a bend, a second bend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from bench.judge.coded import CodedRuns, Factor
from bench.judge.compare_regions import compare_regions
from bench.judge.effects import MetricEffects
from bench.stats.coding import Floats
from bench.stats.contrast import polynomial_weights
from bench.stats.identify import Design
from bench.stats.multiplicity import adjust

ORDERS = ("linear", "quadratic", "cubic")
_COLUMNS = [
    *("metric", "factor", "order", "per", "scale", "estimate", "se", "low", "high", "t", "df", "p", "p_adjusted", "n"),
    *("assumes", "reason"),
]


def trend_frame(runs: CodedRuns, planned: Design, metrics: Sequence[MetricEffects], confidence: float) -> pd.DataFrame:
    """One row per metric, factor with at least three numbers as levels, and order up to the third.

    ``estimate`` is the leading coefficient of the polynomial of that ``order`` fitted to the means of the levels, each
    averaged over the other factors: a slope per unit, or per tenfold (``per`` is "unit" or "decade"); of the second
    order per its square, and so on. On a log scale it is the ratio that goes with one of these. It is one contrast per
    block and t on these (Welch where runs are independent); blocks that lack a compared cell are left out (``n``).
    ``assumes`` names interactions that must be absent where cells were not run. ``p_adjusted``: Benjamini and Hochberg
    over the frame.
    """
    swept = [position for position, factor in enumerate(runs.factors) if positions(factor) is not None]
    rows = [row for entry in metrics for factor in swept for row in _rows(runs, planned, entry, factor, confidence)]
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    frame["p_adjusted"] = adjust(frame["p"].to_numpy(float), "bh")
    return frame


def positions(factor: Factor) -> tuple[Literal["unit", "decade"], Floats] | None:
    """Where the levels lie: as they are, or as decimal logarithms if these are spaced more evenly.

    None for a factor of fewer than three levels, or whose levels are not all numbers.
    """
    try:
        numbers = [float("nan") if isinstance(level, bool) else float(str(level)) for level in factor.levels]
    except ValueError:
        return None
    values = np.array(numbers)
    if len(values) < 3 or not np.isfinite(values).all() or len(np.unique(values)) < len(values):
        return None
    if values.min() > 0 and _unevenness(np.log10(values)) < _unevenness(values) * (1 - 1e-9):
        return "decade", np.log10(values)
    return "unit", values


def _unevenness(values: Floats) -> float:
    """Coefficient of variation of the steps."""
    steps = np.diff(np.sort(values))
    return float(steps.std() / steps.mean())


def _rows(
    runs: CodedRuns, planned: Design, entry: MetricEffects, factor: int, confidence: float
) -> Iterator[Mapping[str, Any]]:
    kept = entry.fitted.levels[factor].tolist()
    placed = positions(Factor(runs.factors[factor].name, tuple(runs.factors[factor].levels[code] for code in kept)))
    if placed is None:  # too few of the levels have values
        return
    per, at = placed
    regions = [{factor: code} for code in kept]
    for order, name in enumerate(ORDERS[: len(at) - 1], start=1):
        contrast = polynomial_weights(at)[order - 1]
        leading = contrast / (contrast @ (at - at.mean()) ** order)
        row = {"metric": entry.metric, "factor": runs.factors[factor].name, "order": name, "per": per}
        yield {**row, **compare_regions(runs, planned, entry, regions, leading.tolist(), confidence)}
