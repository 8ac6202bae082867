"""Which cells were run -> which effects the design can estimate, and what each of the others is aliased with.

An effect of m factors is estimable here if it is so in the model of all terms of at most m factors, or in the largest
model of that kind that has full rank: what is estimated then assumes that the terms left out are zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.stats.coding import Floats, Ints, Term, centred, term_columns, term_df, terms_up_to

MANY_FACTORS = 6
HIGHEST_ORDER = 3
"""Of more factors than so many, there are more interactions of more factors than this than anyone reads."""
_TOLERANCE = 1e-9
_NOTHING = 1e-6
"""An absolute coefficient that rounding alone explains."""


@dataclass(frozen=True)
class Alias:
    """A term's columns as a combination of other terms': the largest absolute coefficient of each (signed)."""

    terms: tuple[Term, ...]
    coefficients: tuple[float, ...]


@dataclass(frozen=True)
class Identified:
    """What can be estimated of one term."""

    term: Term
    order: int
    """Number of factors up to which every term is in the model that estimates this one."""
    df: int
    """How many of the term's degrees of freedom can be told from the rest of that model."""
    full_df: int
    alias: Alias
    """What the term is aliased with (empty for an estimable term)."""
    biased_by: Alias
    """The omitted terms that would bias the estimate if they were not zero, and by which part of each."""

    @property
    def estimable(self) -> bool:
        """Whether every effect of the term is estimable."""
        return self.df == self.full_df


@dataclass(frozen=True)
class Design:
    """The estimable part of a factorial, from the cells (and, unless complete, the blocks) that were run."""

    levels: tuple[int, ...]
    codes: Ints
    columns: Mapping[Term, Floats]
    """Columns of each term, less their (block) means, turned so that there are no more rows than needed."""
    order: int
    """Largest number of factors for which the model of all terms up to it has full rank; 0 if there is none."""
    identified: tuple[Identified, ...]

    @cached_property
    def model(self) -> tuple[Term, ...]:
        """Terms of the analysis of variance: up to ``order``, and those of the next order if they share no alias."""
        lower = [entry for entry in self.identified if len(entry.term) <= self.order]
        following = [entry for entry in self.identified if len(entry.term) == self.order + 1 and entry.df > 0]
        gained = rank(_up_to(self.columns, self.order + 1)) - rank(_up_to(self.columns, self.order))
        if sum(entry.df for entry in following) == gained:
            lower += following
        return tuple(entry.term for entry in lower)


def identify(codes: Ints, levels: Sequence[int], block: Ints | None = None, *, order: int | None = None) -> Design:
    """Judge every term of at most ``order`` factors by the ranks of the models that contain it.

    Default: all terms, or of more than ``MANY_FACTORS`` factors those of at most ``HIGHEST_ORDER``.

    ``codes`` (rows, factors) are the cells, once each when the blocks are complete or absent; with incomplete blocks
    the rows are the runs and ``block`` says where each belongs, so that effects confounded with blocks are found.
    """
    levels = tuple(levels)
    highest = HIGHEST_ORDER if len(levels) > MANY_FACTORS else len(levels)
    order = min(highest if order is None else order, len(levels))
    terms = [term for term in terms_up_to(order, len(levels)) if term_df(levels, term) > 0]
    columns = _turned({term: centred(term_columns(codes, levels, term), block) for term in terms}, len(codes))
    base = _full_rank_order(columns, order)
    if base == order:
        whole = ((term, columns[term].shape[1]) for term in columns)
        identified = tuple(Identified(term, base, df, df, Alias((), ()), Alias((), ())) for term, df in whole)
    else:
        identified = tuple(_identify_term(term, columns, max(base, len(term))) for term in columns)
    return Design(levels=levels, codes=codes, columns=columns, order=base, identified=identified)


