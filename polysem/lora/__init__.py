"""A language model's adapters: a penalty and a seed become how much the attributes of a task overlap in what changed.

Low-rank adapters of a few layers are trained on prompts with eight known attributes, under L1, L2 or no penalty of
Delta W, steered to one norm (docs/lora.md). Needs the optional packages of the extra ``lora`` when runs start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.experiment import Experiment, Job, Metric, Outcome, Progress
from polysem.fields import Count, Frozen, NonNegative, Positive, Probability


class Params(BaseModel):
    """One adapter and its autoencoder. The defaults are those for SmolLM2-135M."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = "smollm2"
    """``smollm2``, ``tiny`` (random, for tests), or a folder in Hugging Face format of a model built like Llama."""
    weights: Literal["pretrained", "random"] = "pretrained"
    """``random`` is a control: the same shape, drawn anew by every seed."""
    first_layer: Annotated[int, Field(ge=0)] = 24
    layers: Count = 4
    """How many layers are adapted, from ``first_layer`` on; activations are read after the last of them."""
    rank: Count = 8

    adapter: Literal["trained", "random", "base"] = "trained"
    """Controls: ``random`` is a Gaussian change of norm ``target``, ``base`` no change."""
    penalty: Literal["none", "l1", "l2", "nuclear", "l1_factors"] = "none"
    """``l1`` and ``l2`` are of the entries of Delta W = B A, ``nuclear`` and ``l1_factors`` of the factors."""
    reg_lambda: NonNegative = 1e-4
    """Of the penalty; where it is steered, at the first step."""
    steer: Literal["none", "norm", "loss"] = "none"
    """What lambda is steered by while training: |Delta W|, or the running mean of the task's loss, to ``target``."""
    target: Positive = 12.0

    n_train: Count = 768
    n_held_out: Count = 120
    """Prompts of each of three kinds: with new templates, new combinations of attributes, or both."""
    copied: Probability = 0.6
    """Probability that an attribute copies its group's shared bit."""
    labels: Literal["true", "shuffled"] = "true"
    """``shuffled`` is a control: outputs of other prompts are learned."""
    steps: Count = 120
    batch: Count = 24
    lr: Positive = 2e-3
    """Of Adam."""

    sae: Literal["none", "relu_l1", "topk", "batch_topk", "jumprelu", "gated", "matryoshka"] = "topk"
    """Trained on all tokens of the prompts, after the last adapted layer; ``none`` trains no autoencoder."""
    sae_width: Count = 1152
    sae_sparsity: Positive = 32
    """k of ``topk``, ``batch_topk`` and ``matryoshka``, else lambda, as in docs/sae.md."""
    sae_frozen: Frozen = "none"
    sae_epochs: Count = 5
    sae_batch: Count = 256
    sae_lr: Positive = 1e-3

    text_windows: Annotated[int, Field(ge=1)] = 8
    """Of ordinary text (Python's own topics of help), evenly spaced."""
    text_context: Annotated[int, Field(ge=2)] = 512

    @property
    def steers(self) -> bool:
        """Whether lambda follows a target."""
        return self.adapter == "trained" and self.penalty != "none" and self.steer != "none"


_NULL = "Covariance-matched: random directions with the covariance of the same activations."

