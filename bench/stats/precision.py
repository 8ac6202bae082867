"""What a design identifies -> how precisely: variance inflation, correlations between terms, and standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from scipy import linalg

from bench.stats.coding import Floats, Term, term_effects
from bench.stats.identify import Design, Identified
from bench.stats.term_models import term_models

_NOTHING = 1e-9
"""A correlation, or a relative size of columns, that rounding alone explains."""


def variance_inflation(design: Design, entry: Identified) -> float:
    """Factor by which the other terms of its model inflate the variance of a term; infinite for an aliased one.

    Generalised for terms of several degrees of freedom: the product of 1 / (1 - r^2) over the canonical correlations
    of the term's columns with all others of its model (Fox & Monette 1992, eq. 10).
    """
    if not entry.estimable:
        return float("inf")
    others = [term for term in design.columns if term != entry.term and len(term) <= entry.order]
    rest = [design.columns[term] for term in others]
    if not rest:
        return 1.0
    explained = canonical_correlations(design.columns[entry.term], np.hstack(rest)) ** 2
    return float(np.prod(1.0 / (1.0 - explained)))


def correlation(design: Design, a: Term, b: Term) -> float:
    """Correlation of two terms over the cells: signed where each has one column, else the largest canonical one."""
    largest = float(canonical_correlations(design.columns[a], design.columns[b]).max(initial=0.0))
    if design.columns[a].shape[1] == design.columns[b].shape[1] == 1:
        return largest if design.columns[a][:, 0] @ design.columns[b][:, 0] >= 0 else -largest
    return largest


def canonical_correlations(a: Floats, b: Floats) -> Floats:
    """Cosines of the angles between the spans of two sets of centred columns, the largest first."""
    cosines = np.linalg.svd(linalg.orth(a, _NOTHING).T @ linalg.orth(b, _NOTHING), compute_uv=False)
    return np.clip(np.where(cosines < _NOTHING, 0.0, cosines), 0.0, 1.0)


def standard_errors(design: Design) -> dict[Term, float]:
    """Standard error of each estimable term's effects (the largest of them), for errors of SD 1 in every cell.

    With S seeds and errors of SD sigma within a seed, multiply by sigma / sqrt(S).
    """
    return {
        model.term: float(np.linalg.norm(model.cell_weights(term_effects(design.levels, model.term)), axis=1).max())
        for model in term_models(design)
        if len(model.basis) == model.basis.shape[1]
    }


def full_factorial_error(levels: Sequence[int], term: Term) -> float:
    """The same of the full factorial: an m-factor effect has variance 2^m 4^(1 - m) / product of the other levels."""
    averaged = prod(count for factor, count in enumerate(levels) if factor not in term)
    size = len(term)
    return float(np.sqrt(2.0**size * 4.0 ** (1 - size) / averaged))
