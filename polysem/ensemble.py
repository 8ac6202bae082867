"""Parameters and seeds of runs become what they measure, by the kernel or, where there is none, by its reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Float32

from polysem import data, draws, kernel, metrics, philox
from polysem.draws import Start
from polysem.features.responses import responses
from polysem.kernel.native import Kernel
from polysem.noise import distribution
from polysem.streams import stream
from polysem.task import Matrices, Task
from polysem.toy import Params

CACHE_COLUMNS = 6_656
"""Members times samples a step that the reference trains at once: with more, they leave the second-level cache."""


@dataclass(frozen=True)
class Measured:
    """What is known of a trained run."""

    metrics: Mapping[str, float]
    arrays: Mapping[str, Float[np.ndarray, "..."]]
    """What ``polysem.features`` reads, in single precision; empty unless ``keep_arrays``."""


@dataclass(frozen=True)
class _Trainer:
    """What ``polysem.reference`` offers, of ensembles: the reference itself, or the kernel for one member."""

    train: Callable[..., Sequence[Matrices]]
    evaluate: Callable[..., Sequence[tuple[Float32[np.ndarray, "_ sample"], Float32[np.ndarray, "_ sample"]]]]


def measure(params: Sequence[Params], seeds: Sequence[int], progress: Callable[[float], None]) -> Iterator[Measured]:
    """What every run comes to, in order; all ``params`` must agree in ``polysem.toy.SHARED_BY_A_BATCH``."""
    compiled = kernel.choose().kernel
    if compiled:
        trainer, size = _one_by_one(compiled), 1
    else:
        from polysem import reference  # noqa: PLC0415  (torch takes seconds to import)

        trainer = _Trainer(reference.train, reference.evaluate)
        size = max(1, CACHE_COLUMNS // reference.batch_width(params[0].n_train, params[0].batch))
    for start in range(0, len(params), size):
        members = slice(start, min(start + size, len(params)))

        def report(done: float, members: slice = members) -> None:
            progress((members.start + done * (members.stop - members.start)) / len(params))

        with np.errstate(all="ignore"):  # a member that diverges is known by its metrics
            measured = _measure_ensemble(params[members], seeds[members], trainer, report)
        yield from measured


def _one_by_one(compiled: Kernel) -> _Trainer:
    return _Trainer(
        lambda starts, xs, ys, tasks, progress: [
            compiled.train(*member, progress) for member in zip(starts, xs, ys, tasks, strict=True)
        ],
        lambda matrices, xs, activation: [
            compiled.evaluate(*member, activation) for member in zip(matrices, xs, strict=True)
        ],
    )


@dataclass(frozen=True)
class Samples:
    """One member's data: ``n_train`` samples to train on, those without any feature last, then those to validate on."""

    x: Float32[np.ndarray, "feature sample"]
    y: Float32[np.ndarray, "target sample"]
    n_train: int


def _measure_ensemble(
    params: Sequence[Params], seeds: Sequence[int], trainer: _Trainer, report: Callable[[float], None]
) -> list[Measured]:
    common, members = params[0], list(zip(params, seeds, strict=True))
    on_steps = _step_counter(common, report)
    starts = [draws.start(p, seed, shapes(p)) for p, seed in members]
    samples = [samples_of(p, start) for p, start in zip(params, starts, strict=True)]
    trained = slice(0, common.n_train)

    networks = trainer.train(
        [start.weights for start in starts],
        [of.x[:, trained] for of in samples],
        [of.y[:, trained] for of in samples],
        [network_task(p, seed) for p, seed in members],
        on_steps,
    )
    evaluated = trainer.evaluate(networks, [of.x for of in samples], common.act)
    raw = [hidden[:, trained] for hidden, _ in evaluated]
    standardised = [metrics.standardise(hidden) for hidden in raw]
    trained_on = raw if common.sae_input == "raw" else standardised
    saes = trainer.train(
        [[start.encoder, _without_bias(start.decoder)] for start in starts],
        trained_on,
        trained_on,
        [_sae_task(p, seed) for p, seed in members],
        on_steps,
    )
    scored = trainer.evaluate(saes, standardised, "leaky_relu")
    on_own_input = scored if trained_on is standardised else trainer.evaluate(saes, trained_on, "leaky_relu")

    measured = []
    for m, (p, seed) in enumerate(members):
        decoder, (latents, reconstruction), (_, output) = saes[m][1][:, :-1], scored[m], evaluated[m]
        y, rest = samples[m].y, slice(p.n_train, None)
        values = {
            "macs": metrics.macs(decoder),
            "interference": metrics.interference(decoder, data.importance(p.importance, p.importance_rate)),
            "l0_sparsity": metrics.l0_sparsity(latents),
            "sparsity_w4": metrics.sparsity_w4([matrix[:, :-1] for matrix in networks[m]]),
            "sae_mse": metrics.mse(reconstruction, standardised[m]),
            "train_mse": metrics.mse(output[:, trained], y[:, trained]),
            "val_mse": metrics.mse(output[:, rest], y[:, rest]),
            "calibrated_macs": metrics.calibrated_macs(decoder, stream(seed, "null")),
        }
        arrays = _arrays(saes[m], on_own_input[m][0], samples[m].x[:, trained]) if p.keep_arrays else {}
        measured.append(Measured(values, arrays))
    return measured


