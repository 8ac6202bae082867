"""Runs without a value -> the flat frames of losses by factor, and of effects that take lost runs into account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bench.judge.coded import CodedRuns
from bench.judge.compare_regions import estimate_cells
from bench.judge.names import reported
from bench.judge.terms import MOST_LEVELS
from bench.stats.coding import Bools, Floats, Ints
from bench.stats.diagnostics import wilson
from bench.stats.identify import Design
from bench.stats.loss_test import loss_test
from bench.stats.multiplicity import adjust
from bench.stats.pairs import Cells
from bench.stats.region_weights import cell_weights

Range = tuple[float, float]
_NAN = float("nan")
_DONE, _DIVERGED = "\0done", "\0diverged"  # no column is called so
_LOSSES = ["metric", "factor", "level", "lost", "runs", "share", "low", "high", "p", "p_adjusted"]
_SURVIVORS = [
    *("metric", "factor", "a", "b", "method", "scale", "bound_low", "bound_high", "low", "high"),
    *("better", "worse", "tied", "p", "p_adjusted", "reason"),
]


Settings = tuple[bool, str, Range | None]
"""Of a metric: whether it is analysed as logarithms, its better direction, and its range, if it has one."""


@dataclass(frozen=True)
class LostRuns:
    """Runs that have an outcome and no value, which are averaged as others are: lost if all copies are."""

    counts: Mapping[str, int]
    """Metric -> how many are lost."""
    by_factor: pd.DataFrame
    """``loss_frame``."""
    survivors: pd.DataFrame
    """``survivor_frame``."""


def lost_runs(
    runs: CodedRuns,
    planned: Design,
    done: Bools,
    diverged: Bools,
    settings: Mapping[str, Settings],
    rng: np.random.Generator,
    confidence: float,
) -> LostRuns:
    """What is lost of every metric in ``settings``; ``done`` (runs,): the others have no outcome yet.

    A metric that no run of a level has, though none of them diverged, does not exist there: nothing is lost.
    """
    marks = {_DONE: done.astype(float), _DIVERGED: diverged.astype(float)}
    marked = replace(runs, values={**runs.values, **marks})
    runs = marked.averaged([metric for metric, (log, *_) in settings.items() if log])
    done, diverged = runs.values[_DONE] == 1.0, runs.values[_DIVERGED] > 0.0
    runs = replace(runs, values={metric: runs.values[metric] for metric in settings})
    exists = {metric: done & _exists(runs, np.isfinite(own) | diverged) for metric, own in runs.values.items()}
    lost = {metric: ~np.isfinite(values) & exists[metric] for metric, values in runs.values.items()}
    survivors = survivor_frame(runs, planned, lost, exists, settings, confidence)
    counts = {metric: int(own.sum()) for metric, own in lost.items()}
    return LostRuns(counts, loss_frame(runs, lost, exists, rng, confidence), survivors)


def _exists(runs: CodedRuns, seen: Bools) -> Bools:
    """Which runs are at levels of which some run was ``seen``."""
    exists = np.ones(len(seen), bool)
    for position, factor in enumerate(runs.factors):
        counts = np.bincount(runs.codes[seen, position], minlength=len(factor.levels))
        exists &= counts[runs.codes[:, position]] > 0
    return exists


def loss_frame(
    runs: CodedRuns,
    lost: Mapping[str, Bools],
    exists: Mapping[str, Bools],
    rng: np.random.Generator,
    confidence: float,
) -> pd.DataFrame:
    """One row per metric that lost values, factor and level: ``lost`` of ``runs``; Wilson's limits of the ``share``.

    ``p`` (of the factor, the same in all its rows) permutes the losses among its levels within each block and
    combination of the other factors; ``p_adjusted``: Holm over the factors of a metric. ``exists``: metric ->
    which runs are done and could have it.
    """
    frames = [pd.DataFrame(columns=_LOSSES)]
    by_pattern: dict[bytes, pd.DataFrame] = {}
    for metric, own in lost.items():
        pattern = np.packbits([own, exists[metric]]).tobytes()
        if own.any() and pattern not in by_pattern:
            shares = _losses(runs, own, exists[metric], rng, confidence)
            by_pattern[pattern] = pd.DataFrame(shares, columns=_LOSSES[1:])
        if own.any():
            frames.append(by_pattern[pattern].assign(metric=metric))
    frame = pd.concat(frames[1:] or frames, ignore_index=True)[_LOSSES]
    for _, rows in frame.groupby("metric"):
        first = rows.drop_duplicates("factor")
        adjusted = dict(zip(first["factor"], adjust(first["p"].to_numpy(float), "holm"), strict=True))
        frame.loc[rows.index, "p_adjusted"] = rows["factor"].map(adjusted)
    return frame


def survivor_frame(
    runs: CodedRuns,
    planned: Design,
    lost: Mapping[str, Bools],
    exists: Mapping[str, Bools],
    settings: Mapping[str, Settings],
    confidence: float,
) -> pd.DataFrame:
    """What lost runs leave of each pair of levels of a factor (``a`` minus ``b``), for metrics that lost values.

    With a range, ``bound_low`` and ``bound_high``: the estimate if every lost run had the end of the range that makes
    it smallest or largest, and ``low`` and ``high``, the outer limits of their intervals (ratios on a log scale).
    Without, but with a better direction: a sign test over blocks in which lost runs rank worst; a block is ``better``
    at ``a`` if more of its comparisons with ``b`` are won than lost there. ``p_adjusted``: Holm over the metric.
    """
    frames = [pd.DataFrame(columns=_SURVIVORS)]
    for metric, own in lost.items():
        if own.any() and not own[exists[metric]].all():
            rows = list(_survivors(runs, planned, runs.values[metric], own, *settings[metric], confidence))
            frame = pd.DataFrame(rows, columns=_SURVIVORS[1:])
            frame["p_adjusted"] = adjust(frame["p"].to_numpy(float), "holm")
            frames.append(frame.assign(metric=metric)[_SURVIVORS])
    return pd.concat(frames[1:] or frames, ignore_index=True)


def _losses(
    runs: CodedRuns, lost: Bools, exists: Bools, rng: np.random.Generator, confidence: float
) -> Iterator[Sequence[Any]]:
    for position, factor in enumerate(runs.factors):
        if len(factor.levels) < 2:
            continue
        level, stratum = runs.codes[exists, position], _strata(runs, position)[exists]
        p = loss_test(lost[exists], level, stratum, rng)
        for code, label in enumerate(factor.labels):
            there = level == code
            count, size = int(lost[exists][there].sum()), int(there.sum())
            limits = wilson(count, size, confidence) if size else (_NAN, _NAN)
            yield factor.name, label, count, size, count / size if size else _NAN, *limits, p, _NAN


def _strata(runs: CodedRuns, factor: int) -> Ints:
    """Runs that differ in the level of the factor alone share a stratum."""
    others = np.delete(runs.codes, factor, axis=1)
    block = np.zeros(len(others), np.int64) if runs.block is None else runs.block
    return np.unique(np.column_stack([block, others]), axis=0, return_inverse=True)[1].reshape(-1)


def _survivors(
    runs: CodedRuns,
    planned: Design,
    values: Floats,
    lost: Bools,
    log: bool,
    better: str,
    limits: Range | None,
    confidence: float,
) -> Iterator[Mapping[str, Any]]:
    reason = _refusal(values, limits, log=log)
    for position, factor in enumerate(runs.factors):
        if len(factor.levels) > MOST_LEVELS:
            continue
        for low, high in combinations(range(len(factor.levels)), 2):
            row: dict[str, Any] = {"factor": factor.name, "a": factor.labels[high], "b": factor.labels[low]}
            row |= {"scale": "ratio" if log else "difference", "p": _NAN, "reason": ""}
            if limits is not None and not reason:
                regions = [{position: low}, {position: high}]
                estimate = cell_weights(runs.cells, runs.n_levels, regions, [-1.0, 1.0], planned.order)
                if estimate is not None:
                    yield {**row, **_bounds(runs, values, lost, estimate.weights, limits, confidence, log=log)}
            elif better != "neither" and runs.block is not None:
                score = np.where(lost, -np.inf, values if better == "higher" else -values)
                yield {**row, "reason": reason, **_signs(runs, score, position, low, high)}
            else:
                yield {**row, "method": "none", "reason": reason or _NEITHER}


_NEITHER = "needs a range of the metric, or a better direction and blocks"


def _refusal(values: Floats, limits: Range | None, *, log: bool) -> str:
    """Why a range gives no bounds; "" where it does, or where there is none."""
    if limits is None:
        return ""
    finite = values[np.isfinite(values)]
    if ((finite < limits[0]) | (finite > limits[1])).any():
        return f"values lie outside the range {limits[0]:g} to {limits[1]:g}"
    if log and (finite <= 0).any():
        return "values that are not positive have no logarithm"
    return "the range of a log scale must be above 0" if log and limits[0] <= 0 else ""


def _bounds(
    runs: CodedRuns, values: Floats, lost: Bools, weights: Floats, limits: Range, confidence: float, *, log: bool
) -> Mapping[str, Any]:
    """The estimates with lost runs at either end, on whatever scale (Horowitz & Manski 2000, worst-case bounds)."""
    low, high = np.log(limits) if log else limits
    with np.errstate(invalid="ignore", divide="ignore"):
        measured = (
            np.log(np.where(values > 0, values, np.nan)) if log else np.where(np.isfinite(values), values, np.nan)
        )
    upward = weights[runs.cell] > 0
    least, most = (
        estimate_cells(Cells.of(filled, runs.cell, runs.block, len(runs.cells)), weights[None], confidence)
        for filled in (
            np.where(lost, np.where(upward, near, far), measured) for near, far in ((low, high), (high, low))
        )
    )
    ends = {"bound_low": least.value, "bound_high": most.value, "low": least.low, "high": most.high}
    return {
        "method": "bounds by the range",
        **{name: float(reported(end[0], log)) for name, end in ends.items()},
    }


def _signs(runs: CodedRuns, score: Floats, factor: int, low: int, high: int) -> Mapping[str, Any]:
    """A larger score is better; NaN is a run without an outcome."""
    assert runs.block is not None
    has_outcome = ~np.isnan(score)
    columns = {"block": runs.block, "stratum": _strata(runs, factor), "level": runs.codes[:, factor], "score": score}
    frame = pd.DataFrame(columns)
    scores = frame[has_outcome].set_index(["block", "stratum", "level"])["score"].unstack("level")
    if low not in scores or high not in scores:
        return {"method": "sign test, lost runs worst", "better": 0, "worse": 0, "tied": 0}
    pair = scores[[low, high]].dropna()
    # Two lost runs are equal, although infinity less infinity is no number.
    won = (pair[high] > pair[low]).astype(int) - (pair[high] < pair[low]).astype(int)
    of_block = won.groupby(level="block").sum()
    better, worse = int((of_block > 0).sum()), int((of_block < 0).sum())
    p = float(stats.binomtest(better, better + worse).pvalue) if better + worse else _NAN
    counts = {"better": better, "worse": worse, "tied": len(of_block) - better - worse, "p": p}
    return {"method": "sign test, lost runs worst", **counts}
