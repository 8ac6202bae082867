"""The examples run as a user would run them: in a folder of their own, the notebook in a real kernel."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"


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
