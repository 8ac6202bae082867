"""A tidy frame of runs -> the result frames that every report shows: effects, ANOVA, pairs, cells."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from bench.errors import BenchError
from bench.judge.cell_pairs import pair_frames
from bench.judge.coded import CodedRuns, code_runs
from bench.judge.components import component_frames, require_strata
from bench.judge.doubts import diagnostic_frame, value_frame
from bench.judge.effect_frames import cell_frame, contrast_frame, equivalence_frame, estimable_frame
from bench.judge.estimation import MetricEffects, estimate_effects, lost_levels
from bench.judge.extreme_units import in_units, unit_of
from bench.judge.losses import lost_runs
from bench.judge.requested import requested_frame
from bench.judge.simple import marginal_frame, simple_frame
from bench.judge.table import statuses
from bench.judge.terms import MOST_LEVELS, flip_signs, level_frame, term_frame
from bench.judge.trend_frame import trend_frame
from bench.judge.variance import anova_frame, anova_models
from bench.plan.metrics import Scale, margin_of
from bench.stats.coding import Floats
from bench.stats.identify import HIGHEST_ORDER, MANY_FACTORS, identify

_HUGE = 1e140
"""Squares of larger values, and their sums, come too near the largest float."""


@dataclass(frozen=True)
class MetricOptions:
    """How one metric is analysed."""

    name: str
    log: bool = False
    """Analyse logarithms, and report effects as ratios."""
    margin: float | None = None
    """The smallest difference that matters: in the metric's unit, or for ``log`` a relative change (0.05 is 5 %)."""
    relative: bool = False
    """The margin is a part of the metric's mean (0.05 is 5 %)."""
    better: Literal["lower", "higher", "neither"] = "neither"
    range: tuple[float, float] | None = None
    """Between which values it always lies."""


@dataclass(frozen=True)
class Analysis:
    """Result frames with flat columns; a number that cannot be had is NaN, with the reason beside it."""

    cells: pd.DataFrame
    contrasts: pd.DataFrame
    terms: pd.DataFrame
    """One test for each main effect and interaction: the exploratory family."""
    levels: pd.DataFrame
    """All pairs of levels of each factor that has more than two."""
    anova: pd.DataFrame
    pairwise: pd.DataFrame
    """Cells against the reference cell: the paired t where there are blocks, else Welch's."""
    pairwise_independent: pd.DataFrame
    """The same pairs, all runs taken as independent."""
    pairwise_sizes: pd.DataFrame
    """Standardised differences of these pairs, and ratios of their means."""
    equivalence: pd.DataFrame
    diagnostics: pd.DataFrame
    values: pd.DataFrame
    estimable: pd.DataFrame
    marginal: pd.DataFrame
    """The mean of every level of every factor."""
    simple: pd.DataFrame
    """Effects of a factor at each level of another, where its main effect misleads."""
    losses: pd.DataFrame
    """How many runs have no value, by level of each factor; empty if none."""
    survivors: pd.DataFrame
    """What lost runs leave of each pair of levels; empty if none is lost."""
    requested: pd.DataFrame
    """The contrasts that the user asked for."""
    trends: pd.DataFrame
    """Empty unless a factor has at least three numbers as levels."""
    notes: tuple[str, ...]
    anova_models: tuple[str, ...]
    """Which terms the analysis of variance has and which it leaves out, where it cannot have all."""
    lost: tuple[str, ...]
    """The levels that no run with a value has, in words."""
    metrics: tuple[MetricOptions, ...]
    factors: Mapping[str, Sequence[Hashable]]
    """Name -> levels, the reference first."""
    block: str
    """The column of the blocks, or "" where runs are independent."""
    n_blocks: int
    confidence: float
    """Of every interval; two one-sided tests are at 1 - confidence."""
    components: pd.DataFrame | None = None
    """How much the seeds of each stratum make values and effects vary; None without strata."""
    needs: pd.DataFrame | None = None
    """How many seeds the next comparison needs, by how many of the innermost stratum each unit has."""


def analyze(
    frame: pd.DataFrame,
    factors: Sequence[str],
    block: str | None,
    metrics: Sequence[MetricOptions | str],
    *,
    reference: Mapping[str, Hashable] | None = None,
    confidence: float = 0.95,
    contrasts: Sequence[Mapping[str, Any] | str] = (),
    every_pair: bool = False,
    strata: Sequence[str] = (),
    rng: np.random.Generator | None = None,
) -> Analysis:
    """Analyse one row per run: a column per factor, the block (the seed; None for independent runs), and the metrics.

    Levels are in the order of a Categorical, else of first appearance; the first is the reference unless ``reference``
    (factor -> level) says otherwise. ``contrasts``: of the user's own, each as a claim has it (docs/claims.md).
    ``every_pair`` of cells is compared, not only each with the reference cell. ``strata``: columns of seeds within
    seeds, the first standing for the block; what the others vary is averaged, and taken apart in ``components``.
    ``rng`` serves sign flips of more than 14 blocks and the check for bimodal cells (default: a fixed seed). Raises
    BenchError for columns that are missing, not numeric, levels that are unknown, or a confidence outside 0.5 to 1.
    """
    if not 0.5 < confidence < 1.0:
        raise BenchError(f"A confidence of {confidence} is not between 0.5 and 1.", hint="0.95 is usual.")
    options = [MetricOptions(metric) if isinstance(metric, str) else metric for metric in metrics]
    _require_margins(options)
    rng = np.random.default_rng(0) if rng is None else rng
    with threadpool_limits(1, user_api="blas"):  # threads of small products wait for each other, and round differently
        return _analyze(frame, factors, block, options, reference or {}, confidence, contrasts, every_pair, strata, rng)


