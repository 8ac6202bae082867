"""Parameters and seeds of runs become what they measure, by the kernel or, where there is none, by its reference."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isfinite

import numpy as np
from jaxtyping import Float, Float32

from polysem import data, draws, exact, kernel, measures, metrics, philox, recovery
from polysem.draws import Start
from polysem.features.responses import responses
from polysem.fields import BY_K
from polysem.kernel.native import Kernel
from polysem.recovery import Features, Hidden
from polysem.sae.training import train
from polysem.streams import stream
from polysem.task import Matrices, Task
from polysem.toy import Params

CACHE_COLUMNS = 6_656
"""Members times samples a step that the reference trains at once: with more, they leave the second-level cache."""

Layers = tuple[Float32[np.ndarray, "_ sample"], Float32[np.ndarray, "_ sample"]]
"""Of a model evaluated: its last hidden layer and its output."""


@dataclass(frozen=True)
class Measured:
    """What is known of a trained run."""

    metrics: Mapping[str, float]
    notes: Mapping[str, str]
    """Metric -> why it is NaN."""
    arrays: Mapping[str, Float[np.ndarray, "..."]]
    """What ``polysem.features`` reads, in single precision; empty unless ``keep_arrays``."""


@dataclass(frozen=True)
class _Trainer:
    """What ``polysem.reference`` offers, of ensembles: the reference itself, or the kernel for one member."""

    train: Callable[..., Sequence[Matrices]]
    evaluate: Callable[..., Sequence[Layers]]


def measure(
    params: Sequence[Params], seeds: Sequence[int], progress: Callable[[float], None], *, complete: bool = True
) -> Iterator[Measured]:
    """What every run comes to, in order; all ``params`` must agree in ``polysem.toy.SHARED_BY_A_BATCH``.

    The post's metrics only, unless ``complete``, and for a run of which one of them is not finite.
    """
    trainer, size = _trainer(params[0])
    for start in range(0, len(params), size):
        members = slice(start, min(start + size, len(params)))

        def report(done: float, members: slice = members) -> None:
            progress((members.start + done * (members.stop - members.start)) / len(params))

        with np.errstate(all="ignore"):  # a member that diverges is known by its metrics
            runs = _train(params[members], seeds[members], trainer, report, complete=complete)
            measured = [_measure(run, complete=complete) for run in runs]
        yield from measured


def train_network(p: Params, seed: int) -> dict[str, float]:
    """``mean_weight_norm``, ``train_mse`` and ``val_mse`` of a run, without its autoencoder."""
    trainer, _ = _trainer(p)
    ((samples,), (network,)) = _train_networks(trainer, [(p, seed)], [draws.start(p, seed, shapes(p))])
    ((_, output),) = trainer.evaluate([network], [samples.x], p.act)
    norms = [float(np.linalg.norm(matrix[:, :-1])) for matrix in network]
    return {"mean_weight_norm": float(np.mean(norms)), **_errors(samples, output)}


def train_autoencoder(p: Params, seed: int) -> dict[str, float]:
    """``l0_count`` of a run, without its other metrics."""
    trainer, _ = _trainer(p)
    with np.errstate(all="ignore"):
        (run,) = _train([p], [seed], trainer, lambda _: None, complete=False)
    latents = np.stack([sae.own[0][:, p.n_train :] for sae in run.saes])
    return {"l0_count": float((latents > 0).sum(axis=1).mean())}


def _trainer(p: Params) -> tuple[_Trainer, int]:
    """What trains, and how many members at once."""
    compiled = kernel.choose().kernel
    if compiled:
        return _one_by_one(compiled), 1
    from polysem import reference  # noqa: PLC0415  (torch takes seconds to import)

    size = max(1, CACHE_COLUMNS // reference.batch_width(p.n_train, p.batch))
    return _Trainer(reference.train, reference.evaluate), size


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
    """One member's data: ``n_train`` samples to train on, those without any feature last, then those held out."""

    x: Float32[np.ndarray, "feature sample"]
    y: Float32[np.ndarray, "target sample"]
    n_train: int


@dataclass(frozen=True)
class _Autoencoder:
    """One autoencoder, and what it makes of all samples: of standardised activations, and of its own input."""

    encoder: Float32[np.ndarray, "latent hidden_and_one"]
    decoder: Float32[np.ndarray, "hidden latent"]
    scored: Layers
    own: Layers


