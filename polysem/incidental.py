"""A tied autoencoder on one-hot inputs becomes counts of neurons that serve two features though there is one for each.

Incidental polysemanticity: Lecomte et al. 2023, arXiv 2312.03096.
The model is y = ReLU(W W^T x), W in R^(n x m) drawn N(0, 1/m), on the n one-hot inputs at once; the loss is the squared
error *summed* over inputs and outputs, plus a penalty.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from math import nan, sqrt
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict

from bench.experiment import Experiment, Job, Metric, Outcome, Progress
from polysem.fields import Count, NonNegative, Positive
from polysem.noise import draw
from polysem.optimisers import Moments, mover, per_member
from polysem.streams import stream

Weights = Float[np.ndarray, "member feature neuron"]
Noise = Float[np.ndarray, "member neuron"]
OnStep = Callable[[int], None]

LARGE = (0.8, 1.2)
"""What counts as a large weight, in absolute value: the paper's band."""

CHUNK = 100_000
"""Weights that are trained together at most (one member at least): what stays in a core's cache."""

NOISE_BLOCK = 100_000
"""Numbers of noise that are drawn at once."""

DROP_EVERY = 50
"""Steps between two looks for neurons to leave out."""


class Params(BaseModel):
    """One instance. The defaults are the paper's collision experiment at m = n."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: Count = 256
    """n: one-hot inputs, and outputs."""
    neurons: Count = 256
    """m: units of the hidden layer."""
    init_scale: Positive = 1.0
    """Times the standard deviation 1/sqrt(m) of the initial weights."""

    reg: Literal["none", "l1", "l2"] = "l1"
    reg_lambda: NonNegative = 1e-3
    """lambda sum |W|, or lambda sum W^2, added to the loss."""
    noise: Literal["none", "rademacher", "uniform", "gaussian", "laplace", "student_t3"] = "none"
    """Of the hidden layer, one vector a step, shared by the inputs. In the order of their kurtosis."""
    sigma: NonNegative = 0.15
    """Standard deviation of the noise, whatever its kind."""

    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: Positive = 1e-3
    weight_decay: NonNegative = 0.01
    """Decoupled for ``adamw`` (Loshchilov & Hutter 2017), added to the gradient otherwise, as in PyTorch."""
    steps: Count = 7500
    drop_below: NonNegative = 0.0
    """A neuron all of whose weights have become smaller than this is left out from then on, its weights 0. That is
    several times faster where L1 leaves most neurons without a feature; 0 leaves none out."""

    alive_above: NonNegative = 1e-4
    """A weight is alive if its absolute value is larger."""


METRICS = (
    Metric("collisions", "Collisions", unit="neurons", note="Neurons with at least two weights of 0.8 to 1.2 in size."),
    Metric("collisions_to_theory", "Collisions over n²/4m", note="The paper's estimate for a Gaussian start."),
    Metric("opposite_pairs", "Collisions that are pairs of opposite sign", unit="neurons"),
    Metric("triples", "Neurons with three large weights or more", unit="neurons"),
    Metric("single_features", "Features with exactly one large weight", unit="features"),
    Metric(
        "fourth_power", "Mean over features of Σ W⁴", note="1 where every feature has one neuron, 3/m at the start."
    ),
    Metric("l1_norm", "Σ|W| a feature", scale="log"),
    Metric(
        "l1_to_theory", "Σ|W| a feature over 1/(1/Σ|W(0)| + λt)", note="The paper's law for one feature; t = lr · step."
    ),
    Metric("alive", "Weights alive a feature", scale="log"),
    Metric("alive_to_theory", "Weights alive over (Σ|W|)²"),
    Metric("loss", "Squared error", better="lower", note="Without noise and penalty, summed over inputs and outputs."),
)

SHARED_BY_A_BATCH = ("features", "neurons", "steps", "optimiser", "drop_below")


def batch_by(params: Params) -> Hashable:
    """Instances of one shape, length and optimiser, with noise or without, are trained together."""
    return (*(getattr(params, name) for name in SHARED_BY_A_BATCH), params.noise == "none")


def run(jobs: Sequence[Job], progress: Progress) -> Iterator[Outcome]:
    """Train and measure every job; all must agree in ``batch_by``."""
    common: Params = jobs[0].params
    size = 1 if common.drop_below else max(1, CHUNK // (common.features * common.neurons))
    for first in range(0, len(jobs), size):
        chunk = jobs[first : first + size]
        start = np.stack([initial_weights(job.params, job.seed) for job in chunk])

        def on_step(step: int, done: int = first, members: int = len(chunk)) -> None:
            progress((done + members * step / common.steps) / len(jobs))

        with np.errstate(all="ignore"):  # an instance that diverges is known by its metrics; its companions go on
            trained = train([job.params for job in chunk], [job.seed for job in chunk], start, on_step)
            yield from (measure(job.params, *pair) for job, *pair in zip(chunk, start, trained, strict=True))


def initial_weights(params: Params, seed: int) -> Float[np.ndarray, "feature neuron"]:
    """Gaussian weights of standard deviation ``init_scale``/sqrt(m)."""
    normal = stream(seed, "incidental", "weights").standard_normal((params.features, params.neurons), dtype=np.float32)
    return normal * np.float32(params.init_scale / sqrt(params.neurons))


def train(params: Sequence[Params], seeds: Sequence[int], start: Weights, on_step: OnStep) -> Weights:
    """Weights after ``steps`` steps; ``on_step(step)`` is called about a hundred times.

    With ``drop_below``, a neuron is left out where it is idle in all members: train one alone.
    """
    common = params[0]
    w, mean, square = start.copy(), np.zeros_like(start), np.zeros_like(start)
    kept = np.arange(common.neurons)
    l1, l2 = (per_member([p.reg_lambda * (p.reg == kind) for p in params]) for kind in ("l1", "l2"))
    rate, decay = per_member([p.lr for p in params]), per_member([p.weight_decay for p in params])
    move = mover(common.optimiser, w, rate, decay, Moments(mean, square))
    noise = None if common.noise == "none" else _noise(params, seeds)
    every = max(1, common.steps // 100)
    for step in range(1, common.steps + 1):
        gradient = loss_gradient(w, next(noise)[:, kept] if noise else None)
        if l1.any():
            gradient += l1 * np.sign(w)
        if l2.any():
            gradient += (2 * l2) * w
        move(gradient)
        if common.drop_below and step % DROP_EVERY == 0:
            used = ~(np.abs(w).max(axis=(0, 1)) < common.drop_below)  # a NaN is kept
            if not used.all():
                kept, w, mean, square = (np.compress(used, of, axis=-1) for of in (kept, w, mean, square))
                move = mover(common.optimiser, w, rate, decay, Moments(mean, square, step))
        if step % every == 0:
            on_step(step)
    trained = np.zeros_like(start)
    trained[:, :, kept] = w
    return trained


def loss_gradient(w: Weights, noise: Noise | None = None) -> Weights:
    """Gradient of sum (ReLU((W + 1 noise^T) W^T) - I)^2.

    With E the error where the ReLU is open and G = 2E, it is (G + G^T) W + (G^T 1) noise^T; without noise G is
    symmetric.
    """
    output = np.matmul(w, w.transpose(0, 2, 1))
    if noise is not None:
        output += np.matmul(w, noise[:, :, None]).transpose(0, 2, 1)
    is_open: Bool[np.ndarray, "member input output"] = output > 0
    output -= np.eye(w.shape[1], dtype=w.dtype)
    output *= is_open
    if noise is None:
        output *= 4
        gradient: Weights = np.matmul(output, w)
        return gradient
    through_noise = (2 * output.sum(axis=1))[:, :, None] * noise[:, None, :]
    output += output.transpose(0, 2, 1).copy()
    output *= 2
    gradient = np.matmul(output, w)
    gradient += through_noise
    return gradient


def measure(
    params: Params, start: Float[np.ndarray, "feature neuron"], trained: Float[np.ndarray, "feature neuron"]
) -> Outcome:
    """The metrics of one instance, in double precision."""
    names = [metric.name for metric in METRICS]
    if not np.isfinite(trained).all():
        why = "the weights are no longer finite"
        return Outcome(dict.fromkeys(names, nan), diverged=why, notes=dict.fromkeys(names, why))
    w = trained.astype(np.float64)
    size = np.abs(w)
    large = (size >= LARGE[0]) & (size <= LARGE[1])
    per_neuron = large.sum(axis=0)
    collisions = int((per_neuron >= 2).sum())
    signs = (np.sign(w) * large)[:, per_neuron == 2].sum(axis=0)
    l1_norm, l1_start = size.sum(axis=1).mean(), np.abs(start.astype(np.float64)).sum(axis=1).mean()
    rate = params.reg_lambda if params.reg == "l1" else 0.0
    alive = float((size > params.alive_above).sum(axis=1).mean())
    output = np.maximum(w @ w.T, 0.0)
    return Outcome(
        {
            "collisions": collisions,
            "collisions_to_theory": collisions / (params.features**2 / (4 * params.neurons)),
            "opposite_pairs": int((signs == 0).sum()),
            "triples": int((per_neuron >= 3).sum()),
            "single_features": int((large.sum(axis=1) == 1).sum()),
            "fourth_power": float((size**4).sum(axis=1).mean()),
            "l1_norm": float(l1_norm),
            "l1_to_theory": float(l1_norm * (1 / l1_start + rate * params.lr * params.steps)),
            "alive": alive,
            "alive_to_theory": float(alive / l1_norm**2) if l1_norm > 0 else nan,
            "loss": float(((output - np.eye(len(w))) ** 2).sum()),
        }
    )


def _noise(params: Sequence[Params], seeds: Sequence[int]) -> Iterator[Noise]:
    """One vector a member and step, from the member's own stream."""
    sources = [stream(seed, "incidental", "noise", p.noise) for p, seed in zip(params, seeds, strict=True)]
    neurons = params[0].neurons
    steps = max(1, NOISE_BLOCK // neurons)
    to_unit_variance = {"uniform": sqrt(3)}
    scales = [np.float32(p.sigma * to_unit_variance.get(p.noise, 1.0)) for p in params]
    while True:
        drawn = [draw(p.noise, (steps, neurons), rng) for p, rng in zip(params, sources, strict=True)]
        yield from np.stack([scale * values for scale, values in zip(scales, drawn, strict=True)], axis=1)


EXPERIMENT = Experiment(params=Params, metrics=METRICS, run=run, batch_by=batch_by, batch_size=16, version="2")
"""Parameters and seeds of instances become counts of neurons that serve several features."""
