"""Both trainers, the compiled kernel and its reference, against autograd in double precision and each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from threading import Event, Thread

import numpy as np
import pytest
import torch

from polysem import draws, philox, reference
from polysem.ensemble import network_task, samples_of, shapes
from polysem.kernel import choose
from polysem.kernel.native import ACTIVATIONS, NOISE
from polysem.task import Matrices, Task
from polysem.toy import Params
from tests.polysem.models import AUTOENCODER, FUNCTIONS, NETWORK, matrices, samples

Train = Callable[[Matrices, np.ndarray, np.ndarray, Task], Matrices]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Torch's threads would wait for each other longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _kernel(start: Matrices, x: np.ndarray, y: np.ndarray, task: Task) -> Matrices:
    kernel = choose().kernel
    assert kernel is not None, choose().why_not
    return kernel.train(start, x, y, task)


def _reference(start: Matrices, x: np.ndarray, y: np.ndarray, task: Task) -> Matrices:
    return reference.train([start], [x], [y], [task])[0]


@pytest.fixture(params=[_kernel, _reference], ids=["kernel", "reference"])
def train(request: pytest.FixtureRequest) -> Train:
    trainer: Train = request.param
    return trainer


def _noise_of_step(task: Task, step: int, units: int, n: int) -> np.ndarray:
    stride = -(-n // 16) * 16
    noise: np.ndarray = philox.draws(task.noise, task.key, [step], units * stride).reshape(units, stride)[:, :n]
    return noise * task.sigma


def _by_autograd(start: list[np.ndarray], x: np.ndarray, y: np.ndarray, task: Task) -> list[torch.Tensor]:
    """The same training in double precision, written as its definition, by torch's autograd and Adam."""
    weights = [torch.tensor(matrix[:, :-1], dtype=torch.float64, requires_grad=True) for matrix in start]
    biases = [torch.tensor(matrix[:, -1:], dtype=torch.float64, requires_grad=True) for matrix in start]
    trained = [*weights, *(biases if task.output_bias else biases[:-1])]
    adam = torch.optim.Adam(trained, lr=task.rate)
    step = 0
    for _ in range(task.epochs):
        orders = np.split(task.order(x.shape[1]), range(task.batch, x.shape[1], task.batch)) if task.batch else [...]
        for chosen in orders:
            inputs, targets = (torch.tensor(rows[:, chosen], dtype=torch.float64) for rows in (x, y))
            n = inputs.shape[1]
            noise = _noise_of_step(task, step, len(start[-2]), task.batch or n)[:, :n]
            h = inputs - biases[-1] if task.centred else inputs
            for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
                h = FUNCTIONS[task.activation](weight @ h + bias)
            output = weights[-1] @ (h + torch.tensor(noise, dtype=torch.float64)) + biases[-1]
            loss = task.error / 2 * (output - targets).square().sum() / n
            loss = loss + (task.sparsity_sum + task.sparsity_mean / n) * h.abs().sum()
            for of, power in ((task.l1, 1), (task.l2, 2)):
                for matrix, weight, bias in zip(of, weights, biases, strict=bool(of)):
                    parameters = torch.cat([weight, bias], dim=1)
                    loss = loss + (torch.tensor(matrix) * parameters.abs() ** power / power).sum()
            adam.zero_grad()
            loss.backward()
            before = weights[0].detach().clone()
            with torch.no_grad():
                if task.unit_columns:
                    gradient = weights[1].grad
                    assert gradient is not None
                    gradient -= (gradient * weights[1]).sum(0) * weights[1]
                adam.step()
                if task.tied:
                    weights[1] += (weights[0] - before).T
                    weights[0][:] = weights[1].T
                if task.unit_columns:
                    weights[1] /= weights[1].norm(dim=0)
            step += 1
    return [torch.cat([w, b], dim=1).detach() for w, b in zip(weights, biases, strict=True)]


def _assert_close(train: Train, start: list[np.ndarray], x: np.ndarray, y: np.ndarray, task: Task) -> None:
    trained = train(start, x, y, task)
    for matrix, expected in zip(trained, _by_autograd(start, x, y, task), strict=True):
        np.testing.assert_allclose(matrix, expected, rtol=0, atol=2e-6)
    assert not np.allclose(trained[0], start[0], atol=1e-3)


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_networks_train_as_by_autograd(train: Train, activation: str, noise: str) -> None:
    """Twenty steps, with penalties, equal autograd's in double precision; of 150 samples 50 are all zero."""
    start, (x, y) = matrices([6, 12, 9, 5]), samples(150, 50)
    penalties = [np.full(matrix.shape, 1e-3) * (np.arange(matrix.shape[1]) < matrix.shape[1] - 1) for matrix in start]
    task = replace(NETWORK, activation=activation, noise=noise, l1=penalties, l2=[2 * p for p in penalties])
    _assert_close(train, start, x, y, task)


@pytest.mark.parametrize(("n", "n_zero"), [(16, 0), (33, 1), (64, 32), (100, 99), (100, 100), (700, 260), (700, 0)])
def test_any_number_of_samples_and_zeros(train: Train, n: int, n_zero: int) -> None:
    """Samples without any feature count as they would one by one, however many, and wherever the vectors end."""
    x, y = samples(n, n_zero)
    _assert_close(train, matrices([6, 12, 5]), x, y, replace(NETWORK, noise="gaussian", sigma=0.3))


