"""The compiled kernel: equal to autograd within rounding, and to itself to the bit whatever compiled it and runs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

import polysem.kernel
import polysem.kernel.build
from polysem import philox
from polysem.kernel import KNOWN_ANSWER, answer, choose
from polysem.kernel.build import INSTRUCTIONS, UnavailableError, available, library
from polysem.kernel.native import ACTIVATIONS, NOISE, Kernel, pack, unpack
from polysem.task import Task

N = 200_000
FUNCTIONS = {
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
    "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.01),
}
NETWORK = Task("relu", 1e-3, 20, 2 / 5, noise="rademacher", sigma=0.1, key=(1, 2))
AUTOENCODER = Task("leaky_relu", 1e-3, 20, 2 / 6, sparsity_sum=1e-3, sparsity_mean=0.1, output_bias=False)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Torch's threads would wait for each other longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    found = choose().kernel
    assert found is not None, choose().why_not
    return found


def _matrices(widths: list[int], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [(rng.uniform(-1, 1, (out, n + 1)) / np.sqrt(n)).astype(np.float32) for n, out in pairwise(widths)]


def _samples(n: int, n_zero: int, rows: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of which the last ``n_zero`` are zero, and five targets that are not constant over these inputs alone."""
    rng = np.random.default_rng(1)
    x = np.maximum(rng.standard_normal((rows, n)), 0.01).astype(np.float32)
    x[:, n - n_zero :] = 0
    return x, np.sin(x[:5] + x[1:6]).astype(np.float32)


