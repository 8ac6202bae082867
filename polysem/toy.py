"""The post's experiment: parameters of one run become a trained toy network, its sparse autoencoder and their metrics.

Torch is imported when runs start, not here: reading a suite needs the declarations only.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from math import isfinite, sqrt
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.experiment import Experiment, Job, Metric, Outcome, Progress

Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Params(BaseModel):
    """One run of the toy experiment. The defaults are what produced the post's table (protocol ``published``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Literal["published", "described"] = "published"
    """Which preset gives the values of all fields that are not named (``PRESETS``)."""

    init: Literal["random", "orthogonal", "gaussian", "xavier", "kaiming"] = "random"
    noise: Literal["none", "bipolar", "positive_kurtosis", "gaussian", "laplace"] = "bipolar"
    reg: Literal["none", "l1", "l2", "elastic_net"] = "l1"
    act: Literal["relu", "gelu", "silu", "tanh", "leaky_relu"] = "relu"

    draws: Literal["post", "streams"] = "post"
    """Where data and initial weights come from: from torch's generator in the order of the post's public code, so that
    seeds 0 to 9 have the very data sets and initial weights behind its table, or from independent streams."""

    n_train: Annotated[int, Field(ge=2)] = 820
    n_val: Count = 204
    groups: tuple[tuple[Annotated[int, Field(ge=0, lt=8)], ...], ...] = ((0, 1, 2), (3, 4), (5, 6, 7))
    """Features that are active together; a feature in no group is always 0."""
    p_active: Probability = 0.6
    strength_low: Probability = 0.5
    strength_high: Probability = 1.0
    p_keep: Probability = 0.5
    importance: Literal["exponential", "power_law", "uniform"] = "exponential"
    importance_rate: NonNegative = 0.9

    hidden: Count = 12
    layers: Annotated[int, Field(ge=2)] = 5
    """Linear layers, the output's included."""
    random_init: Literal["uniform", "gaussian"] = "uniform"
    """What ``init = "random"`` means: torch's default for a linear layer, or the same as ``init = "gaussian"``, weights
    of the same variance."""
    orthogonal_gain: Positive = sqrt(2)

    sigma: NonNegative = 0.1
    """Standard deviation of the noise on the last hidden layer (the bound, if ``bipolar_noise`` is uniform)."""
    bipolar_noise: Literal["rademacher", "uniform"] = "rademacher"
    """What ``noise = "bipolar"`` means: plus or minus sigma, or uniform between the two."""

    reg_lambda: NonNegative = 1e-4
    l1_ratio: Probability = 0.5
    """Share of L1 in ``reg = "elastic_net"``: lambda (ratio L1 + (1 - ratio) L2)."""
    l2_form: Literal["weight_decay", "penalty"] = "weight_decay"
    """``weight_decay`` adds lambda w to the gradient of weights and biases; ``penalty`` adds lambda w^2 of the weights
    to the loss."""

    lr: Positive = 1e-3
    epochs: Count = 2000
    batch: Annotated[int, Field(ge=0)] = 0
    """Samples a step, shuffled each epoch; 0 is all of them."""

    sae_width: Count = 16
    sae_tied: bool = False
    """One matrix for encoder and decoder, which the optimiser then moves twice a step: what the public code does on a
    CPU, and not on the GPU that made the published numbers."""
    sae_lambda: NonNegative = 1e-4
    sae_l1: Literal["sum", "mean"] = "sum"
    """The penalty is summed over latents, and over samples either summed or averaged (the error is always a mean)."""
    sae_input: Literal["raw", "standardised"] = "raw"
    """What the SAE is trained on. It is always scored on standardised training activations."""
    sae_lr: Positive = 1e-3
    sae_epochs: Count = 1000
    sae_batch: Annotated[int, Field(ge=0)] = 0

    keep_arrays: bool = False
    """Keep each run's trained SAE and what its latents respond to, for ``python -m polysem.features``; no number
    changes."""

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("protocol") in PRESETS:
            return {**PRESETS[values["protocol"]], **values}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Params:
        if self.strength_low > self.strength_high:
            raise ValueError(f"strength_low {self.strength_low} is above strength_high {self.strength_high}")
        grouped = [feature for group in self.groups for feature in group]
        if len(set(grouped)) < len(grouped):
            raise ValueError(f"groups {self.groups} name a feature twice")
        return self


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "published": {},
    # What the post's text says, where its code does something else. Where the text leaves it open: the Gaussian
    # initialisation has the published variance and the orthogonal one gain 1; sigma is the SD of the t noise; the
    # SAE's penalty is a sum over latents and a mean over samples; it is scored on the training activations.
    "described": {
        "draws": "streams",
        "n_train": 1024,
        "n_val": 256,
        "layers": 4,
        "random_init": "gaussian",
        "orthogonal_gain": 1.0,
        "bipolar_noise": "uniform",
        "l2_form": "penalty",
        "batch": 64,
        "sae_l1": "mean",
        "sae_input": "standardised",
        "sae_batch": 64,
    },
}

