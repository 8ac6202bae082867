"""Estimates of every metric -> how it goes along each factor with numbers as levels: a slope, a bend, a second bend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from bench.judge.coded import CodedRuns, Factor
from bench.judge.compare_regions import compare_regions
from bench.judge.estimation import MetricEffects
from bench.stats.coding import Floats
from bench.stats.contrast import polynomial_weights
from bench.stats.multiplicity import adjust

ORDERS = ("linear", "quadratic", "cubic")
_COLUMNS = [
    *("metric", "factor", "order", "per", "scale", "estimate", "se", "low", "high", "t", "df", "p", "p_adjusted", "n"),
    *("assumes", "reason"),
]


def trend_frame(runs: CodedRuns, metrics: Sequence[MetricEffects], confidence: float) -> pd.DataFrame:
    """One row per metric, factor with at least three numbers as levels, and order up to the third.

    ``estimate`` is the leading coefficient of the polynomial of that ``order`` fitted to the means of the levels, each
    averaged over the other factors: a slope per unit, or per tenfold (``per`` is "unit" or "decade"); of the second
    order per its square, and so on. On a log scale it is the ratio that goes with one of these. It is one contrast per
    block and t on these (Welch where runs are independent); blocks that lack a compared cell are left out (``n``).
    ``assumes`` names interactions that must be absent where cells were not run. ``p_adjusted``: Benjamini and Hochberg
    over the frame.
    """
    frames = [pd.DataFrame(columns=_COLUMNS)]
    for entry in metrics:
        for position in range(len(runs.factors)):
            frames += _trends(runs, entry, position, confidence)
    frame = pd.concat(frames[1:] or frames, ignore_index=True)
    frame["p_adjusted"] = adjust(frame["p"].to_numpy(float), "bh")
    return frame[_COLUMNS]


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


def _trends(runs: CodedRuns, entry: MetricEffects, factor: int, confidence: float) -> Iterator[pd.DataFrame]:
    name, levels = runs.factors[factor].name, runs.factors[factor].levels
    codes = entry.fitted.levels[factor].tolist()
    placed = positions(Factor(name, tuple(levels[code] for code in codes)))
    if positions(runs.factors[factor]) is None or placed is None:  # too few of the levels have values
        return
    per, at = placed
    orders = ORDERS[: len(at) - 1]
    contrasts = polynomial_weights(at)[: len(orders)]
    powers = (at - at.mean()) ** np.arange(1, len(orders) + 1)[:, None]
    leading = contrasts / (contrasts * powers).sum(axis=1, keepdims=True)
    comparisons = [([{factor: code} for code in codes], row.tolist()) for row in leading]
    names = pd.DataFrame({"metric": entry.metric, "factor": name, "order": orders, "per": per})
    yield names.join(compare_regions(runs, entry, comparisons, confidence))