METRICS = (
    Metric(
        "delta_overlap_minus_null",
        "Overlap of attributes in the change, above chance",
        better="lower",
        note=f"Mean |cos| of their directions in h adapted less h base, corrected for noise. {_NULL}",
    ),
    Metric("delta_overlap", "Overlap in the change, as estimated", better="lower", note="Noise shrinks it."),
    Metric("delta_overlap_corrected", "Overlap in the change, corrected", better="lower"),
    Metric(
        "delta_overlap_minus_isotropic",
        "Overlap in the change, above isotropic chance",
        note="An exhibit: the change lies in few dimensions, where random directions overlap more.",
    ),
    Metric("delta_reliability", "Reliability of directions in the change", note="Of all prompts, by halves of them."),
    Metric("delta_linear_r2", "Share of the change that attributes explain", note="By least squares."),
    Metric(
        "overlap_minus_null",
        "Overlap of attributes in the adapted model, above chance",
        better="lower",
        note=f"As in the change, of all activations. {_NULL}",
    ),
    Metric("overlap", "Overlap in the adapted model, as estimated", better="lower"),
    Metric("overlap_corrected", "Overlap in the adapted model, corrected", better="lower"),
    Metric("overlap_minus_isotropic", "Overlap in the adapted model, above isotropic chance"),
    Metric("reliability", "Reliability of directions in the adapted model"),
    Metric("linear_r2", "Share of activations that attributes explain"),
    Metric("features_per_neuron", "Attributes a unit stands for", note="1/Σp² of its partial correlations' squares."),
    Metric("delta_participation", "Dimensions of the change", note="Participation ratio of its covariance."),
    Metric(
        "test_accuracy",
        "Accuracy, all new",
        better="higher",
        range=(0, 1),
        note="Balanced; templates and combinations both unseen. 1/2 by chance.",
    ),
    Metric("worst_accuracy", "Accuracy of the worst output, all new", better="higher", range=(0, 1)),
    Metric("accuracy_templates", "Accuracy, new templates", better="higher", range=(0, 1)),
    Metric("accuracy_combinations", "Accuracy, new combinations", better="higher", range=(0, 1)),
    Metric("test_loss", "Loss, all new", unit="nats an output", better="lower", scale="log"),
    Metric("train_loss", "Loss while training", unit="nats an output", better="lower", note="Last tenth of the steps."),
    Metric("delta_norm", "‖ΔW‖", note="Frobenius, all adapted maps."),
    Metric("steering_miss", "Largest miss of the target", note="|ratio − 1| at the end of a run whose λ is steered."),
    Metric("lambda_end", "λ at the last step", scale="log"),
    Metric("hoyer", "Hoyer sparsity of ΔW", range=(0, 1), note="Over all entries, mean over maps."),
    Metric("effective_rank", "Effective rank of ΔW", note="exp of the singular values' entropy, mean over maps."),
    Metric("text_loss", "Loss on ordinary text", unit="nats a token", better="lower"),
    Metric("text_loss_change", "Forgetting", unit="nats a token", better="lower", note="Loss on text less the base's."),
    Metric("macs", "MACS", better="lower", range=(0, 1)),
    Metric("macs_minus_null", "MACS above its null", better="lower", note=_NULL),
    Metric("mcc", "Recovery (MCC)", better="higher", range=(0, 1), note="Of the attributes' directions."),
    Metric("mcc_minus_null", "Recovery above its null", better="higher", note=_NULL),
    Metric("f1", "F1 of matched latents", better="higher", range=(0, 1)),
    Metric("f1_minus_always_on", "F1 above that of a latent always on", better="higher"),
    Metric("fvu", "Unexplained variance, task", better="lower", scale="log"),
    Metric("fvu_text", "Unexplained variance, text", better="lower", scale="log"),
    Metric("l0_count", "Active latents a token", unit="latents"),
    Metric("dead_latents", "Dead latents", unit="latents", better="lower"),
    Metric("massive", "Massive activations left out", unit="tokens", note="Beside each prompt's first token."),
)


def run(jobs: Sequence[Job], progress: Progress) -> Iterator[Outcome]:
    """Train and measure every job, one after the other."""
    from polysem.lora.job import measure  # noqa: PLC0415  (torch is slow to import)

    for done, job in enumerate(jobs):

        def on_part(part: float, done: int = done) -> None:
            progress((done + part) / len(jobs))

        measured = measure(job.params, job.seed, on_part)
        values = {metric.name: measured.metrics[metric.name] for metric in METRICS}
        lost = [name for name, value in values.items() if not isfinite(value)]
        notes = {name: measured.reason(name) for name in lost}
        yield Outcome(values, diverged=measured.diverged, notes=notes, arrays=measured.arrays)


EXPERIMENT = Experiment(params=Params, metrics=METRICS, run=run, strata=["data", "init", "order", "sae"])
"""Parameters and seeds of adapters become what they change, one at a time. Strata as in ``polysem.toy``."""
