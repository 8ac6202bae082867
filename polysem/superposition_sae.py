"""Toy models of superposition become dictionaries: any variant of sparse autoencoder, held against the true features.

The features of such a model are known, and so are their directions, the columns of W. An autoencoder is trained on
hidden layers h = W x, divided by one number so that a dimension has a mean square of 1; what it finds is compared with
the features that the model represents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import exp, log, nan
from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field

from bench.experiment import Experiment, Job, Metric, Outcome, Progress
from polysem import kernel, recovery, superposition
from polysem.fields import BY_K, Autoencoder, Count, Frozen, Positive
from polysem.nulls import N_DRAWS, random_dictionaries, square_root
from polysem.sae.training import Dictionaries, from_decoder, train
from polysem.streams import stream
from polysem.superposition import Trained, samples

PENALTIES, SEARCH_STEPS, TOLERANCE = (1e-4, 1e2), 14, 0.05
"""Between which weights a penalty is sought, in how many bisections, and how near the active latents must come."""

N_HELD_OUT = 8192
"""Samples, drawn apart from all others, on which an autoencoder is judged."""

Rows = Float[np.ndarray, "row hidden"]


class Params(superposition.Params):
    """One autoencoder on one toy model. The defaults are twenty features in ten dimensions."""

    features: Annotated[int, Field(ge=2)] = 20
    hidden: Count = 10
    importance: Positive = 1.0
    batch: Count = 512
    steps: Count = 5000
    instances: Count = 2

    sae: Autoencoder = "topk"
    sae_frozen: Frozen = "none"
    """What of it stays as it started."""
    sae_width: Count = 20
    """Latents."""
    sae_l0: Positive = 2.0
    """Active latents a row: k, or what the weight of the penalty is found for, on the rows of training."""
    sae_rows: Count = 2048
    sae_epochs: Count = 60
    sae_batch: Count = 64
    sae_lr: Positive = 3e-3


METRICS = (
    Metric("represented", "Features represented", unit="features", note="Those with |W_i|² of at least one half."),
    Metric("mean_abs_cos", "Mean |cos| between features", better="lower", note="Over represented features."),
    Metric("fvu", "Unexplained variance", better="lower", scale="log", note="Of hidden layers held out."),
    Metric("l0_count", "Active latents a row", unit="latents", note="Of samples held out."),
    Metric("dead_latents", "Dead latents", unit="latents", better="lower", note="Never active on samples held out."),
    Metric("mcc", "MCC", better="higher", note="Mean |cos| of represented features and the latents matched to them."),
    Metric("mcc_minus_null", "MCC − null", better="higher", note="Less that of random dictionaries of h's covariance."),
    Metric("mmcs", "MMCS", better="higher", note="Mean over represented features of the largest |cos|."),
    Metric("recovered", "Features recovered", better="higher", note="Share of represented ones matched above 0.9."),
    Metric("f1", "F1", better="higher", note="Of the matched latent's activity as a sign of the feature's."),
    Metric("f1_minus_always_on", "F1 − that of always active", better="higher"),
    Metric("sae_macs", "Mean |cos| between latents", better="lower"),
    Metric("penalty", "Weight of the penalty", scale="log", note="As found; of TopK and its kin there is none."),
)


def run(jobs: Sequence[Job], progress: Progress) -> Iterator[Outcome]:
    """Train and measure every job, one at a time; a worker trains each toy model once."""
    for done, job in enumerate(jobs, start=1):
        model = toy_model(superposition.Params(**{name: getattr(job.params, name) for name in _OF_THE_MODEL}), job.seed)
        yield of_model(job.params, job.seed, model)
        progress(done / len(jobs))


_OF_THE_MODEL = tuple(superposition.Params.model_fields)


@lru_cache(maxsize=256)  # cells that differ in the autoencoder only share their model, which takes longer to train
def toy_model(params: superposition.Params, seed: int) -> Trained:
    """The best instance of one toy model."""
    with np.errstate(all="ignore"):  # one that diverges is known by its loss
        [model] = superposition.train([params], [seed], lambda _: None)
    return model


def of_model(p: Params, seed: int, model: Trained) -> Outcome:
    """Train an autoencoder on a toy model and measure what it recovers."""
    w = model.weights.astype(np.float64)
    is_represented = np.square(w).sum(axis=0) >= 0.5
    if not np.isfinite(model.losses).any() or is_represented.sum() < 2:
        why = "the toy model represents fewer than two features"
        names = [metric.name for metric in METRICS]
        return Outcome(dict.fromkeys(names, nan), diverged=why, notes=dict.fromkeys(names, why))
    x, held_out = (
        samples([p], count, [stream(seed, "superposition sae", name)])[0].T.astype(np.float64)
        for name, count in (("rows", p.sae_rows), ("held out", N_HELD_OUT))
    )
    rows, judged = x @ w.T, held_out @ w.T
    scale = np.sqrt(np.square(rows).mean())
    penalty, sae = matched(p, seed, rows / scale)
    [latents], [reconstruction] = (of.astype(np.float64) for of in sae.apply(_one(judged / scale)))
    decoder = sae.weights["decoder"][0].astype(np.float64)
    directions, seen = w[:, is_represented], held_out[:, is_represented]
    cosine = recovery.cosines(directions, decoder)
    random = random_dictionaries(square_root(np.cov(rows.T)), p.sae_width, N_DRAWS, stream(seed, "superposition null"))
    by_chance = recovery.mcc(recovery.cosines(np.broadcast_to(directions, (N_DRAWS, *directions.shape)), random))
    mcc, f1 = float(recovery.mcc(cosine)), recovery.matched_f1(cosine, latents, seen)
    is_active = latents > 0
    values = {
        "represented": int(is_represented.sum()),
        "mean_abs_cos": float(recovery.mean_abs_cosine(directions)),
        "fvu": recovery.unexplained_variance(judged / scale, reconstruction),
        "l0_count": float(is_active.sum(axis=1).mean()),
        "dead_latents": int((~is_active.any(axis=0)).sum()),
        "mcc": mcc,
        "mcc_minus_null": mcc - float(by_chance.mean()),
        "mmcs": float(recovery.mmcs(cosine)),
        "recovered": float(recovery.share_above(recovery.matched_cosines(cosine))),
        "f1": f1,
        "f1_minus_always_on": f1 - recovery.always_on_f1(seen),
        "sae_macs": float(recovery.mean_abs_cosine(decoder)),
        "penalty": penalty,
    }
    notes = {"penalty": f"{p.sae} has no penalty"} if p.sae in BY_K else {}
    if abs(values["l0_count"] / p.sae_l0 - 1) > 2 * TOLERANCE:
        notes["l0_count"] = f"more than a tenth from the {p.sae_l0:g} that it should be"
    if np.isnan(f1):
        notes |= dict.fromkeys(("f1", "f1_minus_always_on"), "no latent is ever active")
    return Outcome(values, notes=notes)


def matched(p: Params, seed: int, rows: Rows) -> tuple[float, Dictionaries]:
    """The autoencoder with ``sae_l0`` active latents a row, or the nearest to it, and the weight of its penalty.

    The weight is bisected on a log scale; NaN for a variant that takes the number of latents itself.
    """
    if p.sae in BY_K:
        return nan, dictionary(p, seed, rows, p.sae_l0)

    low, high = map(log, PENALTIES)
    tried: list[tuple[float, float, Dictionaries]] = []
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        sae = dictionary(p, seed, rows, exp(middle))
        ratio = float((sae.encode(_one(rows)) > 0).sum() / len(rows)) / p.sae_l0
        tried.append((abs(ratio - 1), exp(middle), sae))
        if tried[-1][0] <= TOLERANCE:
            break
        low, high = (middle, high) if ratio > 1 else (low, middle)
    _, penalty, nearest = min(tried, key=lambda of: of[0])
    return penalty, nearest


def dictionary(p: Params, seed: int, rows: Rows, sparsity: float) -> Dictionaries:
    """One autoencoder of the given k, or weight of the penalty, from random unit columns and the encoder their copy."""
    drawn = stream(seed, "superposition sae", "start").standard_normal((p.hidden, p.sae_width))
    decoder = recovery.unit_columns(drawn).astype(np.float32)
    compiled = kernel.choose().kernel
    return train(
        p.sae,
        from_decoder(decoder[None]),
        _one(rows),
        np.array([sparsity]),
        epochs=p.sae_epochs,
        batch=p.sae_batch,
        orders=[stream(seed, "superposition sae", "order").permutation],
        rate=p.sae_lr,
        frozen=p.sae_frozen,
        native=compiled.autoencoders if compiled else None,
    )


def _one(rows: Rows) -> Float[np.ndarray, "1 row hidden"]:
    """Rows as an ensemble of one, in single precision."""
    return rows.astype(np.float32)[None]


EXPERIMENT = Experiment(params=Params, metrics=METRICS, run=run, batch_size=16, version="1")
"""Parameters and seeds of toy models and autoencoders become how well known features are recovered."""