def _analyze(
    frame: pd.DataFrame,
    factors: Sequence[str],
    block: str | None,
    options: Sequence[MetricOptions],
    reference: Mapping[str, Hashable],
    confidence: float,
    contrasts: Sequence[Mapping[str, Any] | str],
    every_pair: bool,
    strata: Sequence[str],
    rng: np.random.Generator,
) -> Analysis:
    runs = code_runs(frame, factors, block, [option.name for option in options], reference)
    require_strata(frame, strata, [*factors, *(option.name for option in options)])
    units = {name: unit_of(values) for name, values in runs.values.items()}
    runs = replace(runs, values={name: values / units[name] for name, values in runs.values.items()})
    measured, options = options, [_in_unit(option, units[option.name]) for option in options]
    planned = identify(runs.cells, runs.n_levels)
    others = [*factors, *([] if block is None else [block])]
    status = statuses(frame, others)
    done = ~status.isin(["missing", "failed", "lost"]).to_numpy()  # to diverge is an outcome
    diverged = (status == "diverged").to_numpy()
    settings = {option.name: (option.log, option.better, option.range) for option in options}
    losses = lost_runs(runs, planned, done, diverged, settings, rng, confidence)
    usable = {option.name: _usable(runs.values[option.name], option) for option in options}
    every_run = replace(runs, values={name: values for name, (values, _) in usable.items()})
    runs = every_run.averaged([option.name for option in options if option.log])
    notes = [*_design_notes(runs), *copy_notes(every_run, strata)]
    effects = []
    for option in options:
        values = np.log(runs.values[option.name]) if option.log else runs.values[option.name]
        effects.append(estimate_effects(runs, planned, option.name, values, log=option.log, confidence=confidence))
        notes += [*usable[option.name][1], *effects[-1].notes]
    margins = {option.name: _margin(option, runs.values[option.name]) for option in options}
    components = needs = None
    if strata:
        logs = {option.name: option.log for option in options}
        components, needs = component_frames(frame[list(strata)], every_run, planned, logs, margins, confidence)
    flips = flip_signs(effects, rng)
    terms = term_frame(runs, effects, flips)
    effect_rows = contrast_frame(runs, effects, terms, flips, confidence)
    pairs = pair_frames(runs, effects, confidence, rng, every_pair=every_pair)
    analysis = Analysis(
        cells=cell_frame(runs),
        contrasts=effect_rows.assign(lost=effect_rows["metric"].map(losses.counts)),
        terms=terms,
        levels=level_frame(runs, effects, confidence),
        anova=anova_frame(runs, effects, confidence),
        pairwise=pairs.judged,
        pairwise_independent=pairs.independent,
        pairwise_sizes=pairs.sizes,
        equivalence=equivalence_frame(effects, runs, margins, settings, confidence),
        diagnostics=diagnostic_frame(runs, effects, rng),
        values=value_frame(runs, effects),
        estimable=estimable_frame(runs, effects),
        marginal=marginal_frame(runs, effects, confidence),
        simple=simple_frame(runs, effects, terms, confidence),
        losses=losses.by_factor,
        survivors=losses.survivors,
        requested=requested_frame(runs, effects, contrasts, confidence),
        trends=trend_frame(runs, effects, confidence),
        notes=tuple(dict.fromkeys(notes)),
        anova_models=tuple(anova_models(runs, effects)),
        lost=tuple(_lost(runs, effects)),
        metrics=tuple(measured),
        factors={factor.name: factor.levels for factor in runs.factors},
        block=runs.block_name,
        n_blocks=len(runs.block_labels),
        confidence=confidence,
        components=components,
        needs=needs,
    )
    return in_units(analysis, units)


def _in_unit(option: MetricOptions, unit: float) -> MetricOptions:
    """The options of a metric whose values are divided by ``unit``."""
    share = option.margin is None or option.log or option.relative
    limits = None if option.range is None else (option.range[0] / unit, option.range[1] / unit)
    return replace(
        option, margin=option.margin if share or option.margin is None else option.margin / unit, range=limits
    )


