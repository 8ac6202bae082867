"""Runs of a factorial -> the analysis of variance with its interactions, seeds as blocks or runs independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from bench.stats.coding import ROUNDING, Bools, Floats, Ints, Term, centred
from bench.stats.linear import Covariance, LinearModel, fit

SumsOfSquares = Literal[1, 2, 3]


@dataclass(frozen=True)
class TermTest:
    """One row of a table of F tests; F and p are NaN where nothing is left to test with."""

    term: Term | None
    """None for the blocks."""
    df: float
    df_error: float
    sum_sq: float
    """NaN in a robust or a mixed table, whose F is no ratio of sums of squares."""
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

    def tests(self, kind: SumsOfSquares = 2, covariance: Covariance = "ols") -> list[TermTest]:
        """F tests of the blocks and of each term against the residual of the model with all of them.

        Kind 1: each term after those before it, blocks first. Kind 2: after every term that does not contain it.
        Kind 3: after all others, in sum coding; NaN where terms depend on each other, since it then depends on which
        are left out. Agrees with R's ``anova`` and ``car::Anova``.

        A robust ``covariance`` gives Wald tests of the terms, of kind 2 or 3. Kind 2 then weights the cells by their
        estimated variances and so tests something else than kind 3, even in balanced data: prefer kind 3.
        """
        if covariance != "ols":
            return _robust(self.model, kind, covariance)
        rows = [] if self.without_blocks is None else [self._blocks(self.without_blocks, kind)]
        for position, term in enumerate(self.model.terms):
            own = self.model.column_owner == position
            others = _adjusted_for(position, self.model.terms, kind)[self.model.column_owner]
            along = _projected(self.model, own, others)
            sum_sq = float(along @ along) if kind != 3 or self.model.complete else float("nan")
            rows.append(_row(term, len(along), sum_sq, self.model))
        return rows

    def _blocks(self, without: LinearModel, kind: SumsOfSquares) -> TermTest:
        if kind == 1:
            return _row(None, self.model.blocks - 1, self.between, self.model)
        sum_sq = without.sum_sq - self.model.sum_sq
        return _row(None, without.df_error - self.model.df_error, sum_sq, self.model)


def fit_anova(
    values: Floats, codes: Ints, levels: Sequence[int], terms: Sequence[Term], block: Ints | None
) -> FittedAnova:
    """Fit ``values`` (runs,) on ``terms`` of ``codes`` (runs, factors), with ``block`` (runs,) counted from 0."""
    model = fit(values, codes, levels, terms, block)
    if block is None:
        return FittedAnova(model, None, 0.0)
    between = centred(values, None) - centred(values, block)
    return FittedAnova(model, fit(values, codes, levels, terms), float(between @ between))


def wald(estimates: Floats, covariance: Floats, df_error: float) -> tuple[float, float]:
    """F and p of the hypothesis that all ``estimates`` are zero, given their covariance; NaN where it is singular."""
    df = len(estimates)
    if df == 0 or not np.isfinite(covariance).all() or np.linalg.matrix_rank(covariance, hermitian=True) < df:
        return float("nan"), float("nan")
    F = float(estimates @ np.linalg.solve(covariance, estimates)) / df
    return F, float(special.fdtrc(df, df_error, F))


def _adjusted_for(position: int, terms: Sequence[Term], kind: SumsOfSquares) -> Bools:
    if kind == 2:
        return np.array([not set(terms[position]) <= set(term) for term in terms])
    place = np.arange(len(terms))
    return np.asarray(place < position if kind == 1 else place != position)


def _projected(model: LinearModel, own: Bools, others: Bools) -> Floats:
    """The response along the part of a term that is orthogonal to the others; as long as that part has dimensions."""
    adjusted, part = model.coordinates[:, others], model.coordinates[:, own]
    basis = np.linalg.qr(adjusted)[0] if model.complete else _basis(adjusted)
    size = np.linalg.norm(part)
    for _ in range(2):  # twice, so that rounding in the first pass is removed by the second
        part = part - basis @ (basis.T @ part)
    return np.asarray(_basis(part, float(size)).T @ model.rotated, float)


def _basis(columns: Floats, size: float | None = None) -> Floats:
    """Orthonormal basis of the span; directions that are rounding errors of columns of that ``size`` do not count."""
    if 0 in columns.shape:
        return np.empty((len(columns), 0))
    U, lengths, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(U[:, lengths > 1e-9 * (lengths[0] if size is None else size)], float)


def _row(term: Term | None, df: int, sum_sq: float, model: LinearModel) -> TermTest:
    if df == 0 or not model.testable:
        return TermTest(term, df, model.df_error, sum_sq if df else float("nan"), float("nan"), float("nan"))
    F = (sum_sq / df) / model.mean_sq
    return TermTest(term, df, model.df_error, sum_sq, F, float(special.fdtrc(df, model.df_error, F)))


def _robust(model: LinearModel, kind: SumsOfSquares, covariance: Covariance) -> list[TermTest]:
    if kind == 1:
        raise ValueError("a robust covariance has no sequential sums of squares; take kind 3")
    V = model.covariance(covariance)
    df_error = model.blocks - 1 if covariance == "cluster" else model.df_error
    rows = []
    for position, term in enumerate(model.terms):
        hypothesis = np.eye(len(V))[model.owner == position]
        containing = np.array([set(term) < set(larger) for larger in model.terms])
        relatives = np.eye(len(V))[containing[model.owner]]
        if kind == 2 and len(relatives) and np.isfinite(V).all():
            hypothesis = _orthogonal_part(np.vstack([relatives, hypothesis]), relatives, V)
        spread = hypothesis @ V @ hypothesis.T
        varies = bool(np.trace(spread) > (ROUNDING * model.magnitude) ** 2)
        usable = varies and (kind == 2 or model.complete)
        estimates = hypothesis @ model.coefficients
        F, p = wald(estimates, spread, df_error) if usable else (float("nan"), float("nan"))
        rows.append(TermTest(term, len(hypothesis), df_error, float("nan"), F, p))
    return rows


def _orthogonal_part(space: Floats, part: Floats, metric: Floats) -> Floats:
    """Rows that span what is left of ``space`` beside ``part``, orthogonal to it in ``metric`` (car's ConjComp)."""
    Q = np.linalg.qr((space @ metric @ part.T), mode="complete")[0]
    return np.asarray(Q[:, len(part) :].T @ space, float)
