"""Estimates of every metric -> the flat frames of an analysis; names of levels and terms are put in here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import special

from bench.judge.coded import CodedRuns
from bench.judge.effects import Effect, MetricEffects
from bench.stats.anova import anova
from bench.stats.coding import Floats, Term
from bench.stats.effect_size import partial_epsilon_squared, partial_eta_squared, partial_omega_squared
from bench.stats.identify import Alias
from bench.stats.multiplicity import adjust
from bench.stats.pairs import Cells, compare_pairs
from bench.stats.resample import sign_flip

_CONSTANT = "no variation to test against"
_TOO_FEW = "too few runs"
_LOST = "not estimable from the runs that have a value"


def cell_frame(runs: CodedRuns) -> pd.DataFrame:
    """One row per metric and cell: ``n n_missing mean sd cv min max`` of the values as measured."""
    levels = runs.cell_levels()
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


def contrast_frame(runs: CodedRuns, metrics: Sequence[MetricEffects], rng: np.random.Generator) -> pd.DataFrame:
    """One row per metric and effect; on a log scale ``estimate low high`` are ratios and ``scale`` says so."""
    frames = []
    for entry in metrics:
        found = entry.estimates
        frames.append(
            pd.DataFrame(
                {
                    "metric": entry.metric,
                    "effect": [effect_name(runs, effect) for effect in entry.effects],
                    "scale": _scale(entry),
                    "estimate": _reported(found.value, entry),
                    "low": _reported(found.low, entry),
                    "high": _reported(found.high, entry),
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
    frame.insert(9, "p_adjusted", adjust(frame["p"], "bh"))
    frame["family"] = "exploratory (BH): every metric and effect"
    frame["family_size"] = int(frame["p"].notna().sum())
    return pd.concat([frame, _sign_flips(metrics, rng)], axis=1)


def anova_frame(runs: CodedRuns, metrics: Sequence[MetricEffects], confidence: float) -> pd.DataFrame:
    """One row per metric and term: Type II against the residual of the model, with the seeds as blocks if there are."""
    rows = []
    for entry in metrics:
        present = np.isfinite(entry.values)
        if not entry.design.model:
            continue
        block = None if runs.block is None else np.unique(runs.block[present], return_inverse=True)[1].reshape(-1)
        tests = anova(entry.values[present], runs.codes[present], runs.n_levels, entry.design.model, block)
        rows += [
            {
                "metric": entry.metric,
                "model": "independent" if block is None else "block",
                "type": 2,
                "covariance": "ols",
                "term": runs.block_name if test.term is None else term_name(runs, test.term),
                "df_num": test.df,
                "df_den": test.df_error,
                "sum_sq": test.sum_sq,
                "F": test.F,
                "p": test.p,
                "n": int(present.sum()),
            }
            for test in tests
        ]
    columns = ["metric", "model", "type", "covariance", "term", "df_num", "df_den", "sum_sq", "F", "p", "n"]
    frame = pd.DataFrame(rows, columns=columns)
    F, df, df_error, n = (frame[name].to_numpy(float) for name in ("F", "df_num", "df_den", "n"))
    for name, interval in (
        ("partial_eta_sq", partial_eta_squared(F, df, df_error, confidence)),
        ("omega_sq", partial_omega_squared(F, df, df_error, n, confidence)),
        ("epsilon_sq", partial_epsilon_squared(F, df, df_error, confidence)),
    ):
        frame[name], frame[f"{name}_low"], frame[f"{name}_high"] = interval.value, interval.low, interval.high
    return frame


def pair_frame(runs: CodedRuns, metrics: Sequence[MetricEffects], confidence: float) -> pd.DataFrame:
    """Every cell (``a``) against the reference cell (``b``), differences a minus b, Holm over the cells of a metric.

    The reference is the cell of all reference levels, or the first cell where that one was not run. The adjusted p is
    that of the paired t where there are blocks, else of Welch's.
    """
    b = np.zeros(len(runs.cells) - 1, dtype=np.int64)
    a = np.arange(1, len(runs.cells))
    labels = np.array(runs.cell_labels, dtype=object)
    frames = []
    for entry in metrics:
        pairs = compare_pairs(entry.cells, a, b, confidence=confidence)
        for name in ("diff", "low", "high"):
            pairs[name] = _reported(pairs[name].to_numpy(), entry)
        judged = pairs["p_welch"] if runs.block is None else pairs["p_paired"]
        pairs["p_adjusted"] = adjust(judged, "holm")
        pairs["family"] = f"cells against {labels[0]} (Holm): {'Welch' if runs.block is None else 'paired t'}"
        pairs["family_size"] = int(judged.notna().sum())
        names = pd.DataFrame({"metric": entry.metric, "a": labels[a], "b": labels[b], "scale": _scale(entry)})
        frames.append(pd.concat([names, pairs], axis=1))
    return pd.concat(frames, ignore_index=True)


def equivalence_frame(
    metrics: Sequence[MetricEffects], runs: CodedRuns, margins: Mapping[str, float], confidence: float
) -> pd.DataFrame:
    """Two one-sided t tests of every effect against the margin of its metric (Schuirmann 1987)."""
    columns = ["metric", "effect", "margin", "low", "high", "p_lower", "p_upper", "p", "equivalent"]
    frames = [pd.DataFrame(columns=columns)]
    for entry in metrics:
        if entry.metric not in margins:
            continue
        margin = margins[entry.metric]
        bound = np.log1p(margin) if entry.log else margin
        found = entry.estimates
        with np.errstate(invalid="ignore"):
            se = found.value / found.t
            p_lower = special.stdtr(found.df, -(found.value + bound) / se)
            p_upper = special.stdtr(found.df, (found.value - bound) / se)
            half = special.stdtrit(found.df, confidence) * se
        p = np.maximum(p_lower, p_upper)
        frames.append(
            pd.DataFrame(
                {
                    "metric": entry.metric,
                    "effect": [effect_name(runs, effect) for effect in entry.effects],
                    "margin": margin,
                    "low": _reported(found.value - half, entry),
                    "high": _reported(found.value + half, entry),
                    "p_lower": p_lower,
                    "p_upper": p_upper,
                    "p": p,
                    "equivalent": p <= 1.0 - confidence,
                }
            )
        )
    return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]


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
                "alias": "" if found.estimable else _alias_text(runs, entry, found.alias),
                "biased_by": ", ".join(term_name(runs, term) for term in found.biased_by),
            }
            for entry in metrics
            for found in entry.design.identified
        ],
        columns=["metric", "effect", "estimable", "df", "df_full", "alias", "biased_by"],
    )


def term_name(runs: CodedRuns, term: Term) -> str:
    """Names of the term's factors joined by a colon."""
    return ":".join(runs.factors[factor].name for factor in term)


def effect_name(runs: CodedRuns, effect: Effect) -> str:
    """The term's name; a factor of more than two levels says which level is compared, as in ``init[kaiming]``."""
    parts = []
    for factor, level in zip(effect.term, effect.levels, strict=True):
        chosen = runs.factors[factor]
        parts.append(chosen.name if len(chosen.levels) == 2 else f"{chosen.name}[{chosen.labels[level]}]")
    return ":".join(parts)


def _alias_text(runs: CodedRuns, entry: MetricEffects, alias: Alias) -> str:
    if not alias.terms:
        return runs.block_name if entry.method == "regression within blocks, jackknife" else "(cells without runs)"
    pairs = zip(alias.terms, alias.coefficients, strict=True)
    return " ".join(f"{value:+.4g} {term_name(runs, term)}" for term, value in pairs)


def _reported(value: Floats, entry: MetricEffects) -> Floats:
    return np.exp(value) if entry.log else value


def _scale(entry: MetricEffects) -> str:
    return "ratio" if entry.log else "difference"


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
