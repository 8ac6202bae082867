"""Parameters and a seed become the measures of one adapter: prompts, training, activations, autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite, nan
from pydoc_data.topics import topics

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from threadpoolctl import threadpool_limits
from torch import Tensor

from polysem.lora import METRICS, Params, adapters, cache, measures, model, prompts
from polysem.lora.adapters import Factors, Paths
from polysem.lora.model import Language, States, Tokens
from polysem.lora.prompts import ANSWERS, Prompts
from polysem.recovery import Hidden, Latents
from polysem.sae import training as sae_training
from polysem.sae.common import Weights
from polysem.streams import seed_of, stream

TRAINED, READ = 0.6, 0.7
"""Shares of a run's work that are done once the adapter is trained, and once its activations are read."""
OF_SAE = (
    *("macs", "macs_minus_null", "mcc", "mcc_minus_null", "f1", "f1_minus_always_on"),
    *("fvu", "fvu_text", "l0_count", "dead_latents"),
)


@dataclass(frozen=True)
class Measured:
    """What one run came to."""

    params: Params
    metrics: Mapping[str, float]
    arrays: Mapping[str, Float32[np.ndarray, " step"]]
    """``loss_path``, ``norm_path`` and ``lambda_path`` of a trained adapter."""
    diverged: str = ""

    def reason(self, name: str) -> str:
        """Why a metric has no value."""
        if self.diverged:
            return "the run diverged"
        if name in {"steering_miss", "lambda_end"}:
            return "lambda is not steered, or there is none"
        if name == "train_loss":
            return "nothing is trained"
        if name in OF_SAE and self.params.sae == "none":
            return "no autoencoder: sae is none"
        return "the base model changes nothing" if self.params.adapter == "base" else "nothing varies"


@dataclass(frozen=True, eq=False)
class _Material:
    """What the base model makes of a seed's prompts and of ordinary text, below the adapted layers."""

    language: Language
    train: Prompts
    held_out: Prompts
    states: States
    ends: Int[np.ndarray, " prompt"]
    """Of the prompts to train on, then those held out; and where each ends."""
    windows: Int[np.ndarray, "window token"]
    text: Float32[np.ndarray, "window token unit"]
    answers: Int[Tensor, "output answer"]


@dataclass(frozen=True, eq=False)
class _Read:
    """Activations after the adapted layers, and what the model says there."""

    ends: Float32[np.ndarray, "prompt unit"]
    """At the last token of the prompts held out."""
    tokens: tuple[Float32[np.ndarray, "_ unit"], Float32[np.ndarray, "_ unit"]]
    """At all tokens but the first of each prompt: of those trained on, and held out."""
    text: Float32[np.ndarray, "_ unit"]
    said: Float[np.ndarray, "prompt output answer"]
    text_loss: float