def _require_margins(options: Sequence[MetricOptions]) -> None:
    for option in options:
        if option.margin is not None and not 0 < option.margin < float("inf"):
            raise BenchError(
                f"The margin of {option.name} is {option.margin}; it must be a positive number.",
                hint="It is the smallest difference that matters, in the metric's unit.",
            )


def _margin(option: MetricOptions, values: Floats) -> float:
    """The margin on the scale of the analysis; NaN for none, and where it is a part of a mean that nothing gives."""
    scale: Scale = "log" if option.log else "identity"
    margin = margin_of(option.margin, scale, relative=option.relative)
    present = values[np.isfinite(values)]
    mean = float(present.mean()) if len(present) else 0.0
    return float("nan") if margin is None else margin.on(scale, mean)


def in_range(name: str, values: Floats) -> tuple[Floats, list[str]]:
    """Finite values whose squares are numbers, NaN elsewhere, and what was set aside."""
    notes = []
    missing = int((~np.isfinite(values)).sum())
    if missing:
        notes.append(f"{name}: {missing} of {len(values)} runs have no finite value and are left out.")
    values = np.where(np.isfinite(values), values, np.nan)
    with np.errstate(invalid="ignore"):
        huge = np.abs(values) > _HUGE
    if huge.any():
        notes.append(f"{name}: {int(huge.sum())} values beyond {_HUGE:g} are left out.")
    values = np.where(huge, np.nan, values)
    if 0 < np.nanmax(np.abs(values), initial=0.0) < 1 / _HUGE:
        notes.append(f"{name}: no value reaches {1 / _HUGE:g}; all count as zero. Take a larger unit.")
        values = values * 0.0
    return values, notes


def _usable(values: Floats, option: MetricOptions) -> tuple[Floats, list[str]]:
    """Values that can be analysed on the metric's scale, NaN elsewhere, and what was set aside."""
    values, notes = in_range(option.name, values)
    if option.log and (lost := int((values <= 0).sum())):
        notes.append(
            f"{option.name}: {lost} of {int(np.isfinite(values).sum())} values are not positive and have no logarithm, "
            "so the metric is not analysed on its log scale. Analyse it as measured, or shift or drop these values."
        )
        values = np.full(len(values), np.nan)
    return values, notes


def copy_notes(runs: CodedRuns, strata: Sequence[str] = ()) -> Iterator[str]:
    """What becomes of several runs of one cell and block, which may differ in the seeds of inner ``strata``.

    And of independent runs that look like copies.
    """
    if runs.block is None:
        rows = pd.DataFrame({"cell": runs.cell, **{f"m{k}": values for k, values in enumerate(runs.values.values())}})
        copies = int(rows.duplicated().sum())
        if 2 * copies >= len(rows):
            yield (
                f"{copies} of {len(rows)} runs have the cell and every value of another run. Each counts as a run of "
                "its own; if they are copies of one run, remove them."
            )
    elif (runs.copies > 1).any():
        copied = "" if strata else " If the runs of a pair are copies of one run, remove them."
        yield (
            f"{int((runs.copies > 1).sum())} pairs of a cell and a {runs.block_name} have more than one run (up to "
            f"{runs.copies.max()}): {len(runs.cell)} runs are averaged to {len(runs.copies)} values, on the scale of "
            f"the analysis, and every number rests on these.{copied}"
        )
        for name, partly in runs.partly_missing.items():
            if partly:
                yield f"{name}: in {partly} of these pairs some runs have no value; the mean is that of the others."


def _lost(runs: CodedRuns, metrics: Sequence[MetricEffects]) -> Iterator[str]:
    """One sentence for each level without values; of some metrics only if others have values there."""
    measured = [entry for entry in metrics if entry.cells.n.any()]
    lacking = {entry.metric: lost_levels(runs, entry.fitted) for entry in measured}
    for level in dict.fromkeys(level for levels in lacking.values() for level in levels):
        those = [metric for metric, levels in lacking.items() if level in levels]
        of = "" if len(those) == len(measured) else f" of {', '.join(those)}"
        yield f"{level} has no values{of}: effects are those among the other levels."


def _design_notes(runs: CodedRuns) -> list[str]:
    notes = [
        f"Factor {factor.name} has the one level {factor.labels[0]}; there is nothing to compare."
        for factor in runs.factors
        if len(factor.levels) == 1
    ]
    many = [factor.name for factor in runs.factors if len(factor.levels) > MOST_LEVELS]
    if many:
        named = ", ".join(many)
        notes.append(
            f"Of more than {MOST_LEVELS} levels ({named}), neither pairs nor effects at each level are looked at."
        )
    if len(runs.factors) > MANY_FACTORS:
        notes.append(f"Of {len(runs.factors)} factors, effects of up to {HIGHEST_ORDER} together are looked at.")
    if runs.block is not None and runs.block.max() == 0:
        notes.append(f"All runs share one {runs.block_name}: effects are described, not tested.")
    return notes
