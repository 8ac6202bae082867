"""One BatchTopK code whose prefixes reconstruct as well (Bussmann et al. 2025, arXiv 2503.17547): one pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polysem.sae.batch_topk import encode, largest_of_batch
from polysem.sae.common import (
    AUX_WEIGHT,
    Counts,
    Pass,
    Rows,
    Weights,
    auxiliary,
    decode,
    pre_activations,
    squared_error,
    through_decoder,
    through_encoder,
)
from polysem.sae.topk import Dead

__all__ = ["encode", "forward_backward"]


def forward_backward(weights: Weights, x: Rows, k: Counts, prefixes: Sequence[int], dead: Dead) -> Pass:
    """Loss: mean over the prefixes of |x - x'_i|^2, x'_i from the first m_i latents, plus AuxK / 32 of the whole code.

    The empty prefix is not among them. ``reconstruction`` is that of all latents; the last prefix is their number.
    """
    centred, z = pre_activations(weights, x)
    latents = np.maximum(z, 0) * largest_of_batch(z, k)
    of_latents = np.zeros_like(latents)
    gradients = {"decoder": np.zeros_like(weights["decoder"]), "bias": np.zeros_like(weights["bias"])}
    errors = []
    for prefix in prefixes:
        part = np.where(np.arange(latents.shape[2]) < prefix, latents, 0)
        reconstruction = decode(weights, part)
        errors.append(squared_error(x, reconstruction))
        of_output = (reconstruction - x) * (2 / (x.shape[1] * len(prefixes)))
        of_part, part_gradients = through_decoder(weights, part, of_output)
        of_latents[:, :, :prefix] += of_part[:, :, :prefix]
        gradients = {name: gradients[name] + part_gradients[name] for name in gradients}
    reconstruction = decode(weights, latents)
    aux, aux_of_z, aux_of_decoder = auxiliary(weights, x, reconstruction, z, dead)
    gradients["decoder"] = gradients["decoder"] + AUX_WEIGHT * aux_of_decoder
    through_encoder(weights, centred, of_latents * (latents > 0) + AUX_WEIGHT * aux_of_z, gradients)
    mean = np.mean(errors, axis=0)
    losses = {
        "reconstruction": squared_error(x, reconstruction),
        "prefixes": mean,
        "auxiliary": aux,
        "total": mean + AUX_WEIGHT * aux,
    }
    return Pass(latents, reconstruction, losses, gradients)