def measure(p: Params, seed: int, progress: Callable[[float], None]) -> Measured:
    """Every metric of one run, by one thread: with others the last bits of sums would be others too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            return _measure(p, seed, progress)
    finally:
        torch.set_num_threads(threads)


def _measure(p: Params, seed: int, progress: Callable[[float], None]) -> Measured:
    seen = _prepare(p, seed)
    base_ends = model.apply(seen.language.adapted, seen.states[p.n_train :])[_last(seen.ends[p.n_train :])]
    base_loss = base_text_loss(seen.language, seen.text, seen.windows)
    factors, paths = _adapt(p, seed, seen, lambda step: progress(TRAINED * step / p.steps))
    values = _of_weights(p, factors, paths)
    arrays = {} if paths is None else {"loss_path": paths.loss, "norm_path": paths.norm, "lambda_path": paths.strength}
    if not isfinite(values["delta_norm"]):
        lost = dict.fromkeys((metric.name for metric in METRICS), nan)
        return Measured(p, lost, arrays, "the adapter is no longer finite")
    read, x = _read(p, seen), seen.held_out.x
    values |= measures.of_task(read.said, seen.held_out.y)
    del seen  # the model and all states below it
    progress(READ)
    delta = read.ends - base_ends
    values |= {"text_loss": read.text_loss, "text_loss_change": read.text_loss - base_loss}
    values |= measures.of_directions(read.ends, x, seed)
    values |= {f"delta_{name}": value for name, value in measures.of_directions(delta, x, seed).items()}
    values |= measures.of_neurons(read.ends, x, delta)
    values |= _of_autoencoder(p, seed, read, x, lambda part: progress(READ + (1 - READ) * part))
    return Measured(p, values, arrays)


def _prepare(p: Params, seed: int) -> _Material:
    random = seed_of(seed, "init") if p.weights == "random" else None
    language = model.load(p.model, first=p.first_layer, layers=p.layers, random=random)
    train, held_out = prompts.draw(seed, n_train=p.n_train, n_held_out=p.n_held_out, copied=p.copied)
    tokens, ends = model.pad([language.encode(text) for text in [*train.texts, *held_out.texts]])
    windows = text_windows(language.encode, p.text_windows, p.text_context)
    answers = torch.tensor([[language.encode(word)[0] for word in pair] for pair in ANSWERS])
    states, text = language.enter(tokens), language.enter(windows)
    return _Material(language, train, held_out, states, ends, windows, text, answers)


def _adapt(p: Params, seed: int, seen: _Material, on_step: Callable[[int], None]) -> tuple[Factors, Paths | None]:
    """Give the model its adapters, trained or as a control."""
    factors = adapters.attach(seen.language.adapted, p.rank, stream(seed, "init", "lora adapters"))
    if p.adapter == "random":
        adapters.draw_random(factors, p.target, stream(seed, "init", "lora random"))
    if p.adapter != "trained":
        return factors, None
    y = seen.train.y
    if p.labels == "shuffled":
        y = y[stream(seed, "data", "lora labels").permutation(len(y))]

    def logits(states: Tensor, ends: Tensor) -> Tensor:
        return _answers(seen, seen.language.adapted(inputs_embeds=states).last_hidden_state, ends)

    return factors, adapters.train(
        p, seed, logits, factors, seen.states[: p.n_train], seen.ends[: p.n_train], y, on_step
    )


def _answers(seen: _Material, hidden: Tensor, ends: Tensor) -> Tensor:
    """Logits (prompt, output, answer) at the last tokens; those of other words and places are not computed."""
    last = seen.language.above(inputs_embeds=hidden).last_hidden_state[torch.arange(len(ends)), ends]
    logits: Tensor = last @ seen.language.readout[seen.answers.flatten()].T
    return logits.reshape(-1, *seen.answers.shape)


def _of_weights(p: Params, factors: Factors, paths: Paths | None) -> dict[str, float]:
    """What the change of the weights comes to, and how its training ended."""
    with torch.no_grad():
        norm = float(adapters.delta_norm(factors))
    train_loss = nan if paths is None else float(paths.loss[-max(1, p.steps // 10) :].mean())
    reached = {"none": nan, "norm": norm, "loss": train_loss}[p.steer if p.steers else "none"]
    return {
        "delta_norm": norm,
        "hoyer": adapters.sparsity(factors),
        "effective_rank": adapters.effective_rank(factors),
        "train_loss": train_loss,
        "lambda_end": float(paths.strength[-1]) if paths is not None and p.penalty != "none" else nan,
        "steering_miss": abs(reached / p.target - 1),
    }


def _read(p: Params, seen: _Material) -> _Read:
    adapted, text = (model.apply(seen.language.adapted, states) for states in (seen.states, seen.text))
    place = np.arange(adapted.shape[1])
    inside = (place > 0) & (place <= seen.ends[:, None])
    train, held_out = slice(p.n_train), slice(p.n_train, None)
    hidden, ends = (torch.split(torch.from_numpy(of[held_out]), model.CHUNK) for of in (adapted, seen.ends))
    with torch.no_grad():
        said = torch.cat([_answers(seen, *chunk) for chunk in zip(hidden, ends, strict=True)]).double().numpy()
    return _Read(
        adapted[held_out][_last(seen.ends[held_out])],
        (adapted[train][inside[train]], adapted[held_out][inside[held_out]]),
        text[:, 1:].reshape(-1, text.shape[2]),
        said,
        text_loss(seen.language, text, seen.windows),
    )


def _last(ends: Int[np.ndarray, " prompt"]) -> tuple[Int[np.ndarray, " prompt"], Int[np.ndarray, " prompt"]]:
    return np.arange(len(ends)), ends


def text_windows(encode: Callable[[str], list[int]], n: int, context: int) -> Tokens:
    """``n`` windows of ordinary text, evenly spaced over Python's topics of help in the order of their names."""
    tokens = np.array(encode("\n".join(topics[name] for name in sorted(topics))), dtype=np.int64)
    if len(tokens) < context:
        raise ValueError(f"text_context = {context}: the text has {len(tokens)} tokens.")
    starts = np.linspace(0, len(tokens) - context, n).astype(int)
    return np.stack([tokens[start : start + context] for start in starts])


