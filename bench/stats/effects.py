"""What a design identifies -> its effects, and the weights that turn the means of its cells into them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.stats.coding import Floats, Term, term_columns, term_df, term_effects, term_levels, terms_up_to
from bench.stats.identify import Design


@dataclass(frozen=True)
class Effect:
    """One effect: which level of each factor of the term is compared with the reference."""

    term: Term
    levels: tuple[int, ...]


def effects_of(design: Design) -> tuple[Effect, ...]:
    """Every effect of the terms that the design identifies."""
    return tuple(
        Effect(entry.term, levels)
        for entry in design.identified
        if entry.estimable
        for levels in term_levels(design.levels, entry.term)
    )


def models(design: Design) -> Iterator[tuple[Floats, Floats]]:
    """For each model needed: its columns (rows, coefficients) and the effects it estimates (effects, coefficients)."""
    for order in sorted({entry.order for entry in design.identified if entry.estimable}):
        terms = terms_up_to(order, len(design.levels))
        columns = np.hstack([term_columns(design.codes, design.levels, term) for term in terms])
        start = dict(zip(terms, np.cumsum([0, *(term_df(design.levels, term) for term in terms)]), strict=False))
        wanted = []
        for entry in design.identified:
            if entry.estimable and entry.order == order:
                rows = np.zeros((entry.full_df, columns.shape[1]))
                rows[:, start[entry.term] : start[entry.term] + entry.full_df] = term_effects(design.levels, entry.term)
                wanted.append(rows)
        yield columns, np.vstack(wanted)


def cell_weights(design: Design) -> Floats:
    """Weights (effects, cells) that turn cell means into effects, by least squares over the cells."""
    weights = [np.empty((0, len(design.codes)))]
    for columns, effects in models(design):
        with_mean = np.hstack([np.ones((len(columns), 1)), columns])
        weights.append(effects @ np.linalg.pinv(with_mean)[1:])
    stacked = np.vstack(weights)
    # An effect must not see the rounding error of cells that it does not compare: they may be larger by any factor.
    stacked[np.abs(stacked) < 1e-9 * np.abs(stacked).max(axis=1, initial=0.0, keepdims=True)] = 0.0
    return stacked
