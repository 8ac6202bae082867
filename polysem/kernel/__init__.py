"""The compiled training loop: which one this process uses, if it can use any, and why not."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from polysem.kernel.autoencoders import VARIANTS, VECTORS, Settings
from polysem.kernel.build import INSTRUCTIONS, UnavailableError, available, library
from polysem.kernel.native import ACTIVATIONS, NOISE, Kernel
from polysem.task import Task

KNOWN_ANSWER = "ccced3f6af966f44"
"""``answer`` of every compiled kernel. Change the experiment's version when it changes."""

KNOWN_AUTOENCODERS = "0a7f72cae1442a43"
"""``autoencoders_answer`` of every compiled kernel."""


@dataclass(frozen=True)
class Choice:
    """The kernel of this process, or why there is none."""

    kernel: Kernel | None
    instructions: str = ""
    why_not: str = ""


@lru_cache(maxsize=1)
def choose() -> Choice:
    """Load the kernel for the best instructions that this CPU has, compiling it if need be.

    ``POLYSEM_KERNEL`` may name the instructions (``avx2``, ``avx512``, ``neon``), or be ``off``.
    """
    choice = _choose(os.environ.get("POLYSEM_KERNEL", ""))
    if choice.why_not and multiprocessing.parent_process() is None:  # workers would say it again
        logging.getLogger("polysem").warning(
            "polysem trains by numpy and torch, several times slower than by its compiled kernel: %s.",
            choice.why_not,
        )
    return choice


def _choose(wish: str) -> Choice:
    if wish == "off":
        return Choice(None, why_not="POLYSEM_KERNEL is off")
    names = [name for name in available() if wish in {"", name}]
    if not names:
        return Choice(None, why_not=f"this CPU has none of {wish or ', '.join(INSTRUCTIONS)}")
    try:
        kernel = Kernel(library(names[0]))
    except (UnavailableError, OSError) as error:
        return Choice(None, why_not=str(error))
    if (answer(kernel), autoencoders_answer(kernel)) != (KNOWN_ANSWER, KNOWN_AUTOENCODERS):
        return Choice(None, why_not="what was compiled does not give the bits that it must give")
    return Choice(kernel, names[0])


def answer(kernel: Kernel) -> str:
    """A hash of small trainings that use every part of the kernel, in shapes that do and do not fit its tiles."""
    n = 300
    spread = np.modf(np.outer(np.arange(1, 40), np.arange(1, n + 1)) * 0.6180339887498949)[0] - 0.5
    x = np.where(np.arange(n) < n // 2, np.maximum(spread[:6], 0), 0.0)
    y, digest = spread[6:11] * x[:1], hashlib.sha256()

    def trained(widths: list[int], inputs: np.ndarray, targets: np.ndarray, task: Task) -> None:
        start = [spread[i : i + out, : fan_in + 1] for i, (fan_in, out) in enumerate(pairwise(widths))]
        matrices = kernel.train(start, inputs, targets, task)
        for array in (*matrices, *kernel.evaluate(matrices, inputs, task.activation)):
            digest.update(array.astype("<f4").tobytes())

    for activation in ACTIVATIONS:
        for noise in NOISE:
            decay = [np.full((9, 7), 1e-3), np.full((9, 10), 1e-3), np.full((5, 10), 1e-3)]
            task = Task(activation, 0.01, 3, 0.4, noise=noise, sigma=0.1, key=(1, 2), l1=decay, l2=decay)
            trained([6, 9, 9, 5], x, y, task)
    batches = Task("gelu", 0.01, 2, 0.4, batch=70, order=_shuffled, noise="laplace", sigma=0.1, key=(3, 4))
    trained([6, 16, 5], x, y, batches)
    plain = Task("leaky_relu", 0.01, 3, 0.4, sparsity_sum=1e-3, sparsity_mean=1e-2, output_bias=False)
    centred = replace(plain, output_bias=True, centred=True)
    for task in (replace(plain, tied=True), replace(plain, unit_columns=True), centred):
        trained([6, 11, 6], x, x, task)
    return digest.hexdigest()[:16]


def autoencoders_answer(kernel: Kernel) -> str:
    """A hash of small trainings of every variant of sparse autoencoder, whole and with a part frozen or penalised."""
    spread = np.modf(np.outer(np.arange(1, 90), np.arange(1, 31)) * 0.6180339887498949)[0] - 0.5
    x, digest = np.maximum(spread[:70, :6], 0) @ spread[:6, :18], hashlib.sha256()
    start = {"encoder": spread[:21, :18], "decoder": spread[:18, :21], "bias": spread[0, :18] / 10}
    start |= {name: spread[k, :21] / 10 for k, name in enumerate(sorted({*VECTORS["gated"], *VECTORS["jumprelu"]}))}
    for variant in VARIANTS:
        for settings in (
            Settings(variant, prefixes=[21], k=2.5, penalty=0.1, leak=0.01, bandwidth=0.5, batch=32, rate=0.01),
            Settings(variant, prefixes=[2, 9, 21], k=6.0, aux=0.1, l1=1e-3, l2=1e-3, dead_after=1, still=["decoder"]),
        ):
            weights, threshold = kernel.autoencoders.train(settings, start, x, 3, _shuffled)
            applied = kernel.autoencoders.encode(settings, weights, x, threshold)
            for array in (*weights.values(), np.float32(threshold), *applied):
                digest.update(np.ascontiguousarray(array).astype("<f4").tobytes())
    return digest.hexdigest()[:16]


def _shuffled(n: int) -> np.ndarray:
    return np.arange(n) * 7 % n
