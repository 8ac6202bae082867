"""Latents above a threshold of their own, learnt by straight-through estimates (Rajamanoharan et al. 2024): one pass.

arXiv 2407.14435. ``log_threshold`` (member, latent) is a further weight.
"""

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


def encode(weights: Weights, x: Rows) -> Latents:
    """Latents f = z where z > threshold, else 0."""
    _, z = pre_activations(weights, x)
    return z * (z > np.exp(weights["log_threshold"])[:, None, :])


def forward_backward(weights: Weights, x: Rows, penalty: PerMember, *, bandwidth: float) -> Pass:
    """Loss |x - x'|^2 + penalty * L0, L0 the mean number of latents z > threshold of a row.

    With K(u) = 1 for |u| < 1/2, the pseudo-derivatives with respect to the threshold t are -(t/bandwidth) K of f and
    -(1/bandwidth) K of the step, K at (z - t)/bandwidth; those with respect to z are 1[z > t] and 0. The step acts on
    z, not on f: on f it would lose the half of the band below t.
    """
    centred, z = pre_activations(weights, x)
    threshold = np.exp(weights["log_threshold"])[:, None, :]
    is_active = z > threshold
    latents = z * is_active
    reconstruction = decode(weights, latents)
    of_latents, gradients = through_decoder(weights, latents, (reconstruction - x) * (2 / x.shape[1]))
    in_band = np.abs((z - threshold) / bandwidth) < 0.5
    per_row = (penalty / x.shape[1])[:, None, None]
    of_threshold = -(in_band * (of_latents * threshold + per_row)).sum(axis=1) / bandwidth
    gradients["log_threshold"] = of_threshold * threshold[:, 0]
    through_encoder(weights, centred, of_latents * is_active, gradients)
    error, l0 = squared_error(x, reconstruction), is_active.sum(axis=2).mean(axis=1).astype(x.dtype)
    losses = {"reconstruction": error, "l0": l0, "total": error + penalty * l0}
    return Pass(latents, reconstruction, losses, gradients)
