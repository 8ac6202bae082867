"""A design and the cells that could be added to it -> those that make its estimates most precise together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np

from bench.stats.coding import Floats

MOST_TRIED = 20_000
"""Up to so many choices are all tried; beyond, the best is sought by exchanges."""
_PRIOR = 1e-3
"""Information on every coefficient besides that of the cells, so that designs short of full rank can be compared."""
_SAME = 1e-9
_STARTS = 20


def d_optimal(present: Floats, candidates: Floats, n: int, rng: np.random.Generator) -> tuple[int, ...]:
    """The ``n`` candidates, as row indices in order, that maximise the determinant of the information X'X.

    ``present`` and ``candidates`` are rows of the model's columns, shape (cells, coefficients). Of equally good choices
    the first is taken. Where not all can be tried: starts drawn from ``rng``, each improved by exchanging one cell at
    a time (Fedorov 1972) until no exchange helps, which may miss the best choice.
    """
    start = present.T @ present + _PRIOR * np.eye(present.shape[1])
    if comb(len(candidates), n) <= MOST_TRIED:
        choices = list(combinations(range(len(candidates)), n))
        values = np.array([_information(start, candidates, choice) for choice in choices])
        return choices[int(np.argmax(values > values.max() - _SAME))]
    starts = [rng.permutation(len(candidates))[:n].tolist() for _ in range(_STARTS)]
    choices = [_exchanged(start, candidates, choice) for choice in starts]
    return max(choices, key=lambda choice: round(_information(start, candidates, choice), 9))


def _exchanged(start: Floats, candidates: Floats, choice: list[int]) -> tuple[int, ...]:
    value, improved = _information(start, candidates, choice), True
    while improved:
        improved = False
        for position in range(len(choice)):
            others = choice[:position] + choice[position + 1 :]
            changed = [*others, _best_besides(start, candidates, others)]
            information = _information(start, candidates, changed)
            if information > value + _SAME:
                choice, value, improved = changed, information, True
    return tuple(sorted(choice))


def _best_besides(start: Floats, candidates: Floats, others: Sequence[int]) -> int:
    """The candidate that adds most to the others: the determinant grows by 1 + x'(X'X)^-1 x."""
    rows = candidates[list(others)]
    gain = np.einsum("ij,ij->i", candidates @ np.linalg.inv(start + rows.T @ rows), candidates)
    gain[list(others)] = -1.0
    return int(np.argmax(gain > gain.max() - _SAME))


def _information(start: Floats, candidates: Floats, choice: Sequence[int]) -> float:
    """The logarithm of the determinant."""
    rows = candidates[list(choice)]
    return float(np.linalg.slogdet(start + rows.T @ rows)[1])
