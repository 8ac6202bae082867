"""Estimates of every metric -> the flat frames of cells, effects, equivalence and what the design identifies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from bench.judge.coded import CodedRuns
from bench.judge.estimation import NOT_IDENTIFIED, MetricEffects, lost_levels
from bench.judge.losses import Settings
from bench.judge.names import alias_text, effect_name, estimate_columns, reported, scale_name, term_name
from bench.judge.terms import CONSTANT, FAMILY, TOO_FEW, Flips
from bench.stats.coding import term_columns
from bench.stats.contrast import Estimates
from bench.stats.equivalence import Equivalence, tost
from bench.stats.estimators import Blocks, IncompleteBlocks
from bench.stats.pairs import Cells
from bench.stats.term_models import Effect

_CELL_COLUMNS = ("cell", "metric", "n", "n_missing", "mean", "sd", "cv", "min", "max")
_FACTOR = " (factor)"


def factor_column(name: str) -> str:
    """What a factor's column is called in the frame of cells: its name, unless the frame has a column called so."""
    plain = name
    while plain.endswith(_FACTOR):  # or two factors, "mean" and "mean (factor)", would share a column
        plain = plain.removesuffix(_FACTOR)
    return name + _FACTOR if plain in _CELL_COLUMNS else name


def cell_frame(runs: CodedRuns) -> pd.DataFrame:
    """One row per metric and cell: ``n n_missing mean sd cv min max`` of the values as measured."""
    levels = runs.cell_levels().rename(columns=factor_column)
    total = np.bincount(runs.cell, minlength=len(runs.cells))
    frames = []
    for metric, raw in runs.values.items():
        values = np.where(np.isfinite(raw), raw, np.nan)
        cells = Cells.of(values, runs.cell, None, len(runs.cells))
        grouped = pd.Series(values).groupby(runs.cell)
        with np.errstate(invalid="ignore", divide="ignore"):
            cv = cells.sd / np.abs(cells.mean)
        frames.append(
            levels.assign(
                cell=runs.cell_labels,
                metric=metric,
                n=cells.n,
                n_missing=total - cells.n,
                mean=cells.mean,
                sd=cells.sd,
                cv=cv,
                min=grouped.min().to_numpy(),
                max=grouped.max().to_numpy(),
            )
        )
    return pd.concat(frames, ignore_index=True)


def contrast_frame(
    runs: CodedRuns, metrics: Sequence[MetricEffects], terms: pd.DataFrame, flips: Flips, confidence: float
) -> pd.DataFrame:
    """One row per metric and effect; on a log scale ``estimate low high`` are ratios and ``scale`` says so.

    ``se`` is on the scale of the analysis: of a ratio, that of its logarithm. ``p_adjusted`` and ``p_maxt`` are those
    of the effect's term in ``terms``; a comparison with a reference level, one of several of its term, enters no family
    and has none. ``p_signflip`` is NaN where its smallest value, ``p_signflip_floor``, times the number of tests in
    ``terms`` exceeds 0.05, and ``p_maxt`` where that value alone does. ``assumes``: interactions that would be taken
    for a part of the effect if they were not zero.
    """
    frames = [_contrasts(runs, entry, flips) for entry in metrics]
    frame, size = pd.concat(frames, ignore_index=True), int(terms["p"].notna().sum())
    of_one = terms[(terms[["contrasts", "contrasts_full"]] == 1).any(axis=1)].set_index(["metric", "term"])
    keys = pd.MultiIndex.from_frame(frame[["metric", "term"]])
    own = of_one[["p_adjusted", "p_maxt"]].reindex(keys).to_numpy(float)
    own[frame["p"].isna()] = np.nan
    in_family = keys.isin(of_one.index)
    frame.insert(10, "p_adjusted", own[:, 0])
    frame["p_maxt"] = own[:, 1]
    frame["confidence"] = confidence
    frame["family"] = np.where(in_family, FAMILY, "")
    frame["family_size"] = np.where(in_family, size, 0)
    frame["p_signflip"] = flips.offered(frame["p_signflip"].to_numpy(float), size)
    return frame


def _contrasts(runs: CodedRuns, entry: MetricEffects, flips: Flips) -> pd.DataFrame:
    estimates = entry.estimates
    p_signflip = np.array([flips.alone(entry.metric, effect.term, effect.levels) for effect in entry.effects])
    return pd.DataFrame(
        {
            "metric": entry.metric,
            "effect": [effect_name(runs, effect) for effect in entry.effects],
            **estimate_columns(estimates, entry),
            "d_z": estimates.t / np.sqrt(estimates.n)
            if isinstance(entry.fitted.estimator, Blocks | IncompleteBlocks)
            else np.nan,
            "n": estimates.n,
            "method": [entry.fitted.method(effect.term) for effect in entry.effects],
            "reason": _reasons(runs, entry),
            "p_signflip": p_signflip,
            "p_signflip_floor": np.where(np.isnan(p_signflip), np.nan, flips.flipped.floor),
            "term": [term_name(runs, effect.term) for effect in entry.effects],
            "assumes": [_assumed(runs, entry, effect) for effect in entry.effects],
        }
    )


