"""A gate decides whether a latent is active, a magnitude how much (Rajamanoharan et al. 2024): one pass.

arXiv 2404.16014. Weights besides ``encoder``, ``decoder`` and ``bias``: ``log_scale`` r, ``gate_bias`` b_g and
``magnitude_bias`` b_m (member, latent); there is no ``encoder_bias``.
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
    squared_error,
    through_decoder,
    transposed,
)


def encode(weights: Weights, x: Rows) -> Latents:
    """Latents f = 1[pi > 0] ReLU(exp(r) W (x - b) + b_m), with the gate pi = W (x - b) + b_g."""
    _, gate, magnitude, _ = _gates(weights, x)
    latents: Latents = (gate > 0) * np.maximum(magnitude, 0)
    return latents


def forward_backward(weights: Weights, x: Rows, penalty: PerMember) -> Pass:
    """Loss |x - x'(f)|^2 + penalty * sum ReLU(pi) + |x - x'_frozen(ReLU(pi))|^2.

    In the last only the decoding is frozen: D and its b are constants there, and b in x - b keeps its gradient.
    """
    centred, gate, magnitude, projected = _gates(weights, x)
    opened, is_open = np.maximum(gate, 0), gate > 0
    latents = is_open * np.maximum(magnitude, 0)
    reconstruction, by_gate = decode(weights, latents), decode(weights, opened)
    rows = x.shape[1]
    of_latents, gradients = through_decoder(weights, latents, (reconstruction - x) * (2 / rows))
    of_magnitude = of_latents * (is_open & (magnitude > 0))
    of_gate = np.matmul((by_gate - x) * (2 / rows), weights["decoder"]) + (penalty / rows)[:, None, None]
    of_gate *= is_open
    scale = np.exp(weights["log_scale"])[:, None, :]
    of_projected = of_magnitude * scale + of_gate
    gradients["encoder"] = np.matmul(transposed(of_projected), centred)
    gradients["bias"] = gradients["bias"] - np.matmul(of_projected, weights["encoder"]).sum(axis=1)
    gradients["log_scale"] = (of_magnitude * projected * scale).sum(axis=1)
    gradients["magnitude_bias"] = of_magnitude.sum(axis=1)
    gradients["gate_bias"] = of_gate.sum(axis=1)
    error, aux = squared_error(x, reconstruction), squared_error(x, by_gate)
    sparsity = opened.sum(axis=2).mean(axis=1)
    losses = {
        "reconstruction": error,
        "sparsity": sparsity,
        "auxiliary": aux,
        "total": error + penalty * sparsity + aux,
    }
    return Pass(latents, reconstruction, losses, gradients)


def _gates(weights: Weights, x: Rows) -> tuple[Rows, Latents, Latents, Latents]:
    """Inputs x - b, the gate, the magnitude, and W (x - b)."""
    centred = x - weights["bias"][:, None, :]
    projected = np.matmul(centred, transposed(weights["encoder"]))
    magnitude = np.exp(weights["log_scale"])[:, None, :] * projected + weights["magnitude_bias"][:, None, :]
    return centred, projected + weights["gate_bias"][:, None, :], magnitude, projected
