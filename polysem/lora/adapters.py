"""Layers of a model and prompts become low-rank adapters (LoRA), trained under a penalty whose strength is steered.

An adapter adds Delta W = B A to the weight of a linear map (Hu et al. 2021, arXiv 2106.09685; the scale alpha/r is 1).
Penalties: ``l1`` is lambda sum |Delta W| and ``l2`` lambda sum Delta W^2, entry by entry; ``nuclear`` is
lambda (|A|^2 + |B|^2)/2, whose least value over all factors of one Delta W is its nuclear norm (Srebro et al. 2004);
``l1_factors`` is lambda (sum |A| + sum |B|), which depends on the factors and not on Delta W alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import exp, isfinite, log, sqrt
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from polysem.lora import Params
from polysem.lora.model import INSTALL, States
from polysem.streams import stream

Factors = Sequence[tuple[Tensor, Tensor]]
"""A (rank, input) and B (output, rank) of every linear map that is adapted."""

GAINS = {"norm": (0.8, 12.0, 60.0), "loss": (0.5, 3.0, 0.0)}
"""How far log lambda follows what is missed: at each step, in all, and by its pace, as Adam answers ten steps late."""
INTEGRATED, ANSWERED = 0.1, 0.3
"""What is missed counts as no more than this in either."""
FASTEST = 0.3
"""No more than this is added to log lambda, or taken from it, at a step."""
BEGIN = 0.9
"""Share of its target that what is steered must reach before lambda moves: until then it would only run away."""
HELD = 0.2
"""Last share of the steps in which each step of Adam is followed by a projection to the norm that is the target."""
SMOOTHING = 0.9
"""Of the running mean of losses, which is what is steered by ``loss``."""
WARM_UP, COOL_DOWN = 0.03, 0.3
"""Shares of the steps in which the learning rate rises to its value, and falls to a tenth of it."""


@dataclass(frozen=True)
class Paths:
    """What was seen at every step."""

    loss: Float32[np.ndarray, " step"]
    norm: Float32[np.ndarray, " step"]
    strength: Float32[np.ndarray, " step"]
    """lambda."""


@dataclass
class Steering:
    """lambda, which follows how far what it lowers is above its target."""

    by: str
    strength: float
    _missed: list[float] = field(default_factory=list, init=False)
    """At the last two steps."""

    def follow(self, ratio: float) -> None:
        """One step of a proportional-integral-derivative control of log lambda by the log of ``ratio``, to become 1."""
        if not self._missed and ratio < BEGIN:
            return
        miss = min(max(log(ratio), -ANSWERED), ANSWERED)
        before, last = self._missed or (miss, miss)
        change, bend = miss - last, miss - 2 * last + before
        self._missed = [last, miss]
        integrated = min(max(miss, -INTEGRATED), INTEGRATED)
        step = sum(gain * part for gain, part in zip(GAINS[self.by], (integrated, change, bend), strict=True))
        self.strength *= exp(min(max(step, -FASTEST), FASTEST))


def attach(stage: Any, rank: int, rng: np.random.Generator) -> Factors:
    """Give every linear map of the stage's layers an adapter with B = 0 and A uniform within +-1/sqrt(inputs)."""
    try:
        from peft import LoraConfig, inject_adapter_in_model  # noqa: PLC0415  (optional)
    except ImportError as error:
        raise RuntimeError(f"Adapters need the package peft: {error}. {INSTALL}") from error
    linear = {name for name, part in stage.layers.named_modules() if isinstance(part, torch.nn.Linear)}
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=sorted({name.rpartition(".")[2] for name in linear}))
    inject_adapter_in_model(config, stage)
    factors = []
    for part in stage.layers.modules():
        if hasattr(part, "lora_A"):
            a, b = part.lora_A["default"].weight, part.lora_B["default"].weight
            bound = np.float32(1 / sqrt(a.shape[1]))
            drawn = rng.uniform(-1, 1, tuple(a.shape)).astype(np.float32)
            with torch.no_grad():
                a.copy_(torch.from_numpy(bound * drawn))
                b.zero_()
            factors.append((a, b))
    return factors


def draw_random(factors: Factors, norm: float, rng: np.random.Generator) -> None:
    """Gaussian factors, so that |Delta W| over all maps is ``norm``: a direction of change that nobody trained."""
    with torch.no_grad():
        for part in (part for pair in factors for part in pair):
            part.copy_(torch.from_numpy(rng.standard_normal(tuple(part.shape), dtype=np.float32)))
    scale_to(factors, norm)


def scale_to(factors: Factors, norm: float) -> None:
    """Multiply Delta W by the number that makes its norm this: the nearest change of that norm."""
    with torch.no_grad():
        scale = sqrt(norm / float(delta_norm(factors)))
        for part in (part for pair in factors for part in pair):
            part.mul_(scale)


