"""The reference of the kernel, in numpy and torch: what trains where nothing can be compiled.

Initial weights, data and tasks of an ensemble become trained models. No operation mixes members or depends on their
number, so that a member's bits are the same alone and in any company; they do depend on the machine.
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
from jaxtyping import Float, Float32, Int
from threadpoolctl import threadpool_limits
from torch import Tensor

from polysem.philox import draws
from polysem.reference.activation import ACTIVATIONS, Activation, leaky_relu
from polysem.reference.network import Network
from polysem.reference.parameters import Adam, Parameters, padded
from polysem.task import Matrices, Task

NOISE_BLOCK = 98_304
"""Noise is drawn for about this many numbers at once: enough to hide Python's overhead, few enough to stay in cache."""

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
    orders: Sequence[Callable[[int], Int[np.ndarray, " sample"]]],
) -> Iterator[Batch]:
    """All samples at every step (``batch_size`` 0), or minibatches in a new order each epoch, the rest last.

    ``samples`` holds ``n_samples`` of them, and padding behind them; ``orders`` draws each member's orders.
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
            index[places] = order(n_samples)
            torch.index_select(member, 1, torch.from_numpy(index), out=out)
        for part, count, weight in zip(torch.split(shuffled, width, dim=2), counts, weights, strict=True):
            yield Batch(part, count, weight)


def batch_width(n_samples: int, batch_size: int) -> int:
    """How many columns a batch of ``batches`` has, padding included."""
    return padded(min(batch_size or n_samples, n_samples))


def _weight(n_samples: int, width: int) -> Float[Tensor, " sample"]:
    weight = torch.zeros(width)
    weight[:n_samples] = 1 / n_samples
    return weight


class _Noise:
    """The noise of every step; members of one kind and key share the draws, scaled by sigma."""

    def __init__(self, tasks: Sequence[Task], units: int, n: int, width: int) -> None:
        members = [(task.noise, task.key) for task in tasks]
        self._sources = sorted(set(members))
        self._index = torch.tensor([self._sources.index(member) for member in members])
        self._sigma = torch.tensor([task.sigma for task in tasks]).view(-1, 1, 1)
        self._shape, self._stride = (units, width), padded(n, 16)
        self._steps = max(1, NOISE_BLOCK // (units * width))
        self._drawn = torch.zeros(self._steps, len(self._sources), units, width)
        self._noise = torch.empty(len(tasks), units, width)

    def __call__(self, step: int) -> Float[Tensor, "member hidden sample"]:
        """The noise of ``step``; steps are asked for one after the other."""
        if step % self._steps == 0:
            units, _ = self._shape
            for k, (kind, key) in enumerate(self._sources):
                drawn = draws(kind, key, range(step, step + self._steps), units * self._stride)
                self._drawn[:, k, :, : self._stride] = torch.from_numpy(drawn).view(-1, units, self._stride)
        torch.index_select(self._drawn[step % self._steps], 0, self._index, out=self._noise)
        return self._noise.mul_(self._sigma)


def train(
    starts: Sequence[Matrices],
    xs: Sequence[Float[np.ndarray, "in sample"]],
    ys: Sequence[Float[np.ndarray, "out sample"]],
    tasks: Sequence[Task],
    progress: Callable[[int], object] = lambda _steps: None,
) -> list[list[Float32[np.ndarray, "_ _"]]]:
    """Every member's matrices after training. Tasks differ in rates, penalties and noise only."""
    common, n_members, n = tasks[0], len(tasks), xs[0].shape[1]
    parameters = _parameters(starts)
    width = batch_width(n, common.batch)
    l1, l2 = (_flat(parameters, [getattr(task, name) for task in tasks]) for name in ("l1", "l2"))
    sparsity = torch.tensor([[task.sparsity_sum, task.sparsity_mean] for task in tasks])
    rows = _columns([np.vstack([x, np.ones((1, n)), y]) for x, y in zip(xs, ys, strict=True)])
    with reproducible():
        network = Network(parameters, _activation(common.activation, common.leak), width)
        noise = _Noise(tasks, len(starts[0][-2]), min(common.batch or n, n), width)
        adam = Adam(parameters, torch.tensor([[task.rate] for task in tasks]))
        error = torch.tensor([task.error for task in tasks]).view(-1, 1, 1)
        data = batches(rows, n, common.batch, common.epochs, [task.order for task in tasks])
        for step, batch in enumerate(data):
            x, y = batch.samples.tensor_split((starts[0][0].shape[1],), dim=1)
            if common.centred:
                x = x.clone()
                x[:, :-1] -= parameters.matrices[-1][:, :, -1:]
            network.forward(x, noise(step)).sub_(y).mul_(batch.weight * error)
            penalty = (sparsity @ torch.tensor([float(batch.n), 1.0])).view(n_members, 1, 1) * batch.weight
            network.backward(x, penalty if sparsity.any() else None)
            _constrain_gradients(common, parameters)
            parameters.gradient.addcmul_(torch.sign(parameters.flat), l1).addcmul_(parameters.flat, l2)
            adam.step()
            _constrain_parameters(common, parameters, adam)
            progress(1)
    return [[matrix[m].numpy().copy() for matrix in parameters.matrices] for m in range(n_members)]


