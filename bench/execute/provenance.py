"""This machine and this code -> what is written beside every result: where its numbers were made, and with what."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from bench.experiment import Experiment

_NUMERIC_PACKAGES = ("numpy", "scipy", "torch", "scikit-learn", "jax", "jaxlib", "tensorflow")
_INSTRUCTIONS = ("avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve", "sve2")
THREAD_SETTINGS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""The environment variables by which numerical libraries are told how many threads to use."""
PACKAGE = "package "
"""Precedes a digest that was made of all files of a package, which tells sessions apart, but not from today's."""


@dataclass(frozen=True)
class Environment:
    """Where numbers are made: all of it may change their last bits."""

    python: str
    packages: Mapping[str, str]
    """Distribution -> version, of the numerical ones that are installed."""
    platform: str
    cpu: str
    instructions: tuple[str, ...]
    kernels: Mapping[str, str]
    """Library -> the instructions that its own code paths use, which it may be told to keep below those of the CPU."""
    threads: Mapping[str, str]
    experiment: Mapping[str, str]
    """What the experiment adds (``Experiment.environment``)."""

    @property
    def id(self) -> str:
        """Equal for environments that should give equal numbers."""
        return str(self.describe()["id"])

    def describe(self) -> dict[str, Any]:
        """The environment and its id, as JSON values; an experiment that adds nothing leaves the id as it was."""
        facts = {name: value for name, value in asdict(self).items() if value or name != "experiment"}
        return {"id": hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12], **facts}


def environment(experiment: Experiment | None = None) -> Environment:
    """The environment of this process, for ``experiment``; asks for versions without importing a package."""
    here = _environment("torch" in sys.modules)
    return replace(here, experiment=added(experiment)) if experiment else here


def added(experiment: Experiment) -> dict[str, str]:
    """What an experiment says of this process; if that fails, why, since results must not be lost to it."""
    try:
        return {str(name): str(value) for name, value in experiment.environment().items()}
    except Exception as error:  # noqa: BLE001  whatever a user's function raises
        return {"unknown": f"{type(error).__name__}: {error}"[:300]}


@dataclass(frozen=True)
class Code:
    """Which state of which code: of bench, or of an experiment."""

    name: str
    version: str
    """Of the installed distribution; empty when there is none."""
    commit: str
    """Of the git repository that tracks the module; empty when none does."""
    dirty: bool
    """Whether tracked files differ from the commit."""
    digest: str
    """Of the source; empty where it cannot be read."""
    covers: Literal["package", "imports"]
    """Of which files: all of the package (as of bench), or those that numbers come from (``bench.plan.imports``)."""


def code(module_name: str, files: Mapping[str, str] | None = None) -> Code:
    """The state of the code of an imported module; ``files``: path -> digest of those that its numbers come from."""
    package = module_name.partition(".")[0]
    path = getattr(sys.modules.get(module_name), "__file__", None)
    is_tracked = path and _git(Path(path), "ls-files", Path(path).name)
    commit = _git(Path(path), "rev-parse", "HEAD") if path and is_tracked else ""
    dirty = bool(commit and path and _git(Path(path), "status", "--porcelain", "--untracked-files=no"))
    installed = _version("polysem-bench" if package == "bench" else package)
    if files is None:
        return Code(package, installed, commit, dirty, _package_digest(sys.modules.get(package)), "package")
    return Code(package, installed, commit, dirty, digest_of(files), "imports")


def digest_of(files: Mapping[str, str]) -> str:
    """One digest for files and theirs (``bench.plan.imports.source_files``); empty for none."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12] if files else ""


def code_of(session: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The state of bench, then of the experiment (``Code``), that a session ran; only what has the form of one."""
    entries = session.get("code")
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def files_of(session: Mapping[str, Any]) -> Mapping[str, str]:
    """Path -> digest of the files of the experiment that a session ran; empty where they are not known."""
    files = session.get("source")
    return files if isinstance(files, dict) and all(isinstance(digest, str) for digest in files.values()) else {}


def source_of(session: Mapping[str, Any]) -> str:
    """The digest of the source that a session ran, after ``PACKAGE`` if of a whole package; empty where unknown."""
    entries = code_of(session)
    digest = entries[-1].get("digest") if entries else None
    if not (isinstance(digest, str) and digest):
        return ""
    return digest if entries[-1].get("covers") == "imports" else f"{PACKAGE}{digest}"


def is_other(source: str, today: str) -> bool:
    """Whether what ``source_of`` gives is known to be another source than that of digest ``today``."""
    return bool(source and today and not source.startswith(PACKAGE) and source != today)


def cpu_count() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=2)
def _environment(has_torch: bool) -> Environment:
    cpu, flags = _cpu()
    return Environment(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages={name: found for name in _NUMERIC_PACKAGES if (found := _version(name))},
        platform=" ".join(part for part in (platform.system(), platform.machine(), *platform.libc_ver()) if part),
        cpu=cpu,
        instructions=tuple(name for name in _INSTRUCTIONS if name in flags),
        kernels={"torch": sys.modules["torch"].backends.cpu.get_cpu_capability()} if has_torch else {},
        threads={name: os.environ.get(name, f"unset, {cpu_count()} CPUs") for name in THREAD_SETTINGS},
        experiment={},
    )


def _package_digest(module: ModuleType | None) -> str:
    file = getattr(module, "__file__", None)
    if file is None:
        return ""
    path = Path(file)
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    digest = hashlib.sha256()
    try:
        for source in files:
            digest.update(f"{source.relative_to(path.parent)}\0".encode())
            digest.update(hashlib.sha256(source.read_bytes()).digest())
    except OSError:  # a file that came or went meanwhile: what cannot be told is left empty
        return ""
    return digest.hexdigest()[:12]


def _version(distribution: str) -> str:
    with suppress(PackageNotFoundError):
        return version(distribution)
    return ""


def _cpu() -> tuple[str, frozenset[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor(), frozenset()
    facts: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    flags = facts.get("flags", facts.get("Features", ""))
    return facts.get("model name", platform.machine()), frozenset(flags.split())


def _git(path: Path, *arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(path.resolve().parent), *arguments]
    try:
        done = subprocess.run(  # noqa: S603  a fixed command on the folder of code that has been imported
            command, capture_output=True, text=True, errors="replace", timeout=10, check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
