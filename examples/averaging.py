"""Does averaging the iterates of stochastic gradient descent help, and does it at each rate and with any noise?"""

from dataclasses import dataclass

import numpy as np

import bench


@dataclass(frozen=True)
class Params:
    """What a suite can vary."""

    average: bool = False
    rate: float = 0.02
    noise: float = 0.5
    steps: int = 300


@bench.function(metrics=[bench.Metric("excess", "Excess loss", better="lower", scale="log")])
def descend(params: Params, seed: int) -> dict[str, float]:
    """Fit a linear model of ten inputs by one sample a step; all that is random comes of the seed."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal(10)
    weights, mean = np.zeros(10), np.zeros(10)
    for step in range(params.steps):
        inputs = rng.standard_normal(10)
        error = inputs @ (weights - truth) + params.noise * rng.standard_normal()
        weights = weights - params.rate * error * inputs
        half = params.steps // 2
        if step >= half:
            mean += weights / (params.steps - half)
    return {"excess": float(np.sum(((mean if params.average else weights) - truth) ** 2) / 2)}
