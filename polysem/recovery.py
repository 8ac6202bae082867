"""Directions of features, dictionaries and activations become how well one recovers the other: numbers of one network.

Rows are samples. A direction of length 0 belongs to a feature that the network ignores: such features are left out of
the means over features, and counted. Signs matter where latents and features are both non-negative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

Features = Float[np.ndarray, "row feature"]
Hidden = Float[np.ndarray, "row unit"]
Latents = Float[np.ndarray, "row latent"]
Directions = Float[np.ndarray, "*set unit feature"]
Dictionary = Float[np.ndarray, "*set unit latent"]
Cosines = Float[np.ndarray, "*set feature latent"]
Values = Float[np.ndarray, "*set"]


def unit_columns(vectors: Float[np.ndarray, "*set unit column"]) -> Float[np.ndarray, "*set unit column"]:
    """Columns over their length; a column of length 0 stays 0."""
    length = np.linalg.norm(vectors, axis=-2, keepdims=True)
    unit: np.ndarray = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return unit


def interventions(x: Features, value: float) -> Float[np.ndarray, "feature row feature"]:
    """The rows once for every feature, which is set to ``value`` in all of them; the other entries as observed."""
    rows = np.repeat(x[None], x.shape[1], axis=0)
    feature = np.arange(x.shape[1])
    rows[feature, :, feature] = value
    return rows


def causal_directions(hidden: Callable[[Features], Hidden], x: Features, value: float = 1.0) -> Directions:
    """Column i: mean over rows of h(x_i := value) - h(x_i := 0), the other entries as observed."""
    n, features = x.shape
    on, off = (hidden(interventions(x, at).reshape(-1, features)) for at in (value, 0.0))
    directions: Directions = (on - off).reshape(features, n, -1).mean(axis=1).T
    return directions


class LinearDirections(NamedTuple):
    """Least-squares directions (unit, feature), and how much of the variance they explain."""

    directions: Directions
    r2: Float[np.ndarray, " unit"]
    """Of each unit; NaN for one that does not vary."""
    feature_r2: Float[np.ndarray, " feature"]
    """What each feature adds to the others, as a share of the variance of all units together."""


def linear_directions(h: Hidden, x: Features) -> LinearDirections:
    """The v_i of h ~ c + sum_i x_i v_i by least squares."""
    centred_x, centred_h = x - x.mean(axis=0), h - h.mean(axis=0)
    inverse = np.linalg.pinv(centred_x.T @ centred_x)
    directions = (inverse @ centred_x.T @ centred_h).T
    residual, total = (np.square(of).sum(axis=0) for of in (centred_h - centred_x @ directions.T, centred_h))
    r2 = 1 - np.divide(residual, total, out=np.full_like(total, nan), where=total > 0)
    scale = np.diag(inverse) * total.sum()
    added = np.square(directions).sum(axis=0)
    return LinearDirections(directions, r2, np.divide(added, scale, out=np.full_like(added, nan), where=scale > 0))


def cosines(directions: Directions, dictionary: Dictionary) -> Cosines:
    """Signed cosines of features (rows) and latents (columns); NaN rows for features without a direction."""
    unit = np.swapaxes(unit_columns(directions), -1, -2)
    exists = unit.any(axis=-1, keepdims=True)
    return np.where(exists, unit @ unit_columns(dictionary), nan)


def match(similarity: Cosines) -> Int[np.ndarray, "*set feature"]:
    """The latent of each feature in the matching of the largest sum (Hungarian method); -1 where there is none."""
    usable = np.isfinite(similarity).all(axis=-1)
    worst = np.where(usable[..., None], similarity, -2)  # below every cosine
    matched = np.full(similarity.shape[:-1], -1)
    for index in np.ndindex(similarity.shape[:-2]):
        rows, columns = linear_sum_assignment(worst[index], maximize=True)
        matched[index][rows] = columns
    matched[~usable] = -1
    return matched


def matched_cosines(cosine: Cosines) -> Float[np.ndarray, "*set feature"]:
    """|cos| of features and their latents in the matching of the largest sum of them; NaN for those without."""
    size = np.abs(cosine)
    matched = match(size)[..., None]
    return np.where(matched < 0, nan, np.take_along_axis(size, np.maximum(matched, 0), axis=-1))[..., 0]


def mmcs(cosine: Cosines) -> Values:
    """Mean over features of the largest |cos| over latents (Sharkey et al. 2022); NaN without a feature."""
    return mean(np.abs(cosine).max(axis=-1))


def mmcs_latents(cosine: Cosines) -> Values:
    """Mean over latents of the largest |cos| over features: the precision to the recall of ``mmcs``."""
    usable = np.isfinite(cosine)
    largest = np.where(usable, np.abs(cosine), 0).max(axis=-2)
    return mean(np.where(usable.any(axis=-2), largest, nan))


def mcc(cosine: Cosines) -> Values:
    """Mean |cos| of features and their matched latents; NaN without a feature."""
    return mean(matched_cosines(cosine))


def share_above(matched: Float[np.ndarray, "*set feature"], threshold: float = 0.9) -> Values:
    """Share of features whose matched |cos| is above the threshold; NaN without a feature."""
    return mean(np.where(np.isnan(matched), nan, matched > threshold))


def mean(values: Float[np.ndarray, "*set entry"]) -> Values:
    """The mean over entries that are no NaN; NaN where there is none."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0).sum(axis=-1)
    of_known: Values = np.divide(total, count, out=np.full(np.shape(total), nan), where=count > 0)
    return of_known


