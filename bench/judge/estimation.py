"""Coded runs of one metric -> what its design identifies, and the estimate of every effect by the primary procedure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from bench.judge.coded import CodedRuns
from bench.stats.anova import FittedAnova, fit_anova
from bench.stats.coding import Bools, Floats, Ints, Term, terms_up_to
from bench.stats.contrast import Estimates
from bench.stats.estimators import Blocks, Contrasts, Estimator, IncompleteBlocks, IndependentRuns, SplitPlot
from bench.stats.identify import Design, identify
from bench.stats.linear import fit
from bench.stats.pairs import Cells
from bench.stats.repeated import TermF
from bench.stats.term_models import Effect, TermModel, effects_of, level_contrast, term_models

Method = Literal[
    "contrast per block",
    "block means, between blocks",
    "contrast per block, within groups of blocks",
    "regression within blocks, jackknife",
    "independent runs, Welch",
]
NOT_IDENTIFIED = "not estimable from the runs that have a value"


@dataclass(frozen=True)
class Fitted:
    """What the runs of one metric identify, and the means to estimate it."""

    levels: tuple[Ints, ...]
    """The levels of each factor that have a value; everything below counts among these."""
    codes: Ints
    """Of the runs that have a value, shape (runs, factors)."""
    design: Design
    models: Mapping[Term, TermModel]
    estimator: Estimator
    whole_plots: frozenset[int]
    """The factors that vary between blocks only, if their effects can be estimated."""

    def method(self, term: Term) -> Method:
        """How contrasts of a term are estimated."""
        if isinstance(self.estimator, SplitPlot):
            between = set(term) <= self.whole_plots
            return "block means, between blocks" if between else "contrast per block, within groups of blocks"
        if isinstance(self.estimator, IncompleteBlocks):
            return "regression within blocks, jackknife"
        return "contrast per block" if isinstance(self.estimator, Blocks) else "independent runs, Welch"

    def contrast(self, term: Term, lower: Sequence[int], upper: Sequence[int]) -> Contrasts | None:
        """Two levels of each factor of a term, counted among all levels; None where the runs do not identify it."""
        if term not in self.models:
            return None
        low, high = (self._places(term, side) for side in (lower, upper))
        if low is None or high is None:
            return None
        row = level_contrast(self.design.levels, term, low, high)
        return (self.models[term], row) if self.models[term].identifies(row)[0] else None

    def _places(self, term: Term, codes: Sequence[int]) -> list[int] | None:
        places = [np.flatnonzero(self.levels[factor] == code) for factor, code in zip(term, codes, strict=True)]
        return [int(place[0]) for place in places] if all(map(len, places)) else None


@dataclass(frozen=True)
class MetricEffects:
    """Everything estimated of one metric; ``values`` are on the scale of the analysis, NaN where missing."""

    metric: str
    log: bool
    values: Floats
    cells: Cells
    fitted: Fitted
    effects: tuple[Effect, ...]
    """All that the planned cells identify, so the same for every metric; counted among all levels."""
    estimates: Estimates
    """Of ``effects``; NaN for one that the runs do not identify."""
    variance: FittedAnova
    """The linear model of the analysis of variance, of the runs that have a value."""
    blocks: Ints
    """The blocks that have runs with a value, of ``n_blocks``."""
    n_blocks: int
    notes: tuple[str, ...]

    @cached_property
    def tests(self) -> Mapping[Term, TermF]:
        """The test of every term of which the runs identify anything."""
        return {term: self.fitted.estimator.test(model) for term, model in self.fitted.models.items()}

    def per_block(self, contrasts: Sequence[Contrasts]) -> Floats | None:
        """Contrasts in each block (blocks, contrasts), NaN in one without runs; None unless blocks are complete."""
        if not isinstance(self.fitted.estimator, Blocks):
            return None
        table = np.full((self.n_blocks, sum(len(rows) for _, rows in contrasts)), np.nan)
        table[self.blocks] = self.fitted.estimator.per_block(contrasts)
        return table


def estimate_effects(
    runs: CodedRuns, planned: Design, metric: str, values: Floats, *, log: bool, confidence: float
) -> MetricEffects:
    """Estimate every effect that the ``planned`` cells identify; NaN for those lost with the runs that have no value.

    One contrast per block where every block that has runs has all the cells, or all those of its group if some factors
    vary between blocks only; a regression within blocks where some cells are missing; Welch contrasts of cell means
    where there are no blocks. Levels without any value are left out, and the effects among the others estimated.
    """
    present = np.isfinite(values)
    cells = Cells.of(values, runs.cell, runs.block, len(runs.cells))
    fitted = _fit(runs, planned, values, cells)
    effects = effects_of(planned)
    contrasts = [fitted.contrast(effect.term, [0] * len(effect.term), effect.levels) for effect in effects]
    identified = np.array([contrast is not None for contrast in contrasts], dtype=bool)
    estimates = fitted.estimator.estimate([contrast for contrast in contrasts if contrast is not None], confidence)
    block = _block_of(runs, present)
    return MetricEffects(
        metric=metric,
        log=log,
        values=values,
        cells=cells,
        fitted=fitted,
        effects=effects,
        estimates=estimates.take(np.where(identified, np.cumsum(identified) - 1, -1)),
        variance=fit_anova(values[present], fitted.codes, fitted.design.levels, _anova_terms(fitted), block),
        blocks=np.empty(0, np.int64) if runs.block is None else np.unique(runs.block[present]),
        n_blocks=len(runs.block_labels),
        notes=tuple(_notes(runs, metric, cells, fitted)),
    )


def lost_levels(runs: CodedRuns, fitted: Fitted, levels: Iterable[tuple[int, int]] | None = None) -> list[str]:
    """Those of ``levels`` (factor, code), or of all, that no run with a value has: each once, as ``lr = 0.1``."""
    every = ((factor, code) for factor, own in enumerate(runs.factors) for code in range(len(own.levels)))
    asked = dict.fromkeys(every if levels is None else levels)
    lost = ((runs.factors[factor], code) for factor, code in asked if code not in fitted.levels[factor])
    return [f"{factor.name} = {factor.labels[code]}" for factor, code in lost]


def among(levels: Sequence[Ints], codes: Ints) -> Ints:
    """Codes (rows, factors) counted among the ``levels`` of each factor."""
    columns = [np.searchsorted(own, column) for own, column in zip(levels, codes.T, strict=True)]
    return np.stack(columns, axis=1).astype(np.int64)


def whole_plot_factors(runs: CodedRuns) -> frozenset[int]:
    """The factors of several levels of which each block has only one: they vary between blocks."""
    if runs.block is None:
        return frozenset()
    _, first, block = np.unique(runs.block, return_index=True, return_inverse=True)
    columns = enumerate(runs.codes.T)
    return frozenset(f for f, column in columns if np.ptp(column) > 0 and (column == column[first][block]).all())


def _anova_terms(fitted: Fitted) -> tuple[Term, ...]:
    """The terms of the analysis of variance, which has the blocks in the place of all that varies between them."""
    return tuple(term for term in fitted.design.model if not set(term) <= fitted.whole_plots)


def _fit(runs: CodedRuns, planned: Design, values: Floats, cells: Cells) -> Fitted:
    present, observed = np.isfinite(values), cells.n > 0
    levels = tuple(np.unique(column) for column in (runs.codes[present] if present.any() else runs.codes).T)
    sizes = tuple(map(len, levels))
    codes = among(levels, runs.codes[present])
    magnitude = _cell_magnitudes(runs, values)[observed]
    whole = whole_plot_factors(runs)
    estimator: Estimator | None
    if cells.table is None:
        estimator = IndependentRuns(cells.deviation[observed], cells.sd[observed] ** 2, cells.n[observed], magnitude)
    else:
        estimator = _complete_blocks(cells.table[:, observed], runs.cells[observed], magnitude, whole)
    if estimator is not None:
        planned_cells = bool(observed.all()) and sizes == planned.levels
        design = planned if planned_cells else identify(among(levels, runs.cells[observed]), sizes)
        models = {model.term: model for model in term_models(design)}
        return Fitted(
            levels, codes, design, models, estimator, whole if isinstance(estimator, SplitPlot) else frozenset()
        )
    block = _block_of(runs, present)
    design = identify(codes, sizes, block)
    models = {model.term: model for model in term_models(design, weighed=False)}
    orders = {model.order for model in models.values()}
    fits = {order: fit(values[present], codes, sizes, terms_up_to(order, len(sizes)), block) for order in orders}
    return Fitted(levels, codes, design, models, IncompleteBlocks(fits), frozenset())


def _complete_blocks(table: Floats, codes: Ints, magnitude: Floats, whole: frozenset[int]) -> Estimator | None:
    """What estimates from ``table`` (blocks, cells), if each block that has runs has all cells of its group."""
    table = table[np.isfinite(table).any(axis=1)]
    if not whole:
        return Blocks(table, magnitude) if np.isfinite(table).all() else None
    between, within = codes[:, sorted(whole)], np.delete(codes, sorted(whole), axis=1)
    group = np.unique(between, axis=0, return_inverse=True)[1].reshape(-1)
    own = [np.flatnonzero(group == number) for number in range(int(group.max(initial=-1)) + 1)]
    tables = [table[np.isfinite(table[:, cells]).any(axis=1)][:, cells] for cells in own]
    alike = all(np.array_equal(within[cells], within[own[0]]) for cells in own)
    if not (alike and own and all(np.isfinite(part).all() for part in tables)):
        return None
    center = float(tables[0].flat[0])
    return SplitPlot(tuple(part - center for part in tables), tuple(own), magnitude, center)


def _block_of(runs: CodedRuns, present: Bools) -> Ints | None:
    """The block of each run with a value, counted among those that have any."""
    return None if runs.block is None else np.unique(runs.block[present], return_inverse=True)[1].reshape(-1)


def _cell_magnitudes(runs: CodedRuns, values: Floats) -> Floats:
    """Largest absolute value of each cell, 0 where there is none."""
    magnitudes = np.zeros(len(runs.cells))
    present = np.isfinite(values)
    np.maximum.at(magnitudes, runs.cell[present], np.abs(values[present]))
    return magnitudes


def _notes(runs: CodedRuns, metric: str, cells: Cells, fitted: Fitted) -> Iterator[str]:
    if not cells.n.any():
        yield f"{metric}: no run has a value that can be analysed."
        return
    with_levels = np.all(
        [np.isin(column, level) for column, level in zip(runs.cells.T, fitted.levels, strict=True)], axis=0
    )
    for label, n, has_levels in zip(runs.cell_labels, cells.n, with_levels, strict=True):
        if not n and has_levels:
            yield f"{metric}: cell {label} has no run with a value; effects are those of the remaining cells."
    if isinstance(fitted.estimator, IncompleteBlocks):
        yield from _incomplete(runs, metric, cells)


def _incomplete(runs: CodedRuns, metric: str, cells: Cells) -> Iterator[str]:
    """Which blocks lack cells, and what that means."""
    assert cells.table is not None  # only blocks lack cells
    table = np.isfinite(cells.table[:, cells.n > 0])
    whole = whole_plot_factors(runs)
    names = [runs.factors[factor].name for factor in sorted(whole)]
    of_block = np.array([table.shape[1]] * len(table))
    if whole:
        group = np.unique(runs.cells[cells.n > 0][:, sorted(whole)], axis=0, return_inverse=True)[1].reshape(-1)
        of_block = np.array([np.bincount(group)[group[row][0]] if row.any() else 0 for row in table])
    lacking = np.flatnonzero(table.any(axis=1) & (table.sum(axis=1) < of_block))
    yield (
        f"{metric}: {len(lacking)} of {len(runs.block_labels)} blocks ({runs.block_name}) "
        f"{'lacks' if len(lacking) == 1 else 'lack'} some cells; effects are estimated by regression "
        "within blocks, with standard errors from leaving out one block at a time."
    )
    if names:
        those = [runs.block_labels[block] for block in lacking[:_MOST_NAMED]]
        more = f" and {len(lacking) - _MOST_NAMED} more" if len(lacking) > _MOST_NAMED else ""
        lack = "lacks" if len(lacking) == 1 else "lack"
        cause = f"{runs.block_name} {', '.join(those)}{more} {lack} some cells" if those else "cells of groups differ"
        yield (
            f"{metric}: {', '.join(names)} {'varies' if len(names) == 1 else 'vary'} between blocks only, and {cause}: "
            "effects between blocks are refused. Run what is missing, or leave out these blocks."
        )


_MOST_NAMED = 8
