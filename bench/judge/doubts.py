"""Estimates of every metric -> the flat frames of diagnostics and of values: what to doubt, never what to test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.judge.coded import CodedRuns
from bench.judge.estimation import MetricEffects
from bench.stats.coding import Floats
from bench.stats.diagnostics import (
    bimodality,
    levene,
    normal_shares,
    odd_seeds,
    seed_autocorrelation,
    shapiro,
    variation_class,
)

_COLUMNS = ["metric", "check", "subject", "statistic", "p", "reading"]
_VALUES = ["metric", "block", "cell", "value"]
_ODD = 3.5
_INFLUENTIAL = 0.5  # Cook & Weisberg (1982); with complete blocks it cannot exceed 1 by much
_BIMODAL = 0.01
_Row = tuple[str, str, float, float, str]


def diagnostic_frame(runs: CodedRuns, metrics: Sequence[MetricEffects], rng: np.random.Generator) -> pd.DataFrame:
    """One row per metric, check and subject (a cell, a seed, or the residuals), with a word where it is alarming.

    ``shapiro`` of the residuals, ``influence`` of the run that moves the fit most (Cook's distance), ``brown_forsythe``
    of equal spread over cells, ``cv`` with its class and ``bimodality`` (a metric that collapses in some runs) of each
    cell, ``odd_seed`` in robust SDs, ``autocorrelation`` in the order of the seeds.
    """
    shares: dict[int, Floats] = {}
    rows = [(entry.metric, *row) for entry in metrics for row in _checks(runs, entry, shares, rng)]
    return pd.DataFrame(rows, columns=_COLUMNS)


def value_frame(runs: CodedRuns, metrics: Sequence[MetricEffects]) -> pd.DataFrame:
    """One row per metric and run that has a value, on the scale of the analysis.

    ``block`` is categorical, in the order of the blocks; without any, every run is one of its own.
    """
    cell, block = np.array(runs.cell_labels, dtype=object)[runs.cell], _blocks(runs)
    frames = [pd.DataFrame(columns=_VALUES)]
    for entry in metrics:
        run = np.flatnonzero(np.isfinite(entry.values))
        own = {"metric": entry.metric, "block": block[run], "cell": cell[run], "value": entry.values[run]}
        frames.append(pd.DataFrame(own))
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)


def _blocks(runs: CodedRuns) -> pd.Categorical[Any]:
    """The block of every run."""
    if runs.block is None:
        return pd.Categorical(np.arange(len(runs.cell)), ordered=True)
    return pd.Categorical.from_codes(runs.block, pd.Index(runs.block_labels), ordered=True)


def _checks(
    runs: CodedRuns, entry: MetricEffects, shares: dict[int, Floats], rng: np.random.Generator
) -> Iterator[_Row]:
    if entry.variance.model.testable:
        normal = shapiro(entry.variance.model.residuals)
        yield "shapiro", "residuals", normal.statistic, normal.p, ""
        yield from _influence(runs, entry)
    spread = levene(entry.cells.samples)
    yield "brown_forsythe", "cells", spread.statistic, spread.p, ""
    yield from _cell_checks(runs, entry, shares, rng)
    if entry.cells.table is not None and runs.block is not None:
        yield from _seed_checks(runs, entry.cells.table)


def _influence(runs: CodedRuns, entry: MetricEffects) -> Iterator[_Row]:
    """The run that moves the fit most, by Cook's (1977) distance."""
    if not len(entry.variance.model.independent):
        return
    with np.errstate(divide="ignore", invalid="ignore"):  # a run that alone decides its own fit has none
        distance = np.asarray(entry.variance.model.influence.cooks_distance[0], float)
    if not np.isfinite(distance).any():
        return
    worst = int(np.argmax(np.where(np.isfinite(distance), distance, -1.0)))
    run = int(np.flatnonzero(np.isfinite(entry.values))[worst])
    seed = "" if runs.block is None else f", {runs.block_name} {runs.block_labels[runs.block[run]]}"
    reading = "decides much of what is found" if distance[worst] > _INFLUENTIAL else ""
    yield "influence", f"{runs.cell_labels[runs.cell[run]]}{seed}", float(distance[worst]), float("nan"), reading


def _cell_checks(
    runs: CodedRuns, entry: MetricEffects, shares: dict[int, Floats], rng: np.random.Generator
) -> Iterator[_Row]:
    for label, sample in zip(runs.cell_labels, entry.cells.samples, strict=True):
        measured = np.exp(sample) if entry.log else sample
        varies = len(measured) > 1 and measured.mean() != 0
        cv = float(measured.std(ddof=1) / abs(measured.mean())) if varies else float("nan")
        yield "cv", label, cv, float("nan"), variation_class(cv)
        n = len(sample)
        if n not in shares:
            shares[n] = normal_shares(n, rng, draws=min(2_000, max(200, 2_000_000 // max(n, 1))))
        split = bimodality(sample, shares[n])
        alarming = split.p <= _BIMODAL
        reading = (
            f"two groups: {split.n_low} of {n} below {np.exp(split.threshold) if entry.log else split.threshold:.4g}"
        )
        yield "bimodality", label, split.separation, split.p, reading if alarming else ""


def _seed_checks(runs: CodedRuns, table: Floats) -> Iterator[_Row]:
    distance = odd_seeds(table)
    for label, value in zip(runs.block_labels, distance, strict=True):
        yield "odd_seed", label, float(value), float("nan"), "odd" if abs(value) > _ODD else ""
    cells = np.isfinite(table).any(axis=0)
    complete = np.isfinite(table[:, cells]).all(axis=1)
    drift = seed_autocorrelation(table[complete][:, cells].mean(axis=1) if cells.any() else np.empty(0))
    yield "autocorrelation", "order of the blocks", drift.statistic, drift.p, ""
