"""Coded runs of one metric -> what its design identifies, and the estimate of every effect by the primary procedure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from bench.judge.coded import CodedRuns
from bench.stats.anova import FittedAnova, fit_anova
from bench.stats.coding import Bools, Floats, Ints
from bench.stats.contrast import Estimates, independent, one_sample, within_blocks
from bench.stats.effects import Effect, cell_weights, effects_of, models
from bench.stats.identify import Design, identify
from bench.stats.pairs import Cells

Method = Literal["contrast per block", "regression within blocks, jackknife", "independent runs, Welch"]


@dataclass(frozen=True)
class MetricEffects:
    """Everything estimated of one metric; ``values`` are on the scale of the analysis, NaN where missing."""

    metric: str
    log: bool
    values: Floats
    cells: Cells
    design: Design
    effects: tuple[Effect, ...]
    estimates: Estimates
    variance: FittedAnova
    """The linear model of the analysis of variance, of the runs that have a value."""
    per_block: Floats | None
    """Contrasts (blocks, effects) behind the estimates, NaN in a block without runs; None unless complete."""
    method: Method
    notes: tuple[str, ...]


def estimate_effects(
    runs: CodedRuns, planned: Design, metric: str, values: Floats, *, log: bool, confidence: float
) -> MetricEffects:
    """Estimate every effect that the ``planned`` cells identify; NaN for those lost with the runs that have no value.

    One contrast per block where every block that has runs has all the cells; a regression within blocks where some
    cells are missing; Welch contrasts of cell means where there are no blocks.
    """
    present = np.isfinite(values)
    cells = Cells.of(values, runs.cell, runs.block, len(runs.cells))
    observed = cells.n > 0
    block = None if runs.block is None else np.unique(runs.block[present], return_inverse=True)[1].reshape(-1)
    lacking = _incomplete_blocks(cells, observed)
    per_block = None
    if not lacking:
        design = planned if observed.all() else identify(runs.cells[observed], runs.n_levels)
        weights = cell_weights(design)
        magnitude = np.abs(weights) @ _cell_magnitudes(runs, values)[observed]
        if cells.table is None:
            method: Method = "independent runs, Welch"
            mean, variance, n = cells.mean[observed], cells.sd[observed] ** 2, cells.n[observed]
            estimates = independent(mean, variance, n, weights, magnitude=magnitude, confidence=confidence)
        else:
            method = "contrast per block"
            per_block = cells.table[:, observed] @ weights.T
            used = per_block[np.isfinite(cells.table[:, observed]).all(axis=1) & observed.any()]
            estimates = one_sample(used, magnitude=magnitude, confidence=confidence)
            per_block[:, estimates.constant] = np.nan
    else:
        method = "regression within blocks, jackknife"
        assert block is not None  # only blocks can lack cells
        design = identify(runs.codes[present], runs.n_levels, block)
        estimates = _concatenated(
            [
                within_blocks(values[present], block, columns, effects, confidence=confidence)
                for columns, effects in models(design)
            ]
        )
    effects, found = effects_of(planned), effects_of(design)
    position = {effect: index for index, effect in enumerate(found)}
    source = np.array([position.get(effect, -1) for effect in effects], dtype=np.int64)
    return MetricEffects(
        metric=metric,
        log=log,
        values=values,
        cells=cells,
        design=design,
        effects=effects,
        estimates=_spread(estimates, source),
        variance=fit_anova(values[present], runs.codes[present], runs.n_levels, design.model, block),
        per_block=None if per_block is None else _with_lost(per_block, source),
        method=method,
        notes=tuple(_notes(runs, metric, observed, lacking)),
    )


def _cell_magnitudes(runs: CodedRuns, values: Floats) -> Floats:
    """Largest absolute value of each cell, 0 where there is none."""
    magnitudes = np.zeros(len(runs.cells))
    present = np.isfinite(values)
    np.maximum.at(magnitudes, runs.cell[present], np.abs(values[present]))
    return magnitudes


def _incomplete_blocks(cells: Cells, observed: Bools) -> int:
    """Number of blocks that have runs, but not of every cell."""
    if cells.table is None:
        return 0
    found = np.isfinite(cells.table[:, observed])
    return int((found.any(axis=1) & ~found.all(axis=1)).sum())


def _concatenated(parts: list[Estimates]) -> Estimates:
    names = [field.name for field in fields(Estimates)]
    kinds = {"n": np.int64, "constant": np.bool_}
    return Estimates(
        *(np.concatenate([np.empty(0, kinds.get(name, float)), *(getattr(p, name) for p in parts)]) for name in names)
    )


def _spread(estimates: Estimates, source: Ints) -> Estimates:
    """Estimates in the order of ``source``, where -1 stands for an effect that was lost."""
    numbers = {
        name: _with_lost(getattr(estimates, name), source) for name in ("value", "se", "low", "high", "t", "df", "p")
    }
    n = np.append(estimates.n, 0)[source]
    return Estimates(**numbers, n=n, constant=np.append(estimates.constant, np.False_)[source])


def _with_lost(values: Floats, source: Ints) -> Floats:
    return np.concatenate([values, np.full((*values.shape[:-1], 1), np.nan)], axis=-1)[..., source]


def _notes(runs: CodedRuns, metric: str, observed: Bools, lacking: int) -> Iterator[str]:
    if not observed.any():
        yield f"{metric}: no run has a value that can be analysed."
        return
    for label, seen in zip(runs.cell_labels, observed, strict=True):
        if not seen:
            yield f"{metric}: cell {label} has no run with a value; effects are those of the remaining cells."
    if lacking:
        yield (
            f"{metric}: {lacking} of {len(runs.block_labels)} blocks ({runs.block_name}) lack some cells; effects are "
            "estimated by regression within blocks, with standard errors from leaving out one block at a time."
        )
