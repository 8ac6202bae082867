"""Weighted means of regions of a factorial -> their estimate in one metric, by the runs that have a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.judge.coded import CodedRuns
from bench.judge.effects import MetricEffects, among
from bench.judge.names import reported, scale_name, term_name
from bench.stats.coding import Floats
from bench.stats.contrast import Estimates, independent, one_sample
from bench.stats.estimators import SplitPlot
from bench.stats.identify import Design, identify
from bench.stats.region_weights import Region, cell_weights

UNKNOWN = "not estimable from these cells"
CONSTANT = "no variation to test against"
TOO_FEW = "too few runs"
COLUMNS = ("scale", "estimate", "se", "low", "high", "t", "df", "p", "n", "assumes", "reason")


def compare_regions(
    runs: CodedRuns,
    planned: Design,
    entry: MetricEffects,
    regions: Sequence[Region],
    weights: Sequence[float],
    confidence: float,
) -> dict[str, Any]:
    """The columns ``COLUMNS`` of the sum of ``weights`` times the means of ``regions``, which count among all levels.

    A region averages over the levels of the other factors that have a value. One contrast per block and t on these
    (blocks that lack a compared cell are left out), Welch where runs are independent. ``se`` is on the scale of the
    analysis; ``assumes`` names interactions that must be absent where cells were not run; ``reason`` says why there is
    no p.
    """
    row: dict[str, Any] = {
        "scale": scale_name(entry),
        **dict.fromkeys(COLUMNS[1:8], float("nan")),
        "n": 0,
        "assumes": "",
    }
    lost = [
        f"{runs.factors[factor].name} = {runs.factors[factor].labels[code]}"
        for region in regions
        for factor, code in region.items()
        if code not in entry.fitted.levels[factor]
    ]
    if lost:
        return {**row, "reason": f"{' and '.join(dict.fromkeys(lost))} without values"}
    levels = entry.fitted.levels
    kept = np.all([np.isin(column, own) for column, own in zip(runs.cells.T, levels, strict=True)], axis=0)
    codes, sizes = among(levels, runs.cells[kept]), tuple(map(len, levels))
    order = planned.order if kept.all() else identify(codes, sizes).order
    placed = [{f: int(np.searchsorted(levels[f], code)) for f, code in region.items()} for region in regions]
    cells = cell_weights(codes, sizes, placed, weights, order)
    found = None
    if cells is not None:
        spread = np.zeros((1, len(kept)))
        spread[0, kept] = cells.weights
        found = _estimates(entry, spread, confidence)
    if cells is None or found is None:
        return {**row, "reason": UNKNOWN}
    shown = zip(COLUMNS[1:8], ("value", "se", "low", "high", "t", "df", "p"), strict=True)
    row |= {column: getattr(found, name)[0] for column, name in shown}
    row |= {name: float(reported(np.asarray(row[name]), entry)) for name in ("estimate", "low", "high")}
    reason = "" if np.isfinite(row["p"]) else CONSTANT if found.constant[0] else TOO_FEW
    assumes = ", ".join(term_name(runs, term) for term in cells.assumes)
    return {**row, "n": int(found.n[0]), "assumes": assumes, "reason": reason}


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
