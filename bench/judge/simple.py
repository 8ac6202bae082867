"""Estimates of every metric -> the frames of marginal means, and of simple effects where a main effect misleads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from bench.judge.coded import CodedRuns
from bench.judge.compare_regions import COLUMNS, compare_regions
from bench.judge.effects import MetricEffects
from bench.judge.names import term_name
from bench.judge.terms import ALPHA, MOST_LEVELS
from bench.stats.identify import Design
from bench.stats.multiplicity import adjust

MOST_EFFECTS = 400
"""Of more simple effects of one factor within another only those of an interaction that survives are looked at."""
_PAIR = ("metric", "factor", "a", "b", "within", "level")


def marginal_frame(
    runs: CodedRuns, planned: Design, metrics: Sequence[MetricEffects], confidence: float
) -> pd.DataFrame:
    """One row per metric, factor and level: its ``mean``, in which every combination of the other factors counts alike.

    With blocks ``se`` and the interval are of one mean per block, and so of other blocks; on a log scale the mean is
    geometric.
    """
    rows = [
        {"metric": entry.metric, "factor": factor.name, "level": label}
        | compare_regions(runs, planned, entry, [{position: code}], [1.0], confidence)
        for entry in metrics
        for position, factor in enumerate(runs.factors)
        for code, label in enumerate(factor.labels)
    ]
    frame = pd.DataFrame(rows, columns=["metric", "factor", "level", *COLUMNS]).rename(columns={"estimate": "mean"})
    return frame.drop(columns=["scale", "t", "p"])


def simple_frame(
    runs: CodedRuns, planned: Design, metrics: Sequence[MetricEffects], terms: pd.DataFrame, confidence: float
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
                found = pd.DataFrame(
                    list(_effects(runs, planned, entry, factor, within, pairs, confidence)), columns=_COLUMNS
                )
                found["p_adjusted"] = adjust(found["p"].to_numpy(float), "holm")
                found["p_interaction"] = p
                found["reverses"] = _reverses(found)
                if p < ALPHA or found["reverses"].any():
                    frames.append(found)
    return pd.concat(frames[1:] or frames, ignore_index=True)


_COLUMNS = [*_PAIR, *COLUMNS[:8], "p_adjusted", *COLUMNS[8:], "p_interaction", "reverses"]


def _effects(
    runs: CodedRuns,
    planned: Design,
    entry: MetricEffects,
    factor: int,
    within: int,
    pairs: Sequence[tuple[int, int]],
    confidence: float,
) -> Iterator[Mapping[str, Any]]:
    varied, other = runs.factors[factor], runs.factors[within]
    for low, high in pairs:
        for code in entry.fitted.levels[within].tolist():
            regions = [{factor: level, within: code} for level in (low, high)]
            pair = (entry.metric, varied.name, varied.labels[high], varied.labels[low], other.name, other.labels[code])
            found = compare_regions(runs, planned, entry, regions, [-1.0, 1.0], confidence)
            yield {**dict(zip(_PAIR, pair, strict=True)), **found}


def _reverses(rows: pd.DataFrame) -> pd.Series:
    """Whether the effect of the two levels of a row is shown to be positive at one level and negative at another."""
    shown = np.where(rows["p_adjusted"] < ALPHA, np.sign(rows["t"].to_numpy(float)), 0.0)
    signs = pd.Series(shown, index=rows.index).groupby([rows["a"], rows["b"]])
    return (signs.transform("max") > 0) & (signs.transform("min") < 0)
