"""Variants of sparse autoencoders: passes against autograd, closed forms, identities, and bits of a member."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from polysem.sae import batch_topk, gated, jumprelu, matryoshka, relu_l1, topk
from polysem.sae.common import Pass, Weights, auxiliary, largest

MEMBERS, ROWS, INPUTS, WIDTH = 3, 40, 6, 10
PENALTY = np.array([0.1, 0.3, 1.0])
DEAD = np.zeros((MEMBERS, WIDTH), dtype=bool)
DEAD[0, :5] = DEAD[1, 2] = True


def _weights(*extra: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {"encoder": (WIDTH, INPUTS), "encoder_bias": (WIDTH,), "decoder": (INPUTS, WIDTH), "bias": (INPUTS,)}
    return {name: 0.6 * rng.standard_normal((MEMBERS, *shapes.get(name, (WIDTH,)))) for name in (*shapes, *extra)}


def _rows() -> np.ndarray:
    x = np.random.default_rng(1).standard_normal((MEMBERS, ROWS, INPUTS))
    x[:, :5] = 0
    return x


def _tensors(weights: Weights) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}


def _encoded(w: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    return (x - w["bias"][:, None]) @ w["encoder"].transpose(1, 2) + w["encoder_bias"][:, None]


def _decoded(w: dict[str, torch.Tensor], f: torch.Tensor) -> torch.Tensor:
    return f @ w["decoder"].transpose(1, 2) + w["bias"][:, None]


def _error(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x - y).square().sum(dim=2).mean(dim=1)


def _aux(w: dict[str, torch.Tensor], x: torch.Tensor, output: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """AuxK member by member, as the paper writes it."""
    e = (x - output).detach()
    losses = []
    for m in range(MEMBERS):
        dead = torch.from_numpy(np.flatnonzero(DEAD[m]))
        k = min(INPUTS // 2, len(dead))
        if k == 0:
            losses.append(torch.zeros((), dtype=torch.float64))
            continue
        values, index = torch.topk(torch.relu(z[m][:, dead]), k, dim=1)
        f = torch.zeros_like(z[m]).scatter(1, dead[index], values)
        spread = (e[m] - e[m].mean(dim=0)).square().sum(dim=1).mean()
        losses.append((e[m] - f @ w["decoder"][m].T).square().sum(dim=1).mean() / spread)
    return torch.stack(losses)


def _assert_pass(ours: Pass, total: torch.Tensor, w: dict[str, torch.Tensor]) -> None:
    total.sum().backward()
    np.testing.assert_allclose(ours.losses["total"], total.detach().numpy(), rtol=1e-12)
    assert set(ours.gradients) == set(w)
    for name, tensor in w.items():
        assert tensor.grad is not None
        np.testing.assert_allclose(ours.gradients[name], tensor.grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("slope", [0.0, 0.01])
def test_relu_and_leaky_l1(slope: float) -> None:
    """Losses and gradients are those of autograd; the penalty of a leaky latent takes in its negative part."""
    weights, x = _weights(), _rows()
    w, tx = _tensors(weights), torch.from_numpy(x)
    f = torch.nn.functional.leaky_relu(_encoded(w, tx), slope)
    total = _error(tx, _decoded(w, f)) + torch.from_numpy(PENALTY) * f.abs().sum(dim=2).mean(dim=1)
    _assert_pass(relu_l1.forward_backward(weights, x, PENALTY, slope=slope), total, w)
    np.testing.assert_array_equal(
        relu_l1.encode(weights, x, slope=slope), relu_l1.forward_backward(weights, x, PENALTY, slope=slope).latents
    )


def _normalised(x: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    return _error(x, output) / _error(x, x.mean(dim=1, keepdim=True))


def test_topk() -> None:
    """Gradients go through the selected latents and the dead ones of the auxiliary loss."""
    weights, x, k = _weights(), _rows(), np.array([1, 3, 4])
    w, tx = _tensors(weights), torch.from_numpy(x)
    z = _encoded(w, tx)
    kept = torch.stack(
        [torch.zeros_like(z[m]).scatter(1, torch.topk(z[m], k[m], dim=1).indices, 1.0) for m in range(MEMBERS)]
    )
    output = _decoded(w, torch.relu(z) * kept)
    ours = topk.forward_backward(weights, x, k, DEAD)
    _assert_pass(ours, _normalised(tx, output) + _aux(w, tx, output, z) / 32, w)
    assert (ours.latents > 0).sum(axis=2).max(axis=1).tolist() == k.tolist()
    np.testing.assert_array_equal(topk.encode(weights, x, k), ours.latents)


def test_batch_topk() -> None:
    """The batch keeps k a row on average, real numbers included; rows differ in how many they keep."""
    weights, x, k = _weights(), _rows(), np.array([1.0, 2.5, 3.3])
    w, tx = _tensors(weights), torch.from_numpy(x)
    z = _encoded(w, tx)
    rectified = torch.relu(z).reshape(MEMBERS, -1)
    counts = [40, 100, 132]
    kept = torch.stack(
        [
            torch.zeros(ROWS * WIDTH, dtype=torch.float64).scatter(0, torch.topk(rectified[m], counts[m]).indices, 1.0)
            for m in range(MEMBERS)
        ]
    ).reshape(z.shape)
    output = _decoded(w, torch.relu(z) * kept)
    ours = batch_topk.forward_backward(weights, x, k, DEAD)
    _assert_pass(ours, _normalised(tx, output) + _aux(w, tx, output, z) / 32, w)
    assert (ours.latents > 0).sum(axis=(1, 2)).tolist() == counts
    assert len(set((ours.latents[0] > 0).sum(axis=1))) > 1


def test_the_threshold_of_batch_topk_is_a_running_mean_of_the_smallest_kept() -> None:
    """It starts at the first batch's value, moves by a thousandth, and ignores batches in which nothing is kept."""
    first, second, empty = (
        np.array([[[3.0, 0.0], [0.5, 2.0]]]),
        np.array([[[1.5, 0.0], [0.0, 4.0]]]),
        np.zeros((1, 2, 2)),
    )
    threshold = batch_topk.next_threshold(np.array([np.nan]), first)
    assert threshold == pytest.approx([0.5])
    threshold = batch_topk.next_threshold(threshold, second)
    assert threshold == pytest.approx([0.999 * 0.5 + 0.001 * 1.5])
    np.testing.assert_array_equal(batch_topk.next_threshold(threshold, empty), threshold)
    weights, x = _weights(), _rows()
    latents = batch_topk.encode(weights, x, np.full(MEMBERS, 0.4))
    assert latents[latents != 0].min() > 0.4


