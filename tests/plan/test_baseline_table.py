"""The table ``[baseline]`` of a suite: what it becomes, and what is said of its faults, where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.plan.shape import BaselineTable
from bench.plan.source import SuiteError
from bench.plan.suite import load

Write = Callable[[str | bytes], Path]


def test_what_a_suite_says_of_its_baseline(good: str, write: Write) -> None:
    """Every key is read; without the table nothing is chosen."""
    assert load(write(good)).baseline == BaselineTable()
    table = 'file = "b.csv"\ncompare = "effects"\nmetrics = ["l0"]\nsd = "population"\nmore_seeds = 5\n'
    table += 'removed = ["a/b", { reg = ["l9"], seed = 3 }]\n'
    removed = ["a/b", {"reg": ["l9"], "seed": 3}]
    expected = BaselineTable(
        file="b.csv", compare="effects", metrics=["l0"], sd="population", more_seeds=5, removed=removed
    )
    assert load(write(f"{good}[baseline]\n{table}")).baseline == expected


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ('metrics = ["loss", "los"]', 20, ['no metric "los"', 'Did you mean "loss"?']),
        ('compar = "cells"', 1, ["unknown key", 'Did you mean "compare"?']),
        ('compare = "rows"', 11, ["baseline.compare", '"effects"']),
        ("more_seeds = 0", 14, ["baseline.more_seeds", "further seeds"]),
        ("file = 3", 8, ["baseline.file", "relative to the suite's folder"]),
        ("metrics = []", 11, ["baseline.metrics", "by default all"]),
        ("removed = [3]", 12, ["baseline.removed.0", "names of cells"]),
        ("removed = [{}]", 12, ["baseline.removed.0", "names of cells"]),
    ],
)
def test_faults_are_placed_and_explained(good: str, write: Write, line: str, column: int, words: list[str]) -> None:
    """A fault in the table comes with its line and column, and with what is allowed there."""
    with pytest.raises(SuiteError) as raised:
        load(write(f"{good}[baseline]\n{line}\n"))
    assert f"suite.toml:12:{column}: " in str(raised.value)
    assert all(word in str(raised.value) for word in words)
