"""Weights of an ensemble and the name of an optimiser become a function that moves them, one member like another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

Weights = Float32[np.ndarray, "member ..."]
Mover = Callable[..., None]
"""``move(gradient, schedule=1.0)``; ``schedule`` multiplies the learning rate at this step."""
PerMember = Float32[np.ndarray, "member 1 1"]


class Moments(NamedTuple):
    """What Adam knows of the gradients so far: their mean and mean square, which it moves in place, over ``taken``."""

    mean: Weights
    square: Weights
    taken: int = 0


def per_member(values: Sequence[float]) -> PerMember:
    """One number a member, in the shape that multiplies the matrices of an ensemble."""
    return np.asarray(values, dtype=np.float32).reshape(-1, 1, 1)


def mover(kind: str, w: Weights, rate: PerMember, decay: PerMember, moments: Moments | None = None) -> Mover:
    """A function that moves ``w`` in place, as PyTorch's defaults do, by a gradient (which it overwrites).

    ``kind``: "sgd", "adam" (Kingma & Ba 2014, arXiv 1412.6980) or "adamw" (Loshchilov & Hutter 2017, arXiv 1711.05101).
    ``decay`` is decoupled for "adamw" and added to the gradient otherwise; ``moments`` are where Adam goes on. Only
    elementwise operations that IEEE 754 rounds correctly are used, so that a member's bits do not depend on its
    companions.
    """
    beta1, beta2, epsilon = 0.9, 0.999, np.float32(1e-8)
    mean, square, taken = moments or Moments(np.zeros_like(w), np.zeros_like(w))
    decays = bool(decay.any())

    def sgd(gradient: Weights, schedule: float = 1.0) -> None:
        if decays:
            gradient += decay * w
        gradient *= rate * np.float32(schedule)
        np.subtract(w, gradient, out=w)

    def adam(gradient: Weights, schedule: float = 1.0) -> None:
        nonlocal taken
        taken += 1
        if decays and kind == "adamw":
            np.multiply(w, 1 - rate * np.float32(schedule) * decay, out=w)
        elif decays:
            gradient += decay * w
        np.multiply(mean, np.float32(beta1), out=mean)
        np.add(mean, np.float32(1 - beta1) * gradient, out=mean)
        np.multiply(square, np.float32(beta2), out=square)
        np.multiply(gradient, gradient, out=gradient)
        gradient *= np.float32(1 - beta2)
        np.add(square, gradient, out=square)
        np.sqrt(square, out=gradient)
        gradient *= np.float32(1 / sqrt(1 - beta2**taken))
        gradient += epsilon
        np.divide(mean, gradient, out=gradient)
        gradient *= rate * np.float32(schedule / (1 - beta1**taken))
        np.subtract(w, gradient, out=w)

    return sgd if kind == "sgd" else adam
