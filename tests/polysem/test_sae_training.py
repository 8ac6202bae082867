"""Ensembles of sparse autoencoders: recovery of a known dictionary, bits of a member, weights frozen or penalised."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from polysem.kernel import choose
from polysem.kernel.native import Kernel
from polysem.sae import training
from polysem.sae.training import VARIANTS, Dictionaries, train

INPUTS, WIDTH, ROWS = 8, 16, 512
SPARSITY = {
    "leaky_l1": 0.1,
    "relu_l1": 0.1,
    "topk": 2,
    "batch_topk": 1.2,
    "jumprelu": 0.3,
    "gated": 0.5,
    "matryoshka": 1.2,
}
"""At which about as many latents are active as features."""


def rows(members: int, *, two: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Rows with 1.2 features on average, or ``two`` each, and the features: eight orthonormal directions."""
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.standard_normal((INPUTS, INPUTS)))[0]
    active = rng.random((ROWS, INPUTS)) < 0.15
    if two:
        active = rng.permuted(np.tile(np.arange(INPUTS) < 2, (ROWS, 1)), axis=1)
    x = (rng.uniform(0.5, 1.5, (ROWS, INPUTS)) * active) @ directions.T
    return np.tile(x.astype(np.float32), (members, 1, 1)), directions


def start(members: int) -> dict[str, np.ndarray]:
    """Random unit columns, their transpose as encoder, no biases."""
    decoder = np.random.default_rng(7).standard_normal((members, INPUTS, WIDTH))
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    nothing = {"encoder_bias": np.zeros((members, WIDTH)), "bias": np.zeros((members, INPUTS))}
    return {"encoder": decoder.transpose(0, 2, 1).copy(), "decoder": decoder, **nothing}


def trained(name: str, members: int = 2, *, epochs: int = 250, n: int = ROWS, **options: object) -> Dictionaries:
    orders = [np.random.default_rng([3, member]).permutation for member in range(members)]
    sparsity = np.full(members, SPARSITY[name])
    settings = {"epochs": epochs, "batch": 64, "orders": orders, "rate": 3e-3, **options}
    x, _ = rows(members, two=name == "topk" or n < ROWS)
    return train(name, start(members), x[:, :n], sparsity, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_recovers_an_orthonormal_dictionary(name: str) -> None:
    """Of four starts the one of the lowest loss has a mean cosine above 0.99 with the features, matched one to one.

    Single starts may stop where one latent serves two features. All columns have length 1. Trained by the kernel, which
    the next test holds to the passes that are tested by themselves.
    """
    x, truth = rows(4, two=name == "topk")
    dictionaries = trained(name, 4, native=_kernel().autoencoders)
    weights, latents = dictionaries.weights, dictionaries.encode(x)
    decoder = weights["decoder"]
    assert np.linalg.norm(decoder, axis=1) == pytest.approx(np.ones((4, WIDTH)), abs=1e-5)
    nothing_dead = np.zeros((4, WIDTH), dtype=bool)
    last = dictionaries.variant.forward_backward(weights, x, dictionaries.sparsity, nothing_dead)
    best = int(last.losses["total"].argmin())
    cosines = np.abs(truth.T @ decoder[best])
    assert cosines[linear_sum_assignment(-cosines)].mean() > 0.99
    assert 0.9 < (latents[best] > 0).sum(axis=1).mean() < 2.5


@pytest.mark.parametrize("frozen", ["none", "decoder", "encoder"])
@pytest.mark.parametrize("name", VARIANTS)
def test_the_kernel_trains_as_the_passes_say(name: str, frozen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, threshold, latents and reconstructions agree to single precision. Latents die early for AuxK."""
    monkeypatch.setattr(training, "DEAD_AFTER", 64)
    penalties = {"weight_l1": np.full(2, 0.01), "weight_l2": np.full(2, 0.02)} if frozen == "none" else {}
    options = {"epochs": 1, "n": 180, "frozen": frozen, "rate": [3e-3, 1e-3], **penalties}
    ours, expected = trained(name, native=_kernel().autoencoders, **options), trained(name, **options)
    for key, value in expected.weights.items():
        np.testing.assert_allclose(ours.weights[key], value, atol=2e-4, err_msg=key)  # Adam scales up rounding
    np.testing.assert_allclose(ours.threshold, expected.threshold if ours.variant.has_threshold else np.nan, rtol=1e-5)
    x, by_passes = rows(2)[0] + np.float32(0.01), replace(ours, native=None)
    for one, other in zip(ours.apply(x), by_passes.apply(x), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def _kernel() -> Kernel:
    compiled = choose().kernel
    assert compiled is not None, choose().why_not
    return compiled


@pytest.mark.parametrize("name", VARIANTS)
def test_a_member_has_the_same_bits_alone(name: str) -> None:
    """Trained with two others or by itself, a dictionary is the same."""
    together, alone = trained(name, 3, epochs=3), trained(name, 1, epochs=3)
    for key, value in alone.weights.items():
        assert np.array_equal(together.weights[key][:1], value), key
    assert np.array_equal(together.threshold[:1], alone.threshold, equal_nan=True)


@pytest.mark.parametrize(("frozen", "still"), [("decoder", {"decoder"}), ("both", {"decoder", "encoder"})])
def test_what_is_frozen_stays_and_all_else_moves(frozen: str, still: set[str]) -> None:
    """Weights named keep their start to the bit; biases are trained."""
    weights, before = trained("topk", epochs=2, frozen=frozen).weights, start(2)
    for key, value in weights.items():
        assert np.array_equal(value, before[key].astype(np.float32)) == (key in still), key


def test_a_penalty_on_weights_shrinks_the_encoder() -> None:
    """L1 makes its entries smaller than L2 does smallest, and both its norm smaller than none."""
    free, l1, l2 = (
        np.abs(trained("topk", epochs=20, **options).weights["encoder"])
        for options in ({}, {"weight_l1": np.full(2, 0.02)}, {"weight_l2": np.full(2, 0.02)})
    )
    assert l1.sum() < free.sum()
    assert np.square(l2).sum() < np.square(free).sum()
    assert np.quantile(l1, 0.2) < np.quantile(l2, 0.2)
