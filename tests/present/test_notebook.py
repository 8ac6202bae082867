"""In a notebook, with a real kernel: progress while a suite runs, and results that show themselves."""

from __future__ import annotations

from typing import Any

import pytest

from bench.cli.starting import init

CELLS = (
    "import bench\nfound = bench.run('study.toml', seeds=4, executor='serial')",
    "bench.runs()",
    "bench.report()",
    "bench.analyze(bench.load(wide=True), ['estimator', 'noise'], 'seed', ['error'])",
    "bench.accept(); bench.compare()",
    "print(bench.report())",
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """What each cell of a notebook showed."""
    import nbformat.v4
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("notebook")
    init(folder)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell["outputs"] for cell in notebook["cells"]]


@pytest.mark.slow
def test_progress_is_one_line_that_changes(outputs: list[list[Any]]) -> None:
    """While a suite runs there is one output, which in the end counts all of its jobs; nothing is sent to stderr."""
    (shown,) = outputs[0]
    assert shown["output_type"] == "display_data"
    assert shown["data"]["text/plain"].startswith("study: 16/16 jobs, 0:")


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "pictures"), [(1, False), (2, True), (3, True), (4, False)])
def test_results_show_themselves(outputs: list[list[Any]], cell: int, pictures: bool) -> None:
    """As a heading with tables and main pictures; as plain text, an opening that fits a screen."""
    (shown,) = outputs[cell]
    assert shown["output_type"] == "execute_result"
    page, text = shown["data"]["text/html"], shown["data"]["text/plain"]
    assert page.startswith('<div class="bench-report">')
    assert ("<img" in page) == pictures
    assert 1 < len(text.splitlines()) <= 40
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.slow
def test_a_printed_report_is_text(outputs: list[list[Any]]) -> None:
    """As in a terminal."""
    (shown,) = outputs[5]
    assert shown["name"] == "stdout"
    assert len(shown["text"]) < 20_000
