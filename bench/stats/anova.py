"""Runs of a factorial -> the analysis of variance with its interactions, seeds as blocks or runs independent.

Blocks are swept out of the response and the columns first (Frisch-Waugh-Lovell), so that thousands of them cost
nothing, and one QR factorisation serves every term and type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from bench.stats.coding import ROUNDING, Floats, Ints, Term, centred, term_columns
from bench.stats.identify import independent_columns

SumsOfSquares = Literal[1, 2, 3]


@dataclass(frozen=True)
class TermTest:
    """One row of the table; F and p are NaN where nothing is left to test with."""

    term: Term | None
    """None for the blocks."""
    df: int
    df_error: int
    sum_sq: float
    F: float
    p: float


def anova(
    values: Floats,
    codes: Ints,
    levels: Sequence[int],
    terms: Sequence[Term],
    block: Ints | None,
    *,
    kind: SumsOfSquares = 2,
) -> list[TermTest]:
    """Sums of squares of the blocks and of each term against the residual of the model with all of them.

    ``values`` (runs,), ``codes`` (runs, factors), ``block`` (runs,) counted from 0. Kind 1: each term after those
    before it, blocks first. Kind 2: after every term that does not contain it. Kind 3: after all others, in sum coding.
    Columns that depend on earlier ones are left out, as R's ``lm`` does; agrees with R's ``anova`` and ``car::Anova``.
    """
    model = _Model.fit(values, codes, levels, terms, block)
    rows = []
    if block is not None:
        if kind == 1 or not terms:
            between = centred(values, None) - centred(values, block)
            sum_sq = float(between @ between)
        else:
            sum_sq = _Model.fit(values, codes, levels, terms, None).residual - model.residual
        rows.append(_row(None, int(block.max()), sum_sq, model))
    for position, term in enumerate(terms):
        own = model.owner == position
        others = np.isin(model.owner, _adjusted_for(position, terms, kind))
        sum_sq = _sum_of_squares(model.rotated, model.R[:, own], model.R[:, others])
        rows.append(_row(term, int(own.sum()), sum_sq, model))
    return rows


@dataclass(frozen=True)
class _Model:
    R: Floats
    rotated: Floats
    """The response in the basis of the columns: Q'y."""
    owner: Ints
    """Position of the term that each column belongs to."""
    residual: float
    df_error: int
    testable: bool

    @classmethod
    def fit(
        cls, values: Floats, codes: Ints, levels: Sequence[int], terms: Sequence[Term], block: Ints | None
    ) -> _Model:
        y = centred(values, block)
        columns = [centred(term_columns(codes, levels, term), block) for term in terms]
        owner = np.repeat(np.arange(len(terms)), [column.shape[1] for column in columns])
        X = np.hstack([np.empty((len(y), 0)), *columns])
        kept = independent_columns(np.asarray(np.linalg.qr(X, mode="r")))
        Q, R = np.linalg.qr(X[:, kept])
        rotated = Q.T @ y
        remainder = y - Q @ rotated
        residual = float(remainder @ remainder)
        df_error = len(y) - (1 if block is None else int(block.max()) + 1) - len(kept)
        noise = len(y) * (ROUNDING * float(np.abs(values).max(initial=0.0))) ** 2
        return cls(R, rotated, owner[kept], residual, df_error, testable=bool(df_error > 0 and residual > noise))


def _adjusted_for(position: int, terms: Sequence[Term], kind: SumsOfSquares) -> list[int]:
    if kind == 1:
        return list(range(position))
    if kind == 2:
        return [other for other, term in enumerate(terms) if not set(terms[position]) <= set(term)]
    return [other for other in range(len(terms)) if other != position]


def _sum_of_squares(rotated: Floats, own: Floats, others: Floats) -> float:
    """Squared length of the response along the part of ``own`` that is orthogonal to ``others``."""
    basis = np.linalg.qr(others)[0]
    for _ in range(2):
        own = own - basis @ (basis.T @ own)
    along = np.linalg.qr(own)[0].T @ rotated
    return float(along @ along)


def _row(term: Term | None, df: int, sum_sq: float, model: _Model) -> TermTest:
    if df == 0 or not model.testable:
        return TermTest(term, df, model.df_error, sum_sq if df else float("nan"), float("nan"), float("nan"))
    F = (sum_sq / df) / (model.residual / model.df_error)
    return TermTest(term, df, model.df_error, sum_sq, F, float(special.fdtrc(df, model.df_error, F)))
