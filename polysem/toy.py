"""The post's experiment: parameters of one run become a trained toy network, its sparse autoencoder and their metrics.

Torch is imported when runs start, not here: reading a suite needs the declarations only.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import isfinite, sqrt
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.experiment import Experiment, Job, Outcome, Progress
from polysem.catalogue import METRICS, POST_METRICS
from polysem.fields import BY_K, Autoencoder, Count, Frozen, NonNegative, Positive, Probability


class Params(BaseModel):
    """One run of the toy experiment. The defaults are what produced the post's table (protocol ``published``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Literal["published", "described", "corrected"] = "published"
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
    hierarchy: bool = False
    """Within a group, features after the first are 0 wherever the first is: children only with their parent."""
    importance: Literal["exponential", "power_law", "uniform"] = "exponential"
    importance_rate: NonNegative = 0.9

    hidden: Count = 12
    layers: Annotated[int, Field(ge=2)] = 5
    """Linear layers, the output's included."""
    random_init: Literal["uniform", "gaussian", "matched"] = "uniform"
    """What ``init = "random"`` means: torch's default for a linear layer; the same as ``init = "gaussian"``, weights
    of the same variance; or the Gaussian matrix behind ``init = "orthogonal"``, with the mean square of its weights."""
    orthogonal_gain: Positive = sqrt(2)
    """Of ``init = "orthogonal"``, and of the random one that is matched to it."""

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

    sae: Autoencoder = "leaky_l1"
    """The post's autoencoder, or a variant with a bias b on both sides, decoder columns of length 1, and the squared
    error summed over inputs: W_e (x - b) + b_e, D f + b (docs/sae.md)."""
    sae_l0: Positive | None = None
    """Active latents a row that are aimed at. It decides k where ``sae_k`` does not; penalties that come to it are
    found by ``python -m polysem.search``."""
    sae_l0_status: Literal["reached", "unreachable", "saturated"] = "reached"
    """What the search said of ``sae_l0``: a note of every run, and no number changes."""
    sae_k: Positive | None = None
    """Latents a row that ``topk`` (an integer), ``batch_topk`` and ``matryoshka`` keep; null: the target, or 2."""
    sae_frozen: Frozen = "none"
    """Which weights stay as they started: baselines (arXiv 2602.14111). Biases and thresholds are trained."""
    sae_penalty: Literal["none", "l1", "l2"] = "none"
    """On the weights of encoder and decoder (arXiv 2603.04198), ``sae_penalty_lambda`` times the sum of |w| or w^2."""
    sae_penalty_lambda: NonNegative = 1e-3
    sae_bandwidth: Positive = 0.1
    """Of ``jumprelu``: in which band of pre-activations around a threshold that threshold learns."""
    sae_act: Literal["leaky_relu", "relu"] = "leaky_relu"
    """Of ``leaky_l1``, whose slope is 0.01; with ``relu`` it is what the post began with."""
    sae_bias: NonNegative = 0.1
    """Biases of the encoder start uniform between 0 and this."""
    sae_width: Count = 16
    sae_repeats: Count = 1
    """Autoencoders of each network, from seeds of their own: metrics are means over them, and two measure stability."""
    sae_tied: bool = False
    """One matrix for encoder and decoder, which the optimiser then moves twice a step: what the public code does on a
    CPU, and not on the GPU that made the published numbers."""
    sae_lambda: NonNegative = 1e-4
    sae_l1: Literal["sum", "mean"] = "sum"
    """The penalty is summed over latents, and over samples either summed or averaged (the error is always averaged)."""
    sae_input: Literal["raw", "standardised"] = "raw"
    """What the SAE is trained on. The post's metrics always score it on standardised activations."""
    sae_scored: Literal["training", "held_out"] = "training"
    """On which samples the post's metrics score it; the other metrics always take those held out."""
    sae_lr: Positive = 1e-3
    sae_epochs: Count = 1000
    sae_batch: Annotated[int, Field(ge=0)] = 0

    macs_over: Literal["entries", "pairs"] = "entries"
    """What ``macs`` is a mean over: all entries of the matrix of cosines, its diagonal counted as 0, or its pairs."""
    tau: Probability = 0.1
    """Squared partial correlation from which on a unit is taken to represent a feature."""
    shuffled_null: bool = False
    """Train one more SAE, on activations with every unit shuffled by itself: a null of overlap."""

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
        if self.macs_over == "pairs" and self.sae_width < 2:
            raise ValueError(f'macs_over = "pairs" needs a sae_width of at least 2, not {self.sae_width}')
        if self.sae != "leaky_l1" and (self.sae_tied or self.sae_act != "leaky_relu"):
            only = "sae_tied" if self.sae_tied else "sae_act"
            raise ValueError(f'{only} goes with sae = "leaky_l1" only, not with "{self.sae}"')
        if self.sae == "leaky_l1" and (self.sae_frozen, self.sae_penalty) != ("none", "none"):
            raise ValueError('sae_frozen and sae_penalty go with every sae but "leaky_l1", the post\'s own')
        if self.sae_l1 == "sum" and self.as_variant and self.sae not in BY_K:
            raise ValueError(f'sae_l1 = "sum" does not go with sae = "{self.sae}": its penalty is a mean over samples')
        if self.sae_l0_status != "reached" and self.sae_l0 is None:
            raise ValueError(f'sae_l0_status = "{self.sae_l0_status}" is of a sae_l0, and none is given')
        if self.sae in BY_K and (self.k > self.sae_width or (self.sae == "topk" and self.k % 1)):
            integer = "an integer" if self.sae == "topk" else "a number"
            raise ValueError(f"{self.sae} keeps {self.k:g} latents a row: give sae_k {integer} up to {self.sae_width}")
        return self

    @property
    def k(self) -> float:
        """Latents a row that ``topk``, ``batch_topk`` and ``matryoshka`` keep."""
        return self.sae_k or self.sae_l0 or 2.0

    @property
    def as_variant(self) -> bool:
        """Whether the autoencoder is trained by ``polysem.sae``, not as a network of two layers."""
        plain = (self.sae_frozen, self.sae_penalty) == ("none", "none")
        return not (plain and self.sae in {"leaky_l1", "relu_l1"})


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
    # What we recommend: what differs between levels is what their names say, and what is measured was held out.
    "corrected": {
        "draws": "streams",
        "n_train": 1024,
        "n_val": 1024,
        "layers": 4,
        "random_init": "matched",
        "l2_form": "penalty",
        "batch": 64,
        "sae": "relu_l1",
        "sae_lambda": 0.3,
        "sae_l1": "mean",
        "sae_input": "standardised",
        "sae_scored": "held_out",
        "sae_batch": 64,
        "macs_over": "pairs",
    },
}

