"""Runs of a factorial and a list of terms -> the linear model, fitted by statsmodels, and covariances of its parts.

Blocks are swept out of the response and the columns first (Frisch-Waugh-Lovell) and taken from the residual degrees of
freedom, so that thousands of them cost nothing. Columns that depend on earlier ones are left out, as R's ``lm`` does:
statsmodels would fit them without a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy import linalg

from bench.stats.coding import ROUNDING, Floats, Ints, Term, centred, term_columns
from bench.stats.identify import independent_columns

if TYPE_CHECKING:
    from bench.stats.influence import Influence

Covariance = Literal["ols", "hc3", "cluster"]


@dataclass(frozen=True)
class LinearModel:
    """Least squares of ``y`` on the columns of ``terms``, both less their mean (or their mean within blocks)."""

    terms: tuple[Term, ...]
    columns: Floats
    """Columns of every term, also those that depend on earlier ones."""
    column_owner: Ints
    """Position in ``terms`` of the term that each of them belongs to."""
    independent: Ints
    """Which of them are ``regressors``."""
    orthonormal: Floats
    """Q of regressors = QR, shape (rows, coefficients)."""
    triangle: Floats
    """R: from coefficients to the orthonormal basis Q."""
    y: Floats
    block: Ints | None
    magnitude: float
    """Largest absolute value of the response before its mean was taken away."""

    @property
    def regressors(self) -> Floats:
        """The independent columns, shape (rows, coefficients)."""
        return self.columns if self.complete else self.columns[:, self.independent]

    @property
    def owner(self) -> Ints:
        """Position in ``terms`` of the term that each coefficient belongs to."""
        return self.column_owner[self.independent]

    @property
    def complete(self) -> bool:
        """Whether no column was left out."""
        return bool(len(self.independent) == self.columns.shape[1])

    @property
    def blocks(self) -> int:
        """Number of blocks; 1 if there are none, for the mean."""
        return 1 if self.block is None else int(self.block.max(initial=-1)) + 1

    @property
    def df_error(self) -> int:
        """Residual degrees of freedom."""
        return len(self.y) - self.blocks - len(self.independent)

    @cached_property
    def results(self) -> Any:
        """What statsmodels makes of it, knowing of the degrees of freedom of the blocks; not for no coefficients.

        From the decomposition at hand: ``OLS.fit`` would take the columns apart once more, by singular values.
        """
        from statsmodels.regression.linear_model import OLS, OLSResults  # noqa: PLC0415  (statsmodels takes seconds)

        model = OLS(self.y, self.regressors, hasconst=False)
        model.df_model, model.df_resid = float(len(self.independent)), float(max(self.df_error, 0)) or np.nan
        back = linalg.solve_triangular(self.triangle, np.eye(len(self.independent)))
        return OLSResults(model, back @ self.rotated, back @ back.T)

    @cached_property
    def rotated(self) -> Floats:
        """The response in that basis: Q'y."""
        return np.asarray(self.orthonormal.T @ self.y, float)

    @cached_property
    def coordinates(self) -> Floats:
        """Every column in that basis, shape (coefficients, columns)."""
        return self.triangle if self.complete else np.asarray(self.orthonormal.T @ self.columns, float)

    @property
    def coefficients(self) -> Floats:
        """Least-squares coefficients."""
        return np.asarray(self.results.params, float) if len(self.independent) else np.empty(0)

    @cached_property
    def residuals(self) -> Floats:
        """Response less fit, shape (rows,)."""
        return self.y - self.orthonormal @ self.rotated

    @property
    def sum_sq(self) -> float:
        """Sum of squared residuals."""
        return float(self.residuals @ self.residuals)

    @property
    def testable(self) -> bool:
        """Whether the residual holds more than rounding errors."""
        return self.df_error > 0 and bool(self.sum_sq > len(self.y) * (ROUNDING * self.magnitude) ** 2)

    @property
    def inverse(self) -> Floats:
        """(X'X)^-1."""
        return np.asarray(self.results.normalized_cov_params, float) if len(self.independent) else np.empty((0, 0))

    @cached_property
    def influence(self) -> Influence:
        """What each run does to the fit, by statsmodels."""
        from bench.stats.influence import Influence  # noqa: PLC0415  (as above)

        return Influence(self)

    def covariance(self, kind: Covariance = "ols") -> Floats:
        """Covariance of the coefficients, shape (coefficients, coefficients).

        ``hc3``: MacKinnon & White (1985); NaN where a run determines its own fit. ``cluster``: jackknife over blocks,
        CV3J of MacKinnon, Nielsen & Webb (2023); NaN in the rows of what one block alone identifies.
        """
        if kind not in get_args(Covariance):
            raise ValueError(f"unknown covariance {kind!r}; known: {', '.join(get_args(Covariance))}")
        if kind == "cluster":
            if self.block is None:
                raise ValueError("a covariance by cluster needs blocks")
            return _jackknife(self, self.block) if len(self.independent) else self.inverse
        if not self.testable:
            return np.full(self.inverse.shape, np.nan)
        if kind == "ols":
            return np.asarray(self.results.cov_params(), float)
        # statsmodels' own HC3 takes the leverage from the columns alone and so misses the part of the block means.
        free = 1.0 - self.influence.hat_matrix_diag
        errors = self.residuals / np.where(free > 1e-9, free, np.nan)
        score = self.regressors @ self.inverse * errors[:, None]
        return np.asarray(score.T @ score, float)


