"""Sparse features in fewer dimensions become a geometry: toy models of superposition.

Elhage et al. 2022, arXiv 2209.10652. The model is x' = ReLU(W^T W x + b), W in R^(m x n), trained on x_i ~ U[0, 1] with
probability 1 - S and 0 otherwise, by the loss sum_i I_i (x_i - x'_i)^2. A single training often stops in a worse
minimum, so a run trains several instances and keeps the one of the lowest loss.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from math import cos, nan, pi, sqrt
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import ndtr

from bench.experiment import Experiment, Job, Metric, Outcome, Progress
from polysem.fields import Count, NonNegative, Positive
from polysem.noise import draw
from polysem.optimisers import mover, per_member
from polysem.streams import stream

Weights = Float[np.ndarray, "member hidden feature"]
Biases = Float[np.ndarray, "member feature 1"]
Samples = Float[np.ndarray, "member feature sample"]
Entries = Float[np.ndarray, "*member feature sample"]
Slopes = Float[np.ndarray, "*member feature sample"] | Bool[np.ndarray, "*member feature sample"]

STICKY = (1.0, 3 / 4, 2 / 3, 1 / 2, 2 / 5, 3 / 8)
"""Dimensionalities of regular geometries: a dimension of one's own, tetrahedron, triangle, antipodal pair, pentagon,
square antiprism."""

CHUNK = 200_000
"""Entries of a batch of samples that are trained on together at most (one member at least)."""

N_TEST = 16_384
"""Samples, drawn apart from the training's, on which instances are compared and losses reported."""


class Params(BaseModel):
    """One run. The defaults are the paper's five features in two dimensions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: Annotated[int, Field(ge=2)] = 5
    hidden: Count = 2
    sparsity: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """S: the probability that a feature is 0."""
    importance: Positive = 0.9
    """I_i = importance^i; for two features, the relative importance of the second."""

    init: Literal["random", "orthogonal"] = "random"
    """Xavier's normal weights, or rows or columns of a random orthogonal matrix."""
    act: Literal["relu", "gelu"] = "relu"
    """Of the output."""
    reg: Literal["none", "l1", "l2"] = "none"
    reg_lambda: NonNegative = 1e-4
    """lambda sum |W|, or lambda sum W^2, added to the loss."""
    noise: Literal["none", "rademacher", "gaussian", "laplace", "student_t3"] = "none"
    """Of the hidden layer while training, drawn for every sample."""
    sigma: NonNegative = 0.1

    batch: Count = 1024
    steps: Count = 10_000
    lr: Positive = 1e-3
    """Of AdamW without decay, falling to 0 along a cosine."""
    instances: Count = 8
    """Trainings of which the one of the lowest loss is measured."""


METRICS = (
    Metric("loss", "Loss", better="lower", scale="log", note="Of the best instance, on samples drawn apart."),
    Metric("represented", "Features represented", unit="features", note="Those with |W_i|² of at least one half."),
    Metric("dimensions_per_feature", "m / ‖W‖²", note="Plateaus at 1 (dedicated) and ½ (antipodal pairs)."),
    Metric("dimensionality_sum", "Σ D_i", note="D_i = |W_i|² / Σ_j (Ŵ_i·W_j)², at most m in all."),
    Metric("dimensionality", "Mean D of represented features"),
    Metric("sticky_distance", "Mean distance of D from 1, ¾, ⅔, ½, ⅖, ⅜"),
    Metric("mean_abs_cos", "Mean |cos| between features", better="lower", note="Over represented features."),
    Metric(
        "interference_free",
        "Interference",
        better="lower",
        note="Sum over pairs of represented features of I_i I_j cos²: of the features themselves, without an SAE.",
    ),
    Metric("antipodal_pairs", "Antipodal pairs", unit="pairs", note="Each other's nearest, cosine below −0.98."),
    Metric("smallest_gap", "Smallest gap between directions", unit="degrees", note="In two dimensions only."),
    Metric("largest_gap", "Largest gap between directions", unit="degrees", note="In two dimensions only."),
    Metric("last_norm", "|W| of the last feature"),
    Metric(
        "last_overlap", "Σ (Ŵ·W_j)² of the last feature", note="Over the others; 0 where it has a dimension to itself."
    ),
    Metric("absent", "Last feature not represented", note="0 or 1."),
    Metric("dedicated", "Last feature alone in its dimension", note="0 or 1."),
    Metric("superposed", "Last feature shares its dimension", note="0 or 1."),
)

