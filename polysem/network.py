"""An ensemble of multilayer perceptrons: initial weights, forward pass and hand-written gradient.

Tensors are [member, feature, sample]. Every layer's input carries a last row of ones, so that one matrix
[out, in + 1] holds weights and biases, and one batched product serves both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import sqrt

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polysem.activation import Activation
from polysem.parameters import Parameters, product


class Network:
    """``len(widths) - 1`` linear layers with an activation between them, evaluated on a fixed number of samples.

    All buffers are allocated, and all products bound to them, once. ``hidden`` is the output of the last activation
    (with its row of ones) of the latest forward pass, clean of noise; ``output`` that of the last layer.
    """

    def __init__(self, parameters: Parameters, activation: Activation, n_samples: int) -> None:
        self._activation = activation
        weights, gradients = parameters.matrices, parameters.gradients
        members, last = len(parameters.flat), len(weights) - 1
        self._z = [torch.empty(members, rows, n_samples) for rows, _ in parameters.shapes]
        self._h = [torch.ones(members, rows + 1, n_samples) for rows, _ in parameters.shapes[:-1]]
        self._noisy = torch.ones_like(self._h[-1])
        self._grad_z = [*(torch.empty_like(z) for z in self._z[:-1]), self._z[-1]]
        self.hidden, self.output = self._h[-1], self._z[-1]

        self._first, self._first_gradient = weights[0].numpy(), gradients[0].numpy()
        self._forward = [product(weights[k], self._h[k - 1], self._z[k]) for k in range(1, last + 1)]
        self._forward_noisy = product(weights[last], self._noisy, self.output)
        inputs = [*self._h[:-1], self._noisy]
        self._backward = [
            (
                product(self._grad_z[k], inputs[k - 1].transpose(1, 2), gradients[k]),
                product(weights[k][:, :, :-1].transpose(1, 2), self._grad_z[k], self._grad_z[k - 1]),
                partial(activation.backward, self._grad_z[k - 1], self._z[k - 1], self._grad_z[k - 1]),
            )
            for k in range(last, 0, -1)
        ]

    def forward(
        self,
        x: Float[Tensor, "member in_and_one sample"],
        noise: Float[Tensor, "member hidden sample"] | None = None,
    ) -> Float[Tensor, "member out sample"]:
        """The output, with ``noise`` added to the last hidden layer after its activation."""
        np.matmul(self._first, x.numpy(), out=self._z[0].numpy())
        for z, h, multiply in zip(self._z[:-1], self._h, self._forward, strict=True):
            self._activation.value(z, h[:, :-1])
            if noise is not None and h is self.hidden:
                torch.add(h[:, :-1], noise, out=self._noisy[:, :-1])
                self._forward_noisy()
            else:
                multiply()
        return self.output

    def backward(self, x: Float[Tensor, "member in_and_one sample"]) -> None:
        """Compute the gradients of all parameters for the pass just made with noise.

        The caller has overwritten ``output`` with the gradient of the loss with respect to it.
        """
        for weight_gradient, input_gradient, through_activation in self._backward:
            weight_gradient()
            input_gradient()
            through_activation()
        np.matmul(self._grad_z[0].numpy(), x.numpy().transpose(0, 2, 1), out=self._first_gradient)


def initial_weights(
    kind: str, shapes: Sequence[tuple[int, int]], rng: np.random.Generator, *, orthogonal_gain: float
) -> list[Float[np.ndarray, "_ _"]]:
    """Weights and biases (last column) of every layer, drawn as ``kind`` says.

    uniform      weights and biases U(-1/sqrt(fan_in), 1/sqrt(fan_in)), the default of ``torch.nn.Linear``
    gaussian     N(0, 1/(3 fan_in)), the variance of ``uniform``; biases 0, as in all that follow
    xavier       U(-a, a), a = sqrt(6/(fan_in + fan_out)) (Glorot & Bengio 2010)
    kaiming      N(0, 2/fan_in) (He et al. 2015, arXiv 1502.01852)
    orthogonal   ``orthogonal_gain`` times a Haar (semi-)orthogonal matrix (Saxe et al. 2014, arXiv 1312.6120)
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
