"""Activations of a model with and without adapters become what they say of attributes, beside what chance says.

Rows are prompts held out, or tokens; columns are units of the residual stream after the last adapted layer. Directions
of attributes are least squares over prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from jaxtyping import Bool, Float, Int

from polysem import recovery
from polysem.lora.prompts import KINDS, Attributes
from polysem.nulls import N_DRAWS, expected_abs_cos, random_dictionaries, square_root
from polysem.recovery import Dictionary, Hidden, Latents
from polysem.streams import stream

N_SPLITS = 20
"""Ways to halve the prompts, over which products of the halves are averaged."""
N_WIDE_DRAWS = 10
"""Random dictionaries as wide as an autoencoder: their overlap hardly varies."""
MASSIVE = 10.0
"""Rows longer than so many times the median are massive activations."""

Answers = Float[np.ndarray, "prompt output answer"]


@dataclass(frozen=True, eq=False)
class Scale:
    """Activations are centred and divided by one number, so that their mean square length is their dimension."""

    mean: Float[np.ndarray, " unit"]
    length: float

    def __call__(self, h: Hidden) -> Hidden:
        """Rows on this scale."""
        scaled: Hidden = (h - self.mean) / np.float32(self.length)
        return scaled


def scale_of(h: Hidden) -> Scale:
    """The scale on which these rows have mean 0 and mean square 1 an entry."""
    mean = h.mean(axis=0)
    return Scale(mean, sqrt(float(np.square(h - mean, dtype=np.float64).mean())) or 1.0)


def is_ordinary(h: Hidden) -> Bool[np.ndarray, " row"]:
    """Rows that are no massive activations (Sun et al. 2024, arXiv 2402.17762), which a scale must not see."""
    length = np.linalg.norm(h, axis=1)
    ordinary: Bool[np.ndarray, " row"] = length <= MASSIVE * np.median(length)
    return ordinary


def of_task(answers: Answers, y: Int[np.ndarray, "prompt output"]) -> dict[str, float]:
    """Accuracy on the three kinds of prompts held out, and the loss on those new in both respects.

    Balanced: the mean over an output's two labels, 1/2 by chance whatever their shares.
    """
    correct = answers.argmax(axis=2) == y
    n = len(y) // len(KINDS)
    by_output = {
        kind: np.array([_balanced(correct[rows, k], y[rows, k]) for k in range(y.shape[1])])
        for kind, rows in ((kind, slice(i * n, (i + 1) * n)) for i, kind in enumerate(KINDS))
    }
    both = slice(2 * n, 3 * n)
    log_chance = answers - np.logaddexp.reduce(answers, axis=2, keepdims=True)
    loss = -np.take_along_axis(log_chance[both], y[both, :, None], axis=2).mean()
    return {
        "test_accuracy": float(by_output["both"].mean()),
        "worst_accuracy": float(by_output["both"].min()),
        "accuracy_templates": float(by_output["templates"].mean()),
        "accuracy_combinations": float(by_output["combinations"].mean()),
        "test_loss": float(loss),
    }


def _balanced(correct: Bool[np.ndarray, " prompt"], label: Int[np.ndarray, " prompt"]) -> float:
    return float(np.mean([correct[label == value].mean() for value in np.unique(label)]))


def of_directions(h: Hidden, x: Attributes, seed: int) -> dict[str, float]:
    """How much the directions of attributes in ``h`` overlap: as estimated, corrected for noise, and beyond chance."""
    names = (
        "overlap",
        "overlap_corrected",
        "overlap_minus_null",
        "overlap_minus_isotropic",
        "reliability",
        "linear_r2",
    )
    if not np.ptp(h, axis=0).any():
        return dict.fromkeys(names, nan)
    h = h.astype(np.float64)
    directions = recovery.linear_directions(h, x).directions
    linear = h.mean(axis=0) + (x - x.mean(axis=0)) @ directions.T
    corrected, reliability = split_half(h, x, stream(seed, "lora halves"))
    root = square_root(np.cov(h, rowvar=False))
    by_chance = float(recovery.mean_abs_cosine(_random(root, x.shape[1], N_DRAWS, seed)).mean())
    values = (
        float(recovery.mean_abs_cosine(directions)),
        corrected,
        corrected - by_chance,
        corrected - expected_abs_cos(h.shape[1]),
        reliability,
        1 - recovery.unexplained_variance(h, linear),
    )
    return dict(zip(names, values, strict=True))


def split_half(h: Hidden, x: Attributes, rng: np.random.Generator) -> tuple[float, float]:
    """Mean |cos| over pairs of directions, corrected for their noise, and the mean reliability of directions.

    With v and w the directions in two halves of the prompts, C_ij = (v_i w_j + v_j w_i)/2 is free of noise in the mean,
    and so is r_i = C_ii: the corrected cosine is C_ij / sqrt(r_i r_j) (Spearman 1904). Products are means over
    ``N_SPLITS`` ways to halve. The reliability is that of all prompts, 2 r / (1 + r) of the halves' cosine r. An
    attribute whose r_i is not positive has no direction to speak of, and is left out; NaN with fewer than two others.
    """
    products, cosine = np.zeros((x.shape[1], x.shape[1])), np.zeros(x.shape[1])
    for _ in range(N_SPLITS):
        halves = np.array_split(rng.permutation(len(x)), 2)
        v, w = (recovery.linear_directions(h[rows], x[rows]).directions for rows in halves)
        products += (v.T @ w + w.T @ v) / 2
        cosine += (recovery.unit_columns(v) * recovery.unit_columns(w)).sum(axis=0) / N_SPLITS
    own = np.diag(products)
    told = own > 0
    pairs = np.triu_indices(int(told.sum()), 1)
    lengths = np.sqrt(own[told])
    corrected = np.abs(products[np.ix_(told, told)] / np.outer(lengths, lengths))[pairs]
    reliability = 2 * cosine / (1 + cosine)
    return float(corrected.mean()) if len(corrected) else nan, float(reliability.mean())


def of_neurons(h: Hidden, x: Attributes, delta: Hidden) -> dict[str, float]:
    """Attributes a unit stands for, and dimensions that carry the variance of the change."""
    squared = recovery.partial_correlations(h.astype(np.float64), x)
    return {
        "features_per_neuron": recovery.features_per_neuron(squared),
        "delta_participation": recovery.participation(np.cov(delta.astype(np.float64), rowvar=False)),
    }


def of_autoencoder(
    decoder: Dictionary,
    apply: Callable[[Hidden], tuple[Latents, Hidden]],
    rows: Mapping[str, Hidden],
    x: Attributes,
    covariance: Float[np.ndarray, "unit unit"],
    seed: int,
) -> dict[str, float]:
    """Metrics of one autoencoder, by rows on its scale: last tokens (``ends``), all tokens (``task``), ``text``."""
    latents, _ = apply(rows["ends"])
    directions = recovery.linear_directions(rows["ends"].astype(np.float64), x).directions
    signed = recovery.cosines(directions, decoder)
    root = square_root(covariance)
    drawn = [_random(root, decoder.shape[1], 1, seed, str(k))[0] for k in range(N_WIDE_DRAWS)]
    macs_by_chance = float(np.mean([recovery.mean_abs_cosine(of) for of in drawn]))
    mcc_by_chance = float(np.mean([recovery.mcc(recovery.cosines(directions, of)) for of in drawn]))
    macs, mcc = float(recovery.mean_abs_cosine(decoder)), float(recovery.mcc(signed))
    of_task, reconstruction = apply(rows["task"])
    f1, always_on = recovery.matched_f1(signed, latents, x), recovery.always_on_f1(x)
    return {
        "macs": macs,
        "macs_minus_null": macs - macs_by_chance,
        "mcc": mcc,
        "mcc_minus_null": mcc - mcc_by_chance,
        "f1": f1,
        "f1_minus_always_on": f1 - always_on,
        "fvu": recovery.unexplained_variance(rows["task"], reconstruction),
        "fvu_text": recovery.unexplained_variance(rows["text"], apply(rows["text"])[1]),
        "l0_count": float((of_task > 0).sum(axis=1).mean()),
        "dead_latents": float((~(of_task > 0).any(axis=0)).sum()),
    }


def _random(root: Float[np.ndarray, "unit unit"], width: int, n: int, seed: int, *names: str) -> Dictionary:
    return random_dictionaries(root, width, n, stream(seed, "null dictionaries", *names))
