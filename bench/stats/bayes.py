"""A t statistic or an estimate -> how much the data favour an effect, and how much of the posterior is negligible."""

from __future__ import annotations

import numpy as np
from scipy import integrate, special


def jzs_bayes_factor(t: float, n: float, m: float | None = None, scale: float = np.sqrt(0.5)) -> float:
    """Evidence for an effect over none, BF10, with a Cauchy prior of ``scale`` on the standardised effect.

    Rouder et al. (2009), eq. 1, for ``n`` paired differences, or for two groups of ``n`` and ``m``. NaN for t = NaN.
    """
    df = n - 1 if m is None else n + m - 2
    size = n if m is None else n * m / (n + m)
    if not np.isfinite(t) or df < 1:
        return float("nan")
    null = -(df + 1) / 2 * np.log1p(t * t / df)

    def integrand(log_g: float) -> float:
        g = np.exp(log_g)
        shrink = 1 + size * scale**2 * g
        log_likelihood = -np.log(shrink) / 2 - (df + 1) / 2 * np.log1p(t * t / (shrink * df))
        log_prior = -np.log(2 * np.pi) / 2 - 1.5 * log_g - 1 / (2 * g) + log_g
        return float(np.exp(log_likelihood + log_prior - null))

    return float(
        integrate.quad(integrand, -8.0, 60.0, limit=400, epsabs=0.0, epsrel=1e-10, points=[-2.0, 0.0, 4.0, 10.0])[0]
    )


def posterior_in_region(estimate: float, se: float, df: float, margin: float) -> float:
    """Posterior probability that the effect lies within +-``margin``, under a flat prior: a t about the estimate.

    Kruschke (2018) decides by whether the whole interval lies in or out of that region of practical equivalence.
    """
    if not se > 0:
        return float("nan")
    return float(special.stdtr(df, (margin - estimate) / se) - special.stdtr(df, (-margin - estimate) / se))
