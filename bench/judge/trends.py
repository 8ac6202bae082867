"""Estimates of every metric -> how it goes along each factor with numbers as levels: a slope, a bend, a second bend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from bench.judge.coded import CodedRuns, Factor
from bench.judge.effects import MetricEffects, among
from bench.judge.names import reported, scale_name, term_name
from bench.stats.coding import Bools, Floats
from bench.stats.contrast import Estimates, independent, one_sample, polynomial_weights
from bench.stats.estimators import SplitPlot
from bench.stats.identify import Design, identify
from bench.stats.multiplicity import adjust
from bench.stats.regions import CellWeights, cell_weights

ORDERS = ("linear", "quadratic", "cubic")
_COLUMNS = ("metric", "factor", "order", "per", "scale", "estimate", "low", "high", "t", "df", "p", "p_adjusted", "n")
_UNKNOWN = "not estimable from these cells"
_CONSTANT = "no variation to test against"
_TOO_FEW = "too few runs"


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
    frame = pd.DataFrame(rows, columns=[*_COLUMNS, "assumes", "reason"])
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
    levels = entry.fitted.levels
    placed = positions(Factor(runs.factors[factor].name, tuple(runs.factors[factor].levels[i] for i in levels[factor])))
    if placed is None:  # too few of the levels have values
        return
    per, at = placed
    kept = np.all([np.isin(column, own) for column, own in zip(runs.cells.T, levels, strict=True)], axis=0)
    codes, sizes = among(levels, runs.cells[kept]), tuple(map(len, levels))
    model_order = planned.order if kept.all() else identify(codes, sizes).order
    regions = [{factor: level} for level in range(len(at))]
    for order, name in enumerate(ORDERS[: len(at) - 1], start=1):
        contrast = polynomial_weights(at)[order - 1]
        leading = contrast / (contrast @ (at - at.mean()) ** order)
        found = cell_weights(codes, sizes, regions, leading.tolist(), model_order)
        weights = None if found is None else replace(found, weights=_spread(found.weights, kept))
        row = {"metric": entry.metric, "factor": runs.factors[factor].name, "order": name, "per": per}
        yield {**row, "scale": scale_name(entry), **_estimated(runs, entry, weights, confidence)}


def _spread(weights: Floats, kept: Bools) -> Floats:
    """Weights of the ``kept`` cells as those of all, 0 for the others."""
    spread = np.zeros(len(kept))
    spread[kept] = weights
    return spread


def _estimated(
    runs: CodedRuns, entry: MetricEffects, weights: CellWeights | None, confidence: float
) -> Mapping[str, Any]:
    found = None if weights is None else _estimates(entry, weights.weights[None], confidence)
    if found is None or weights is None:
        nothing = dict.fromkeys(("estimate", "low", "high", "t", "df", "p"), float("nan"))
        return {**nothing, "n": 0, "assumes": "", "reason": _UNKNOWN}
    shown = {name: float(reported(getattr(found, key), entry)[0]) for name, key in _SHOWN.items()}
    t, df, p = (float(getattr(found, name)[0]) for name in ("t", "df", "p"))
    reason = "" if np.isfinite(p) else _CONSTANT if found.constant[0] else _TOO_FEW
    assumes = ", ".join(term_name(runs, term) for term in weights.assumes)
    return {**shown, "t": t, "df": df, "p": p, "n": int(found.n[0]), "assumes": assumes, "reason": reason}


_SHOWN = {"estimate": "value", "low": "low", "high": "high"}


def _estimates(entry: MetricEffects, weights: Floats, confidence: float) -> Estimates | None:
    """By the blocks that have all compared cells; None where no run has a value of some compared cell."""
    cells, compared = entry.cells, weights[0] != 0
    magnitude = np.abs(weights) @ cells.magnitude
    if not (cells.n[compared] > 0).all():
        return None
    if isinstance(entry.fitted.estimator, SplitPlot):
        return entry.fitted.estimator.of_cells(weights[:, cells.n > 0], confidence)
    if cells.table is None:
        mean, variance, n = cells.mean[compared], cells.sd[compared] ** 2, cells.n[compared]
        return independent(mean, variance, n, weights[:, compared], magnitude=magnitude, confidence=confidence)
    table = cells.table[:, compared]
    complete = table[np.isfinite(table).all(axis=1)]
    return one_sample(complete @ weights[:, compared].T, magnitude=magnitude, confidence=confidence)
