"""A linear model of a factorial -> marginal means, their pairwise differences, and simple effects within other levels.

A marginal mean gives every combination of the other factors (and every block) the same weight, however many runs each
has (Searle, Speed & Milliken 1980), as R's emmeans does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from scipy import special

from bench.stats.coding import Floats, Ints, Term, term_columns
from bench.stats.contrast import Estimates
from bench.stats.linear import Covariance, fit


@dataclass(frozen=True)
class MarginalMeans:
    """One entry per combination of levels of the chosen factors."""

    combinations: Ints
    """Level codes, shape (combinations, chosen factors)."""
    value: Floats
    covariance: Floats
    df: int

    @property
    def se(self) -> Floats:
        """Standard errors."""
        return np.sqrt(np.diag(self.covariance))

    def limits(self, confidence: float = 0.95) -> tuple[Floats, Floats]:
        """Confidence limits, each mean on its own."""
        half = special.stdtrit(self.df, (1 + confidence) / 2) * self.se
        return self.value - half, self.value + half

    def contrast(self, weights: Floats, confidence: float = 0.95) -> Estimates:
        """Differences ``weights @ value`` (each row of weights sums to zero), unadjusted."""
        value = weights @ self.value
        variance = np.einsum("kr,rs,ks->k", weights, self.covariance, weights)
        se = np.sqrt(np.where(variance > 0, variance, np.nan))
        t = value / se
        half = special.stdtrit(self.df, (1 + confidence) / 2) * se
        p = 2 * special.stdtr(self.df, -np.abs(t))
        df, n = np.full(len(value), float(self.df)), np.full(len(value), len(self.value))
        return Estimates(value, se, value - half, value + half, t, df, p, n, ~(variance > 0))


def marginal_means(
    values: Floats,
    codes: Ints,
    levels: Sequence[int],
    terms: Sequence[Term],
    chosen: Sequence[int],
    block: Ints | None = None,
    *,
    covariance: Covariance = "ols",
) -> MarginalMeans:
    """Means of the ``chosen`` factors (by position) under the model of ``terms``, averaged over all other factors.

    ``values`` (runs,), ``codes`` (runs, factors), ``block`` (runs,) counted from 0. Raises ValueError where terms
    depend on each other, since the means are then not estimable.
    """
    model = fit(values, codes, levels, terms, block)
    if not model.complete:
        raise ValueError("marginal means are not estimable: terms of the model depend on each other")
    grid = np.array(list(product(*(range(levels[factor]) for factor in chosen))), dtype=np.int64)
    full = np.zeros((len(grid), len(levels)), dtype=np.int64)
    full[:, list(chosen)] = grid
    columns = [term_columns(full, levels, term) * (1.0 if set(term) <= set(chosen) else 0.0) for term in terms]
    X = np.hstack([term_columns(codes, levels, term) for term in terms])
    group = np.zeros(len(values), dtype=np.int64) if block is None else block
    size = np.bincount(group)
    centre = np.array([(np.bincount(group, weights=column) / size).mean() for column in X.T])
    rows = np.hstack(columns) - centre
    value = (np.bincount(group, weights=values) / size).mean() + rows @ model.coefficients
    mean_variance = model.mean_sq * (1 / size).sum() / len(size) ** 2
    return MarginalMeans(grid, value, mean_variance + rows @ model.covariance(covariance) @ rows.T, model.df_error)


def all_pairs(count: int) -> tuple[list[tuple[int, int]], Floats]:
    """Every pair i < j and its weights, i minus j: shape (pairs, count)."""
    pairs = list(combinations(range(count), 2))
    weights = np.zeros((len(pairs), count))
    for row, (first, second) in enumerate(pairs):
        weights[row, first], weights[row, second] = 1.0, -1.0
    return pairs, weights


def simple_pairs(combos: Ints, varied: int) -> tuple[list[tuple[int, int]], Floats]:
    """Pairs of combinations that differ in the ``varied`` column only: the simple effects of that factor."""
    pairs, weights = all_pairs(len(combos))
    differs = [combos[first] != combos[second] for first, second in pairs]
    kept = [row for row, changed in enumerate(differs) if changed[varied] and changed.sum() == 1]
    return [pairs[row] for row in kept], weights[kept]
