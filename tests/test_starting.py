"""What a new user starts from runs at once, and is theirs: nothing is overwritten."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

import bench

if TYPE_CHECKING:
    from tests.conftest import Commands

STARTED = ["study.py", "study.toml", "suite.schema.json"]


def test_what_is_started_goes_from_a_run_to_a_gate(command: Commands, tmp_path: Path) -> None:
    """The starter is checked, run, reported, accepted and compared as its comments say, claim included."""
    code, _, err = command("init", tmp_path / "new")
    assert (code, f"cd {tmp_path / 'new'} && bench run study.toml" in err) == (0, True)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == STARTED
    suite = tmp_path / "new" / "study.toml"
    head, _, claim = suite.read_text().partition("# [[claims]]")
    lines = [line.removeprefix("# ") for line in ("# [[claims]]" + claim).splitlines()]
    suite.write_text(head + "\n".join(line.partition("    #")[0] for line in lines) + "\n")
    assert command.anew(suite.parent, "run", "study.toml", "--executor", "serial")[0] == 0
    assert "supported" in command.anew(suite.parent, "report", "study")[1]
    assert command.anew(suite.parent, "baseline", "accept", "study")[0] == 0
    assert (tmp_path / "new" / "baselines" / "study.csv").is_file()
    assert "Verdict: passed" in command.anew(suite.parent, "compare", "study")[1]


def test_the_experiment_that_is_started_is_short_and_clean(command: Commands, tmp_path: Path) -> None:
    """About 20 lines without blank ones, which the project's own rules accept."""
    command("init", tmp_path)
    lines = [line for line in (tmp_path / "study.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 22
    ruff = [sys.executable, "-m", "ruff", "check", "--config", str(Path(__file__).parents[1] / "pyproject.toml")]
    subprocess.run([*ruff, "--ignore", "INP001", str(tmp_path / "study.py")], check=True, capture_output=True)


@pytest.mark.parametrize("name", STARTED)
@pytest.mark.parametrize("is_link", [True, False])
def test_nothing_is_overwritten(command: Commands, tmp_path: Path, name: str, *, is_link: bool) -> None:
    """If a file is there already, or a link to anywhere, none is written."""
    if is_link:
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    else:
        (tmp_path / name).write_text("mine")
    code, _, err = command("init", tmp_path)
    assert (code, f"Nothing was written: {tmp_path / name} is there already" in err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_that_cannot_be_made_is_said(command: Commands, tmp_path: Path) -> None:
    """A file in the way is named."""
    (tmp_path / "file").touch()
    code, _, err = command("init", tmp_path / "file" / "new")
    assert (code, "cannot be written" in err) == (2, True)


@pytest.mark.parametrize(("inside", "where"), [("", "."), ("science/study", "science/study")])
def test_the_workflow_is_self_contained(command: Commands, tmp_path: Path, inside: str, where: str) -> None:
    """It goes where the forge reads it, works in the folder of the suite, and needs nothing of another project."""
    (tmp_path / ".git").mkdir()
    assert command("init", tmp_path / inside, "--ci", "github")[0] == 0
    workflow = yaml.safe_load((tmp_path / ".github" / "workflows" / "bench.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert job["defaults"]["run"]["working-directory"] == where
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[0] == "pip install polysem-bench"
    assert [line.split(" #")[0] for line in commands[1:]] == [
        "bench run study.toml", "bench compare study --format github",
    ]  # fmt: skip
    assert workflow["permissions"] == {"contents": "read"}


def test_the_schema_is_that_of_suites(command: Commands, tmp_path: Path) -> None:
    """The schema that is printed is the API's, and it knows every key of the starter."""
    code, out, _ = command("schema")
    assert (code, json.loads(out)) == (0, bench.schema())
    command("init", tmp_path)
    assert (tmp_path / "suite.schema.json").read_text() == out
    text = (tmp_path / "study.toml").read_text()
    assert text.startswith("#:schema ./suite.schema.json\n")
    assert set(tomllib.loads(text)) <= set(bench.schema()["properties"])


def test_the_version_is_that_of_the_distribution(command: Commands) -> None:
    """``bench --version`` names it."""
    assert command("--version")[:2] == (0, f"polysem-bench {version('polysem-bench')}\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(command: Commands, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    """What a shell asks for completion is answered with the commands."""
    asked = {"bash": {"COMP_WORDS": "bench ba", "COMP_CWORD": "1"}, "zsh": {"_TYPER_COMPLETE_ARGS": "bench ba"}}
    asked["fish"] = {"_TYPER_COMPLETE_ARGS": "bench ba", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    for name, value in {"_BENCH_COMPLETE": f"complete_{shell}", **asked[shell]}.items():
        monkeypatch.setenv(name, value)
    assert "baseline" in command()[1]
