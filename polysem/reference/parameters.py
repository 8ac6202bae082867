"""The matrices of an ensemble of models become views of one flat buffer, and Adam steps on that buffer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import sqrt

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

LANES = 64
"""Every member's block of numbers is a multiple of this many, so that no element is ever in the tail of a vectorised
loop: torch computes tails with scalar code, whose last bit may differ, and a member's bits would depend on its
companions."""


def padded(n: int, multiple: int = LANES) -> int:
    """The smallest multiple of ``multiple`` that is at least ``n``."""
    return -(-n // multiple) * multiple


class Parameters:
    """Matrices of ``shapes`` for every member, and their gradients.

    ``flat`` and ``gradient`` are [member, parameter], zero-padded; ``matrices`` and ``gradients`` are views of them.
    """

    def __init__(self, n_members: int, shapes: Sequence[tuple[int, int]]) -> None:
        self.shapes = tuple(shapes)
        self._starts = [0]
        for rows, columns in self.shapes:
            self._starts.append(self._starts[-1] + padded(rows * columns, 16))
        self.flat: Float[Tensor, "member parameter"] = torch.zeros(n_members, padded(self._starts[-1]))
        self.gradient = torch.zeros_like(self.flat)
        self.matrices, self.gradients = self.views(self.flat), self.views(self.gradient)

    def views(self, flat: Float[Tensor, "member parameter"]) -> list[Float[Tensor, "member _ _"]]:
        """The matrices that lie in a buffer of the same layout as ``flat``."""
        members, size = flat.shape
        return [
            flat.as_strided((members, rows, columns), (size, columns, 1), start)
            for start, (rows, columns) in zip(self._starts[:-1], self.shapes, strict=True)
        ]


def product(a: Tensor, b: Tensor, out: Tensor) -> Callable[[], object]:
    """A function that writes the matrix product a b of every member into ``out``, bound once to these buffers.

    It is numpy's: for matrices this small, ``torch.bmm`` spends most of its time on dispatch for each member, and
    copies operands that are transposed or strided.
    """
    return partial(np.matmul, a.numpy(), b.numpy(), out=out.numpy())


class Adam:
    """Adam (Kingma & Ba 2014, arXiv 1412.6980, algorithm 1) with a learning rate per member.

    Written out because ``torch.optim`` takes one learning rate for all, and two seconds to import what it never needs
    here. ``update`` is what the last step added to the parameters.
    """

    def __init__(
        self,
        parameters: Parameters,
        rate: Float[Tensor, "member 1"],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        self.parameters, self.rate, self.betas, self.epsilon = parameters, rate, betas, epsilon
        self.mean, self.square, self.update = (torch.zeros_like(parameters.flat) for _ in range(3))
        self.steps = 0

    def step(self) -> None:
        """Move the parameters by their gradient, in place."""
        gradient = self.parameters.gradient
        self.steps += 1
        beta1, beta2 = self.betas
        self.mean.lerp_(gradient, 1 - beta1)
        self.square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        torch.sqrt(self.square, out=self.update)
        self.update.mul_(1 / sqrt(1 - beta2**self.steps)).add_(self.epsilon)
        torch.div(self.mean, self.update, out=self.update)
        self.update.mul_(self.rate * (-1 / (1 - beta1**self.steps)))
        self.parameters.flat.add_(self.update)
