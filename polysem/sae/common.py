"""Weights and rows become the parts of a pass that variants of sparse autoencoders share, and the auxiliary loss.

Every array has a leading ``member`` axis, and no operation mixes members, so that a member's bits do not depend on its
companions. Sums are over inputs or latents, means over rows. With pre-activations z = W_e (x - b) + b_e and latents f,
the reconstruction is D f + b.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Real

Rows = Float[np.ndarray, "member row input"]
Latents = Float[np.ndarray, "member row latent"]
Active = Bool[np.ndarray, "member row latent"]
PerMember = Float[np.ndarray, " member"]
Counts = Real[np.ndarray, " member"]
Array = Float[np.ndarray, "member ..."]
Weights = Mapping[str, Array]
"""Name -> array: ``encoder`` (member, latent, input), ``encoder_bias`` (member, latent), ``decoder`` (member, input,
latent), ``bias`` (member, input), and what a variant has besides."""

AUX_WEIGHT = 1 / 32
"""Of the auxiliary loss (Gao et al. 2024, arXiv 2406.04093)."""


@dataclass(frozen=True)
class Pass:
    """One forward and backward pass; ``losses`` are parts without their weights, and ``total``, which is minimised."""

    latents: Latents
    reconstruction: Rows
    losses: Mapping[str, PerMember]
    gradients: Weights


def squared_error(x: Rows, reconstruction: Rows) -> PerMember:
    """Mean over rows of |x - x'|^2."""
    error: PerMember = np.square(x - reconstruction).sum(axis=2).mean(axis=1)
    return error


def variance(x: Rows) -> PerMember:
    """Sum over inputs of the variance over rows, about the mean of each input."""
    spread: PerMember = np.square(x - x.mean(axis=1, keepdims=True)).sum(axis=2).mean(axis=1)
    return spread


def pre_activations(weights: Weights, x: Rows) -> tuple[Rows, Latents]:
    """Inputs x - b, and z = W_e (x - b) + b_e."""
    centred = x - weights["bias"][:, None, :]
    return centred, np.matmul(centred, transposed(weights["encoder"])) + weights["encoder_bias"][:, None, :]


def decode(weights: Weights, latents: Latents) -> Rows:
    """D f + b."""
    reconstruction: Rows = np.matmul(latents, transposed(weights["decoder"])) + weights["bias"][:, None, :]
    return reconstruction


def transposed(matrices: Float[np.ndarray, "member row column"]) -> Float[np.ndarray, "member column row"]:
    """The transpose of every member's matrix, as a view."""
    return matrices.transpose(0, 2, 1)


def through_decoder(weights: Weights, latents: Latents, of_output: Rows) -> tuple[Latents, dict[str, Array]]:
    """The gradient of the latents from that of the reconstruction, and the gradients of the decoder and its bias."""
    gradients = {"decoder": np.matmul(transposed(of_output), latents), "bias": of_output.sum(axis=1)}
    return np.matmul(of_output, weights["decoder"]), gradients


def through_encoder(weights: Weights, centred: Rows, of_z: Latents, gradients: dict[str, Array]) -> None:
    """Add the gradients of the encoder, of its bias, and of b in x - b, given that of the pre-activations."""
    gradients["encoder"] = np.matmul(transposed(of_z), centred)
    gradients["encoder_bias"] = of_z.sum(axis=1)
    gradients["bias"] = gradients["bias"] - np.matmul(of_z, weights["encoder"]).sum(axis=1)


def largest(values: Float[np.ndarray, "member *row entry"], counts: Counts) -> Bool[np.ndarray, "member *row entry"]:
    """The ``counts[member]`` largest of the last axis' entries; of equal ones those that come first."""
    counts = np.broadcast_to(counts.reshape(-1, *[1] * (values.ndim - 1)), (*values.shape[:-1], 1))
    smallest = np.clip(counts - 1, 0, values.shape[-1] - 1).astype(np.intp)
    limit = np.take_along_axis(-np.sort(-values, axis=-1), smallest, axis=-1)
    above, equal = values > limit, values == limit
    room = counts - above.sum(axis=-1, keepdims=True)
    chosen: np.ndarray = (above | (equal & (np.cumsum(equal, axis=-1) <= room))) & (counts > 0)
    return chosen


def auxiliary(
    weights: Weights, x: Rows, reconstruction: Rows, z: Latents, dead: Bool[np.ndarray, "member latent"]
) -> tuple[PerMember, Latents, Float[np.ndarray, "member input latent"]]:
    """AuxK: dead latents reconstruct the error e; the loss, and the gradients of z and of the decoder.

    |e - D TopK_k(ReLU(z) of dead latents)|^2 / var(e), k = min(inputs // 2, number dead), e and var(e) constants
    (Gao et al. 2024, appendix A.2). 0 where nothing is dead or e is constant.
    """
    error = x - reconstruction
    spread = variance(error)
    rectified = np.maximum(z, 0) * dead[:, None, :]
    counts = np.minimum(x.shape[2] // 2, dead.sum(axis=1))
    latents = rectified * largest(np.where(dead[:, None, :], rectified, -1), counts)
    residual = np.matmul(latents, transposed(weights["decoder"])) - error
    usable = (counts > 0) & (spread > 0)
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=usable)
    of_output = residual * (2 * scale / x.shape[1])[:, None, None]
    of_z = np.matmul(of_output, weights["decoder"]) * (latents > 0)
    loss = np.square(residual).sum(axis=2).mean(axis=1) * scale
    return loss, of_z, np.matmul(transposed(of_output), latents)