@dataclass(frozen=True)
class _Run:
    """One member: its network and what that makes of all samples, and its autoencoders."""

    params: Params
    seed: int
    samples: Samples
    network: Matrices
    layers: Layers
    scale: metrics.Scale
    """Of the hidden layer over the training samples."""
    standardised: Float32[np.ndarray, "hidden sample"]
    saes: Sequence[_Autoencoder]
    shuffled: _Autoencoder | None
    hidden: Callable[[Features], Hidden]
    """Rows of features -> rows of the hidden layer."""


def _train(
    params: Sequence[Params],
    seeds: Sequence[int],
    trainer: _Trainer,
    report: Callable[[float], None],
    *,
    complete: bool,
) -> list[_Run]:
    common, members = params[0], list(zip(params, seeds, strict=True))
    on_steps = _step_counter(common, report, complete=complete)
    starts = [draws.start(p, seed, shapes(p)) for p, seed in members]
    samples, networks = _train_networks(trainer, members, starts, on_steps)
    trained = slice(0, common.n_train)
    layers = trainer.evaluate(networks, [of.x for of in samples], common.act)
    hidden = [of for of, _ in layers]
    scales = [metrics.scale(of[:, trained]) for of in hidden]
    standardised = [metrics.standardise(*of) for of in zip(hidden, scales, strict=True)]
    inputs = hidden if common.sae_input == "raw" else standardised

    def autoencoders(inputs: Sequence[Float32[np.ndarray, "hidden sample"]], repeat: int = 0) -> list[_Autoencoder]:
        rows = [of[:, trained] for of in inputs]
        begin = [_sae_start(*of, repeat) for of in zip(params, seeds, starts, strict=True)]
        if common.as_variant:
            return _variants(members, begin, rows, inputs, standardised, repeat, on_steps)
        tasks = [sae_task(p, seed, repeat) for p, seed in members]
        trained_saes = trainer.train(begin, rows, rows, tasks, on_steps)
        saes = [_without_shared_bias(*of) for of in zip(tasks, trained_saes, strict=True)]
        scored = trainer.evaluate(saes, standardised, tasks[0].activation)
        own = scored if inputs is standardised else trainer.evaluate(saes, inputs, tasks[0].activation)
        return [
            _Autoencoder(encoder, decoder[:, :-1], *of)
            for (encoder, decoder), *of in zip(saes, scored, own, strict=True)
        ]

    saes = list(zip(*(autoencoders(inputs, repeat) for repeat in range(common.sae_repeats)), strict=True))
    shuffled: Sequence[_Autoencoder | None] = [None] * len(members)
    if complete and common.shuffled_null:
        shuffled = autoencoders([_shuffled(of, seed) for of, (_, seed) in zip(inputs, members, strict=True)])
    hiddens = [_hidden_layer(trainer, network, common.act) for network in networks]
    columns = (params, seeds, samples, networks, layers, scales, standardised, saes, shuffled, hiddens)
    return [_Run(*of) for of in zip(*columns, strict=True)]


def _train_networks(
    trainer: _Trainer,
    members: Sequence[tuple[Params, int]],
    starts: Sequence[Start],
    on_steps: Callable[[int], None] = lambda _steps: None,
) -> tuple[list[Samples], Sequence[Matrices]]:
    samples = [samples_of(p, start) for (p, _), start in zip(members, starts, strict=True)]
    known = [_NETWORKS.get(_network_key(*member)) for member in members]
    if all(known):
        on_steps(_steps(members[0][0].n_train, members[0][0].epochs, members[0][0].batch))
        return samples, [network for network in known if network]
    trained = slice(0, samples[0].n_train)
    networks = trainer.train(
        [start.weights for start in starts],
        [of.x[:, trained] for of in samples],
        [of.y[:, trained] for of in samples],
        [network_task(p, seed) for p, seed in members],
        on_steps,
    )
    for member, network in zip(members, networks, strict=True):
        if len(_NETWORKS) >= MOST_NETWORKS:
            _NETWORKS.pop(next(iter(_NETWORKS)))
        _NETWORKS[_network_key(*member)] = network
    return samples, networks


_NETWORKS: dict[Hashable, Matrices] = {}
"""Of this process, by what they depend on, those trained first at the front: cells that differ in the autoencoder only
share their networks, which take longer to train."""

MOST_NETWORKS = 512

_NOT_OF_THE_NETWORK = ("protocol", "macs_over", "tau", "shuffled_null", "keep_arrays")


def _network_key(p: Params, seed: int) -> Hashable:
    """Everything that a network's training depends on."""
    own = [name for name in Params.model_fields if not name.startswith("sae") and name not in _NOT_OF_THE_NETWORK]
    return seed, *(getattr(p, name) for name in own)


