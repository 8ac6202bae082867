"""Parameters and seeds of runs become what they measure: ensembles that fit the cache are trained in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polysem import data, draws, metrics, train
from polysem.activation import ACTIVATIONS
from polysem.draws import Start
from polysem.features.responses import responses
from polysem.network import Network
from polysem.noise import distribution
from polysem.parameters import Parameters, padded
from polysem.sae.leaky_l1 import LeakyL1
from polysem.streams import stream
from polysem.toy import Params

CACHE_COLUMNS = 6_656
"""Members times samples a step of one ensemble: with more, its tensors leave the second-level cache."""


@dataclass(frozen=True)
class Measured:
    """What is known of a trained run."""

    metrics: Mapping[str, float]
    arrays: Mapping[str, Float[np.ndarray, "..."]]
    """What ``polysem.features`` reads, in single precision; empty unless ``keep_arrays``."""


def measure(params: Sequence[Params], seeds: Sequence[int], progress: Callable[[float], None]) -> Iterator[Measured]:
    """What every run comes to, in order; all ``params`` must agree in ``polysem.toy.SHARED_BY_A_BATCH``."""
    size = max(1, CACHE_COLUMNS // train.batch_width(params[0].n_train, params[0].batch))
    for start in range(0, len(params), size):
        members = slice(start, min(start + size, len(params)))

        def report(done: float, members: slice = members) -> None:
            progress((members.start + done * (members.stop - members.start)) / len(params))

        with train.reproducible():  # only while computing: a generator must not leave its caller in this setting
            measured = _measure_ensemble(params[members], seeds[members], report)
        yield from measured


@dataclass(frozen=True)
class _Samples:
    """Every member's data: features with a row of ones, and targets; ``train`` and ``validation`` are their columns.

    Padding follows both, so that ``padded_train`` starts at 0 and has whole vector registers.
    """

    x: Float[Tensor, "member in_and_one sample"]
    y: Float[Tensor, "member out sample"]
    train: slice
    validation: slice
    padded_train: slice


def _measure_ensemble(
    params: Sequence[Params], seeds: Sequence[int], report: Callable[[float], None]
) -> list[Measured]:
    common = params[0]
    on_step = _step_counter(common, report)
    starts = [draws.start(p, seed, _shapes(common)) for p, seed in zip(params, seeds, strict=True)]
    samples = _samples(params, starts)
    parameters = _trained_network(params, seeds, starts, samples, on_step)
    network = Network(parameters, ACTIVATIONS[common.act], samples.x.shape[2])
    output = network.forward(samples.x)

    raw = network.hidden[:, :, samples.padded_train].contiguous()
    standardised = raw.clone()
    for member in standardised[:, :-1, samples.train]:
        member.copy_(metrics.standardise(member.contiguous()))
    trained_on = raw if common.sae_input == "raw" else standardised
    sae_parameters = _trained_sae(params, seeds, starts, trained_on, on_step)
    sae = LeakyL1(sae_parameters, standardised.shape[2])
    reconstruction = sae.forward(standardised)

    metrics_of = []
    for m, (p, seed) in enumerate(zip(params, seeds, strict=True)):
        decoder = sae.decoder[m].clone()
        scored = standardised[m, :-1, samples.train]
        metrics_of.append(
            {
                "macs": metrics.macs(decoder),
                "interference": metrics.interference(decoder, data.importance(p.importance, p.importance_rate)),
                "l0_sparsity": metrics.l0_sparsity(sae.latents[m, :, samples.train]),
                "sparsity_w4": metrics.sparsity_w4([matrix[m, :, :-1] for matrix in parameters.matrices]),
                "sae_mse": metrics.mse(reconstruction[m, :, samples.train], scored),
                "train_mse": metrics.mse(output[m, :, samples.train], samples.y[m, :, samples.train]),
                "val_mse": metrics.mse(output[m, :, samples.validation], samples.y[m, :, samples.validation]),
                "calibrated_macs": metrics.calibrated_macs(decoder, stream(seed, "null")),
            }
        )
    if any(p.keep_arrays for p in params):
        sae.forward(trained_on)
    return [
        Measured(values, _arrays(sae, samples, m) if p.keep_arrays else {})
        for m, (p, values) in enumerate(zip(params, metrics_of, strict=True))
    ]


def _arrays(sae: LeakyL1, samples: _Samples, member: int) -> dict[str, Float[np.ndarray, "..."]]:
    """One member's SAE, and what its latents respond to in the latest forward pass, over the training samples."""
    latents = sae.latents[member, :, samples.train].numpy()
    features = samples.x[member, :-1, samples.train].numpy()
    kept = {
        "encoder": sae.encoder[member].numpy(),
        "decoder": sae.decoder[member].numpy(),
        **asdict(responses(latents, features)),
    }
    return {name: array.astype(np.float32) for name, array in kept.items()}


