"""Terms, effects and scales of an analysis -> the names and units that people gave them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from bench.judge.coded import CodedRuns
from bench.judge.estimation import MetricEffects
from bench.plan.labels import effect_label, term_label
from bench.stats.coding import Floats, Term
from bench.stats.contrast import Estimates
from bench.stats.estimators import IncompleteBlocks
from bench.stats.identify import Alias
from bench.stats.term_models import Effect


def term_name(runs: CodedRuns, term: Term) -> str:
    """Names of the term's factors joined by a colon."""
    return term_label(runs.factors[factor].name for factor in term)


def effect_name(runs: CodedRuns, effect: Effect) -> str:
    """The term's name; a factor of more than two levels says which level is compared, as in ``init[kaiming]``."""
    parts = []
    for factor, level in zip(effect.term, effect.levels, strict=True):
        named = runs.factors[factor]
        parts.append((named.name, named.levels[level] if len(named.levels) > 2 else None))
    return effect_label(parts)


def alias_text(runs: CodedRuns, entry: MetricEffects, alias: Alias) -> str:
    """What a term cannot be told from: other terms with their signs, the blocks, or cells that were not run."""
    if not alias.terms:
        return runs.block_name if isinstance(entry.fitted.estimator, IncompleteBlocks) else "(cells without runs)"
    return signed_terms([factor.name for factor in runs.factors], alias)


def signed_terms(factors: Sequence[str], alias: Alias) -> str:
    """Terms with their coefficients, ``-1 reg +1 act:noise``."""
    pairs = zip(alias.terms, alias.coefficients, strict=True)
    return " ".join(f"{value:+.4g} {term_label(factors[factor] for factor in term)}" for term, value in pairs)


def scale_name(entry: MetricEffects) -> str:
    """Whether the metric's differences are reported as such or as ratios."""
    return "ratio" if entry.log else "difference"


def reported(value: ArrayLike, log: ArrayLike) -> Floats:
    """Differences on the scale of the analysis as they are reported: where that is ``log`` ratios, perhaps infinite."""
    with np.errstate(over="ignore"):
        return np.where(log, np.exp(np.where(log, value, 0.0)), value)


def estimate_columns(estimates: Estimates, entry: MetricEffects) -> dict[str, str | Floats]:
    """The columns of a frame that say what was estimated and how surely; ``se`` is never exponentiated."""
    return {
        "scale": scale_name(entry),
        "estimate": reported(estimates.value, entry.log),
        "se": estimates.se,
        "low": reported(estimates.low, entry.log),
        "high": reported(estimates.high, entry.log),
        "t": estimates.t,
        "df": estimates.df,
        "p": estimates.p,
    }
