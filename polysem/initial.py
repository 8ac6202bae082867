"""A generator becomes initial weights of a network or of an autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from jaxtyping import Float

from polysem import exact


def network(
    kind: str, shapes: Sequence[tuple[int, int]], rng: np.random.Generator, *, orthogonal_gain: float
) -> list[Float[np.ndarray, "_ _"]]:
    """Weights and biases (last column) of every layer, drawn as ``kind`` says.

    uniform      weights and biases U(-1/sqrt(fan_in), 1/sqrt(fan_in)), the default of ``torch.nn.Linear``
    gaussian     N(0, 1/(3 fan_in)), the variance of ``uniform``; biases 0, as in all that follow
    xavier       U(-a, a), a = sqrt(6/(fan_in + fan_out)) (Glorot & Bengio 2010)
    kaiming      N(0, 2/fan_in) (He et al. 2015, arXiv 1502.01852)
    orthogonal   gain g times a Haar (semi-)orthogonal matrix (Saxe et al. 2014, arXiv 1312.6120)
    matched      N(0, g^2/max(fan_in, fan_out)), the mean square of ``orthogonal``, and made of the same draws
    """
    layers = []
    for out, columns in shapes:
        fan_in = columns - 1
        layer = np.zeros((out, columns))
        weight = layer[:, :-1]
        if kind == "uniform":
            layer[:] = _symmetric(rng, *layer.shape) / sqrt(fan_in)
        elif kind == "gaussian":
            weight[:] = rng.standard_normal(weight.shape) / sqrt(3 * fan_in)
        elif kind == "xavier":
            weight[:] = _symmetric(rng, *weight.shape) * sqrt(6 / (fan_in + out))
        elif kind == "kaiming":
            weight[:] = rng.standard_normal(weight.shape) * sqrt(2 / fan_in)
        elif kind in {"orthogonal", "matched"}:
            gaussian = rng.standard_normal((max(out, fan_in), min(out, fan_in)))
            if kind == "orthogonal":
                weight[:] = orthogonal_gain * orthogonal(gaussian, out)
            else:
                weight[:] = orthogonal_gain / sqrt(len(gaussian)) * (gaussian if out == len(gaussian) else gaussian.T)
        else:
            raise ValueError(f"unknown initialisation {kind!r}")
        layers.append(layer)
    return layers


def orthogonal(gaussian: Float[np.ndarray, "larger smaller"], rows: int) -> Float[np.ndarray, "_ _"]:
    """Orthonormal rows or columns, whichever are fewer: the sign-corrected Q of a Gaussian matrix (Mezzadri 2007)."""
    q = exact.orthonormal(gaussian)
    return q if rows == len(q) else q.T


def autoencoder(
    hidden: int, width: int, rng: np.random.Generator, *, bias: float = 0.1
) -> tuple[Float[np.ndarray, "latent hidden_and_one"], Float[np.ndarray, "hidden latent"]]:
    """Decoder columns drawn uniform and normalised once; encoder their transpose, its biases U(0, bias)."""
    return tied_start(_symmetric(rng, hidden, width) / sqrt(width), bias * rng.random((width, 1)))


def tied_start(
    decoder: Float[np.ndarray, "hidden latent"], bias: Float[np.ndarray, "latent 1"]
) -> tuple[Float[np.ndarray, "latent hidden_and_one"], Float[np.ndarray, "hidden latent"]]:
    """The encoder with its biases, and the decoder with columns of length 1."""
    decoder = decoder / np.sqrt(exact.in_order(decoder**2))
    return np.hstack([decoder.T, bias]), decoder


def _symmetric(rng: np.random.Generator, *shape: int) -> Float[np.ndarray, "..."]:
    """Uniform in [-1, 1), made of ``random`` by operations that are exact everywhere."""
    draws: Float[np.ndarray, "..."] = 2 * rng.random(shape) - 1
    return draws
