"""Claims and runs -> each change in percent, at single levels, by two lines, split by the factors that changed."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from bench.judge.claims.cases import Case, Cases
from bench.judge.names import reported
from bench.plan.claims import Claim, Comparison, Region, changed_factors
from bench.plan.kinds import kind_of
from bench.stats.coding import Floats
from bench.stats.contrast import one_sample
from bench.stats.pairs import Cells, compare_pairs
from bench.stats.ratio import ratio_of_means

_NAN = float("nan")
_LEVELS = ["claim", "factor", "level", "scale", "estimate", "low", "high", "p"]
_LINES = ["claim", "scale", "line", "dose", "mean", "mean_low", "mean_high", "fitted", "change", "low", "high", "n"]
_PARTS = ["claim", "part", "scale", "estimate", "low", "high", "n"]


def percent_change(cases: Cases, case: Case, confidence: float) -> Mapping[str, float]:
    """Of a difference of means as measured: the change relative to the earlier side, with Fieller's interval."""
    change = (_NAN, _NAN, _NAN)
    if kind_of(case.claim).is_difference and case.claim.measure == "mean":
        base = case.claim.comparisons[0].regions[0]
        change = _relative(cases, case, case.claim.comparisons[0], base, confidence)[:3]
    return dict(zip(("change", "change_low", "change_high"), change, strict=True))


def two_samples(cases: Cases, case: Case, confidence: float) -> Mapping[str, float]:
    """Of a difference of two cells: Welch's t and d of independent samples, which is how most papers print them."""
    row: Mapping[Hashable, float] = {}
    comparison = case.claim.comparisons[0]
    if kind_of(case.claim).is_difference and case.claim.measure == "mean" and case.weights is not None:
        sides = [np.flatnonzero(case.weights[0] * sign > 0) for sign in (1, -1)]
        if len(comparison.fixed) == len(cases.runs.factors) and all(len(cells) == 1 for cells in sides):
            values = case.table.reshape(-1)
            cell = np.tile(np.arange(case.table.shape[1]), len(case.table))
            summary = Cells.of(values, cell, None, case.table.shape[1])
            row = compare_pairs(summary, sides[0], sides[1], confidence=confidence).iloc[0].to_dict()
    return {f"two_sample_{name}": row.get(own, _NAN) for name, own in (("t", "t"), ("p", "p_welch"))} | {
        name: row.get(name, _NAN) for name in ("d", "d_low", "d_high")
    }


def level_frame(cases: Cases, confidence: float) -> pd.DataFrame:
    """One row for each claim and level of a factor that it averages over: its comparison within that level alone."""
    rows = [row for case in cases.cases for row in _levels(cases, case, confidence)]
    return pd.DataFrame(rows, columns=_LEVELS)


def part_frame(cases: Cases, confidence: float) -> pd.DataFrame:
    """One row for each factor that a credited difference changes, each of their interactions, and the total.

    On the scale of the claim, on which the parts add up to the total (``scale`` "difference") or multiply up to it
    ("ratio", of geometric means): a factor's part is what it changes alone, while the others stay as they were; an
    interaction is what is left over when its factors change together. Over the ``n`` seeds that have all the cells; NaN
    where a combination was not run.
    """
    rows = [row for case in cases.cases if case.claim.credited_to for row in _parts(cases, case, confidence)]
    return pd.DataFrame(rows, columns=_PARTS)


def line_frame(cases: Cases, confidence: float) -> pd.DataFrame:
    """One row for each claim of two lines, line (1, 2) and level on it; the break is the level that both have.

    By the ``n`` seeds that test the lines: the ``mean`` of the level, the line at it (``fitted``), and the ``change``
    along the whole line, each with t intervals over seeds, on the scale of the claim.
    """
    rows = [row for case in cases.cases if case.is_measured and kind_of(case.claim).test == "lines"
            for row in _lines(cases, case, confidence)]  # fmt: skip
    return pd.DataFrame(rows, columns=_LINES)


