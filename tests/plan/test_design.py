"""Cells and jobs: their order, their number, and that they are made one at a time."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.plan.design import cells, jobs, n_cells, n_jobs
from bench.plan.suite import load

Write = Callable[[str | bytes], Path]


def test_the_first_factor_changes_slowest(good: str, write: Write) -> None:
    """The grid is in the order of an odometer, and every cell's parameters are its levels over the shared ones."""
    suite = load(write(good))
    made = list(cells(suite))
    assert [tuple(cell.levels.values()) for cell in made] == [("l1", 0.1), ("l1", 1.0), ("l2", 0.1), ("l2", 1.0)]
    assert [(cell.params.reg, cell.params.lr) for cell in made] == [tuple(cell.levels.values()) for cell in made]
    assert {cell.params.steps for cell in made} == {20}
    assert n_cells(suite) == len(made)


def test_jobs_come_seed_by_seed(good: str, write: Write) -> None:
    """All cells of the first seed come before any of the next."""
    suite = load(write(good), seeds=(5, 2))
    made = list(jobs(suite))
    assert [job.seed for _, job in made] == [5] * 4 + [2] * 4
    assert [cell for cell, _ in made[:4]] == list(cells(suite)) == [cell for cell, _ in made[4:]]
    assert all(job.params is cell.params for cell, job in made)
    assert n_jobs(suite) == len(made)


def test_kept_cells_change_nothing(good: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The jobs are the same whether cells are kept from seed to seed or made anew, and kept ones are made once."""
    suite = load(write(good), seeds=(5, 2, 7))
    kept = list(jobs(suite))
    assert kept[0][0] is kept[4][0] is kept[8][0]
    monkeypatch.setattr("bench.plan.design.MOST_IN_MEMORY", 3)
    assert list(jobs(suite)) == kept


def test_listed_cells_are_taken_as_they_are(write: Write) -> None:
    """Listed cells keep their order, and no other combination is made."""
    cells_text = 'cells = [{ reg = "l2", lr = 2 }, { reg = "l1", lr = 1 }]'
    text = f'name = "listed"\nexperiment = "subject:EXPERIMENT"\nseeds = 2\n{cells_text}'
    suite = load(write(text))
    assert [(cell.params.reg, cell.params.lr) for cell in cells(suite)] == [("l2", 2.0), ("l1", 1.0)]
    assert (n_cells(suite), n_jobs(suite)) == (2, 4)


def test_a_million_jobs_are_not_made_at_once(good: str, write: Write) -> None:
    """The first of a million jobs comes at once, and the jobs do not pile up."""
    lr, steps = list(range(1, 1001)), list(range(1, 501))
    grid = good.replace("[0.1, 1]", f"{lr}\nsteps = {steps}").replace("steps = 20\n", "")
    suite = load(write(grid), seeds=[3])
    assert n_jobs(suite) == 1_000_000
    tracemalloc.start()
    started = time.perf_counter()
    made = jobs(suite)
    first_cell, first_job = next(made)
    assert time.perf_counter() - started < 0.5
    for _ in range(2000):
        next(made)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert (first_cell.levels, first_job.seed) == ({"reg": "l1", "lr": 1.0, "steps": 1}, 3)


def test_a_refused_cell_of_a_huge_grid_is_said_when_it_is_made(good: str, write: Write) -> None:
    """Beyond the cells tried on loading, a combination that the experiment refuses is an error in words."""
    steps, lr = list(range(1, 101)), list(range(1, 61))
    factors = f'reg = ["l1", "l2"]\nsteps = {steps}\nlr = {lr}\ntied = [false, true]'
    text = good.replace("steps = 20\n", "").replace('reg = ["l1", "l2"]\nlr = [0.1, 1]', factors)
    suite = load(write(text))
    assert n_cells(suite) == 24_000
    refused = {"reg": "l2", "tied": True}
    with pytest.raises(BenchError, match='reg = "l2"'):
        next(cell for cell in cells(suite) if refused.items() <= cell.levels.items())
