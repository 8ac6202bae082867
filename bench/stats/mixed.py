"""Runs of a factorial with a random intercept per block -> REML fit and F tests with Satterthwaite degrees of freedom.

Within a block the covariance is error variance times identity plus block variance times ones, so its powers act
separately on block means and on deviations from them, and every quantity comes from sums over blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from bench.stats.anova import TermTest
from bench.stats.coding import ROUNDING, Floats, Ints, Term, term_columns


@dataclass(frozen=True)
class MixedFit:
    """REML estimates; the columns are the mean and then the sum-coded columns of ``terms``."""

    terms: tuple[Term, ...]
    owner: Ints
    """Position in ``terms`` of the term each coefficient belongs to; -1 for the mean."""
    coefficients: Floats
    covariance: Floats
    block_variance: float
    error_variance: float
    criterion: float
    """-2 log restricted likelihood."""
    slopes: Floats
    """Derivatives of ``covariance`` by block and by error variance, shape (2, coefficients, coefficients)."""
    variance_covariance: Floats
    """Covariance of the two variances; NaN where the block variance is zero, at the edge of its range."""

    def test(self, hypothesis: Floats) -> tuple[float, float, float]:
        """F, denominator degrees of freedom and p of ``hypothesis @ coefficients`` = 0 (Fai & Cornelius 1996)."""
        estimates, V = hypothesis @ self.coefficients, hypothesis @ self.covariance @ hypothesis.T
        lengths, directions = np.linalg.eigh(V)
        if not np.isfinite(self.variance_covariance).all() or lengths[0] <= 1e-12 * lengths[-1]:
            return float("nan"), float("nan"), float("nan")
        rows = directions.T @ hypothesis
        gradient = np.einsum("qc,vcd,qd->qv", rows, self.slopes, rows)
        df = 2 * lengths**2 / np.einsum("qv,vw,qw->q", gradient, self.variance_covariance, gradient)
        F = float(((directions.T @ estimates) ** 2 / lengths).mean())
        pooled = _pooled_df(df)
        return F, pooled, float(special.fdtrc(len(df), pooled, F))


def fit_mixed(
    values: Floats, codes: Ints, levels: Sequence[int], terms: Sequence[Term], block: Ints
) -> MixedFit | None:
    """Fit by restricted maximum likelihood; None where terms depend on each other or nothing is left to estimate from.

    ``values`` (runs,), ``codes`` (runs, factors), ``block`` (runs,) counted from 0. Agrees with R's lme4 and lmerTest.
    """
    columns = [term_columns(codes, levels, term) for term in terms]
    X = np.hstack([np.ones((len(values), 1)), *columns])
    noise = len(values) * (ROUNDING * float(np.abs(values).max(initial=0.0))) ** 2
    rank = np.linalg.matrix_rank(X)
    if rank < X.shape[1] or len(values) <= rank or block.max() < 1 or len(values) * values.var() <= noise:
        return None
    sums = _BlockSums.of(X, values - values.mean(), block)
    if sums.sum_sq(0.0) <= noise:
        return None
    ratio = _best_ratio(sums)
    error = float(sums.sum_sq(ratio)) / (sums.n - X.shape[1])
    at = _At(sums, ratio * error, error)
    coefficients = at.beta + np.eye(X.shape[1])[0] * values.mean()
    return MixedFit(
        terms=tuple(terms),
        owner=np.concatenate([[-1], np.repeat(np.arange(len(terms)), [column.shape[1] for column in columns])]),
        coefficients=coefficients,
        covariance=at.C,
        block_variance=ratio * error,
        error_variance=error,
        criterion=float(sums.criterion(ratio)),
        slopes=at.slopes(),
        variance_covariance=at.variance_covariance() if ratio > 0 else np.full((2, 2), np.nan),
    )


def mixed_anova(fit: MixedFit) -> list[TermTest]:
    """Type III tests of every term."""
    rows = []
    for position, term in enumerate(fit.terms):
        hypothesis = np.eye(len(fit.coefficients))[fit.owner == position]
        F, df, p = fit.test(hypothesis)
        rows.append(TermTest(term, len(hypothesis), df, float("nan"), F, p))
    return rows


def _pooled_df(df: Floats) -> float:
    """One denominator for the mean of independent squared t (the rule of R's lmerTest)."""
    if len(df) == 1 or np.ptp(df) < 1e-8 * df.max():
        return float(df.mean())
    if np.any(df <= 2):
        return 2.0
    expected = float((df / (df - 2)).sum())
    return 2 * expected / (expected - len(df))


@dataclass(frozen=True)
class _BlockSums:
    """What the likelihood needs: block means, and deviations from them, turned by QR into a few rows.

    Functions of the ratio of the block variance to the error variance take many ratios at once.
    """

    n: int
    size: Floats
    within_x: Floats
    within_y: Floats
    mean_x: Floats
    mean_y: Floats

    @classmethod
    def of(cls, X: Floats, y: Floats, block: Ints) -> _BlockSums:
        size = np.bincount(block).astype(float)
        mean_x = np.stack([np.bincount(block, weights=column) for column in X.T], axis=1) / size[:, None]
        mean_y = np.bincount(block, weights=y) / size
        within = np.asarray(np.linalg.qr(np.column_stack([X - mean_x[block], y - mean_y[block]]), mode="r"), float)
        return cls(len(y), size, within[:, :-1], within[:, -1], mean_x, mean_y)

    def solve(self, ratio: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """X'WX, its solution for the coefficients, and the weights of block means, at error variance 1."""
        weight = self.size / (1 + np.asarray(ratio, float)[..., None] * self.size)
        gram = self.within_x.T @ self.within_x + (self.mean_x * weight[..., None]).mT @ self.mean_x
        cross = self.within_x.T @ self.within_y + (weight * self.mean_y) @ self.mean_x
        return gram, np.asarray(np.linalg.solve(gram, cross[..., None])[..., 0], float), weight

    def sum_sq(self, ratio: ArrayLike) -> Floats:
        """Weighted residual sum of squares."""
        _, beta, weight = self.solve(ratio)
        within, mean = self.within_y - beta @ self.within_x.T, self.mean_y - beta @ self.mean_x.T
        return np.asarray((within**2).sum(axis=-1) + (weight * mean**2).sum(axis=-1))

    def criterion(self, ratio: ArrayLike) -> Floats:
        """-2 log restricted likelihood, profiled over the error variance (Bates et al. 2015, eq. 41)."""
        free = self.n - self.mean_x.shape[1]
        blocks = np.log1p(np.asarray(ratio, float)[..., None] * self.size).sum(axis=-1)
        log_determinants = blocks + np.linalg.slogdet(self.solve(ratio)[0])[1]
        return np.asarray(log_determinants + free * (1 + np.log(2 * np.pi * self.sum_sq(ratio) / free)))


def _best_ratio(sums: _BlockSums) -> float:
    """Block variance over error variance that minimises the criterion; 0 where it only grows."""
    grid = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 61)])
    best = int(np.argmin(sums.criterion(grid)))
    if best == 0:
        return 0.0
    low, high = np.log(grid[max(best - 1, 1)]), np.log(grid[min(best + 1, len(grid) - 1)])

    def slope(log_ratio: float) -> float:
        return _At.of_ratio(sums, float(np.exp(log_ratio))).score()

    if slope(low) * slope(high) >= 0:
        found = optimize.minimize_scalar(
            lambda x: float(sums.criterion(np.exp(x))), bounds=(low, high), method="bounded"
        )
        return float(np.exp(found.x))
    return float(np.exp(optimize.brentq(slope, low, high, xtol=1e-14, rtol=1e-14)))


