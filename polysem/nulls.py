"""What a metric of directions would be by chance: random dictionaries in the right dimension, and closed forms.

A dictionary is an array (input, latent) whose columns are unit vectors. How much random directions overlap depends
strongly on the dimension that they live in, so that a metric means little without its null.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, lgamma, pi, sqrt

import numpy as np
from jaxtyping import Float

Dictionary = Float[np.ndarray, "input latent"]

N_DRAWS = 200
"""Random dictionaries behind a null."""


@dataclass(frozen=True)
class Null:
    """Mean and standard deviation of a metric over random dictionaries."""

    mean: float
    sd: float
    n: int

    @property
    def error(self) -> float:
        """Monte-Carlo standard error of the mean."""
        return self.sd / sqrt(self.n)


def expected_abs_cos(dimension: int) -> float:
    """E|cos| of two independent directions: Gamma(d/2) / (sqrt(pi) Gamma((d + 1)/2)); E cos^2 is 1/d.

    >>> round(expected_abs_cos(12), 4)
    0.2352
    """
    return exp(lgamma(dimension / 2) - lgamma((dimension + 1) / 2)) / sqrt(pi)


def square_root(covariance: Float[np.ndarray, "input input"]) -> Float[np.ndarray, "input input"]:
    """The symmetric square root of a covariance; directions S g, g Gaussian, are those of Gaussian data."""
    values, vectors = np.linalg.eigh(covariance)
    root: np.ndarray = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root


def random_dictionaries(
    root: Float[np.ndarray, "input input"], width: int, n: int, rng: np.random.Generator
) -> Float[np.ndarray, "draw input latent"]:
    """``n`` dictionaries of unit columns root @ g, g Gaussian: covariance-matched, or isotropic for the identity."""
    drawn = root @ rng.standard_normal((n, len(root), width))
    unit: np.ndarray = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def null_of(metric: Callable[[Dictionary], float], dictionaries: Float[np.ndarray, "draw input latent"]) -> Null:
    """The null of a metric of one dictionary."""
    values = np.array([metric(dictionary) for dictionary in dictionaries])
    return Null(float(values.mean()), float(values.std(ddof=1)), len(values))
