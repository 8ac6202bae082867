"""The frame of effects -> the same with intervals that hold for all effects of the family at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special


def simultaneous(contrasts: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """``contrasts`` with ``low_all high_all``: intervals at 1 - (1 - confidence) / family_size (Bonferroni).

    ``confidence`` is that of ``low high``. NaN where an effect has no interval or is in no family.
    """
    ratio = (contrasts["scale"] == "ratio").to_numpy()
    log = np.where(ratio, 1.0, np.nan)
    low, high = (contrasts[name].to_numpy(float) for name in ("low", "high"))
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = (np.where(ratio, np.log(limit * log), limit) for limit in (low, high))
    df = contrasts["df"].to_numpy(float)
    tail = (1.0 - confidence) / 2
    size = contrasts["family_size"].to_numpy(float)
    family = np.where(size > 0, size, np.nan)
    wider = special.stdtrit(df, tail / family) / special.stdtrit(df, tail)
    middle, half = (low + high) / 2, (high - low) / 2 * wider
    limits = {"low_all": middle - half, "high_all": middle + half}
    with np.errstate(over="ignore"):
        return contrasts.assign(**{name: np.where(ratio, np.exp(limit), limit) for name, limit in limits.items()})
