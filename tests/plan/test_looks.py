"""Planned looks in a suite: what a good plan is, and what is said of a bad one, where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.plan.shape import SequentialTable
from bench.plan.source import SuiteError
from bench.plan.suite import load

Write = Callable[[str | bytes], Path]


def test_a_plan_of_looks(good: str, write: Write) -> None:
    """Looks are numbers of seeds, spent late unless the suite says otherwise; without a table there are none."""
    suite = good.replace("seeds = 3", "seeds = 40")
    assert load(write(suite)).looks is None
    plan = "[sequential]\nlooks = [10, 20, 40]\n"
    looks = [10, 20, 40]
    assert load(write(suite + plan)).looks == SequentialTable(looks=looks, spending="obrien_fleming")
    assert load(write(f'{suite}{plan}spending = "pocock"\n')).looks == SequentialTable(looks=looks, spending="pocock")


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("looks = [2, 2, 3]", "suite.toml:12:13: the look at 2 seeds does not come after the one at 2"),
        ("looks = [2, 4]", "suite.toml:12:13: the last look is at 4 seeds, and the suite has 3"),
        ("looks = [1, 3]", "suite.toml:12:10: sequential.looks.0 cannot be 1"),
        ("looks = [3]", "suite.toml:12:9: sequential.looks cannot be [3]"),
        ('looks = [2, 3]\nspending = "even"', 'suite.toml:13:12: sequential.spending cannot be "even"'),
        ("look = [2, 3]", 'suite.toml:12:1: unknown key "look"'),
    ],
)
def test_what_is_wrong_with_a_plan(good: str, write: Write, table: str, fault: str) -> None:
    """Each fault is told with its place."""
    with pytest.raises(SuiteError) as error:
        load(write(f"{good}[sequential]\n{table}\n"))
    assert fault in str(error.value)


def test_all_faults_are_told_at_once(good: str, write: Write) -> None:
    """A fault of the looks does not hide others."""
    with pytest.raises(SuiteError) as error:
        load(write(good.replace('"l2"', '"l9"') + "[sequential]\nlooks = [3, 2]\n"))
    assert "l9" in str(error.value)
    assert "does not come after" in str(error.value)