@pytest.mark.parametrize("prefixes", [[2, 5, 10], [10]])
def test_matryoshka(prefixes: list[int]) -> None:
    """The mean over the prefixes' errors; with one prefix, that of BatchTopK before it is divided by the variance."""
    weights, x, k = _weights(), _rows(), np.array([1.0, 2.0, 3.0])
    w, tx = _tensors(weights), torch.from_numpy(x)
    z = _encoded(w, tx)
    kept = torch.from_numpy(batch_topk.largest_of_batch(z.detach().numpy(), k))
    f = torch.relu(z) * kept
    errors = [_error(tx, _decoded(w, f * (torch.arange(WIDTH) < prefix))) for prefix in prefixes]
    total = torch.stack(errors).mean(dim=0) + _aux(w, tx, _decoded(w, f), z) / 32
    ours = matryoshka.forward_backward(weights, x, k, prefixes, DEAD)
    _assert_pass(ours, total, w)
    if prefixes == [10]:
        np.testing.assert_allclose(
            ours.losses["prefixes"], batch_topk.forward_backward(weights, x, k, DEAD).losses["reconstruction"]
        )


def test_gated() -> None:
    """All gradients, that of b in the frozen decode included, which has one through x - b only."""
    weights, x = _weights("log_scale", "gate_bias", "magnitude_bias"), _rows()
    del weights["encoder_bias"]
    w, tx = _tensors(weights), torch.from_numpy(x)
    u = (tx - w["bias"][:, None]) @ w["encoder"].transpose(1, 2)
    gate = u + w["gate_bias"][:, None]
    f = (gate > 0) * torch.relu(torch.exp(w["log_scale"])[:, None] * u + w["magnitude_bias"][:, None])
    frozen = torch.relu(gate) @ w["decoder"].detach().transpose(1, 2) + w["bias"].detach()[:, None]
    total = _error(tx, _decoded(w, f)) + torch.from_numpy(PENALTY) * torch.relu(gate).sum(dim=2).mean(dim=1)
    _assert_pass(gated.forward_backward(weights, x, PENALTY), total + _error(tx, frozen), w)


