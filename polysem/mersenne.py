"""A seed becomes the numbers that torch's CPU generator gives, without torch: to rounding, and alike on every machine.

Torch and numpy share the Mersenne twister, so that the random words are the same; what is made of them follows torch's
``DistributionsHelper.h`` and ``DistributionTemplates.h``, with the functions of ``polysem.exact``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt64

from polysem import exact


@dataclass
class Mersenne:
    """``torch.Generator().manual_seed(seed)``, ``taken`` words later; ``spare`` is half of a pair of variates."""

    seed: int
    taken: int = 0
    spare: float | None = None

    def __post_init__(self) -> None:
        self._twister = np.random.MT19937()
        self._twister._legacy_seeding(self.seed)  # noqa: SLF001  (the only way to seed it as torch does)
        self._twister.random_raw(self.taken, output=False)

    def copy(self) -> Mersenne:
        """A generator that goes on from here by itself."""
        return replace(self)

    def words(self, n: int) -> UInt64[np.ndarray, " word"]:
        """The next random words, of 32 bits."""
        self.taken += n
        return self._twister.random_raw(n)

    def uniform(self, *shape: int) -> Float[np.ndarray, "..."]:
        """What ``torch.rand`` gives."""
        return uniform(self.words(int(np.prod(shape)))).reshape(shape)

    def normal(self, *shape: int) -> Float[np.ndarray, "..."]:
        """What ``Tensor.normal_`` gives: single variates if fewer than 16, else eight pairs at a time."""
        size = int(np.prod(shape))
        if size < 16:
            return np.array([self._single() for _ in range(size)]).reshape(shape)
        draws = self.uniform(size)
        for start in range(0, size - 15, 16):
            draws[start : start + 16] = _eight_pairs(draws[start : start + 16])
        if size % 16:
            draws[-16:] = _eight_pairs(self.uniform(16))
        return draws.reshape(shape)

    def _single(self) -> float:
        if self.spare is None:
            first, self.spare = pairs(self.words(4)).tolist()
            return float(first)
        spare, self.spare = self.spare, None
        return spare


def uniform(words: UInt64[np.ndarray, " word"]) -> Float[np.ndarray, " word"]:
    """Torch's uniform single-precision numbers in [0, 1): the lower 24 bits of each word."""
    return (words & np.uint64(0xFFFFFF)) * 2.0**-24


def pairs(words: UInt64[np.ndarray, " word"]) -> Float[np.ndarray, " half_as_many"]:
    """Torch's normal variates when it draws them singly: two of every four words, in the precision of a float."""
    high, low = words.reshape(-1, 2).T
    u, v = (((high << np.uint64(32) | low) & np.uint64(2**53 - 1)) * 2.0**-53).reshape(-1, 2).T
    return _box_muller(1 - v, u).T.ravel().astype(np.float32).astype(np.float64)


def _eight_pairs(numbers: Float[np.ndarray, "16"]) -> Float[np.ndarray, "16"]:
    return _box_muller(1 - numbers[:8], numbers[8:]).ravel()


def _box_muller(u: Float[np.ndarray, " n"], v: Float[np.ndarray, " n"]) -> Float[np.ndarray, "2 n"]:
    """Two independent normal variates of two uniform ones (Box & Muller 1958)."""
    radius, angle = np.sqrt(-2 * exact.log(u)), 2 * np.pi * v
    return np.stack([radius * exact.cos(angle), radius * exact.sin(angle)])