def _variants(
    members: Sequence[tuple[Params, int]],
    starts: Sequence[Matrices],
    rows: Sequence[Float32[np.ndarray, "hidden row"]],
    inputs: Sequence[Float32[np.ndarray, "hidden sample"]],
    standardised: Sequence[Float32[np.ndarray, "hidden sample"]],
    repeat: int,
    on_steps: Callable[[int], None],
) -> list[_Autoencoder]:
    """One autoencoder a member by ``polysem.sae``."""
    common, _ = members[0]
    encoder, decoder = (np.stack(of) for of in zip(*starts, strict=True))
    start = {"encoder": encoder[:, :, :-1], "encoder_bias": encoder[:, :, -1]}
    start |= {"decoder": decoder[:, :, :-1], "bias": decoder[:, :, -1]}
    steps = _steps(common.n_train, 1, common.sae_batch)
    strength = np.array([p.sae_penalty_lambda for p, _ in members], np.float32)
    compiled = kernel.choose().kernel
    dictionaries = train(
        common.sae,
        start,
        np.stack([of.T for of in rows]),
        np.array([p.k if p.sae in BY_K else p.sae_lambda for p, _ in members]),
        epochs=common.sae_epochs,
        batch=common.sae_batch,
        orders=[_sae_stream(seed, "sae order", repeat).permutation for _, seed in members],
        rate=[p.sae_lr for p, _ in members],
        frozen=common.sae_frozen,
        weight_l1=strength if common.sae_penalty == "l1" else None,
        weight_l2=strength if common.sae_penalty == "l2" else None,
        bandwidth=common.sae_bandwidth,
        on_epoch=lambda _: on_steps(steps),
        native=compiled.autoencoders if compiled else None,
    )
    scored = dictionaries.apply(np.stack([of.T for of in standardised]))
    own = scored if inputs is standardised else dictionaries.apply(np.stack([of.T for of in inputs]))
    weights = dictionaries.weights
    matrices = np.concatenate([weights["encoder"], weights[dictionaries.variant.bias][:, :, None]], axis=2)
    layers = ([(f.T, output.T) for f, output in zip(*of, strict=True)] for of in (scored, own))
    return [_Autoencoder(*of) for of in zip(matrices, weights["decoder"], *layers, strict=True)]


