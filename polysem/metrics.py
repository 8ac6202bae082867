"""A trained network and its sparse autoencoder become the numbers that the post reports.

In double precision, but for ``calibrated_macs``, and by sums whose order does not depend on the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from polysem import exact

N_NULL = 200
"""Column permutations behind ``calibrated_macs``, as in the post."""

EPSILON = 1e-8


class Scale(NamedTuple):
    """Mean and sample SD of every unit."""

    mean: Float[np.ndarray, " unit"]
    sd: Float[np.ndarray, " unit"]

    @property
    def factor(self) -> Float[np.ndarray, " unit"]:
        """1/(SD + 1e-8); 0 for a unit whose SD is at most 1e-8, which is dead."""
        return np.where(self.sd > EPSILON, 1 / (self.sd + EPSILON), 0)


def scale(activations: Float[np.ndarray, "unit sample"]) -> Scale:
    """The mean and sample SD of every unit."""
    means, sds = [], []
    for unit in activations.astype(np.float64):
        means.append(exact.mean(unit))
        variance = exact.mean((unit - means[-1]) ** 2) * len(unit) / (len(unit) - 1)
        sds.append(sqrt(variance))
    return Scale(np.array(means), np.array(sds))


def standardise(activations: Float[np.ndarray, "unit sample"], by: Scale) -> Float32[np.ndarray, "unit sample"]:
    """(a - mean)/(SD + 1e-8) per unit; a dead unit is 0."""
    centred = activations.astype(np.float64) - by.mean[:, None]
    standard = np.where(by.sd[:, None] > EPSILON, centred / (by.sd[:, None] + EPSILON), 0)
    standard[np.isnan(by.sd)] = np.nan
    return standard.astype(np.float32)


def mse(output: Float[np.ndarray, "unit sample"], target: Float[np.ndarray, "unit sample"]) -> float:
    """Mean squared error over all entries."""
    return exact.mean((output.astype(np.float64) - target) ** 2)


def cosines(decoder: Float[np.ndarray, "hidden latent"]) -> Float[np.ndarray, "latent latent"]:
    """Cosines between decoder directions; the diagonal is set to exactly 0."""
    directions = decoder / (np.sqrt(exact.in_order(decoder**2)) + decoder.dtype.type(EPSILON))
    cosine = exact.product(directions.T, directions)
    np.fill_diagonal(cosine, 0)
    return cosine


def macs(decoder: Float[np.ndarray, "hidden latent"], over: str = "entries") -> float:
    """Mean |cosine| between decoder directions, over ``pairs``; or, as published, ``entries``, the diagonal being 0.

    The latter is at most (k - 1)/k; the former is NaN for one latent.
    """
    mean, k = exact.mean(np.abs(cosines(decoder.astype(np.float64)))), decoder.shape[1]
    if over == "entries":
        return mean
    return mean * k / (k - 1) if k > 1 else float("nan")


def interference(decoder: Float[np.ndarray, "hidden latent"], importance: Float[np.ndarray, " feature"]) -> float:
    """Sum over i < j of cos^2(d_i, d_j) I_i I_j, with the importance of feature ``i mod 8`` for latent i, as published.

    Latents have no natural order, so that which importance meets which latent is arbitrary.
    """
    weights = np.resize(importance, decoder.shape[1])
    weighted = cosines(decoder.astype(np.float64)) ** 2 * weights * weights[:, None]
    return exact.mean(weighted) * weighted.size / 2


def calibrated_macs(decoder: Float[np.ndarray, "hidden latent"], rng: np.random.Generator) -> float:
    """The post's sigmoid((MACS - null mean)/(null SD + 1e-8)) over column permutations, in single precision.

    An exhibit, not a measure: a permutation of columns leaves MACS as it is, so the null has no spread and the value
    is the sigmoid of rounding noise.
    """
    overlaps = np.abs(cosines(decoder.astype(np.float32)))
    k = len(overlaps)
    orders = np.stack([np.arange(k), *(rng.permutation(k) for _ in range(N_NULL))])
    entries = overlaps[orders[:, :, None], orders[:, None, :]].reshape(len(orders), -1)
    values = (exact.in_order(entries.T) / np.float32(k * k)).astype(np.float64)
    null_mean = exact.mean(values[1:])
    z = (values[0] - null_mean) / (sqrt(exact.mean((values[1:] - null_mean) ** 2)) + EPSILON)
    return float(1 / (1 + exact.exp(np.array([-z]))[0]))


def l0_sparsity(latents: Float[np.ndarray, "latent sample"]) -> float:
    """Fraction of latents above 0, over all samples; NaN if any latent is."""
    return float("nan") if np.isnan(latents).any() else float(np.count_nonzero(latents > 0)) / latents.size


def sparsity_w4(weights: Sequence[Float[np.ndarray, "_ _"]]) -> float:
    """Mean of w^4 over the entries of all weight matrices, biases left out."""
    return exact.mean(np.square(np.square(np.concatenate([w.astype(np.float64).ravel() for w in weights]))))
