"""Estimates of every metric -> the flat frames of pairs of cells: each against the reference cell, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from bench.judge.coded import CodedRuns
from bench.judge.estimation import MetricEffects
from bench.judge.names import reported, scale_name
from bench.stats.coding import Floats, Ints
from bench.stats.groups import dunnett, games_howell
from bench.stats.multiplicity import adjust
from bench.stats.pairs import Cells, compare_pairs
from bench.stats.ratio import ratios_of_pairs

_PAIR = ("metric", "a", "b")
_TESTS = ("diff", "low", "high", "t", "df", "p")
_JUDGED = (*_PAIR, "scale", "test", "n_a", "n_b", "n_pairs", *_TESTS, "p_adjusted", "family", "family_size")
_INDEPENDENT = (*_PAIR, "scale", *_TESTS, "p_dunnett", "p_games_howell")
_SIZES = (
    *(*_PAIR, "d", "d_low", "d_high", "g", "g_low", "g_high", "d_av", "d_z", "d_z_low", "d_z_high", "g_z"),
    *("ratio", "ratio_low", "ratio_high"),
)


@dataclass(frozen=True)
class PairFrames:
    """Three frames with the same rows: ``a`` minus ``b``."""

    judged: pd.DataFrame
    """By the test that fits the design: the paired t where there are blocks, else Welch's."""
    independent: pd.DataFrame
    """By Welch's t, which takes all runs as independent."""
    sizes: pd.DataFrame
    """Standardised differences, and ratios of means."""


def pair_frames(
    runs: CodedRuns, metrics: Sequence[MetricEffects], confidence: float, rng: np.random.Generator, *, every_pair: bool
) -> PairFrames:
    """Cells (``a``) against the reference cell (``b``), and if asked for ``every_pair`` of cells.

    The reference is the cell of all reference levels, or the first cell where that one was not run. ``p_adjusted`` is
    Holm's over all metrics and cells compared with the reference, and NaN for other pairs. Without blocks,
    ``p_dunnett``: the same comparisons with a pooled SD, of one metric; ``p_games_howell``: among all pairs of cells.
    ``ratio``: of the means as measured, with Fieller's interval, for percent change.
    """
    cells = range(len(runs.cells))
    places = list(combinations(cells, 2)) if every_pair else [(0, cell) for cell in cells[1:]]
    b, a = (np.array([pair[side] for pair in places], dtype=np.int64) for side in (0, 1))
    labels = np.array(runs.cell_labels, dtype=object)
    every_a, every_b = ((len(cells) * np.arange(len(metrics))[:, None] + side).ravel() for side in (a, b))
    compared = compare_pairs(Cells.joined([entry.cells for entry in metrics]), every_a, every_b, confidence=confidence)
    measured = Cells.joined([_measured(runs, entry) for entry in metrics])
    ratios = ratios_of_pairs(measured, every_a, every_b, confidence)
    frames = []
    for place, entry in enumerate(metrics):
        own = slice(place * len(places), (place + 1) * len(places))
        pairs = compared[own].reset_index(drop=True)
        for name, p in _among_all(entry.cells, a, b, rng, every_pair=every_pair).items():
            pairs[name] = p
        for name, column in (("ratio", ratios.value), ("ratio_low", ratios.low), ("ratio_high", ratios.high)):
            pairs[name] = column[own]
        for name in ("diff", "low", "high", "diff_paired", "low_paired", "high_paired"):
            pairs[name] = reported(pairs[name].to_numpy(), entry.log)
        names = pd.DataFrame({"metric": entry.metric, "a": labels[a], "b": labels[b], "scale": scale_name(entry)})
        frames.append(pd.concat([names, pairs], axis=1))
    frame = pd.concat(frames, ignore_index=True).rename(columns={"p_welch": "p"})
    judged, test = frame, "Welch"
    if runs.block is not None:
        paired = {f"{name}_paired": name for name in _TESTS if name != "df"}
        judged, test = frame.drop(columns=list(_TESTS)).rename(columns=paired), "paired t"
        judged["df"] = (judged["n_pairs"] - 1.0).where(judged["t"].notna())
    in_family = judged["p"].where(np.tile(b == 0, len(metrics)))
    judged = judged.assign(
        test=test,
        p_adjusted=adjust(in_family, "holm"),
        family=f"every metric and cell against {labels[0]} (Holm): {test}",
        family_size=int(in_family.notna().sum()),
    )
    return PairFrames(judged[list(_JUDGED)], frame[list(_INDEPENDENT)], frame[list(_SIZES)])


def _among_all(cells: Cells, a: Ints, b: Ints, rng: np.random.Generator, *, every_pair: bool) -> dict[str, Floats]:
    """P values among independent cells: Games-Howell, and Dunnett against the reference; NaN where there are blocks."""
    p_dunnett, p_games_howell = np.full(len(a), np.nan), np.full(len(a), np.nan)
    if cells.table is None:
        p_dunnett = np.where(b == 0, dunnett(cells.samples, 0, rng)[a], np.nan)
        if every_pair:
            p_games_howell = games_howell(cells.samples)[a, b]
    return {"p_dunnett": p_dunnett, "p_games_howell": p_games_howell}


def _measured(runs: CodedRuns, entry: MetricEffects) -> Cells:
    return Cells.of(np.exp(entry.values), runs.cell, runs.block, len(runs.cells)) if entry.log else entry.cells