def test_gated_is_jumprelu_with_a_threshold_of_its_own() -> None:
    """Equal where b_m - exp(r) b_g, JumpReLU's threshold, is not negative (arXiv 2404.16014, appendix E)."""
    weights, x = _weights("log_scale", "gate_bias", "magnitude_bias"), _rows()
    weights["gate_bias"] = -np.abs(weights["gate_bias"])
    weights["magnitude_bias"] = np.abs(weights["magnitude_bias"])
    scale = np.exp(weights["log_scale"])
    threshold = weights["magnitude_bias"] - scale * weights["gate_bias"]
    same = {
        "encoder": weights["encoder"] * scale[:, :, None],
        "encoder_bias": weights["magnitude_bias"],
        "decoder": weights["decoder"],
        "bias": weights["bias"],
        "log_threshold": np.log(threshold),
    }
    np.testing.assert_allclose(gated.encode(weights, x), jumprelu.encode(same, x), rtol=1e-12, atol=1e-12)
    assert (gated.encode(weights, x) > 0).any()


class _Step(torch.autograd.Function):
    """The step and the rectified value of JumpReLU with the paper's pseudo-derivatives, for reference."""

    @staticmethod
    def forward(ctx: object, z: torch.Tensor, threshold: torch.Tensor, bandwidth: float, jump: int) -> torch.Tensor:
        ctx.save_for_backward(z, threshold)  # type: ignore[attr-defined]
        ctx.bandwidth, ctx.jump = bandwidth, jump  # type: ignore[attr-defined]
        return (z > threshold) * (z if jump else torch.ones_like(z))

    @staticmethod
    def backward(ctx: object, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:  # type: ignore[override]
        z, threshold = ctx.saved_tensors  # type: ignore[attr-defined]
        band = ((z - threshold) / ctx.bandwidth).abs() < 0.5  # type: ignore[attr-defined]
        height = (threshold if ctx.jump else torch.ones_like(threshold)) / ctx.bandwidth  # type: ignore[attr-defined]
        of_threshold = (-height * band * grad).sum(dim=1, keepdim=True)
        return grad * (z > threshold) * ctx.jump, of_threshold, None, None  # type: ignore[attr-defined]


def test_jumprelu() -> None:
    """Gradients are those of the paper's pseudo-derivatives, through exp for the logarithm of the threshold."""
    weights, x = _weights("log_threshold"), _rows()
    w, tx = _tensors(weights), torch.from_numpy(x)
    z, threshold = _encoded(w, tx), torch.exp(w["log_threshold"])[:, None]
    f, step = _Step.apply(z, threshold, 0.5, 1), _Step.apply(z, threshold, 0.5, 0)
    total = _error(tx, _decoded(w, f)) + torch.from_numpy(PENALTY) * step.sum(dim=2).mean(dim=1)
    _assert_pass(jumprelu.forward_backward(weights, x, PENALTY, bandwidth=0.5), total, w)


@pytest.mark.parametrize(("threshold", "bandwidth"), [(0.1, 0.4), (0.8, 0.1), (1.5, 0.3)])
def test_the_threshold_gradient_of_jumprelu_has_its_closed_form(threshold: float, bandwidth: float) -> None:
    """For z ~ N(0, 1), E[dL0/dt] = -(Phi(t + eps/2) - Phi(t - eps/2))/eps, also where the band reaches below 0."""
    n = 400_000
    x = np.random.default_rng(3).standard_normal((1, n, 1))
    weights = {
        "encoder": np.ones((1, 1, 1)),
        "encoder_bias": np.zeros((1, 1)),
        "decoder": np.zeros((1, 1, 1)),
        "bias": np.zeros((1, 1)),
        "log_threshold": np.full((1, 1), np.log(threshold)),
    }
    gradient = jumprelu.forward_backward(weights, x, np.ones(1), bandwidth=bandwidth).gradients["log_threshold"]
    inside = norm.cdf(threshold + bandwidth / 2) - norm.cdf(threshold - bandwidth / 2)
    error = np.sqrt(inside * (1 - inside) / n) / bandwidth
    assert gradient[0, 0] / threshold == pytest.approx(-inside / bandwidth, abs=4 * error)


def test_nothing_dead_or_nothing_wrong_has_no_auxiliary_loss() -> None:
    """AuxK is 0, not NaN, where no latent is dead and where the reconstruction is exact."""
    weights, x = _weights(), _rows()
    z = np.ones((MEMBERS, ROWS, WIDTH))
    loss, of_z, of_decoder = auxiliary(weights, x, x, z, DEAD)
    assert not loss.any()
    assert not of_z.any()
    assert not of_decoder.any()
    loss, _, _ = auxiliary(weights, x, np.zeros_like(x), z, np.zeros_like(DEAD))
    assert not loss.any()


def test_equal_values_are_kept_in_the_order_of_the_latents() -> None:
    """Ties never keep more than k."""
    np.testing.assert_array_equal(largest(np.ones((1, 1, 4)), np.array([2])), [[[True, True, False, False]]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_members_bits_do_not_depend_on_its_companions(dtype: type) -> None:
    """Every pass gives each member the same bits alone as in company."""
    extra = ("log_threshold", "log_scale", "gate_bias", "magnitude_bias")
    weights = {name: value.astype(dtype) for name, value in _weights(*extra).items()}
    x, penalty, k = _rows().astype(dtype), PENALTY.astype(dtype), np.array([1, 2, 3])

    def passes(of: slice) -> list[Pass]:
        w = {name: value[of] for name, value in weights.items()}
        gates = {name: value for name, value in w.items() if name not in ("encoder_bias", "log_threshold")}
        plain = {name: value for name, value in w.items() if name in ("encoder", "encoder_bias", "decoder", "bias")}
        return [
            relu_l1.forward_backward(plain, x[of], penalty[of]),
            topk.forward_backward(plain, x[of], k[of], DEAD[of]),
            batch_topk.forward_backward(plain, x[of], k[of], DEAD[of]),
            matryoshka.forward_backward(plain, x[of], k[of], [2, 10], DEAD[of]),
            jumprelu.forward_backward(
                {**plain, "log_threshold": w["log_threshold"]}, x[of], penalty[of], bandwidth=0.5
            ),
            gated.forward_backward(gates, x[of], penalty[of]),
        ]

    together = passes(slice(None))
    for member in range(MEMBERS):
        for ours, alone in zip(together, passes(slice(member, member + 1)), strict=True):
            assert ours.reconstruction.dtype == dtype
            assert ours.reconstruction[member].tobytes() == alone.reconstruction[0].tobytes()
            for name, gradient in ours.gradients.items():
                assert gradient.dtype == dtype, name
                assert gradient[member].tobytes() == alone.gradients[name][0].tobytes(), name
