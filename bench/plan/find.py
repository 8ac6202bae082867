"""The name of an experiment, as a suite gives it -> the Experiment, also when its module stands beside the suite."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from bench.errors import BenchError
from bench.experiment import Experiment, resolve
from bench.plan.imports import source_files
from bench.plan.parameters import READ_BACK, changing_defaults, roundtrip_faults


def find(reference: str, suite: Path) -> Experiment:
    """The experiment ``package.module:NAME``, checked to have parameters that the harness can use.

    A module that Python finds by itself comes first. One that it does not find is sought in the suite's folder, the
    current directory and the suite's project (the nearest folder above it that has a pyproject.toml or .git), in this
    order; the folder that has it is appended to ``sys.path``, which worker processes inherit. Nothing else is imported.

    Raises:
        BenchError: if there is no such experiment, its parameters cannot be used, a file that it names as a source is
            missing, or two modules claim its name.
    """
    module, colon, _ = reference.partition(":")
    top = module.partition(".")[0]
    if colon and top.isidentifier():
        _make_importable(top, suite)
    experiment = resolve(reference)
    _check_params(reference, experiment)
    source_files(reference, experiment)
    return experiment


def reference_of(experiment: Experiment) -> str:
    """The name ``package.module:NAME`` under which a module holds the experiment, a package's rather than __main__'s.

    Raises:
        BenchError: no module holds it.
    """
    own = (getattr(experiment.run, "__module__", ""), experiment.params.__module__)
    modules = (name for name in sys.modules if name != "__mp_main__")  # what multiprocessing calls __main__ as well
    names = sorted(modules, key=lambda name: (name == "__main__", name not in own, name))
    for module in names:
        names_of = getattr(sys.modules[module], "__dict__", {})
        if name := next((name for name, value in list(names_of.items()) if value is experiment), None):
            return f"{module}:{name}"
    raise BenchError(
        "The experiment has no name by which it could be found again.",
        hint="Give it one at the top of a module or notebook: EXPERIMENT = Experiment(…).",
    )


def _make_importable(top: str, suite: Path) -> None:
    here = suite.absolute().parent
    beside = _origin(top, here)
    if not _is_importable(top):
        folders = list(dict.fromkeys(_folders(here)))
        folder = next((folder for folder in folders if _origin(top, folder)), None)
        if folder is None:
            raise BenchError(
                f"There is no module called {top!r}.",
                hint=f"Sought where Python looks and in {', '.join(map(str, folders))}.",
            )
        sys.path.append(str(folder))
        importlib.invalidate_caches()
    elif beside is not None and beside.is_file() and (other := _import_origin(top)) not in (None, beside):
        raise BenchError(
            f"There are two modules called {top!r}: {beside}, beside the suite, and {other}, which Python finds first.",
            hint="Rename one of them; if both belong to suites, run them in separate processes.",
        )


def _folders(here: Path) -> Iterator[Path]:
    yield from (here, Path.cwd(), project(here))


def project(here: Path) -> Path:
    """The nearest folder, ``here`` or above, that has a pyproject.toml or .git; else ``here``."""
    marked = (at for at in (here, *here.parents) if (at / "pyproject.toml").is_file() or (at / ".git").exists())
    return next(marked, here)


def from_project(path: Path) -> str:
    """A path from the folder of the current project, if it lies in it: the same wherever the project lies."""
    home, there = project(Path.cwd()), Path(os.path.normpath(path.absolute()))
    return there.relative_to(home).as_posix() if there.is_relative_to(home) else str(there)


def in_project(path: str) -> Path:
    """What ``from_project`` wrote, as a path from the current folder."""
    there = project(Path.cwd()) / path
    return Path(os.path.relpath(there)) if not Path(path).is_absolute() else there


def _is_importable(top: str) -> bool:
    return top in sys.modules or find_spec(top) is not None


def _import_origin(top: str) -> Path | None:
    if top in sys.modules:
        origin = getattr(sys.modules[top], "__file__", None)
    else:
        spec = find_spec(top)
        origin = spec.origin if spec is not None and spec.has_location else None
    return Path(origin).resolve() if origin else None


def _origin(top: str, folder: Path) -> Path | None:
    """The file of the module or package ``top`` in ``folder``; for a namespace package, its folder."""
    spec = PathFinder.find_spec(top, [str(folder)])
    if spec is None:
        return None
    return Path(spec.origin).resolve() if spec.origin else (folder / top).resolve()


def _check_params(reference: str, experiment: Experiment) -> None:
    hint = "They must be a pydantic model or a dataclass, every field with a default."
    try:
        fields, defaults = experiment.fields, experiment.defaults
    except Exception as error:  # a user's class may raise anything at all; the message passes it on
        reason = f"{type(error).__name__}: {' '.join(str(error).partition('For further information')[0].split())}"
        raise BenchError(f"The parameters of {reference!r} cannot be used: {reason}", hint=hint) from error
    if not isinstance(defaults, dict):
        raise BenchError(f"The parameters of {reference!r} cannot be used: {experiment.params!r}", hint=hint)
    if missing := [name for name in fields if name not in defaults]:
        raise BenchError(
            f"Some parameters of {reference!r} are missing from their own JSON: {', '.join(missing)}.",
            hint="No field may have an alias or be excluded, or runs that differ in it would be taken for one.",
        )
    if unstable := [*changing_defaults(experiment)]:
        hint = "Runs are found by their parameters: give a constant, and read clocks and draw numbers in run."
        raise BenchError(f"{reference!r}: {'; '.join(unstable)}.", hint=hint)
    if changes := roundtrip_faults(experiment, experiment.make({}), {}):
        raise BenchError(f"{reference!r}: {'; '.join(changes.values())}.", hint=READ_BACK)
