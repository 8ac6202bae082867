"""Runs of a factorial, blocked or not -> estimates of any contrasts of a term, and one test of the whole term.

Four ways in which runs can be blocked, one class each, with the same two methods. A contrast is a combination of the
coefficients of one term (``TermModel``), given as a row of a matrix (contrasts, coefficients).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy import special

from bench.stats.coding import ROUNDING, Floats, Ints
from bench.stats.contrast import Estimates, independent, one_sample, per_block, sums, t_estimates
from bench.stats.linear import LinearModel
from bench.stats.repeated import Hotelling, TermF, hotelling, orthonormal_rows, pooled_f, repeated_measures
from bench.stats.term_models import TermModel

Contrasts = tuple[TermModel, Floats]


class Estimator(Protocol):
    """Runs that know how to estimate contrasts of terms."""

    def estimate(self, contrasts: Sequence[Contrasts], confidence: float) -> Estimates:
        """The estimates of all contrasts, in their order."""

    def test(self, model: TermModel) -> TermF:
        """Whether all that the design identifies of the term is zero; the same for any reference levels."""


@dataclass(frozen=True)
class Blocks:
    """Complete blocks: one contrast per block, tested by t, and repeated-measures F."""

    table: Floats
    """(blocks, cells)."""
    magnitude: Floats
    """Largest absolute value of each cell."""

    def estimate(self, contrasts: Sequence[Contrasts], confidence: float) -> Estimates:
        """One-sample t of one contrast per block."""
        return self.of_cells(_weights(contrasts, len(self.magnitude)), confidence)

    def of_cells(self, weights: Floats, confidence: float) -> Estimates:
        """The same of any ``weights`` (contrasts, cells) of the cells."""
        return one_sample(
            per_block(self.table, weights), magnitude=np.abs(weights) @ self.magnitude, confidence=confidence
        )

    def test(self, model: TermModel) -> TermF:
        """Repeated-measures F, whose degrees of freedom Greenhouse and Geisser's epsilon corrects."""
        return repeated_measures(*self._orthonormal(model))

    def hotelling(self, model: TermModel) -> Hotelling:
        """Hotelling's T², which needs more blocks and assumes nothing of the covariance."""
        return hotelling(*self._orthonormal(model))

    def per_block(self, contrasts: Sequence[Contrasts]) -> Floats:
        """The contrasts in every block, shape (blocks, contrasts)."""
        return per_block(self.table, _weights(contrasts, self.table.shape[1]))

    def _orthonormal(self, model: TermModel) -> tuple[Floats, float]:
        weights = orthonormal_rows(model.cell_weights(model.basis))
        return per_block(self.table, weights), float((np.abs(weights) @ self.magnitude).max(initial=0.0))


