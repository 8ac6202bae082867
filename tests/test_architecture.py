"""The import rule of docs/design.md, over the syntax tree of every module; and what starting up may load."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOUNDATIONS = {"errors", "experiment"}
MAY_IMPORT = {
    "errors": set(),
    "experiment": {"errors"},
    "stats": {"stats"},
    "plan": FOUNDATIONS | {"plan"},
    "execute": FOUNDATIONS | {"execute", "plan"},
    "judge": FOUNDATIONS | {"judge", "stats", "plan", "execute"},
    "present": FOUNDATIONS | {"present", "judge", "plan", "execute"},
    "audit": FOUNDATIONS | {"audit", "present", "plan"},
    "api": FOUNDATIONS | {"api", "present", "judge", "stats", "plan", "execute"},
    "cli": {"cli", "errors", "api", "audit", "present"},
}
"""Room of bench -> the rooms that its modules may import; ``api`` is bench/__init__.py and bench/api/."""

SHOWING = {f"polysem/features/{name}.py" for name in ("__main__", "report", "stored", "figures")} | {
    "polysem/commands.py",
    "polysem/search.py",
    *(f"polysem/pictures/{name}.py" for name in ("__main__", "geometry", "collisions")),
}
"""The modules of polysem that stand above bench, as a user's script does; no experiment imports them."""

COMPUTING = {"scipy", "statsmodels", "pingouin"}
HEAVY = COMPUTING | {"torch", "pandas", "numpy", "matplotlib", "pydantic"}
STATISTICS_SEES = {"numpy", "scipy", "statsmodels", "pingouin", "pandas", *sys.stdlib_module_names}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a module imports: in functions and under TYPE_CHECKING too."""
    package = list(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{source}.{name.name}") for name in node.names)


def top(name: str) -> str:
    return name.partition(".")[0]


def room(name: str) -> str:
    """The room of bench that the import of ``name`` reaches into."""
    part = name.split(".")[1] if "." in name else "__init__"
    return part if part in MAY_IMPORT else "api"


def breaches(package: str, is_allowed: Callable[[Path, str], bool]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in modules(package)
        for line, name in imports(path)
        if not is_allowed(path, name)
    ]


def test_imports_of_bench_point_one_way() -> None:
    """A module of bench imports only from the rooms that its own may know, and none that the map does not name."""

    def is_allowed(path: Path, name: str) -> bool:
        inside = path.relative_to(ROOT / "bench").with_suffix("").parts
        own = "api" if inside == ("__init__",) else inside[0]
        return top(name) != "bench" or room(name) in MAY_IMPORT[own]

    assert breaches("bench", is_allowed) == []


def test_bench_knows_nothing_of_torch_or_polysem() -> None:
    """The harness imports neither torch nor the experiments."""
    assert breaches("bench", lambda _, name: top(name) not in {"torch", "polysem"}) == []


def test_polysem_meets_bench_only_where_an_experiment_is_defined_or_shown() -> None:
    """In polysem, a module that imports bench imports the contract alone and defines an EXPERIMENT or its METRICS.

    What reads stored runs and shows them (features, pictures) imports the API, errors and present instead.
    """

    def is_allowed(path: Path, name: str) -> bool:
        if path.relative_to(ROOT).as_posix() in SHOWING:
            return top(name) != "bench" or room(name) in {"api", "errors", "present"}
        declares = any(f"\n{word}" in path.read_text(encoding="utf-8") for word in ("EXPERIMENT", "METRICS"))
        is_contract = name.startswith("bench.experiment.") and declares
        return top(name) != "bench" or is_contract

    assert breaches("polysem", is_allowed) == []


def test_experiments_do_not_know_what_shows_them() -> None:
    """No module of polysem outside those that read and show stored runs imports one of them."""
    shown = {path.removesuffix(".py").replace("/", ".") for path in SHOWING}

    def is_allowed(path: Path, name: str) -> bool:
        shows = path.parent.name in {"features", "pictures"} or path.relative_to(ROOT).as_posix() in SHOWING
        return shows or not any(name.startswith(module) for module in shown)

    assert breaches("polysem", is_allowed) == []


def test_statistics_see_numbers_only() -> None:
    """The statistics import the standard library and the five numerical packages, and nothing else."""
    assert breaches("bench/stats", lambda _, name: top(name) in STATISTICS_SEES or room(name) == "stats") == []


def test_renderers_never_compute() -> None:
    """A renderer imports no room but its own and errors, and no package that estimates or tests anything."""

    def is_allowed(path: Path, name: str) -> bool:
        return top(name) not in COMPUTING and (top(name) != "bench" or room(name) in {"errors", "present"})

    assert breaches("bench/present/render", is_allowed) == []


def test_one_folder_draws() -> None:
    """Only the figures know matplotlib, so that all of them have one style, and nobody else waits for it to load."""

    def is_allowed(path: Path, name: str) -> bool:
        return top(name) != "matplotlib" or path.parent.name == "figures"

    assert breaches("bench", is_allowed) == []
    assert breaches("polysem", is_allowed) == []


@pytest.mark.parametrize("statement", ["import bench", "import bench.cli"])
def test_starting_up_loads_nothing_heavy(statement: str) -> None:
    """Importing the API or the command line loads no numerical package, so that --help answers at once."""
    code = f"import sys; {statement}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


def test_the_map_names_what_there_is() -> None:
    """Each file and folder that docs/design.md names within a room is there, and each room of bench is on the map."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    lines = re.findall(r"^- `(\w+)`: (.*?)(?=^- |^\*\*|^$)", text, re.MULTILINE | re.DOTALL)
    for room, names in lines:
        folder = next(ROOT / top / room for top in ("bench", ".") if (ROOT / top / room).is_dir())
        named = [name.removesuffix("/") for name in re.findall(r"`([\w/]+)`", names) if name.islower()]
        there = {path.stem for path in folder.rglob("*") if "__pycache__" not in path.parts}
        assert {name for name in named if name not in there} == set(), f"{room}: no such file"
    rooms = {path.name for path in (ROOT / "bench").iterdir() if (path / "__init__.py").is_file()} - {"cli"}
    assert rooms <= {room for room, _ in lines}
