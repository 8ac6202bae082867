"""A trained network and its autoencoders become what they measure on samples held out, beside what chance makes of it.

Rows are samples, in double precision. Directions of features are in raw units, or divided by the units' SD where the
autoencoder was trained on standardised activations (``own`` below): a direction is held against a decoder in the space
of that decoder. Products of matrices and decompositions are numpy's, so that, unlike the post's metrics, these are the
same on every machine to rounding only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan, nan, sqrt

import numpy as np
from jaxtyping import Float

from polysem import data, recovery
from polysem.metrics import Scale
from polysem.nulls import N_DRAWS, Null, expected_abs_cos, random_dictionaries, square_root
from polysem.recovery import Dictionary, Directions, Features, Hidden, Latents, Values
from polysem.streams import stream
from polysem.toy import Params

FULL, MEDIAN = 1.0, 0.65
"""What a feature is set to for its causal direction, and its median where it is active, as a check."""


@dataclass(frozen=True, eq=False)
class Representation:
    """The last hidden layer of one network."""

    x: Features
    h: Hidden
    """Features and activations of the samples held out."""
    scale: Scale
    """Mean and SD over the training samples."""
    sd: Float[np.ndarray, " unit"]
    """SD over all samples."""
    covariance: Float[np.ndarray, "unit unit"]
    """Over the training samples, in raw units."""
    causal: Mapping[float, Directions]
    """What a feature is set to -> its directions, in raw units."""

    def standardised(self, directions: Directions) -> Directions:
        """Directions divided by the units' SD; 0 in dead units."""
        standardised: Directions = directions * self.scale.factor[:, None]
        return standardised

    def root(self, *, standardised: bool) -> Float[np.ndarray, "unit unit"]:
        """The square root of the covariance, in raw units or of standardised activations."""
        factor = self.scale.factor if standardised else np.ones(len(self.covariance))
        return square_root(self.covariance * np.outer(factor, factor))


@dataclass(frozen=True, eq=False)
class Autoencoder:
    """One autoencoder: its decoder, and what it makes of the samples held out."""

    decoder: Float[np.ndarray, "unit latent"]
    latents: Latents
    inputs: Hidden
    reconstruction: Hidden
    shuffled: Float[np.ndarray, "unit latent"] | None = None
    """The decoder of one trained on activations with every unit shuffled by itself."""


def of_network(
    p: Params, seed: int, seen: Representation, weights: Sequence[np.ndarray], y: Features, predicted: Features
) -> dict[str, float]:
    """Metrics that need no autoencoder; ``weights`` are the matrices without biases."""
    live = recovery.live_units(seen.sd)
    squared = recovery.partial_correlations(seen.h, seen.x)[live]
    polysemantic = int(recovery.polysemantic_neurons(squared, np.array([p.tau]))[0])
    norms = [float(np.linalg.norm(w)) for w in weights]
    directions = seen.causal[FULL]
    fitted = recovery.linear_directions(seen.h, seen.x).directions
    linear = seen.h.mean(axis=0) + (seen.x - seen.x.mean(axis=0)) @ fitted.T
    factor = seen.scale.factor
    return {
        "val_r2": recovery.mean_r2(y, predicted),
        "weight_norm": sqrt(sum(norm**2 for norm in norms)),
        "mean_weight_norm": float(np.mean(norms)),
        "live_units": float(live.sum()),
        "live_units_exact": float((seen.sd > 1e-8).sum()),
        "participation": recovery.participation(seen.covariance * np.outer(factor, factor)),
        **_superposition(p, seed, seen.standardised(directions), seen.root(standardised=True), ""),
        **_superposition(p, seed, directions, seen.root(standardised=False), "_raw"),
        "features_without_direction": float((~directions.any(axis=0)).sum()),
        "linear_r2": 1 - recovery.unexplained_variance(seen.h, linear),
        "features_per_neuron": recovery.features_per_neuron(squared),
        "polysemantic_neurons": float(polysemantic),
        "polysemantic_share": float(polysemantic / live.sum()) if live.any() else nan,
    }


