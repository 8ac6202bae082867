"""A pilot's effects, seed by seed -> the power of the suite under that very noise, by resampling seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special

from bench.judge.preview.power_frames import Spread
from bench.judge.sensitivity import POWER
from bench.plan.labels import term_label
from bench.stats.coding import Floats, Ints
from bench.stats.power import smallest_effect, term_power

REPEATS = 4_000


def simulated_frame(
    spreads: Sequence[Spread], names: Sequence[str], seeds: int, rng: np.random.Generator, repeats: int = REPEATS
) -> pd.DataFrame:
    """A row a metric, main effect and planted size: ``planted sd_units power formula``, at 0.05 for a single test.

    Each repetition draws ``seeds`` seeds of the pilot with replacement, takes the effects in them less their mean (and
    scaled so that their variance is the pilot's unbiased one), adds the planted effect and makes the t test. Planted
    are nothing (``power`` is then the rate of false alarms), the smallest effect that the formula finds with power
    POWER, and the margin. A metric of which the pilot has not two complete seeds gets NaN.
    """
    rows = []
    for spread in spreads:
        mains = [index for index, effect in enumerate(spread.effects) if len(effect.term) == 1]
        planted = np.stack([np.zeros(len(mains)), smallest_effect(seeds, power=POWER) * spread.sd[mains]])
        if np.isfinite(spread.margin):
            planted = np.vstack([planted, np.full(len(mains), spread.margin)])
        power = np.full(planted.shape, np.nan)
        if spread.per_seed is not None:
            resamples = rng.integers(len(spread.per_seed), size=(repeats, seeds))
            power = _rejections(spread.per_seed[:, mains], resamples, planted)
        for kind, sizes, rates in zip(("nothing", "smallest", "margin"), planted, power, strict=False):
            for index, size, rate in zip(mains, sizes, rates, strict=True):
                d_z = float(size / spread.sd[index])
                rows.append(
                    {
                        "metric": spread.metric,
                        "effect": term_label(names[factor] for factor in spread.effects[index].term),
                        "kind": kind,
                        "planted": float(size),
                        "sd_units": d_z,
                        "power": float(rate),
                        "formula": float(term_power(d_z, seeds)),
                        "repeats": repeats,
                    }
                )
    return pd.DataFrame(rows)


def _rejections(per_seed: Floats, resamples: Ints, planted: Floats) -> Floats:
    """How often |t| is critical for each planted size: shape (sizes, effects)."""
    n, seeds = len(per_seed), resamples.shape[1]
    centred = (per_seed - per_seed.mean(axis=0)) * np.sqrt(n / (n - 1))
    samples = centred[resamples]
    mean, sd = samples.mean(axis=1), samples.std(axis=1, ddof=1)
    critical = special.stdtrit(seeds - 1, 0.975) * sd / np.sqrt(seeds)
    return np.array([(np.abs(mean + size) > critical).mean(axis=0) for size in planted])
