"""Runs of a factorial -> the analysis of variance with its interactions, seeds as blocks or runs independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import special

from bench.stats.coding import ROUNDING, Bools, Floats, Ints, Term, centred
from bench.stats.linear import LinearModel, fit

SumsOfSquares = Literal[1, 2, 3]
_ORTHOGONAL = 1e-12
"""A cosine that rounding alone explains."""


@dataclass(frozen=True)
class TermTest:
    """One row of a table of F tests; F and p are NaN where nothing is left to test with."""

    term: Term | None
    """None for the blocks."""
    df: float
    df_error: float
    sum_sq: float
    """NaN in a robust table, whose F is no ratio of sums of squares."""
    F: float
    p: float


@dataclass(frozen=True)
class FittedAnova:
    """The linear models behind an analysis of variance, fitted once for all its tables."""

    model: LinearModel
    without_blocks: LinearModel | None
    """The same terms with one mean instead of one a block; None without blocks."""
    between: float
    """Sum of squares of the block means; 0 without blocks."""

    def tests(self, kind: SumsOfSquares = 2) -> list[TermTest]:
        """F tests of the blocks and of each term against the residual of the model with all of them.

        Kind 1: each term after those before it, blocks first. Kind 2: after every term that does not contain it.
        Kind 3: after all others, in sum coding; NaN where terms depend on each other, since it then depends on which
        are left out. Agrees with R's ``anova`` and ``car::Anova``.
        """
        blocks = [] if self.without_blocks is None else [self._blocks(self.without_blocks, kind)]
        if self._unadjusted is not None:
            return [*blocks, *self._unadjusted]
        terms, whole = self.model.terms, kind != 3 or self.model.complete
        adjusted_for = [_adjusted_for(position, terms, kind) for position in range(len(terms))]
        return [*blocks, *(self._test(position, others, whole=whole) for position, others in enumerate(adjusted_for))]

    @cached_property
    def _unadjusted(self) -> Sequence[TermTest] | None:
        """The tests of the terms, if these are orthogonal to each other, so that every kind is the same."""
        size = np.linalg.norm(self.model.coordinates, axis=0)
        across = self.model.column_owner[:, None] != self.model.column_owner
        products = self.model.coordinates.T @ self.model.coordinates
        if not self.model.complete or (np.abs(products) > _ORTHOGONAL * size * size[:, None])[across].any():
            return None
        rows, df_error = [], self.model.df_error
        mean_sq = self.model.sum_sq / df_error if self.model.testable else float("nan")
        for position, term in enumerate(self.model.terms):
            directions = np.linalg.qr(self.model.coordinates[:, self.model.column_owner == position])[0]
            df, sum_sq = directions.shape[1], float(((directions.T @ self.model.rotated) ** 2).sum())
            F = sum_sq / df / mean_sq
            rows.append(TermTest(term, df, df_error, sum_sq, F, float(special.fdtrc(df, df_error, F))))
        return rows

    def _test(self, position: int, others: Bools, *, whole: bool) -> TermTest:
        """Of a term beside the ``others``; NaN where it has nothing of its own, or unless ``whole``."""
        own = self.model.column_owner == position
        directions = _part(self.model, own, others[self.model.column_owner])
        df, nan = directions.shape[1], float("nan")
        usable = df > 0 and whole
        sum_sq = float(((directions.T @ self.model.rotated) ** 2).sum()) if usable else nan
        # The sum of squares along some directions is that of the hypothesis that the fit has no part in them.
        hypothesis = directions.T @ self.model.triangle
        F, p = _f_test(self.model, hypothesis) if usable and self.model.testable else (nan, nan)
        return TermTest(self.model.terms[position], df, self.model.df_error, sum_sq, F, p)

    def robust_tests(self) -> list[TermTest]:
        """Wald tests of type III with standard errors that allow unequal variances (HC3).

        Type II with HC3 weights the cells by their estimated variances and so tests something else even in balanced
        data; it is not offered.
        """
        rows, nan = list[TermTest](), float("nan")
        V = self.model.covariance("hc3") if self.model.terms else np.empty((0, 0))
        for position, term in enumerate(self.model.terms):
            hypothesis = np.eye(len(V))[self.model.owner == position]
            spread = hypothesis @ V @ hypothesis.T
            varies = bool(np.trace(spread) > (ROUNDING * self.model.magnitude) ** 2)
            usable = self.model.complete and varies and np.linalg.matrix_rank(spread, hermitian=True) == len(spread)
            F, p = _f_test(self.model, hypothesis, V) if usable else (nan, nan)
            rows.append(TermTest(term, len(hypothesis), self.model.df_error, nan, F, p))
        return rows

    def _blocks(self, without: LinearModel, kind: SumsOfSquares) -> TermTest:
        df, df_error = without.df_error - self.model.df_error, self.model.df_error
        sum_sq = without.sum_sq - self.model.sum_sq
        if kind == 1:
            df, sum_sq = self.model.blocks - 1, self.between
        if not df or not self.model.testable:
            return TermTest(None, df, df_error, sum_sq if df else float("nan"), float("nan"), float("nan"))
        F = (sum_sq / df) / (self.model.sum_sq / df_error)
        return TermTest(None, df, df_error, sum_sq, F, float(special.fdtrc(df, df_error, F)))


def fit_anova(
    values: Floats, codes: Ints, levels: Sequence[int], terms: Sequence[Term], block: Ints | None
) -> FittedAnova:
    """Fit ``values`` (runs,) on ``terms`` of ``codes`` (runs, factors), with ``block`` (runs,) counted from 0.

    >>> codes = np.array([[0], [0], [1], [1], [1]])
    >>> row = fit_anova(np.array([1.0, 2.0, 4.0, 5.0, 3.0]), codes, [2], [(0,)], None).tests()[0]
    >>> print(f"F({row.df}, {row.df_error}) = {row.F:.2f}, p = {row.p:.3f}")
    F(1, 3) = 9.00, p = 0.058
    """
    model = fit(values, codes, levels, terms, block)
    if block is None:
        return FittedAnova(model, None, 0.0)
    y = centred(values, None)
    between = y - model.y
    if _same_in_every_block(codes, block):
        without = replace(model, y=y, block=None)
    else:
        without = fit(values, codes, levels, terms)
    return FittedAnova(model, without, float(between @ between))


def _same_in_every_block(codes: Ints, block: Ints) -> bool:
    """Whether every block has the same runs, so that columns less their means are the same with blocks and without."""
    order, counts = np.lexsort((*codes.T, block)), np.bincount(block)
    if len(set(counts.tolist())) != 1:
        return False
    runs = codes[order].reshape(len(counts), -1)
    return bool((runs == runs[0]).all())


def _f_test(model: LinearModel, hypothesis: Floats, covariance: Floats | None = None) -> tuple[float, float]:
    """F and p of ``hypothesis`` (df, coefficients) being zero, by statsmodels."""
    test = model.results.f_test(hypothesis, cov_p=covariance)
    return float(test.fvalue), float(test.pvalue)


def _adjusted_for(position: int, terms: Sequence[Term], kind: SumsOfSquares) -> Bools:
    if kind == 2:
        return np.array([not set(terms[position]) <= set(term) for term in terms])
    place = np.arange(len(terms))
    return np.asarray(place < position if kind == 1 else place != position)


def _part(model: LinearModel, own: Bools, others: Bools) -> Floats:
    """Orthonormal directions (coefficients, df), in the basis of the model, of a term's columns beside the others."""
    part, basis = model.coordinates[:, own], _basis(model.coordinates[:, others])
    size = np.linalg.norm(part)
    for _ in range(2):  # twice, so that rounding in the first pass is removed by the second
        part = part - basis @ (basis.T @ part)
    return _basis(part, float(size))


def _basis(columns: Floats, size: float | None = None) -> Floats:
    """Orthonormal basis of the span; directions that are rounding errors of columns of that ``size`` do not count."""
    if 0 in columns.shape:
        return np.empty((len(columns), 0))
    U, lengths, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(U[:, lengths > 1e-9 * (lengths[0] if size is None else size)], float)
