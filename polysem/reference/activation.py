"""Activations and their derivatives, written into given buffers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

aten = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """``value(z, out)`` computes f(z); ``backward(grad, z, out)`` computes grad * f'(z)."""

    value: Callable[[Tensor, Tensor], object]
    backward: Callable[[Tensor, Tensor, Tensor], object]


def leaky_relu(slope: float) -> Activation:
    """max(z, 0) + slope * min(z, 0)."""
    return Activation(
        lambda z, out: aten.leaky_relu.out(z, slope, out=out),
        lambda grad, z, out: aten.leaky_relu_backward.grad_input(grad, z, slope, False, grad_input=out),  # noqa: FBT003
    )


def _tanh_backward(grad: Tensor, z: Tensor, out: Tensor) -> None:
    aten.tanh_backward.grad_input(grad, torch.tanh(z), grad_input=out)


ACTIVATIONS = {
    "relu": Activation(
        lambda z, out: torch.clamp_min(z, 0, out=out),
        lambda grad, z, out: aten.threshold_backward.grad_input(grad, z, 0, grad_input=out),
    ),
    "gelu": Activation(
        lambda z, out: aten.gelu.out(z, out=out),
        lambda grad, z, out: aten.gelu_backward.grad_input(grad, z, grad_input=out),
    ),
    "silu": Activation(
        lambda z, out: aten.silu.out(z, out=out),
        lambda grad, z, out: aten.silu_backward.grad_input(grad, z, grad_input=out),
    ),
    "tanh": Activation(lambda z, out: torch.tanh(z, out=out), _tanh_backward),
}
