"""A baseline and a run -> the change of every effect on every metric, within seeds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.execute.baseline import Baseline
from bench.judge.coded import code_runs
from bench.judge.estimation import estimate_effects
from bench.judge.gate.decide import Changes, on_scale
from bench.judge.gate.matched import Comparables, Sides
from bench.judge.names import effect_name
from bench.stats.contrast import Estimates, one_sample
from bench.stats.identify import identify

MEAN_OF_CELLS = "(mean of all cells)"


def effects_by_seed(old: Baseline, new: Baseline, log: Mapping[str, bool]) -> Comparables:
    """Every effect on every metric, and the mean of all cells, of the changes within seeds.

    Raises:
        BenchError: fewer than two cells, or no seeds, are the same in both.
    """
    sides = Sides.of(old, new)
    if len(sides.same) < 2 or not sides.seeds:
        raise BenchError(
            f"Effects cannot be compared: {len(sides.same)} cells and {len(sides.shared)} seeds are the same in both; "
            "it takes two of each.",
            hint='Set compare = "cells" in [baseline], or accept a new baseline.',
        )
    metrics = [name for name in log if name in sides.metrics]
    parts = [_effect_changes(sides, metric, on_log=log[metric]) for metric in metrics]
    return sides.comparables(parts, metrics, {*sides.same.values()})


def _effect_changes(sides: Sides, metric: str, *, on_log: bool) -> tuple[Changes, pd.DataFrame]:
    cells = [*sides.same]
    old = sides.old[metric].loc[sides.seeds, cells].to_numpy(float)
    new = sides.new[metric].loc[sides.seeds, cells].to_numpy(float)
    log = np.full(len(cells), on_log)
    difference = on_scale(new, log) - on_scale(old, log)
    frame = sides.levels.loc[np.tile(cells, len(sides.seeds))].reset_index(drop=True)
    frame = frame.assign(seed=np.repeat(sides.seeds, len(cells)), value=difference.reshape(-1))
    runs = code_runs(frame, sides.factors, "seed", ["value"])
    effects = estimate_effects(
        runs, identify(runs.cells, runs.n_levels), metric, runs.values["value"], log=False, confidence=0.95
    )
    complete = np.isfinite(difference).all(axis=1)
    magnitude = float(np.nanmax(np.abs(np.where(np.isfinite(new), new, 0.0)), initial=0.0))
    mean = one_sample(difference[complete].mean(axis=1, keepdims=True), magnitude=magnitude)
    same = bool(((old == new) | (np.isnan(old) & np.isnan(new))).all())
    where = [MEAN_OF_CELLS, *(effect_name(runs, effect) for effect in effects.effects)]
    rows = pd.DataFrame(
        {
            "metric": metric,
            "where": where,
            "log": on_log,
            "old": float(np.nanmean(old)) if np.isfinite(old).any() else np.nan,
            "new": float(np.nanmean(new)) if np.isfinite(new).any() else np.nan,
            "lost": int((np.isfinite(old) & ~np.isfinite(new)).any(axis=1).sum()),
            "method": [
                "paired by seed, contrast per block",
                *(f"paired by seed, {effects.fitted.method(effect.term)}" for effect in effects.effects),
            ],
        }
    )
    estimates = Estimates.joined([mean, effects.estimates])
    return Changes(**vars(estimates), same=np.full(len(where), same)), rows
