"""Estimates of every metric -> the flat frames of terms, each with one test, and of all pairs of levels of a factor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb, prod
from typing import Any

import numpy as np
import pandas as pd

from bench.judge.coded import CodedRuns
from bench.judge.estimation import NOT_IDENTIFIED, MetricEffects
from bench.judge.names import estimate_columns, term_name
from bench.stats.coding import Floats, Term
from bench.stats.estimators import Blocks, Contrasts
from bench.stats.multiplicity import adjust
from bench.stats.resample import SignFlip, sign_flip
from bench.stats.term_models import TermModel

MOST_LEVELS = 20
"""Factors of more levels have no table of all pairs."""
MOST_PAIRS = 1_000
"""A term of more pairs of levels takes no part in the joint sign flips."""
CONSTANT = "no variation beyond rounding errors"
TOO_FEW = "too few runs, or a spread that rounding hides"
FAMILY = "exploratory (BH): every metric and term"
ALPHA = 0.05
_NAN = float("nan")


@dataclass(frozen=True)
class Flips:
    """Joint sign flips of all pairs of levels of every term and metric."""

    flipped: SignFlip
    column: Mapping[tuple[str, Term, tuple[int, ...], tuple[int, ...]], int]
    """Metric, term, lower and upper levels -> column of the contrast."""
    group: Mapping[tuple[str, Term], int]

    def alone(self, metric: str, term: Term, levels: tuple[int, ...]) -> float:
        """Of the contrast of these levels with the reference levels, by itself."""
        column = self.column.get((metric, term, (0,) * len(term), levels))
        return _NAN if column is None else float(self.flipped.p[column])

    def of_term(self, metric: str, term: Term) -> tuple[float, float]:
        """Of the largest |t| over all pairs of levels of the term: by itself, and among all terms and metrics."""
        group = self.group.get((metric, term))
        return (_NAN, _NAN) if group is None else (self.flipped.p_group[group], self.flipped.p_max[group])

    def offered(self, p: Floats, family_size: int = 1) -> Floats:
        """``p``, or NaN if no flip of so few blocks gives one below 0.05 in a family of this size."""
        return np.where(self.flipped.floor * family_size > ALPHA, np.nan, p)


def flip_signs(metrics: Sequence[MetricEffects], rng: np.random.Generator) -> Flips:
    """Flip the signs of blocks, the same for all metrics that have complete blocks."""
    columns: dict[tuple[str, Term, tuple[int, ...], tuple[int, ...]], int] = {}
    groups: dict[tuple[str, Term], int] = {}
    parts, group = [np.empty((metrics[0].n_blocks or 1, 0))], []
    for entry in metrics:
        contrasts = []
        for term in entry.fitted.models if isinstance(entry.fitted.estimator, Blocks) else ():
            pairs = list(_pairs(entry, term))
            if pairs:
                groups[entry.metric, term] = len(groups)
            for lower, upper, contrast in pairs:
                columns[entry.metric, term, lower, upper] = len(columns)
                contrasts.append(contrast)
                group.append(len(groups) - 1)
        per_block = entry.per_block(contrasts)
        if per_block is not None and contrasts:
            constant = entry.fitted.estimator.estimate(contrasts, 0.95).constant
            parts.append(np.where(constant, np.nan, per_block))
    return Flips(sign_flip(np.hstack(parts), rng, group=np.array(group, dtype=np.int64)), columns, groups)


def term_frame(runs: CodedRuns, metrics: Sequence[MetricEffects], flips: Flips) -> pd.DataFrame:
    """One row per metric and term that the planned cells identify: one test of all its contrasts.

    ``contrasts`` of the ``contrasts_full`` that a full factorial has are tested together, which ``test`` says how: t of
    the one contrast, whose square is ``F``; repeated-measures F with Greenhouse and Geisser's ``epsilon``, by which
    ``df_num`` and ``df_den`` are multiplied already; Welch and James' F of independent runs. ``p_hotelling`` is a
    second opinion where blocks suffice. ``p_adjusted``: Benjamini and Hochberg over all rows. ``p_maxt``: by joint
    sign flips, the largest |t| over all pairs of levels against its maximum over all terms and metrics; ``p_signflip``:
    the same of the term alone. They are NaN where the smallest p that so few blocks can give, times the size of the
    family for ``p_signflip``, exceeds 0.05. Nothing here depends on the reference levels.
    """
    frame = pd.DataFrame([row for entry in metrics for row in _term_rows(runs, entry, flips)], columns=_TERM_COLUMNS)
    frame["p_adjusted"] = adjust(frame["p"].to_numpy(float), "bh")
    size = int(frame["p"].notna().sum())
    frame["p_signflip"] = flips.offered(frame["p_signflip"].to_numpy(float), size)
    frame["p_maxt"] = flips.offered(frame["p_maxt"].to_numpy(float))
    frame["family"], frame["family_size"] = FAMILY, size
    return frame


_TERM_COLUMNS = [
    *("metric", "term", "contrasts", "contrasts_full", "test", "F", "df_num", "df_den", "epsilon", "p", "p_adjusted"),
    *("p_hotelling", "p_signflip", "p_maxt", "n", "method", "reason"),
]


def _term_rows(runs: CodedRuns, entry: MetricEffects, flips: Flips) -> Iterator[Mapping[str, Any]]:
    for term in dict.fromkeys(effect.term for effect in entry.effects):
        full = prod(len(runs.factors[factor].levels) - 1 for factor in term)
        row = {
            "metric": entry.metric,
            "term": term_name(runs, term),
            "contrasts": 0,
            "contrasts_full": full,
            "test": "",
        }
        model = entry.fitted.models.get(term)
        if model is None:
            yield {**row, "n": 0, "method": entry.fitted.method(term), "reason": NOT_IDENTIFIED}
            continue
        p_signflip, p_maxt = flips.of_term(entry.metric, term)
        row |= {"contrasts": len(model.basis), "p_signflip": p_signflip, "p_maxt": p_maxt}
        yield {**row, "method": entry.fitted.method(term), **_tested(entry, model)}


def _tested(entry: MetricEffects, model: TermModel) -> Mapping[str, Any]:
    estimator = entry.fitted.estimator
    estimates = estimator.estimate([(model, model.basis)], 0.95)
    n, constant = int(estimates.n[0]), bool(estimates.constant.all())
    if len(model.basis) == 1:
        row = {
            "test": "t",
            "F": estimates.t[0] ** 2,
            "df_num": 1.0,
            "df_den": estimates.df[0],
            "epsilon": 1.0,
            "p": estimates.p[0],
        }
    else:
        test = entry.tests[model.term]
        row = {
            "test": "Welch-James" if entry.cells.table is None else "repeated measures, Greenhouse-Geisser",
            "F": test.F,
            "df_num": test.df * test.epsilon,
            "df_den": test.df_error * test.epsilon,
            "epsilon": test.epsilon,
            "p": test.p_gg,
            "p_hotelling": estimator.hotelling(model).p if isinstance(estimator, Blocks) else _NAN,
        }
    return {**row, "n": n, "reason": "" if np.isfinite(row["p"]) else CONSTANT if constant else TOO_FEW}


def level_frame(runs: CodedRuns, metrics: Sequence[MetricEffects], confidence: float) -> pd.DataFrame:
    """All pairs of levels of each factor of more than two (up to ``MOST_LEVELS``): ``a`` minus ``b``, the earlier one.

    Differences of marginal means, which give every combination of the other factors the same weight: t of one contrast
    per block, or as ``contrasts`` has it otherwise; on a log scale ``estimate low high`` are ratios. ``p_adjusted``:
    Holm over the pairs of one factor and metric.
    """
    frames = [pd.DataFrame(columns=_LEVEL_COLUMNS)]
    for entry in metrics:
        for position, factor in enumerate(runs.factors):
            if 2 < len(factor.levels) <= MOST_LEVELS:
                frames.append(_pairs_of_levels(runs, entry, position, confidence))
    return pd.concat(frames[1:] or frames, ignore_index=True)


_LEVEL_COLUMNS = [
    *("metric", "factor", "a", "b", "scale", "estimate", "se", "low", "high", "t", "df", "p", "p_adjusted", "n"),
    *("family", "family_size"),
]


def _pairs_of_levels(runs: CodedRuns, entry: MetricEffects, factor: int, confidence: float) -> pd.DataFrame:
    pairs = list(_pairs(entry, (factor,)))
    estimates = entry.fitted.estimator.estimate([contrast for *_, contrast in pairs], confidence)
    name, labels = runs.factors[factor].name, runs.factors[factor].labels
    return pd.DataFrame(
        {
            "metric": entry.metric,
            "factor": name,
            "a": [labels[upper[0]] for _, upper, _ in pairs],
            "b": [labels[lower[0]] for lower, _, _ in pairs],
            **estimate_columns(estimates, entry),
            "p_adjusted": adjust(estimates.p, "holm"),
            "n": estimates.n,
            "family": f"pairs of levels of {name} (Holm)",
            "family_size": int(np.isfinite(estimates.p).sum()),
        },
        columns=_LEVEL_COLUMNS,
    )


def _pairs(entry: MetricEffects, term: Term) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], Contrasts]]:
    """Lower levels, upper levels and contrast of every pair of levels of each factor of the term that is identified."""
    codes = [entry.fitted.levels[factor].tolist() for factor in term]
    if prod(comb(len(levels), 2) for levels in codes) > MOST_PAIRS:
        return
    for pair in product(*(combinations(levels, 2) for levels in codes)):
        lower, upper = zip(*pair, strict=True)
        contrast = entry.fitted.contrast(term, lower, upper)
        if contrast is not None:
            yield lower, upper, contrast