@pytest.mark.parametrize("batch", [16, 50, 300])
@pytest.mark.parametrize("widths", [[6, 12, 12, 5], [6, 5, 17, 3, 5]])
def test_minibatches_train_as_by_autograd(train: Train, widths: list[int], batch: int) -> None:
    """Each epoch goes through a permutation of the samples, the last batch being what is left."""
    x, y = samples(330, 100)

    def task() -> Task:
        return replace(NETWORK, epochs=3, batch=batch, order=np.random.default_rng(5).permutation, noise="student_t3")

    trained = train(matrices(widths), x, y, task())
    for matrix, expected in zip(trained, _by_autograd(matrices(widths), x, y, task()), strict=True):
        np.testing.assert_allclose(matrix, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    "options",
    [{}, {"tied": True}, {"output_bias": True}, {"output_bias": True, "centred": True}, {"unit_columns": True}],
    ids=lambda options: " ".join(options) or "plain",
)
@pytest.mark.parametrize("batch", [0, 40])
def test_autoencoders_train_as_by_autograd(train: Train, options: dict[str, bool], batch: int) -> None:
    """With a penalty on latents, and with each constraint: tied weights, a shared bias, decoder columns of length 1."""
    x, _ = samples(150, 60)
    start = matrices([6, 11, 6])
    start[1][:, :-1] = start[0][:, :-1].T if options.get("tied") else start[1][:, :-1]
    start[1][:, -1] = 0.1 if options.get("output_bias") else 0
    if options.get("unit_columns"):
        start[1][:, :-1] /= np.linalg.norm(start[1][:, :-1], axis=0)
    _assert_close(train, start, x, x, replace(AUTOENCODER, **options, batch=batch))


@pytest.mark.parametrize(
    ("init", "noise", "reg", "act"),
    list(product(["random", "orthogonal"], ["bipolar", "positive_kurtosis"], ["l1", "l2"], ["relu", "gelu"])),
)
def test_the_kernel_follows_its_reference(init: str, noise: str, reg: str, act: str) -> None:
    """On every cell of the full factorial no parameter differs by more than 1e-5 after 200 steps.

    (Of seed 1. Of 64 such trainings, 4 have a pre-activation of ReLU so close to 0 that rounding decides its sign, and
    part by more: so does each path from itself when its start is perturbed by 1e-7.)
    """
    p = Params.model_validate({"init": init, "noise": noise, "reg": reg, "act": act, "epochs": 200})
    start = draws.start(p, 1, shapes(p))
    of = samples_of(p, start)
    x, y = of.x[:, : p.n_train], of.y[:, : p.n_train]
    pairs = zip(*(train(start.weights, x, y, network_task(p, 1)) for train in (_kernel, _reference)), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_members_of_the_reference_do_not_touch() -> None:
    """An ensemble's members, with rates, penalties and noise of their own, are to the bit what each is alone."""
    x, y = samples(70, 20)
    start = matrices([6, 12, 5])
    tasks = [
        replace(NETWORK, rate=rate, noise=noise, key=(number, 0), l1=[np.full(m.shape, rate) for m in start])
        for number, (rate, noise) in enumerate(product([1e-3, 1e-2], NOISE))
    ]
    together = reference.train([start] * len(tasks), [x] * len(tasks), [y] * len(tasks), tasks)
    for task, of_member in zip(tasks, together, strict=True):
        for one, other in zip(of_member, _reference(start, x, y, task), strict=True):
            np.testing.assert_array_equal(one, other)


def test_threads_take_turns() -> None:
    """The reference's bits depend on settings of the whole process: a thread that needs them waits for another."""
    entered = Event()

    def enter() -> None:
        with reference.reproducible():
            entered.set()

    thread = Thread(target=enter)
    with reference.reproducible():
        thread.start()
        assert not entered.wait(0.2)
        assert torch.get_num_threads() == 1
    assert entered.wait(10)
    thread.join()


@pytest.mark.parametrize("batch", [0, 40])
def test_a_tied_autoencoder_has_one_matrix(train: Train, batch: int) -> None:
    """After training, encoder and decoder weights are each other's transpose, to the bit."""
    x, _ = samples(150, 60)
    start = matrices([6, 11, 6])
    start[1][:, :-1] = start[0][:, :-1].T
    encoder, decoder = train(start, x, x, replace(AUTOENCODER, tied=True, batch=batch))
    np.testing.assert_array_equal(encoder[:, :-1], decoder[:, :-1].T)
    assert not np.allclose(encoder, start[0], atol=1e-3)


def test_progress_counts_every_step() -> None:
    """The steps that are reported add up to epochs times batches."""
    x, y = samples(150, 0)
    seen: list[int] = []
    kernel = choose().kernel
    assert kernel is not None
    kernel.train(matrices([6, 12, 5]), x, y, replace(NETWORK, epochs=70, batch=64), seen.append)
    assert sum(seen) == 210
    assert len(seen) > 2
    seen.clear()
    reference.train([matrices([6, 12, 5])], [x], [y], [replace(NETWORK, epochs=70, batch=64)], seen.append)
    assert sum(seen) == 210
