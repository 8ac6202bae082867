"""What a design identifies -> its effects, and the weights that turn the means of its cells into them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from bench.stats.coding import Bools, Floats, Term, term_columns, term_effects, term_levels, terms_up_to
from bench.stats.identify import Design, Identified, rank

_NOTHING = 1e-9
"""A relative size that rounding alone explains."""


@dataclass(frozen=True)
class Effect:
    """One effect: which level of each factor of the term is compared with the reference."""

    term: Term
    levels: tuple[int, ...]


@dataclass(frozen=True)
class TermModel:
    """What the smallest model that contains a term tells of the term's coefficients in sum coding."""

    term: Term
    order: int
    """The model is of all terms of at most so many factors."""
    basis: Floats
    """(df, coefficients): independent combinations of the coefficients that the design identifies, whose span does not
    depend on the reference level."""
    weights: Floats
    """(coefficients, rows of the design): from the values to the coefficients, which mean something together only in
    combinations within the span of ``basis``."""

    def identifies(self, combinations: Floats) -> Bools:
        """Whether each row of ``combinations`` (rows, coefficients) lies in what the design identifies."""
        if len(self.basis) == self.basis.shape[1]:
            return np.ones(len(combinations), dtype=bool)
        Q = np.linalg.qr(self.basis.T)[0]
        left = np.linalg.norm(combinations - (combinations @ Q) @ Q.T, axis=1)
        return np.asarray(left <= 1e-7 * np.linalg.norm(combinations, axis=1))

    def cell_weights(self, combinations: Floats) -> Floats:
        """Weights (rows, rows of the design) of these combinations of the coefficients."""
        weights = combinations @ self.weights
        # An effect must not see the rounding error of cells that it does not compare: they may be larger by any factor.
        weights[np.abs(weights) < _NOTHING * np.abs(weights).max(axis=1, initial=0.0, keepdims=True)] = 0.0
        return np.asarray(weights, float)


def term_models(design: Design, *, weighed: bool = True) -> Iterator[TermModel]:
    """The model of every term of which the design identifies anything; without ``weights`` unless ``weighed``."""
    solved: dict[int, dict[Term, Floats]] = {}
    for entry in design.identified:
        if entry.df > 0:
            if weighed and entry.order not in solved:
                solved[entry.order] = _coefficients(design, entry.order)
            weights = solved[entry.order][entry.term] if weighed else np.empty((entry.full_df, 0))
            yield TermModel(entry.term, entry.order, _basis(design, entry), weights)


def effects_of(design: Design) -> tuple[Effect, ...]:
    """Every effect that the design identifies."""
    return tuple(
        effect
        for model in term_models(design, weighed=False)
        for effect, is_identified in _effects(design, model)
        if is_identified
    )


def cell_weights(design: Design) -> Floats:
    """Weights (effects, cells) that turn cell means into the effects of ``effects_of``, by least squares."""
    weights = [np.empty((0, len(design.codes)))]
    for model in term_models(design):
        rows = term_effects(design.levels, model.term)
        weights.append(model.cell_weights(rows[model.identifies(rows)]))
    return np.vstack(weights)


def level_contrast(levels: Sequence[int], term: Term, lower: Sequence[int], upper: Sequence[int]) -> Floats:
    """The combination (1, coefficients) of a term's coefficients that compares two levels of each of its factors.

    Averaged over the other factors: ``upper`` minus ``lower`` for one factor, for m factors the m-fold difference of
    differences over 2^(m - 1), as ``term_effects`` has it against the references.
    """
    row: Floats = np.ones(1)
    for factor, low, high in zip(term, lower, upper, strict=True):
        row = np.asarray(np.kron(row, _coded(levels[factor], high) - _coded(levels[factor], low)), float)
    return row[None] / 2.0 ** (len(term) - 1)


def _coded(levels: int, level: int) -> Floats:
    """One row of ``level_columns``."""
    row = np.full(levels - 1, -1.0 if level == 0 else 0.0)
    if level > 0:
        row[level - 1] = 1.0
    return row


def pair_contrasts(levels: Sequence[int], term: Term) -> Floats:
    """``level_contrast`` of all pairs of levels of each factor of the term: (pairs, coefficients)."""
    pairs = [list(combinations(range(levels[factor]), 2)) for factor in term]
    return np.vstack([level_contrast(levels, term, *zip(*pair, strict=True)) for pair in product(*pairs)])


def _effects(design: Design, model: TermModel) -> Iterator[tuple[Effect, bool]]:
    identified = model.identifies(term_effects(design.levels, model.term))
    for levels, is_identified in zip(term_levels(design.levels, model.term), identified, strict=True):
        yield Effect(model.term, levels), bool(is_identified)


def _coefficients(design: Design, order: int) -> dict[Term, Floats]:
    """Least-squares weights of the coefficients of each term in the model of all terms of at most ``order`` factors."""
    terms = [term for term in terms_up_to(order, len(design.levels)) if term in design.columns]
    columns = [term_columns(design.codes, design.levels, term) for term in terms]
    solution = np.linalg.pinv(np.hstack([np.ones((len(design.codes), 1)), *columns]))[1:]
    ends = np.cumsum([column.shape[1] for column in columns])[:-1]
    return dict(zip(terms, np.split(solution, ends), strict=True))


def _basis(design: Design, entry: Identified) -> Floats:
    """Independent combinations of a term's coefficients that can be told from the rest of its model."""
    own = design.columns[entry.term]
    if entry.estimable:
        return np.eye(own.shape[1])
    others = [column for term, column in design.columns.items() if len(term) <= entry.order and term != entry.term]
    rest = np.hstack([np.empty((len(own), 0)), *others])
    # What is left of the columns beside all others: a combination is identified if it is one of the rows of this.
    left = own - rest @ np.linalg.lstsq(rest, own, rcond=None)[0] if rank(rest) else own
    return np.asarray(np.linalg.svd(left, full_matrices=False)[2][: entry.df], float)
