"""The largest latents of a whole batch, k a row on average (Bussmann et al. 2024, arXiv 2412.06410): one pass."""

from __future__ import annotations

import numpy as np

from polysem.sae.common import Active, Counts, Latents, Pass, PerMember, Rows, Weights, largest, pre_activations
from polysem.sae.topk import Dead, selected_pass

DECAY = 0.999
"""Of the running mean of the threshold."""


def encode(weights: Weights, x: Rows, threshold: PerMember) -> Latents:
    """At inference f = z where z > threshold, so that a row does not depend on its batch."""
    _, z = pre_activations(weights, x)
    return z * (z > threshold[:, None, None])


def forward_backward(weights: Weights, x: Rows, k: Counts, dead: Dead) -> Pass:
    """The loss of TopK; kept are the round(rows * k) largest of the rectified latents of the batch."""
    centred, z = pre_activations(weights, x)
    return selected_pass(weights, x, centred, z, largest_of_batch(z, k), dead)


def largest_of_batch(z: Latents, k: Counts) -> Active:
    """The round(rows * k) largest entries of ReLU(z) of every member; equal ones in the order of rows and latents."""
    members, rows, width = z.shape
    flat = np.maximum(z, 0).reshape(members, rows * width)
    counts = np.minimum(np.rint(rows * np.asarray(k, dtype=float)), rows * width).astype(np.intp)
    return largest(flat, counts).reshape(z.shape)


def next_threshold(threshold: PerMember, latents: Latents) -> PerMember:
    """The running mean of the smallest positive latent kept; NaN until a batch has one."""
    smallest = np.where(latents > 0, latents, np.inf).min(axis=(1, 2))
    moved = np.where(np.isnan(threshold), smallest, DECAY * threshold + (1 - DECAY) * smallest)
    return np.where(np.isinf(smallest), threshold, moved).astype(threshold.dtype)
