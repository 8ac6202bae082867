"""Losses and gradients on given weights against two public libraries, by the factors of docs/sae.md."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polysem.sae import Evaluation, evaluate, latents_at_inference
from polysem.sae.common import largest
from polysem.sae.evaluation import WEIGHTS

GOLDEN = json.loads((Path(__file__).parents[1] / "reference" / "sae" / "golden.json").read_text())
GIVEN = {name: np.array(of) for name, of in GOLDEN["weights"].items()}
X, DEAD, PENALTY = np.array(GOLDEN["x"]), np.array(GOLDEN["dead"]), 0.3
VARIANCE = float(np.square(X - X.mean(axis=0)).sum(axis=1).mean())
LENS, LEARNING = "sae_lens 6.54.0", "dictionary_learning 0.1.0"
NAMES = {
    "W_enc": "encoder", "encoder.weight": "encoder", "W_dec": "decoder", "decoder.weight": "decoder", "b_dec": "bias",
    "decoder_bias": "bias", "bias": "bias", "b_enc": "encoder_bias", "encoder.bias": "encoder_bias",
    "b_gate": "gate_bias", "gate_bias": "gate_bias", "b_mag": "magnitude_bias", "mag_bias": "magnitude_bias",
    "r_mag": "log_scale", "threshold": "log_threshold",
}  # fmt: skip
"""Their names of weights -> ours."""

LOSSES: dict[tuple[str, str], dict[str, tuple[str, float]]] = {
    (LENS, "relu_l1"): {"mse_loss": ("reconstruction", 1), "l1_loss": ("sparsity", PENALTY), "loss": ("total", 1)},
    (LENS, "topk"): {"mse_loss": ("normalised", VARIANCE)},
    (LENS, "batch_topk"): {"mse_loss": ("normalised", VARIANCE)},
    (LENS, "jumprelu"): {"mse_loss": ("reconstruction", 1), "l0_loss": ("l0", PENALTY), "loss": ("total", 1)},
    (LENS, "gated"): {
        "mse_loss": ("reconstruction", 1),
        "l1_loss": ("sparsity", PENALTY),
        "auxiliary_reconstruction_loss": ("auxiliary", 1),
        "loss": ("total", 1),
    },
    (LENS, "matryoshka"): {"mse_loss": ("reconstruction", 1), "all widths": ("prefixes", 3)},
    (LEARNING, "relu_l1"): {
        "mse_loss": ("reconstruction", 1),
        "sparsity_loss": ("sparsity", 1),
        "loss": ("total", 1),
    },
    (LEARNING, "topk"): {"l2_loss": ("normalised", VARIANCE), "auxk_loss": ("auxiliary", 1)},
    (LEARNING, "batch_topk"): {"l2_loss": ("normalised", VARIANCE), "auxk_loss": ("auxiliary", 1)},
    (LEARNING, "jumprelu"): {"l2_loss": ("reconstruction", 1)},
    (LEARNING, "gated"): {
        "mse_loss": ("reconstruction", 1),
        "sparsity_loss": ("sparsity", 1),
        "aux_loss": ("auxiliary", 1),
        "loss": ("total", 1),
    },
    (LEARNING, "matryoshka"): {"l2_loss": ("prefixes", 1 / 3), "auxk_loss": ("auxiliary", 1)},
}
"""Library and variant -> their loss -> ours and the factor by which theirs is ours."""

SAME_GRADIENTS = {
    (LENS, "relu_l1"): {"encoder", "encoder_bias", "bias"},
    (LENS, "jumprelu"): {"encoder", "encoder_bias", "decoder", "bias", "log_threshold"},
    (LENS, "gated"): {"encoder", "gate_bias", "magnitude_bias", "log_scale"},
    (LEARNING, "relu_l1"): {"encoder", "encoder_bias", "decoder", "bias"},
    (LEARNING, "jumprelu"): {"decoder", "encoder_bias"},
    (LEARNING, "gated"): {"encoder", "decoder", "bias", "gate_bias", "magnitude_bias", "log_scale"},
}
"""Of all others the loss is another sum of the same parts."""


def _ours(library: str, variant: str) -> Evaluation:
    k = 2 if variant == "topk" or library == LEARNING else 2.5
    options: dict[str, Any] = {"k": k, "dead": DEAD} if variant.endswith("topk") else {"penalty": PENALTY}
    if variant == "matryoshka":
        options = {"k": k, "dead": DEAD, "prefixes": [2, 5, 10]}
    if variant == "jumprelu":
        options["bandwidth"] = 0.5
    return evaluate(variant, {name: GIVEN[name] for name in WEIGHTS[variant]}, X, **options)


@pytest.mark.parametrize(("library", "variant"), LOSSES)
def test_a_public_library_computes_the_same(library: str, variant: str) -> None:
    """Latents, reconstructions and losses within 1e-12; dictionary_learning has AuxK in single precision."""
    theirs, ours = GOLDEN[library][variant], _ours(library, variant)
    np.testing.assert_allclose(ours.latents, theirs["latents"], rtol=1e-12, atol=1e-13)
    losses = dict(theirs["losses"])
    if variant == "matryoshka" and library == LENS:
        losses["all widths"] = sum(loss for name, loss in losses.items() if "mse_loss" in name)
    np.testing.assert_allclose(ours.reconstruction, theirs["reconstruction"], rtol=1e-12, atol=1e-13)
    for name, (own, factor) in LOSSES[library, variant].items():
        close = 1e-6 if name == "auxk_loss" else 1e-12
        assert losses[name] == pytest.approx(factor * ours.losses[own], rel=close), name


@pytest.mark.parametrize(("library", "variant"), SAME_GRADIENTS)
def test_a_public_library_has_the_same_gradients(library: str, variant: str) -> None:
    """Within 1e-12, where the loss is the same; that of a threshold times the threshold is that of its logarithm."""
    ours, same = _ours(library, variant), 0
    for name, gradient in GOLDEN[library][variant]["gradients"].items():
        own, theirs = NAMES[name], np.array(gradient).T if name.startswith("W_") else np.array(gradient)
        theirs = theirs * np.exp(GIVEN["log_threshold"]) if own == "log_threshold" else theirs
        is_close = np.allclose(ours.gradients[own], theirs, rtol=1e-12, atol=1e-13)
        assert is_close == (own in SAME_GRADIENTS[library, variant]), name
        same += is_close
    assert same == len(SAME_GRADIENTS[library, variant])


def test_weighing_l1_by_the_length_of_columns_changes_no_direction() -> None:
    """SAELens' decoder gradient of ReLU is ours but for the part along each column, which training removes."""
    ours, d = _ours(LENS, "relu_l1").gradients["decoder"], GIVEN["decoder"]
    theirs = np.array(GOLDEN[LENS]["relu_l1"]["gradients"]["W_dec"]).T
    across = [of - (of * d).sum(axis=0) * d for of in (ours, theirs)]
    np.testing.assert_allclose(*across, atol=1e-13)