def _samples(params: Sequence[Params], starts: Sequence[Start]) -> _Samples:
    n_train, n_val = params[0].n_train, params[0].n_val
    first = padded(n_train)
    x = np.zeros((len(params), data.N_FEATURES + 1, first + padded(n_val)), dtype=np.float32)
    y = np.zeros((len(params), data.N_FEATURES, x.shape[2]), dtype=np.float32)
    x[:, -1] = 1
    for m, (p, start) in enumerate(zip(params, starts, strict=True)):
        targets = data.targets(start.features, data.importance(p.importance, p.importance_rate))
        for rows, values in ((x[m, :-1], start.features.T), (y[m], targets.T)):
            rows[:, :n_train] = values[:, :n_train]
            rows[:, first : first + n_val] = values[:, n_train:]
    columns = slice(0, n_train), slice(first, first + n_val), slice(0, first)
    return _Samples(torch.from_numpy(x), torch.from_numpy(y), *columns)


def _shapes(common: Params) -> list[tuple[int, int]]:
    widths = [data.N_FEATURES, *[common.hidden] * (common.layers - 1), data.N_FEATURES]
    return [(out, fan_in + 1) for fan_in, out in pairwise(widths)]


def _fill(parameters: Parameters, drawn: Iterable[Sequence[Float[np.ndarray, "_ _"]]]) -> None:
    for m, matrices in enumerate(drawn):
        for matrix, values in zip(parameters.matrices, matrices, strict=True):
            matrix[m] = torch.from_numpy(values)


def _trained_network(
    params: Sequence[Params],
    seeds: Sequence[int],
    starts: Sequence[Start],
    samples: _Samples,
    on_step: train.OnStep,
) -> Parameters:
    common = params[0]
    width = train.batch_width(common.n_train, common.batch)
    parameters = Parameters(len(params), _shapes(common))
    _fill(parameters, (start.weights for start in starts))
    rows = torch.cat([samples.x, samples.y], dim=1)[:, :, samples.padded_train]
    orders = [stream(seed, "order") for seed in seeds]
    noise = train.HiddenNoise(
        seeds,
        [distribution(p.noise, p.bipolar_noise) for p in params],
        [p.sigma for p in params],
        (common.hidden, width),
    )
    train.fit_network(
        Network(parameters, ACTIVATIONS[common.act], width),
        parameters,
        train.batches(rows, common.n_train, common.batch, common.epochs, orders),
        noise,
        _decay(params, parameters),
        torch.tensor([[p.lr] for p in params]),
        on_step,
    )
    return parameters


def _decay(params: Sequence[Params], parameters: Parameters) -> train.Decay:
    """L1 on weights; L2 on weights as a penalty (gradient 2 lambda w), or on weights and biases as decay (lambda w)."""
    l1, l2 = torch.zeros_like(parameters.flat), torch.zeros_like(parameters.flat)
    for m, p in enumerate(params):
        if p.reg == "none":
            continue
        l1_share = {"l1": 1.0, "l2": 0.0, "elastic_net": p.l1_ratio}[p.reg]
        for of_l1, of_l2 in zip(parameters.views(l1), parameters.views(l2), strict=True):
            of_l1[m, :, :-1] = l1_share * p.reg_lambda
            if p.l2_form == "penalty":
                of_l2[m, :, :-1] = 2 * (1 - l1_share) * p.reg_lambda
            else:
                of_l2[m] = (1 - l1_share) * p.reg_lambda
    return train.Decay(l1, l2)


def _trained_sae(
    params: Sequence[Params],
    seeds: Sequence[int],
    starts: Sequence[Start],
    activations: Float[Tensor, "member hidden_and_one sample"],
    on_step: train.OnStep,
) -> Parameters:
    common = params[0]
    shapes = [(common.sae_width, common.hidden + 1), (common.hidden, common.sae_width)]
    parameters = Parameters(len(params), shapes)
    _fill(parameters, ((start.encoder, start.decoder) for start in starts))
    width = train.batch_width(common.n_train, common.sae_batch)
    orders = [stream(seed, "sae order") for seed in seeds]
    penalties = torch.tensor([[p.sae_lambda * (p.sae_l1 == form) for form in ("sum", "mean")] for p in params])
    summed, mean = penalties.T.reshape(2, -1, 1, 1)
    train.fit_sae(
        LeakyL1(parameters, width),
        parameters,
        train.batches(activations, common.n_train, common.sae_batch, common.sae_epochs, orders),
        (summed, mean),
        torch.tensor([[p.sae_lr] for p in params]),
        on_step,
        tied=common.sae_tied,
    )
    return parameters


def _step_counter(common: Params, report: Callable[[float], None]) -> train.OnStep:
    """A function to call after every optimiser step; reports about a hundred times in all."""
    total = sum(
        epochs * train.steps_per_epoch(common.n_train, batch)
        for epochs, batch in ((common.epochs, common.batch), (common.sae_epochs, common.sae_batch))
    )
    every, taken = max(1, total // 100), 0

    def on_step() -> None:
        nonlocal taken
        taken += 1
        if taken % every == 0 or taken == total:
            report(taken / total)

    return on_step
