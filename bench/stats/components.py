"""A balanced table of crossed or nested random groups -> mean squares, variance components and their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

from bench.stats.coding import Floats

Axes = tuple[int, ...]
"""A random term: the axes of the table whose groups it belongs to, in rising order."""


@dataclass(frozen=True)
class MeanSquares:
    """The analysis of variance of a balanced random model without replicates, of any number of quantities.

    ``terms`` (T): the random terms; the last, which has all axes, is what a single run adds, its error. ``df`` (T,) and
    ``mean_squares`` (T, quantities). ``weights`` (T, T) times the mean squares are the unbiased estimates of the
    components, in which expected mean squares are solved (Searle, Casella & McCulloch 1992, section 4.3).
    """

    terms: tuple[Axes, ...]
    df: Floats
    mean_squares: Floats
    weights: Floats

    @property
    def components(self) -> Floats:
        """Variance of every term (T, quantities); below 0 where chance has it so."""
        return np.asarray(self.weights @ self.mean_squares)

    def interval(self, weights: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
        """Limits of the sum of mean squares that ``weights`` (T,) give, cut at 0 (``large_sample_limits``)."""
        low, high = large_sample_limits(weights, self.mean_squares, self.df, confidence)
        return np.maximum(low, 0.0), np.maximum(high, 0.0)


def mean_squares(table: Floats, *, crossed: bool) -> MeanSquares:
    """Mean squares of ``table``, one axis a stratum, outer first, and a last one of quantities; each has 2 or more.

    Nested groups are counted anew within their outer group. The model of crossed groups has every interaction.

    >>> suppliers = [[1, -1, 0], [-2, -3, -4], [-2, 0, 1], [1, 4, 0]], [[1, -2, -3], [0, 4, 2], [-1, 0, -2], [0, 3, 2]]
    >>> squares = mean_squares(np.array(suppliers, float)[..., None], crossed=False)
    >>> squares.terms, squares.df.tolist()
    (((0,), (0, 1), (0, 1, 2)), [1.0, 6.0, 16.0])
    """
    shape = table.shape[:-1]
    axes = range(len(shape))
    if crossed:
        terms = [term for size in range(1, len(shape) + 1) for term in combinations(axes, size)]
    else:
        terms = [tuple(range(depth + 1)) for depth in axes]
    df, squares = [], []
    for term in terms:
        effect = _means(table, term)
        if crossed:
            for axis in term:
                effect = effect - effect.mean(axis=axis, keepdims=True)
            df.append(math.prod(shape[axis] - 1 for axis in term))
        else:
            effect = effect - _means(table, term[:-1])
            df.append(math.prod(shape[axis] for axis in term[:-1]) * (shape[term[-1]] - 1))
        copies = math.prod(shape) // math.prod(effect.shape[:-1])
        squares.append(copies * (effect**2).sum(axis=tuple(axes)) / df[-1])
    return MeanSquares(tuple(terms), np.array(df, float), np.array(squares), _weights(terms, shape))


def large_sample_limits(
    weights: Floats, mean_squares: Floats, df: Floats, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Modified large-sample limits of a weighted sum of expected mean squares, any of whose weights may be negative.

    Ting, Burdick, Graybill, Jeyaratnam & Lu (1990), as in Burdick & Graybill (1992), section 3.3: exact for a single
    mean square and where all but one have infinitely many degrees of freedom. ``mean_squares`` (T, quantities).
    """
    alpha = (1.0 - confidence) / 2.0
    plus, minus = np.flatnonzero(weights > 0).tolist(), np.flatnonzero(weights < 0).tolist()
    parts = np.abs(weights)[:, None] * mean_squares
    estimate = weights @ mean_squares
    low = _squared_width(parts, df, plus, minus, alpha)
    high = _squared_width(parts, df, minus, plus, alpha)  # the upper limit of a sum is the lower one of its negative
    return estimate - np.sqrt(np.maximum(low, 0.0)), estimate + np.sqrt(np.maximum(high, 0.0))


def _squared_width(parts: Floats, df: Floats, plus: Sequence[int], minus: Sequence[int], alpha: float) -> Floats:
    """The squared distance of the lower limit from the sum of ``parts`` at ``plus`` less those at ``minus``."""
    g = 1.0 - df / special.chdtri(df, alpha)  # 1 - 1 / F(alpha; df, infinity)
    h = df / special.chdtri(df, 1.0 - alpha) - 1.0
    total = (g[plus, None] ** 2 * parts[plus] ** 2).sum(axis=0) + (h[minus, None] ** 2 * parts[minus] ** 2).sum(axis=0)
    for q in plus:
        for r in minus:
            f = special.fdtri(df[q], df[r], 1.0 - alpha)
            total = total + ((f - 1.0) ** 2 - g[q] ** 2 * f**2 - h[r] ** 2) / f * parts[q] * parts[r]
    for q, t in combinations(plus, 2):
        both = df[q] + df[t]
        joint = (1.0 - both / special.chdtri(both, alpha)) ** 2 * both**2 / (df[q] * df[t])
        rest = g[q] ** 2 * df[q] / df[t] + g[t] ** 2 * df[t] / df[q]
        total = total + (joint - rest) / (len(plus) - 1) * parts[q] * parts[t]
    return np.asarray(total)


def _means(table: Floats, term: Axes) -> Floats:
    """Means of the groups of a term; the other axes of the table have length 1."""
    others = tuple(axis for axis in range(table.ndim - 1) if axis not in term)
    return np.asarray(table.mean(axis=others, keepdims=True)) if others else table


def _weights(terms: Sequence[Axes], shape: Sequence[int]) -> Floats:
    """Expected mean squares, solved: E MS(T) is the sum, over terms U that contain T, of the runs per group of U."""
    runs = [math.prod(n for axis, n in enumerate(shape) if axis not in term) for term in terms]
    contains = [[{*term} <= {*other} for other in terms] for term in terms]
    return np.asarray(np.linalg.inv(np.array(contains, float) * np.array(runs)))
