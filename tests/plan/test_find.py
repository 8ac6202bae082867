"""Experiments that are not installed: where their modules are sought, and what is said when they cannot be used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.plan.find import find

Place = Callable[[str], Path]

MODULE = """\
from dataclasses import dataclass
from bench.experiment import Experiment, Metric

@dataclass(frozen=True)
class Params:
    width: int = 3

EXPERIMENT = Experiment(params=Params, metrics=[Metric("loss", "Loss")], run=lambda jobs, progress: iter(()))
"""

ALIASED = MODULE.replace("from dataclasses import dataclass", "from pydantic import BaseModel, Field").replace(
    "@dataclass(frozen=True)\nclass Params:\n    width: int = 3",
    "class Params(BaseModel):\n    width: int = Field(3, alias='w')",
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A project with a suite in project/suites/deep, and the current directory elsewhere; writes a module to a path."""
    for folder in ("project/suites/deep", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def place(path: str, content: str = MODULE) -> Path:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(content)
        importlib.invalidate_caches()
        return tmp_path / "project" / "suites" / "deep" / "suite.toml"

    yield place
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("path", "reference"),
    [
        ("project/suites/deep/my_exp.py", "my_exp:EXPERIMENT"),
        ("elsewhere/my_exp.py", "my_exp:EXPERIMENT"),
        ("project/my_exp.py", "my_exp:EXPERIMENT"),
        ("project/my_package/my_exp.py", "my_package.my_exp:EXPERIMENT"),
    ],
)
def test_a_module_beside_the_suite_is_found(place: Place, path: str, reference: str) -> None:
    """A module is found in the suite's folder, the current directory and the suite's project."""
    assert list(find(reference, place(path)).fields) == ["width"]


def test_the_suites_own_folder_comes_first(place: Place) -> None:
    """Of modules with the same name, the one beside the suite is taken and the other is not run."""
    place("elsewhere/my_exp.py", "raise SystemExit('the wrong one')")
    find("my_exp:EXPERIMENT", place("project/suites/deep/my_exp.py"))


def test_an_installed_module_is_not_hidden(place: Place) -> None:
    """A file beside the suite that bears the name of a module known to Python is pointed out, and not run."""
    with pytest.raises(BenchError, match="two modules called 'colorsys'"):
        find("colorsys:EXPERIMENT", place("project/suites/deep/colorsys.py", "raise SystemExit('run')"))


def test_two_suites_with_modules_of_one_name(place: Place) -> None:
    """The experiment of an earlier suite is never taken for that of a later one."""
    find("my_exp:EXPERIMENT", place("elsewhere/my_exp.py"))
    with pytest.raises(BenchError, match="two modules called 'my_exp'"):
        find("my_exp:EXPERIMENT", place("project/suites/deep/my_exp.py"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("def", "SyntaxError"),
        ("", "has no Experiment called 'EXPERIMENT'"),
        (MODULE.replace("= 3", ""), "cannot be used"),
        (MODULE.replace("params=Params", "params=int"), "cannot be used"),
        (MODULE.replace("width: int", "width: type(print)"), "cannot be used"),
        (ALIASED, "missing from their own JSON: w"),
    ],
)
def test_a_module_that_cannot_be_used(place: Place, content: str, words: str) -> None:
    """Whatever a user's module does, the error says it in words."""
    with pytest.raises(BenchError, match=words):
        find("my_exp:EXPERIMENT", place("elsewhere/my_exp.py", content))


def test_a_module_that_is_nowhere(place: Place, tmp_path: Path) -> None:
    """A module that is not found is named with the folders in which it was sought."""
    with pytest.raises(BenchError, match="no module called 'my_exp'") as raised:
        find("my_exp:EXPERIMENT", place("project/other.py"))
    assert all(
        str(tmp_path / folder) in raised.value.hint for folder in ("project/suites/deep", "elsewhere", "project")
    )
