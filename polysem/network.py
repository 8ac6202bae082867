"""An ensemble of multilayer perceptrons: initial weights, forward pass and hand-written gradient.

Tensors are [member, feature, sample]. Every layer's input carries a last row of ones, so that one matrix
[out, in + 1] holds weights and biases, and one batched product serves both.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polysem.activation import Activation
from polysem.parameters import Parameters


class Network:
    """``len(widths) - 1`` linear layers with an activation between them, evaluated on a fixed number of samples.

    Buffers are allocated once. ``hidden`` is the output of the last activation (with its row of ones) after a forward
    pass, clean of noise.
    """

    def __init__(self, parameters: Parameters, activation: Activation, n_samples: int) -> None:
        self.weights, self.activation = parameters.matrices, activation
        members = parameters.flat.shape[0]
        rows = [shape[0] for shape in parameters.shapes]
        self._z = [torch.empty(members, r, n_samples) for r in rows]
        self._h = [torch.ones(members, r + 1, n_samples) for r in rows[:-1]]
        self._noisy = torch.ones_like(self._h[-1])
        self._grad_h = [torch.empty_like(z) for z in self._z[:-1]]

    @property
    def hidden(self) -> Float[Tensor, "member hidden_and_one sample"]:
        """The last hidden layer's output of the latest forward pass."""
        return self._h[-1]

    def forward(
        self,
        x: Float[Tensor, "member in_and_one sample"],
        noise: Float[Tensor, "member hidden sample"] | None = None,
    ) -> Float[Tensor, "member out sample"]:
        """The output, with ``noise`` added to the last hidden layer after its activation."""
        for weight, z, h in zip(self.weights, self._z, self._h, strict=False):
            torch.bmm(weight, x, out=z)
            self.activation.value(z, h[:, :-1])
            x = h
        if noise is not None:
            torch.add(x[:, :-1], noise, out=self._noisy[:, :-1])
            x = self._noisy
        return torch.bmm(self.weights[-1], x, out=self._z[-1])

    def backward(
        self,
        x: Float[Tensor, "member in_and_one sample"],
        grad_output: Float[Tensor, "member out sample"],
        gradients: Sequence[Float[Tensor, "member row column"]],
        *,
        noisy: bool,
    ) -> None:
        """Write the gradient of the loss with respect to every matrix, given that of the output just computed."""
        inputs = [x, *self._h[:-1], self._noisy if noisy else self._h[-1]]
        grad_z = grad_output
        for layer in range(len(self.weights) - 1, -1, -1):
            torch.bmm(grad_z, inputs[layer].transpose(1, 2), out=gradients[layer])
            if layer:
                grad_h = self._grad_h[layer - 1]
                torch.bmm(self.weights[layer][:, :, :-1].transpose(1, 2), grad_z, out=grad_h)
                self.activation.backward(grad_h, self._z[layer - 1], grad_h)
                grad_z = grad_h


def initial_weights(
    kind: str, shapes: Sequence[tuple[int, int]], rng: np.random.Generator, *, orthogonal_gain: float
) -> list[Float[np.ndarray, "out in_and_one"]]:
    """Weights and biases (last column) of every layer, drawn as ``kind`` says.

    uniform      weights and biases U(-1/sqrt(fan_in), 1/sqrt(fan_in)), the default of ``torch.nn.Linear``
    gaussian     N(0, 1/(3 fan_in)), the variance of ``uniform``; biases 0, as in all that follow
    xavier       U(-a, a), a = sqrt(6/(fan_in + fan_out)) (Glorot & Bengio 2010)
    kaiming      N(0, 2/fan_in) (He et al. 2015, arXiv 1502.01852)
    orthogonal   ``orthogonal_gain`` times a Haar-distributed (semi-)orthogonal matrix (Saxe et al. 2014, arXiv 1312.6120)
    """
    layers = []
    for out, columns in shapes:
        fan_in = columns - 1
        layer = np.zeros((out, columns))
        weight = layer[:, :-1]
        if kind == "uniform":
            layer[:] = rng.uniform(-1, 1, layer.shape) / sqrt(fan_in)
        elif kind == "gaussian":
            weight[:] = rng.standard_normal(weight.shape) / sqrt(3 * fan_in)
        elif kind == "xavier":
            weight[:] = rng.uniform(-1, 1, weight.shape) * sqrt(6 / (fan_in + out))
        elif kind == "kaiming":
            weight[:] = rng.standard_normal(weight.shape) * sqrt(2 / fan_in)
        elif kind == "orthogonal":
            weight[:] = orthogonal_gain * _orthogonal(out, fan_in, rng)
        else:
            raise ValueError(f"unknown initialisation {kind!r}")
        layers.append(layer)
    return layers


def _orthogonal(rows: int, columns: int, rng: np.random.Generator) -> Float[np.ndarray, "row column"]:
    """Orthonormal rows or columns, whichever are fewer: the sign-corrected Q of a Gaussian matrix (Mezzadri 2007)."""
    gaussian = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(gaussian)
    q = q * np.sign(np.diag(r))
    return q if rows >= columns else q.T
