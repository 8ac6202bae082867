"""Runs of a factorial and a list of terms -> the fitted linear model, with classical and robust covariances.

Blocks are swept out of the response and the columns first (Frisch-Waugh-Lovell), so that thousands of them cost
nothing. Columns that depend on earlier ones are left out, as R's ``lm`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from bench.stats.coding import ROUNDING, Floats, Ints, Term, centred, term_columns
from bench.stats.identify import independent_columns

Covariance = Literal["ols", "hc0", "hc1", "hc2", "hc3", "hc4", "cluster"]


@dataclass(frozen=True)
class LinearModel:
    """Least squares of ``y`` on the columns of ``terms``, both less their mean (or their mean within blocks)."""

    terms: tuple[Term, ...]
    columns: Floats
    """Columns of every term, also those that depend on earlier ones."""
    column_owner: Ints
    """Position in ``terms`` of the term that each of them belongs to."""
    kept: Ints
    """Which of them are ``regressors``."""
    y: Floats
    block: Ints | None
    magnitude: float
    """Largest absolute value of the response before its mean was taken away."""

    @property
    def regressors(self) -> Floats:
        """The independent columns, shape (rows, coefficients)."""
        return self.columns if self.complete else self.columns[:, self.kept]

    @property
    def owner(self) -> Ints:
        """Position in ``terms`` of the term that each coefficient belongs to."""
        return self.column_owner[self.kept]

    @property
    def complete(self) -> bool:
        """Whether no column was left out."""
        return bool(len(self.kept) == self.columns.shape[1])

    @cached_property
    def factors(self) -> tuple[Floats, Floats]:
        """Orthonormal basis of the columns and the triangle that relates them."""
        Q, R = np.linalg.qr(self.regressors)
        return np.asarray(Q, float), np.asarray(R, float)

    @cached_property
    def rotated(self) -> Floats:
        """The response in that basis: Q'y."""
        return np.asarray(self.factors[0].T @ self.y, float)

    @cached_property
    def coordinates(self) -> Floats:
        """Every column in that basis, shape (coefficients, columns)."""
        return np.asarray(self.factors[0].T @ self.columns, float)

    @cached_property
    def coefficients(self) -> Floats:
        """Least-squares coefficients."""
        return np.asarray(np.linalg.solve(self.factors[1], self.rotated), float)

    @cached_property
    def residuals(self) -> Floats:
        """Response less fit, shape (rows,)."""
        return np.asarray(self.y - self.factors[0] @ self.rotated, float)

    @cached_property
    def sum_sq(self) -> float:
        """Sum of squared residuals."""
        return float(self.residuals @ self.residuals)

    @property
    def blocks(self) -> int:
        """Number of blocks; 1 if there are none, for the mean."""
        return 1 if self.block is None else int(self.block.max(initial=-1)) + 1

    @property
    def df_error(self) -> int:
        """Residual degrees of freedom."""
        return len(self.y) - self.blocks - int(self.regressors.shape[1])

    @property
    def testable(self) -> bool:
        """Whether the residual holds more than rounding errors."""
        return self.df_error > 0 and bool(self.sum_sq > len(self.y) * (ROUNDING * self.magnitude) ** 2)

    @property
    def mean_sq(self) -> float:
        """Residual mean square; NaN where there is nothing left."""
        return self.sum_sq / self.df_error if self.testable else float("nan")

    @cached_property
    def leverage(self) -> Floats:
        """Diagonal of the hat matrix of the whole model, the mean or the blocks included."""
        own = (self.factors[0] ** 2).sum(axis=1)
        if self.block is None:
            return np.asarray(own + 1.0 / len(self.y), float)
        return np.asarray(own + 1.0 / np.bincount(self.block)[self.block], float)

    @cached_property
    def inverse(self) -> Floats:
        """(X'X)^-1."""
        half = np.linalg.inv(self.factors[1])
        return np.asarray(half @ half.T, float)

    def covariance(self, kind: Covariance = "ols") -> Floats:
        """Covariance of the coefficients, shape (coefficients, coefficients).

        ``hc0`` to ``hc4``: MacKinnon & White (1985), Cribari-Neto (2004), as R's sandwich; NaN where a run determines
        its own fit. ``cluster``: jackknife over blocks, NaN where a block alone identifies a coefficient.
        """
        if kind not in get_args(Covariance):
            raise ValueError(f"unknown covariance {kind!r}; known: {', '.join(get_args(Covariance))}")
        if kind == "ols":
            return self.mean_sq * self.inverse
        if kind == "cluster":
            if self.block is None:
                raise ValueError("a covariance by cluster needs blocks")
            replicates = leave_one_block_out(self.y, self.regressors, self.block)
            deviations = replicates - replicates.mean(axis=0)
            return np.asarray((self.blocks - 1) / self.blocks * deviations.T @ deviations, float)
        score = self.regressors @ self.inverse
        return np.asarray((score * self._squared_errors(kind)[:, None]).T @ score, float)

    def _squared_errors(self, kind: Covariance) -> Floats:
        n, fitted = len(self.y), self.blocks + self.regressors.shape[1]
        free = np.where(self.leverage < 1.0 - 1e-9, 1.0 - self.leverage, np.nan)
        if not self.testable:
            return np.full(n, np.nan)
        squared = self.residuals**2
        if kind == "hc0":
            return squared
        if kind == "hc1":
            return np.asarray(squared * n / (n - fitted))
        power = {"hc2": 1.0, "hc3": 2.0, "hc4": np.minimum(4.0, n * self.leverage / fitted)}[kind]
        return np.asarray(squared / free**power)


def fit(
    values: Floats, codes: Ints, levels: Sequence[int], terms: Sequence[Term], block: Ints | None = None
) -> LinearModel:
    """Fit ``values`` (runs,) on sum-coded ``terms`` of ``codes`` (runs, factors), blocks counted from 0."""
    columns = [centred(term_columns(codes, levels, term), block) for term in terms]
    X = np.hstack([np.empty((len(values), 0)), *columns])
    owner = np.repeat(np.arange(len(terms)), [column.shape[1] for column in columns])
    return LinearModel(
        terms=tuple(terms),
        columns=X,
        column_owner=owner,
        kept=np.array(independent_columns(np.asarray(np.linalg.qr(X, mode="r"))), dtype=np.int64),
        y=centred(values, block),
        block=block,
        magnitude=float(np.abs(values).max(initial=0.0)),
    )


def leave_one_block_out(y: Floats, X: Floats, block: Ints) -> Floats:
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
