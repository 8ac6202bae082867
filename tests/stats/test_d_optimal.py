"""D-optimal additions against the best of all choices and hand calculation."""

from itertools import combinations, product

import numpy as np
import pytest

from bench.stats import d_optimal as exchange
from bench.stats.d_optimal import d_optimal

RNG = np.random.default_rng(5)
GRID = np.array([(1, *signs) for signs in product((-1, 1), repeat=4)], float)
POST = [0, 8, 4, 3, 11, 12, 6, 15]
"""Rows of the grid that are the post's cells: reg and act are the last two columns."""


def information(rows: np.ndarray) -> float:
    return float(np.linalg.det(rows.T @ rows))


def test_the_cell_that_separates_reg_from_act() -> None:
    """One more cell is best with act changed against reg: the determinant is multiplied by 1 + x'(X'X)^-1 x."""
    missing = [row for row in range(16) if row not in POST]
    (best,) = d_optimal(GRID[POST], GRID[missing], 1, RNG)
    inverse = np.linalg.inv(GRID[POST].T @ GRID[POST])
    gains = [float(row @ inverse @ row) for row in GRID[missing]]
    assert gains[best] == pytest.approx(max(gains))
    assert GRID[missing][best, 3] != GRID[missing][best, 4]


@pytest.mark.parametrize("n", [2, 3, 4])
def test_no_other_choice_has_more_information(n: int) -> None:
    """The chosen cells have the largest determinant of all choices, and of equal ones the first."""
    missing = GRID[[row for row in range(16) if row not in POST]]
    chosen = d_optimal(GRID[POST], missing, n, RNG)
    values = {
        choice: information(np.vstack([GRID[POST], missing[list(choice)]])) for choice in combinations(range(8), n)
    }
    best = max(values.values())
    assert chosen == next(choice for choice, value in values.items() if value == pytest.approx(best))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_exchanges_find_what_trying_all_finds(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all choices cannot be tried, exchanges reach the same determinant on the post's cells."""
    missing = GRID[[row for row in range(16) if row not in POST]]
    tried = d_optimal(GRID[POST], missing, n, RNG)
    monkeypatch.setattr(exchange, "MOST_TRIED", 0)
    exchanged = d_optimal(GRID[POST], missing, n, RNG)
    assert len(set(exchanged)) == n
    found, best = (information(np.vstack([GRID[POST], missing[list(rows)]])) for rows in (exchanged, tried))
    assert found == pytest.approx(best)
