"""What the docstrings of the public names show is what happens, in the folder that ``bench init`` makes."""

from __future__ import annotations

import doctest
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bench
from bench.cli.starting import init

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _examples() -> Iterator[doctest.DocTest]:
    public = {name: getattr(bench, name) for name in bench.__all__}
    for name, thing in {"bench": bench, **public}.items():
        if callable(thing) or thing is bench:
            finder = doctest.DocTestFinder(recurse=thing is not bench)
            yield from finder.find(thing, name, globs={"bench": bench, "Path": Path, **public})


EXAMPLES = {test.name: test for test in _examples() if test.examples}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter, run."""
    folder = tmp_path_factory.mktemp("started")
    init(folder)
    bench.run(folder / "study.toml", executor="serial", out=folder / "run")
    return folder


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(name: str, started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example of a public docstring gives the output that stands below it."""
    shutil.rmtree(started / "reports", ignore_errors=True)
    shutil.copytree(started / "run", started / "reports")
    monkeypatch.chdir(started)
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    said: list[str] = []
    runner.run(EXAMPLES[name], out=said.append, clear_globs=False)
    assert runner.failures == 0, "".join(said)


def test_every_public_function_has_an_example() -> None:
    """Classes and constants may do without."""
    functions = {name for name in bench.__all__ if callable(getattr(bench, name)) and name[0].islower()}
    assert functions <= {*EXAMPLES}
