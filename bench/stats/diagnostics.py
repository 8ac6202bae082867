"""Runs and fitted models -> what to doubt, such as bistable cells and odd seeds; never used to choose a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy  # its submodule stats is slow to load, and is loaded where it is first used
from scipy import special

from bench.stats.coding import ROUNDING, Floats

Variation = Literal["robust", "moderate", "high", "volatile", ""]


@dataclass(frozen=True)
class Check:
    """A diagnostic's statistic and p; NaN where it cannot be computed."""

    statistic: float
    p: float


_NOTHING = Check(float("nan"), float("nan"))


def shapiro(values: Floats) -> Check:
    """Normality (Shapiro & Wilk 1965) of four to 5000 values that vary."""
    if not 4 <= len(values) <= 5000 or np.ptp(values) == 0:
        return _NOTHING
    scaled = (values - values.mean()) / np.ptp(values)  # scipy takes a tiny range for none
    return Check(*map(float, scipy.stats.shapiro(scaled)))


def levene(samples: Sequence[Floats]) -> Check:
    """Equal spread about medians (Brown & Forsythe 1974)."""
    usable = [sample for sample in samples if len(sample) > 1]
    distances = [np.abs(sample - np.median(sample)) for sample in usable]
    rounding = ROUNDING * max((float(np.abs(sample).max()) for sample in usable), default=0.0)
    if len(usable) < 2 or all(np.ptp(distance) <= rounding for distance in distances):
        return _NOTHING  # nothing varies, or two runs a cell, which lie alike about their middle
    return Check(*map(float, scipy.stats.levene(*usable, center="median")))


def variation_class(cv: float) -> Variation:
    """Words for a coefficient of variation: under 15 % robust, 30 % moderate, 50 % high, else volatile; "" for NaN."""
    if not np.isfinite(cv):
        return ""
    return "robust" if cv < 0.15 else "moderate" if cv < 0.3 else "high" if cv < 0.5 else "volatile"


@dataclass(frozen=True)
class Split:
    """The best division of a sample in two, low and high."""

    threshold: float
    n_low: int
    separation: float
    """Distance of the two means over their pooled SD (Ashman's D up to sqrt 2); infinite for two constants."""
    p: float
    """Chance that normal values divide as well, by simulation."""


def bimodality(values: Floats, normal_shares: Floats) -> Split:
    """Whether a sample falls into two groups, as a metric does whose runs sometimes collapse.

    The split minimises the squared distances within the halves (Jenks); its share of the total, which depends neither
    on location nor scale, is compared with ``normal_shares`` of as many normal values. NaN below five values.
    """
    x = np.sort(values)
    n = len(x)
    if n < 5 or np.ptp(x) == 0:
        return Split(float("nan"), 0, float("nan"), float("nan"))
    share, cut = (float(part[0]) for part in _best_split(x[None]))
    low, high = x[: int(cut)], x[int(cut) :]
    within = (((low - low.mean()) ** 2).sum() + ((high - high.mean()) ** 2).sum()) / n
    with np.errstate(divide="ignore"):
        separation = float(np.float64(high.mean() - low.mean()) / np.sqrt(within))
    p = (1 + int((normal_shares <= share + 1e-12).sum())) / (len(normal_shares) + 1)
    return Split(float((low[-1] + high[0]) / 2), len(low), separation, p)


def normal_shares(n: int, rng: np.random.Generator, draws: int = 2_000) -> Floats:
    """What the best split of ``n`` normal values leaves of their sum of squares, in ``draws`` samples."""
    if n < 5:
        return np.empty(0)
    return _best_split(np.sort(rng.normal(size=(draws, n)), axis=1))[0]


def _best_split(ordered: Floats) -> tuple[Floats, Floats]:
    """Smallest share of the sum of squares left within two consecutive groups, and the size of the lower group."""
    n = ordered.shape[1]
    centred = ordered - ordered.mean(axis=1, keepdims=True)
    sums = np.cumsum(centred, axis=1)[:, :-1]
    size = np.arange(1, n)
    between = sums**2 * n / (size * (n - size))
    best = between.argmax(axis=1)
    return 1 - between[np.arange(len(ordered)), best] / (centred**2).sum(axis=1), best + 1.0


def wilson(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Limits of a share, such as that of collapsed runs (Wilson 1927)."""
    if n == 0:
        return float("nan"), float("nan")
    interval = scipy.stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def odd_seeds(table: Floats) -> Floats:
    """How far each seed's mean lies from the median of seeds, in robust SDs (1.4826 MAD); NaN where they all agree.

    ``table`` (seeds, cells), less each cell's mean, so that missing cells do not matter. Beyond 3.5 is worth a look
    (Iglewicz & Hoaglin 1993).
    """
    present = np.isfinite(table)
    if not present.any():
        return np.full(len(table), np.nan)
    filled = np.where(present, table, 0.0)
    deviations = np.where(present, table - filled.sum(axis=0) / np.maximum(present.sum(axis=0), 1), 0.0)
    counted = np.where(present.any(axis=1), present.sum(axis=1), np.nan)
    means = deviations.sum(axis=1) / counted
    distance = means - np.nanmedian(means)
    spread = float(np.nanmedian(np.abs(distance)))
    rounding = ROUNDING * float(np.abs(filled).max())
    return np.asarray(distance / (1.4826 * spread)) if spread > rounding else np.full(len(table), np.nan)


def seed_autocorrelation(seed_means: Floats) -> Check:
    """Lag-1 correlation of seed means in the order of the seeds, and its two-sided p (von Neumann's ratio, normal)."""
    x = seed_means[np.isfinite(seed_means)]
    n = len(x)
    if n < 4 or np.ptp(x) == 0:
        return _NOTHING
    centred = x - x.mean()
    r = float((centred[1:] * centred[:-1]).sum() / (centred**2).sum())
    ratio = float((np.diff(x) ** 2).sum() / (centred**2).sum())
    z = (ratio - 2) / np.sqrt(4 * (n - 2) / (n * n - 1))
    return Check(r, float(2 * special.ndtr(-abs(z))))
