"""Planned looks at growing data -> the boundary at each look that keeps the error of all looks together at alpha.

The statistic is a z of mean zero without an effect, and information grows with the number of seeds (Jennison & Turnbull
2000, ch. 2, 7 and 19). For a t statistic compare its two-sided p with ``Looks.level`` (ibid., 4.4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from bench.stats.coding import Floats

Spending = Callable[[Floats, float], Floats]
"""From fractions of the information and alpha to the two-sided error that may be spent up to each."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(160)
_FARTHEST = 38.0
"""Beyond so many standard deviations a double has no probability left."""


@dataclass(frozen=True)
class Looks:
    """A plan with one entry per look."""

    fraction: Floats
    """Of the information of the last look, in (0, 1]."""
    spent: Floats
    """Error spent up to and including each look."""
    z: Floats
    """Reject at a look where |z| reaches this."""
    level: Floats
    """The same as a two-sided p."""


def obrien_fleming(fraction: Floats, alpha: float) -> Floats:
    """Little at first, nearly all at the end: alpha/2 on each side (Lan & DeMets 1983, their first function)."""
    return np.asarray(4.0 * special.ndtr(special.ndtri(alpha / 4.0) / np.sqrt(fraction)))


def pocock(fraction: Floats, alpha: float) -> Floats:
    """Nearly evenly: alpha log(1 + (e - 1) t) (Lan & DeMets 1983, their second function)."""
    return np.asarray(alpha * np.log1p(np.expm1(1.0) * fraction))


def plan_looks(seeds: ArrayLike, alpha: float = 0.05, spending: Spending = obrien_fleming) -> Looks:
    """Boundaries for looks after so many ``seeds`` each, increasing, e.g. (10, 20, 40).

    Raises ValueError for numbers of seeds that do not increase from above 0, and for an alpha outside (0, 1).
    """
    information = np.asarray(seeds, float)
    if information.ndim != 1 or not len(information) or information[0] <= 0 or np.any(np.diff(information) <= 0):
        raise ValueError(f"looks come after increasing numbers of seeds, not {information}")
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha lies between 0 and 1, not {alpha}")
    fraction = information / information[-1]
    spent = spending(fraction, alpha)
    z: list[float] = []
    for share in np.diff(spent, prepend=0.0):
        z.append(_boundary(fraction[: len(z) + 1], z, float(share)))
    return Looks(fraction, spent, np.array(z), 2.0 * special.ndtr(-np.array(z)))


def crossing(z: ArrayLike, fraction: ArrayLike, drift: float = 0.0) -> Floats:
    """Probability that each look is the first at which |z| reaches its boundary.

    ``drift`` is the mean of z at full information: 0 without an effect (the sum is then the error of the plan), or
    d_z sqrt(n) for a paired effect and ``n`` seeds in all (the sum is then its power).
    """
    z, fraction = np.asarray(z, float), np.asarray(fraction, float)
    probabilities = []
    for look, (s, mass, added) in enumerate(_survivors(z, fraction, drift)):
        reach = z[look] * np.sqrt(fraction[look])
        mean = s + drift * added
        outside = special.ndtr((mean - reach) / np.sqrt(added)) + special.ndtr((-reach - mean) / np.sqrt(added))
        probabilities.append(float(mass @ outside))
    return np.array(probabilities)


def _survivors(z: Floats, fraction: Floats, drift: float) -> Iterator[tuple[Floats, Floats, float]]:
    """Before each look: values of the score process that crossed no boundary, their mass, and the information to come.

    The process has independent normal increments of variance ``added`` (Armitage, McPherson & Rowe 1969); integrals are
    Gauss-Legendre sums over the region between the boundaries.
    """
    s, mass, before = np.zeros(1), np.ones(1), 0.0
    for boundary, now in zip(z, fraction, strict=True):
        added = float(now - before)
        yield s, mass, added
        reach = min(boundary, _FARTHEST) * np.sqrt(now)
        nodes = reach * _NODES
        step = (nodes[:, None] - s - drift * added) / np.sqrt(added)
        density = np.exp(-0.5 * step**2) / np.sqrt(2.0 * np.pi * added)
        s, mass, before = nodes, (density @ mass) * reach * _WEIGHTS, now


def _boundary(fraction: Floats, earlier: list[float], share: float) -> float:
    """The boundary of the last of ``fraction`` that spends ``share``, given those of the looks before it."""

    def excess(boundary: float) -> float:
        return float(crossing([*earlier, boundary], fraction)[-1]) - share

    return float(optimize.brentq(excess, 0.0, _FARTHEST, xtol=1e-12)) if excess(_FARTHEST) < 0 else _FARTHEST
