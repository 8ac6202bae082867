"""A kind of noise and a generator become draws for the hidden layer, in units of sigma: of the two systems of papers.

``polysem.toy`` draws what its kernel draws (``polysem.philox``), several times slower than numpy does here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt

import numpy as np
from jaxtyping import Float32

Draws = Float32[np.ndarray, "..."]


def draw(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Draws:
    """Independent draws of ``kind``; mean 0, and variance 1 except ``uniform`` (1/3) and ``none`` (0)."""
    return _KINDS[kind](shape, rng).astype(np.float32, copy=False)


_KINDS: Mapping[str, Callable[[tuple[int, ...], np.random.Generator], np.ndarray]] = {
    "none": lambda shape, _rng: np.zeros(shape),
    "rademacher": lambda shape, rng: 2 * rng.integers(2, size=shape, dtype=np.int8) - 1,
    "uniform": lambda shape, rng: rng.random(shape, dtype=np.float32) * np.float32(2) - np.float32(1),
    "student_t3": lambda shape, rng: rng.standard_t(3, size=shape) / sqrt(3),
    "gaussian": lambda shape, rng: rng.standard_normal(shape, dtype=np.float32),
    "laplace": lambda shape, rng: rng.laplace(scale=sqrt(0.5), size=shape),
}