def _steps(rows: int, epochs: int, batch: int) -> int:
    return epochs * (-(-rows // batch) if batch else 1)


def _errors(samples: Samples, output: Float32[np.ndarray, "target sample"]) -> dict[str, float]:
    """The mean squared errors over the samples to train on and those held out."""
    parts = {"train_mse": slice(0, samples.n_train), "val_mse": slice(samples.n_train, None)}
    return {name: metrics.mse(output[:, rows], samples.y[:, rows]) for name, rows in parts.items()}


def _hidden_layer(trainer: _Trainer, network: Matrices, activation: str) -> Callable[[Features], Hidden]:
    def hidden(rows: Features) -> Hidden:
        ((layer, _),) = trainer.evaluate([network], [rows.T], activation)
        return layer.T.astype(np.float64)

    return hidden


def _shuffled(rows: Float32[np.ndarray, "unit sample"], seed: int) -> Float32[np.ndarray, "unit sample"]:
    """Every unit's activations in an order of its own."""
    return stream(seed, "shuffled activations").permuted(rows, axis=1)


def _measure(run: _Run, *, complete: bool) -> Measured:
    p, (hidden, output), y = run.params, run.layers, run.samples.y
    trained, held_out = slice(0, p.n_train), slice(p.n_train, None)
    weights = [matrix[:, :-1] for matrix in run.network]
    values = {
        **_means([_of_autoencoder(run, sae) for sae in run.saes]),
        "sparsity_w4": metrics.sparsity_w4(weights),
        **_errors(run.samples, output),
    }
    arrays: dict[str, Float[np.ndarray, "..."]] = {}
    if p.keep_arrays:
        sae, x = run.saes[0], run.samples.x[:, trained]
        arrays = {"encoder": sae.encoder, "decoder": sae.decoder, **asdict(responses(sae.own[0][:, trained], x))}
    notes: dict[str, str] = {}
    if complete and all(map(isfinite, values.values())):
        x, h = (of.T.astype(np.float64) for of in (run.samples.x, hidden))
        seen = measures.Representation(
            x[held_out],
            h[held_out],
            run.scale,
            h.std(axis=0, ddof=1),
            np.cov(h[trained].T).reshape(p.hidden, p.hidden),
            {at: recovery.causal_directions(run.hidden, x[held_out], at) for at in (measures.FULL, measures.MEDIAN)},
        )
        saes = [_seen(run, sae) for sae in run.saes]
        if p.keep_arrays:
            arrays["resemblance"] = measures.resemblance(p, seen, saes[0].decoder)
        values |= measures.of_network(p, run.seed, seen, weights, *(of[:, held_out].T for of in (y, output)))
        values |= _means([measures.of_autoencoder(p, run.seed, seen, sae) for sae in saes])
        values |= measures.stability(p, run.seed, seen, saes)
        notes = {**dict(measures.reasons(p, values)), **dict(measures.warnings(p, values))}
    return Measured(values, notes, {name: array.astype(np.float32) for name, array in arrays.items()})


def _of_autoencoder(run: _Run, sae: _Autoencoder) -> dict[str, float]:
    """The post's metrics of one autoencoder."""
    p = run.params
    rows = slice(0, p.n_train) if p.sae_scored == "training" else slice(p.n_train, None)
    latents, reconstruction = (of[:, rows] for of in sae.scored)
    return {
        "macs": metrics.macs(sae.decoder, p.macs_over),
        "interference": metrics.interference(sae.decoder, data.importance(p.importance, p.importance_rate)),
        "l0_sparsity": metrics.l0_sparsity(latents),
        "sae_mse": metrics.mse(reconstruction, run.standardised[:, rows]),
        "calibrated_macs": metrics.calibrated_macs(sae.decoder, stream(run.seed, "null")),
    }


def _seen(run: _Run, sae: _Autoencoder) -> measures.Autoencoder:
    """The autoencoder on the samples held out, as the measures take it."""
    inputs = run.layers[0] if run.params.sae_input == "raw" else run.standardised
    latents, inputs, reconstruction = (
        of[:, run.params.n_train :].T.astype(np.float64) for of in (sae.own[0], inputs, sae.own[1])
    )
    shuffled = run.shuffled.decoder.astype(np.float64) if run.shuffled else None
    return measures.Autoencoder(sae.decoder.astype(np.float64), latents, inputs, reconstruction, shuffled)


def _means(of_repeats: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Every metric's mean over the autoencoders of one network."""
    return {name: sum(of[name] for of in of_repeats) / len(of_repeats) for name in of_repeats[0]}


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
    kind = {"bipolar": p.bipolar_noise, "positive_kurtosis": "student_t3"}.get(p.noise, p.noise)
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


def sae_task(p: Params, seed: int, repeat: int = 0) -> Task:
    """Squared error, a mean over samples and a mean (``leaky_l1``) or sum over units, and the penalty on latents."""
    post = p.sae == "leaky_l1"
    return Task(
        p.sae_act if post else "relu",
        p.sae_lr,
        p.sae_epochs,
        error=2 / p.hidden if post else 2.0,
        batch=p.sae_batch,
        order=_sae_stream(seed, "sae order", repeat).permutation,
        sparsity_sum=p.sae_lambda * (p.sae_l1 == "sum"),
        sparsity_mean=p.sae_lambda * (p.sae_l1 == "mean"),
        output_bias=not post,
        tied=p.sae_tied,
        centred=not post,
        unit_columns=not post,
    )


def _sae_start(p: Params, seed: int, start: Start, repeat: int) -> Matrices:
    """The matrices that an autoencoder starts from."""
    encoder, decoder = start.encoder, start.decoder
    if repeat:
        encoder, decoder = draws.autoencoder(p, seed, repeat)
    return [encoder, _without_bias(decoder)]


def _sae_stream(seed: int, name: str, repeat: int) -> np.random.Generator:
    return stream(seed, name, *[str(repeat)] * (repeat > 0))


def _without_shared_bias(task: Task, sae: Matrices) -> Matrices:
    """The autoencoder as two plain layers: W x + (b_e - W b) for W (x - b) + b_e, where it is centred."""
    encoder, decoder = sae
    if not task.centred:
        return sae
    weight, shared = encoder[:, :-1].astype(np.float64), decoder[:, -1:].astype(np.float64)
    return [np.hstack([weight, encoder[:, -1:] - exact.product(weight, shared)]).astype(np.float32), decoder]


def _step_counter(common: Params, report: Callable[[float], None], *, complete: bool) -> Callable[[int], None]:
    """A function to call with the optimiser steps just taken; reports about a hundred times in all."""
    saes = common.sae_repeats + (complete and common.shuffled_null)
    total = _steps(common.n_train, common.epochs, common.batch)
    total += _steps(common.n_train, saes * common.sae_epochs, common.sae_batch)
    taken = 0

    def on_steps(n: int) -> None:
        nonlocal taken
        before, taken = taken, taken + n
        if before * 100 // total != taken * 100 // total:
            report(taken / total)

    return on_steps