# ---- Edges ----------------------------------------------------------------------------------------------------------


def _weights(variant: str, dtype: type = np.float64) -> dict[str, np.ndarray]:
    return {name: GIVEN[name].astype(dtype) for name in WEIGHTS[variant]}


OPTIONS: dict[str, dict[str, Any]] = {
    "leaky_l1": {"penalty": 0.3},
    "relu_l1": {"penalty": 0.3},
    "topk": {"k": 3},
    "batch_topk": {"k": 2.5},
    "jumprelu": {"penalty": 0.3},
    "gated": {"penalty": 0.3},
    "matryoshka": {"k": 2.5, "prefixes": [2, 5, 10]},
}


@pytest.mark.parametrize("variant", OPTIONS)
@pytest.mark.parametrize("x", [X[:1], np.zeros((4, 6)), X], ids=["one row", "rows of zeros", "rows"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_number_is_finite_and_of_the_precision_of_the_weights(variant: str, x: np.ndarray, dtype: type) -> None:
    """Rows without variance included, where TopK's error has no scale, and with every latent dead or none."""
    for dead in [{"dead": np.ones(10, bool)}, {}] if "k" in OPTIONS[variant] else [{}]:
        found = evaluate(variant, _weights(variant, dtype), x, **OPTIONS[variant], **dead)
        assert found.latents.dtype == found.gradients["decoder"].dtype == dtype
        assert all(np.isfinite(loss) for loss in found.losses.values())
        assert all(np.isfinite(gradient).all() for gradient in found.gradients.values())


@pytest.mark.parametrize("variant", ["topk", "batch_topk"])
def test_a_k_beyond_the_latents_keeps_all(variant: str) -> None:
    """It is then ReLU; and none are kept with k = 0."""
    every = evaluate("relu_l1", _weights("relu_l1"), X, penalty=0.0).latents
    np.testing.assert_array_equal(evaluate(variant, _weights(variant), X, k=99).latents, every)
    assert not evaluate(variant, _weights(variant), X, k=0).latents.any()


def test_a_latent_at_its_threshold_is_silent() -> None:
    """The step is z > threshold, in training and at inference."""
    weights = {"encoder": [[1.0]], "encoder_bias": [0.0], "decoder": [[1.0]], "bias": [0.0]}
    at = np.array([[0.5], [np.nextafter(0.5, 1)], [-0.5]])
    found = evaluate("jumprelu", {**weights, "log_threshold": [np.log(0.5)]}, at, penalty=1.0)
    assert (found.latents[:, 0] > 0).tolist() == [False, True, False]
    assert (latents_at_inference(weights, at, 0.5)[:, 0] > 0).tolist() == [False, True, False]


def test_of_equal_entries_the_first_are_the_largest() -> None:
    """As many as counted, whatever ties; none where the count is 0."""
    values = np.array([[3.0, 1.0, 3.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    assert largest(values, np.array([2, 3])).tolist() == [
        [True, False, True, False, False],
        [True, True, True, False, False],
    ]
    assert not largest(values, np.array([0, 0])).any()


@pytest.mark.parametrize(
    ("variant", "change", "message"),
    [
        ("vanilla", {}, "it is one of leaky_l1"),
        ("topk", {"k": None}, "lacks k: its options are k, dead"),
        ("topk", {"penalty": 1.0}, "does not take penalty"),
        ("gated", {"weights": "topk"}, "lacks log_scale"),
        ("topk", {"x": X[:, :3]}, r"x is of shape \(12, 3\), not \(rows, 6\)"),
        ("topk", {"x": X[:0]}, "at least one row"),
        ("matryoshka", {"prefixes": [2, 5]}, "must be 10"),
    ],
)
def test_what_cannot_be_evaluated_is_said(variant: str, change: dict[str, Any], message: str) -> None:
    """An unknown variant, weights or options that are missing or not its own, and shapes that do not fit."""
    weights = _weights(change.pop("weights", variant if variant in WEIGHTS else "topk"))
    x = change.pop("x", X)
    options = {name: of for name, of in {**OPTIONS.get(variant, {}), **change}.items() if of is not None}
    with pytest.raises(ValueError, match=message):
        evaluate(variant, weights, x, **options)