def uniqueness(cosine: Cosines) -> float:
    """Features that are the nearest of some latent, over the number of latents: less than 1 where latents repeat."""
    usable = np.abs(cosine[np.isfinite(cosine).all(axis=1)])
    return len(set(usable.argmax(axis=0))) / cosine.shape[1] if len(usable) else nan


def matched_f1(cosine: Cosines, latents: Latents, x: Features) -> float:
    """Mean over features of the F1 of "the matched latent is active" against "the feature is active".

    Matched on signed cosines. A feature whose latent is never active scores 0; NaN where no latent ever is.
    """
    if not (latents > 0).any():
        return nan
    matched = match(cosine)
    scores = [f1(latents[:, matched[i]] > 0, x[:, i] > 0) for i in np.flatnonzero(matched >= 0)]
    return float(np.mean(scores)) if scores else nan


def f1(predicted: Bool[np.ndarray, " row"], actual: Bool[np.ndarray, " row"]) -> float:
    """2 TP / (2 TP + FP + FN); NaN where neither ever happens."""
    both, either = int((predicted & actual).sum()), int(predicted.sum() + actual.sum())
    return 2 * both / either if either else nan


def always_on_f1(x: Features) -> float:
    """What an always-active latent gets: mean over features of 2q/(1 + q), q the share of rows with the feature."""
    q = (x > 0).mean(axis=0)
    return float((2 * q / (1 + q)).mean())


def best_latent_f1(latents: Latents, x: Features) -> float:
    """Mean over latents that are ever active of the best F1 over features, as SynthSAEBench counts."""
    scores = [max(f1(active, x[:, i] > 0) for i in range(x.shape[1])) for active in (latents > 0).T if active.any()]
    return float(np.mean(scores)) if scores else nan


def weighted_overlap(directions: Directions, importance: Float[np.ndarray, " feature"]) -> Values:
    """Sum over i < j of I_i I_j cos^2; for random directions in d dimensions, sum I_i I_j / d."""
    unit = unit_columns(directions)
    squares = np.square(np.triu(np.swapaxes(unit, -1, -2) @ unit, 1))
    overlap: Values = np.asarray(squares @ importance @ importance)
    return overlap


def mean_abs_cosine(directions: Directions) -> Values:
    """Mean |cos| over pairs of columns that have a direction; NaN with fewer than two."""
    unit = unit_columns(directions)
    kept = np.count_nonzero(unit.any(axis=-2), axis=-1)
    pairs = kept * (kept - 1) / 2
    total = np.abs(np.triu(np.swapaxes(unit, -1, -2) @ unit, 1)).sum(axis=(-2, -1))
    mean: Values = np.divide(total, pairs, out=np.full(np.shape(total), nan), where=pairs > 0)
    return mean


def matched_overlap(cosine: Cosines, dictionary: Dictionary, importance: Float[np.ndarray, " feature"]) -> Values:
    """Interference of matched latents: sum over i < j of I_i I_j cos^2(d_pi(i), d_pi(j)), matched on signed cosines.

    NaN without a matched feature.
    """
    matched = match(cosine)[..., None, :]
    chosen = np.where(matched < 0, 0, np.take_along_axis(dictionary, np.maximum(matched, 0), axis=-1))
    overlap: Values = np.where((matched >= 0).any(axis=(-2, -1)), weighted_overlap(chosen, importance), nan)
    return overlap


