"""A true effect, a number of runs and a level -> power; or the runs, or the effect, that reach a power.

Powers are exact under normality (noncentral F, of which a two-sided t test is that of one contrast), rejections in the
wrong direction included.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, optimize, special

from bench.stats.coding import Floats


def f_power(noncentrality: ArrayLike, df: ArrayLike, df_error: ArrayLike, alpha: float = 0.05) -> Floats:
    """Power of an F test: noncentrality is f^2 times the number of runs, or S 2^k effect^2 / 4 for a 2^k effect.

    Of a t test it is d_z^2 n paired, d^2 n m / (n + m) independent, with one degree of freedom.
    """
    critical = special.fdtri(df, df_error, 1 - alpha)
    power = 1.0 - special.ncfdtr(df, df_error, noncentrality, critical)
    is_sure = np.asarray(noncentrality) > 1000 * critical * np.asarray(df)  # ncfdtr is NaN where it is very large
    return np.where(np.isnan(power) & is_sure, 1.0, power)


def term_power(d_z: ArrayLike, n: ArrayLike, contrasts: ArrayLike = 1, alpha: float = 0.05) -> Floats:
    """Power of the repeated-measures F of a term of so many ``contrasts`` with ``n`` seeds, under sphericity.

    ``d_z`` is the difference of two levels (of an interaction, the contrast of two by two) over its SD across seeds,
    all other levels lying midway, which is the hardest case: the noncentrality is then n d_z² as for a single contrast,
    whose t test this is at ``contrasts`` 1.

    >>> print(f"{term_power(1.0, 10):.3f}")
    0.803
    """
    n, q = np.asarray(n, float), np.asarray(contrasts, float)
    return f_power(n * np.asarray(d_z, float) ** 2, q, q * (n - 1), alpha)


def tost_power(margin: float, true: float, sd: float, n: float, alpha: float = 0.05) -> float:
    """Power to show |difference| < ``margin`` with ``n`` seeds when it is ``true`` and its SD over seeds is ``sd``.

    By integration over the distribution of the observed SD (Phillips 1990).
    """
    if n < 2 or margin <= 0 or sd <= 0:
        raise ValueError(f"needs n >= 2 and a positive margin and SD, not n = {n}, margin {margin}, SD {sd}")
    df, se = n - 1, sd / np.sqrt(n)
    critical = float(special.stdtrit(df, 1 - alpha))
    most = margin / (critical * se)

    def integrand(s: float) -> float:
        reach = margin - critical * se * s
        inside = special.ndtr((reach - true) / se) - special.ndtr((-reach - true) / se)
        constant = np.log(2) + df / 2 * np.log(df / 2) - special.gammaln(df / 2)
        log_density = constant + (df - 1) * np.log(s) - df * s * s / 2
        return float(inside * np.exp(log_density))

    middle = [s for s in (0.5, 1.0, 1.5, 2.0) if s < most]
    return float(integrate.quad(integrand, 0.0, min(most, 10.0), points=middle, epsabs=1e-12, limit=200)[0])


def smallest_effect(n: float, tests: int = 1, power: float = 0.8, alpha: float = 0.05, *, contrasts: int = 1) -> float:
    """Smallest d_z that ``n`` seeds detect with that power in a family of ``tests``, each judged at alpha / tests.

    That is Bonferroni's level, at which Holm's procedure rejects the first of the family. NaN for one seed. Of a term
    of several ``contrasts``, d_z is as in ``term_power``.
    """
    if n < 2:
        return float("nan")
    return _root(lambda d: float(term_power(d, n, contrasts, alpha / tests)) - power, 1e-9, 1.0)


def seeds_for(d_z: float, tests: int = 1, power: float = 0.8, alpha: float = 0.05, *, contrasts: int = 1) -> float:
    """Number of seeds, not rounded, for a paired effect of ``d_z`` in a family of ``tests``; infinite for no effect.

    Of a term of several ``contrasts``, d_z is as in ``term_power``.
    """
    if d_z == 0:
        return float("inf")
    return runs_for(lambda n: float(term_power(abs(d_z), n, contrasts, alpha / tests)), power)


def runs_for(power_at: Callable[[float], float], power: float = 0.8, least: float = 2.0) -> float:
    """The n, not rounded, at which ``power_at`` (increasing) reaches ``power``; ``least`` where it already does."""
    if power_at(least) >= power:
        return least
    return _root(lambda n: power_at(n) - power, least, 2 * least)


def _root(excess: Callable[[float], float], low: float, high: float) -> float:
    while excess(high) < 0:
        low, high = high, 2 * high
        if high > 1e12:
            return float("inf")
    return float(optimize.brentq(excess, low, high, xtol=1e-12, rtol=1e-13))
