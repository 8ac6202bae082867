"""ReLU latents with an L1 penalty (Bricken et al. 2023), and the leaky ones of the post: one pass."""

from __future__ import annotations

import numpy as np

from polysem.sae.common import (
    Latents,
    Pass,
    PerMember,
    Rows,
    Weights,
    decode,
    pre_activations,
    squared_error,
    through_decoder,
    through_encoder,
)


def encode(weights: Weights, x: Rows, *, slope: float = 0.0) -> Latents:
    """Latents f = max(z, slope z)."""
    _, z = pre_activations(weights, x)
    return np.where(z > 0, z, slope * z + 0.0)


def forward_backward(weights: Weights, x: Rows, penalty: PerMember, *, slope: float = 0.0) -> Pass:
    """Loss |x - x'|^2 + penalty * sum |f|, which takes in the negative part of a leaky latent.

    ``slope`` is 0 for ReLU and 0.01 for the post's LeakyReLU.
    """
    centred, z = pre_activations(weights, x)
    latents = np.where(z > 0, z, slope * z + 0.0)
    reconstruction = decode(weights, latents)
    of_latents, gradients = through_decoder(weights, latents, (reconstruction - x) * (2 / x.shape[1]))
    of_latents += np.sign(latents) * (penalty / x.shape[1])[:, None, None]
    through_encoder(weights, centred, of_latents * np.where(z > 0, 1, slope).astype(z.dtype), gradients)
    error, sparsity = squared_error(x, reconstruction), np.abs(latents).sum(axis=2).mean(axis=1)
    losses = {"reconstruction": error, "sparsity": sparsity, "total": error + penalty * sparsity}
    return Pass(latents, reconstruction, losses, gradients)
