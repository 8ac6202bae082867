"""Parameters and seeds of runs become their metrics: ensembles that fit the cache are trained one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from math import isfinite, nan

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polysem import data, draws, metrics, train
from polysem.activation import ACTIVATIONS
from polysem.draws import Start
from polysem.network import Network
from polysem.parameters import Parameters, padded
from polysem.sae.leaky_l1 import LeakyL1
from polysem.streams import stream
from polysem.toy import Params

CACHE_COLUMNS = 6_656
"""Members times samples a step of one ensemble: with more, its tensors leave the second-level cache."""

Values = dict[str, float]


def measure(params: Sequence[Params], seeds: Sequence[int], progress: Callable[[float], None]) -> Iterator[Values]:
    """The metrics of every run, in order; all ``params`` must agree in ``polysem.toy.SHARED_BY_A_BATCH``."""
    samples = padded(min(params[0].batch or params[0].n_train, params[0].n_train))
    size = max(1, CACHE_COLUMNS // samples)
    for start in range(0, len(params), size):
        members = slice(start, min(start + size, len(params)))

        def report(done: float, members: slice = members) -> None:
            progress((members.start + done * (members.stop - members.start)) / len(params))

        with train.reproducible():  # only while computing: a generator must not leave its caller in this setting
            values = _measure_ensemble(params[members], seeds[members], report)
        yield from values


def _measure_ensemble(params: Sequence[Params], seeds: Sequence[int], report: Callable[[float], None]) -> list[Values]:
    common = params[0]
    n, width = common.n_train, padded(common.n_train)
    on_step = _step_counter(common, report)
    starts = [draws.start(p, seed, _shapes(common)) for p, seed in zip(params, seeds, strict=True)]
    x, y = _data(params, starts)
    parameters = _trained_network(params, seeds, starts, torch.cat([x, y], dim=1)[:, :, :width], on_step)
    evaluated = Network(parameters, ACTIVATIONS[common.act], x.shape[2])
    output = evaluated.forward(x)
    raw = evaluated.hidden[:, :, :width]
    standardised = raw.clone()
    for member in standardised:
        member[:-1, :n] = metrics.standardise(member[:-1, :n].contiguous())
    trained_on = raw.contiguous() if common.sae_input == "raw" else standardised
    sae_parameters = _trained_sae(params, seeds, starts, trained_on, on_step)
    sae = LeakyL1(sae_parameters, width)
    reconstruction = sae.forward(standardised)
    decoders = sae_parameters.matrices[1]

    def measured(m: int) -> Values:
        importance = data.importance(params[m].importance, params[m].importance_rate)
        validation = slice(width, width + common.n_val)
        errors = {
            "train_mse": metrics.mse(output[m, :, :n], y[m, :, :n]),
            "val_mse": metrics.mse(output[m, :, validation], y[m, :, validation]),
        }
        weights = [matrix[m, :, :-1] for matrix in parameters.matrices]
        decoder = decoders[m].clone()
        if not (isfinite(errors["train_mse"]) and bool(decoder.isfinite().all())):
            return {**dict.fromkeys(metrics.OF_THE_SAE, nan), "sparsity_w4": metrics.sparsity_w4(weights), **errors}
        return {
            "macs": metrics.macs(decoder),
            "interference": metrics.interference(decoder, importance),
            "l0_sparsity": metrics.l0_sparsity(sae.latents[m, :, :n]),
            "sparsity_w4": metrics.sparsity_w4(weights),
            "sae_mse": metrics.mse(reconstruction[m, :, :n], standardised[m, :-1, :n]),
            **errors,
            "calibrated_macs": metrics.calibrated_macs(decoder, stream(seeds[m], "null")),
        }

    return [measured(m) for m in range(len(params))]


def _data(
    params: Sequence[Params], starts: Sequence[Start]
) -> tuple[Float[Tensor, "member in_and_one sample"], Float[Tensor, "member out sample"]]:
    """Features with a row of ones, and targets: training samples, padding, validation samples, padding."""
    common = params[0]
    first = padded(common.n_train)
    x = np.zeros((len(params), data.N_FEATURES + 1, first + padded(common.n_val)), dtype=np.float32)
    y = np.zeros((len(params), data.N_FEATURES, x.shape[2]), dtype=np.float32)
    x[:, -1] = 1
    for m, (p, start) in enumerate(zip(params, starts, strict=True)):
        targets = data.targets(start.features, data.importance(p.importance, p.importance_rate))
        for rows, values in ((x[m, :-1], start.features.T), (y[m], targets.T)):
            rows[:, : common.n_train] = values[:, : common.n_train]
            rows[:, first : first + common.n_val] = values[:, common.n_train :]
    return torch.from_numpy(x), torch.from_numpy(y)


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
    samples: Float[Tensor, "member in_and_one_and_out sample"],
    on_step: train.OnStep,
) -> Parameters:
    common = params[0]
    width = padded(min(common.batch or common.n_train, common.n_train))
    parameters = Parameters(len(params), _shapes(common))
    _fill(parameters, (start.weights for start in starts))
    noise = train.HiddenNoise(
        seeds,
        [{"bipolar": p.bipolar_noise, "positive_kurtosis": "student_t3"}.get(p.noise, p.noise) for p in params],
        [p.sigma for p in params],
        (common.hidden, width),
    )
    train.fit_network(
        Network(parameters, ACTIVATIONS[common.act], width),
        parameters,
        train.batches(samples, common.n_train, common.batch, common.epochs, [stream(seed, "order") for seed in seeds]),
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
        l1_share, l2_share = {
            "none": (0.0, 0.0),
            "l1": (1.0, 0.0),
            "l2": (0.0, 1.0),
            "elastic_net": (p.l1_ratio, 1 - p.l1_ratio),
        }[p.reg]
        for of_l1, of_l2 in zip(parameters.views(l1), parameters.views(l2), strict=True):
            of_l1[m, :, :-1] = l1_share * p.reg_lambda
            if p.l2_form == "penalty":
                of_l2[m, :, :-1] = 2 * l2_share * p.reg_lambda
            else:
                of_l2[m] = l2_share * p.reg_lambda
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
    width = padded(min(common.sae_batch or common.n_train, common.n_train))
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
        if taken % every == 0:
            report(taken / total)

    return on_step
