"""Contrasts of a term, block by block -> the repeated-measures F of the whole term, and Hotelling's T² beside it.

A term of q degrees of freedom (a factor of q + 1 levels, or an interaction) has q orthonormal contrasts; which ones is
immaterial to both tests, so that nothing depends on the choice of a reference level. For q = 1 the F is the squared t
of one contrast per block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from bench.stats.coding import ROUNDING, Floats

BLOCKS_PER_CONTRAST = 3
"""Hotelling's test is offered from so many blocks a contrast: below, it has a third of the power of the F."""
_FEWEST_BLOCKS = 5  # pingouin refuses fewer
_NAN = float("nan")
_SINGULAR = 1e-14  # pingouin takes smaller variances, relative to the largest, as none


@dataclass(frozen=True)
class TermF:
    """A test of a term, NaN where there is nothing to test with."""

    F: float
    df: float
    df_error: float
    p: float
    """Takes the contrasts to vary alike and independently of each other (sphericity)."""
    epsilon: float
    """Greenhouse & Geisser (1959), from 1/q (one contrast has all the variance) to 1 (sphericity)."""
    p_gg: float
    """With both degrees of freedom multiplied by ``epsilon``."""


@dataclass(frozen=True)
class Hotelling:
    """A test of a term that assumes nothing about the covariance of its contrasts; NaN where there are too few blocks.

    F = T² (n - q) / (q (n - 1)) has q and n - q degrees of freedom (Hotelling 1931), n being the number of blocks.
    """

    T2: float
    F: float
    df: float
    df_error: float
    p: float


def orthonormal_rows(weights: Floats) -> Floats:
    """Orthonormal weights (q, cells) that span the same contrasts as ``weights`` (effects, cells) of full row rank."""
    return np.asarray(np.linalg.qr(weights.T)[0].T, float)


def repeated_measures(contrasts: Floats, magnitude: float) -> TermF:
    """F test that every contrast of a term has mean 0.

    ``contrasts`` (blocks, q) are a complete table (blocks, cells) times the transpose of ``orthonormal_rows``;
    ``magnitude`` is the largest absolute value of the table, below whose rounding error a spread counts as none.
    Agrees with R's afex and pingouin's ``rm_anova``, for any number of factors.

    >>> table = np.array([[1.0, 2.0, 4.0], [2.0, 2.5, 4.0], [0.0, 2.0, 3.0], [1.0, 1.0, 5.0]])
    >>> weights = orthonormal_rows(np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]]))
    >>> test = repeated_measures(table @ weights.T, magnitude=5.0)
    >>> print(f"F({test.df:.0f}, {test.df_error:.0f}) = {test.F:.2f}, p = {test.p_gg:.4f}, epsilon {test.epsilon:.2f}")
    F(2, 6) = 18.28, p = 0.0101, epsilon 0.70
    """
    blocks, q = contrasts.shape
    scores, size = _rescaled(contrasts, magnitude)
    if blocks < 2 or q < 1:
        return TermF(_NAN, float(q), float(q * (blocks - 1)), _NAN, _NAN, _NAN)
    covariance = np.atleast_2d(np.cov(scores, rowvar=False))
    alike = np.eye(q) / blocks
    return pooled_f(scores.mean(axis=0), covariance / blocks, alike, q * (blocks - 1), size)


def pooled_f(value: Floats, covariance: Floats, alike: Floats, df_error: float, magnitude: float) -> TermF:
    """F test that ``value`` (q,) is 0, given its ``covariance`` and what that would be if all errors were ``alike``.

    Both quadratic forms are those of the covariance ``alike``; their degrees of freedom, q and ``df_error``, are
    multiplied by the epsilon of Box (1954) and Greenhouse & Geisser (1959), so that only the denominator is estimated
    and not the inverse of a covariance, which few blocks do not give. For complete blocks it is the repeated-measures
    F.
    """
    q = len(value)
    if not np.isfinite(covariance).all() or np.trace(covariance) <= q * (ROUNDING * magnitude) ** 2 or df_error <= 0:
        return TermF(_NAN, float(q), float(df_error), _NAN, _NAN, _NAN)
    size, vectors = np.linalg.eigh(alike)
    whitening = (vectors / np.sqrt(size)).T
    z, spread = whitening @ value, whitening @ covariance @ whitening.T
    F = float(z @ z / np.trace(spread))
    epsilon = min(1.0, float(1.0 / (q * ((spread / np.trace(spread)) ** 2).sum())))
    p, p_gg = (float(special.fdtrc(share * q, share * df_error, F)) for share in (1.0, epsilon))
    return TermF(F, float(q), float(df_error), p, epsilon, p_gg)


def hotelling(contrasts: Floats, magnitude: float) -> Hotelling:
    """Hotelling's T² test of the same, by pingouin; NaN below ``BLOCKS_PER_CONTRAST`` blocks a contrast.

    It is also NaN below five blocks, for one contrast (whose F it would repeat), and where some combination of the
    contrasts varies by no more than rounding errors.
    """
    blocks, q = contrasts.shape
    df, df_error = float(q), float(blocks - q)
    scores, size = _rescaled(contrasts, magnitude)
    if q > 1 and blocks >= max(BLOCKS_PER_CONTRAST * q, _FEWEST_BLOCKS):
        variances = np.linalg.eigvalsh(np.cov(scores, rowvar=False))
        if variances[0] > max((ROUNDING * size) ** 2, _SINGULAR * variances[-1]):
            import pingouin  # noqa: PLC0415  (seconds: seaborn and pyplot come with it)

            row = pingouin.multivariate_ttest(scores).iloc[0]
            return Hotelling(float(row["T2"]), float(row["F"]), df, df_error, float(row["pval"]))
    return Hotelling(_NAN, _NAN, df, df_error, _NAN)


def _rescaled(contrasts: Floats, magnitude: float) -> tuple[Floats, float]:
    """Contrasts of size 1, whose squares are numbers at any scale, and the magnitude of their table on that scale."""
    size = float(np.abs(contrasts).max(initial=0.0)) or 1.0
    return contrasts / size, magnitude / size
