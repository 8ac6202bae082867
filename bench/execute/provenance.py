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
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

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


def environment(experiment: Experiment | None = None) -> dict[str, Any]:
    """Where numbers are made, by this process, for ``experiment``: all that may change their last bits, as JSON values.

    ``id`` is equal for environments that should give equal numbers. ``packages``: distribution -> version, of the
    numerical ones that are installed, none of which is imported. ``kernels``: library -> the instructions that its own
    code paths use, which it may be told to keep below those of the CPU. ``experiment``: what it adds, if anything.
    """
    facts = _facts("torch" in sys.modules)
    if experiment is not None and (more := added(experiment)):
        facts = {**facts, "experiment": more}
    return {"id": short_hash(facts), **facts}


def added(experiment: Experiment) -> dict[str, str]:
    """What an experiment says of this process; if that fails, why, since results must not be lost to it."""
    try:
        return {str(name): str(value) for name, value in experiment.environment().items()}
    except Exception as error:  # noqa: BLE001  whatever a user's function raises
        return {"unknown": f"{type(error).__name__}: {error}"[:300]}


def code(module_name: str, files: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Which state of which code an imported module is, as JSON values: of bench, or of an experiment.

    ``files``: path -> digest of those that its numbers come from. ``version``, ``commit`` and ``digest`` are empty
    where there is no distribution, no repository that tracks the module, no source to be read. ``dirty``: whether
    tracked files differ from the commit; ``covers``: the files of the digest, those ("imports") or all of the package.
    """
    package = module_name.partition(".")[0]
    path = getattr(sys.modules.get(module_name), "__file__", None)
    commit = _git(path, "rev-parse", "HEAD") if path and _git(path, "ls-files", Path(path).name) else ""
    return {
        "name": package,
        "version": _version("polysem-bench" if package == "bench" else package),
        "commit": commit,
        "dirty": bool(path and commit and _git(path, "status", "--porcelain", "--untracked-files=no")),
        "digest": _package_digest(sys.modules.get(package)) if files is None else digest_of(files),
        "covers": "package" if files is None else "imports",
    }


def digest_of(files: Mapping[str, str]) -> str:
    """One digest for files and theirs (``bench.plan.imports.source_files``); empty for none."""
    return short_hash(files) if files else ""


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


def short_hash(facts: Mapping[str, Any]) -> str:
    """Twelve digits that are equal for equal ``facts`` (of JSON)."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


@lru_cache(maxsize=2)
def _facts(has_torch: bool) -> dict[str, Any]:
    cpu, flags = _cpu()
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: found for name in _NUMERIC_PACKAGES if (found := _version(name))},
        "platform": " ".join(part for part in (platform.system(), platform.machine(), *platform.libc_ver()) if part),
        "cpu": cpu,
        "instructions": [name for name in _INSTRUCTIONS if name in flags],
        "kernels": {"torch": sys.modules["torch"].backends.cpu.get_cpu_capability()} if has_torch else {},
        "threads": {name: os.environ.get(name, f"unset, {cpu_count()} CPUs") for name in THREAD_SETTINGS},
    }


def _package_digest(module: ModuleType | None) -> str:
    path = Path(getattr(module, "__file__", None) or "/")
    digest = hashlib.sha256()
    with suppress(OSError):  # no file, or one that came or went meanwhile: what cannot be told is left empty
        for source in sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]:
            digest.update(f"{source.relative_to(path.parent)}\0".encode())
            digest.update(hashlib.sha256(source.read_bytes()).digest())
        return digest.hexdigest()[:12]
    return ""


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


def _git(path: str, *arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(Path(path).resolve().parent), *arguments]
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    with suppress(subprocess.SubprocessError):  # no repository, or too slow a one
        return subprocess.check_output(  # noqa: S603  a fixed command on the folder of code that has been imported
            command, stderr=subprocess.DEVNULL, text=True, errors="replace", timeout=10, env=quiet
        ).strip()
    return ""
