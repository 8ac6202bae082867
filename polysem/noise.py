"""A kind of noise and a generator become draws for the hidden layer, in units of sigma."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float32

Draws = Float32[np.ndarray, "..."]


def draw(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Draws:
    """Independent draws of ``kind``; mean 0, and variance 1 except ``uniform`` (1/3) and ``none`` (0)."""
    return _KINDS[kind](shape, rng).astype(np.float32, copy=False)


def distribution(level: str, bipolar: str) -> str:
    """What is drawn for a level of the factor ``noise``; ``bipolar`` says what the level of that name means."""
    return {"bipolar": bipolar, "positive_kurtosis": "student_t3"}.get(level, level)


def _rademacher(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """-1 or +1 with equal probability, one random bit each."""
    size = int(np.prod(shape))
    bits = np.unpackbits(np.frombuffer(rng.bytes(-(-size // 8)), np.uint8), count=size)
    signs: np.ndarray = bits.astype(np.float32) * np.float32(2) - np.float32(1)
    return signs.reshape(shape)


def _student_t3(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Student's t with 3 degrees of freedom over its SD sqrt(3): sqrt(U^(-2/3) - 1) cos(2 pi V).

    Bailey's polar method (Bailey 1994, Mathematics of Computation 62, 779-781), several times faster than a quotient
    of a normal and a gamma variate. U is drawn in double precision: its smallest values make the heavy tails.
    """
    u = (1.0 - rng.random(shape)).astype(np.float32)
    v = rng.random(shape, dtype=np.float32)
    radius = np.sqrt(np.exp(np.log(u) * np.float32(-2 / 3)) - np.float32(1))
    t: np.ndarray = radius * np.cos(v * np.float32(2 * np.pi))
    return t


def _uniform(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    draws: np.ndarray = rng.random(shape, dtype=np.float32) * np.float32(2) - np.float32(1)
    return draws


_KINDS: Mapping[str, Callable[[tuple[int, ...], np.random.Generator], np.ndarray]] = {
    "none": lambda shape, _rng: np.zeros(shape),
    "rademacher": _rademacher,
    "uniform": _uniform,
    "student_t3": _student_t3,
    "gaussian": lambda shape, rng: rng.standard_normal(shape, dtype=np.float32),
    "laplace": lambda shape, rng: rng.laplace(scale=np.sqrt(0.5), size=shape),
}
