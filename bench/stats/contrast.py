"""Values of the cells, block by block or not, and contrast weights -> estimates, t tests and confidence intervals.

Complete blocks give one contrast per block and a one-sample t test, which assumes nothing about the variances of the
cells or their correlations within a block. Incomplete blocks give a regression within blocks with a jackknife over
blocks (equal to the former when the blocks are complete). Independent runs give a Welch-Satterthwaite contrast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from bench.stats.coding import ROUNDING, Bools, Floats, Ints, centred
from bench.stats.linear import leave_one_block_out


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


def one_sample(contrasts: Floats, *, magnitude: float | Floats, confidence: float = 0.95) -> Estimates:
    """T test of the mean of each column of ``contrasts`` (blocks, effects) against zero.

    ``magnitude`` is the size of the values behind all contrasts, or behind each: a spread below the rounding error of
    such values counts as none, and gives NaN instead of p = 0.
    """
    n = len(contrasts)
    nothing = np.full(contrasts.shape[1], np.nan)
    value = contrasts.mean(axis=0) if n else nothing
    se = contrasts.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else nothing
    return t_estimates(value, se, np.full(value.shape, n - 1.0), n, magnitude=magnitude, confidence=confidence)


def within_blocks(
    values: Floats, block: Ints, columns: Floats, effects: Floats, *, confidence: float = 0.95
) -> Estimates:
    """Effects ``effects @ coefficients`` of a regression within blocks, SE by leaving out one block at a time.

    ``values`` (rows,), ``columns`` (rows, coefficients), ``effects`` (effects, coefficients); df = blocks - 1.
    CV3J of MacKinnon, Nielsen & Webb (2023); an effect that some block alone identifies has SE NaN.
    """
    X, y = centred(columns, block), centred(values, block)
    blocks = int(block.max()) + 1
    value = effects @ np.linalg.pinv(X) @ y
    replicates = leave_one_block_out(y, X, block)[:, None, :]
    without = np.where(effects == 0.0, 0.0, replicates * effects).sum(axis=2)
    se = np.sqrt((blocks - 1) / blocks * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    magnitude = float(np.abs(values).max())
    df = np.full(value.shape, blocks - 1.0)
    return t_estimates(value, se, df, blocks, magnitude=magnitude, confidence=confidence)


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
    mean: Floats, variance: Floats, n: Ints, weights: Floats, *, magnitude: float | Floats, confidence: float = 0.95
) -> Estimates:
    """Contrasts ``weights @ mean`` of independent cells with their own variances (Satterthwaite 1946).

    ``mean``, ``variance`` (ddof 1) and ``n`` per cell, ``weights`` (effects, cells). A cell of one run gives NaN.
    """
    share = weights**2 * (variance / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = share.sum(axis=1) ** 2 / (share**2 / (n - 1)).sum(axis=1)
    se = np.sqrt(share.sum(axis=1))
    return t_estimates(weights @ mean, se, df, int(n.sum()), magnitude=magnitude, confidence=confidence)


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
    value: Floats, se: Floats, df: Floats, n: int, *, magnitude: float | Floats, confidence: float
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
