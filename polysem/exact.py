"""Sums and elementary functions in double precision, with the same bits on every machine.

Only addition, multiplication, division and square roots of arrays are used, which IEEE 754 fixes to the last bit; what
numpy, BLAS, LAPACK and the C library make of the rest depends on the machine's instructions. Sums have one order: that
of the rows (``in_order``), or none at all, being rounded once (``mean``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from math import fsum, sqrt

import numpy as np
from jaxtyping import Float

Array = Float[np.ndarray, "..."]

LN2 = 0.6931471803691238, 1.9082149292705877e-10
"""ln 2 in two parts, of which the first has trailing zeros; so is pi / 2 below (fdlibm)."""
HALF_PI = 1.5707963267341256, 6.077100506506192e-11


def in_order(terms: Iterable[Array]) -> Array:
    """The sum of arrays, one after the other."""
    total: Array = reduce(np.add, terms)
    return total


def mean(values: Array) -> float:
    """The mean of all entries, of a sum that is rounded once; NaN where an entry is not finite."""
    entries = values.astype(np.float64).ravel()
    return fsum(entries.tolist()) / len(entries) if np.isfinite(entries).all() else float("nan")


def product(a: Float[np.ndarray, "row inner"], b: Float[np.ndarray, "inner column"]) -> Float[np.ndarray, "row column"]:
    """The matrix product, its sums in the order of the inner index."""
    return in_order(column[:, None] * row for column, row in zip(a.T, b, strict=True))


def orthonormal(columns: Float[np.ndarray, "row column"]) -> Float[np.ndarray, "row column"]:
    """The Q of a QR decomposition whose R has a positive diagonal: Gram and Schmidt's, twice for full precision."""
    q = columns.astype(np.float64)
    for _ in range(2):
        for k in range(q.shape[1]):
            q[:, k] /= sqrt(fsum((q[:, k] ** 2).tolist()))
            along = in_order(q[:, k, None] * q[:, k + 1 :])
            q[:, k + 1 :] -= q[:, k, None] * along
    return q


def exp(x: Array) -> Array:
    """e^x."""
    n = np.rint(x / LN2[0])
    r = (x - n * LN2[0]) - n * LN2[1]
    power: Array = np.ldexp(_series(r, _FACTORIAL[:14]), n.astype(np.int64))
    return power


def log(x: Array) -> Array:
    """Ln x of positive numbers: 2 artanh((m - 1) / (m + 1)) of the mantissa."""
    m, n = np.frexp(x)
    small = m < sqrt(0.5)
    m, n = np.where(small, 2 * m, m), n - small
    s = (m - 1) / (m + 1)
    logarithm: Array = n * LN2[0] + (n * LN2[1] + 2 * s * _series(s * s, [1 / (2 * k + 1) for k in range(12)]))
    return logarithm


def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    e = exp(-2 * np.abs(x))
    tangent: Array = np.sign(x) * (1 - e) / (1 + e)
    return tangent


def sin(x: Array) -> Array:
    """The sine of angles up to a few thousand."""
    return _sine(x, 0)


def cos(x: Array) -> Array:
    """The cosine of angles up to a few thousand."""
    return _sine(x, 1)


def _sine(x: Array, quarters: int) -> Array:
    """sin(x + quarters pi / 2)."""
    n = np.rint(x / (HALF_PI[0] + HALF_PI[1]))
    r = (x - n * HALF_PI[0]) - n * HALF_PI[1]
    signed = [(-1) ** (k // 2) * c for k, c in enumerate(_FACTORIAL)]
    odd, even = r * _series(r * r, signed[1::2]), _series(r * r, signed[0::2])
    quadrant = (n.astype(np.int64) + quarters) % 4
    return np.where(quadrant % 2 == 0, odd, even) * np.where(quadrant < 2, 1.0, -1.0)


def _series(x: Array, coefficients: Sequence[float]) -> Array:
    """c[0] + c[1] x + c[2] x^2 ... by Horner's rule."""
    total = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        total = total * x + c
    return total


_FACTORIAL = [1 / f for f in np.cumprod([1, *range(1, 20)], dtype=np.float64).tolist()]