def fit(
    values: Floats, codes: Ints, levels: Sequence[int], terms: Sequence[Term], block: Ints | None = None
) -> LinearModel:
    """Fit ``values`` (runs,) on sum-coded ``terms`` of ``codes`` (runs, factors), blocks counted from 0.

    >>> codes, seed = np.array([[0], [1], [0], [1], [0], [1]]), np.array([0, 0, 1, 1, 2, 2])
    >>> model = fit(np.array([1.0, 2.0, 3.0, 4.5, 2.0, 3.5]), codes, [2], [(0,)], seed)
    >>> print(f"{2 * model.coefficients[0]:.3f} with {model.df_error} df")
    1.333 with 2 df
    """
    columns = [centred(term_columns(codes, levels, term), block) for term in terms]
    X = np.hstack([np.empty((len(values), 0)), *columns])
    Q, R = np.linalg.qr(X)
    independent = np.array(independent_columns(R), dtype=np.int64)
    if len(independent) < X.shape[1]:
        Q, R = np.linalg.qr(X[:, independent])
    return LinearModel(
        terms=tuple(terms),
        columns=X,
        column_owner=np.repeat(np.arange(len(terms)), [column.shape[1] for column in columns]),
        independent=independent,
        orthonormal=np.asarray(Q, float),
        triangle=np.asarray(R, float),
        y=centred(values, block),
        block=block,
        magnitude=float(np.abs(values).max(initial=0.0)),
    )


def _jackknife(model: LinearModel, block: Ints) -> Floats:
    """By statsmodels; where it refuses, since one block alone identifies something, by the replicates that exist."""
    try:
        robust = model.results.get_robustcov_results("cluster-jk", groups=block, use_t=True)
        return np.asarray(robust.cov_params(), float)
    except ValueError:
        replicates = _leave_one_block_out(model.y, model.regressors, block)
        deviations = replicates - replicates.mean(axis=0)
        return np.asarray((model.blocks - 1) / model.blocks * deviations.T @ deviations, float)


def _leave_one_block_out(y: Floats, X: Floats, block: Ints) -> Floats:
    """Coefficients without each block in turn, shape (blocks, coefficients), from ``y`` and ``X`` centred by block.

    NaN in a row marks a coefficient that cannot be had without that block.
    """
    order = np.argsort(block, kind="stable")
    starts = np.searchsorted(block[order], np.arange(int(block.max()) + 1))
    X, y = X[order], y[order]
    outer = np.stack([np.add.reduceat(X * column[:, None], starts) for column in X.T], axis=1)
    cross = np.add.reduceat(X * y[:, None], starts)
    gram = outer.sum(axis=0) - outer
    inverse = np.linalg.pinv(gram, rcond=1e-10, hermitian=True)
    replicates = np.einsum("bcd,bd->bc", inverse, cross.sum(axis=0) - cross)
    lost = (np.abs(inverse @ gram - np.eye(X.shape[1])) > 1e-6).any(axis=2)
    return np.where(lost, np.nan, replicates)
