"""The cells of a suite -> frames that say what they identify and how precisely, before anything is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from math import prod

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.judge.names import signed_terms
from bench.plan.labels import term_label
from bench.plan.levels import Level
from bench.plan.suite import Plan
from bench.stats.coding import Ints, Term, term_df, terms_up_to
from bench.stats.fraction import RegularFraction, regular_fraction
from bench.stats.identify import Design, identify, rank
from bench.stats.precision import correlation, full_factorial_error, standard_errors, variance_inflation

MOST_CELLS = 20_000
MOST_COLUMNS = 130
"""Interactions are judged up to the number of factors at which their model has so many columns."""


@dataclass(frozen=True)
class Study:
    """What the cells of a suite can tell; cells are numbered from 1 in the order of the suite."""

    design: Design
    fraction: RegularFraction | None
    n_cells: int
    n_full: int
    """Cells of the full factorial of the same factors."""
    effects: pd.DataFrame
    """A row a term: ``effect order estimable df df_full alias biased_by vif correlation correlated_with se se_full``.

    ``se`` is for errors of SD 1 in each cell and one seed, ``se_full`` that of the full factorial; ``alias`` what a
    term that is not estimable is a combination of, ``biased_by`` the omitted terms that an estimate takes in.
    """
    correlations: pd.DataFrame
    """A row a pair of main effects: ``a b correlation``."""
    models: pd.DataFrame
    """A row a model of all terms of at most ``order`` factors: its ``columns`` (with the mean) and their ``rank``."""
    single: pd.DataFrame
    """A row a factor: how many ``pairs`` of cells differ in it alone, and the first few, as ``3 → 7``."""


def study_design(suite: Plan) -> Study:
    """Judge the cells of ``suite`` by rank, aliases, correlations and standard errors; no seed and no run is needed.

    Raises:
        BenchError: for more than MOST_CELLS cells.
    """
    design = design_of(suite)
    codes, levels, names = design.codes, design.levels, list(suite.factors)
    return Study(
        design=design,
        fraction=regular_fraction(codes, levels),
        n_cells=len(codes),
        n_full=prod(levels),
        effects=effect_frame(design, names),
        correlations=_correlations(design, names),
        models=_models(design),
        single=_single(codes, names),
    )


def design_of(suite: Plan) -> Design:
    """What the cells of ``suite`` identify.

    Raises:
        BenchError: for more than MOST_CELLS cells.
    """
    levels = tuple(map(len, suite.factors.values()))
    return identify(codes_of(suite), levels, order=_highest_order(levels))


def codes_of(suite: Plan) -> Ints:
    """Levels of every cell, counted from 0: shape (cells, factors)."""
    cells = list(islice(suite.combinations(), MOST_CELLS + 1))
    if len(cells) > MOST_CELLS:
        hint = "A full grid identifies every effect; a part of one this large is better studied with fewer levels."
        raise BenchError(f"{suite.path} has more than {MOST_CELLS} cells, too many to study.", hint=hint)
    return coded(suite, cells)


def coded(suite: Plan, cells: Sequence[Mapping[str, Level]]) -> Ints:
    """Levels of the given combinations, counted from 0: shape (combinations, factors)."""
    position = {
        name: {(type(level), level): code for code, level in enumerate(levels)}
        for name, levels in suite.factors.items()
    }
    rows = [[position[name][type(cell[name]), cell[name]] for name in position] for cell in cells]
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(position))


def effect_frame(design: Design, names: Sequence[str]) -> pd.DataFrame:
    """``Study.effects``."""
    errors = standard_errors(design)
    rows = []
    for entry in design.identified:
        peers = [term for term in design.columns if term != entry.term and len(term) <= entry.order]
        related = max(
            ((correlation(design, entry.term, peer), peer) for peer in peers),
            key=lambda pair: abs(pair[0]),
            default=(0.0, ()),
        )
        rows.append(
            {
                "effect": _name(entry.term, names),
                "order": len(entry.term),
                "estimable": entry.estimable,
                "df": entry.df,
                "df_full": entry.full_df,
                "alias": signed_terms(names, entry.alias),
                "biased_by": signed_terms(names, entry.biased_by),
                "vif": variance_inflation(design, entry),
                "correlation": related[0],
                "correlated_with": _name(related[1], names) if related[0] else "",
                "se": errors.get(entry.term, float("nan")),
                "se_full": full_factorial_error(design.levels, entry.term),
            }
        )
    return pd.DataFrame(rows)


def _highest_order(levels: Sequence[int]) -> int:
    order = 1
    while order < len(levels):
        if sum(term_df(levels, term) for term in terms_up_to(order + 1, len(levels))) > MOST_COLUMNS:
            break
        order += 1
    return order


def _name(term: Term, names: Sequence[str]) -> str:
    return term_label(names[factor] for factor in term)


def _correlations(design: Design, names: Sequence[str]) -> pd.DataFrame:
    mains = [term for term in design.columns if len(term) == 1]
    rows = [(_name(a, names), _name(b, names), correlation(design, a, b)) for a, b in combinations(mains, 2)]
    return pd.DataFrame(rows, columns=["a", "b", "correlation"])


def _models(design: Design) -> pd.DataFrame:
    rows = []
    for order in sorted({len(term) for term in design.columns}):
        columns = np.hstack([column for term, column in design.columns.items() if len(term) <= order])
        rows.append((order, columns.shape[1] + 1, rank(columns) + 1))
    return pd.DataFrame(rows, columns=["order", "columns", "rank"])


def _single(codes: Ints, names: Sequence[str]) -> pd.DataFrame:
    rows = []
    for factor, name in enumerate(names):
        others = np.delete(codes, factor, axis=1)
        _, group, sizes = np.unique(others, axis=0, return_inverse=True, return_counts=True)
        first = (
            pair for label in np.flatnonzero(sizes > 1) for pair in combinations(np.flatnonzero(group == label), 2)
        )
        pairs = ", ".join(f"{a + 1} → {b + 1}" for a, b in sorted(islice(first, _EXAMPLES)))
        rows.append((name, int((sizes * (sizes - 1) // 2).sum()), pairs))
    return pd.DataFrame(rows, columns=["factor", "pairs", "examples"])


_EXAMPLES = 4
"""Pairs of cells that are named for a factor."""
