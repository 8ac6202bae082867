"""The frame of effects of a complete two-level design -> their sizes with half-normal scores and Lenth's limits."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.judge.analysis import Analysis
from bench.stats.screening import half_normal_scores, lenth

_COLUMNS = ["metric", "effect", "size", "score", "pseudo_se", "margin", "simultaneous_margin"]
_FEWEST = 3


def screening_frame(analysis: Analysis, confidence: float = 0.95) -> pd.DataFrame:
    """One row per metric and effect: ``size`` (its absolute value; of a ratio, that of the logarithm) and its limits.

    Empty unless every factor has two levels and every effect is estimable, since only then have all effects the same
    standard error under pure noise, which both plots take for granted (Daniel 1959, Lenth 1989).
    """
    frames = [pd.DataFrame(columns=_COLUMNS)]
    two_levels = bool((analysis.estimable["df_full"] == 1).all())
    if two_levels and analysis.estimable["estimable"].all():
        for _, rows in analysis.contrasts.groupby("metric", sort=False):
            known = rows[rows["estimate"].notna()]
            value = known["estimate"].to_numpy(float)
            value = np.log(value) if (known["scale"] == "ratio").all() else value
            if len(value) < _FEWEST:
                continue
            limits = lenth(value, confidence)
            frames.append(
                known[["metric", "effect"]].assign(
                    size=np.abs(value),
                    score=half_normal_scores(value),
                    pseudo_se=limits.pseudo_se,
                    margin=limits.margin,
                    simultaneous_margin=limits.simultaneous_margin,
                )
            )
    return pd.concat(frames[1:] or frames, ignore_index=True)