def _reasons(runs: CodedRuns, entry: MetricEffects) -> list[str]:
    """Why an effect has no p; "" where it has one."""
    estimates, reasons = entry.estimates, []
    for effect, value, p, constant in zip(entry.effects, estimates.value, estimates.p, estimates.constant, strict=True):
        if np.isfinite(p):
            reasons.append("")
        elif np.isfinite(value):
            reasons.append(CONSTANT if constant else TOO_FEW)
        else:
            compared = zip(effect.term, effect.levels, strict=True)
            ends = [(factor, code) for factor, level in compared for code in (0, level)]
            lost = lost_levels(runs, entry.fitted, ends)
            has = "has" if len(lost) == 1 else "have"
            reasons.append(f"{' and '.join(lost)} {has} no values" if lost else NOT_IDENTIFIED)
    return reasons


def _assumed(runs: CodedRuns, entry: MetricEffects, effect: Effect) -> str:
    """Omitted interactions that bias the estimate of an effect, joined by commas."""
    biases = {each.term: each.biased_by.terms for each in entry.fitted.design.identified}
    contrast = entry.fitted.contrast(effect.term, (0,) * len(effect.term), effect.levels)
    if contrast is None or not biases.get(effect.term):
        return ""
    model, rows = contrast
    omitted = biases[effect.term]
    if model.weights.size:  # of cells; a regression within blocks has none
        weights, design = model.cell_weights(rows), entry.fitted.design
        omitted = tuple(
            term for term in omitted if np.abs(weights @ term_columns(design.codes, design.levels, term)).max() > 1e-6
        )
    return ", ".join(term_name(runs, term) for term in omitted)


def equivalence_frame(
    metrics: Sequence[MetricEffects],
    runs: CodedRuns,
    margins: Mapping[str, float],
    settings: Mapping[str, Settings],
    confidence: float,
) -> pd.DataFrame:
    """Two one-sided t tests of every effect against the margin of its metric (Schuirmann 1987).

    ``margins``: metric -> its margin on the scale of the analysis, NaN for none; ``low`` and ``high`` are the 1 - 2
    alpha interval.
    ``p_noninferior`` is that of being worse than the reference by less than the margin; NaN without a better direction.
    A difference that is the same in all blocks leaves t nothing to divide by: its p is that of the exact sign test,
    2^-S in S blocks. ``reason`` says why there is no p.
    """
    columns = ["metric", "effect", "scale", "margin", "estimate", "low", "high", "p_lower", "p_upper", "p"]
    frames = []
    for entry in metrics:
        margin = margins[entry.metric]
        if np.isnan(margin):
            continue
        estimates = entry.estimates
        tests = tost(estimates.value, estimates.se, estimates.df, margin, 1.0 - confidence)
        if isinstance(entry.fitted.estimator, Blocks):
            tests = _signs_where_constant(tests, estimates, margin)
        names = [effect_name(runs, effect) for effect in entry.effects]
        limits = (reported(values, entry.log) for values in (estimates.value, tests.low, tests.high))
        size = np.expm1(margin) if entry.log else margin
        rows = [names, scale_name(entry), size, *limits, tests.p_lower, tests.p_upper, tests.p]
        frame = pd.DataFrame(dict(zip(columns, [entry.metric, *rows], strict=True)), index=range(len(names)))
        of_direction = {"higher": tests.p_lower, "lower": tests.p_upper}
        frame["p_noninferior"] = of_direction.get(settings[entry.metric][1], np.full(len(names), np.nan))
        frame["equivalent"] = tests.p <= 1.0 - confidence
        frame["reason"] = np.where(np.isfinite(tests.p), "", _reasons(runs, entry))
        frames.append(frame)
    return (
        pd.concat(frames, ignore_index=True)
        if frames
        else pd.DataFrame(columns=[*columns, "p_noninferior", "equivalent", "reason"])
    )


def _signs_where_constant(tests: Equivalence, estimates: Estimates, margin: float) -> Equivalence:
    """The tests, but where all blocks have the same contrast the exact sign test: they all lie on one side."""
    constant, p = estimates.constant & (estimates.n > 1), 0.5**estimates.n
    return replace(
        tests,
        p_lower=np.where(constant, np.where(estimates.value > -margin, p, 1.0), tests.p_lower),
        p_upper=np.where(constant, np.where(estimates.value < margin, p, 1.0), tests.p_upper),
    )


def estimable_frame(runs: CodedRuns, metrics: Sequence[MetricEffects]) -> pd.DataFrame:
    """One row per metric and term: whether it is estimable, what it is aliased with, and what would bias it."""
    return pd.DataFrame(
        [
            {
                "metric": entry.metric,
                "effect": term_name(runs, identified.term),
                "estimable": identified.estimable,
                "df": identified.df,
                "df_full": identified.full_df,
                "alias": "" if identified.estimable else alias_text(runs, entry, identified.alias),
                "biased_by": ", ".join(term_name(runs, term) for term in identified.biased_by.terms),
            }
            for entry in metrics
            for identified in entry.fitted.design.identified
        ],
        columns=["metric", "effect", "estimable", "df", "df_full", "alias", "biased_by"],
    )
