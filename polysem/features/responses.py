"""Activations of latents and the features of the same samples become what each latent responds to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from polysem import exact


@dataclass(frozen=True)
class Responses:
    """How every latent answers to every feature; NaN where that is not defined."""

    correlation: Float[np.ndarray, "latent feature"]
    """Pearson correlation over samples, in [-1, 1]; undefined for a constant latent or feature."""
    mean_when_active: Float[np.ndarray, "latent feature"]
    """Mean activation over the samples in which the feature is above 0, whatever else is active in them."""
    mean_when_silent: Float[np.ndarray, " latent"]
    """Mean activation over the samples in which no feature is above 0."""


def responses(latents: Float[np.ndarray, "latent sample"], features: Float[np.ndarray, "feature sample"]) -> Responses:
    """What each latent responds to, computed in double precision; features are 0 or above."""
    latents, features = latents.astype(np.float64), features.astype(np.float64)
    active = features > 0
    return Responses(
        _correlation(latents, features),
        _means(latents, active),
        _means(latents, np.logical_not(active.any(axis=0, keepdims=True)))[:, 0],
    )


def _correlation(
    a: Float[np.ndarray, "row sample"], b: Float[np.ndarray, "column sample"]
) -> Float[np.ndarray, "row column"]:
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    sizes = np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    found: Float[np.ndarray, "row column"] = np.divide(
        exact.product(a, b.T), sizes, out=np.full(sizes.shape, np.nan), where=sizes > 0
    )
    return found


def _means(
    latents: Float[np.ndarray, "latent sample"], chosen: Bool[np.ndarray, "column sample"]
) -> Float[np.ndarray, "latent column"]:
    """Mean of every latent over the samples that each row of ``chosen`` chooses."""
    counts = chosen.sum(axis=1)
    return np.where(counts > 0, exact.product(latents, chosen.T.astype(float)) / np.maximum(counts, 1), np.nan)
