"""The wheel by itself: it holds what commands need, and it runs where nothing of the repository is."""

from __future__ import annotations

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


def test_the_wheel_runs_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    """Unpacked, it starts a project, runs it and reports it, without the repository on the path."""
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    project = tmp_path / "project"
    project.mkdir()
    code = f"import sys; sys.path.insert(0, {str(site)!r}); from bench.cli import main; import bench;"
    code += f"assert bench.__file__.startswith({str(site)!r}); main()"
    for arguments in (["init"], ["run", "study.toml", "--executor", "serial"], ["report", "study", "--format", "html"]):
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, *arguments], cwd=project, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert (project / "reports" / "study" / "report.html").is_file()
