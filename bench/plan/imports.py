"""An experiment -> the files that its numbers come from and a digest of each, followed through the text of its imports.

That is its module, whatever that imports from its own package or folder (also inside functions, and what these files
import in turn), and the files that it names as ``sources``. Nothing is imported to find them; bench is none of them.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions
from pathlib import Path

from bench.errors import BenchError
from bench.experiment import Experiment


def source_files(reference: str, experiment: Experiment) -> Mapping[str, str]:
    """Path of each file from the folder of the module or of its top package -> digest; the module is imported already.

    Empty where the source cannot be read, as of a module inside an archive.

    Raises:
        BenchError: one of the ``sources`` names no file.
    """
    name = reference.partition(":")[0]
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None or not Path(file).is_file():
        return {}
    path = Path(file).resolve()
    top = name.partition(".")[0]
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    root = path.parents[package.count(".") + 1] if package else path.parent
    home = _Home(root, top, tuple(getattr(sys.modules.get(top), "__path__", ())), _own_names(root, top))
    files = [*_reachable_files(home, name, path), *_source_paths(reference, experiment, path.parent)]
    try:
        return {os.path.relpath(file, root).replace(os.sep, "/"): file_digest(file) for file in sorted({*files})}
    except OSError:  # a file was removed meanwhile: no digest is better than a wrong one
        return {}


def file_digest(path: Path) -> str:
    """A digest of the content, the same for either kind of line ends."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:12]


@dataclass(frozen=True)
class _Home:
    """The places of an experiment's own modules."""

    root: Path
    """The folder of the experiment's module or top package; modules beside it there are its own."""
    top: str
    """The name of that module or package."""
    locations: tuple[str, ...]
    """The folders of the package ``top``, which an installation may have put elsewhere; empty if it is a module."""
    own_names: frozenset[str] | None
    """The top names in ``root`` that are the experiment's own; None for all."""

    def find(self, name: str) -> Path | None:
        """The file of one of the experiment's own modules; None for others, and for packages without ``__init__``."""
        top, *inner = name.split(".")
        if top == "bench" or not (self.own_names is None or top in self.own_names):
            return None
        if top == self.top and self.locations:
            folders, file = list(self.locations), getattr(sys.modules[top], "__file__", None)
        else:
            inner, folders, file = [top, *inner], [str(self.root)], None
        for part in inner:
            spec = PathFinder.find_spec(part, folders)
            if spec is None:
                return None
            folders, file = list(spec.submodule_search_locations or []), spec.origin
        return Path(file).resolve() if file and Path(file).is_file() else None


def _own_names(root: Path, top: str) -> frozenset[str] | None:
    """The top names that the distributions of ``top`` install; None if ``root`` is no folder of distributions."""
    if next(root.glob("*.dist-info"), None) is None:
        return None
    of_top = packages_distributions()
    own = set(of_top.get(top, ()))
    return frozenset({top, *(name for name, distributions in of_top.items() if own & {*distributions})})


def _reachable_files(home: _Home, module: str, path: Path) -> Iterator[Path]:
    """The module's file, those of the packages that hold it, and those that any of these imports."""
    modules = dict.fromkeys(_with_parents(module))
    todo = [*modules]
    while todo:
        name = todo.pop()
        file = path if name == module else home.find(name)
        if file is None:
            continue
        yield file
        package = name if file.stem == "__init__" else name.rpartition(".")[0]
        names = (part for imported in _import_names(file, package) for part in _with_parents(imported))
        new = [name for name in names if name not in modules]
        modules |= dict.fromkeys(new)
        todo += dict.fromkeys(new)


def _import_names(file: Path, package: str) -> Iterator[str]:
    """Every name that may be a module in the imports of a file; nothing of a file that is no Python."""
    if file.suffix != ".py":
        return
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    for node in _runtime_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node.module or "", node.level, package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Call) and _function_name(node) in ("import_module", "__import__") and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                name = first.value.lstrip(".")
                yield _absolute(name, len(first.value) - len(name), package)


def _runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker reads."""
    todo = [tree]
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            todo += node.orelse
        else:
            todo += ast.iter_child_nodes(node)


def _function_name(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _absolute(name: str, level: int, package: str) -> str:
    """The name of a module as it is imported from inside ``package``, ``level`` dots up."""
    if level == 0:
        return name
    parts = package.split(".")
    return ".".join(part for part in (*parts[: max(0, len(parts) - level + 1)], name) if part)


def _with_parents(name: str) -> Iterator[str]:
    """``a``, ``a.b`` and ``a.b.c``: to import a module is to run every package that holds it."""
    parts = name.split(".")
    yield from (".".join(parts[: end + 1]) for end in range(len(parts)) if all(parts[: end + 1]))


def _source_paths(reference: str, experiment: Experiment, folder: Path) -> Iterator[Path]:
    """The files that the experiment names; of a folder every file in it."""
    for source in experiment.sources:
        path = folder / source
        if path.is_file():
            yield path.resolve()
        elif path.is_dir():
            inside = (file for file in path.rglob("*") if "__pycache__" not in file.parts)
            yield from (file.resolve() for file in inside if file.is_file())
        else:
            raise BenchError(
                f"{reference} names {str(source)!r} among its sources, and there is no such file.",
                hint=f"Give paths of files or folders from {folder}.",
            )