def coactivation_gap(cosine: Cosines, latents: Latents, x: Features, groups: Sequence[Sequence[int]]) -> float:
    """How much more often a feature's latent fires where its companion is silent: absorption without a hierarchy.

    Mean over ordered pairs (i, j) of a group of P(f_pi(i) > 0 | x_i > 0, x_j = 0) - P(f_pi(i) > 0 | x_i > 0, x_j > 0).
    NaN where no latent is ever active, or no such pair is seen both ways.
    """
    if not (latents > 0).any():
        return nan
    matched = match(cosine)
    gaps = []
    for i, j in ((i, j) for group in groups for i in group for j in group if i != j and matched[i] >= 0):
        fires, present, companion = latents[:, matched[i]] > 0, x[:, i] > 0, x[:, j] > 0
        alone, together = present & ~companion, present & companion
        if alone.any() and together.any():
            gaps.append(fires[alone].mean() - fires[together].mean())
    return float(np.mean(gaps)) if gaps else nan


def live_units(sd: Float[np.ndarray, " unit"]) -> Bool[np.ndarray, " unit"]:
    """Units whose standard deviation is above 1e-8 and above 1 % of the largest: GELU units never die exactly."""
    live: Bool[np.ndarray, " unit"] = (sd > 1e-8) & (sd > 0.01 * sd.max(initial=0))
    return live


def participation(covariance: Float[np.ndarray, "unit unit"]) -> float:
    """(sum of eigenvalues)^2 / sum of their squares: how many dimensions carry the variance; NaN without variance."""
    squares = float(np.square(covariance).sum())
    return float(np.trace(covariance)) ** 2 / squares if squares > 0 else nan


def partial_correlations(h: Hidden, x: Features) -> Float[np.ndarray, "unit feature"]:
    """Squared partial correlation of every unit with every feature, given the other features; 0 for a constant unit.

    From least squares: beta_i^2 / (beta_i^2 + RSS C_ii), C the inverse of the centred X'X.
    """
    centred_x, centred_h = x - x.mean(axis=0), h - h.mean(axis=0)
    inverse = np.linalg.pinv(centred_x.T @ centred_x)
    beta = (inverse @ centred_x.T @ centred_h).T
    rss = np.square(centred_h - centred_x @ beta.T).sum(axis=0)
    of_feature = np.square(beta)
    total = of_feature + rss[:, None] * np.diag(inverse)
    squared: np.ndarray = np.divide(of_feature, total, out=np.zeros_like(total), where=total > 0)
    return squared


def features_per_neuron(squared: Float[np.ndarray, "unit feature"]) -> float:
    """Mean over units of 1/sum p^2, p a unit's squared correlations over their sum; units without any are left out."""
    total = squared.sum(axis=1)
    shares = squared[total > 0] / total[total > 0, None]
    return float((1 / np.square(shares).sum(axis=1)).mean()) if len(shares) else nan


def polysemantic_neurons(
    squared: Float[np.ndarray, "unit feature"], thresholds: Float[np.ndarray, " threshold"]
) -> Int[np.ndarray, " threshold"]:
    """How many units have at least two features above each threshold."""
    counts: np.ndarray = ((squared[None] > thresholds[:, None, None]).sum(axis=2) >= 2).sum(axis=1)
    return counts


def unexplained_variance(x: Float[np.ndarray, "row unit"], reconstruction: Float[np.ndarray, "row unit"]) -> float:
    """FVU: the sum of |x - x'|^2 over that of |x - mean|^2, the mean of these rows; NaN without variance."""
    total = float(np.square(x - x.mean(axis=0)).sum())
    return float(np.square(x - reconstruction).sum()) / total if total > 0 else nan


def mean_r2(y: Float[np.ndarray, "row output"], predicted: Float[np.ndarray, "row output"]) -> float:
    """Mean over outputs of R^2, each about its own mean, so that no output counts for more by its scale."""
    total = np.square(y - y.mean(axis=0)).sum(axis=0)
    r2 = 1 - np.square(y - predicted).sum(axis=0)[total > 0] / total[total > 0]
    return float(r2.mean()) if len(r2) else nan
