"""Activations of several networks become dictionaries: any variant of sparse autoencoder, trained as an ensemble.

The settings that are not in the papers are those that train a dictionary of some dozen latents on some thousand rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int

from polysem.kernel.autoencoders import Autoencoders, Settings
from polysem.optimisers import mover, per_member
from polysem.sae import batch_topk, gated, jumprelu, matryoshka, relu_l1, topk
from polysem.sae.common import AUX_WEIGHT, Array, Counts, Latents, Pass, PerMember, Rows, Weights, decode

DEAD_AFTER = 1024
"""Rows in which a latent was not active before the auxiliary loss revives it (the papers' 10 million tokens)."""

THRESHOLD = 0.1
"""JumpReLU's thresholds at the start, and the bandwidth of its straight-through estimates; inputs have unit scale."""

LEAK = 0.01
"""Slope of ``leaky_l1`` below 0."""

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
    native: Settings
    """The same for the compiled kernel."""
    start: Callable[[Weights], Weights] = dict
    bias: str = "encoder_bias"
    """Which weights are added to W_e (x - b) to decide whether a latent is active."""

    @property
    def has_threshold(self) -> bool:
        """Whether latents at inference are those above a threshold that training finds."""
        return self.native.variant in {"batch_topk", "matryoshka"}


def prefixes(width: int) -> Sequence[int]:
    """Of ``matryoshka``: an eighth, a quarter, a half and all of the latents."""
    return [max(1, width // part) for part in (8, 4, 2, 1)]


def _thresholds(weights: Weights) -> Weights:
    return {**weights, "log_threshold": np.full_like(weights["encoder_bias"], log(THRESHOLD))}


def _gates(weights: Weights) -> Weights:
    common = {key: weights[key] for key in ("encoder", "decoder", "bias")}
    bias = weights["encoder_bias"]
    return {**common, "log_scale": np.zeros_like(bias), "gate_bias": bias, "magnitude_bias": bias}


def _jumprelu(bandwidth: float) -> Variant:
    return Variant(
        lambda w, x, penalty, _: jumprelu.forward_backward(w, x, penalty, bandwidth=bandwidth),
        lambda w, x, *_: jumprelu.encode(w, x),
        Settings("jumprelu", bandwidth=bandwidth),
        _thresholds,
    )


VARIANTS: Mapping[str, Variant] = {
    "leaky_l1": Variant(
        lambda w, x, penalty, _: relu_l1.forward_backward(w, x, penalty, slope=LEAK),
        lambda w, x, *_: relu_l1.encode(w, x, slope=LEAK),
        Settings("l1", leak=LEAK),
    ),
    "relu_l1": Variant(
        lambda w, x, penalty, _: relu_l1.forward_backward(w, x, penalty),
        lambda w, x, *_: relu_l1.encode(w, x),
        Settings("l1"),
    ),
    "topk": Variant(
        topk.forward_backward, lambda w, x, k, _: topk.encode(w, x, k), Settings("topk", aux=AUX_WEIGHT, by_k=True)
    ),
    "batch_topk": Variant(
        batch_topk.forward_backward,
        lambda w, x, _, threshold: batch_topk.encode(w, x, threshold),
        Settings("batch_topk", aux=AUX_WEIGHT, by_k=True),
    ),
    "jumprelu": _jumprelu(THRESHOLD),
    "gated": Variant(
        lambda w, x, penalty, _: gated.forward_backward(w, x, penalty),
        lambda w, x, *_: gated.encode(w, x),
        Settings("gated"),
        _gates,
        "gate_bias",
    ),
    "matryoshka": Variant(
        lambda w, x, k, dead: matryoshka.forward_backward(w, x, k, prefixes(w["decoder"].shape[2]), dead),
        lambda w, x, _, threshold: matryoshka.encode(w, x, threshold),
        Settings("matryoshka", aux=AUX_WEIGHT, by_k=True),
    ),
}


@dataclass(frozen=True)
class Dictionaries:
    """Trained autoencoders, one a member."""

    variant: Variant
    weights: Weights
    sparsity: Counts
    threshold: PerMember
    native: Autoencoders | None = None

    def encode(self, x: Rows) -> Latents:
        """Latents of rows at inference."""
        latents, _ = self.apply(x)
        return latents

    def apply(self, x: Rows) -> tuple[Latents, Rows]:
        """Latents of rows at inference, and their reconstructions."""
        if not self.native:
            latents = self.variant.encode(self.weights, x, self.sparsity, self.threshold)
            return latents, decode(self.weights, latents)
        members = [{key: of[member] for key, of in self.weights.items()} for member in range(len(x))]
        width = self.weights["decoder"].shape[2]
        settings = [_settings(self.variant, width, sparsity) for sparsity in self.sparsity.tolist()]
        applied = map(self.native.encode, settings, members, x, self.threshold.tolist())
        latents, reconstruction = (np.stack(of) for of in zip(*applied, strict=True))
        return latents, reconstruction


def _settings(variant: Variant, width: int, sparsity: float, **options: Any) -> Settings:
    """What the kernel needs for one member."""
    parts = prefixes(width) if variant.native.variant == "matryoshka" else [width]
    k, penalty = (sparsity, 0.0) if variant.native.by_k else (0.0, sparsity)
    return replace(variant.native, prefixes=parts, dead_after=DEAD_AFTER, k=k, penalty=penalty, **options)


def from_decoder(decoder: Float32[np.ndarray, "member input latent"]) -> Weights:
    """Weights to start from: the encoder is a copy of the decoder's transpose, both biases are 0."""
    members, inputs, width = decoder.shape
    biases = {"encoder_bias": np.zeros((members, width), np.float32), "bias": np.zeros((members, inputs), np.float32)}
    return {"encoder": decoder.transpose(0, 2, 1).copy(), "decoder": decoder, **biases}


def train(
    name: str,
    start: Weights,
    x: Float32[np.ndarray, "member row input"],
    sparsity: Counts,
    *,
    epochs: int,
    batch: int,
    orders: Sequence[Order],
    rate: float | Sequence[float] = 1e-3,
    frozen: str = "none",
    weight_l1: PerMember | None = None,
    weight_l2: PerMember | None = None,
    bandwidth: float = THRESHOLD,
    on_epoch: Callable[[int], None] = lambda _: None,
    native: Autoencoders | None = None,
) -> Dictionaries:
    """Train by Adam in batches of ``batch`` rows (0 for all), shuffled each epoch by ``orders`` (one a member).

    Columns of the decoder keep length 1: gradients lose the part along them, and every step ends with a normalisation.
    ``start`` has the common weights; ``weight_l1`` and ``weight_l2`` weigh the sums of |w| and of w^2 of encoder and
    decoder in the loss; ``bandwidth`` is of ``jumprelu``. No operation mixes members; with ``native``, the kernel, each
    is trained by itself.
    """
    variant = _jumprelu(bandwidth) if name == "jumprelu" else VARIANTS[name]
    members, rows, _ = x.shape
    rates = [rate] * members if isinstance(rate, float) else list(rate)
    if native:
        started = variant.start(start)
        alone = []
        for member, (own, order) in enumerate(zip(rates, orders, strict=True)):
            weights = {key: of[member] for key, of in started.items()}
            l1, l2 = (0.0 if of is None else float(of[member]) for of in (weight_l1, weight_l2))
            options = {"rate": own, "batch": batch, "still": FROZEN[frozen], "l1": l1, "l2": l2}
            settings = _settings(variant, start["decoder"].shape[2], float(sparsity[member]), **options)
            alone.append(native.train(settings, weights, x[member], epochs, order, on_epoch))
        trained = {key: np.stack([weights[key] for weights, _ in alone]) for key in started}
        threshold = np.array([of for _, of in alone], np.float32)
        return Dictionaries(variant, trained, np.asarray(sparsity, np.float32), threshold, native)
    weights, flat = _as_one(variant.start(start))
    still = {key: weights[key].copy() for key in FROZEN[frozen]}
    move = mover("adam", flat, per_member(rates), per_member([0.0] * members))
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