def _lines(cases: Cases, case: Case, confidence: float) -> Iterator[Sequence[object]]:
    lines = case.sample.lines
    if lines is None:
        return
    log = case.claim.scale == "log"
    for number, sign in ((0, -1.0), (1, 1.0)):  # the first comparison is that of a fall
        comparison = case.claim.comparisons[lines.chosen + number]
        first, last = comparison.regions[0], comparison.regions[-1]
        factor = next(name for name in first if first[name] != last[name])
        means_of = [cases.weights_of(Comparison((region,), (1.0,))) for region in comparison.regions]
        weights = np.array([own.weights for own in means_of if own is not None])
        compared = (weights != 0).any(axis=0)  # elsewhere values may be missing
        levels = lines.tested.complete_rows[:, compared] @ weights[:, compared].T
        along = sign * np.array(comparison.weights)  # around 0, as far apart as the levels
        means, line = (
            one_sample(values, magnitude=np.abs(levels).max(initial=0.0), confidence=confidence)
            for values in (levels, levels @ along[:, None])
        )
        fitted = means.value.mean() + line.value * along / np.ptp(along)
        change = np.repeat([line.value, line.low, line.high], len(along), axis=1)
        columns = reported(np.vstack([means.value, means.low, means.high, fitted, change]), log)
        scale = "ratio" if log else "difference"
        for region, row in zip(comparison.regions, columns.T, strict=True):
            yield case.claim.id, scale, number + 1, float(str(region[factor])), *row.tolist(), len(levels)


def _levels(cases: Cases, case: Case, confidence: float) -> Iterator[Sequence[object]]:
    claim = case.claim
    if not kind_of(claim).averages or case.weights is None:
        return
    for factor in cases.runs.factors:
        if factor.name in claim.comparisons[0].fixed:
            continue
        for level in factor.levels:
            narrow = _at_level(claim, {factor.name: level})  # type: ignore[dict-item]
            estimate = cases.weights_of(narrow.comparisons[0])
            if estimate is None or estimate.assumes:
                continue
            numbers = _estimate_comparison(replace(case, claim=narrow), estimate.weights, confidence)
            yield claim.id, factor.name, level, *numbers[:5]


def _estimate_comparison(case: Case, weights: Floats, confidence: float) -> tuple[str, float, float, float, float, int]:
    """One comparison on the claim's scale: the scale, estimate, low, high, p, and the number of seeds."""
    sample = replace(case, weights=weights[None]).sample
    test = one_sample(sample.contrasts, magnitude=sample.magnitude, confidence=confidence)
    log = case.claim.scale == "log"
    estimate, low, high = (float(reported(x[0], log)) for x in (test.value, test.low, test.high))
    return "ratio" if log else "difference", estimate, low, high, float(test.p[0]), len(sample.complete_rows)


def _at_level(claim: Claim, fixed: Region) -> Claim:
    regions = tuple({**region, **fixed} for region in claim.comparisons[0].regions)
    return replace(claim, comparisons=(Comparison(regions, claim.comparisons[0].weights),))


def _parts(cases: Cases, case: Case, confidence: float) -> Iterator[Sequence[object]]:
    comparison = case.claim.comparisons[0]
    base, target = comparison.regions
    factors = changed_factors(comparison)
    for size in range(1, len(factors) + 1):
        for names in combinations(factors, size):
            subsets = [some for count in range(size + 1) for some in combinations(names, count)]
            regions = tuple({**base, **{name: target[name] for name in some}} for some in subsets)
            signs = tuple((-1.0) ** (size - len(some)) for some in subsets)
            part = Comparison(regions, signs)
            yield case.claim.id, " × ".join(names), *_part(cases, case, part, confidence)
    if len(factors) > 1:
        yield case.claim.id, "total", *_part(cases, case, comparison, confidence)


def _part(cases: Cases, case: Case, part: Comparison, confidence: float) -> tuple[object, ...]:
    estimate = cases.weights_of(part)
    if estimate is None or estimate.assumes or case.n_without_logarithm:
        return "ratio" if case.claim.scale == "log" else "difference", _NAN, _NAN, _NAN, 0
    scale, value, low, high, _, n = _estimate_comparison(case, estimate.weights, confidence)
    return scale, value, low, high, n


def _relative(
    cases: Cases, case: Case, comparison: Comparison, base: Region, confidence: float
) -> tuple[float, float, float, int]:
    """A comparison of means as measured over the mean of ``base``, its interval, and the seeds that it rests on."""
    sides = [cases.weights_of(side) for side in (comparison, Comparison((base,), (1.0,)))]
    weights: list[Floats] = [side.weights for side in sides if side is not None and not side.assumes]
    if len(weights) < 2:
        return _NAN, _NAN, _NAN, 0
    compared = (np.array(weights) != 0).any(axis=0)
    rows = case.table[np.isfinite(case.table[:, compared]).all(axis=1)][:, compared]
    x, y = (rows @ side[compared, None] for side in weights)
    ratio = ratio_of_means(x, y, confidence)
    return float(ratio.value[0]), float(ratio.low[0]), float(ratio.high[0]), len(rows)