SHARED_BY_A_BATCH = ("features", "hidden", "act", "batch", "steps", "instances")


def batch_by(params: Params) -> Hashable:
    """Runs of one shape, length and output, with noise or without, are trained together."""
    return (*(getattr(params, name) for name in SHARED_BY_A_BATCH), params.noise == "none")


@dataclass(frozen=True)
class Trained:
    """The best instance of a run, and the losses of all instances."""

    weights: Float[np.ndarray, "hidden feature"]
    bias: Float[np.ndarray, " feature"]
    losses: Float[np.ndarray, " instance"]


def run(jobs: Sequence[Job], progress: Progress) -> Iterator[Outcome]:
    """Train the instances of every job and measure the best; all jobs must agree in ``batch_by``."""
    common: Params = jobs[0].params
    size = max(1, CHUNK // (common.features * common.batch * common.instances))
    for first in range(0, len(jobs), size):
        chunk = jobs[first : first + size]

        def on_step(fraction: float, done: int = first, members: int = len(chunk)) -> None:
            progress((done + members * fraction) / len(jobs))

        with np.errstate(all="ignore"):  # an instance that diverges is known by its loss; its companions go on
            best = train([job.params for job in chunk], [job.seed for job in chunk], on_step)
            yield from (measure(job.params, trained) for job, trained in zip(chunk, best, strict=True))


def train(params: Sequence[Params], seeds: Sequence[int], on_step: Callable[[float], None]) -> list[Trained]:
    """Train the instances of every member on fresh samples at every step; keep the best on samples drawn apart."""
    common = params[0]
    members = [(p, seed, k) for p, seed in zip(params, seeds, strict=True) for k in range(common.instances)]
    of = [p for p, _, _ in members]
    w = np.stack([initial_weights(p, stream(seed, "superposition", "weights", str(k))) for p, seed, k in members])
    b = np.zeros((len(members), common.features, 1), dtype=np.float32)
    rate, none = per_member([p.lr for p in of]), per_member([0.0] * len(of))
    l1, l2 = (per_member([p.reg_lambda * (p.reg == kind) for p in of]) for kind in ("l1", "l2"))
    moves = [mover("adamw", parameter, rate, none) for parameter in (w, b)]
    sources = [stream(seed, "superposition", "samples", str(k)) for _, seed, k in members]
    noises = [stream(seed, "superposition", "noise", p.noise, str(k)) for p, seed, k in members]
    scale = np.float32(2 / common.batch) * np.stack([importance(p) for p in of])[:, :, None]
    every = max(1, common.steps // 100)
    for step in range(common.steps):
        x = samples(of, common.batch, sources)
        noise = None
        if common.noise != "none":
            shape = (common.hidden, common.batch)
            noise = np.stack(
                [np.float32(p.sigma) * draw(p.noise, shape, rng) for p, rng in zip(of, noises, strict=True)]
            )
        of_w, of_b = loss_gradient(w, b, x, scale, common.act, noise)
        if l1.any():
            of_w += l1 * np.sign(w)
        if l2.any():
            of_w += (2 * l2) * w
        cooled = (1 + cos(pi * step / common.steps)) / 2
        for move, gradient in zip(moves, (of_w, of_b), strict=True):
            move(gradient, cooled)
        if (step + 1) % every == 0:
            on_step((step + 1) / common.steps)
    losses = np.array(
        [
            held_out_loss(p, w[k], b[k], samples([p], N_TEST, [stream(seed, "superposition", "test")])[0])
            for k, (p, seed, _) in enumerate(members)
        ]
    ).reshape(len(params), common.instances)
    best = np.where(np.isnan(losses), np.inf, losses).argmin(axis=1) + np.arange(len(params)) * common.instances
    return [Trained(w[k], b[k, :, 0], found) for k, found in zip(best, losses, strict=True)]


def initial_weights(params: Params, rng: np.random.Generator) -> Float[np.ndarray, "hidden feature"]:
    """Xavier's normal weights, of standard deviation sqrt(2/(m + n)), or an orthogonal matrix's first m rows of n."""
    m, n = params.hidden, params.features
    normal = rng.standard_normal((m, n))
    if params.init == "random":
        return (normal * sqrt(2 / (m + n))).astype(np.float32)
    q, r = np.linalg.qr(normal.T if m <= n else normal)
    q *= np.sign(np.diag(r))
    return np.ascontiguousarray(q.T if m <= n else q, dtype=np.float32)


def importance(params: Params) -> Float[np.ndarray, " feature"]:
    """I_i = importance^i."""
    return (params.importance ** np.arange(params.features)).astype(np.float32)


def samples(params: Sequence[Params], count: int, sources: Sequence[np.random.Generator]) -> Samples:
    """U[0, 1] with probability 1 - S, else 0, from one uniform draw an entry: max(0, (u - S)/(1 - S))."""
    x = np.empty((len(params), params[0].features, count), dtype=np.float32)
    for own, rng in zip(x, sources, strict=True):
        rng.random(out=own, dtype=np.float32)
    x -= per_member([p.sparsity for p in params])
    x *= per_member([1 / (1 - p.sparsity) for p in params])
    return np.maximum(x, 0, out=x)


def loss_gradient(
    w: Weights, b: Biases, x: Samples, scale: Biases, act: str, noise: Float[np.ndarray, "member hidden sample"] | None
) -> tuple[Weights, Biases]:
    """Gradients with respect to W and b; ``scale`` is 2 I_i over the number of samples."""
    hidden = np.matmul(w, x)
    if noise is not None:
        hidden += noise
    z = np.matmul(w.transpose(0, 2, 1), hidden)
    z += b
    value, slope = _OUTPUT[act](z)
    value -= x
    value *= slope
    value *= scale
    through_encoder = np.matmul(np.matmul(w, value), x.transpose(0, 2, 1))
    return np.matmul(hidden, value.transpose(0, 2, 1)) + through_encoder, value.sum(axis=2, keepdims=True)


def held_out_loss(
    params: Params,
    w: Float[np.ndarray, "hidden feature"],
    b: Float[np.ndarray, "feature 1"],
    x: Float[np.ndarray, "feature sample"],
) -> float:
    """Mean over samples of sum_i I_i (x_i - x'_i)^2, without noise and penalty."""
    output, _ = _OUTPUT[params.act](w.T @ (w @ x) + b)
    return float((importance(params) @ np.square(output - x, dtype=np.float64)).mean())


def dimensionality(w: Float[np.ndarray, "hidden feature"]) -> Float[np.ndarray, " feature"]:
    """D_i = |W_i|^2 / sum_j (W_i/|W_i| . W_j)^2, NaN for a direction of length 0; their sum is at most m."""
    gram = w.T @ w
    squares = np.diag(gram)
    with np.errstate(invalid="ignore", divide="ignore"):
        d: np.ndarray = squares**2 / np.square(gram).sum(axis=1)
    return d


def measure(params: Params, trained: Trained) -> Outcome:
    """The metrics of the best instance; what cannot be computed is NaN, with the reason."""
    w = trained.weights.astype(np.float64)
    names = [metric.name for metric in METRICS]
    if not np.isfinite(trained.losses).any():
        why = "the loss of every instance is no longer finite"
        return Outcome(dict.fromkeys(names, nan), diverged=why, notes=dict.fromkeys(names, why))
    norms = np.linalg.norm(w, axis=0)
    is_represented = norms**2 >= 0.5
    d = dimensionality(w)
    kept, count = d[is_represented], int(is_represented.sum())
    directions = w[:, is_represented] / norms[is_represented]
    gaps = angular_gaps(directions) if params.hidden == 2 and count > 1 else None
    c, weight = np.triu(directions.T @ directions, 1), importance(params)[is_represented].astype(np.float64)
    last = w[:, -1] / norms[-1] if norms[-1] > 0 else w[:, -1]
    overlap = float(np.square(last @ w[:, :-1]).sum())
    values = {
        "loss": float(np.nanmin(trained.losses)),
        "represented": count,
        "dimensions_per_feature": params.hidden / float(np.square(w).sum()),
        "dimensionality_sum": float(np.nansum(d)),
        "dimensionality": float(kept.mean()) if count else nan,
        "sticky_distance": float(np.abs(kept[:, None] - STICKY).min(axis=1).mean()) if count else nan,
        "mean_abs_cos": float(np.abs(c).sum() / (count * (count - 1) / 2)) if count > 1 else nan,
        "interference_free": float(weight @ c**2 @ weight),
        "antipodal_pairs": antipodal_pairs(directions),
        "smallest_gap": float(gaps.min()) if gaps is not None else nan,
        "largest_gap": float(gaps.max()) if gaps is not None else nan,
        "last_norm": float(norms[-1]),
        "last_overlap": overlap,
        "absent": float(not is_represented[-1]),
        "dedicated": float(is_represented[-1] and overlap < 0.5),
        "superposed": float(is_represented[-1] and overlap >= 0.5),
    }
    notes = {name: "no feature is represented" for name in ("dimensionality", "sticky_distance") if not count}
    if count < 2:
        notes["mean_abs_cos"] = "fewer than two features are represented"
    if gaps is None:
        why = (
            "fewer than two features are represented"
            if params.hidden == 2
            else "the hidden layer has not two dimensions"
        )
        notes |= dict.fromkeys(("smallest_gap", "largest_gap"), why)
    arrays = {"weights": trained.weights, "bias": trained.bias, "losses": trained.losses}
    return Outcome(values, notes=notes, arrays=arrays)


def angular_gaps(directions: Float[np.ndarray, "2 feature"]) -> Float[np.ndarray, " feature"]:
    """Angles between neighbouring directions of the plane in degrees, in order; they add up to 360."""
    angles = np.sort(np.degrees(np.arctan2(directions[1], directions[0])))
    return np.diff(angles, append=angles[0] + 360)


def antipodal_pairs(directions: Float[np.ndarray, "hidden feature"]) -> int:
    """Pairs of unit vectors that are each other's most opposite, with a cosine below -0.98."""
    if directions.shape[1] < 2:
        return 0
    cosines = directions.T @ directions
    opposite = cosines.argmin(axis=1)
    own = np.arange(len(opposite))
    mutual = (opposite[opposite] == own) & (cosines[own, opposite] < -0.98)
    return int(mutual.sum()) // 2


def _relu(z: Entries) -> tuple[Entries, Slopes]:
    is_open: np.ndarray = z > 0
    return np.maximum(z, 0, out=z), is_open


def _gelu(z: Entries) -> tuple[Entries, Entries]:
    phi, density = ndtr(z), np.exp(-0.5 * z * z) * np.float32(1 / sqrt(2 * pi))
    return z * phi, phi + z * density


_OUTPUT: dict[str, Callable[[Entries], tuple[Entries, Slopes]]] = {"relu": _relu, "gelu": _gelu}

EXPERIMENT = Experiment(params=Params, metrics=METRICS, run=run, batch_by=batch_by, batch_size=16, version="3")
"""Parameters and seeds of runs become the geometry of the best of several toy models."""
