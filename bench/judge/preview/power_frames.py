"""A design, its seeds and perhaps a pilot run -> frames of what effects it would find, and how many seeds it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.judge.preview.pilot import Pilot
from bench.judge.sensitivity import POWER, seeds_to_exclude, seeds_to_find
from bench.plan.labels import term_label
from bench.plan.metrics import MetricSettings, margin_of
from bench.stats.boundaries import crossing, plan_looks
from bench.stats.coding import Floats
from bench.stats.identify import Design
from bench.stats.power import seeds_for, smallest_effect, term_power
from bench.stats.term_models import Effect, cell_weights, effects_of

SIZES = (0.5, 1.0)
"""Effects, in SDs over seeds, for which power and seeds are given."""


@dataclass(frozen=True)
class Spread:
    """One metric's effects over the seeds of a pilot, on the scale of the analysis."""

    metric: str
    log: bool
    effects: tuple[Effect, ...]
    per_seed: Floats | None
    """Effects in each complete seed, shape (seeds, effects); None if the pilot lacks cells."""
    sd: Floats
    """Their SD over seeds: from ``per_seed``, or where that is missing from the residuals of the cells there are."""
    margin: float
    """On the scale of the analysis; NaN if none is declared."""


def family_frame(seeds: int, families: Mapping[str, int]) -> pd.DataFrame:
    """A row a family of tests: ``family tests smallest`` (|d_z| found with power POWER), and power and seeds by size.

    Every test is judged at 0.05 over their number, at which Holm's procedure rejects the first of the family.
    """
    rows = []
    for family, tests in families.items():
        row = {"family": family, "tests": tests, "smallest": smallest_effect(seeds, tests, POWER)}
        for size in SIZES:
            row[f"power_{size}"] = float(term_power(size, seeds, alpha=0.05 / tests)) if seeds > 1 else float("nan")
            row[f"seeds_{size}"] = np.ceil(seeds_for(size, tests, POWER))
        rows.append(row)
    return pd.DataFrame(rows)


def term_power_frame(seeds: int, terms: Mapping[str, int], tests: int) -> pd.DataFrame:
    """A row a term of several ``contrasts``: the ``smallest`` difference of two levels that its F test finds.

    ``terms``: name -> number of contrasts. The difference is over its SD across seeds (of an interaction, the contrast
    of two levels by two), with all other levels midway; power POWER, in one test and ``smallest_in_family`` among
    ``tests``, judged at 0.05 over their number; ``seeds_SIZE`` find one of SIZE in one test. NaN below two seeds.
    """
    return pd.DataFrame(
        {
            "term": term,
            "contrasts": q,
            "smallest": smallest_effect(seeds, 1, POWER, contrasts=q),
            "smallest_in_family": smallest_effect(seeds, tests, POWER, contrasts=q),
            **{f"seeds_{size}": np.ceil(seeds_for(size, 1, POWER, contrasts=q)) for size in SIZES},
        }
        for term, q in terms.items()
    )


def look_frame(seeds: Sequence[int]) -> pd.DataFrame:
    """A row a planned look after so many ``seeds``: the p at which it stops, the error spent, and how likely it stops.

    Error 0.05 over all looks is spent as by O'Brien and Fleming (Lan & DeMets 1983). ``stop_SIZE`` is the probability
    that a look is the first to find an effect of SIZE SDs over seeds, with a normal statistic.

    Raises:
        BenchError: for numbers of seeds that do not increase from at least 2.
    """
    if list(seeds) != sorted(set(seeds)) or min(seeds, default=0) < 2:
        listed = ", ".join(map(str, seeds))
        raise BenchError(
            f"Looks cannot come after {listed} seeds.", hint="Give increasing numbers from 2 on: 10,20,40."
        )
    plan = plan_looks(seeds)
    crossings = {f"stop_{size}": crossing(plan.z, plan.fraction, size * seeds[-1] ** 0.5) for size in SIZES}
    return pd.DataFrame({"seeds": list(seeds), "p": plan.level, "z": plan.z, "spent": plan.spent, **crossings})


def spreads(design: Design, pilot: Pilot, metrics: Mapping[str, MetricSettings]) -> list[Spread]:
    """How much each metric's effects vary over the seeds of the pilot; NaN with fewer than two seeds of use."""
    weights, effects = cell_weights(design), effects_of(design)
    noise = []
    for name, settings in metrics.items():
        measured = pilot.values[name]
        log = settings.scale == "log"
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.where(measured > 0, np.log(measured), np.nan) if log else measured
        complete = values[np.isfinite(values).all(axis=1)]
        per_seed = complete @ weights.T if len(complete) > 1 else None
        if per_seed is None:
            sd = _residual_sd(values) * np.linalg.norm(weights, axis=1)
        else:
            sd = per_seed.std(axis=0, ddof=1)
        noise.append(Spread(name, log, effects, per_seed, sd, _margin(settings, measured)))
    return noise


def detectable_frame(spreads: Sequence[Spread], names: Sequence[str], seeds: int, tests: int) -> pd.DataFrame:
    """A row a metric and effect that the design identifies, in the metric's unit (for a log scale, natural logarithms).

    ``sd`` over seeds; ``smallest`` effect that ``seeds`` find with power POWER in one test and, ``smallest_in_family``,
    among ``tests``; ``seeds_to_find`` a difference of the margin, and ``seeds_to_exclude`` one: to show, if there is
    none, that it is smaller.
    """
    alone, in_family = smallest_effect(seeds, 1, POWER), smallest_effect(seeds, tests, POWER)
    rows = []
    for spread in spreads:
        for effect, sd in zip(spread.effects, spread.sd, strict=True):
            rows.append(
                {
                    "metric": spread.metric,
                    "effect": term_label(names[factor] for factor in effect.term),
                    "order": len(effect.term),
                    "sd": sd,
                    "smallest": alone * sd,
                    "smallest_in_family": in_family * sd,
                    "margin": spread.margin,
                    "seeds_to_find": seeds_to_find(spread.margin, sd, 1),
                    "seeds_to_find_in_family": seeds_to_find(spread.margin, sd, tests),
                    "seeds_to_exclude": seeds_to_exclude(spread.margin, sd),
                }
            )
    columns = ["metric", "effect", "order", "sd", "smallest", "smallest_in_family", "margin"]
    return pd.DataFrame(rows, columns=[*columns, "seeds_to_find", "seeds_to_find_in_family", "seeds_to_exclude"])


def _margin(settings: MetricSettings, measured: Floats) -> float:
    margin = margin_of(settings.margin, settings.scale, relative=settings.relative)
    finite = measured[np.isfinite(measured)]
    mean = float(finite.mean()) if len(finite) else float("nan")
    return float("nan") if margin is None else margin.on(settings.scale, mean)


def _residual_sd(values: Floats) -> float:
    """SD within cells and seeds over the cells that were run, less their means and those of the seeds they share."""
    run = values[:, np.isfinite(values).any(axis=0)]
    run = run[np.isfinite(run).all(axis=1)]
    seeds, n_cells = run.shape
    if seeds < 2 or n_cells < 2:
        return float("nan")
    residuals = run - run.mean(axis=0) - run.mean(axis=1, keepdims=True) + run.mean()
    return float(np.sqrt((residuals**2).sum() / ((seeds - 1) * (n_cells - 1))))
