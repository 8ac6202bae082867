"""An estimate, its standard error and a margin -> two one-sided tests, elementwise over arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from bench.stats.coding import Floats


@dataclass(frozen=True)
class Equivalence:
    """Tests of estimate > -margin (``p_lower``) and estimate < margin (``p_upper``), and the 1 - 2 alpha interval."""

    p_lower: Floats
    p_upper: Floats
    low: Floats
    high: Floats

    @property
    def p(self) -> Floats:
        """The larger of the two: that of equivalence (Schuirmann 1987)."""
        return np.maximum(self.p_lower, self.p_upper)


def tost(estimate: ArrayLike, se: ArrayLike, df: ArrayLike, margin: ArrayLike, alpha: float = 0.05) -> Equivalence:
    """Two one-sided t tests of an estimate against ``margin`` (> 0).

    ``p_lower`` alone tests non-inferiority where higher is better, ``p_upper`` where lower is better.
    NaN where the standard error is zero or missing. Raises ValueError for a margin that is not positive.
    """
    margin = np.asarray(margin, float)
    if np.any(margin <= 0):
        raise ValueError(f"a margin is positive, not {np.nanmin(margin):g}")
    estimate, df = np.asarray(estimate, float), np.asarray(df, float)
    se = np.where(np.asarray(se, float) > 0, se, np.nan)
    half = special.stdtrit(df, 1.0 - alpha) * se
    return Equivalence(
        p_lower=np.asarray(special.stdtr(df, -(estimate + margin) / se)),
        p_upper=np.asarray(special.stdtr(df, (estimate - margin) / se)),
        low=np.asarray(estimate - half),
        high=np.asarray(estimate + half),
    )
