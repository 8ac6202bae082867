"""Estimates of every metric -> the flat frames of cells, effects, equivalence and what the design identifies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bench.judge.coded import CodedRuns
from bench.judge.effects import MetricEffects
from bench.judge.names import alias_text, effect_name, reported, scale_name, term_name
from bench.stats.equivalence import tost
from bench.stats.multiplicity import adjust
from bench.stats.pairs import Cells
from bench.stats.resample import sign_flip

_CELL_COLUMNS = ("cell", "metric", "n", "n_missing", "mean", "sd", "cv", "min", "max")
_FACTOR = " (factor)"
_CONSTANT = "no variation beyond rounding errors"
_TOO_FEW = "too few runs"
_LOST = "not estimable from the runs that have a value"


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
    runs: CodedRuns, metrics: Sequence[MetricEffects], rng: np.random.Generator, confidence: float
) -> pd.DataFrame:
    """One row per metric and effect; on a log scale ``estimate low high`` are ratios and ``scale`` says so.

    ``se`` is on the scale of the analysis: of a ratio, that of its logarithm.
    """
    frames = []
    for entry in metrics:
        found = entry.estimates
        frames.append(
            pd.DataFrame(
                {
                    "metric": entry.metric,
                    "effect": [effect_name(runs, effect) for effect in entry.effects],
                    "scale": scale_name(entry),
                    "estimate": reported(found.value, entry),
                    "se": found.se,
                    "low": reported(found.low, entry),
                    "high": reported(found.high, entry),
                    "t": found.t,
                    "df": found.df,
                    "p": found.p,
                    "d_z": found.t / np.sqrt(found.n) if runs.block is not None else np.nan,
                    "n": found.n,
                    "method": entry.method,
                    "reason": np.select(
                        [np.isfinite(found.p), np.isnan(found.value), found.constant], ["", _LOST, _CONSTANT], _TOO_FEW
                    ),
                }
            )
        )
    frame = pd.concat(frames, ignore_index=True)
    frame.insert(10, "p_adjusted", adjust(frame["p"], "bh"))
    frame["confidence"] = confidence
    frame["family"] = "exploratory (BH): every metric and effect"
    frame["family_size"] = int(frame["p"].notna().sum())
    return pd.concat([frame, _sign_flips(metrics, rng)], axis=1)


def equivalence_frame(
    metrics: Sequence[MetricEffects],
    runs: CodedRuns,
    margins: Mapping[str, tuple[float, str]],
    confidence: float,
) -> pd.DataFrame:
    """Two one-sided t tests of every effect against the margin of its metric (Schuirmann 1987).

    ``margins`` maps a metric to its margin and its better direction; ``low`` and ``high`` are the 1 - 2 alpha interval.
    ``p_noninferior`` is that of being worse than the reference by less than the margin; NaN without a better direction.
    """
    columns = ["metric", "effect", "scale", "margin", "estimate", "low", "high", "p_lower", "p_upper", "p"]
    frames = []
    for entry in metrics:
        if entry.metric not in margins:
            continue
        margin, better = margins[entry.metric]
        found = entry.estimates
        bound = np.log1p(margin) if entry.log else margin
        tests = tost(found.value, found.se, found.df, bound, 1.0 - confidence)
        names = [effect_name(runs, effect) for effect in entry.effects]
        shown = (reported(values, entry) for values in (found.value, tests.low, tests.high))
        rows = [names, scale_name(entry), margin, *shown, tests.p_lower, tests.p_upper, tests.p]
        frame = pd.DataFrame(dict(zip(columns, [entry.metric, *rows], strict=True)), index=range(len(names)))
        nothing = np.full(len(names), np.nan)
        frame["p_noninferior"] = {"higher": tests.p_lower, "lower": tests.p_upper}.get(better, nothing)
        frame["equivalent"] = tests.p <= 1.0 - confidence
        frames.append(frame)
    return (
        pd.concat(frames, ignore_index=True)
        if frames
        else pd.DataFrame(columns=[*columns, "p_noninferior", "equivalent"])
    )


def estimable_frame(runs: CodedRuns, metrics: Sequence[MetricEffects]) -> pd.DataFrame:
    """One row per metric and term: whether it is estimable, what it is aliased with, and what would bias it."""
    return pd.DataFrame(
        [
            {
                "metric": entry.metric,
                "effect": term_name(runs, found.term),
                "estimable": found.estimable,
                "df": found.df,
                "df_full": found.full_df,
                "alias": "" if found.estimable else alias_text(runs, entry, found.alias),
                "biased_by": ", ".join(term_name(runs, term) for term in found.biased_by.terms),
            }
            for entry in metrics
            for found in entry.design.identified
        ],
        columns=["metric", "effect", "estimable", "df", "df_full", "alias", "biased_by"],
    )


def _sign_flips(metrics: Sequence[MetricEffects], rng: np.random.Generator) -> pd.DataFrame:
    """``p_signflip``, ``p_maxt`` and the floor of both, for the metrics whose blocks are complete; else NaN."""
    usable = [entry for entry in metrics if entry.per_block is not None]
    joined = np.hstack([entry.per_block for entry in usable if entry.per_block is not None] or [np.empty((1, 0))])
    flips = sign_flip(joined, rng)
    start, p, p_max = 0, [], []
    for entry in metrics:
        width = len(entry.effects)
        if entry.per_block is None:
            p.append(np.full(width, np.nan))
            p_max.append(np.full(width, np.nan))
        else:
            p.append(flips.p[start : start + width])
            p_max.append(flips.p_max[start : start + width])
            start += width
    p_signflip = np.concatenate(p)
    floor = np.where(np.isnan(p_signflip), np.nan, flips.floor)
    return pd.DataFrame({"p_signflip": p_signflip, "p_maxt": np.concatenate(p_max), "p_signflip_floor": floor})
