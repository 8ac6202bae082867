"""A complete table of blocks by cells -> repeated-measures ANOVA, each term against its own interaction with blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from bench.stats.coding import ROUNDING, Floats, Ints, Term, term_columns


@dataclass(frozen=True)
class WithinTest:
    """One term of a repeated-measures ANOVA, with the corrections for lack of sphericity."""

    term: Term
    df: int
    df_error: int
    sum_sq: float
    error_sum_sq: float
    F: float
    p: float
    generalized_eta_sq: float
    """SS / (SS + every error SS), with all factors within blocks (Olejnik & Algina 2003)."""
    epsilon_gg: float
    """Greenhouse & Geisser (1959); 1 for a term of one degree of freedom."""
    epsilon_hf: float
    """Huynh & Feldt (1976) as corrected by Lecoutre (1991); may exceed 1, and ``p_hf`` then takes 1."""
    p_gg: float
    p_hf: float
    mauchly_w: float
    mauchly_p: float


def within_anova(table: Floats, codes: Ints, levels: Sequence[int], terms: Sequence[Term]) -> list[WithinTest]:
    """Tests of ``terms`` on ``table`` (blocks, cells), the cells (``codes``) being a full factorial.

    For a term of one degree of freedom F is the square of the t of one contrast per block. Agrees with R's afex.
    Raises ValueError for missing cells or blocks.
    """
    if not np.isfinite(table).all():
        raise ValueError("repeated measures need every cell of every block")
    if len(codes) != np.prod([max(level, 1) for level in levels]):
        raise ValueError("repeated measures need the full factorial")
    scores = {term: table @ _orthonormal(codes, levels, term) for term in terms}
    between = float(((table.mean(axis=1) - table.mean()) ** 2).sum() * table.shape[1])
    errors = {term: float(((score - score.mean(axis=0)) ** 2).sum()) for term, score in scores.items()}
    everything = between + sum(errors.values())
    magnitude = float(np.abs(table).max(initial=0.0))
    return [_test(term, score, errors[term], everything, magnitude, table.shape) for term, score in scores.items()]


def _orthonormal(codes: Ints, levels: Sequence[int], term: Term) -> Floats:
    """Orthonormal contrasts of the term; over a full factorial, sum-coded terms are orthogonal to each other."""
    return np.asarray(np.linalg.qr(term_columns(codes, levels, term))[0], float)


def _test(
    term: Term, score: Floats, error: float, everything: float, magnitude: float, shape: tuple[int, ...]
) -> WithinTest:
    blocks, cells = shape
    df = score.shape[1]
    df_error = df * (blocks - 1)
    sum_sq = float(blocks * (score.mean(axis=0) ** 2).sum())
    share = sum_sq / (sum_sq + everything) if everything > 0 else float("nan")
    if blocks < 2 or error <= score.size * (ROUNDING * magnitude) ** 2:
        nan = float("nan")
        return WithinTest(term, df, df_error, sum_sq, error, nan, nan, share, nan, nan, nan, nan, nan, nan)
    F = (sum_sq / df) / (error / df_error)
    gg, hf, w, w_p = _sphericity(np.atleast_2d(np.cov(score, rowvar=False)), blocks, cells)
    capped = min(hf, 1.0)
    return WithinTest(
        term=term,
        df=df,
        df_error=df_error,
        sum_sq=sum_sq,
        error_sum_sq=error,
        F=F,
        p=float(special.fdtrc(df, df_error, F)),
        generalized_eta_sq=share,
        epsilon_gg=gg,
        epsilon_hf=hf,
        p_gg=float(special.fdtrc(df * gg, df_error * gg, F)),
        p_hf=float(special.fdtrc(df * capped, df_error * capped, F)),
        mauchly_w=w,
        mauchly_p=w_p,
    )


def _sphericity(covariance: Floats, blocks: int, cells: int) -> tuple[float, float, float, float]:
    """Greenhouse-Geisser and Huynh-Feldt epsilon, Mauchly's W and its p.

    The p is R's, whose second-order term has the number of cells where Anderson (2003, 10.7.4) has that of contrasts.
    """
    k, free = len(covariance), blocks - 1
    trace = float(np.trace(covariance))
    gg = trace**2 / (k * float((covariance**2).sum()))
    if k == 1:
        return 1.0, 1.0, float("nan"), float("nan")
    hf = ((free + 1) * k * gg - 2) / (k * (free - k * gg)) if free > k * gg else float("nan")
    if free < k:
        return gg, hf, float("nan"), float("nan")
    w = float(np.linalg.det(covariance) / (trace / k) ** k)
    rho = 1 - (2 * k**2 + k + 2) / (6 * k * free)
    second = (k + 2) * (k - 1) * (k - 2) * (2 * k**3 + 6 * k**2 + 3 * cells + 2) / (288 * (free * k * rho) ** 2)
    statistic, degrees = -free * rho * np.log(max(w, 1e-300)), k * (k + 1) / 2 - 1
    first = special.chdtrc(degrees, statistic)
    return gg, hf, w, float(first + second * (special.chdtrc(degrees + 4, statistic) - first))