@dataclass(frozen=True)
class SplitPlot:
    """Complete blocks in groups, since some factors vary between blocks only (the whole plots; the rest are sub-plots).

    A contrast has its standard error from its deviations in every block from the mean of the group, pooled over the
    groups, with blocks - groups degrees of freedom: for the whole-plot terms this is least squares on block
    means, for all others that of the contrasts per block on the whole-plot factors.
    """

    tables: tuple[Floats, ...]
    """(blocks, sub-plot cells) of each group, the sub-plot cells in the same order."""
    own: tuple[Ints, ...]
    """Position of each group's cells among all cells."""
    magnitude: Floats
    """Largest absolute value of each cell."""
    center: float = 0.0
    """What was taken from every value of ``tables``."""

    @property
    def _df(self) -> int:
        return sum(len(table) - 1 for table in self.tables)

    @cached_property
    def _within(self) -> Floats:
        """(blocks, sub-plot cells): deviations from the mean of the group."""
        return np.vstack([table - table.mean(axis=0) for table in self.tables])

    def _deviations(self, weights: Floats) -> Iterator[Floats]:
        """For each group, contrasts of all blocks' deviations from their group (contrasts, blocks), scaled.

        Their products add up to the covariances of the contrasts. Of a contrast that is the same in every block they
        are rounding errors; taken from the covariance of the cells, the SE would be of the order of √eps, not eps.
        """
        for table, own in zip(self.tables, self.own, strict=True):
            yield weights[:, own] @ self._within.T / np.sqrt((self._df or np.nan) * len(table))

    def _value(self, weights: Floats) -> Floats:
        means = np.zeros(len(self.magnitude))
        for table, own in zip(self.tables, self.own, strict=True):
            means[own] = table.mean(axis=0)
        return np.asarray(weights @ means + self.center * sums(weights))

    def estimate(self, contrasts: Sequence[Contrasts], confidence: float) -> Estimates:
        """Differences of means over blocks, t with blocks - groups degrees of freedom."""
        return self.of_cells(_weights(contrasts, len(self.magnitude)), confidence)

    def of_cells(self, weights: Floats, confidence: float) -> Estimates:
        """The same of any ``weights`` (contrasts, cells) of the cells."""
        se = np.sqrt(sum((own**2).sum(axis=1) for own in self._deviations(weights)))
        df = np.full(len(weights), float(self._df))
        size, n = np.abs(weights) @ self.magnitude, sum(map(len, self.tables))
        return t_estimates(self._value(weights), se, df, n, magnitude=size, confidence=confidence)

    def test(self, model: TermModel) -> TermF:
        """F of the term against the spread of its own sub-plot contrasts over the blocks of a group."""
        weights = model.cell_weights(model.basis)
        parts = [weights[:, own] for own in self.own]
        covariance = sum(own @ own.T for own in self._deviations(weights))
        alike = sum(part @ part.T / len(table) for part, table in zip(parts, self.tables, strict=True))
        errors = self._df * int(np.linalg.matrix_rank(np.vstack(parts)))
        size = float((np.abs(weights) @ self.magnitude).max(initial=0.0))
        return pooled_f(self._value(weights), np.asarray(covariance), np.asarray(alike), errors, size)


@dataclass(frozen=True)
class IncompleteBlocks:
    """Blocks that lack cells: regression within blocks, covariances from leaving out one block at a time (CV3J)."""

    models: Mapping[int, LinearModel]
    """Order -> the model of all terms of at most so many factors, fitted within blocks."""

    @cached_property
    def _covariances(self) -> Mapping[int, Floats]:
        return {order: fitted.covariance("cluster") for order, fitted in self.models.items()}

    def estimate(self, contrasts: Sequence[Contrasts], confidence: float) -> Estimates:
        """Combinations of the coefficients, t with blocks - 1 degrees of freedom."""
        parts = []
        for model, rows in contrasts:
            fitted, own, coefficients = self._term(model)
            covariance = self._covariances[model.order][np.ix_(own, own)]
            combinations = rows[:, self._regressors(model)]
            # A coefficient that one block alone identifies has no variance; it concerns only what is made of it.
            used = np.where(combinations[:, :, None] * combinations[:, None, :] == 0.0, 0.0, covariance)
            variance = np.einsum("kr,krs,ks->k", combinations, used, combinations)
            rounding = ROUNDING * np.einsum("kr,krs,ks->k", *map(np.abs, (combinations, used, combinations)))
            # Where large terms cancel, only rounding is left: the variance is unknown, neither 0 nor small.
            is_lost = (variance < rounding) & (np.sqrt(rounding) > ROUNDING * fitted.magnitude)
            se = np.sqrt(np.where(is_lost, np.nan, np.maximum(variance, 0.0)))
            df, n = np.full(len(combinations), fitted.blocks - 1.0), fitted.blocks
            value, size = combinations @ coefficients, fitted.magnitude
            parts.append(t_estimates(value, se, df, n, magnitude=size, confidence=confidence))
        return Estimates.joined(parts)

    def test(self, model: TermModel) -> TermF:
        """F whose degrees of freedom are corrected as for complete blocks, with which it agrees where they are."""
        fitted, own, coefficients = self._term(model)
        basis = model.basis[:, self._regressors(model)]
        covariance, alike = (
            basis @ matrix[np.ix_(own, own)] @ basis.T for matrix in (self._covariances[model.order], fitted.inverse)
        )
        errors = (fitted.blocks - 1) * len(basis)
        return pooled_f(basis @ coefficients, covariance, alike, errors, fitted.magnitude)

    def _term(self, model: TermModel) -> tuple[LinearModel, Ints, Floats]:
        """The fitted model, and positions and values of the term's coefficients in it."""
        fitted = self.models[model.order]
        own = np.flatnonzero(fitted.owner == fitted.terms.index(model.term))
        return fitted, own, fitted.coefficients[own]

    def _regressors(self, model: TermModel) -> Ints:
        """Which of the term's columns are in the fitted model; those left out have the coefficient 0."""
        fitted = self.models[model.order]
        columns = np.flatnonzero(fitted.column_owner == fitted.terms.index(model.term))
        return np.flatnonzero(np.isin(columns, fitted.independent))


