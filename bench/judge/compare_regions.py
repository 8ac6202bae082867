"""Weighted means of regions of a factorial -> their estimates in one metric, by the runs that have a value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bench.judge.coded import CodedRuns
from bench.judge.estimation import MetricEffects, among, lost_levels
from bench.judge.names import estimate_columns, term_name
from bench.judge.terms import CONSTANT, TOO_FEW
from bench.stats.coding import Floats
from bench.stats.contrast import Estimates, independent, one_sample, per_block
from bench.stats.estimators import IncompleteBlocks, SplitPlot
from bench.stats.identify import identify
from bench.stats.pairs import Cells
from bench.stats.region_weights import CellWeights, Region, cell_weights

UNKNOWN = "not estimable from these cells"
COLUMNS = ("scale", "estimate", "se", "low", "high", "t", "df", "p", "n", "assumes", "reason")
Comparison = tuple[Sequence[Region], Sequence[float]]
"""Regions and the weights of their means."""


def compare_regions(
    runs: CodedRuns, entry: MetricEffects, comparisons: Sequence[Comparison], confidence: float
) -> pd.DataFrame:
    """The columns ``COLUMNS`` of each sum of weights times the means of regions, which count among all levels.

    A region averages over the levels of the other factors that have a value. One contrast per block and t on these
    (blocks that lack a compared cell are left out), Welch where runs are independent. Where a cell of a region has no
    value, the others tell its mean if the interactions that ``assumes`` names are absent. ``se`` is on the scale of the
    analysis; ``assumes`` names interactions that must be absent where cells were not run; ``reason`` says why there is
    no p.
    """
    levels, cells = entry.fitted.levels, entry.cells
    observed, sizes = cells.n > 0, tuple(map(len, levels))
    codes = among(levels, runs.cells[observed])
    by_cells = not isinstance(entry.fitted.estimator, IncompleteBlocks)  # else the design is that of single runs
    order = entry.fitted.design.order if by_cells else identify(codes, sizes).order
    weights, rows, reasons, assumes = np.zeros((len(comparisons), len(observed))), list[int](), list[str](), list[str]()
    for row, (regions, factors) in enumerate(comparisons):
        lost = lost_levels(runs, entry.fitted, [level for region in regions for level in region.items()])
        own: CellWeights | None = None
        if not lost:
            placed = [{f: int(np.searchsorted(levels[f], code)) for f, code in region.items()} for region in regions]
            own = cell_weights(codes, sizes, placed, factors, order)
        if own is not None:
            weights[row, observed] = own.weights
            rows.append(row)
        reasons.append(f"{' and '.join(lost)} without values" if lost else UNKNOWN)
        assumes.append("" if own is None else ", ".join(term_name(runs, term) for term in own.assumes))
    source = np.full(len(comparisons), -1)
    source[rows] = np.arange(len(rows))
    if isinstance(entry.fitted.estimator, SplitPlot):
        identified = entry.fitted.estimator.of_cells(weights[rows][:, observed], confidence)
    else:
        identified = estimate_cells(cells, weights[rows], confidence)
    estimates = identified.take(source)
    untested = np.where(source < 0, reasons, np.where(estimates.constant, CONSTANT, TOO_FEW))
    columns = {
        **estimate_columns(estimates, entry),
        "n": estimates.n,
        "assumes": np.where(source < 0, "", assumes),
        "reason": np.where(np.isfinite(estimates.p), "", untested),
    }
    return pd.DataFrame(columns, index=range(len(comparisons)))


def estimate_cells(cells: Cells, weights: Floats, confidence: float) -> Estimates:
    """Contrasts ``weights`` (contrasts, cells): one per block that has all compared cells, or Welch's without blocks.

    Of contrasts that are compared in the same blocks, all at once.
    """
    magnitude = np.abs(weights) @ cells.magnitude
    if cells.table is None:
        mean, center = np.where(cells.n > 0, cells.deviation, 0.0), float(cells.center[0])
        return independent(
            mean, cells.sd**2, cells.n, weights, magnitude=magnitude, confidence=confidence, center=center
        )
    lacking = (~np.isfinite(cells.table)).astype(float) @ (weights != 0).T > 0
    alike: dict[bytes, list[int]] = {}
    for number, pattern in enumerate(lacking.T):
        alike.setdefault(pattern.tobytes(), []).append(number)
    parts = []
    for numbers in alike.values():
        contrasts = per_block(cells.table[~lacking[:, numbers[0]]], weights[numbers])
        parts.append(one_sample(contrasts, magnitude=magnitude[numbers], confidence=confidence))
    order = [number for numbers in alike.values() for number in numbers]
    return Estimates.joined(parts).take(np.argsort(order))
