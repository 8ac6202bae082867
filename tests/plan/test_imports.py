"""The files that an experiment's numbers come from are found in its source, and no others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.plan.find import find
from bench.plan.imports import source_files

EXPERIMENT = """
from dataclasses import dataclass
from bench.experiment import Experiment, Metric
{imports}
@dataclass(frozen=True)
class P:
    x: int = 0
def run(jobs, progress):
    {inside}
    for job in jobs:
        yield {{"m": 1.0}}
A = Experiment(params=P, metrics=[Metric("m", "M")], run=run{more})
"""


def experiment(imports: str = "", inside: str = "pass", more: str = "") -> str:
    return EXPERIMENT.format(imports=imports, inside=inside, more=more)


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files (path -> text) into a folder that Python imports from, under names that no other test has."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    for name in list(sys.modules):
        if name.partition(".")[0].startswith("own_"):
            del sys.modules[name]

    def to(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("/init/", "/__init__").replace("/init", "/__init__")
            path = path.with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    yield to
    for name in set(sys.modules) - before:
        if name.partition(".")[0].startswith("own_"):
            del sys.modules[name]


def files(reference: str, folder: Path) -> dict[str, str]:
    return dict(source_files(reference, find(reference, folder / "suite.toml")))


@pytest.mark.parametrize(
    ("imports", "inside"),
    [
        ("import own_helper", "pass"),
        ("from own_helper import f", "pass"),
        ("from own_helper import *", "pass"),
        ("import own_helper as h, json", "pass"),
        ("try:\n    import own_helper\nexcept ImportError:\n    pass", "pass"),
        ("", "import own_helper"),
        ("", "from own_helper import f"),
        ("import importlib", "importlib.import_module('own_helper')"),
        ("", "__import__('own_helper')"),
        ("if 1:\n    class C:\n        def m(self):\n            import own_helper", "pass"),
    ],
)
def test_what_a_module_imports_from_its_folder_is_followed(write: Write, imports: str, inside: str) -> None:
    """However a file of one's own is imported, also inside functions, it and what it imports are of the source."""
    folder = write(
        own_exp=experiment(imports, inside),
        own_helper="def f():\n    import own_deeper",
        own_deeper="import numpy",
        own_other="import own_exp",
        test_own="import own_exp",
    )
    first = files("own_exp:A", folder)
    assert list(first) == ["own_deeper.py", "own_exp.py", "own_helper.py"]
    write(own_deeper="import numpy as np")
    assert {name for name, digest in files("own_exp:A", folder).items() if first[name] != digest} == {"own_deeper.py"}
    write(own_other="import own_exp, sys", test_own="pass", own_deeper="import numpy")
    assert files("own_exp:A", folder) == first


def test_imports_inside_a_package_are_followed(write: Write) -> None:
    """Relative and absolute imports of a package, its ``__init__`` files, and modules beside it are of the source."""
    folder = write(
        own_lab__init="from own_lab.constants import G",
        own_lab__constants="G = 9.81",
        own_lab__inner__init="",
        own_lab__inner__exp=experiment("from ..parts import model\nfrom . import near\nimport own_beside.thing"),
        own_lab__inner__near="from .. import late as l",
        own_lab__late="",
        own_lab__parts__init="",
        own_lab__parts__model="from own_lab import *",
        own_lab__parts__unused="",
        own_lab__other_experiment="from own_lab.parts import model",
        own_lab__tests__test_it="",
        own_beside__thing="",
    )
    names = [
        "own_beside/thing.py", "own_lab/__init__.py", "own_lab/constants.py", "own_lab/inner/__init__.py",
        "own_lab/inner/exp.py", "own_lab/inner/near.py", "own_lab/late.py", "own_lab/parts/__init__.py",
        "own_lab/parts/model.py",
    ]  # fmt: skip
    assert list(files("own_lab.inner.exp:A", folder)) == names


def test_what_only_a_type_checker_imports_is_not_followed(write: Write) -> None:
    """An import that never runs changes no number."""
    checked = (
        "import typing\nfrom typing import TYPE_CHECKING\nif {}:\n    import own_types\nelse:\n    import own_real"
    )
    for test in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        folder = write(own_exp=experiment(checked.format(test)), own_types="", own_real="")
        assert list(files("own_exp:A", folder)) == ["own_exp.py", "own_real.py"]


def test_another_file_of_the_same_name_is_another_source(write: Write) -> None:
    """What counts is the content: a copy elsewhere is the same source, another file of the name is not."""
    folder = write(own_exp=experiment())
    here = files("own_exp:A", folder)
    assert files("own_exp:A", folder) == here
    (folder / "own_exp.py").write_bytes(experiment().replace("\n", "\r\n").encode())
    assert files("own_exp:A", folder) == here
    write(own_exp=experiment("# elsewhere"))
    assert files("own_exp:A", folder) != here


def test_declared_sources_count(write: Write) -> None:
    """A file or folder that the experiment names is of its source, wherever it is; one that is missing is refused."""
    folder = write(own_exp=experiment(more=", sources=['data', '../elsewhere.csv']"))
    (folder / "data").mkdir()
    (folder / "data" / "weights.csv").write_text("1")
    elsewhere = folder.parent / "elsewhere.csv"
    elsewhere.write_text("2")
    first = files("own_exp:A", folder)
    assert list(first) == ["../elsewhere.csv", "data/weights.csv", "own_exp.py"]
    elsewhere.write_text("3")
    assert files("own_exp:A", folder) != first
    elsewhere.unlink()
    with pytest.raises(BenchError, match=r"names '\.\./elsewhere\.csv' among its sources, and there is no such file"):
        find("own_exp:A", folder / "suite.toml")


def test_an_installed_package_is_followed_and_its_neighbours_are_not(write: Write) -> None:
    """Among installed distributions only modules of the experiment's own are of its source."""
    folder = write(own_exp=experiment("import own_helper, own_foreign"), own_helper="", own_foreign="")
    for name, tops in (("mine", ("own_exp", "own_helper")), ("theirs", ("own_foreign",))):
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "top_level.txt").write_text("\n".join(tops))
    assert list(files("own_exp:A", folder)) == ["own_exp.py", "own_helper.py"]


def test_bench_itself_and_odd_files_are_no_source(write: Write) -> None:
    """The harness is not of the experiment's source; a file that is no Python counts by its bytes alone."""
    folder = write(own_exp=experiment("import bench.stats\ndef f():\n    import own_broken"), own_broken="import (")
    assert list(files("own_exp:A", folder)) == ["own_broken.py", "own_exp.py"]


def test_finding_sources_imports_nothing(tmp_path: Path) -> None:
    """What an experiment imports only later is read, not run."""
    (tmp_path / "own_late.py").write_text("raise SystemExit('imported')")
    (tmp_path / "own_exp.py").write_text(experiment("", "import own_late"))
    script = (
        "from pathlib import Path; from bench.plan.find import find; from bench.plan.imports import source_files;"
        "print(*source_files('own_exp:A', find('own_exp:A', Path('suite.toml'))))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["own_exp.py", "own_late.py"]