def _noise_of_step(kernel: Kernel, task: Task, step: int, units: int, n: int) -> np.ndarray:
    stride = -(-n // 16) * 16
    return kernel.noise(task.noise, task.key, step, units * stride).reshape(units, stride)[:, :n] * task.sigma


def _by_autograd(
    kernel: Kernel, start: list[np.ndarray], x: np.ndarray, y: np.ndarray, task: Task
) -> list[torch.Tensor]:
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
            noise = _noise_of_step(kernel, task, step, len(start[-2]), task.batch or n)[:, :n]
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


def _assert_close(kernel: Kernel, start: list[np.ndarray], x: np.ndarray, y: np.ndarray, task: Task) -> None:
    trained = kernel.train(start, x, y, task)
    for matrix, expected in zip(trained, _by_autograd(kernel, start, x, y, task), strict=True):
        np.testing.assert_allclose(matrix, expected, rtol=0, atol=2e-6)
    assert not np.allclose(trained[0], start[0], atol=1e-3)


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_networks_train_as_by_autograd(kernel: Kernel, activation: str, noise: str) -> None:
    """Twenty steps, with penalties, equal autograd's in double precision; of 150 samples 50 are all zero."""
    start, (x, y) = _matrices([6, 12, 9, 5]), _samples(150, 50)
    penalties = [np.full(matrix.shape, 1e-3) * (np.arange(matrix.shape[1]) < matrix.shape[1] - 1) for matrix in start]
    task = replace(NETWORK, activation=activation, noise=noise, l1=penalties, l2=[2 * p for p in penalties])
    _assert_close(kernel, start, x, y, task)


@pytest.mark.parametrize(("n", "n_zero"), [(16, 0), (33, 1), (64, 32), (100, 99), (100, 100), (700, 260), (700, 0)])
def test_any_number_of_samples_and_zeros(kernel: Kernel, n: int, n_zero: int) -> None:
    """Samples without any feature count as they would one by one, however many, and wherever the vectors end."""
    x, y = _samples(n, n_zero)
    _assert_close(kernel, _matrices([6, 12, 5]), x, y, replace(NETWORK, noise="gaussian", sigma=0.3))


@pytest.mark.parametrize("batch", [16, 50, 300])
@pytest.mark.parametrize("widths", [[6, 12, 12, 5], [6, 5, 17, 3, 5]])
def test_minibatches_train_as_by_autograd(kernel: Kernel, widths: list[int], batch: int) -> None:
    """Each epoch goes through a permutation of the samples, the last batch being what is left."""
    x, y = _samples(330, 100)

    def task() -> Task:
        return replace(NETWORK, epochs=3, batch=batch, order=np.random.default_rng(5).permutation, noise="student_t3")

    trained = kernel.train(_matrices(widths), x, y, task())
    for matrix, expected in zip(trained, _by_autograd(kernel, _matrices(widths), x, y, task()), strict=True):
        np.testing.assert_allclose(matrix, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    "options",
    [{}, {"tied": True}, {"output_bias": True}, {"output_bias": True, "centred": True}, {"unit_columns": True}],
    ids=lambda options: " ".join(options) or "plain",
)
@pytest.mark.parametrize("batch", [0, 40])
def test_autoencoders_train_as_by_autograd(kernel: Kernel, options: dict[str, bool], batch: int) -> None:
    """With a penalty on latents, and with each constraint: tied weights, a shared bias, decoder columns of length 1."""
    x, _ = _samples(150, 60)
    start = _matrices([6, 11, 6])
    start[1][:, :-1] = start[0][:, :-1].T if options.get("tied") else start[1][:, :-1]
    start[1][:, -1] = 0.1 if options.get("output_bias") else 0
    if options.get("unit_columns"):
        start[1][:, :-1] /= np.linalg.norm(start[1][:, :-1], axis=0)
    _assert_close(kernel, start, x, x, replace(AUTOENCODER, **options, batch=batch))


@pytest.mark.parametrize("kind", NOISE)
def test_noise_is_what_numpy_makes_of_the_same_words(kernel: Kernel, kind: str) -> None:
    """Every draw equals numpy's in double precision to a few units in its last place; those of few bits exactly."""
    drawn = kernel.noise(kind, (5, 9), 2, N)
    expected = philox.draws(kind, (5, 9), [0, 1, 2], N)[2]
    if kind in {"none", "rademacher", "uniform"}:
        np.testing.assert_array_equal(drawn, expected)
    np.testing.assert_allclose(drawn, expected, rtol=5e-7, atol=5e-7)


@pytest.mark.parametrize(
    ("kind", "distribution"),
    [
        ("student_t3", stats.t(3, scale=1 / np.sqrt(3))),
        ("uniform", stats.uniform(-1, 2)),
        ("gaussian", stats.norm()),
        ("laplace", stats.laplace(scale=np.sqrt(0.5))),
    ],
)
def test_noise_has_its_distribution(kernel: Kernel, kind: str, distribution: object) -> None:
    """Draws pass a Kolmogorov-Smirnov test against the named distribution, tails included, and are uncorrelated."""
    first, second = (kernel.noise(kind, philox.key(1, kind), step, N) for step in (0, 1))
    assert stats.kstest(first, distribution.cdf).pvalue > 1e-3  # type: ignore[attr-defined]
    for tail in (distribution.isf(1e-4) < first, first < -distribution.isf(1e-4)):  # type: ignore[attr-defined]
        assert stats.binomtest(int(tail.sum()), N, 1e-4).pvalue > 1e-4
    for one, other in ((first[:-1], first[1:]), (first[:-16], first[16:]), (first, second)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(N)


def test_bipolar_noise_is_a_fair_sign(kernel: Kernel) -> None:
    """Draws are -1 or 1, each half of the time, in every one of the 32 bits of a word."""
    drawn = kernel.noise("rademacher", philox.key(2, "rademacher"), 0, N)
    assert set(np.unique(drawn)) == {-1, 1}
    for bit in range(32):
        assert stats.binomtest(int((drawn[bit::32] > 0).sum()), len(drawn[bit::32])).pvalue > 1e-5


def test_philox_answers_as_published() -> None:
    """Three known answers of the authors' Random123."""
    ones = 0xFFFFFFFF
    digits = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0)
    cases = {
        (0,) * 6: (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
        (ones,) * 6: (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        digits: (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    }
    for (*counter, k0, k1), expected in cases.items():
        four = philox.philox([np.array([word], dtype=np.uint64) for word in counter], (k0, k1))
        assert tuple(int(word[0]) for word in four) == expected


def test_keys_differ_by_seed_and_kind() -> None:
    """The same seed and kind repeat; any other has another key."""
    assert len({philox.key(seed, kind) for seed in range(50) for kind in NOISE}) == 50 * len(NOISE)
    assert philox.key(3, "laplace") == philox.key(3, "laplace")


# ---- The same bits everywhere ---------------------------------------------------------------------------------------


def _first_difference(one: Kernel, other: Kernel) -> str:
    """The first step after which two kernels differ in a parameter, and in which; empty if they never do."""
    for activation in ACTIVATIONS:
        for noise in NOISE:
            for width in (12, 9):
                start, (x, y) = _matrices([6, width, width, 5]), _samples(700, 260)
                task = replace(NETWORK, activation=activation, noise=noise)
                for steps in range(1, 21):
                    a, b = (k.train(start, x, y, replace(task, epochs=steps)) for k in (one, other))
                    for layer, (mine, theirs) in enumerate(zip(a, b, strict=True)):
                        if mine.tobytes() != theirs.tobytes():
                            where = np.argwhere(mine != theirs)[:1].tolist()
                            return f"{activation}, {noise} noise, width {width}: step {steps}, layer {layer} at {where}"
    return ""


@pytest.mark.parametrize("instructions", INSTRUCTIONS)
@pytest.mark.parametrize("flag", ["-O2", "-O3"])
@pytest.mark.parametrize("command", ["g++", "clang++"])
def test_every_build_gives_the_same_bits(kernel: Kernel, command: str, flag: str, instructions: str) -> None:
    """Two compilers, two levels of optimisation and every instruction set of this CPU answer alike, after full runs."""
    if instructions not in available():
        pytest.skip(f"this CPU has no {instructions}")
    if not shutil.which(command):
        pytest.skip(f"{command} is not installed")
    other = Kernel(library(instructions, command=command, flags=(flag,)))
    assert answer(other) == KNOWN_ANSWER, _first_difference(kernel, other)
    x, y = _samples(820, 320)
    for width, activation, noise in ((12, "gelu", "student_t3"), (9, "relu", "rademacher")):
        task = replace(NETWORK, activation=activation, noise=noise, epochs=2000)
        start = _matrices([6, width, width, width, 5])
        results = [pack(k.train(start, x, y, task)).tobytes() for k in (kernel, other)]
        assert results[0] == results[1], _first_difference(kernel, other)


def test_a_difference_is_located(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above says of two kernels that differ: here, one of them makes a little mistake from step 3 on."""

    class Mistaken(Kernel):
        def __init__(self) -> None: ...

        def train(self, start, x, y, task):  # type: ignore[no-untyped-def,override]
            matrices = kernel.train(start, x, y, task)
            if task.activation == "gelu" and task.epochs >= 3:
                matrices[1][2, 4] = np.nextafter(matrices[1][2, 4], np.float32(9))
            return matrices

    assert _first_difference(kernel, kernel) == ""
    assert _first_difference(kernel, Mistaken()) == "gelu, none noise, width 12: step 3, layer 1 at [[2, 4]]"


def test_the_hosts_floating_point_settings_do_not_matter(kernel: Kernel) -> None:
    """Flushing subnormal numbers to zero is switched off inside, and on again after it."""
    tiny = torch.tensor([1e-40])
    assert torch.set_flush_denormal(True)
    try:
        assert answer(kernel) == KNOWN_ANSWER
        assert float(tiny * 1.0) == 0
    finally:
        torch.set_flush_denormal(False)
    assert float(tiny * 1.0) != 0


def test_subnormal_numbers_are_kept(kernel: Kernel) -> None:
    """An output that is subnormal is not 0, even if the host flushes such numbers to zero."""
    matrices = [np.array([[1e-20, 0.0]]), np.array([[1e-20, 0.0]])]
    torch.set_flush_denormal(True)
    try:
        _, output = kernel.evaluate(matrices, np.ones((1, 1)), "relu")
    finally:
        torch.set_flush_denormal(False)
    assert float(output[0, 0]) == pytest.approx(1e-40, rel=1e-4)


def test_divergence_stays_visible(kernel: Kernel) -> None:
    """A weight that is not a number makes every output that depends on it one, through every activation."""
    for activation in ACTIVATIONS:
        matrices = [np.array([[np.nan, 0.0]]), np.array([[1.0, 0.0]])]
        hidden, output = kernel.evaluate(matrices, np.ones((1, 1)), activation)
        assert np.isnan(hidden).all()
        assert np.isnan(output).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_accurate(kernel: Kernel, activation: str) -> None:
    """Within 3e-7 of torch's in double precision, relative to 1 or the value, from -30 to 30."""
    x = np.linspace(-30, 30, 20001)[None]
    matrices = [np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]])]
    _, output = kernel.evaluate(matrices, x, activation)
    expected = FUNCTIONS[activation](torch.tensor(x.astype(np.float32)).double()).numpy()
    np.testing.assert_allclose(output, expected, rtol=3e-7, atol=3e-7)


# ---- Building -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a process that has not chosen a kernel yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(polysem.kernel, "choose", polysem.kernel.choose.__wrapped__)
    return tmp_path / "polysem"


BEST = available()[0]


def test_processes_that_start_at_once_compile_once(cache: Path) -> None:
    """Four processes find one library, complete, in a cache that was empty."""
    command = [sys.executable, "-m", "polysem.kernel"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate()[0] for process in running}
    assert len(said) == 1
    (line,) = said
    (built,) = cache.glob("*.so")
    assert str(built) in line
    assert KNOWN_ANSWER in line


def test_a_damaged_library_is_compiled_again(cache: Path) -> None:
    """A file that was cut short, or changed, is never loaded: it is replaced."""
    good = library(BEST)
    whole = good.read_bytes()
    good.write_bytes(whole[:1000])
    assert library(BEST).read_bytes() == whole
    assert library(BEST) == good


def test_other_sources_or_flags_are_other_libraries(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was compiled from an older source is never used for a newer one."""
    first = library(BEST)
    assert library(BEST, flags=("-O1",)) != first
    copies = [tmp_path / source.name for source in polysem.kernel.build.SOURCES]
    for copy, source in zip(copies, polysem.kernel.build.SOURCES, strict=True):
        copy.write_text(source.read_text() + "// newer\n")
    monkeypatch.setattr(polysem.kernel.build, "SOURCES", tuple(copies))
    assert library(BEST) != first


def test_why_there_is_no_kernel_is_said(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a compiler, with one that fails, on an old CPU, where switched off, and where bits would be wrong."""
    choose = polysem.kernel.choose
    assert choose().why_not == ""

    def why(name: str, value: str) -> str:
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            patch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
            choice = choose()
        assert choice.kernel is None
        return choice.why_not

    assert why("PATH", str(tmp_path)) == "no C++ compiler is installed (looked for c++, g++, clang++)"
    assert why("CXX", "false") == "false failed: exit code 1"
    assert why("POLYSEM_KERNEL", "off") == "POLYSEM_KERNEL is off"
    assert why("POLYSEM_KERNEL", "sse9") == "this CPU has none of sse9"
    monkeypatch.setattr(polysem.kernel, "KNOWN_ANSWER", "0" * 16)
    assert choose().why_not == "what was compiled does not give the bits that it must give"


def test_a_cache_that_cannot_be_written_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for temporary files serves instead; one that others may write is refused."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert library(BEST).is_relative_to(tmp_path)
    next(tmp_path.glob("polysem-*")).chmod(0o777)
    with pytest.raises(UnavailableError, match="can be written by others"):
        library(BEST)


def test_parameters_come_back_as_they_were_packed() -> None:
    """For widths that do and do not fit the tiles."""
    matrices = _matrices([6, 12, 9, 5])
    for matrix, back in zip(matrices, unpack(pack(matrices), [m.shape for m in matrices]), strict=True):
        np.testing.assert_array_equal(matrix, back)
