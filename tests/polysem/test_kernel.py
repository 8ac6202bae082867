"""The compiled kernel gives the same bits whatever compiled it and runs it; how it is built and chosen; its noise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

import bench.execute.inventory
import polysem.kernel
import polysem.kernel.build
from polysem import philox
from polysem.kernel import KNOWN_ANSWER, KNOWN_AUTOENCODERS, answer, autoencoders_answer, choose
from polysem.kernel.build import INSTRUCTIONS, UnavailableError, available, library
from polysem.kernel.native import ACTIVATIONS, NOISE, Kernel, pack, unpack
from tests.polysem.models import FUNCTIONS, NETWORK, matrices, samples

N = 200_000


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    found = choose().kernel
    assert found is not None, choose().why_not
    return found


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
                start, (x, y) = matrices([6, width, width, 5]), samples(700, 260)
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
    assert autoencoders_answer(other) == KNOWN_AUTOENCODERS
    x, y = samples(820, 320)
    for width, activation, noise in ((12, "gelu", "student_t3"), (9, "relu", "rademacher")):
        task = replace(NETWORK, activation=activation, noise=noise, epochs=2000)
        start = matrices([6, width, width, width, 5])
        results = [pack(k.train(start, x, y, task)).tobytes() for k in (kernel, other)]
        assert results[0] == results[1], _first_difference(kernel, other)


def test_a_difference_is_located(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above says of two kernels that differ: here, one of them makes a little mistake from step 3 on."""

    class Mistaken(Kernel):
        def __init__(self) -> None: ...

        def train(self, start, x, y, task):  # type: ignore[no-untyped-def,override]
            trained = kernel.train(start, x, y, task)
            if task.activation == "gelu" and task.epochs >= 3:
                trained[1][2, 4] = np.nextafter(trained[1][2, 4], np.float32(9))
            return trained

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
    models = [np.array([[1e-20, 0.0]]), np.array([[1e-20, 0.0]])]
    torch.set_flush_denormal(True)
    try:
        _, output = kernel.evaluate(models, np.ones((1, 1)), "relu")
    finally:
        torch.set_flush_denormal(False)
    assert float(output[0, 0]) == pytest.approx(1e-40, rel=1e-4)


def test_divergence_stays_visible(kernel: Kernel) -> None:
    """A weight that is not a number makes every output that depends on it one, through every activation."""
    for activation in ACTIVATIONS:
        models = [np.array([[np.nan, 0.0]]), np.array([[1.0, 0.0]])]
        hidden, output = kernel.evaluate(models, np.ones((1, 1)), activation)
        assert np.isnan(hidden).all()
        assert np.isnan(output).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_accurate(kernel: Kernel, activation: str) -> None:
    """Within 3e-7 of torch's in double precision, relative to 1 or the value, from -30 to 30."""
    x = np.linspace(-30, 30, 20001)[None]
    models = [np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]])]
    _, output = kernel.evaluate(models, x, activation)
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


@pytest.fixture(scope="module")
def compiled() -> Path:
    """The library in the user's own cache, which serves tests that are about something else than its compilation."""
    return library(BEST)


@pytest.fixture
def stored(compiled: Path, cache: Path) -> Path:
    """Its copy in a cache of the test's own."""
    cache.mkdir()
    return Path(shutil.copy(compiled, cache))


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


def test_a_damaged_library_is_compiled_again(stored: Path) -> None:
    """A file that was cut short, or changed, is never loaded: it is replaced."""
    assert library(BEST) == stored
    whole = stored.read_bytes()
    stored.write_bytes(whole[:1000])
    assert library(BEST).read_bytes() == whole
    assert library(BEST) == stored


def test_other_sources_or_flags_are_other_libraries(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was compiled from an older source is never used for a newer one."""
    assert library(BEST, flags=("-O1",)) != stored
    copies = [tmp_path / source.name for source in polysem.kernel.build.SOURCES]
    for copy, source in zip(copies, polysem.kernel.build.SOURCES, strict=True):
        copy.write_text(source.read_text() + "// newer\n")
    monkeypatch.setattr(polysem.kernel.build, "SOURCES", tuple(copies))
    assert library(BEST) != stored


@pytest.mark.usefixtures("stored")
def test_why_there_is_no_kernel_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


SUITE = """
name = "tiny"
experiment = "polysem.toy:EXPERIMENT"
seeds = 2
params = { n_train = 40, n_val = 10, epochs = 3, sae_epochs = 2 }
factors = { act = ["relu", "gelu"] }
"""


def test_a_machine_without_a_compiler_runs_the_same_command(compiled: Path, cache: Path, tmp_path: Path) -> None:
    """It says so in one line, whatever the number of workers; results carry it; a table that mixes paths says so."""
    suite = tmp_path / "tiny.toml"
    suite.write_text(SUITE)
    bench_command = [str(Path(sys.executable).with_name("bench")), "run", str(suite), "--out", str(tmp_path / "out")]
    without = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run([*bench_command, "--workers", "2"], env=without, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stderr.splitlines() if "kernel" in line]
    assert line.startswith("polysem trains by numpy and torch, several times slower than by its compiled kernel: no ")
    shutil.copy(compiled, cache)
    more = subprocess.run([*bench_command, "--seeds", "3"], capture_output=True, text=True, check=True)
    assert "polysem trains by" not in more.stderr
    assert "training" in more.stderr
    contents = bench.execute.inventory.find("tiny", tmp_path / "out").contents
    paths = {
        record.seed: contents.environments[record.environment]["experiment"]["training"]
        for record in contents.records.values()
    }
    assert paths == {0: "numpy and torch", 1: "numpy and torch", 2: f"C++ kernel {KNOWN_ANSWER}"}


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
    packed = matrices([6, 12, 9, 5])
    for matrix, back in zip(packed, unpack(pack(packed), [m.shape for m in packed]), strict=True):
        np.testing.assert_array_equal(matrix, back)
