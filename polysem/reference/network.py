"""An ensemble of multilayer perceptrons: forward pass and hand-written gradient.

Tensors are [member, feature, sample]. Every layer's input carries a last row of ones, so that one matrix
[out, in + 1] holds weights and biases, and one batched product serves both.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polysem.reference.activation import Activation
from polysem.reference.parameters import Parameters, product


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

    def backward(
        self, x: Float[Tensor, "member in_and_one sample"], sparsity: Float[Tensor, "member 1 sample"] | None = None
    ) -> None:
        """Compute the gradients of all parameters for the pass just made with noise.

        The caller has overwritten ``output`` with the gradient of the loss with respect to it. ``sparsity`` is the
        weight of each sample's |hidden| in the loss.
        """
        for k, (weight_gradient, input_gradient, through_activation) in enumerate(self._backward):
            weight_gradient()
            input_gradient()
            if sparsity is not None and k == 0:
                self._grad_z[-2].addcmul_(torch.sign(self.hidden[:, :-1]), sparsity)
            through_activation()
        np.matmul(self._grad_z[0].numpy(), x.numpy().transpose(0, 2, 1), out=self._first_gradient)
