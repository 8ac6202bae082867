"""Old and new values of many comparisons -> estimated changes, and the verdict on each by the order of the gate.

Arrays have one entry per comparison (a metric in a cell, or an effect on a metric), values one row per seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bench.judge.signed import GateVerdict as Verdict
from bench.stats.coding import Bools, Floats
from bench.stats.contrast import Estimates, t_estimates
from bench.stats.equivalence import tost
from bench.stats.multiplicity import adjust
from bench.stats.pairs import welch_error


@dataclass(frozen=True)
class Changes(Estimates):
    """New minus old, on the scale of the analysis; ``n`` counts pairs, or the runs of the smaller side."""

    same: Bools
    """Whether all values are equal bit for bit (NaN to NaN)."""


@dataclass(frozen=True)
class Moments:
    """Mean, SD (ddof 1) and number of runs of one side, one entry per comparison."""

    mean: Floats
    sd: Floats
    n: Floats

    @classmethod
    def of(cls, values: Floats) -> Moments:
        """Those of the finite ``values`` (seeds, comparisons)."""
        present = np.isfinite(values)
        n = present.sum(axis=0).astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(present, values, 0.0).sum(axis=0) / n
            squares = (np.where(present, values - mean, 0.0) ** 2).sum(axis=0)
            return cls(mean, np.sqrt(squares / np.maximum(n - 1, 0)), n)


@dataclass(frozen=True)
class Decisions:
    """Verdicts, and the numbers that they rest on."""

    low: Floats
    high: Floats
    """The 1 - alpha interval of each change."""
    p: Floats
    p_adjusted: Floats
    """Holm's, over all comparisons that can be tested."""
    p_equivalent: Floats
    verdict: NDArray[np.object_]
    material: Bools
    """Whether the interval (or the constant change) lies beyond the margin."""
    alarm: Bools
    """Whether the gate fails by it."""
    noninferior: Bools
    """Whether it is shown not to be worse by the margin; without a better direction, to be equivalent."""


def paired(old: Floats, new: Floats, log: Bools) -> Changes:
    """Changes within seeds; ``old`` and ``new`` (seeds, comparisons), NaN where missing, ``log`` (comparisons,)."""
    same = ((old == new) | (np.isnan(old) & np.isnan(new))).all(axis=0)
    old, new = on_scale(old, log), on_scale(new, log)
    difference = new - old
    matched = np.isfinite(difference)
    difference = np.where(matched, difference, np.nan)
    magnitude = np.where(matched, np.maximum(np.abs(old), np.abs(new)), 0.0).max(axis=0, initial=0.0)
    change = Moments.of(difference)
    with np.errstate(invalid="ignore"):
        se = change.sd / np.sqrt(change.n)
    return _changes(change.mean, se, change.n - 1, change.n, magnitude, log, same)


def independent(old: Moments, new: Moments, log: Bools, center: float | Floats = 0.0) -> Changes:
    """Changes of means of independent runs, their variances unequal (Welch 1947).

    An offset common to both sides, of which their difference would take the digits, is given as ``center``.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        se, df = welch_error(old.sd**2 / old.n, new.sd**2 / new.n, old.n, new.n)
    magnitude = np.maximum(np.abs(old.mean + center), np.abs(new.mean + center))
    return _changes(new.mean - old.mean, se, df, np.fmin(old.n, new.n), magnitude, log, np.zeros(len(log), bool))


def decide(changes: Changes, margin: Floats, better: Floats, alpha: float = 0.05, *, families: int = 1) -> Decisions:
    """The verdict on each change, all of them one family, or ``families`` of one size, one after the other.

    ``margin``: on the scale of the analysis, NaN for none. ``better``: 1 where higher is better, -1 where lower is, 0
    for neither. In this order: identical; constant; equivalent, by the 1 - 2 alpha interval (Schuirmann 1987); changed,
    by Holm's p; undecided.
    """
    estimate, p = changes.value, changes.p
    half = special.stdtrit(changes.df, 1.0 - alpha / 2.0) * changes.se
    p_adjusted = np.concatenate([adjust(family, "holm") for family in np.split(p, families)])
    tests = tost(estimate, changes.se, changes.df, margin, alpha)
    p_equivalent = tests.p
    p_worse = np.select([better > 0, better < 0], [tests.p_lower, tests.p_upper], p_equivalent)

    nothing = np.isnan(estimate)
    equal = changes.same | (changes.constant & (estimate == 0.0))
    beyond = np.abs(estimate) > np.where(np.isnan(margin), 0.0, margin)
    worse = better * estimate <= 0.0
    changed = p_adjusted < alpha
    verdict = np.select(
        [
            changes.same,
            nothing,
            changes.constant & ~equal,
            equal | (p_equivalent <= alpha),
            changed & (better == 0.0),
            changed & worse,
            changed,
            np.isnan(margin) & ~np.isnan(p),
        ],
        [
            Verdict.IDENTICAL,
            Verdict.NOT_MEASURED,
            Verdict.DETERMINISTIC,
            Verdict.EQUIVALENT,
            Verdict.CHANGE,
            Verdict.REGRESSION,
            Verdict.IMPROVEMENT,
            Verdict.NO_MARGIN,
        ],
        Verdict.INCONCLUSIVE,
    ).astype(object)
    clears = np.where(changes.constant, beyond, (estimate - half > margin) | (estimate + half < -margin))
    constant_alarm = (verdict == Verdict.DETERMINISTIC) & beyond & worse
    return Decisions(
        low=estimate - half,
        high=estimate + half,
        p=p,
        p_adjusted=p_adjusted,
        p_equivalent=p_equivalent,
        verdict=verdict,
        material=np.asarray(clears, bool) & ~equal,
        alarm=np.isin(verdict, [Verdict.REGRESSION, Verdict.CHANGE]) | constant_alarm,
        noninferior=equal
        | np.where(changes.constant, ~constant_alarm, (p_worse <= alpha) | (verdict == Verdict.IMPROVEMENT)),
    )


def on_scale(values: Floats, log: Bools) -> Floats:
    """Values, or logarithms of the positive ones; NaN for what is not finite or has no logarithm."""
    values = np.where(np.isfinite(values) & (~log | (values > 0)), values, np.nan)
    return np.where(log, np.log(np.where(log, values, 1.0)), values)


def _changes(value: Floats, se: Floats, df: Floats, n: Floats, magnitude: Floats, log: Bools, same: Bools) -> Changes:
    rounding = np.maximum(magnitude, log)  # a logarithm's own rounding is that of its argument
    counts = np.nan_to_num(n).astype(np.int64)
    estimates = t_estimates(value, se, df, counts, magnitude=rounding, confidence=0.95)
    return Changes(**vars(estimates), same=same & (n > 0))