def delta_norm(factors: Factors) -> Tensor:
    """Frobenius norm of all Delta W together, by |B A|^2 = sum (B'B) * (A A')."""
    return torch.stack([((b.T @ b) * (a @ a.T)).sum() for a, b in factors]).sum().sqrt()


def penalty(kind: str, factors: Factors) -> Tensor:
    """The penalty without its lambda."""
    of_one: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "none": lambda a, _: a.new_zeros(()),
        "l1": lambda a, b: (b @ a).abs().sum(),
        "l2": lambda a, b: ((b.T @ b) * (a @ a.T)).sum(),
        "nuclear": lambda a, b: (a.square().sum() + b.square().sum()) / 2,
        "l1_factors": lambda a, b: a.abs().sum() + b.abs().sum(),
    }
    return torch.stack([of_one[kind](a, b) for a, b in factors]).sum()


def train(
    p: Params,
    seed: int,
    logits: Callable[[Tensor, Tensor], Tensor],
    factors: Factors,
    states: States,
    ends: Int[np.ndarray, " prompt"],
    y: Int[np.ndarray, "prompt output"],
    on_step: Callable[[int], None],
) -> Paths:
    """Train by Adam on batches of prompts, in an order of the seed; ``on_step(step)`` after every one.

    ``logits(states, ends)`` are of shape (prompt, output, answer).
    """
    parameters = [part for pair in factors for part in pair]
    optimiser = torch.optim.Adam(parameters, lr=p.lr)
    order = _order(len(states), p, seed)
    steering = Steering(p.steer, p.reg_lambda)
    paths, smooth = np.full((3, p.steps), np.nan, dtype=np.float32), float("nan")
    for step, rows in enumerate(order):
        optimiser.param_groups[0]["lr"] = p.lr * _schedule(step, p.steps)
        answers = logits(torch.from_numpy(states[rows]), torch.from_numpy(ends[rows]))
        loss = torch.nn.functional.cross_entropy(answers.flatten(0, 1), torch.from_numpy(y[rows]).flatten())
        total = loss if p.penalty == "none" else loss + steering.strength * penalty(p.penalty, factors)
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if p.steers and p.steer == "norm" and step >= (1 - HELD) * p.steps:
            scale_to(factors, p.target)
        with torch.no_grad():
            of_step = float(loss), float(delta_norm(factors))
        paths[:, step] = *of_step, steering.strength if p.penalty != "none" else 0.0
        if not all(map(isfinite, of_step)):
            break
        smooth = of_step[0] if step == 0 else SMOOTHING * smooth + (1 - SMOOTHING) * of_step[0]
        if p.steers:
            steering.follow(of_step[1] / p.target if p.steer == "norm" else p.target / smooth)
        on_step(step + 1)
    return Paths(*paths)


def sparsity(factors: Factors) -> float:
    """Hoyer's sparsity (Hoyer 2004) over all entries of Delta W, mean over maps."""
    with torch.no_grad():
        return float(np.mean([hoyer((b @ a).numpy()) for a, b in factors]))


def hoyer(w: Float[np.ndarray, "..."]) -> float:
    """(sqrt N - |w|_1/|w|_2)/(sqrt N - 1) of N entries: 1 if only one is not 0, 0 if all are alike; NaN for zeros.

    >>> hoyer(np.array([0.0, 0.0, 0.0, 2.0])), hoyer(np.ones(4))
    (1.0, 0.0)
    """
    root, length = sqrt(w.size), float(np.sqrt(np.square(w, dtype=np.float64).sum()))
    return (root - float(np.abs(w).sum(dtype=np.float64)) / length) / (root - 1) if length > 0 else float("nan")


def effective_rank(factors: Factors) -> float:
    """Exp of the entropy of the singular values' shares, mean over maps (Roy & Vetterli 2007); NaN without any."""
    ranks = []
    with torch.no_grad():
        for a, b in factors:
            values = torch.linalg.svdvals(torch.linalg.qr(b.double()).R @ torch.linalg.qr(a.double().T).R.T)
            shares = (values / values.sum())[values > 0]
            ranks.append(float(torch.exp(-(shares * shares.log()).sum())) if len(shares) else float("nan"))
    return float(np.mean(ranks))


def _order(n: int, p: Params, seed: int) -> Int[np.ndarray, "step row"]:
    """Rows of every batch: the prompts in a new order each time they have all been shown."""
    rng, batches = stream(seed, "order", "lora"), max(1, n // p.batch)
    epochs = -(-p.steps // batches)
    rows = [rng.permutation(n)[: batches * p.batch].reshape(batches, -1) for _ in range(epochs)]
    return np.concatenate(rows)[: p.steps]


def _schedule(step: int, steps: int) -> float:
    """The learning rate as a share: linear up, constant, linear down to a tenth."""
    done = (step + 1) / steps
    return min(1.0, done / WARM_UP, max(0.1, (1 - done) / COOL_DOWN))
