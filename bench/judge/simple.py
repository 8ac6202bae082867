"""Estimates of every metric -> the frames of marginal means, and of simple effects where a main effect misleads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from bench.judge.coded import CodedRuns
from bench.judge.compare_regions import COLUMNS, compare_regions
from bench.judge.estimation import MetricEffects
from bench.judge.names import term_name
from bench.judge.terms import ALPHA, MOST_LEVELS
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
        for term in [term for term in entry.fitted.models if len(term) == 2]:
            p = float(interaction.get((entry.metric, term_name(runs, term)), np.nan))
            for factor, within in (term, term[::-1]):
                pairs = list(combinations(entry.fitted.levels[factor].tolist(), 2))
                size = len(pairs) * len(entry.fitted.levels[within])
                if len(runs.factors[factor].levels) > MOST_LEVELS or (size > MOST_EFFECTS and not p < ALPHA):
                    continue
                effects = _effects(runs, entry, factor, within, pairs, confidence)
                effects["p_adjusted"] = adjust(effects["p"].to_numpy(float), "holm")
                effects["p_interaction"] = p
                effects["reverses"] = _reverses(effects)
                if p < ALPHA or effects["reverses"].any():
                    frames.append(effects[_COLUMNS])
    return pd.concat(frames[1:] or frames, ignore_index=True)


_COLUMNS = [*_PAIR, *COLUMNS[:8], "p_adjusted", *COLUMNS[8:], "p_interaction", "reverses"]


def _effects(
    runs: CodedRuns,
    entry: MetricEffects,
    factor: int,
    within: int,
    pairs: Sequence[tuple[int, int]],
    confidence: float,
) -> pd.DataFrame:
    varied, other, labels = runs.factors[factor], runs.factors[within], runs.factors[within].labels
    codes = entry.fitted.levels[within].tolist()
    names = [
        (entry.metric, varied.name, varied.labels[high], varied.labels[low], other.name, labels[code])
        for low, high in pairs
        for code in codes
    ]
    regions = [([{factor: end, within: code} for end in ends], [-1.0, 1.0]) for ends in pairs for code in codes]
    return pd.DataFrame(names, columns=[*_PAIR]).join(compare_regions(runs, entry, regions, confidence))


def _reverses(rows: pd.DataFrame) -> pd.Series:
    """Whether the effect of the two levels of a row is shown to be positive at one level and negative at another."""
    directions = np.where(rows["p_adjusted"] < ALPHA, np.sign(rows["t"].to_numpy(float)), 0.0)
    signs = pd.Series(directions, index=rows.index).groupby([rows["a"], rows["b"]])
    return (signs.transform("max") > 0) & (signs.transform("min") < 0)