METRICS = (
    Metric(
        "macs",
        "MACS",
        better="lower",
        note="Mean |cosine| between decoder directions as published: the zero diagonal is in the mean, so that it is "
        "15/16 of the mean over pairs for 16 latents.",
    ),
    Metric(
        "interference",
        "Interference",
        better="lower",
        note="As published: latent i takes the importance of feature i mod 8, though latents have no order.",
    ),
    Metric("l0_sparsity", "L0 sparsity", unit="fraction of latents"),
    Metric("sparsity_w4", "Sparsity W4", scale="log"),
    Metric(
        "sae_mse",
        "SAE MSE",
        better="lower",
        scale="log",
        note="In the published protocol the SAE is trained on raw and scored on standardised activations, which it has "
        "never seen: large and unstable values are an artefact of that.",
    ),
    Metric("train_mse", "Train MSE", better="lower", scale="log"),
    Metric("val_mse", "Validation MSE", better="lower", scale="log"),
    Metric(
        "calibrated_macs",
        "Calibrated MACS",
        note="An exhibit, not a measure: its null has no spread, so that it is the sigmoid of rounding noise.",
    ),
)

SHARED_BY_A_BATCH = (
    "n_train",
    "n_val",
    "hidden",
    "layers",
    "act",
    "epochs",
    "batch",
    "sae_width",
    "sae_tied",
    "sae_epochs",
    "sae_batch",
    "sae_input",
)
"""Parameters that change shapes or code; all others, and the seed, may differ between the members of an ensemble."""


def batch_by(params: Params) -> Hashable:
    """Jobs that agree in ``SHARED_BY_A_BATCH`` are trained together."""
    return tuple(getattr(params, name) for name in SHARED_BY_A_BATCH)


def run(jobs: Sequence[Job], progress: Progress) -> Iterator[Outcome]:
    """Train and measure every job; all must agree in ``batch_by``."""
    from polysem.ensemble import measure  # noqa: PLC0415  (numpy is slow to import)

    for measured in measure([job.params for job in jobs], [job.seed for job in jobs], progress):
        lost = [name for name, value in measured.metrics.items() if not isfinite(value)]
        why = f"{', '.join(lost)} not finite after training" if lost else ""
        notes = dict.fromkeys(lost, "the run diverged")
        yield Outcome(measured.metrics, diverged=why, notes=notes, arrays=measured.arrays)


def environment() -> Mapping[str, str]:
    """What trains in this process: the compiled kernel, known by its answer, or its reference."""
    from polysem import kernel  # noqa: PLC0415  (as above)

    return {"training": f"C++ kernel {kernel.KNOWN_ANSWER}" if kernel.choose().kernel else "numpy and torch"}


EXPERIMENT = Experiment(
    params=Params,
    metrics=METRICS,
    run=run,
    batch_by=batch_by,
    batch_size=40,
    version="2",
    environment=environment,
    sources=[str(Path(__file__).with_name("kernel"))],
)
