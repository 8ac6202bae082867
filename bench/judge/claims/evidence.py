"""The values that a claim compares -> its estimate, and p values for it and against it, by each method.

A claim of a direction is tested on either side at half of alpha, since it can be refuted as well as supported. Each
one-sided p is therefore doubled, which makes it the usual two-sided p where the estimate lies on that side. Equivalence
is two one-sided tests at alpha (Schuirmann 1987), and an order is supported by its weakest comparison (the
intersection-union test of Berger 1982).

A contrast that is the same in every seed leaves t nothing to divide by. Its signs can still be counted: all S of them
lie on one side of the bound, which under symmetry happens with a probability of 2^-S (the exact sign test).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.integrate import quad

from bench.judge.names import reported
from bench.plan.claims import Claim
from bench.plan.kinds import kind_of
from bench.plan.labels import cell_label, visible
from bench.stats.coding import Bools, Floats
from bench.stats.contrast import one_sample, per_block, randomized_blocks
from bench.stats.diagnostics import Split, bimodality, normal_shares, wilson
from bench.stats.resample import sign_flip

_NAN = float("nan")
_DRAWS = 10_000


@dataclass(frozen=True)
class Evidence:
    """The p values of a claim."""

    support: float = _NAN
    """A small one supports the claim; NaN where nothing can."""
    refute: float = _NAN
    """A small one refutes the claim; NaN where nothing can."""


@dataclass(frozen=True)
class Sample:
    """The values that a claim compares, on the scale that it is judged on."""

    table: Floats
    """(seeds, cells), NaN where a value is missing; for a spread, distances from the median of the cell."""
    weights: Floats
    """(comparisons, cells)."""
    margin: float | None
    """The smallest difference that matters, on the scale of ``table``; None for none."""
    rises_first: bool = False
    """Of two lines: whether the claim is that they rise and then fall."""

    @cached_property
    def _compared(self) -> Bools:
        """Which cells some comparison weighs."""
        return np.asarray((self.weights != 0).any(axis=0))

    @cached_property
    def complete_rows(self) -> Floats:
        """The rows of ``table`` of the seeds that have every cell compared."""
        return np.asarray(self.table[np.isfinite(self.table[:, self._compared]).all(axis=1)])

    @cached_property
    def contrasts(self) -> Floats:
        """The comparisons by seed, shape (complete rows, comparisons)."""
        return per_block(self.complete_rows[:, self._compared], self.weights[:, self._compared])

    @cached_property
    def magnitude(self) -> Floats:
        """Size of the values behind each comparison (comparisons,): a spread far smaller than this is rounding."""
        return np.asarray(np.abs(self.weights) @ np.nan_to_num(np.abs(self.table)).max(axis=0, initial=0.0))

    @cached_property
    def lines(self) -> Lines | None:
        """The two lines on either side of the break whose weaker one is the stronger on every other seed.

        What chooses is not what is tested, so the choice costs no error. None with fewer than two seeds for either.
        """
        weights = -self.weights if self.rises_first else self.weights
        choosing, testing = (replace(self, table=self.table[first::2], weights=weights) for first in (0, 1))
        if min(len(half.contrasts) for half in (choosing, testing)) < 2:
            return None
        chosen = 2 * int(np.argmin(per_seed(choosing, 0.0, 1).reshape(-1, 2).max(axis=1)))
        return Lines(replace(self, weights=weights), replace(testing, weights=weights[chosen : chosen + 2]), chosen)


Tail = Callable[[Sample, float, int], Floats]
"""(sample, bound, direction) -> for each comparison the one-sided p of its lying beyond the bound in that direction."""


def per_seed(sample: Sample, bound: float, direction: int) -> Floats:
    """One contrast per seed and t on it, the primary test; the exact sign test where all seeds have the same value."""
    test = one_sample(sample.contrasts - bound, magnitude=sample.magnitude)
    signs = np.where(test.value == 0, 1.0, 2.0 ** (1 - len(sample.contrasts)))
    p, statistic = (np.where(test.constant, own, t) for own, t in ((signs, test.p), (test.value, test.t)))
    return _one_sided(p, statistic, direction)


def by_blocks(sample: Sample, bound: float, direction: int) -> Floats:
    """The t of the additive model of seeds and all cells, over the seeds that have every cell."""
    complete = sample.table[np.isfinite(sample.table).all(axis=1)]
    # A shift of the contrasts by the bound is one of the cells by its share of their squared weights.
    shares = sample.weights / (sample.weights**2).sum(axis=1, keepdims=True)
    fits = [
        randomized_blocks(complete - bound * share, weights[None])
        for share, weights in zip(shares, sample.weights, strict=True)
    ]
    p, t = (np.array([getattr(fit, name)[0] for fit in fits]) for name in ("p", "t"))
    return _one_sided(p, t, direction)


def by_sign_flips(sample: Sample, bound: float, direction: int) -> Floats:
    """The sign-flip test of the contrasts, which assumes only that they are symmetric about the bound."""
    contrasts = sample.contrasts - bound
    test = sign_flip(contrasts, np.random.default_rng(0))
    return _one_sided(test.p, contrasts.sum(axis=0), direction)


def weigh(claim: Claim, sample: Sample, tail: Tail = per_seed) -> Evidence:
    """The p values of a claim on means or spreads."""
    if len(sample.contrasts) < 2:
        return Evidence()
    margin = sample.margin
    if claim.expect in ("increase", "decrease"):
        sign = 1 if claim.expect == "increase" else -1
        bound = sign * margin if margin is not None and not kind_of(claim).is_order else 0.0
        p_against = tail(sample, bound, -sign)
        return Evidence(_two_sided(np.max(tail(sample, 0.0, sign))), _two_sided(len(p_against) * np.min(p_against)))
    p_difference = _two_sided(min(tail(sample, 0.0, 1)[0], tail(sample, 0.0, -1)[0]))
    if margin is None:
        return Evidence(p_difference) if claim.expect == "difference" else Evidence()
    p_inside = float(np.maximum(tail(sample, -margin, 1), tail(sample, margin, -1))[0])
    if claim.expect == "difference":
        return Evidence(p_difference, p_inside)
    return Evidence(p_inside, _two_sided(min(tail(sample, margin, 1)[0], tail(sample, -margin, -1)[0])))


@dataclass(frozen=True)
class Lines:
    """Two lines: the comparisons of all breaks, and the break that every other seed, the first among them, chose."""

    every: Sample
    """All seeds, the fall and the rise at each break; both are above 0 in the shape that is claimed."""
    tested: Sample
    """The seeds that did not choose, the fall and the rise at the break."""
    chosen: int
    """Which comparison of the claim the fall is; the rise is the next."""


def weigh_lines(_: Claim, sample: Sample) -> Evidence:
    """Supported if both lines at the break go as claimed; refuted if at every break one does not, by the margin."""
    lines = sample.lines
    if lines is None:
        return Evidence()
    against = 2 * per_seed(lines.every, sample.margin or 0.0, -1).reshape(-1, 2).min(axis=1)
    return Evidence(_two_sided(per_seed(lines.tested, 0.0, 1).max()), _two_sided(against.max()))


def split_values(sample: Sample) -> Split:
    """The values of a cell, split into the two groups that differ most."""
    values = sample.contrasts[:, 0]
    return bimodality(values, normal_shares(len(values), np.random.default_rng(0), _DRAWS))


def estimate_contrast(claim: Claim, sample: Sample, confidence: float) -> Mapping[str, Any]:
    """The contrast with its t interval; of several comparisons, the one with the least evidence for the claim."""
    n = len(sample.complete_rows)
    test = one_sample(sample.contrasts, magnitude=sample.magnitude, confidence=confidence)
    weakest = 0
    if n > 1 and kind_of(claim).is_order:
        sign = -1 if claim.expect == "decrease" else 1
        with np.errstate(divide="ignore"):
            odds = np.log(per_seed(sample, 0.0, -sign)) - np.log(per_seed(sample, 0.0, sign))
        weakest = int(np.argmin(odds))
    numbers = {"estimate": test.value, "low": test.low, "high": test.high}
    limits = {name: float(column[weakest]) for name, column in numbers.items()}
    limits["margin"] = _NAN if sample.margin is None else sample.margin
    log = claim.scale == "log"
    regions = claim.comparisons[weakest].regions
    return {
        "scale": "ratio" if log else "difference",
        **{name: float(reported(number, log)) for name, number in limits.items()},
        "t": float(test.t[weakest]),
        "df": float(test.df[weakest]),
        "n": n,
        "constant": bool(test.constant[weakest]),
        "detail": " → ".join(cell_label(side.values()) for side in regions) if kind_of(claim).is_order else "",
    }


def estimate_lines(claim: Claim, sample: Sample, confidence: float) -> Mapping[str, Any]:
    """The change along the weaker line at the break with its t interval; above 0 if it goes as claimed."""
    lines = sample.lines
    if lines is None:
        return {"scale": "difference", "n": len(sample.complete_rows)}
    alone = replace(claim, comparisons=claim.comparisons[lines.chosen : lines.chosen + 2])
    regions = alone.comparisons[1].regions
    name = next(name for name in regions[0] if regions[0][name] != regions[1][name])
    log = claim.scale == "log"
    changes = [f"{'× ' if log else ''}{change:.3g}" for change in reported(lines.tested.contrasts.mean(axis=0), log)]
    first, second = ("fall", "rise") if claim.expect == "u_shape" else ("rise", "fall")
    detail = f"{first} {changes[0]} up to {name} {visible(regions[0][name])}, {second} {changes[1]} from there"
    return {**estimate_contrast(alone, lines.tested, confidence), "detail": detail}


def estimate_groups(claim: Claim, sample: Sample, confidence: float) -> Mapping[str, Any]:
    """The share of a cell's upper group, with Wilson's interval."""
    n, split = len(sample.complete_rows), split_values(sample)
    if not np.isfinite(split.p):
        return {"scale": "share", "n": n}
    upper = n - split.n_low
    low, high = wilson(upper, n, confidence)
    detail = f"{upper} of {n} above {reported(split.threshold, claim.scale == 'log'):.4g}"
    return {"scale": "share", "estimate": upper / n, "low": low, "high": high, "n": n, "detail": detail}


def bayes_factor(t: float, n: int) -> float:
    """How much likelier a t of ``n`` seeds is if there is an effect than if there is none (BF10).

    Effects in SDs over seeds then have a Cauchy prior of scale r = √2 / 2 (JZS): a normal one whose variance g r² has
    an inverse χ² distribution of one degree of freedom, over which the likelihood is integrated (Rouder et al. 2009,
    equation 1, https://doi.org/10.3758/PBR.16.2.225). As ``pingouin.bayesfactor_ttest``, whose import takes seconds.

    >>> round(bayes_factor(4.0621, 10), 2)
    17.26
    """
    if not np.isfinite(t):
        return _NAN
    if n / 2 * np.log1p(t**2 / (n - 1)) > 600:
        return np.inf
    df, r = n - 1, 0.5**0.5

    def likelihood(g: float) -> float:
        spread = 1 + n * g * r**2
        prior = (2 * np.pi) ** -0.5 * g**-1.5 * np.exp(-1 / (2 * g))
        return float(spread**-0.5 * (1 + t**2 / (spread * df)) ** (-(df + 1) / 2) * prior)

    return float(quad(likelihood, 0, np.inf)[0] / (1 + t**2 / df) ** (-(df + 1) / 2))


@dataclass(frozen=True)
class Test:
    """A test that decides claims."""

    evidence: Callable[[Claim, Sample], Evidence]
    """(claim, sample) -> its p values."""
    estimate: Callable[[Claim, Sample, float], Mapping[str, Any]]
    """(claim, sample, confidence) -> columns of ``verdicts.CLAIMS``."""
    tails: Mapping[str, Tail]
    """Name of a method for the sensitivity analysis -> the tail that ``weigh`` takes for it."""


BY_TEST = {
    "contrast": Test(weigh, estimate_contrast, {"block_model": by_blocks, "sign_flip": by_sign_flips}),
    "lines": Test(weigh_lines, estimate_lines, {}),
    "groups": Test(lambda _, sample: Evidence(split_values(sample).p), estimate_groups, {}),
}
"""``Kind.test`` -> the test."""


def _one_sided(p: Floats, statistic: Floats, direction: int) -> Floats:
    """The one-sided p in a direction, of a two-sided p."""
    return np.where(direction * statistic > 0, p / 2, 1 - p / 2)


def _two_sided(p: float) -> float:
    """Twice a one-sided p, at most 1; NaN stays."""
    return float(np.minimum(1.0, 2 * p))
