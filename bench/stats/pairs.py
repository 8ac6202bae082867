"""Runs of two cells, independent or matched by block -> tests and effect sizes, many pairs at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from bench.stats.coding import ROUNDING, Floats, Ints
from bench.stats.effect_size import cohen_d, cohen_d_z, hedges_correction


@dataclass(frozen=True)
class Cells:
    """Runs of every cell, summarised: arrays of shape (cells,) but for ``table`` (blocks, cells), NaN where missing."""

    n: Ints
    mean: Floats
    deviation: Floats
    """Mean less ``center``, of which an offset far larger than the differences takes no digits."""
    center: Floats
    """The median value of the metric that the cell is of."""
    sd: Floats
    table: Floats | None
    samples: tuple[Floats, ...]
    """The values of each cell."""
    magnitude: Floats
    """Largest absolute value of the metric that the cell is of."""

    @classmethod
    def of(cls, values: Floats, cell: Ints, block: Ints | None, n_cells: int) -> Cells:
        """Summaries of the finite ``values``, of which a cell has at most one in a ``block``."""
        present = np.isfinite(values)
        values, cell = values[present], cell[present]
        n = np.bincount(cell, minlength=n_cells)
        middle = float(np.partition(values, len(values) // 2)[len(values) // 2]) if len(values) else 0.0
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.bincount(cell, weights=values, minlength=n_cells) / n
            deviation = np.bincount(cell, weights=values - middle, minlength=n_cells) / n
            squares = np.bincount(cell, weights=(values - middle - deviation[cell]) ** 2, minlength=n_cells)
            sd = np.sqrt(squares / np.where(n > 1, n - 1.0, np.nan))
        table = None
        if block is not None:
            table = np.full((int(block.max()) + 1, n_cells), np.nan)
            table[block[present], cell] = values
        samples = tuple(np.split(values[np.argsort(cell, kind="stable")], np.cumsum(n)[:-1]))
        magnitude = np.full(n_cells, np.abs(values).max(initial=0.0))
        return cls(n, mean, deviation, np.full(n_cells, middle), sd, table, samples, magnitude)

    @classmethod
    def joined(cls, parts: Sequence[Cells]) -> Cells:
        """The cells of several metrics of the same blocks, one metric after the other."""
        tables = [part.table for part in parts if part.table is not None]
        return cls(
            n=np.concatenate([part.n for part in parts]),
            mean=np.concatenate([part.mean for part in parts]),
            deviation=np.concatenate([part.deviation for part in parts]),
            center=np.concatenate([part.center for part in parts]),
            sd=np.concatenate([part.sd for part in parts]),
            table=np.hstack(tables) if tables else None,
            samples=tuple(sample for part in parts for sample in part.samples),
            magnitude=np.concatenate([part.magnitude for part in parts]),
        )


def compare_pairs(cells: Cells, a: Ints, b: Ints, *, confidence: float = 0.95) -> pd.DataFrame:
    """One row per pair of cells ``a[i]``, ``b[i]``; every difference is a minus b.

    ``diff low high t df p_welch``: Welch (1947). ``d d_low d_high g g_low g_high``: pooled SD, Hedges' exact
    correction. ``d_av``: over the root mean square of the two SDs. ``n_pairs diff_paired low_paired high_paired
    t_paired p_paired d_z d_z_low d_z_high g_z``: blocks in which both were run; NaN without blocks.
    """
    magnitude = np.maximum(cells.magnitude[a], cells.magnitude[b])
    n_a, n_b = cells.n[a].astype(float), cells.n[b].astype(float)
    diff = cells.deviation[a] - cells.deviation[b] + (cells.center[a] - cells.center[b])
    with np.errstate(invalid="ignore", divide="ignore"):
        share_a, share_b = cells.sd[a] ** 2 / n_a, cells.sd[b] ** 2 / n_b
        se, df = welch_error(share_a, share_b, n_a, n_b)
        se = _unless_constant(se, magnitude)
        df = np.where(np.isnan(se), np.nan, df)
        pooled = ((n_a - 1) * cells.sd[a] ** 2 + (n_b - 1) * cells.sd[b] ** 2) / (n_a + n_b - 2)
        student = diff / _unless_constant(np.sqrt(pooled * (1 / n_a + 1 / n_b)), magnitude)
    average = _unless_constant(np.sqrt((cells.sd[a] ** 2 + cells.sd[b] ** 2) / 2), magnitude)
    margin = special.stdtrit(df, (1 + confidence) / 2) * se
    d = cohen_d(student, n_a, n_b, confidence)
    g = d.times(hedges_correction(n_a + n_b - 2))
    return pd.DataFrame(
        {
            "n_a": cells.n[a],
            "n_b": cells.n[b],
            "diff": diff,
            "low": diff - margin,
            "high": diff + margin,
            "t": diff / se,
            "df": df,
            "p_welch": two_sided_t(diff / se, df),
            "d": d.value,
            "d_low": d.low,
            "d_high": d.high,
            "g": g.value,
            "g_low": g.low,
            "g_high": g.high,
            "d_av": diff / average,
            **_paired(cells, a, b, confidence),
        }
    )


def welch_error(variance_a: Floats, variance_b: Floats, n_a: Floats, n_b: Floats) -> tuple[Floats, Floats]:
    """Standard error and degrees of freedom (Welch 1947) of a difference of two means, given their variances."""
    total = variance_a + variance_b
    part = variance_a / total  # so that no fourth power leaves the range of numbers
    return np.sqrt(total), 1.0 / (part**2 / (n_a - 1) + (1.0 - part) ** 2 / (n_b - 1))


def two_sided_t(t: ArrayLike, df: ArrayLike) -> Floats:
    """P(|T| >= |t|) of Student's t; NaN where t or df is."""
    t, df = np.asarray(t, float), np.asarray(df, float)
    return np.asarray(2.0 * special.stdtr(df, -np.abs(t)))


_PAIRED = (
    *("diff_paired", "low_paired", "high_paired", "t_paired", "p_paired"),
    *("d_z", "d_z_low", "d_z_high", "g_z"),
)


def _paired(cells: Cells, a: Ints, b: Ints, confidence: float) -> dict[str, Floats | Ints]:
    if cells.table is None:
        missing = np.full(len(a), np.nan)
        return {"n_pairs": np.zeros(len(a), np.int64)} | dict.fromkeys(_PAIRED, missing)
    differences = cells.table[:, a] - cells.table[:, b]
    matched = np.isfinite(differences)
    n = matched.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(matched, differences, 0.0).sum(axis=0) / n
        squares = np.where(matched, differences - mean, 0.0) ** 2
        sd = np.sqrt(squares.sum(axis=0) / np.where(n > 1, n - 1.0, np.nan))
        se = _unless_constant(sd / np.sqrt(n), np.maximum(cells.magnitude[a], cells.magnitude[b]))
        t = mean / se
        margin = special.stdtrit(n - 1.0, (1 + confidence) / 2) * se
    d_z = cohen_d_z(t, n, confidence)
    return {
        "n_pairs": n,
        "diff_paired": mean,
        "low_paired": mean - margin,
        "high_paired": mean + margin,
        "t_paired": t,
        "p_paired": two_sided_t(t, n - 1.0),
        "d_z": d_z.value,
        "d_z_low": d_z.low,
        "d_z_high": d_z.high,
        "g_z": d_z.value * hedges_correction(n - 1.0),
    }


def _unless_constant(se: Floats, magnitude: Floats) -> Floats:
    return np.where(se > ROUNDING * magnitude, se, np.nan)
