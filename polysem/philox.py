"""A key and a step become draws of noise for the hidden layer: the same ones that the kernel draws for itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float32, UInt32

from polysem.streams import sequence

Key = tuple[int, int]
Words = UInt32[np.ndarray, "step word"]


def key(seed: int, kind: str) -> Key:
    """The key of a run's noise: independent for other seeds and kinds (numpy's ``SeedSequence``)."""
    first, second = sequence(seed, "noise", kind).generate_state(2)
    return int(first), int(second)


def draws(kind: str, key: Key, steps: Sequence[int], n: int) -> Float32[np.ndarray, "step n"]:
    """``n`` independent draws of ``kind`` for each step; mean 0, variance 1 except ``uniform`` (1/3) and ``none`` (0).

    ``rademacher`` -1 or 1; ``uniform`` in [-1, 1]; ``gaussian``; ``laplace``; ``student_t3`` with 3 degrees of freedom
    over its SD. A draw depends on the key, the step and its place only.
    """
    return _KINDS[kind](key, steps, n).astype(np.float32)


def words(key: Key, steps: Sequence[int], n: int) -> Words:
    """``n`` random words for each step: Philox4x32-10 of the counters (index, step, 0, 0) and the key.

    Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3 (doi 10.1145/2063384.2063405). The four words of 16
    successive counters follow each other as 16 first words, 16 second ones, and so on.
    """
    index = np.arange(-(-n // 64) * 16, dtype=np.uint64)
    c0, c1 = np.broadcast_arrays(index, np.asarray(steps, dtype=np.uint64)[:, None])
    four = philox((c0, c1, np.zeros_like(c0), np.zeros_like(c0)), key)
    blocks = np.stack(four).reshape(4, len(steps), -1, 16)
    return blocks.transpose(1, 2, 0, 3).reshape(len(steps), -1)[:, :n].astype(np.uint32)


def philox(counter: Sequence[np.ndarray], key: Key) -> Sequence[np.ndarray]:
    """Philox4x32-10: four words of each counter of four words, all held in 64-bit integers."""
    half, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ np.uint64(k0), p1 & low, (p0 >> half) ^ c3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def _unit(of: Words) -> np.ndarray:
    """Uniform in (0, 1], of 31 bits and the precision of a float: its smallest values make the heavy tails."""
    rounded = (of >> np.uint32(1)).astype(np.float32).astype(np.float64)
    return ((rounded + 0.5) * 2.0**-31).astype(np.float32).astype(np.float64)


def _signed(of: Words) -> np.ndarray:
    """Uniform in [-1, 1]."""
    uniform: np.ndarray = of.view(np.int32).astype(np.float32).astype(np.float64) * 2.0**-31
    return uniform


def _rademacher(key: Key, steps: Sequence[int], n: int) -> np.ndarray:
    """One random bit each."""
    shifts = np.arange(32, dtype=np.uint32)
    bits = words(key, steps, -(-n // 32))[:, :, None] >> shifts & np.uint32(1)
    return 1.0 - 2.0 * bits.reshape(len(steps), -1)[:, :n]


def _from_two(radius: Callable[[np.ndarray], np.ndarray]) -> Callable[[Key, Sequence[int], int], np.ndarray]:
    """radius(U) cos(2 pi V): neighbouring blocks of 16 words hold the U and V of 16 draws."""

    def from_two(key: Key, steps: Sequence[int], n: int) -> np.ndarray:
        pairs = words(key, steps, -(-n // 16) * 32).reshape(len(steps), -1, 2, 16)
        u, v = (np.ascontiguousarray(pairs[:, :, k]).reshape(len(steps), -1)[:, :n] for k in (0, 1))
        drawn: np.ndarray = radius(np.log(_unit(u))) * np.cos(np.pi * _signed(v))
        return drawn

    return from_two


def _laplace(key: Key, steps: Sequence[int], n: int) -> np.ndarray:
    """An exponential variate whose sign is the bit that the uniform one does not use."""
    of = words(key, steps, n)
    signed: np.ndarray = -np.log(_unit(of)) * np.sqrt(0.5) * (1.0 - 2.0 * (of & np.uint32(1)))
    return signed


_KINDS: Mapping[str, Callable[[Key, Sequence[int], int], np.ndarray]] = {
    "none": lambda _key, steps, n: np.zeros((len(steps), n)),
    "rademacher": _rademacher,
    "uniform": lambda key, steps, n: _signed(words(key, steps, n)),
    "gaussian": _from_two(lambda log_u: np.sqrt(-2 * log_u)),  # Box & Muller 1958
    # Bailey 1994, Mathematics of Computation 62, 779-781: sqrt(3 (U^(-2/3) - 1)) cos(2 pi V), over its SD sqrt(3).
    "student_t3": _from_two(lambda log_u: np.sqrt(np.expm1(log_u * (-2 / 3)))),
    "laplace": _laplace,
}
