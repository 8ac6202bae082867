"""Activations of several networks become dictionaries: any variant of sparse autoencoder, trained as an ensemble.

The settings that are not in the papers are those that train a dictionary of some dozen latents on some thousand rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from jaxtyping import Bool, Float32, Int

from polysem.optimisers import mover, per_member
from polysem.sae import batch_topk, gated, jumprelu, matryoshka, relu_l1, topk
from polysem.sae.common import Array, Counts, Latents, Pass, PerMember, Rows, Weights

DEAD_AFTER = 1024
"""Rows in which a latent was not active before the auxiliary loss revives it (the papers' 10 million tokens)."""

THRESHOLD = 0.1
"""JumpReLU's thresholds at the start, and the bandwidth of its straight-through estimates; inputs have unit scale."""

FROZEN = {"none": (), "decoder": ("decoder",), "encoder": ("encoder",), "both": ("decoder", "encoder")}
"""What of an autoencoder stays as it started -> its weights; biases, thresholds and scales are trained all the same."""

Dead = Bool[np.ndarray, "member latent"]
Order = Callable[[int], Int[np.ndarray, " row"]]
"""From a number of rows to their order in the next epoch."""


@dataclass(frozen=True)
class Variant:
    """One variant: a training pass, the latents at inference, and its weights at the start, made of the common ones.

    Its sparsity is k, latents a row, for ``topk``, ``batch_topk`` and ``matryoshka``, else the weight of the penalty.
    """

    forward_backward: Callable[[Weights, Rows, Counts, Dead], Pass]
    encode: Callable[[Weights, Rows, Counts, PerMember], Latents]
    """Of weights, rows, sparsity and threshold (of ``batch_topk`` and ``matryoshka``, else NaN)."""
    start: Callable[[Weights], Weights] = dict
    has_threshold: bool = False


def _prefixes(width: int) -> Sequence[int]:
    return [max(1, width // part) for part in (8, 4, 2, 1)]


def _thresholds(weights: Weights) -> Weights:
    return {**weights, "log_threshold": np.full_like(weights["encoder_bias"], log(THRESHOLD))}


def _gates(weights: Weights) -> Weights:
    common = {key: weights[key] for key in ("encoder", "decoder", "bias")}
    bias = weights["encoder_bias"]
    return {**common, "log_scale": np.zeros_like(bias), "gate_bias": bias, "magnitude_bias": bias}


VARIANTS: Mapping[str, Variant] = {
    "leaky_l1": Variant(
        lambda w, x, penalty, _: relu_l1.forward_backward(w, x, penalty, slope=0.01),
        lambda w, x, *_: relu_l1.encode(w, x, slope=0.01),
    ),
    "relu_l1": Variant(
        lambda w, x, penalty, _: relu_l1.forward_backward(w, x, penalty), lambda w, x, *_: relu_l1.encode(w, x)
    ),
    "topk": Variant(topk.forward_backward, lambda w, x, k, _: topk.encode(w, x, k)),
    "batch_topk": Variant(
        batch_topk.forward_backward,
        lambda w, x, _, threshold: batch_topk.encode(w, x, threshold),
        has_threshold=True,
    ),
    "jumprelu": Variant(
        lambda w, x, penalty, _: jumprelu.forward_backward(w, x, penalty, bandwidth=THRESHOLD),
        lambda w, x, *_: jumprelu.encode(w, x),
        _thresholds,
    ),
    "gated": Variant(
        lambda w, x, penalty, _: gated.forward_backward(w, x, penalty), lambda w, x, *_: gated.encode(w, x), _gates
    ),
    "matryoshka": Variant(
        lambda w, x, k, dead: matryoshka.forward_backward(w, x, k, _prefixes(w["decoder"].shape[2]), dead),
        lambda w, x, _, threshold: matryoshka.encode(w, x, threshold),
        has_threshold=True,
    ),
}


@dataclass(frozen=True)
class Dictionaries:
    """Trained autoencoders, one a member."""

    variant: Variant
    weights: Weights
    sparsity: Counts
    threshold: PerMember

    def encode(self, x: Rows) -> Latents:
        """Latents of rows at inference."""
        return self.variant.encode(self.weights, x, self.sparsity, self.threshold)


def train(
    name: str,
    start: Weights,
    x: Float32[np.ndarray, "member row input"],
    sparsity: Counts,
    *,
    epochs: int,
    batch: int,
    orders: Sequence[Order],
    rate: float = 1e-3,
    frozen: str = "none",
    weight_l1: PerMember | None = None,
    weight_l2: PerMember | None = None,
    on_epoch: Callable[[int], None] = lambda _: None,
) -> Dictionaries:
    """Train by Adam in batches of ``batch`` rows (0 for all), shuffled each epoch by ``orders`` (one a member).

    Columns of the decoder keep length 1: gradients lose the part along them, and every step ends with a normalisation.
    ``start`` has the common weights; ``weight_l1`` and ``weight_l2`` weigh the sums of |w| and of w^2 of encoder and
    decoder in the loss. No operation mixes members.
    """
    variant = VARIANTS[name]
    members, rows, _ = x.shape
    weights, flat = _as_one(variant.start(start))
    still = {key: weights[key].copy() for key in FROZEN[frozen]}
    move = mover("adam", flat, per_member([rate] * members), per_member([0.0] * members))
    strength = np.asarray(sparsity, dtype=np.float32)
    threshold = np.full(members, np.nan, dtype=np.float32)
    idle = np.zeros((members, start["encoder_bias"].shape[1]), dtype=np.intp)
    for epoch in range(1, epochs + 1):
        shuffled = np.stack([of[order(rows)] for of, order in zip(x, orders, strict=True)]) if batch else x
        for first in range(0, rows, batch or rows):
            part = shuffled[:, first : first + (batch or rows)]
            step = variant.forward_backward(weights, part, strength, idle >= DEAD_AFTER)
            gradient = dict(step.gradients)
            for key in ("encoder", "decoder"):
                if weight_l1 is not None:
                    gradient[key] += weight_l1[:, None, None] * np.sign(weights[key])
                if weight_l2 is not None:
                    gradient[key] += 2 * weight_l2[:, None, None] * weights[key]
            along = (gradient["decoder"] * weights["decoder"]).sum(axis=1, keepdims=True)
            gradient["decoder"] -= along * weights["decoder"]
            move(np.concatenate([gradient[key].reshape(members, 1, -1) for key in weights], axis=2))
            weights["decoder"] /= np.linalg.norm(weights["decoder"], axis=1, keepdims=True)
            for key, value in still.items():
                weights[key][...] = value
            if variant.has_threshold:
                threshold = batch_topk.next_threshold(threshold, step.latents)
            idle = np.where((step.latents > 0).any(axis=1), 0, idle + part.shape[1])
        on_epoch(epoch)
    return Dictionaries(variant, weights, strength, threshold)


def _as_one(weights: Weights) -> tuple[dict[str, Array], Float32[np.ndarray, "member 1 weight"]]:
    """The weights in single precision as views of one array, so that one step moves them all."""
    flat = np.concatenate([np.asarray(w, np.float32).reshape(len(w), 1, -1) for w in weights.values()], axis=2)
    views, end = {}, 0
    for key, value in weights.items():
        begin, end = end, end + value[0].size
        views[key] = flat[:, 0, begin:end].reshape(value.shape)
    return views, flat
