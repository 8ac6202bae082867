"""Parameters and a seed become all that a run starts from: its features and its initial weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from polysem import data, initial
from polysem.mersenne import Mersenne, uniform
from polysem.mersenne import pairs as normals
from polysem.streams import seed_of, stream

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
    drawn = _post(params, seed, shapes) if params.draws == "post" else _streams(params, seed, shapes)
    return replace(drawn, features=data.only_with_parent(drawn.features, params.groups)) if params.hierarchy else drawn


def digest() -> str:
    """A hash of numbers that the post's generator and the streams give on this machine, so that others are traced here.

    Of the streams, enough normal variates that some come from the tails, for which numpy asks the C library.
    """
    features, generator = _post_features(0, 64, ((0, 1, 2), (3, 4), (5, 6, 7)), 0.6, (0.5, 1.0), 0.5)
    rng = stream(0, "digest")
    parts = (features, generator.copy().normal(64), rng.standard_normal(100_000), rng.random(64), rng.permutation(1024))
    return hashlib.sha256(b"".join(part.astype("<f8").tobytes() for part in parts)).hexdigest()[:16]


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
    encoder, decoder = autoencoder(params, seed)
    return Start(features, _weights(params, seed, shapes), encoder, decoder)


def autoencoder(params: Params, seed: int, repeat: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Encoder and decoder of one of a network's autoencoders, from a stream of its own."""
    rng = stream(seed, "sae", *[str(repeat)] * (repeat > 0))
    return initial.autoencoder(params.hidden, params.sae_width, rng, bias=params.sae_bias)


def _weights(params: Params, seed: int, shapes: Shapes) -> list[Float[np.ndarray, "_ _"]]:
    kind = params.random_init if params.init == "random" else params.init
    return initial.network(kind, shapes, stream(seed, "init"), orthogonal_gain=params.orthogonal_gain)


def _post(params: Params, seed: int, shapes: Shapes) -> Start:
    """All from one generator in the order of the post's public code, which seeded torch's with the run's seed.

    Seeds 0 to 9 thus have the very data sets and initial weights behind the published table. (The noise was drawn on a
    GPU and cannot be had again.) Schemes that the public code does not know draw their weights from streams.
    """
    features, _ = _post_data(params, seed_of(seed, "data"))
    weights, _ = _post_matrices(params, seed_of(seed, "init"), shapes)
    if params.init != "orthogonal" and (params.init, params.random_init) != ("random", "uniform"):
        weights = _weights(params, seed, shapes)
    _, (encoder, decoder) = _post_matrices(params, seed_of(seed, "sae"), shapes)
    return Start(features, weights, encoder, decoder)


def _post_data(params: Params, seed: int) -> tuple[Float[np.ndarray, "sample feature"], Mersenne]:
    strength = params.strength_low, params.strength_high
    n_samples = params.n_train + params.n_val
    return _post_features(seed, n_samples, params.groups, params.p_active, strength, params.p_keep)


def _post_matrices(
    params: Params, seed: int, shapes: Shapes
) -> tuple[list[Float[np.ndarray, "_ _"]], tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, "_ _"]]]:
    """The network's weights, and the encoder and decoder, that follow a seed's own data."""
    generator = _post_data(params, seed)[1].copy()
    weights = [_linear(out, columns - 1, generator) for out, columns in shapes]
    if params.init == "orthogonal":
        for layer in weights:
            rows, fan_in = len(layer), layer.shape[1] - 1
            gaussian = generator.normal(rows, fan_in)
            gaussian = gaussian if rows >= fan_in else gaussian.T
            layer[:, :-1] = params.orthogonal_gain * initial.orthogonal(gaussian, rows)
            layer[:, -1] = 0
    _linear(params.sae_width, params.hidden, generator)
    decoder = _linear(params.hidden, params.sae_width, generator, bias=False)
    return weights, initial.tied_start(decoder, params.sae_bias * generator.uniform(params.sae_width, 1))


def _linear(out: int, fan_in: int, generator: Mersenne, *, bias: bool = True) -> Float[np.ndarray, "_ _"]:
    """Weight [out, in], and bias as last column, as ``torch.nn.Linear`` draws them: U(-1/sqrt(in), 1/sqrt(in))."""
    parts = [generator.uniform(out, fan_in), *([generator.uniform(out, 1)] if bias else [])]
    drawn: Float[np.ndarray, "_ _"] = (2 * np.hstack(parts) - 1) / sqrt(fan_in)
    return drawn


@lru_cache(maxsize=64)  # the cells of a seed share their data, which take milliseconds to draw one number at a time
def _post_features(
    seed: int,
    n_samples: int,
    groups: tuple[tuple[int, ...], ...],
    p_active: float,
    strength: tuple[float, float],
    p_keep: float,
) -> tuple[Float[np.ndarray, "sample feature"], Mersenne]:
    """``polysem.data.features`` drawn in the public code's order, and the generator after it."""
    most = n_samples * (2 * len(groups) + 4 * (len(groups) + data.N_FEATURES))
    words = Mersenne(seed).words(most)
    numbers, taken, pairs = uniform(words).tolist(), 0, list[int]()  # where pairs of normal variates start
    low, high = strength
    entries: list[tuple[int, int, float, int, int]] = []  # sample, feature, strength, which normals: shared, own
    n_normal = 0
    for sample in range(n_samples):
        active = [group for k, group in enumerate(groups, taken) if numbers[k] > 1 - p_active]
        taken += len(groups)
        for group in active:
            s = numbers[taken] * (high - low) + low
            taken += 1
            shared = n_normal
            for k in range(n_normal, n_normal + 1 + len(group)):
                if k % 2 == 0:
                    pairs.append(taken)
                    taken += 4
            n_normal += 1 + len(group)
            entries += [(sample, feature, s, shared, shared + 1 + k) for k, feature in enumerate(group)]
    normal = normals(words[np.add.outer(pairs, range(4))].ravel()) if pairs else np.zeros(0)
    x = np.zeros((n_samples, data.N_FEATURES))
    if entries:
        at_sample, at_feature, of_strength, of_group, own = map(np.array, zip(*entries, strict=True))
        x[at_sample, at_feature] = of_strength * normal[of_group] + (1 - of_strength) * normal[own]
    generator = Mersenne(seed, taken, float(normal[-1]) if n_normal % 2 else None)
    kept = generator.uniform(n_samples, data.N_FEATURES) > 1 - p_keep
    features = np.maximum(x * kept, 0)
    features.setflags(write=False)
    return features, generator
