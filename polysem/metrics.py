"""Trained networks and sparse autoencoders become the numbers that the post reports, one member at a time.

A member is a leading axis everywhere else; here each is measured by itself, in a call whose shapes do not depend on
its companions, so that sums are taken in the same order whatever the ensemble.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

N_NULL = 200
"""Column permutations behind ``calibrated_macs``, as in the post."""

EPSILON = 1e-8


def standardise(activations: Float[Tensor, "unit sample"]) -> Float[Tensor, "unit sample"]:
    """(a - mean)/(SD + 1e-8) per unit, sample SD; a dead unit stays 0."""
    centred = activations - activations.mean(dim=1, keepdim=True)
    return centred / (activations.std(dim=1, keepdim=True) + EPSILON)


def mse(output: Float[Tensor, "unit sample"], target: Float[Tensor, "unit sample"]) -> float:
    """Mean squared error over all entries, accumulated in double precision."""
    return float((output.double() - target.double()).square().mean())


def cosines(decoder: Float[Tensor, "hidden latent"]) -> Float[Tensor, "latent latent"]:
    """Cosines between decoder directions; the diagonal is set to exactly 0."""
    directions = decoder / (decoder.norm(dim=0) + EPSILON)
    cosine: Tensor = directions.T @ directions
    return cosine.fill_diagonal_(0)


def macs(decoder: Float[Tensor, "hidden latent"]) -> float:
    """Mean |cosine| between decoder directions as published: the zero diagonal is in the mean, in [0, (k - 1)/k]."""
    return float(cosines(decoder.double()).abs().mean())


def interference(decoder: Float[Tensor, "hidden latent"], importance: Float[np.ndarray, " feature"]) -> float:
    """Sum over i < j of cos^2(d_i, d_j) I_i I_j, with the importance of feature ``i mod 8`` for latent i, as published.

    Latents have no natural order, so that which importance meets which latent is arbitrary.
    """
    c2 = cosines(decoder.double()).square()
    weights = torch.from_numpy(np.resize(importance, decoder.shape[1]))
    return float((weights @ c2 @ weights) / 2)


def calibrated_macs(decoder: Float[Tensor, "hidden latent"], rng: np.random.Generator) -> float:
    """The post's sigmoid((MACS - null mean)/(null SD + 1e-8)) over column permutations, in single precision.

    An exhibit, not a measure: a permutation of columns leaves MACS as it is, so the null has no spread and the value
    is the sigmoid of rounding noise.
    """
    orders = torch.from_numpy(
        np.stack([np.arange(decoder.shape[1]), *(rng.permutation(decoder.shape[1]) for _ in range(N_NULL))])
    )
    directions = decoder[:, orders].permute(1, 0, 2)
    directions = directions / (directions.norm(dim=1, keepdim=True) + EPSILON)
    grams = torch.bmm(directions.transpose(1, 2), directions) - torch.eye(decoder.shape[1])
    values = grams.abs().mean(dim=(1, 2)).double().numpy()
    z = (values[0] - values[1:].mean()) / (values[1:].std() + EPSILON)
    return float(1 / (1 + np.exp(-z)))


def l0_sparsity(latents: Float[Tensor, "latent sample"]) -> float:
    """Fraction of latents above 0, over all samples; NaN if any latent is."""
    return float(torch.where(latents.isnan(), latents, (latents > 0).to(latents)).double().mean())


def sparsity_w4(weights: list[Float[Tensor, "_ _"]]) -> float:
    """Mean of w^4 over the entries of all weight matrices, biases left out."""
    return float(torch.cat([w.reshape(-1) for w in weights]).double().pow(4).mean())
