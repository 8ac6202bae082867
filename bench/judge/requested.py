"""Contrasts of a user's own, in the language of claims, and estimates -> the flat frame of these contrasts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.judge.coded import CodedRuns, Factor
from bench.judge.compare_regions import COLUMNS, Comparison, compare_regions
from bench.judge.estimation import MetricEffects
from bench.plan.claim_check import read_contrast
from bench.plan.claims import Claim, Region
from bench.plan.kinds import Difference
from bench.plan.levels import Level
from bench.stats.multiplicity import adjust

_COLUMNS = ["contrast", "metric", *COLUMNS[:8], "p_adjusted", *COLUMNS[8:], "family", "family_size"]


def requested_frame(
    runs: CodedRuns,
    metrics: Sequence[MetricEffects],
    contrasts: Sequence[Mapping[str, Any] | str],
    confidence: float,
) -> pd.DataFrame:
    """One row per contrast and metric; of an order, one for each step. ``p_adjusted``: Holm over all rows.

    ``contrasts``: each as a claim has it (docs/claims.md), as a mapping or as the text of a TOML table.

    Raises:
        BenchError: for a contrast that is none, or that names what the table has not.
    """
    codes = {factor.name: _typed(factor) for factor in runs.factors}
    levels = {
        factor.name: {level: factor.labels[code] for level, code in codes[factor.name].items()}
        for factor in runs.factors
    }
    positions = [factor.name for factor in runs.factors]
    labels, steps = list[str](), list[Comparison]()
    for number, given in enumerate(contrasts, start=1):
        kind, comparisons = read_contrast(given, levels, f"contrast {number}")
        own = Difference if kind.is_order else kind  # each step of an order is one
        for comparison in comparisons:
            labels.append(own.contrast(Claim("", "", "", own.name(), (comparison,), "difference")))
            steps.append(([_coded(region, positions, codes) for region in comparison.regions], comparison.weights))
    frames = [pd.DataFrame(columns=_COLUMNS)]
    for entry in metrics if steps else ():
        names = pd.DataFrame({"contrast": labels, "metric": entry.metric})
        frames.append(names.join(compare_regions(runs, entry, steps, confidence)))
    frame = pd.concat(frames[1:] or frames).sort_index(kind="stable", ignore_index=True)  # a contrast in all metrics
    frame["p_adjusted"] = adjust(frame["p"].to_numpy(float), "holm")
    return frame.assign(family="contrasts asked for (Holm)", family_size=int(frame["p"].notna().sum()))[_COLUMNS]


def _coded(region: Region, names: Sequence[str], codes: Mapping[str, Mapping[Level, int]]) -> dict[int, int]:
    return {names.index(name): codes[name][level] for name, level in region.items()}


def _typed(factor: Factor) -> Mapping[Level, int]:
    """Level as TOML would write it -> its code: numbers and true or false also where a table has them as text."""
    typed = [_value(level) for level in factor.levels]
    kinds = {type(level) for level in typed}
    if len(set(typed)) < len(typed) or (len(kinds) > 1 and not kinds <= {int, float}):
        typed = list(factor.labels)  # "1" and "1.0", or 1 and true, would be one number
    return {level: code for code, level in enumerate(typed)}


def _value(level: Hashable) -> Level:
    level = level.item() if isinstance(level, np.generic) else level
    if isinstance(level, bool | int | float):
        return level
    text = str(level)
    if text in ("true", "True", "false", "False"):
        return text in ("true", "True")
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
