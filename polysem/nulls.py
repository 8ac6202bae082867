"""What a metric of directions would be by chance: random dictionaries in the right dimension, and closed forms.

A dictionary is an array (input, latent) whose columns are unit vectors. How much random directions overlap depends
strongly on the dimension that they live in, so that a metric means little without its null.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isnan, lgamma, nan, pi, sqrt

import numpy as np
from jaxtyping import Float

from polysem.recovery import unit_columns

N_DRAWS = 200
"""Random dictionaries behind a null."""


@dataclass(frozen=True, eq=False)
class Null:
    """The values of a metric over random dictionaries."""

    values: Float[np.ndarray, " draw"]

    @property
    def mean(self) -> float:
        """What the metric is by chance."""
        return float(self.values.mean())

    @property
    def sd(self) -> float:
        """How much it varies by chance."""
        return float(self.values.std(ddof=1))

    @property
    def error(self) -> float:
        """Monte-Carlo standard error of the mean."""
        return self.sd / sqrt(len(self.values))

    def percentile(self, value: float) -> float:
        """The share of the null at or below ``value``, which is counted in; NaN for NaN."""
        return nan if isnan(value) else float(1 + (self.values <= value).sum()) / (1 + len(self.values))


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
    return unit_columns(root @ rng.standard_normal((n, len(root), width)))
