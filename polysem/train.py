"""Initial weights, data and settings of an ensemble become trained networks and sparse autoencoders.

Every random number comes from the member's own streams, and no operation mixes members or depends on their number, so
that a member's bits are the same alone and in any company.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from threading import Lock
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from threadpoolctl import threadpool_limits
from torch import Tensor

from polysem.network import Network
from polysem.noise import draw
from polysem.parameters import Adam, Parameters, padded
from polysem.sae.leaky_l1 import LeakyL1
from polysem.streams import stream

NOISE_BLOCK = 98_304
"""Noise is drawn for about this many numbers at once: enough to hide Python's overhead, few enough to stay in cache."""

OnStep = Callable[[], None]


_ONE_AT_A_TIME = Lock()


@contextmanager
def reproducible() -> Iterator[None]:
    """One thread, no oneDNN and no autograd: the setting in which results do not depend on the machine's load.

    (oneDNN's element-wise kernels also cost 60 microseconds a call, whatever the size.) Overflow passes in silence: a
    member that diverges is known by its metrics, and its companions must go on. The settings are those of the whole
    process, so that threads take turns.
    """
    onednn: Any = torch.backends.mkldnn
    with _ONE_AT_A_TIME:
        before = torch.get_num_threads(), onednn.enabled
        torch.set_num_threads(1)
        onednn.enabled = False
        try:
            with torch.inference_mode(), threadpool_limits(1), np.errstate(all="ignore"):
                yield
        finally:
            torch.set_num_threads(before[0])
            onednn.enabled = before[1]


@dataclass(frozen=True)
class Batch:
    """What a step sees: ``n`` samples, then padding; ``weight`` is 1/n for the samples and 0 for the padding."""

    samples: Float[Tensor, "member row sample"]
    n: int
    weight: Float[Tensor, " sample"]


def batches(
    samples: Float[Tensor, "member row padded_n"],
    n_samples: int,
    batch_size: int,
    epochs: int,
    orders: Sequence[np.random.Generator],
) -> Iterator[Batch]:
    """All samples at every step (``batch_size`` 0), or minibatches in a new order each epoch, the rest last.

    ``samples`` holds ``n_samples`` of them, and padding behind them; ``orders`` has a generator for each member.
    """
    if not batch_size:
        yield from repeat(Batch(samples, n_samples, _weight(n_samples, samples.shape[2])), epochs)
        return
    size = min(batch_size, n_samples)
    width = batch_width(n_samples, batch_size)
    counts = [min(size, n_samples - start) for start in range(0, n_samples, size)]
    weights = [_weight(count, width) for count in counts]
    places = np.concatenate([k * width + np.arange(count) for k, count in enumerate(counts)])
    index = np.zeros(len(counts) * width, dtype=np.int64)
    shuffled = samples.new_empty(*samples.shape[:2], len(index))
    for _ in range(epochs):
        for member, order, out in zip(samples, orders, shuffled, strict=True):
            index[places] = order.permutation(n_samples)
            torch.index_select(member, 1, torch.from_numpy(index), out=out)
        for part, count, weight in zip(torch.split(shuffled, width, dim=2), counts, weights, strict=True):
            yield Batch(part, count, weight)


def batch_width(n_samples: int, batch_size: int) -> int:
    """How many columns a batch of ``batches`` has, padding included."""
    return padded(min(batch_size or n_samples, n_samples))


def steps_per_epoch(n_samples: int, batch_size: int) -> int:
    """How many batches ``batches`` yields in an epoch."""
    return -(-n_samples // batch_size) if batch_size else 1


def _weight(n_samples: int, width: int) -> Float[Tensor, " sample"]:
    weight = torch.zeros(width)
    weight[:n_samples] = 1 / n_samples
    return weight


class HiddenNoise:
    """Fresh noise for the hidden layer at every step; members of one seed and kind share the draws, scaled by sigma."""

    def __init__(
        self, seeds: Sequence[int], kinds: Sequence[str], sigma: Sequence[float], shape: tuple[int, int]
    ) -> None:
        members = list(zip(kinds, seeds, strict=True))
        sources = sorted(set(members))
        self._sources = [(kind, stream(seed, "noise", kind)) for kind, seed in sources]
        self._index = torch.tensor([sources.index(member) for member in members])
        self._sigma = torch.tensor(sigma).view(-1, 1, 1)
        self._block = (max(1, NOISE_BLOCK // (shape[0] * shape[1])), *shape)

    def __iter__(self) -> Iterator[Float[Tensor, "member hidden sample"]]:
        """Noise for one step after another, without end, always in the same tensor."""
        noise = torch.empty(len(self._index), *self._block[1:])
        while True:
            drawn = torch.stack([torch.from_numpy(draw(kind, self._block, rng)) for kind, rng in self._sources], dim=1)
            for units in drawn:
                yield torch.index_select(units, 0, self._index, out=noise).mul_(self._sigma)


@dataclass(frozen=True)
class Decay:
    """Penalties on the parameters, as they enter the gradient: ``l1`` times the sign, plus ``l2`` times the value."""

    l1: Float[Tensor, "member parameter"]
    l2: Float[Tensor, "member parameter"]

    def add_to_gradient(self, parameters: Parameters) -> None:
        """Add the penalties' gradient in place."""
        flat = parameters.flat
        parameters.gradient.addcmul_(torch.sign(flat), self.l1).addcmul_(flat, self.l2)


def fit_network(
    network: Network,
    parameters: Parameters,
    data: Iterator[Batch],
    noise: HiddenNoise,
    decay: Decay,
    rate: Float[Tensor, "member 1"],
    on_step: OnStep,
) -> None:
    """Train in place by Adam on the mean squared error, all entries weighing the same.

    The rows of a batch are the inputs, ones, and the targets.
    """
    adam = Adam(parameters, rate)
    n_inputs = parameters.shapes[0][1]
    for batch, draws in zip(data, noise, strict=False):
        x, y = batch.samples.tensor_split((n_inputs,), dim=1)
        network.forward(x, draws).sub_(y).mul_(batch.weight * (2 / y.shape[1]))
        network.backward(x)
        decay.add_to_gradient(parameters)
        adam.step()
        on_step()


def fit_sae(
    sae: LeakyL1,
    parameters: Parameters,
    data: Iterator[Batch],
    penalty: tuple[Float[Tensor, "member 1 1"], Float[Tensor, "member 1 1"]],
    rate: Float[Tensor, "member 1"],
    on_step: OnStep,
    *,
    tied: bool,
) -> None:
    """Train in place by Adam on the mean squared error plus the L1 penalty of the latents.

    The rows of a batch are the activations, and ones.

    ``penalty`` weighs the sum of |latent| over latents and samples, and the sum over latents of its mean over samples.
    ``tied``: encoder and decoder weights are one matrix, and the optimiser, which knows of two, moves it twice a step.
    """
    adam = Adam(parameters, rate)
    encoder_update, _ = parameters.views(adam.update)
    summed, mean = penalty
    for batch in data:
        activations = batch.samples[:, :-1]
        sae.forward(batch.samples).sub_(activations).mul_(batch.weight * (2 / activations.shape[1]))
        sae.backward(batch.samples, batch.weight * (summed * batch.n + mean))
        adam.step()
        if tied:
            sae.decoder += encoder_update[:, :, :-1].transpose(1, 2)
            sae.encoder[:, :, :-1] = sae.decoder.transpose(1, 2)
        on_step()
