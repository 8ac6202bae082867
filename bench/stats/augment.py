"""A design and the cells that could be added to it -> those that make its estimates most precise together."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from bench.stats.coding import Floats

MOST_TRIED = 20_000
"""Up to so many choices are all tried; beyond, the best is sought by exchanges."""
_PRIOR = 1e-3
"""Information on every coefficient besides that of the cells, so that designs short of full rank can be compared."""
_SAME = 1e-9


def d_optimal(present: Floats, candidates: Floats, n: int) -> tuple[int, ...]:
    """The ``n`` candidates, as row indices in order, that maximise the determinant of the information X'X.

    ``present`` and ``candidates`` are rows of the model's columns, shape (cells, coefficients). Of equally good choices
    the first is taken. Where not all can be tried: a greedy start, improved by exchanging one cell at a time (Fedorov
    1972) until no exchange helps, which may miss the best choice.
    """
    start = present.T @ present + _PRIOR * np.eye(present.shape[1])
    if comb(len(candidates), n) <= MOST_TRIED:
        choices = np.array(list(combinations(range(len(candidates)), n)))
        outer = candidates[:, :, None] * candidates[:, None, :]
        values = np.array([_log_det(start + outer[choice].sum(axis=0)) for choice in choices])
        return tuple(choices[np.argmax(values > values.max() - _SAME)].tolist())
    return _exchanged(start, candidates, _greedy(start, candidates, n))


def _greedy(information: Floats, candidates: Floats, n: int) -> list[int]:
    chosen: list[int] = []
    for _ in range(n):
        gain = np.einsum("ij,ij->i", candidates @ np.linalg.inv(information), candidates)
        gain[chosen] = -1.0
        best = int(np.argmax(gain > gain.max() - _SAME))
        chosen.append(best)
        information = information + np.outer(candidates[best], candidates[best])
    return chosen


def _exchanged(start: Floats, candidates: Floats, chosen: list[int]) -> tuple[int, ...]:
    value = _log_det(start + candidates[chosen].T @ candidates[chosen])
    improved = True
    while improved:
        improved = False
        for position in range(len(chosen)):
            others = chosen[:position] + chosen[position + 1 :]
            information = start + candidates[others].T @ candidates[others]
            (best,) = _greedy_besides(information, candidates, others)
            found = _log_det(information + np.outer(candidates[best], candidates[best]))
            if found > value + _SAME:
                chosen, value, improved = [*others, best], found, True
    return tuple(sorted(chosen))


def _greedy_besides(information: Floats, candidates: Floats, others: list[int]) -> list[int]:
    allowed = [index for index in range(len(candidates)) if index not in others]
    return [allowed[index] for index in _greedy(information, candidates[allowed], 1)]


def _log_det(information: Floats) -> float:
    return float(np.linalg.slogdet(information)[1])
