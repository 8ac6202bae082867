"""The wheel by itself: it holds what commands need, and it runs where nothing of the repository is."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    return Path(next(WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])))


def test_the_wheel_holds_both_packages_and_nothing_else(wheel: Path) -> None:
    """Every module and data file of the packages is in it; tests, suites and reports are not."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", "bench", "polysem"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    assert {name.partition("/")[0] for name in names} == {"bench", "polysem"}
    assert set(tracked) <= names
    assert "bench/cli/starter/study.py.txt" in names


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked; what it needs is that of these tests, an environment of its own would take minutes."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def python(site: Path, folder: Path, code: str, *arguments: str) -> str:
    """What code prints in a folder where ``bench`` and ``polysem`` are those of the wheel."""
    start = f"import sys; sys.path.insert(0, {str(site)!r}); import bench, polysem; "
    start += f"assert all(module.__file__.startswith({str(site)!r}) for module in (bench, polysem)); "
    command = [sys.executable, "-P", "-c", start + code, *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


COMMANDS = """
from bench.cli import main
for line in sys.argv[1:]:
    sys.argv = ["bench", *line.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, line
"""


def test_the_wheel_goes_from_init_to_a_gate_in_an_empty_folder(site: Path, tmp_path: Path) -> None:
    """Without the repository on the path: started, run, reported, made the baseline, compared."""
    lines = (
        "init --ci github",
        "run study.toml --executor serial",
        "report study --format html",
        "baseline accept study",
        "compare study --format md",
    )
    out = python(site, tmp_path, COMMANDS, *lines)
    assert (tmp_path / "reports" / "study" / "report.html").is_file()
    assert "passed" in out


def test_the_wheel_brings_the_kernel_and_builds_it(site: Path, tmp_path: Path) -> None:
    """Its source is compiled into a cache that was empty."""
    out = python(site, tmp_path, "import runpy; runpy.run_module('polysem.kernel', run_name='__main__')")
    assert "as it must" in out
    assert out.startswith(str(tmp_path / "polysem"))