def _arrays(
    sae: Matrices, latents: Float32[np.ndarray, "latent sample"], features: Float32[np.ndarray, "feature sample"]
) -> dict[str, Float32[np.ndarray, "..."]]:
    """One member's SAE, and what its latents respond to over the samples that it was trained on."""
    encoder, decoder = sae
    kept = {"encoder": encoder, "decoder": decoder[:, :-1], **asdict(responses(latents, features))}
    return {name: array.astype(np.float32) for name, array in kept.items()}


def samples_of(p: Params, start: Start) -> Samples:
    """The data of a run, in the order in which it is trained on."""
    x, y = start.features, data.targets(start.features, data.importance(p.importance, p.importance_rate))
    empty = np.logical_not(x[: p.n_train].any(axis=1))
    order = np.concatenate([np.argsort(empty, kind="stable"), np.arange(p.n_train, len(x))])
    return Samples(x[order].T.astype(np.float32), y[order].T.astype(np.float32), p.n_train)


def shapes(p: Params) -> list[tuple[int, int]]:
    """Of the network's matrices, with a column for biases."""
    widths = [data.N_FEATURES, *[p.hidden] * (p.layers - 1), data.N_FEATURES]
    return [(out, fan_in + 1) for fan_in, out in pairwise(widths)]


def _without_bias(matrix: Float[np.ndarray, "out in"]) -> Float[np.ndarray, "out in_and_one"]:
    """The matrix with a column of zeros for biases."""
    return np.pad(matrix, ((0, 0), (0, 1)))


def network_task(p: Params, seed: int) -> Task:
    """Mean squared error over samples and targets, the penalties on parameters, and the noise."""
    kind = distribution(p.noise, p.bipolar_noise)
    l1, l2 = _decay(p)
    return Task(
        p.act,
        p.lr,
        p.epochs,
        error=2 / data.N_FEATURES,
        batch=p.batch,
        order=stream(seed, "order").permutation,
        noise=kind,
        sigma=p.sigma,
        key=philox.key(seed, kind),
        l1=l1,
        l2=l2,
    )


def _decay(p: Params) -> tuple[Matrices, Matrices]:
    """L1 on weights; L2 on weights as a penalty (gradient 2 lambda w), or on weights and biases as decay (lambda w)."""
    l1_share = {"none": 0.0, "l1": 1.0, "l2": 0.0, "elastic_net": p.l1_ratio}[p.reg]
    l2_share = 0.0 if p.reg == "none" else 1 - l1_share
    weights = [_without_bias(np.ones((out, columns - 1))) for out, columns in shapes(p)]
    l1 = [l1_share * p.reg_lambda * ones for ones in weights]
    if p.l2_form == "penalty":
        return l1, [2 * l2_share * p.reg_lambda * ones for ones in weights]
    return l1, [np.full_like(ones, l2_share * p.reg_lambda) for ones in weights]


def _sae_task(p: Params, seed: int) -> Task:
    """Mean squared error over samples and units, and the penalty on latents."""
    return Task(
        "leaky_relu",
        p.sae_lr,
        p.sae_epochs,
        error=2 / p.hidden,
        batch=p.sae_batch,
        order=stream(seed, "sae order").permutation,
        sparsity_sum=p.sae_lambda * (p.sae_l1 == "sum"),
        sparsity_mean=p.sae_lambda * (p.sae_l1 == "mean"),
        output_bias=False,
        tied=p.sae_tied,
    )


def _step_counter(common: Params, report: Callable[[float], None]) -> Callable[[int], None]:
    """A function to call with the optimiser steps just taken; reports about a hundred times in all."""
    total = sum(
        epochs * (-(-common.n_train // batch) if batch else 1)
        for epochs, batch in ((common.epochs, common.batch), (common.sae_epochs, common.sae_batch))
    )
    taken = 0

    def on_steps(n: int) -> None:
        nonlocal taken
        before, taken = taken, taken + n
        if before * 100 // total != taken * 100 // total:
            report(taken / total)

    return on_steps
