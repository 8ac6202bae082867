"""What a model is trained on and how, in the words that the kernel and its reference share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

Matrices = Sequence[Float[np.ndarray, "_ _"]]
"""One [out, in + 1] for each layer, its biases in the last column."""


@dataclass(frozen=True)
class Task:
    """How a model is trained by Adam.

    The loss is ``error`` / 2 times the squared error, summed over outputs and averaged over samples; plus the sum of
    |hidden| over the units of the last hidden layer, times ``sparsity_sum`` if summed over samples and times
    ``sparsity_mean`` if averaged; plus l1 |w| + l2 w^2 / 2 of each parameter.
    """

    activation: str
    rate: float
    epochs: int
    error: float
    batch: int = 0
    """Samples a step; 0 is all of them."""
    order: Callable[[int], Int[np.ndarray, " sample"]] = np.arange
    """From a number of samples to their order in the next epoch, when there are batches."""
    noise: str = "none"
    """What is added to the last hidden layer, with standard deviation ``sigma``, from the random words of ``key``."""
    sigma: float = 0.0
    key: tuple[int, int] = (0, 0)
    l1: Matrices = ()
    l2: Matrices = ()
    leak: float = 0.01
    sparsity_sum: float = 0.0
    sparsity_mean: float = 0.0
    output_bias: bool = True
    tied: bool = False
    """Two layers whose weights are each other's transpose; every step adds both layers' updates to them."""
    centred: bool = False
    """Two layers of which the first sees its input minus the output's bias."""
    unit_columns: bool = False
    """Columns of the second of two layers keep length 1, by gradients without the part along them."""