def independent_columns(columns: Floats) -> list[int]:
    """Indices of the columns that are not combinations of earlier ones, as R's ``lm`` keeps them."""
    independent: list[int] = []
    basis = np.empty((min(columns.shape), len(columns)))
    for index, column in enumerate(columns.T):
        rest, directions = column, basis[: len(independent)]
        for _ in range(2):  # twice, so that rounding in the first pass is removed by the second
            rest = rest - (directions @ rest) @ directions
        norm = float(np.linalg.norm(rest))
        if len(independent) < len(basis) and norm > _TOLERANCE * max(
            float(np.linalg.norm(column)), np.finfo(float).tiny
        ):
            basis[len(independent)] = rest / norm
            independent.append(index)
    return independent


def rank(columns: Floats) -> int:
    """Number of independent columns, up to rounding."""
    if columns.size == 0:
        return 0
    lengths = np.linalg.svd(columns, compute_uv=False)
    return int((lengths > _TOLERANCE * max(1.0, float(lengths[0]))).sum())


def _full_rank_order(columns: Mapping[Term, Floats], order: int) -> int:
    for candidate in range(order, 0, -1):
        model = _up_to(columns, candidate)
        if model.size and rank(model) == model.shape[1]:
            return candidate
    return 0


def _turned(columns: dict[Term, Floats], rows: int) -> dict[Term, Floats]:
    """The columns in an orthonormal basis of their span, which keeps ranks and combinations."""
    if not columns:
        return columns
    width = sum(column.shape[1] for column in columns.values())
    if rows <= width:
        return columns
    R = np.asarray(np.linalg.qr(np.hstack(list(columns.values())), mode="r"), float)
    starts = np.cumsum([column.shape[1] for column in columns.values()])[:-1]
    return dict(zip(columns, np.split(R, starts, axis=1), strict=True))


def _up_to(columns: Mapping[Term, Floats], order: int) -> Floats:
    rows = len(next(iter(columns.values()))) if columns else 0
    return np.hstack([np.empty((rows, 0)), *(column for term, column in columns.items() if len(term) <= order)])


def _identify_term(term: Term, columns: Mapping[Term, Floats], order: int) -> Identified:
    others = [other for other in columns if len(other) <= order and other != term]
    own = columns[term]
    rest = np.hstack([np.empty((len(own), 0)), *(columns[other] for other in others)])
    df = rank(np.hstack([rest, own])) - rank(rest)
    alias = Alias((), ()) if df == own.shape[1] else _combination(own, rest, others, columns)
    return Identified(
        term=term,
        order=order,
        df=df,
        full_df=own.shape[1],
        alias=alias,
        biased_by=_biases(term, columns, others, order) if df == own.shape[1] else Alias((), ()),
    )


def _combination(own: Floats, rest: Floats, others: list[Term], columns: Mapping[Term, Floats]) -> Alias:
    owner = [other for other in others for _ in range(columns[other].shape[1])]
    independent = independent_columns(rest)
    solution = np.linalg.lstsq(rest[:, independent], own, rcond=None)[0]
    strongest: dict[Term, float] = {}
    for position, row in zip(independent, solution, strict=True):
        value = _strongest(row)
        if abs(value) > _NOTHING and abs(value) > abs(strongest.get(owner[position], 0.0)):
            strongest[owner[position]] = value
    return Alias(tuple(strongest), tuple(strongest.values()))


def _biases(term: Term, columns: Mapping[Term, Floats], others: list[Term], order: int) -> Alias:
    omitted = [other for other in columns if len(other) > order]
    rest = np.hstack([np.empty((len(columns[term]), 0)), *(columns[other] for other in others)])
    coefficients = np.linalg.pinv(np.hstack([columns[term], rest]))[: columns[term].shape[1]]
    strongest = [_strongest(coefficients @ columns[other]) for other in omitted]
    biases = [(other, value) for other, value in zip(omitted, strongest, strict=True) if abs(value) > _NOTHING]
    return Alias(tuple(other for other, _ in biases), tuple(value for _, value in biases))


def _strongest(coefficients: Floats) -> float:
    """The coefficient of the largest absolute value."""
    flat = coefficients.ravel()
    return float(flat[np.argmax(np.abs(flat))])
