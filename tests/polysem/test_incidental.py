"""Incidental polysemanticity: gradients, optimisers, counts on weights with a known answer, and bits of a job."""

import math

import numpy as np
import pytest
import torch

from bench.experiment import Job, Outcome
from polysem import incidental
from polysem.incidental import EXPERIMENT, METRICS, Params, loss_gradient, measure
from polysem.optimisers import mover, per_member


def _run(jobs: list[Job]) -> list[Outcome]:
    return [outcome for outcome in EXPERIMENT.run(jobs, lambda _: None) if isinstance(outcome, Outcome)]


def _bits(outcome: Outcome) -> list[str]:
    return [float(outcome.metrics[metric.name]).hex() for metric in METRICS]


@pytest.mark.parametrize("noisy", [False, True])
def test_the_gradient_is_that_of_autograd(noisy: bool) -> None:
    """With and without noise of the hidden layer, the two-product gradient is the derivative of the summed loss."""
    rng = np.random.default_rng(1)
    w = rng.standard_normal((3, 6, 4)).astype(np.float32)
    noise = rng.standard_normal((3, 4)).astype(np.float32) if noisy else None
    theirs = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    hidden = theirs if noise is None else theirs + torch.from_numpy(noise).double()[:, None, :]
    output = torch.relu(hidden @ theirs.transpose(1, 2))
    (output - torch.eye(6)).square().sum().backward()
    assert theirs.grad is not None
    np.testing.assert_allclose(loss_gradient(w, noise), theirs.grad.numpy(), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("kind", "theirs"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_optimisers_are_pytorchs(kind: str, theirs: type[torch.optim.Optimizer]) -> None:
    """Fifty steps with weight decay end where PyTorch's optimiser of that name ends."""
    rng = np.random.default_rng(2)
    w = rng.standard_normal((2, 3, 4)).astype(np.float32)
    parameter = torch.nn.Parameter(torch.tensor(w, dtype=torch.float64))
    optimiser = theirs([parameter], lr=0.01, weight_decay=0.1)  # type: ignore[call-arg]
    move = mover(kind, w, per_member([0.01, 0.01]), per_member([0.1, 0.1]))
    for _ in range(50):
        gradient = rng.standard_normal(w.shape).astype(np.float32)
        parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        move(gradient)
        optimiser.step()
    np.testing.assert_allclose(w, parameter.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_counts_on_weights_with_a_known_answer() -> None:
    """Four features on four neurons: a pair of opposite sign, a pair of equal sign, a triple, and a small weight."""
    w = np.zeros((6, 4), dtype=np.float32)
    w[0, 0], w[1, 0] = 1.0, -1.0  # a collision of opposite signs
    w[2, 1], w[3, 1] = 0.9, 1.1  # of equal signs
    w[4, 2], w[0, 2], w[1, 2] = 1.0, 1.0, -0.85  # a triple, which makes features 0 and 1 have two large weights
    w[5, 3] = 0.79  # not large
    values = measure(Params(features=6, neurons=4), w, w).metrics
    assert [values[name] for name in ("collisions", "opposite_pairs", "triples", "single_features")] == [3, 1, 1, 3]
    assert values["collisions_to_theory"] == pytest.approx(3 / (36 / 16))
    assert values["alive"] == pytest.approx(8 / 6)
    assert values["l1_to_theory"] == pytest.approx(1 + values["l1_norm"] * 1e-3 * 1e-3 * 7500)


def test_one_feature_loses_weight_at_the_rate_of_the_law() -> None:
    """For n = 1, sum |w| stays within a third of 1/(1/sum |w(0)| + lambda t), and the alive near its square."""
    params = Params(features=1, neurons=20_000, optimiser="sgd", lr=0.1, reg_lambda=1e-4, weight_decay=0, steps=2000)
    values = _run([Job(params, 0)])[0].metrics
    assert 0.75 < values["l1_to_theory"] < 4 / 3
    assert values["l1_norm"] < 0.5 * math.sqrt(2 * 20_000 / math.pi)


def test_noise_of_negative_kurtosis_makes_single_neurons_and_of_infinite_kurtosis_diverges() -> None:
    """Rademacher noise drives sum W^4 far above its start 3/m, Gaussian noise does not; t(3) is recorded as lost."""
    base = Params(features=8, neurons=16, optimiser="sgd", lr=0.02, reg="none", weight_decay=0, steps=12_000)
    kinds = ("rademacher", "gaussian", "student_t3")
    jobs = [Job(base.model_copy(update={"noise": kind}), seed) for kind in kinds for seed in range(3)]
    outcomes = _run(jobs)
    size = [outcome.metrics["fourth_power"] for outcome in outcomes]
    assert min(size[:3]) > 0.6
    assert max(size[3:6]) < 0.25
    assert all(outcome.diverged and math.isnan(outcome.metrics["collisions"]) for outcome in outcomes[6:])
    assert not any(outcome.diverged for outcome in outcomes[:6])


def test_a_jobs_bits_do_not_depend_on_its_companions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bits alone, together with others, in another order, and in chunks of another size."""
    base = Params(features=16, neurons=12, steps=40)
    jobs = [
        Job(base.model_copy(update={"lr": lr, "reg": reg}), 3) for lr in (1e-3, 1e-2) for reg in ("l1", "l2", "none")
    ]
    jobs += [Job(base.model_copy(update={"init_scale": 2.0}), 4)]
    together = [_bits(outcome) for outcome in _run(jobs)]
    assert together == [_bits(_run([job])[0]) for job in jobs]
    assert together[::-1] == [_bits(outcome) for outcome in _run(jobs[::-1])]
    monkeypatch.setattr(incidental, "CHUNK", 16 * 12 * 2)
    assert together == [_bits(outcome) for outcome in _run(jobs)]
    dropping = [Job(base.model_copy(update={"drop_below": 0.2, "lr": 1e-2}), seed) for seed in range(3)]
    assert [_bits(outcome) for outcome in _run(dropping)] == [_bits(_run([job])[0]) for job in dropping]


def test_collisions_at_an_eighth_of_the_published_size() -> None:
    """With n = m = 32: near n²/4m collisions, pairs of opposite sign all, no triples."""
    outcomes = _run([Job(Params(features=32, neurons=32, reg_lambda=3e-3), seed) for seed in range(12)])
    collisions = np.array([outcome.metrics["collisions"] for outcome in outcomes])
    assert 5 < collisions.mean() < 11  # 8 by the estimate; the mean of twelve has a standard error of 0.5
    assert [outcome.metrics["opposite_pairs"] for outcome in outcomes] == collisions.tolist()
    assert all(outcome.metrics["triples"] == 0 for outcome in outcomes)
    assert np.mean([outcome.metrics["single_features"] for outcome in outcomes]) > 31


def test_leaving_out_idle_neurons_changes_no_count() -> None:
    """Of 96 neurons for 24 features most end without one: dropped or not, the features have the same neurons."""
    kept, dropped = (
        _run([Job(Params(features=24, neurons=96, drop_below=drop, steps=2000, lr=3e-3), seed) for seed in range(2)])
        for drop in (0.0, 0.006)
    )
    for ours, theirs in zip(dropped, kept, strict=True):
        for name in ("collisions", "opposite_pairs", "triples", "single_features"):
            assert ours.metrics[name] == theirs.metrics[name]
        assert ours.metrics["fourth_power"] == pytest.approx(theirs.metrics["fourth_power"], abs=0.005)
        assert ours.metrics["alive"] < theirs.metrics["alive"]


def test_what_is_left_out_is_zero_and_the_rest_goes_on_with_its_moments() -> None:
    """A neuron of weights of 0 is dropped at the first look; the others move as they do without it."""
    params = Params(features=6, neurons=5, steps=120, reg="none", weight_decay=0, drop_below=1e-3)
    start = np.random.default_rng(4).standard_normal((1, 6, 5)).astype(np.float32)
    start[:, :, 2] = 0
    rest = [0, 1, 3, 4]
    trained = incidental.train([params], [0], start, lambda _: None)
    alone = params.model_copy(update={"neurons": 4, "drop_below": 0.0})
    assert not trained[:, :, 2].any()
    np.testing.assert_allclose(
        trained[:, :, rest], incidental.train([alone], [0], start[:, :, rest], lambda _: None), atol=1e-5
    )
