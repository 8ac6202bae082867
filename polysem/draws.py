"""Parameters and a seed become all that a run starts from: its features and its initial weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from polysem import data, network
from polysem.sae import leaky_l1
from polysem.streams import stream

if TYPE_CHECKING:
    from polysem.toy import Params

Shapes = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Start:
    """What a run starts from; every matrix of the network has its biases as last column, and so has the encoder."""

    features: Float[np.ndarray, "sample feature"]
    weights: Sequence[Float[np.ndarray, "_ _"]]
    encoder: Float[np.ndarray, "latent hidden_and_one"]
    decoder: Float[np.ndarray, "hidden latent"]


def start(params: Params, seed: int, shapes: Shapes) -> Start:
    """The start of a run whose network has matrices of ``shapes``, by ``params.draws``."""
    return _post(params, seed, shapes) if params.draws == "post" else _streams(params, seed, shapes)


def _streams(params: Params, seed: int, shapes: Shapes) -> Start:
    """Each part from a stream of its own: what one part draws never changes another."""
    features = data.features(
        params.n_train + params.n_val,
        stream(seed, "data"),
        groups=params.groups,
        p_active=params.p_active,
        strength=(params.strength_low, params.strength_high),
        p_keep=params.p_keep,
    )
    encoder, decoder = leaky_l1.initial_weights(params.hidden, params.sae_width, stream(seed, "sae"))
    return Start(features, _weights(params, seed, shapes), encoder, decoder)


def _weights(params: Params, seed: int, shapes: Shapes) -> list[Float[np.ndarray, "_ _"]]:
    kind = params.random_init if params.init == "random" else params.init
    return network.initial_weights(kind, shapes, stream(seed, "init"), orthogonal_gain=params.orthogonal_gain)


def _post(params: Params, seed: int, shapes: Shapes) -> Start:
    """All from one torch generator in the order of the post's public code, which seeded it with the run's seed.

    Seeds 0 to 9 thus have the very data sets and initial weights behind the published table. (The noise was drawn on a
    GPU and cannot be had again.) Schemes that the public code does not know draw their weights from streams.
    """
    features, state = _post_features(
        seed,
        params.n_train + params.n_val,
        params.groups,
        params.p_active,
        (params.strength_low, params.strength_high),
        params.p_keep,
    )
    generator = torch.Generator()
    generator.set_state(state)
    layers = [_linear(out, columns - 1, generator) for out, columns in shapes]
    if params.init == "orthogonal":
        for weight, bias in layers:
            nn.init.orthogonal_(weight, params.orthogonal_gain, generator=generator)
            bias.zero_()
    published = params.init == "orthogonal" or (params.init, params.random_init) == ("random", "uniform")
    weights = [torch.cat(layer, dim=1).numpy() for layer in layers] if published else _weights(params, seed, shapes)
    _linear(params.sae_width, params.hidden, generator)
    decoder = nn.functional.normalize(_linear(params.hidden, params.sae_width, generator, bias=False)[0], dim=0)
    bias = torch.empty(params.sae_width, 1).uniform_(0, 0.1, generator=generator)
    return Start(features, weights, torch.cat([decoder.T, bias], dim=1).numpy(), decoder.numpy())


def _linear(out: int, fan_in: int, generator: torch.Generator, *, bias: bool = True) -> tuple[Tensor, Tensor]:
    """Weight [out, in] and bias [out, 1] as ``torch.nn.Linear`` draws them."""
    weight, offsets = torch.empty(out, fan_in), torch.empty(out, int(bias))
    nn.init.kaiming_uniform_(weight, a=sqrt(5), generator=generator)
    return weight, offsets.uniform_(-1 / sqrt(fan_in), 1 / sqrt(fan_in), generator=generator)


@lru_cache(maxsize=64)  # the cells of a seed share their data, which take 20 ms to draw one number at a time
def _post_features(
    seed: int,
    n_samples: int,
    groups: tuple[tuple[int, ...], ...],
    p_active: float,
    strength: tuple[float, float],
    p_keep: float,
) -> tuple[Float[np.ndarray, "sample feature"], Tensor]:
    """``polysem.data.features`` drawn in the public code's order, and the generator's state after it."""
    generator = torch.Generator().manual_seed(seed)

    def uniform() -> float:
        return torch.rand(1, generator=generator).item()

    def normal() -> float:
        return torch.randn(1, generator=generator).item()

    x = np.zeros((n_samples, data.N_FEATURES))
    low, high = strength
    for sample in x:
        active = [group for group in groups if uniform() > 1 - p_active]
        for group in active:
            s = uniform() * (high - low) + low
            shared = s * normal()
            for feature in group:
                sample[feature] = shared + (1 - s) * normal()
    kept = torch.rand(n_samples, data.N_FEATURES, generator=generator) > 1 - p_keep
    features = np.maximum(x * kept.numpy(), 0)
    features.setflags(write=False)
    return features, generator.get_state()
