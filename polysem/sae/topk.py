"""The k largest latents of every row (Gao et al. 2024, arXiv 2406.04093): one pass."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from polysem.sae.common import (
    AUX_WEIGHT,
    Active,
    Counts,
    Latents,
    Pass,
    Rows,
    Weights,
    auxiliary,
    decode,
    largest,
    pre_activations,
    squared_error,
    through_decoder,
    through_encoder,
    variance,
)

Dead = Bool[np.ndarray, "member latent"]


def encode(weights: Weights, x: Rows, k: Counts) -> Latents:
    """Latents f: ReLU of the ``k[member]`` largest pre-activations of a row, and 0 elsewhere."""
    _, z = pre_activations(weights, x)
    latents: Latents = np.maximum(z, 0) * largest(z, k)
    return latents


def forward_backward(weights: Weights, x: Rows, k: Counts, dead: Dead) -> Pass:
    """Loss |x - x'|^2 / var(x) + AuxK / 32, with var(x) the sum over inputs of the variance over rows.

    The gradient goes through the selected latents only. ``dead`` says which latents the auxiliary loss revives.
    """
    centred, z = pre_activations(weights, x)
    return selected_pass(weights, x, centred, z, largest(z, k), dead)


def selected_pass(weights: Weights, x: Rows, centred: Rows, z: Latents, selected: Active, dead: Dead) -> Pass:
    """The pass of a variant that keeps the ``selected`` of the rectified latents."""
    latents = np.maximum(z, 0) * selected
    reconstruction = decode(weights, latents)
    spread = variance(x)
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    of_output = (reconstruction - x) * (2 * scale / x.shape[1])[:, None, None]
    of_latents, gradients = through_decoder(weights, latents, of_output)
    aux, aux_of_z, aux_of_decoder = auxiliary(weights, x, reconstruction, z, dead)
    gradients["decoder"] = gradients["decoder"] + AUX_WEIGHT * aux_of_decoder
    through_encoder(weights, centred, of_latents * (latents > 0) + AUX_WEIGHT * aux_of_z, gradients)
    error = squared_error(x, reconstruction)
    normalised = error * scale
    losses = {
        "reconstruction": error,
        "normalised": normalised,
        "auxiliary": aux,
        "total": normalised + AUX_WEIGHT * aux,
    }
    return Pass(latents, reconstruction, losses, gradients)