def evaluate(
    matrices: Sequence[Matrices], xs: Sequence[Float[np.ndarray, "in sample"]], activation: str, *, leak: float = 0.01
) -> list[tuple[Float32[np.ndarray, "hidden sample"], Float32[np.ndarray, "out sample"]]]:
    """Every member's last hidden layer and output, without noise."""
    n = xs[0].shape[1]
    rows = _columns([np.vstack([x, np.ones((1, n))]) for x in xs])
    with reproducible():
        network = Network(_parameters(matrices), _activation(activation, leak), rows.shape[2])
        output = network.forward(rows)
    return [(h[:-1, :n].numpy().copy(), y[:, :n].numpy().copy()) for h, y in zip(network.hidden, output, strict=True)]


def _activation(name: str, leak: float) -> Activation:
    return leaky_relu(leak) if name == "leaky_relu" else ACTIVATIONS[name]


def _constrain_gradients(task: Task, parameters: Parameters) -> None:
    """What the constraints of ``Task`` make of the gradients."""
    (*_, decoder), (first, *_, last) = parameters.matrices, parameters.gradients
    if task.centred:
        last[:, :, -1:] -= parameters.matrices[0][:, :, :-1].transpose(1, 2) @ first[:, :, -1:]
    if not task.output_bias:
        last[:, :, -1] = 0
    if task.unit_columns:
        columns = decoder[:, :, :-1]
        last[:, :, :-1] -= (last[:, :, :-1] * columns).sum(dim=1, keepdim=True) * columns


def _constrain_parameters(task: Task, parameters: Parameters, adam: Adam) -> None:
    """What they make of the parameters after a step."""
    encoder, decoder = parameters.matrices[0][:, :, :-1], parameters.matrices[-1][:, :, :-1]
    if task.tied:
        decoder += parameters.views(adam.update)[0][:, :, :-1].transpose(1, 2)
        encoder.copy_(decoder.transpose(1, 2))
    if task.unit_columns:
        decoder /= decoder.norm(dim=1, keepdim=True)


def _parameters(matrices: Sequence[Matrices]) -> Parameters:
    parameters = Parameters(len(matrices), [matrix.shape for matrix in matrices[0]])
    for m, of_member in enumerate(matrices):
        for view, matrix in zip(parameters.matrices, of_member, strict=True):
            view[m] = torch.from_numpy(matrix)
    return parameters


def _flat(parameters: Parameters, matrices: Sequence[Matrices]) -> Float[Tensor, "member parameter"]:
    """Matrices in the layout of ``parameters.flat``; 0 for members without any."""
    flat = torch.zeros_like(parameters.flat)
    for layer, view in enumerate(parameters.views(flat)):
        for m, of_member in enumerate(matrices):
            if of_member:
                view[m] = torch.from_numpy(of_member[layer])
    return flat


def _columns(rows: Sequence[Float[np.ndarray, "row sample"]]) -> Float[Tensor, "member row padded_sample"]:
    n_rows, n = rows[0].shape
    columns = torch.zeros(len(rows), n_rows, padded(n))
    for m, of_member in enumerate(rows):
        columns[m, :, :n] = torch.from_numpy(of_member)
    return columns