def _superposition(
    p: Params, seed: int, directions: Directions, root: Float[np.ndarray, "unit unit"], ending: str
) -> dict[str, float]:
    """Overlap of the directions of features, beside that of random ones."""
    usable = np.any(directions, axis=0)
    matched, _ = _random(p, seed, root)
    weights = _importance(p)

    def overlaps(of: Directions) -> dict[str, Values]:
        kept = of[..., : len(usable)] * usable
        return {
            f"interference_free{ending}": np.where(usable.any(), recovery.weighted_overlap(kept, weights), nan),
            f"mean_abs_cos{ending}": recovery.mean_abs_cosine(kept),
        }

    pairs = np.triu(np.outer(weights * usable, weights * usable), 1).sum()
    isotropic = dict(zip(overlaps(matched), (pairs / p.hidden, expected_abs_cos(p.hidden)), strict=True))
    return _beside_nulls(overlaps(directions), overlaps(matched), isotropic)


def of_autoencoder(p: Params, seed: int, seen: Representation, sae: Autoencoder) -> dict[str, float]:
    """Metrics of one autoencoder: health, overlap, and recovery of the features."""
    standardised = p.sae_input == "standardised"
    matched, isotropic = _random(p, seed, seen.root(standardised=standardised))
    weights = _importance(p)

    def own(directions: Directions) -> Directions:
        return seen.standardised(directions) if standardised else directions

    directions = own(seen.causal[FULL])
    signed = recovery.cosines(directions, sae.decoder)

    def scores(dictionary: Dictionary) -> dict[str, Values]:
        dictionary = dictionary[..., : p.sae_width]
        cosine = recovery.cosines(directions, dictionary)
        matched_size = recovery.matched_cosines(cosine)
        return {
            "macs": recovery.mean_abs_cosine(dictionary),
            "mmcs": recovery.mmcs(cosine),
            "mmcs_latents": recovery.mmcs_latents(cosine),
            "mcc": recovery.mean(matched_size),
            "recovered": recovery.share_above(matched_size),
            "interference_matched": recovery.matched_overlap(cosine, dictionary, weights),
        }

    values, by_chance = scores(sae.decoder), scores(matched)
    found = _beside_nulls(values, by_chance, {**scores(isotropic), "macs": expected_abs_cos(p.hidden)})
    active = sae.latents > 0
    f1, always_on = recovery.matched_f1(signed, sae.latents, seen.x), recovery.always_on_f1(seen.x)
    linear = recovery.linear_directions(seen.h, seen.x).directions
    return {
        **{name: value for name, value in found.items() if name != "macs"},  # which the post's metrics have
        **_overlap_nulls(seen, float(values["macs"]), Null(by_chance["macs"]), sae.shuffled, p.hidden),
        "fvu": recovery.unexplained_variance(sae.inputs, sae.reconstruction),
        "l0_count": float(active.sum(axis=1).mean()),
        "dead_latents": float((~active.any(axis=0)).sum()),
        "decoder_norm": float(np.linalg.norm(sae.decoder, axis=0).mean()),
        "mcc_at_median": float(recovery.mcc(recovery.cosines(own(seen.causal[MEDIAN]), sae.decoder))),
        "mcc_linear": float(recovery.mcc(recovery.cosines(own(linear), sae.decoder))),
        "f1": f1,
        "f1_always_on": always_on,
        "f1_minus_always_on": f1 - always_on,
        "f1_best": recovery.best_latent_f1(sae.latents, seen.x),
        "coactivation_gap": recovery.coactivation_gap(signed, sae.latents, seen.x, p.groups),
    }


def resemblance(p: Params, seen: Representation, decoder: Dictionary) -> Float[np.ndarray, "latent feature"]:
    """Signed cosines of latents and features, in the space of the decoder; NaN for a feature without a direction."""
    directions = seen.causal[FULL]
    own = seen.standardised(directions) if p.sae_input == "standardised" else directions
    table: np.ndarray = recovery.cosines(own, decoder).T
    return table


