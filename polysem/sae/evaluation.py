"""Weights and rows of one autoencoder become its latents, reconstruction, losses and gradients, for any variant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from polysem.sae import batch_topk, gated, jumprelu, matryoshka, relu_l1, topk
from polysem.sae.common import Pass


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one pass comes to, in the precision of the weights."""

    latents: np.ndarray
    """(row, latent), as in training: see ``latents_at_inference`` for those of ``batch_topk`` and ``matryoshka``."""
    reconstruction: np.ndarray
    """(row, input)"""
    losses: Mapping[str, float]
    """Parts without their weights, means over rows, and ``total``, which is minimised (docs/sae.md)."""
    gradients: Mapping[str, np.ndarray]
    """Of ``total`` with respect to every weight, in the shape of the weight."""


_OPTIONS: Mapping[str, tuple[Sequence[str], Callable[..., Pass]]] = {
    "leaky_l1": (("penalty", "slope"), lambda w, x, o: relu_l1.forward_backward(w, x, o["penalty"], slope=o["slope"])),
    "relu_l1": (("penalty",), lambda w, x, o: relu_l1.forward_backward(w, x, o["penalty"])),
    "topk": (("k", "dead"), lambda w, x, o: topk.forward_backward(w, x, o["k"], o["dead"])),
    "batch_topk": (("k", "dead"), lambda w, x, o: batch_topk.forward_backward(w, x, o["k"], o["dead"])),
    "jumprelu": (
        ("penalty", "bandwidth"),
        lambda w, x, o: jumprelu.forward_backward(w, x, o["penalty"], bandwidth=o["bandwidth"]),
    ),
    "gated": (("penalty",), lambda w, x, o: gated.forward_backward(w, x, o["penalty"])),
    "matryoshka": (
        ("k", "prefixes", "dead"),
        lambda w, x, o: matryoshka.forward_backward(w, x, o["k"], o["prefixes"], o["dead"]),
    ),
}
"""Variant -> the options that it takes, and its pass."""

WEIGHTS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(_OPTIONS, ("encoder", "encoder_bias", "decoder", "bias")),
    "jumprelu": ("encoder", "encoder_bias", "decoder", "bias", "log_threshold"),
    "gated": ("encoder", "decoder", "bias", "log_scale", "gate_bias", "magnitude_bias"),
}
"""Weights by variant: ``encoder`` (latent, input), ``decoder`` (input, latent), ``bias`` (input); others (latent)."""


def evaluate(variant: str, weights: Mapping[str, ArrayLike], x: ArrayLike, **options: Any) -> Evaluation:
    """Run one training pass of a variant on given weights (``WEIGHTS``) and rows (row, input).

    Options: ``penalty`` (lambda of ``leaky_l1``, ``relu_l1``, ``jumprelu``, ``gated``), ``k`` (latents a row of
    ``topk``, ``batch_topk``, ``matryoshka``), ``slope`` (0.01; ``leaky_l1``), ``bandwidth`` (0.001; ``jumprelu``),
    ``prefixes`` (numbers of latents, the last all of them; ``matryoshka``), ``dead`` (latent; those that the auxiliary
    loss revives, by default none). In double precision, unless all weights are in single precision.

        >>> weights = {"encoder": [[1.0], [-1.0]], "encoder_bias": [0, 0], "decoder": [[1.0, -1.0]], "bias": [0]}
        >>> found = evaluate("relu_l1", weights, [[2.0], [-1.0]], penalty=0.5)
        >>> found.latents.tolist(), found.losses["total"]
        ([[2.0, 0.0], [0.0, 1.0]], 0.75)
        >>> evaluate("topk", weights, [[2.0], [-1.0]], k=1, dead=[False, True]).losses["auxiliary"]
        0.0

    Raises:
        ValueError: an unknown variant, a weight or option that is missing, superfluous, or of the wrong shape.
    """
    if variant not in _OPTIONS:
        raise ValueError(f"unknown variant {variant!r}: it is one of {', '.join(_OPTIONS)}")
    names, run = _OPTIONS[variant]
    defaults = {"slope": 0.01, "bandwidth": 0.001, "dead": False}
    for given, expected, what in ((weights, WEIGHTS[variant], "weights"), ({**defaults, **options}, names, "options")):
        extra = set(options if what == "options" else given) - set(expected)
        missing = [name for name in expected if name not in given]
        if missing or extra:
            wrong = f"lacks {', '.join(missing)}" if missing else f"does not take {', '.join(sorted(extra))}"
            raise ValueError(f"{variant} {wrong}: its {what} are {', '.join(expected)}")
    arrays = {name: np.asarray(of)[None] for name, of in weights.items()}
    dtype = np.float32 if all(of.dtype == np.float32 for of in arrays.values()) else np.float64
    arrays, rows = {name: of.astype(dtype) for name, of in arrays.items()}, np.asarray(x, dtype)[None]
    latents, inputs = arrays["encoder"].shape[1:]
    shapes = {"encoder": (latents, inputs), "decoder": (inputs, latents), "bias": (inputs,)}
    for name, of in arrays.items():
        if of.shape[1:] != shapes.get(name, (latents,)):
            raise ValueError(f"{name} is of shape {of.shape[1:]}, not {shapes.get(name, (latents,))}")
    if rows.ndim != 3 or rows.shape[2] != inputs or not rows.size:
        raise ValueError(f"x is of shape {rows.shape[1:]}, not (rows, {inputs}) with at least one row")
    settings = {**defaults, **options}
    if "prefixes" in names and (not len(settings["prefixes"]) or settings["prefixes"][-1] != latents):
        raise ValueError(f"the last of prefixes {list(settings['prefixes'])} must be {latents}, the number of latents")
    settings["dead"] = np.broadcast_to(np.asarray(settings["dead"], bool), (1, latents))
    settings |= {name: np.array([settings[name]], dtype) for name in ("penalty", "k") if name in settings}
    ran = run(arrays, rows, settings)
    losses = {name: float(loss[0]) for name, loss in ran.losses.items()}
    gradients = {name: gradient[0] for name, gradient in ran.gradients.items()}
    return Evaluation(ran.latents[0], ran.reconstruction[0], losses, gradients)


def latents_at_inference(weights: Mapping[str, ArrayLike], x: ArrayLike, threshold: float) -> np.ndarray:
    """Latents (row, latent) of ``batch_topk`` and ``matryoshka`` once trained: z where z > threshold, else 0."""
    arrays = {name: np.asarray(of, float)[None] for name, of in weights.items()}
    latents: np.ndarray = batch_topk.encode(arrays, np.asarray(x, float)[None], np.array([threshold]))[0]
    return latents
