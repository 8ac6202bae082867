"""Effects of an unreplicated 2^k design -> which stand out from the noise of the rest (Lenth 1989)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from bench.stats.coding import Floats


@dataclass(frozen=True)
class Lenth:
    """Pseudo standard error and the margins that an effect exceeds by chance with probability alpha."""

    pseudo_se: float
    margin: float
    """For one effect."""
    simultaneous_margin: float
    """For the largest of all."""


def lenth(effects: Floats, confidence: float = 0.95) -> Lenth:
    """Judge ``effects`` by the median of the small ones, with len(effects) / 3 degrees of freedom."""
    sizes = np.abs(effects[np.isfinite(effects)])
    if len(sizes) < 3:
        return Lenth(float("nan"), float("nan"), float("nan"))
    first = 1.5 * np.median(sizes)
    small = sizes[sizes < 2.5 * first]
    pseudo = 1.5 * float(np.median(small)) if len(small) else float("nan")
    df = len(sizes) / 3
    simultaneous = (1 + confidence ** (1 / len(sizes))) / 2
    return Lenth(
        pseudo_se=pseudo,
        margin=float(special.stdtrit(df, (1 + confidence) / 2)) * pseudo,
        simultaneous_margin=float(special.stdtrit(df, simultaneous)) * pseudo,
    )


def half_normal_scores(effects: Floats) -> Floats:
    """Expected size of each |effect| under pure noise, for a half-normal plot (Daniel 1959)."""
    count = len(effects)
    rank = np.empty(count)
    rank[np.argsort(np.abs(effects), kind="stable")] = np.arange(1, count + 1)
    return np.asarray(special.ndtri(0.5 + 0.5 * (rank - 0.5) / count))
