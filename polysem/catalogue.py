"""The metrics of the toy experiment: their names, in which direction they are good, and what they do not mean."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Literal

from bench.experiment import Metric

SHARE = (0.0, 1.0)
COUNT = (0.0, inf)

POST_METRICS = (
    Metric(
        "macs",
        "MACS",
        better="lower",
        range=SHARE,
        note="Mean |cosine| between decoder directions. Over entries, as published, the zero diagonal is in the mean, "
        "so that it is 15/16 of the mean over pairs for 16 latents.",
    ),
    Metric(
        "interference",
        "Interference",
        better="lower",
        range=COUNT,
        note="As published: latent i takes the importance of feature i mod 8, though latents have no order.",
    ),
    Metric("l0_sparsity", "L0 sparsity", unit="fraction of latents", range=SHARE),
    Metric("sparsity_w4", "Sparsity W4", scale="log", range=COUNT),
    Metric(
        "sae_mse",
        "SAE MSE",
        better="lower",
        scale="log",
        range=COUNT,
        note="In the published protocol the SAE is trained on raw and scored on standardised activations, which it has "
        "never seen: large and unstable values are an artefact of that.",
    ),
    Metric("train_mse", "Train MSE", better="lower", scale="log", range=COUNT),
    Metric("val_mse", "Validation MSE", better="lower", scale="log", range=COUNT),
    Metric(
        "calibrated_macs",
        "Calibrated MACS",
        range=SHARE,
        note="An exhibit, not a measure: its null has no spread, so that it is the sigmoid of rounding noise.",
    ),
)
"""What the post reports."""

_RANDOM = {
    "": "random directions with the covariance of the activations",
    "_isotropic": "random directions in all units",
    "_live": "random directions in the live units",
    "_live_exact": "random directions in the units that vary at all",
    "_shuffled": "an SAE trained on activations with every unit shuffled by itself (shuffled_null)",
}
"""Ending of a metric's name -> its null."""


def _nulled(
    name: str, label: str, better: Literal["lower", "higher"], *, own: bool = True, unit: str = "", widest: float = 1.0
) -> Iterator[Metric]:
    """A metric, what it is above its covariance-matched and isotropic nulls, and the error of the former."""
    if own:
        yield Metric(name, label, unit, better, range=(0.0, widest))
    for ending in ("", "_isotropic"):
        yield Metric(
            f"{name}_minus_null{ending}",
            f"{label} − null{ending.replace('_', ', ')}",
            unit,
            better,
            range=(-widest, widest),
            note=f"Less the mean of the same metric over {_RANDOM[ending]}.",
        )
    yield Metric(
        f"{name}_null_error",
        f"{label}: error of its null",
        unit,
        range=COUNT,
        note="Monte-Carlo standard error of the mean of the covariance-matched null.",
    )


def _over_null(ending: str) -> Metric:
    return Metric(
        f"macs_over_null{ending}",
        f"MACS / null{ending.replace('_', ', ')}",
        better="lower",
        scale="log",
        range=COUNT,
        note=f"The mean over pairs, divided by that of {_RANDOM[ending]}.",
    )


