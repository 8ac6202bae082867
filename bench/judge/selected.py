"""The frame of effects -> the same with intervals that agree with which of them survive the adjustment."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats


def limits_of_selected(contrasts: pd.DataFrame, terms: pd.DataFrame, alpha: float = 0.05) -> pd.DataFrame:
    """``contrasts`` with ``low_fcr high_fcr``: intervals at 1 - max(R, 1) alpha / m for R survivors of m ``terms``.

    Benjamini & Yekutieli 2005 (doi 10.1198/016214504000001907): the false coverage rate of the survivors' intervals is
    at most alpha, and such an interval excludes no effect just where the effect survives Benjamini and Hochberg's
    adjustment. An effect that enters no family (``family_size`` 0) keeps its own, ``low high``.
    """
    ratio = (contrasts["scale"] == "ratio").to_numpy()
    estimate, df, se = (contrasts[name].to_numpy(float) for name in ("estimate", "df", "se"))
    m = np.maximum(contrasts["family_size"].to_numpy(float), 1.0)
    survivors = max(int((terms["p_adjusted"] <= alpha).sum()), 1)
    half = stats.t.isf(np.minimum(survivors / m, 1.0) * alpha / 2, df) * se
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        middle = np.where(ratio, np.log(np.where(ratio, estimate, 1.0)), estimate)
        limits = {"low": middle - half, "high": middle + half}
        adjusted = {name: np.where(ratio, np.exp(limit), limit) for name, limit in limits.items()}
    in_family = contrasts["family_size"].to_numpy() > 0
    return contrasts.assign(
        **{f"{name}_fcr": np.where(in_family, limit, contrasts[name]) for name, limit in adjusted.items()}
    )
