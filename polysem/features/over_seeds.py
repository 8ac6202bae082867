"""The arrays of all seeds become tables: numbers of every run, and how alike the two levels of a seed are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from polysem.features.matching import cosines, match, matched_by_chance, matched_similarity, mean_overlap
from polysem.features.stored import Arrays, Levels

MEASURES = {
    "overlap": "Mean |cosine| of decoder directions",
    "strongest": "Strongest |correlation| of a latent, mean",
    "covered": "Features that are some latent's strongest",
}
"""Column of ``per_run`` -> its label."""


def encodings(
    first: Arrays, second: Arrays
) -> tuple[Float[np.ndarray, "latent feature"], Float[np.ndarray, "latent feature"]]:
    """The correlations of both runs' latents with the features that vary in both."""
    a, b = first["correlation"], second["correlation"]
    varies = np.isfinite(a).any(axis=0) & np.isfinite(b).any(axis=0)
    return a[:, varies], b[:, varies]


def pairs(first: Arrays, second: Arrays) -> pd.DataFrame:
    """Each matched pair: its latents ``first`` and ``second``, and the ``similarity`` of what they encode.

    ``feature``, in whose order they are, is the one with which the first latent correlates most in absolute value; -1
    if with none.
    """
    similarity = cosines(*encodings(first, second))
    rows, columns = match(similarity)
    strength = np.abs(np.nan_to_num(first["correlation"]))[rows]
    feature = np.where(strength.max(axis=1) > 0, strength.argmax(axis=1), -1)
    found = pd.DataFrame(
        {"first": rows, "second": columns, "feature": feature, "similarity": similarity[rows, columns]}
    )
    return found.iloc[np.lexsort((-strength.max(axis=1), feature))].reset_index(drop=True)


def per_run(levels: Levels) -> pd.DataFrame:
    """One row per level and seed: the factor's column, ``seed``, and ``MEASURES``."""
    rows = [
        {levels.factor: name, "seed": seed, **_measures(arrays)}
        for name, of_level in zip(levels.names, levels.arrays, strict=True)
        for seed, arrays in zip(levels.seeds, of_level, strict=True)
    ]
    return pd.DataFrame(rows)


def per_seed(levels: Levels, rng: np.random.Generator) -> pd.DataFrame:
    """One row per seed: how alike what the matched latents of the two levels encode is, beside what chance makes of it.

    ``similarity``: mean cosine of matched pairs; ``chance``: its mean over permutations; ``p``: the share of these, the
    data counted in, that reach it; ``between_seeds``: the similarity of the first level's run to its run of the next
    seed, NaN with one seed. All are NaN for a run without any feature or latent that varies.
    """
    rows = []
    for k, seed in enumerate(levels.seeds):
        here = levels.arrays[0][k]
        following = levels.arrays[0][(k + 1) % len(levels.seeds)]
        a, b = encodings(here, levels.arrays[1][k])
        similarity, by_chance = matched_similarity(a, b), matched_by_chance(a, b, rng)
        rows.append(
            {
                "seed": seed,
                "similarity": similarity,
                "chance": by_chance.mean(),
                "p": np.nan if np.isnan(similarity) else (1 + (by_chance >= similarity).sum()) / (1 + len(by_chance)),
                "between_seeds": matched_similarity(*encodings(here, following)) if following is not here else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _measures(arrays: Arrays) -> dict[str, float]:
    strength = np.abs(arrays["correlation"][np.isfinite(arrays["correlation"]).any(axis=1)])
    strength = np.nan_to_num(strength)
    return {
        "overlap": mean_overlap(arrays["decoder"]),
        "strongest": float(strength.max(axis=1).mean()) if len(strength) else np.nan,
        "covered": float(len(set(strength.argmax(axis=1)))),
    }