METRICS = (
    *POST_METRICS,
    # How well the network does its task, and what its last hidden layer is like.
    Metric(
        "val_r2",
        "Validation R²",
        better="higher",
        range=(-inf, 1.0),
        note="Mean over outputs: importance makes the validation MSE a matter of the first ones.",
    ),
    Metric("weight_norm", "Norm of the weights", range=COUNT, note="Frobenius norm of all weight matrices together."),
    Metric("mean_weight_norm", "Mean norm of a matrix", range=COUNT, note="What matched penalties are matched in."),
    Metric(
        "live_units",
        "Live units",
        unit="units",
        range=COUNT,
        note="SD above 1e-8 and above 1 % of the largest: GELU units never die exactly.",
    ),
    Metric("live_units_exact", "Units that vary", unit="units", range=COUNT, note="SD above 1e-8."),
    Metric(
        "participation",
        "Participation ratio",
        unit="dimensions",
        range=COUNT,
        note="Of the covariance of the standardised units: how many dimensions carry the variance.",
    ),
    # Superposition without an autoencoder: directions v of features, by setting each to 1 and to 0.
    *_nulled("interference_free", "Interference of directions", "lower", widest=inf),
    *_nulled("interference_free_raw", "Interference, raw directions", "lower", widest=inf),
    *_nulled("mean_abs_cos", "|cos| of directions", "lower"),
    *_nulled("mean_abs_cos_raw", "|cos| of raw directions", "lower"),
    Metric("features_without_direction", "Features without a direction", unit="features", range=COUNT),
    Metric(
        "linear_r2",
        "R² of linear directions",
        range=(-inf, 1.0),
        note="Share of the variance of the hidden layer that is linear in the features.",
    ),
    Metric(
        "features_per_neuron",
        "Features per neuron",
        better="lower",
        range=(1.0, inf),
        note="Mean over live units of 1/Σp², p the shares of a unit's squared partial correlations.",
    ),
    Metric(
        "polysemantic_neurons",
        "Polysemantic neurons",
        unit="units",
        better="lower",
        range=COUNT,
        note="Live units with two or more squared partial correlations above tau.",
    ),
    Metric("polysemantic_share", "Polysemantic share", unit="fraction of live units", better="lower", range=SHARE),
    # Health of the autoencoder.
    Metric(
        "fvu",
        "Unexplained variance",
        better="lower",
        scale="log",
        range=COUNT,
        note="FVU on samples held out, about their mean, of the input that the SAE was trained on.",
    ),
    Metric("l0_count", "Active latents a row", unit="latents", range=COUNT),
    Metric("dead_latents", "Dead latents", unit="latents", better="lower", range=COUNT),
    Metric("decoder_norm", "Norm of decoder columns", range=COUNT),
    # Overlap of its decoder.
    *_nulled("macs", "MACS", "lower", own=False),
    *(
        Metric(
            f"macs_minus_null{ending}",
            f"MACS − null{ending.replace('_', ', ')}",
            better="lower",
            range=(-1.0, 1.0),
            note=f"The mean over pairs, less that of {_RANDOM[ending]}.",
        )
        for ending in ("_live", "_live_exact", "_shuffled")
    ),
    *map(_over_null, _RANDOM),
    Metric(
        "macs_z",
        "MACS, z",
        better="lower",
        range=(-inf, inf),
        note="In standard deviations of the covariance-matched null, over random dictionaries.",
    ),
    Metric("macs_percentile", "MACS, percentile", better="lower", range=SHARE, note="Of the covariance-matched null."),
    # Recovery of the features by its decoder and its latents.
    *_nulled("mmcs", "MMCS", "higher"),
    *_nulled("mmcs_latents", "MMCS of latents", "higher"),
    *_nulled("mcc", "MCC", "higher"),
    *_nulled("recovered", "Features with |cos| > 0.9", "higher", unit="fraction of features"),
    Metric("mcc_at_median", "MCC at 0.65", better="higher", range=SHARE, note="Features set to their median, not 1."),
    Metric("mcc_linear", "MCC, linear", better="higher", range=SHARE, note="With directions by least squares."),
    Metric("f1", "F1", better="higher", range=SHARE, note="Of the matched latent's being active, for its feature's."),
    Metric("f1_always_on", "F1 of an always-active latent", range=SHARE),
    Metric("f1_minus_always_on", "F1 − that of always-active", better="higher", range=(-1.0, 1.0)),
    Metric("f1_best", "F1, best per latent", better="higher", range=SHARE, note="As SynthSAEBench counts it."),
    *_nulled("interference_matched", "Interference, matched", "lower", widest=inf),
    Metric(
        "coactivation_gap",
        "Co-activation gap",
        range=(-1.0, 1.0),
        note="How much more often a feature's latent fires without a companion of its group than with it. On data with "
        "hierarchy = true this is absorption.",
    ),
    *_nulled("stability", "Stability", "higher"),
)
"""The post's, and what was made to mean what it says. Every overlap and recovery stands beside its nulls."""
