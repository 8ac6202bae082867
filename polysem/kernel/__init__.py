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

from polysem.kernel.build import INSTRUCTIONS, UnavailableError, available, library
from polysem.kernel.native import ACTIVATIONS, NOISE, Kernel
from polysem.task import Task

KNOWN_ANSWER = "ccced3f6af966f44"
"""``answer`` of every compiled kernel. Change the experiment's version when it changes."""


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
    if answer(kernel) != KNOWN_ANSWER:
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


def _shuffled(n: int) -> np.ndarray:
    return np.arange(n) * 7 % n