def _overlap_nulls(
    seen: Representation, macs: float, matched: Null, shuffled: Dictionary | None, hidden: int
) -> dict[str, float]:
    """MACS less each of its nulls and divided by it, and its place in the covariance-matched one."""
    live, exactly = int(recovery.live_units(seen.sd).sum()), int((seen.sd > 1e-8).sum())
    nulls = {
        "": matched.mean,
        "_isotropic": expected_abs_cos(hidden),
        "_live": expected_abs_cos(live) if live else nan,
        "_live_exact": expected_abs_cos(exactly) if exactly else nan,
        "_shuffled": nan if shuffled is None else float(recovery.mean_abs_cosine(shuffled)),
    }
    return {
        **{f"macs_minus_null{ending}": macs - null for ending, null in nulls.items()},
        **{f"macs_over_null{ending}": macs / null if null else nan for ending, null in nulls.items()},
        "macs_z": (macs - matched.mean) / matched.sd if matched.sd else nan,
        "macs_percentile": matched.percentile(macs) if matched.sd > 0 else nan,
    }


def stability(p: Params, seed: int, seen: Representation, saes: Sequence[Autoencoder]) -> dict[str, float]:
    """How alike the dictionaries of several autoencoders of one network are: mean matched |cos| over their pairs."""
    if len(saes) == 1:
        endings = ("", "_minus_null", "_minus_null_isotropic", "_null_error")
        return dict.fromkeys((f"stability{ending}" for ending in endings), nan)
    matched, isotropic = (
        {"stability": recovery.mcc(recovery.cosines(drawn[::2, :, : p.sae_width], drawn[1::2, :, : p.sae_width]))}
        for drawn in _random(p, seed, seen.root(standardised=p.sae_input == "standardised"))
    )
    pairs = [float(recovery.mcc(recovery.cosines(a.decoder, b.decoder))) for a, b in combinations(saes, 2)]
    return _beside_nulls({"stability": np.asarray(np.mean(pairs))}, matched, isotropic)


def _random(p: Params, seed: int, root: Float[np.ndarray, "unit unit"]) -> tuple[Dictionary, Dictionary]:
    """Random dictionaries with the covariance of the activations, and isotropic ones made of the same numbers."""
    width = max(p.sae_width, data.N_FEATURES)
    matched, isotropic = (
        random_dictionaries(of, width, N_DRAWS, stream(seed, "null dictionaries")) for of in (root, np.eye(p.hidden))
    )
    return matched, isotropic


def _beside_nulls(
    values: Mapping[str, Values], matched: Mapping[str, Values], isotropic: Mapping[str, Values | float]
) -> dict[str, float]:
    """Each value, what it is above both of its nulls, and the Monte-Carlo error of the first."""
    found = {}
    for name, value in values.items():
        null = Null(matched[name])
        found[name] = float(value)
        found[f"{name}_minus_null"] = float(value) - null.mean
        found[f"{name}_minus_null_isotropic"] = float(value) - float(np.mean(isotropic[name]))
        found[f"{name}_null_error"] = null.error
    return found


def _importance(p: Params) -> Float[np.ndarray, " feature"]:
    return data.importance(p.importance, p.importance_rate)


def reasons(p: Params, values: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Each metric that is NaN, and why it has no value."""
    for name, value in values.items():
        if not isnan(value):
            continue
        if name.startswith("stability") and p.sae_repeats == 1:
            yield name, "one autoencoder a network: sae_repeats is 1"
        elif name.endswith("_shuffled") and not p.shuffled_null:
            yield name, "not asked for: shuffled_null is false"
        elif not values["live_units"]:
            yield name, "no unit of the last hidden layer varies"
        elif values["features_without_direction"] == data.N_FEATURES:
            yield name, "no feature moves the last hidden layer"
        elif values["dead_latents"] == p.sae_width:
            yield name, "every latent is dead on the samples held out"
        else:
            yield name, "not defined: nothing to average over, or nothing that varies"


def warnings(p: Params, values: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """What a reader must know of the sparsity: that the autoencoder is dead, or its target was not to be had.

    Dead is one without an active latent on every row held out, or with half of its latents dead or more.
    """
    if p.sae_l0_status != "reached":
        yield "l0_count", f"the target of {p.sae_l0:g} active latents a row is {p.sae_l0_status} (docs/sae.md)"
    if values["l0_count"] == 0:
        yield "dead_latents", "dead autoencoder: no latent is active on any row held out"
    elif values["dead_latents"] >= p.sae_width / 2:
        yield "dead_latents", "dead autoencoder: half of its latents or more are never active on rows held out"
