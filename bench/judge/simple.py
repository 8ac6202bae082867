"""Estimates of every metric -> the frames of marginal means, and of simple effects where a main effect misleads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.judge.coded import CodedRuns
from bench.judge.compare_regions import COLUMNS, compare_regions
from bench.judge.estimation import MetricEffects
from bench.judge.names import term_name
from bench.judge.terms import ALPHA, MOST_LEVELS
from bench.stats.coding import Floats
from bench.stats.multiplicity import adjust

MOST_EFFECTS = 400
"""Of more simple effects of one factor within another only those of an interaction that survives are looked at."""
_PAIR = ("metric", "factor", "a", "b", "within", "level")


def marginal_frame(runs: CodedRuns, metrics: Sequence[MetricEffects], confidence: float) -> pd.DataFrame:
    """One row per metric, factor and level: its ``mean``, in which every combination of the other factors counts alike.

    With blocks ``se`` and the interval are of one mean per block, and so of other blocks; on a log scale the mean is
    geometric.
    """
    levels = [(position, code) for position, factor in enumerate(runs.factors) for code in range(len(factor.levels))]
    names = {
        "factor": [runs.factors[position].name for position, _ in levels],
        "level": [runs.factors[position].labels[code] for position, code in levels],
    }
    regions = [([{position: code}], [1.0]) for position, code in levels]
    frames = [
        pd.DataFrame({"metric": entry.metric, **names}).join(compare_regions(runs, entry, regions, confidence))
        for entry in metrics
    ]
    frame = pd.concat(frames, ignore_index=True).rename(columns={"estimate": "mean"})
    return frame.drop(columns=["scale", "t", "p"])


def simple_frame(
    runs: CodedRuns, metrics: Sequence[MetricEffects], terms: pd.DataFrame, confidence: float
) -> pd.DataFrame:
    """The effect of a factor (level ``a`` minus ``b``) at each ``level`` of another, where its main effect misleads.

    That is where the interaction of the two survives (``p_interaction``, its adjusted p in ``terms``, is below 0.05),
    or where the effect ``reverses``: it is positive at one level and negative at another, both with an adjusted p below
    0.05. ``p_adjusted``: Holm over the rows of one factor within another.
    """
    frames = [pd.DataFrame(columns=_COLUMNS)]
    interaction = terms.set_index(["metric", "term"])["p_adjusted"]
    for entry in metrics:
        groups = []
        for term in [term for term in entry.fitted.models if len(term) == 2]:
            p = float(interaction.get((entry.metric, term_name(runs, term)), np.nan))
            for factor, within in (term, term[::-1]):
                rows = _rows(entry, factor, within)
                if len(runs.factors[factor].levels) <= MOST_LEVELS and (len(rows) <= MOST_EFFECTS or p < ALPHA):
                    groups.append((rows, p))
        regions = [([{row.factor: end, row.within: row.level} for end in (row.b, row.a)], [-1.0, 1.0])
                   for rows, _ in groups for row in rows]  # fmt: skip
        estimates, start = compare_regions(runs, entry, regions, confidence), 0
        for rows, p in groups:
            own = estimates.iloc[start : start + len(rows)]
            start += len(rows)
            p_adjusted = adjust(own["p"].to_numpy(float), "holm")
            reverses = _reverses(rows, np.where(p_adjusted < ALPHA, np.sign(own["t"].to_numpy(float)), 0.0))
            if p < ALPHA or any(reverses):
                names = pd.DataFrame([_names(runs, entry, row) for row in rows], columns=[*_PAIR], index=own.index)
                own = own.assign(p_adjusted=p_adjusted, p_interaction=p, reverses=reverses)
                frames.append(names.join(own)[_COLUMNS])
    return pd.concat(frames[1:] or frames, ignore_index=True)


_COLUMNS = [*_PAIR, *COLUMNS[:8], "p_adjusted", *COLUMNS[8:], "p_interaction", "reverses"]


class _Row(NamedTuple):
    """An effect of level ``a`` of a ``factor`` against ``b`` at a ``level`` of the factor ``within``, all by number."""

    factor: int
    a: int
    b: int
    within: int
    level: int


def _rows(entry: MetricEffects, factor: int, within: int) -> list[_Row]:
    pairs = combinations(entry.fitted.levels[factor].tolist(), 2)
    return [_Row(factor, a, b, within, level) for b, a in pairs for level in entry.fitted.levels[within].tolist()]


def _names(runs: CodedRuns, entry: MetricEffects, row: _Row) -> tuple[object, ...]:
    varied, other = runs.factors[row.factor], runs.factors[row.within]
    return entry.metric, varied.name, varied.labels[row.a], varied.labels[row.b], other.name, other.labels[row.level]


def _reverses(rows: Sequence[_Row], directions: Floats) -> list[bool]:
    """Whether the effect of the two levels of a row is shown to be positive at one level and negative at another."""
    shown = {((row.a, row.b), direction) for row, direction in zip(rows, directions, strict=True)}
    return [{((row.a, row.b), 1.0), ((row.a, row.b), -1.0)} <= shown for row in rows]