SHARED_BY_A_BATCH = (
    "n_train",
    "n_val",
    "hidden",
    "layers",
    "act",
    "epochs",
    "batch",
    "sae",
    "sae_frozen",
    "sae_penalty",
    "sae_bandwidth",
    "sae_act",
    "sae_width",
    "sae_repeats",
    "sae_tied",
    "sae_epochs",
    "sae_batch",
    "sae_input",
    "shuffled_null",
)
"""Parameters that change shapes or code; all others, and the seed, may differ between the members of an ensemble."""


def batch_by(params: Params) -> Hashable:
    """Jobs that agree in ``SHARED_BY_A_BATCH`` are trained together."""
    return tuple(getattr(params, name) for name in SHARED_BY_A_BATCH)


def run(jobs: Sequence[Job], progress: Progress, *, complete: bool = True) -> Iterator[Outcome]:
    """Train and measure every job; all must agree in ``batch_by``. The post's metrics only, unless ``complete``."""
    from polysem.ensemble import measure  # noqa: PLC0415  (numpy is slow to import)

    names = [metric.name for metric in POST_METRICS]
    for measured in measure([job.params for job in jobs], [job.seed for job in jobs], progress, complete=complete):
        lost = [name for name in names if not isfinite(measured.metrics[name])]
        why = f"{', '.join(lost)} not finite after training" if lost else ""
        notes = dict.fromkeys(lost, "the run diverged")
        yield Outcome(measured.metrics, diverged=why, notes={**measured.notes, **notes}, arrays=measured.arrays)


def environment() -> Mapping[str, str]:
    """What trains in this process (the compiled kernel, known by its answer, or its reference), and what is drawn."""
    from polysem import draws, kernel  # noqa: PLC0415  (as above)

    training = f"C++ kernel {kernel.KNOWN_ANSWER}" if kernel.choose().kernel else "numpy and torch"
    return {"training": training, "draws": draws.digest()}


EXPERIMENT = Experiment(
    params=Params,
    metrics=METRICS,
    run=run,
    batch_by=batch_by,
    batch_size=40,
    version="2",
    environment=environment,
    sources=[str(Path(__file__).with_name("kernel"))],
    strata=["data", "init", "order", "sae"],
)
"""Parameters and seeds of runs become what they measure, by the kernel or, where there is none, by its reference.

Its strata are the samples, the initial weights, the order of the samples with the noise, and the autoencoder.
"""

POST = replace(EXPERIMENT, metrics=POST_METRICS, run=partial(run, complete=False))
"""The same runs with the post's metrics only: what its table is replicated with."""
