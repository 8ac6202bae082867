"""Kinds of noise -> simulated tables of seeds by cells in which no effect is real, to measure error rates with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.stats.coding import Floats, Ints

Draw = Callable[[np.random.Generator, int, int, Ints], Floats]
"""From a generator, repetitions, seeds and the codes of the cells to values of shape (repetitions, seeds, cells)."""


@dataclass(frozen=True)
class Scenario:
    """A truth in which every effect's mean is zero, and whether the contrast per seed claims its error rate there."""

    name: str
    draw: Draw
    log: bool = False
    """Analyse logarithms."""
    claimed: bool = True
    interactions_only: bool = False
    """Main effects are real: only interactions of two and more factors are counted."""


def _independent(rng: np.random.Generator, repetitions: int, seeds: int, codes: Ints) -> Floats:
    return np.asarray(rng.normal(size=(repetitions, seeds, len(codes))))


def _seed_effects(rng: np.random.Generator, repetitions: int, seeds: int, codes: Ints) -> Floats:
    return _independent(rng, repetitions, seeds, codes) + 2.0 * rng.normal(size=(repetitions, seeds, 1))


def _effect_by_seed(rng: np.random.Generator, repetitions: int, seeds: int, codes: Ints) -> Floats:
    """The first factor moves each seed up or down, by a coefficient of SD 0.5 about a mean of zero."""
    slope = 0.5 * rng.normal(size=(repetitions, seeds, 1))
    return np.asarray(_independent(rng, repetitions, seeds, codes) + slope * (2.0 * codes[:, 0] - 1.0))


def _unequal_spread(rng: np.random.Generator, repetitions: int, seeds: int, codes: Ints) -> Floats:
    """The corner of all second levels has five times the SD."""
    return _independent(rng, repetitions, seeds, codes) * np.where(codes.all(axis=1), 5.0, 1.0)


def _log_normal(rng: np.random.Generator, repetitions: int, seeds: int, codes: Ints) -> Floats:
    return np.exp(1.3 * _independent(rng, repetitions, seeds, codes))


def _bistable(rng: np.random.Generator, repetitions: int, seeds: int, codes: Ints) -> Floats:
    """One run in five collapses, six SDs away."""
    values = _independent(rng, repetitions, seeds, codes)
    return np.asarray(values + 6.0 * (rng.random(values.shape) < 0.2))


def _lost_runs(rng: np.random.Generator, repetitions: int, seeds: int, codes: Ints) -> Floats:
    """One run in twenty is lost, and seeds differ."""
    values = _seed_effects(rng, repetitions, seeds, codes)
    return np.where(rng.random(values.shape) < 0.05, np.nan, values)


def _multiplicative(rng: np.random.Generator, repetitions: int, seeds: int, codes: Ints) -> Floats:
    """Each factor's second level multiplies the metric by 1.6: no interaction on the log scale, many on the raw one."""
    return np.asarray(np.exp(np.log(1.6) * codes.sum(axis=1) + 0.3 * _independent(rng, repetitions, seeds, codes)))


SCENARIOS = (
    Scenario("independent runs", _independent),
    Scenario("seed effects", _seed_effects),
    Scenario("effect varies by seed", _effect_by_seed),
    Scenario("unequal spread", _unequal_spread),
    Scenario("log-normal", _log_normal),
    Scenario("log-normal, log scale", _log_normal, log=True),
    Scenario("bistable", _bistable),
    Scenario("lost runs", _lost_runs),
    Scenario("multiplicative, raw scale", _multiplicative, claimed=False, interactions_only=True),
    Scenario("multiplicative, log scale", _multiplicative, log=True, interactions_only=True),
)
