"""What examples and documents show runs as a user would run it: in a folder of its own, a notebook in a real kernel."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient

if TYPE_CHECKING:
    from tests.conftest import Commands

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
README = ROOT / "README.md"


@pytest.mark.slow
def test_the_notebook_runs_from_the_question_to_the_gate(tmp_path: Path) -> None:
    """Every cell, in order, beside its experiment: it shows a claim with its picture, and a regression."""
    for path in EXAMPLES.glob("averaging.*"):
        shutil.copy(path, tmp_path)
    notebook = nbformat.read(tmp_path / "averaging.ipynb", as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pages = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert any("svg" in page and "✓ helps" in page and "supported" in page for page in pages)
    assert any("regression" in page for page in pages)
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]


def test_no_output_is_stored() -> None:
    """A notebook in the repository holds code and words; outputs come from running it."""
    for path in EXAMPLES.glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        assert not [cell for cell in cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)]


def test_the_experiment_of_the_readme_goes_to_a_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Commands
) -> None:
    """Its code and suite, copied into an empty folder, run; its claim is supported; its commands and Python work."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(\w+)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    codes = [text for language, text in blocks if language == "python"]
    Path("descent.py").write_text(codes[0])
    Path("descent.toml").write_text(next(text for language, text in blocks if language == "toml"))
    assert command("check", "descent.toml")[0] == 0
    assert command("run", "descent.toml", "--executor", "serial")[0] == 0
    assert "✓ momentum" in command("report", "descent")[1]
    assert command("baseline", "accept", "descent")[0] == 0
    code, out, _ = command("compare", "descent")
    assert (code, "Verdict: passed" in out) == (0, True)
    exec(codes[1], {})  # all is stored, so that no worker starts


def test_what_contributing_shows_is_in_the_tests() -> None:
    """The example of a test is one, word by word; the commands are targets of the Makefile."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    example = re.findall(r"```python\n(def test_.*?)```", text, re.DOTALL)[0]
    assert any(example in path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {*re.findall(r"^\$ make (\w+)", text, re.MULTILINE)} <= targets
