"""The kernel's source becomes a library in the user's cache, compiled for this CPU by this machine's compiler."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCES = tuple(Path(__file__).with_name(name) for name in ("kernel.cpp", "lanes.h", "sae.h"))
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-ffp-contract=off", "-fno-math-errno", "-w")
INSTRUCTIONS = {
    "avx512": ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"),
    "avx2": ("-mavx2", "-mfma"),
    "neon": (),
}
"""Instruction sets for which the kernel is written, best first, and the compiler's options for each."""


class UnavailableError(Exception):
    """Why there is no kernel on this machine."""


def available() -> list[str]:
    """The ``INSTRUCTIONS`` that this CPU has, best first; of CPUs without fused multiply-add none."""
    if platform.machine() in ("arm64", "aarch64"):
        return ["neon"]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    flags = set(next((line for line in lines if line.startswith("flags")), "").split())
    needed = {name: {option.removeprefix("-m") for option in options} for name, options in INSTRUCTIONS.items()}
    return [name for name in ("avx512", "avx2") if needed[name] <= flags]


def compiler() -> str:
    """The C++ compiler's command: ``$CXX``, or the first one that is installed."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    for name in names:
        if shlex.split(name) and shutil.which(shlex.split(name)[0]):
            return name
    raise UnavailableError(f"no C++ compiler is installed (looked for {', '.join(names)})")


def library(instructions: str, *, command: str = "", flags: tuple[str, ...] = ()) -> Path:
    """The compiled kernel, from the cache if it is there.

    A library is named by the hash of what it was made of, and by its own: one that was cut short or belongs to another
    source is never loaded, and any number of processes may ask for it at once.

    Raises:
        UnavailableError: there is no compiler, it failed, or nothing can be written.
    """
    options = (*FLAGS, *INSTRUCTIONS[instructions], *flags)
    made_of = hashlib.sha256("\0".join([platform.machine(), command, *options]).encode())
    for source in SOURCES:
        made_of.update(source.read_bytes())
    stem = f"kernel-{instructions}-{made_of.hexdigest()[:16]}"
    try:
        folder = _cache()
        with _locked(folder / f"{stem}.lock"):
            return next(_intact(folder, stem), None) or _compile(folder, stem, command or compiler(), options)
    except OSError as error:
        raise UnavailableError(f"it cannot be stored: {error}") from error


def _cache() -> Path:
    """``$XDG_CACHE_HOME/polysem`` or ``~/.cache/polysem``; where that cannot be written, a folder for this user."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    folder = (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "polysem"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    folder = Path(tempfile.gettempdir()) / f"polysem-{os.getuid()}"
    folder.mkdir(exist_ok=True, mode=0o700)
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o022:
        raise PermissionError(f"{folder} can be written by others")
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the system lets go of it when the process ends, however it ends
        yield


def _intact(folder: Path, stem: str) -> Iterator[Path]:
    for path in folder.glob(f"{stem}-*.so"):
        if path.stem.endswith(hashlib.sha256(path.read_bytes()).hexdigest()[:16]):
            yield path
        else:
            path.unlink(missing_ok=True)


def _compile(folder: Path, stem: str, command: str, options: tuple[str, ...]) -> Path:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        output = Path(scratch) / "kernel.so"
        arguments = [*shlex.split(command), *options, str(SOURCES[0]), "-o", str(output)]
        done = subprocess.run(  # noqa: S603  the user's own compiler
            arguments, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line]
            why = lines[0][:300] if lines else f"exit code {done.returncode}"
            raise UnavailableError(f"{command} failed: {why}")
        digest = hashlib.sha256(output.read_bytes()).hexdigest()[:16]
        return output.replace(folder / f"{stem}-{digest}.so")
