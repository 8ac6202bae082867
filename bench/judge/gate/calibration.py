"""A stored run, or several of unchanged code -> how often the gate errs on runs like it: false alarms, and power.

Pairs of runs are simulated that differ by their seeds only, or by the occasions (times, machines) of several runs, a
change is planted or none, and the gate judges them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from bench.errors import BenchError
from bench.execute.baseline import Baseline
from bench.judge.analysis import MetricOptions
from bench.judge.gate.compare import DIRECTION, margin_on_scale
from bench.judge.gate.decide import decide, on_scale, paired
from bench.judge.gate.matched import Sides
from bench.judge.signed import GateVerdict as Verdict
from bench.stats.coding import Bools, Floats
from bench.stats.diagnostics import wilson

Noise = Literal["normal", "resampled", "occasions"]
NOISES: tuple[Noise, ...] = ("normal", "resampled")
REPEATS = "the repeats themselves"
SIZES = (0.5, 1.0, 1.5, 2.0, 3.0)
"""Planted changes, in margins."""
_AT_ONCE = 50


@dataclass(frozen=True, eq=False)
class Gated:
    """What is compared: ``values`` (seeds, comparisons), none missing; the rest per column."""

    values: Floats
    """On the scale of the analysis."""
    metric: Sequence[str]
    margin: Floats
    """On that scale too; NaN for none."""
    better: Floats
    """1 where higher is better, -1 where lower is, 0 for neither."""
    log: Sequence[bool] = ()
    """Whether values are logarithms."""
    repeats: Floats | None = None
    """The values of every run (occasions, seeds, comparisons), if there are several."""


def gated_values(runs: Sequence[Baseline], rules: Sequence[MetricOptions]) -> Gated:
    """What the gate would compare of a run, cell by cell, and of further runs of the same code, cells and seeds.

    Comparisons with a missing value are left out.

    Raises:
        BenchError: fewer than three seeds, nothing without missing values, or runs of other cells or seeds.
    """
    sides = [Sides.of(runs[0], run) for run in runs]
    for run, side in zip(runs, sides, strict=True):
        if len(side.same) != len(side.old_levels) or side.new_cells or list(side.new.index) != list(side.old.index):
            raise BenchError(
                f"{run.source} is no repeat of {runs[0].source}: its cells, parameters or seeds are others.",
                hint="Repeat a run with bench run SUITE --fresh: the earlier one is moved aside and stays a run.",
            )
    values: list[Floats] = []
    columns: list[tuple[str, float, float, bool]] = []
    for rule in rules:
        for cell in sides[0].same:
            measured = np.array([side.new[rule.name][cell].to_numpy(float) for side in sides])
            scaled = on_scale(measured, np.array(rule.log))
            if np.isfinite(scaled).all():
                values.append(scaled)
                margin = margin_on_scale(rule, on_log=rule.log, old_mean=float(measured[0].mean()))
                columns.append((rule.name, margin, DIRECTION[rule.better], rule.log))
    seeds = len(sides[0].new)
    if seeds < 3 or not values:
        raise BenchError(
            f"{runs[0].source} cannot tell how values vary: {seeds} seeds, {len(values)} cells without missing values.",
            hint="Run the suite with ten seeds or more.",
        )
    metric, margins, better, log = zip(*columns, strict=True)
    stacked = np.moveaxis(np.array(values), 0, -1)
    repeats = stacked if len(runs) > 1 else None
    return Gated(stacked[0], metric, np.array(margins), np.array(better), log, repeats)


@dataclass(frozen=True, eq=False)
class Occasions:
    """Several runs of unchanged code, by the same seeds, taken apart: seeds, occasions, and what is left."""

    values: Floats
    """(occasions, seeds, comparisons)."""
    metric: Sequence[str]
    """Of each comparison."""

    @property
    def df(self) -> tuple[int, int]:
        """Degrees of freedom of occasions, and of what is left."""
        occasions, seeds, _ = self.values.shape
        return occasions - 1, (occasions - 1) * (seeds - 1)

    @cached_property
    def drift(self) -> Floats:
        """Means of occasions less the mean of all (occasions, comparisons)."""
        return np.asarray(self._changes.mean(axis=1) - self._changes.mean(axis=(0, 1)))

    @cached_property
    def left(self) -> Floats:
        """What neither the seed nor the occasion explains, of the shape of ``values``."""
        return np.asarray(self._changes - self._changes.mean(axis=0) - self.drift[:, None])

    @cached_property
    def mean_squares(self) -> tuple[Floats, Floats]:
        """Of occasions, and of what is left, in the two-way layout of occasions and seeds (comparisons,)."""
        between, within = self.df
        seeds = self.values.shape[1]
        return seeds * (self.drift**2).sum(axis=0) / between, (self.left**2).sum(axis=(0, 1)) / within

    @property
    def deterministic(self) -> Bools:
        """Comparisons whose values are equal bit for bit on all occasions."""
        return np.asarray((self.values == self.values[0]).all(axis=(0, 1)))

    def between(self, tail: float | None = None) -> Floats:
        """SD between occasions beyond what varies within them (comparisons,), the component of variance, at least 0.

        All comparisons of a metric are taken to drift alike, relative to what varies within: few occasions tell the
        mean of their ratios of mean squares, not each one. ``tail``: the limit with that probability below it, from the
        F distribution of one ratio (Searle, Casella & McCulloch 1992, 3.6), as if all cells drifted together.
        """
        of_occasions, left = self.mean_squares
        seeds, (df, df_left) = self.values.shape[1], self.df
        # E(ratio) is df_left / (df_left - 2) times 1 + seeds * share, where share is between² / within².
        divisor = df_left / (df_left - 2) if tail is None else stats.f.ppf(1 - tail, df, df_left)
        sd = np.sqrt(np.maximum(0.0, of_occasions / divisor - left) / seeds)
        for metric in dict.fromkeys(self.metric):
            own = np.array([name == metric for name in self.metric]) & (left > 0)
            if own.any():
                share = max(0.0, float((of_occasions[own] / left[own]).mean()) / divisor - 1) / seeds
                sd[own] = np.sqrt(share * left[own])
        return np.asarray(sd)

    def draw(self, rng: np.random.Generator, runs: int) -> Floats:
        """So many runs on occasions of their own (runs, seeds, comparisons), normal, with the covariances found."""
        occasions, seeds, comparisons = self.values.shape
        spread = np.sqrt((self.drift**2).sum(axis=0) / (occasions - 1))
        share = np.divide(self.between(), spread, out=np.zeros(comparisons), where=spread > 0)
        drift = rng.normal(size=(runs, 1, occasions)) @ (share * self.drift / np.sqrt(occasions - 1))
        left = self.left.reshape(-1, comparisons) / np.sqrt(self.df[1])
        noise = rng.normal(size=(runs, seeds, occasions * seeds)) @ left
        return np.asarray(self.values[0] + self._changes.mean(axis=0) + drift + noise)

    @cached_property
    def _changes(self) -> Floats:
        """Since the first occasion: exactly 0 for what is deterministic."""
        return np.asarray(self.values - self.values[0])


def occasion_frame(gated: Gated) -> pd.DataFrame:
    """One row a metric: how its values vary ``within`` an occasion and ``between`` occasions, with 95 % limits.

    SDs over all cells (root mean square), of logarithms or relative to the mean of each cell. ``within`` is what pairs
    of the same seed see. ``deterministic``: equal bit for bit on all occasions.
    """
    assert gated.repeats is not None
    occasions = Occasions(gated.repeats, gated.metric)
    mean = np.abs(gated.repeats.mean(axis=(0, 1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        sds = {
            name: np.where(sd == 0, 0.0, sd / np.where(gated.log, 1.0, mean))
            for name, sd in (
                ("within", np.sqrt(occasions.mean_squares[1])),
                ("between", occasions.between()),
                ("low", occasions.between(0.025)),
                ("high", occasions.between(0.975)),
            )
        }
    table = pd.DataFrame({"metric": gated.metric, **sds})
    metrics = table.assign(deterministic=occasions.deterministic).groupby("metric", sort=False)
    pooled = (table[[*sds]] ** 2).groupby(table["metric"], sort=False).mean() ** 0.5
    return pooled.assign(deterministic=metrics["deterministic"].all()).reset_index()


def calibrate_gate(
    gated: Gated,
    rng: np.random.Generator,
    *,
    repetitions: int = 500,
    alpha: float = 0.05,
    sizes: Sequence[float] = SIZES,
) -> pd.DataFrame:
    """Rates with Wilson's 95 % limits, one row per kind of noise, planted metric and size.

    Both sides are drawn anew, for each planted change a fifth as often: ``normal`` with the means of the run and all
    its covariances over seeds, those between cells and metrics included, or its ``resampled`` seeds. A comparison then
    has the noise of other seeds, more than that of a change which leaves the seeds' draws alone. Of several runs, too:
    ``occasions``, both sides by the same seeds on occasions of their own, with the spread found between the runs (then
    also where a change is planted); and each run held against each other one (``REPEATS``), which simulates nothing.

    ``size`` 0 plants nothing (A/A); else the ``metric`` gets worse (without a direction, larger) in all its cells by so
    many margins, or SDs of the difference where it has none. ``alarm``: the share of comparisons that fail, of the
    planted ones if there are any; ``any_alarm``: of runs in which one does, which without a planted change is the
    family-wise error; ``equivalent``: of comparisons that are shown to be so.
    """
    planted = max(1, repetitions // 5)
    noises: tuple[Noise, ...] = NOISES if gated.repeats is None else (*NOISES, "occasions")
    rows = [_rates(gated, _pairs(gated, rng, noise, repetitions), noise, "", 0.0, alpha) for noise in noises]
    if gated.repeats is not None:
        rows.append(_rates(gated, permutations(gated.repeats[:, None], 2), REPEATS, "", 0.0, alpha))
    used = noises[-1] if gated.repeats is not None else "normal"
    for metric in dict.fromkeys(gated.metric):
        rows += [_rates(gated, _pairs(gated, rng, used, planted), used, metric, size, alpha) for size in sizes]
    return pd.DataFrame(rows)


def _rates(
    gated: Gated, pairs: Iterable[tuple[Floats, Floats]], noise: str, metric: str, size: float, alpha: float
) -> dict[str, object]:
    """Of ``pairs`` of sides, each (runs, seeds, comparisons)."""
    planted = np.array([name == metric for name in gated.metric])
    watched = planted if metric else np.ones(len(planted), bool)
    spread = np.sqrt(2.0) * gated.values.std(axis=0, ddof=1)
    unit = np.where(np.isnan(gated.margin), spread, gated.margin)
    shift = np.where(planted, size * unit * np.where(gated.better > 0, -1.0, 1.0), 0.0)
    repetitions, alarm, any_alarm, equivalent = 0, 0.0, 0.0, 0.0
    for old, new in pairs:
        runs = len(old)
        repetitions += runs
        before, now = (np.concatenate(list(side), axis=1) for side in (old, new + shift))
        margin, better = np.tile(gated.margin, runs), np.tile(gated.better, runs)
        measured = np.zeros(len(margin), bool)  # the values are on the scale of the analysis already
        decisions = decide(paired(before, now, measured), margin, better, alpha, families=runs)
        failed = decisions.alarm.reshape(runs, -1)
        alarm += failed[:, watched].mean(axis=1).sum()
        any_alarm += failed.any(axis=1).sum()
        equivalent += (decisions.verdict == Verdict.EQUIVALENT).reshape(runs, -1)[:, watched].mean(axis=1).sum()
    return {
        "noise": noise,
        "metric": metric,
        "size": size,
        "unit": "margin" if np.isfinite(gated.margin[watched]).all() else "SD",
        "comparisons": repetitions,
        "tests": len(planted),
        **_share("alarm", alarm, repetitions),
        **_share("any_alarm", any_alarm, repetitions),
        **_share("equivalent", equivalent, repetitions),
    }


def _pairs(gated: Gated, rng: np.random.Generator, noise: Noise, repetitions: int) -> Iterator[tuple[Floats, Floats]]:
    """So many pairs of runs simulated independently, some at a time; each side (runs, seeds, comparisons)."""
    values, seeds = gated.values, len(gated.values)
    mean = values.mean(axis=0)
    deviations = (values - mean) / np.sqrt(seeds - 1)
    for start in range(0, repetitions, _AT_ONCE):
        runs = min(_AT_ONCE, repetitions - start)
        if noise == "occasions":
            assert gated.repeats is not None
            simulated = Occasions(gated.repeats, gated.metric).draw(rng, 2 * runs)
            both = simulated.reshape(2, runs, *values.shape)
        elif noise == "resampled":
            both = values[rng.integers(seeds, size=(2, runs, seeds))]
        else:
            both = mean + rng.normal(size=(2, runs, seeds, seeds)) @ deviations
        yield both[0], both[1]


def _share(name: str, count: float, of: int) -> dict[str, float]:
    """A rate and its limits; those of single comparisons are as if the comparisons of a run were one, so too wide."""
    low, high = wilson(round(count), of, 0.95)
    return {name: count / of, f"{name}_low": low, f"{name}_high": high}
