"""Toy models of superposition: gradients, geometries with a known answer, and bits of a job."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from bench.experiment import Job, Outcome
from polysem import superposition
from polysem.superposition import EXPERIMENT, METRICS, Params, Trained, dimensionality, loss_gradient, measure, samples

FLAT = np.zeros(1)


def _run(jobs: list[Job]) -> list[Outcome]:
    return [outcome for outcome in EXPERIMENT.run(jobs, lambda _: None) if isinstance(outcome, Outcome)]


def _bits(outcome: Outcome) -> list[str]:
    arrays = [np.asarray(array).tobytes().hex() for array in outcome.arrays.values()]
    return [float(outcome.metrics[metric.name]).hex() for metric in METRICS] + arrays


def _measured(w: np.ndarray) -> dict[str, float]:
    hidden, features = w.shape
    trained = Trained(w.astype(np.float32), np.zeros(features, np.float32), FLAT)
    return dict(measure(Params(features=features, hidden=hidden), trained).metrics)


def _star(count: int) -> np.ndarray:
    angles = 2 * np.pi * np.arange(count) / count + 0.3
    return np.stack([np.cos(angles), np.sin(angles)])


@pytest.mark.parametrize("act", ["relu", "gelu"])
@pytest.mark.parametrize("noisy", [False, True])
def test_the_gradient_is_that_of_autograd(act: str, noisy: bool) -> None:
    """For both outputs, with noise of the hidden layer and without."""
    rng = np.random.default_rng(1)
    w, b, x = rng.standard_normal((2, 3, 5)), rng.standard_normal((2, 5, 1)), rng.random((2, 5, 7))
    noise = rng.standard_normal((2, 3, 7)) if noisy else None
    weight = 0.9 ** np.arange(5)
    ours = loss_gradient(w, b, x, np.broadcast_to(2 * weight[:, None] / 7, (2, 5, 1)), act, noise)
    tw, tb = (torch.tensor(a, requires_grad=True) for a in (w, b))
    tx = torch.from_numpy(x)
    hidden = tw @ tx + (0 if noise is None else torch.from_numpy(noise))
    output = {"relu": torch.relu, "gelu": torch.nn.functional.gelu}[act](tw.transpose(1, 2) @ hidden + tb)
    ((output - tx).square() * torch.from_numpy(weight)[:, None]).sum(dim=1).mean(dim=1).sum().backward()
    for mine, theirs in zip(ours, (tw.grad, tb.grad), strict=True):
        assert theirs is not None
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("count", "expected"), [(2, 1 / 1), (3, 2 / 3), (4, 1 / 2), (5, 2 / 5)])
def test_dimensionality_of_regular_geometries(count: int, expected: float) -> None:
    """Orthogonal 1, triangle 2/3, two antipodal pairs 1/2, pentagon 2/5; the sum is the number of dimensions."""
    w = np.eye(2) if count == 2 else _star(count)
    np.testing.assert_allclose(dimensionality(w), expected)
    values = _measured(w)
    assert values["dimensionality_sum"] == pytest.approx(2)
    assert values["sticky_distance"] == pytest.approx(0, abs=1e-6)
    assert values["antipodal_pairs"] == (2 if count == 4 else 0)
    assert values["smallest_gap"] == pytest.approx(90 if count == 2 else 360 / count, abs=1e-4)
    assert values["largest_gap"] == pytest.approx(270 if count == 2 else 360 / count, abs=1e-4)


def test_interference_of_a_pentagon() -> None:
    """Each direction has two neighbours at 72 and two at 144 degrees, whose importances multiply."""
    weight = 0.9 ** np.arange(5)
    near, far = math.cos(math.radians(72)), math.cos(math.radians(144))
    pairs = [(i, j, near if (j - i) in (1, 4) else far) for i in range(5) for j in range(i + 1, 5)]
    values = _measured(_star(5))
    assert values["interference_free"] == pytest.approx(sum(weight[i] * weight[j] * c * c for i, j, c in pairs))
    assert values["mean_abs_cos"] == pytest.approx((near - far) / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("w", "state"),
    [([[1.0, 0.1]], "absent"), ([[0.1, 1.0]], "dedicated"), ([[1.0, -1.0]], "superposed"), ([[1.0, 0.0]], "absent")],
)
def test_states_of_the_phase_diagram(w: list[list[float]], state: str) -> None:
    """Two features in one dimension: the second is absent, alone, or opposite to the first; exactly one of them."""
    values = _measured(np.array(w))
    assert {name: values[name] for name in ("absent", "dedicated", "superposed")} == {
        name: float(name == state) for name in ("absent", "dedicated", "superposed")
    }


def _expected_loss(importance: float, sparsity: float) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Of two features in one dimension with the weights (w1, w2, b1, b2), and its gradient, by Gauss's quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(30)
    on, mass, off = (nodes + 1) / 2, (1 - sparsity) * weights / 2, np.zeros(30)
    both = np.stack(np.meshgrid(on, on), axis=-1).reshape(-1, 2)
    x = np.concatenate([[[0, 0]], np.stack([on, off], 1), np.stack([off, on], 1), both])
    p = np.concatenate([[sparsity**2], sparsity * mass, sparsity * mass, np.outer(mass, mass).ravel()])
    scale = p[:, None] * np.array([1, importance])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        w, b = weights[:2], weights[2:]
        hidden = x @ w
        z = np.outer(hidden, w) + b
        error = np.maximum(z, 0) - x
        of_z = 2 * scale * error * (z > 0)
        of_w = of_z.T @ hidden + x.T @ (of_z @ w)
        return float((scale * error**2).sum()), np.concatenate([of_w, of_z.sum(axis=0)])

    return loss


def test_states_are_those_of_the_least_expected_loss() -> None:
    """An implementation of its own, without samples or steps, ends in the same regions, with the same loss."""
    states = [(0.2, 0.0), (0.35, 0.85), (1.0, 0.6), (1.7, 0.4), (5.0, 0.0), (10.0, 0.9)]
    base = Params(features=2, hidden=1, steps=2500, batch=512, instances=4, lr=3e-3)
    jobs = [Job(base.model_copy(update={"importance": i, "sparsity": s}), 0) for i, s in states]
    starts = np.random.default_rng(5).normal(scale=0.8, size=(12, 4)) * [1, 1, 0.2, 0.2]
    for (importance, sparsity), outcome in zip(states, _run(jobs), strict=True):
        loss = _expected_loss(importance, sparsity)
        best = min((minimize(loss, start, jac=True) for start in starts), key=lambda found: float(found.fun))
        w = best.x[:2]
        state = "absent" if w[1] ** 2 < 0.5 else "superposed" if w[0] ** 2 >= 0.5 else "dedicated"
        assert outcome.metrics[state] == 1
        assert outcome.metrics["loss"] == pytest.approx(best.fun, rel=0.05)


def test_samples_have_the_sparsity_and_the_uniform_law_that_they_claim() -> None:
    """A share S of exact zeros, and U[0, 1] beyond: mean 1/2 and variance 1/12."""
    [x, dense] = samples(
        [Params(sparsity=0.7), Params(sparsity=0.0)], 40_000, [np.random.default_rng(k) for k in (2, 3)]
    )
    assert dense.mean() == pytest.approx(0.5, abs=0.005)
    positive = x[x > 0]
    assert (x == 0).mean() == pytest.approx(0.7, abs=0.005)
    assert positive.mean() == pytest.approx(0.5, abs=0.005)
    assert positive.var() == pytest.approx(1 / 12, abs=0.002)
    assert x.max() <= 1


def test_geometry_follows_sparsity() -> None:
    """Dense: two orthogonal features. S = 0.7: two antipodal pairs. S = 0.95: a pentagon."""
    outcomes = _run(
        [Job(Params(sparsity=sparsity, steps=4000, batch=256, lr=2e-3), 0) for sparsity in (0.0, 0.7, 0.95)]
    )
    dense, pairs, pentagon = (dict(outcome.metrics) for outcome in outcomes)
    assert dense["represented"] == 2
    assert dense["smallest_gap"] == pytest.approx(90, abs=2)
    assert (pairs["represented"], pairs["antipodal_pairs"]) == (4, 2)
    assert pairs["dimensionality"] == pytest.approx(0.5, abs=0.03)
    assert pentagon["represented"] == 5
    assert (pentagon["smallest_gap"], pentagon["largest_gap"]) == (pytest.approx(72, abs=5), pytest.approx(72, abs=5))
    assert all(values["dimensionality_sum"] <= 2 + 1e-4 for values in (dense, pairs, pentagon))


def test_the_best_instance_is_the_one_of_the_lowest_loss() -> None:
    """More instances never make the loss worse, and the stored losses hold the reported one as their smallest."""
    one, many = _run([Job(Params(steps=200, instances=1), 1)])[0], _run([Job(Params(steps=200, instances=5), 1)])[0]
    assert many.metrics["loss"] <= one.metrics["loss"]
    losses = np.asarray(many.arrays["losses"])
    assert many.metrics["loss"] == losses.min()
    assert losses[0] == one.metrics["loss"]


def test_a_jobs_bits_do_not_depend_on_its_companions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bits alone, together with others, in another order, and in chunks of another size."""
    base = Params(steps=30, batch=100, instances=2)
    changes = [{}, {"sparsity": 0.2}, {"importance": 1.0}, {"reg": "l1"}, {"reg": "l2"}, {"init": "orthogonal"}]
    jobs = [Job(base.model_copy(update=change), seed) for change in changes for seed in (0, 7)]
    together = [_bits(outcome) for outcome in _run(jobs)]
    assert together == [_bits(_run([job])[0]) for job in jobs]
    assert together[::-1] == [_bits(outcome) for outcome in _run(jobs[::-1])]
    monkeypatch.setattr(superposition, "CHUNK", 5 * 100 * 2 * 3)
    assert together == [_bits(outcome) for outcome in _run(jobs)]


def test_an_instance_that_diverges_is_recorded() -> None:
    """With an absurd rate and penalty no loss is finite: the run counts as diverged and every metric is NaN."""
    outcome = _run([Job(Params(steps=20, lr=1e30, instances=2), 0)])[0]
    assert outcome.diverged
    assert all(math.isnan(value) for value in outcome.metrics.values())