class _At:
    """The derivatives of the restricted likelihood at given variances, in matrices no larger than the coefficients."""

    def __init__(self, sums: _BlockSums, block_variance: float, error_variance: float) -> None:
        self.sums, self.error = sums, error_variance
        self.total = error_variance + sums.size * block_variance
        self.C = np.asarray(np.linalg.inv(self.powers(1)), float)
        self.beta = sums.solve(block_variance / error_variance)[1]
        self.within = (sums.within_y - sums.within_x @ self.beta) / self.error
        self.mean = (sums.mean_y - sums.mean_x @ self.beta) / self.total

    @classmethod
    def of_ratio(cls, sums: _BlockSums, ratio: float) -> _At:
        error = float(sums.sum_sq(ratio)) / (sums.n - sums.mean_x.shape[1])
        return cls(sums, ratio * error, error)

    def powers(self, k: int) -> Floats:
        """X' V^-k X."""
        return self.sums.within_x.T @ self.sums.within_x / self.error**k + self.blocks(k, 1)

    def blocks(self, k: int, order: int) -> Floats:
        """X' V^-k (ZZ')^(order - 1) X on the block means, where ZZ' multiplies by the size of the block."""
        weight = self.sums.size**order / self.total**k
        return np.asarray((self.sums.mean_x * weight[:, None]).T @ self.sums.mean_x, float)

    def score(self) -> float:
        """Derivative of the criterion by the block variance: tr(P ZZ') - y'P ZZ' P y."""
        size = self.sums.size
        trace = (size / self.total).sum() - np.trace(self.C @ self.blocks(2, 2))
        return float(trace - (size**2 * self.mean**2).sum())

    def slopes(self) -> Floats:
        """Derivatives of C by block and by error variance: C X'V^-1 V_i V^-1 X C."""
        return np.stack([self.C @ self.blocks(2, 2) @ self.C, self.C @ self.powers(2) @ self.C])

    def variance_covariance(self) -> Floats:
        """Twice the inverse of the criterion's second derivatives 2 y'P V_i P V_j P y - tr(P V_i P V_j)."""
        size, total, C = self.sums.size, self.total, self.C
        free = self.sums.n - len(size)
        T2, T3, T4 = self.blocks(2, 2), self.blocks(3, 2), self.blocks(3, 3)
        S2, S3 = self.powers(2), self.powers(3)
        trace = np.empty((2, 2))
        trace[0, 0] = (size**2 / total**2).sum() - 2 * np.trace(C @ T4) + np.trace(C @ T2 @ C @ T2)
        trace[0, 1] = trace[1, 0] = (size / total**2).sum() - 2 * np.trace(C @ T3) + np.trace(C @ T2 @ C @ S2)
        trace[1, 1] = free / self.error**2 + (1 / total**2).sum() - 2 * np.trace(C @ S3) + np.trace(C @ S2 @ C @ S2)
        moved = [(np.zeros_like(self.within), size * self.mean), (self.within, self.mean)]
        quadratic = np.empty((2, 2))
        for i, (within_i, mean_i) in enumerate(moved):
            cross_i = self._cross(within_i, mean_i)
            for j, (within_j, mean_j) in enumerate(moved):
                direct = within_i @ within_j / self.error + (size / total * mean_i) @ mean_j
                quadratic[i, j] = direct - cross_i @ C @ self._cross(within_j, mean_j)
        return np.asarray(2 * np.linalg.inv(2 * quadratic - trace), float)

    def _cross(self, within: Floats, mean: Floats) -> Floats:
        """X' V^-1 u of a vector given by its deviations and block means."""
        weight = self.sums.size / self.total
        return np.asarray(self.sums.within_x.T @ within / self.error + self.sums.mean_x.T @ (weight * mean), float)
