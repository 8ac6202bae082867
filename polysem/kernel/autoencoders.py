"""A compiled kernel becomes functions on numpy arrays: train a sparse autoencoder of any variant, encode with it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from jaxtyping import Float, Float32, Int

VARIANTS = ("l1", "topk", "batch_topk", "jumprelu", "gated", "matryoshka")
"""As ``enum Variant`` of sae.h counts them."""

VECTORS = {"jumprelu": ("encoder_bias", "log_threshold"), "gated": ("gate_bias", "log_scale", "magnitude_bias")}
"""Variant -> its weights that have one number a latent, in the order of sae.h; else the bias of the encoder alone."""

Weights = Mapping[str, Float[np.ndarray, "..."]]
Rows = Float[np.ndarray, "row input"]


@dataclass(frozen=True)
class Settings:
    """How one autoencoder is trained: ``polysem.sae.training`` says what the fields mean."""

    variant: str
    by_k: bool = False
    """Whether its sparsity is ``k``, else ``penalty``."""
    prefixes: Sequence[int] = ()
    k: float = 0.0
    penalty: float = 0.0
    leak: float = 0.0
    bandwidth: float = 1.0
    aux: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    rate: float = 1e-3
    batch: int = 0
    dead_after: int = 1024
    still: Sequence[str] = ()


class _Autoencoder(ctypes.Structure):
    """``struct Autoencoder`` of sae.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("order", "prefixes", "x", "parameters", "mean", "square", "threshold")),
        ("idle", ctypes.c_void_p),
        *((name, ctypes.c_double) for name in ("rate", "power1", "power2", "k")),
        *((name, ctypes.c_float) for name in ("penalty", "leak", "bandwidth", "aux", "l1", "l2")),
        *((name, ctypes.c_int32) for name in ("variant", "inputs", "latents", "rows", "batch", "n_prefixes")),
        *((name, ctypes.c_int32) for name in ("dead_after", "still_encoder", "still_decoder")),
    )


class Autoencoders:
    """The functions of one compiled kernel that train and apply sparse autoencoders."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._train, self._encode = library.polysem_train_autoencoder, library.polysem_encode
        for function in (self._train, self._encode):
            function.restype = None

    def train(
        self,
        settings: Settings,
        start: Weights,
        x: Rows,
        epochs: int,
        order: Callable[[int], Int[np.ndarray, " row"]],
        on_epoch: Callable[[int], None] = lambda _: None,
    ) -> tuple[dict[str, Float32[np.ndarray, "..."]], float]:
        """The weights after ``epochs``, and the threshold at inference (NaN of variants without one)."""
        model = _Model(settings, start, x, nan)
        n, moments = len(x), np.zeros((2, len(model.parameters)), np.float32)
        idle = np.zeros(len(start["encoder"]), np.int32)
        native = model.native
        native.mean, native.square, native.idle = (of.ctypes.data for of in (*moments, idle))
        native.power1 = native.power2 = 1
        steps = -(-n // settings.batch) if settings.batch else 1
        for epoch in range(1, epochs + 1):
            rows = (order(n) if settings.batch else np.arange(n)).astype(np.int32)
            native.order = rows.ctypes.data
            self._train(ctypes.byref(native), steps)
            on_epoch(epoch)
        return model.weights(), float(model.threshold[0])

    def encode(
        self, settings: Settings, weights: Weights, x: Rows, threshold: float
    ) -> tuple[Float32[np.ndarray, "row latent"], Float32[np.ndarray, "row input"]]:
        """Latents at inference, and reconstructions."""
        model = _Model(settings, weights, x, threshold)
        latents, inputs = weights["encoder"].shape
        f, output = (np.zeros((len(x), _padded(width)), np.float32) for width in (latents, inputs))
        self._encode(ctypes.byref(model.native), *(ctypes.c_void_p(of.ctypes.data) for of in (f, output)))
        return f[:, :latents], output[:, :inputs]


class _Model:
    """Weights and rows in the layout of sae.h, and an ``_Autoencoder`` that points to them."""

    def __init__(self, settings: Settings, weights: Weights, x: Rows, threshold: float) -> None:
        self._vectors = VECTORS.get(settings.variant, ("encoder_bias",))
        self._latents, self._inputs = weights["encoder"].shape
        vectors = [weights[name] for name in self._vectors]
        parts = [weights["encoder"].T, weights["decoder"].T, weights["bias"][None], *(of[None] for of in vectors)]
        self.parameters = np.concatenate([_with_padding(np.asarray(part)).ravel() for part in parts])
        self.threshold = np.full(1, threshold, np.float32)
        self._rows, self._prefixes = _with_padding(x), np.asarray(settings.prefixes, np.int32)
        self.native = _Autoencoder(
            prefixes=self._prefixes.ctypes.data,
            x=self._rows.ctypes.data,
            parameters=self.parameters.ctypes.data,
            threshold=self.threshold.ctypes.data,
            variant=VARIANTS.index(settings.variant),
            inputs=self._inputs,
            latents=self._latents,
            rows=len(x),
            n_prefixes=len(self._prefixes),
            still_encoder="encoder" in settings.still,
            still_decoder="decoder" in settings.still,
        )
        for name in ("k", "penalty", "leak", "bandwidth", "aux", "l1", "l2", "rate", "batch", "dead_after"):
            setattr(self.native, name, getattr(settings, name))

    def weights(self) -> dict[str, Float32[np.ndarray, "..."]]:
        latents, inputs = self._latents, self._inputs
        shapes = [(inputs, latents), (latents, inputs), (1, inputs), *[(1, latents)] * len(self._vectors)]
        parts, begin = [], 0
        for rows, columns in shapes:
            end = begin + rows * _padded(columns)
            parts.append(self.parameters[begin:end].reshape(rows, -1)[:, :columns].copy())
            begin = end
        encoder, decoder, bias, *vectors = parts
        own = {name: vector[0] for name, vector in zip(self._vectors, vectors, strict=True)}
        return {"encoder": encoder.T, "decoder": decoder.T, "bias": bias[0], **own}


def _padded(n: int) -> int:
    return -(-n // 16) * 16


def _with_padding(rows: Float[np.ndarray, "row column"]) -> Float32[np.ndarray, "row padded"]:
    padded = np.zeros((len(rows), _padded(rows.shape[1])), np.float32)
    padded[:, : rows.shape[1]] = rows
    return padded