def base_text_loss(language: Language, text: States, windows: Tokens) -> float:
    """``text_loss`` of a model without adapters, whose states below them are given: kept for all runs."""
    key = cache.key_of(language.digest, "text loss", str(windows.shape), windows.tobytes())
    (loss,) = cache.shared([key], lambda _: np.array(text_loss(language, model.apply(language.adapted, text), windows)))
    return float(loss)


def text_loss(language: Language, adapted: States, windows: Tokens) -> float:
    """Mean cross-entropy of the next token, in nats, of windows whose states after the adapted layers are given."""
    of_windows = []
    with torch.no_grad():
        for hidden, tokens in zip(torch.from_numpy(adapted), torch.from_numpy(windows), strict=True):
            logits = language.above(inputs_embeds=hidden[None]).last_hidden_state[0, :-1] @ language.readout.T
            of_windows.append(float(torch.nn.functional.cross_entropy(logits, tokens[1:])))
    return float(np.mean(of_windows))


def _of_autoencoder(
    p: Params, seed: int, read: _Read, x: prompts.Attributes, progress: Callable[[float], None]
) -> dict[str, float]:
    """Train an autoencoder on the tokens of the prompts trained on; measure it on those held out and on text."""
    every = (*read.tokens, read.text)
    ordinary = [rows[measures.is_ordinary(rows)] for rows in every]
    massive = {"massive": float(sum(map(len, every)) - sum(map(len, ordinary)))}
    if p.sae == "none":
        return dict.fromkeys(OF_SAE, nan) | massive
    scale = measures.scale_of(ordinary[0])
    rows, task, text = (scale(of) for of in ordinary)
    trained = sae_training.train(
        p.sae,
        _sae_start(rows.shape[1], p.sae_width, stream(seed, "sae start", "lora")),
        rows[None],
        np.array([p.sae_sparsity]),
        epochs=p.sae_epochs,
        batch=p.sae_batch,
        orders=[stream(seed, "sae order", "lora").permutation],
        rate=p.sae_lr,
        frozen=p.sae_frozen,
        on_epoch=lambda epoch: progress(epoch / p.sae_epochs),
    )

    def apply(of: Hidden) -> tuple[Latents, Hidden]:
        parts = [trained.apply(part[None]) for part in np.array_split(of, -(-len(of) // 1024))]
        latents, reconstructions = zip(*parts, strict=True)
        return np.concatenate(latents, axis=1)[0], np.concatenate(reconstructions, axis=1)[0]

    decoder = trained.weights["decoder"][0].astype(np.float64)
    parts = {"ends": scale(read.ends), "task": task, "text": text}
    return massive | measures.of_autoencoder(decoder, apply, parts, x, np.cov(rows, rowvar=False), seed)


def _sae_start(inputs: int, width: int, rng: np.random.Generator) -> Weights:
    """Random unit directions as decoder."""
    decoder = rng.standard_normal((1, inputs, width), dtype=np.float32)
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    return sae_training.from_decoder(decoder)
