"""Directions of two sets of latents become their cosines, the best matching of the two, and its level by chance."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

REPETITIONS = 500
"""Permutations behind the level of chance."""


def cosines(
    a: Float[np.ndarray, "latent dimension"], b: Float[np.ndarray, "*set other dimension"]
) -> Float[np.ndarray, "*set latent other"]:
    """Cosine of every row of ``a`` with every row of ``b`` (of each of many sets), in [-1, 1], in double precision.

    NaN for a row that is zero, not finite, or of no dimensions.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(a, axis=-1)[:, None] * np.linalg.norm(b, axis=-1)[..., None, :]
    usable = np.isfinite(lengths) & (lengths > 0)
    found: Float[np.ndarray, "*set latent other"] = np.where(
        usable, a @ b.swapaxes(-1, -2) / np.where(usable, lengths, 1), np.nan
    )
    return found


def overlap(decoder: Float[np.ndarray, "hidden latent"]) -> Float[np.ndarray, "latent latent"]:
    """Cosine of every decoder direction with every other; 1 on the diagonal. For orthogonal directions 0 elsewhere."""
    return cosines(decoder.T, decoder.T)


def mean_overlap(decoder: Float[np.ndarray, "hidden latent"]) -> float:
    """Mean |cosine| over pairs of distinct decoder directions, in [0, 1]; NaN without such a pair."""
    found = np.abs(overlap(decoder))[~np.eye(decoder.shape[1], dtype=bool)]
    return _mean(found)


def match(similarity: Float[np.ndarray, "latent other"]) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """The one-to-one matching with the greatest sum of similarities: rows in ascending order, and their columns.

    The Hungarian assignment (Kuhn 1955), by ``scipy.optimize.linear_sum_assignment``. A latent whose similarities are
    NaN takes what the others leave.
    """
    rows, columns = linear_sum_assignment(np.nan_to_num(similarity, nan=_WORST), maximize=True)
    return rows, columns


def matched_similarity(a: Float[np.ndarray, "latent dimension"], b: Float[np.ndarray, "other dimension"]) -> float:
    """Mean cosine of the pairs that ``match`` makes of the rows of ``a`` and ``b``; pairs without a cosine left out."""
    similarity = cosines(a, b)
    return _mean(similarity[match(similarity)])


def matched_by_chance(
    a: Float[np.ndarray, "latent dimension"],
    b: Float[np.ndarray, "other dimension"],
    rng: np.random.Generator,
    repetitions: int = REPETITIONS,
) -> Float[np.ndarray, " repetition"]:
    """``matched_similarity`` where no latent of ``b`` has anything to do with one of ``a``.

    Every row of ``b`` is permuted by itself, which keeps its values and forgets which dimension each belongs to; then
    all are matched anew. The best of many matchings is well above 0 by chance alone, the more so the fewer dimensions.
    """
    permuted = rng.permuted(np.tile(b, (repetitions, 1, 1)), axis=2)
    return np.array([_mean(similarity[match(similarity)]) for similarity in cosines(a, permuted)])


_WORST = -2.0
"""Below every cosine."""


def _mean(values: Float[np.ndarray, "..."]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
