"""Parameters and a generator become the post's data: correlated sparse features and their non-linear targets."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from polysem import exact

N_FEATURES = 8

Samples = Float[np.ndarray, "sample feature"]


def features(
    n_samples: int,
    rng: np.random.Generator,
    *,
    groups: Sequence[Sequence[int]],
    p_active: float,
    strength: tuple[float, float],
    p_keep: float,
) -> Samples:
    """Non-negative features, active together within their group.

    Per sample and group: active with probability ``p_active``; then x = s z + (1 - s) e with a strength s ~ U(strength)
    and a z ~ N(0, 1) shared by the group and an e ~ N(0, 1) for each feature. Each entry is then kept with probability
    ``p_keep`` and rectified, so that with the defaults about 15 % of the entries are nonzero and 38-40 % of the samples
    are all zero.
    """
    x = np.zeros((n_samples, N_FEATURES))
    for group in groups:
        active = rng.random((n_samples, 1)) < p_active
        s = strength[0] + (strength[1] - strength[0]) * rng.random((n_samples, 1))
        shared = s * rng.standard_normal((n_samples, 1))
        x[:, list(group)] = active * (shared + (1 - s) * rng.standard_normal((n_samples, len(group))))
    kept = rng.random(x.shape) < p_keep
    return np.maximum(x * kept, 0.0)


def only_with_parent(x: Samples, groups: Sequence[Sequence[int]]) -> Samples:
    """The samples with the features of every group set to 0 wherever its first one is 0."""
    x = x.copy()
    for group in groups:
        x[:, list(group)] *= x[:, group[:1]] > 0
    return x


def targets(x: Samples, importance: Float[np.ndarray, " feature"]) -> Samples:
    """The post's eight products, sums, sines and squares of the features, each times its importance."""
    x0, x1, x2, x3, x4, x5, x6, x7 = x.T
    y = [
        x0 * x1 + 0.5 * x2,
        exact.sin(x0 + x2) + x1,
        x0**2 + x1 * x2,
        x3 * x4 + 0.3 * x5,
        exact.tanh(x3 + x4),
        x5 * x6 * x7,
        x5 + 0.7 * x7,
        x6**2 + x5 * x7,
    ]
    weighted: Samples = np.stack(y, axis=1) * importance
    return weighted


def importance(kind: str, rate: float) -> Float[np.ndarray, " feature"]:
    """Weight I_i of feature i: ``exponential`` rate^i, ``power_law`` (i + 1)^-rate, or ``uniform`` 1."""
    weights: dict[str, Float[np.ndarray, " feature"]] = {
        "exponential": np.array([float(Fraction(rate) ** i) for i in range(N_FEATURES)]),
        "power_law": exact.exp(-rate * exact.log(np.arange(N_FEATURES) + 1.0)),
        "uniform": np.ones(N_FEATURES),
    }
    return weights[kind]