@dataclass(frozen=True)
class IndependentRuns:
    """Runs without blocks, each cell with a variance of its own: Welch and Satterthwaite, arrays of shape (cells,).

    Of contrasts alone, to which a common offset of the means is nothing.
    """

    mean: Floats
    variance: Floats
    n: Ints
    magnitude: Floats

    def estimate(self, contrasts: Sequence[Contrasts], confidence: float) -> Estimates:
        """Contrasts of cell means."""
        return self.of_cells(_weights(contrasts, len(self.mean)), confidence)

    def of_cells(self, weights: Floats, confidence: float) -> Estimates:
        """The same of any ``weights`` (contrasts, cells) of the cells."""
        size = np.abs(weights) @ self.magnitude
        return independent(self.mean, self.variance, self.n, weights, magnitude=size, confidence=confidence)

    def test(self, model: TermModel) -> TermF:
        """Welch and James' F."""
        weights = model.cell_weights(model.basis)
        size = float((np.abs(weights) @ self.magnitude).max(initial=0.0))
        return welch_james(self.mean, self.variance, self.n, weights, size)


def welch_james(mean: Floats, variance: Floats, n: Ints, weights: Floats, magnitude: float) -> TermF:
    """F test that the contrasts ``weights`` (q, cells) of independent cells with their own variances are all 0.

    James (1951) as approximated by Johansen (1980, Biometrika 67, 85): the F of Welch (1951) for the cells of one
    factor, and the square of Welch and Satterthwaite's t for one contrast. NaN where a cell has one value.
    """
    nan, q = float("nan"), len(weights)
    nothing = TermF(nan, float(q), nan, nan, nan, nan)
    share = np.where((weights != 0).any(axis=0), variance / n, 0.0)
    covariance = (weights * share) @ weights.T
    if not np.isfinite(covariance).all() or np.trace(covariance) <= q * (ROUNDING * magnitude) ** 2:
        return nothing
    if np.linalg.matrix_rank(covariance, hermitian=True) < q:
        return nothing
    inverse = np.linalg.inv(covariance)
    value = weights @ mean
    # Diagonal of the projection onto the contrasts in the metric of the variances: each cell's part in the test.
    part = share * np.einsum("rc,rs,sc->c", weights, inverse, weights)
    A = float((part**2 / np.maximum(n - 1, 1)).sum())
    F = float(value @ inverse @ value) / (q + 2.0 * A - 6.0 * A / (q + 2))
    df_error = q * (q + 2) / (3.0 * A)
    p = float(special.fdtrc(q, df_error, F))
    return TermF(F, float(q), df_error, p, 1.0, p)


def _weights(contrasts: Sequence[Contrasts], cells: int) -> Floats:
    return np.vstack([np.empty((0, cells)), *(model.cell_weights(rows) for model, rows in contrasts)])
