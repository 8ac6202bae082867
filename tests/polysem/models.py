"""Small models, samples and tasks for the tests of training."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from polysem.task import Task

FUNCTIONS = {
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
    "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.01),
}
NETWORK = Task("relu", 1e-3, 20, 2 / 5, noise="rademacher", sigma=0.1, key=(1, 2))
AUTOENCODER = Task("leaky_relu", 1e-3, 20, 2 / 6, sparsity_sum=1e-3, sparsity_mean=0.1, output_bias=False)


def matrices(widths: list[int], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [(rng.uniform(-1, 1, (out, n + 1)) / np.sqrt(n)).astype(np.float32) for n, out in pairwise(widths)]


def samples(n: int, n_zero: int, rows: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of which the last ``n_zero`` are zero, and five targets that are not constant over these inputs alone."""
    rng = np.random.default_rng(1)
    x = np.maximum(rng.standard_normal((rows, n)), 0.01).astype(np.float32)
    x[:, n - n_zero :] = 0
    return x, np.sin(x[:5] + x[1:6]).astype(np.float32)
