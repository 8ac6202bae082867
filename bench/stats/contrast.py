"""Values of the cells, block by block or not, and contrast weights -> estimates, t tests and confidence intervals.

Complete blocks give one contrast per block and a one-sample t test, which assumes nothing about the variances of the
cells or their correlations within a block. Independent runs give a Welch-Satterthwaite contrast. For incomplete blocks
see ``linear``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from scipy import special

from bench.stats.coding import ROUNDING, Bools, Floats, Ints


@dataclass(frozen=True)
class Estimates:
    """One entry per contrast; ``n`` is the number of blocks, or of runs where there are no blocks."""

    value: Floats
    se: Floats
    low: Floats
    high: Floats
    t: Floats
    df: Floats
    p: Floats
    n: Ints
    constant: Bools
    """Where the values leave no variation to test against, so that se, t and p are NaN."""

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Several estimates, one after the other."""
        kinds = {"Floats": float, "Ints": np.int64, "Bools": np.bool_}
        columns = {
            field.name: [np.empty(0, kinds[str(field.type)]), *(getattr(part, field.name) for part in parts)]
            for field in fields(cls)
        }
        return cls(**{name: np.concatenate(column) for name, column in columns.items()})

    def take(self, source: Ints) -> Estimates:
        """The estimates at the positions ``source``, where -1 stands for one that there is not: NaN of no blocks."""
        nothing = {"n": 0, "constant": False}
        columns = ((field.name, getattr(self, field.name)) for field in fields(self))
        return Estimates(
            **{name: np.append(own, own.dtype.type(nothing.get(name, np.nan)))[source] for name, own in columns}
        )


def per_block(table: Floats, weights: Floats) -> Floats:
    """Contrasts ``weights`` (contrasts, cells) of each row of a ``table`` (blocks, cells), shape (blocks, contrasts).

    Of deviations from the mean of the cells compared, so that a mean much larger than the differences leaves no
    rounding error; nor do cells that a contrast does not compare.
    """
    contrasts = np.empty((len(table), len(weights)))
    alike: dict[bytes, list[int]] = {}
    for number, pattern in enumerate(np.packbits(weights != 0.0, axis=1)):
        alike.setdefault(pattern.tobytes(), []).append(number)
    for numbers in alike.values():
        compared = weights[numbers[0]] != 0.0
        rows, own = weights[numbers][:, compared], table[:, compared]
        mean = own.sum(axis=1, keepdims=True) / max(own.shape[1], 1)
        contrasts[:, numbers] = (own - mean) @ rows.T + mean * sums(rows)
    return contrasts


def one_sample(contrasts: Floats, *, magnitude: float | Floats, confidence: float = 0.95) -> Estimates:
    """T test of the mean of each column of ``contrasts`` (blocks, effects) against zero.

    ``magnitude`` is the size of the values behind all contrasts, or behind each: a spread below the rounding error of
    such values counts as none, and gives NaN instead of p = 0.

    >>> test = one_sample(np.array([[1.0], [2.0], [4.0]]), magnitude=4.0)
    >>> print(f"{test.value[0]:.2f} [{test.low[0]:.2f}, {test.high[0]:.2f}], p = {test.p[0]:.3f}")
    2.33 [-1.46, 6.13], p = 0.118
    """
    n, width = contrasts.shape
    value = contrasts.mean(axis=0) if n else np.full(width, np.nan)
    se = contrasts.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(width, np.nan)
    return t_estimates(value, se, np.full(width, n - 1.0), n, magnitude=magnitude, confidence=confidence)


def randomized_blocks(table: Floats, weights: Floats, *, confidence: float = 0.95) -> Estimates:
    """Contrasts ``weights @ means`` of a complete ``table`` (blocks, cells) with one residual variance for all of them.

    The additive model of blocks and cells, (blocks - 1)(cells - 1) degrees of freedom: unlike ``one_sample``, it takes
    the contrasts to vary alike between blocks. ``weights`` (effects, cells), each row summing to zero.
    """
    blocks, cells = table.shape
    means = table.mean(axis=0) if blocks else np.full(cells, np.nan)
    residuals = table - means - (table.mean(axis=1, keepdims=True) - means.mean())
    df = (blocks - 1) * (cells - 1)
    mean_sq = (residuals**2).sum() / df if df > 0 else np.nan
    se = np.sqrt(mean_sq * (weights**2).sum(axis=1) / max(blocks, 1))
    magnitude = float(np.abs(table).max(initial=0.0))
    degrees = np.full(len(weights), float(df))
    return t_estimates(weights @ means, se, degrees, blocks, magnitude=magnitude, confidence=confidence)


def independent(
    mean: Floats,
    variance: Floats,
    n: Ints,
    weights: Floats,
    *,
    magnitude: float | Floats,
    confidence: float = 0.95,
    center: float = 0.0,
) -> Estimates:
    """Contrasts ``weights @ (mean + center)`` of independent cells with their own variances (Satterthwaite 1946).

    ``mean``, ``variance`` (ddof 1) and ``n`` per cell, ``weights`` (effects, cells). A cell of one run gives NaN to the
    contrasts that compare it. Their ``n`` counts the runs of the cells that they compare. An offset common to all
    means, of which they would take the digits, is given as ``center``.
    """
    compared = weights != 0.0
    share = np.where(compared, weights**2 * (variance / np.maximum(n, 1)), 0.0)
    total = share.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = share / total[:, None]  # of the variance, so that no fourth power leaves the range of numbers
        df = 1.0 / np.where(compared, part**2 / (n - 1), 0.0).sum(axis=1)
    value = per_block(mean[None], weights)[0] + center * sums(weights)
    return t_estimates(value, np.sqrt(total), df, compared @ n, magnitude=magnitude, confidence=confidence)


def sums(weights: Floats) -> Floats:
    """The sum of each row of ``weights`` (contrasts, cells), 0 where it is no more than rounding."""
    total = weights.sum(axis=1)
    return np.where(np.abs(total) <= ROUNDING * np.abs(weights).sum(axis=1), 0.0, total)


def polynomial_weights(at: Floats) -> Floats:
    """Orthonormal contrasts of the levels of a factor, shape (levels - 1, levels), each row summing to zero.

    Linear, quadratic, ... in the positions ``at`` of the levels, all different, as R's ``contr.poly``. Their squared
    estimates add up to the omnibus sum.
    """
    if len(at) < 2 or len(np.unique(at)) < len(at):
        raise ValueError("polynomial contrasts need two or more positions, all different")
    scaled = (at - at.mean()) / np.ptp(at)
    Q, R = np.linalg.qr(np.vander(scaled, len(at), increasing=True))
    return np.asarray((Q * np.sign(np.diag(R)))[:, 1:].T)


def t_estimates(
    value: Floats, se: Floats, df: Floats, n: int | Ints, *, magnitude: float | Floats, confidence: float
) -> Estimates:
    """Estimates, their standard errors and degrees of freedom -> t tests and limits.

    What is no larger than the rounding error of values of this ``magnitude`` counts as 0.
    """
    constant = se <= ROUNDING * magnitude
    value = np.where(np.abs(value) <= ROUNDING * magnitude, 0.0, value)
    usable = np.isfinite(se) & ~constant & (df > 0)
    se, degrees = np.where(usable, se, np.nan), np.where(usable, df, np.nan)
    t = value / se
    margin = special.stdtrit(degrees, (1.0 + confidence) / 2.0) * se
    p = 2.0 * special.stdtr(degrees, -np.abs(t))
    return Estimates(value, se, value - margin, value + margin, t, degrees, p, np.full(value.shape, n), constant)
