"""Incidental polysemanticity: collisions against the width, their mechanism, noise, and the speed of sparsification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from bench.present.figures.style import MUTED, SERIES, SMALL, Drawing, blank, key, log_axis
from bench.present.report import Column, Figure, Table

MECHANISM = {
    "collisions that are pairs of opposite sign": ("opposite_pairs", "collisions"),
    "collisions of no more than two features": ("pairs", "collisions"),
    "features with exactly one large weight": ("single_features", "features"),
}
"""What is counted -> the columns of successes and of trials."""

KINDS = {
    "rademacher": "Rademacher",
    "uniform": "uniform",
    "gaussian": "Gaussian",
    "laplace": "Laplace",
    "student_t3": "t(3)",
}
"""Kinds of noise in the order of their kurtosis -> their names."""


def exhibits(table: pd.DataFrame, factors: Sequence[str]) -> Iterator[Figure | Table]:
    """The pictures and tables that a run of ``polysem.incidental`` has the data for.

    ``table`` has a row an instance with metrics, levels and the numbers of features and steps as columns; the metrics
    of one that diverged are NaN.
    """
    everything, table = table, table[table["collisions"].notna()]
    if list(factors) == ["noise"]:
        yield Figure(
            "noise",
            "Mean over features of Σ W⁴ by the noise, in the order of its kurtosis. Dots are instances.",
            "Values fall from noise of negative kurtosis, near 1, to noise of positive kurtosis, near the start.",
            partial(_noise, everything),
        )
        return
    if list(factors) == ["neurons"]:
        yield Figure(
            "collisions",
            "Neurons that serve two features, by the width. Dots are instances; the broken line is n²/4m.",
            "Collisions fall as the hidden layer widens, about as its reciprocal, above the line at first, then below.",
            partial(_collisions, table),
        )
        yield counts(table)
        if table.loc[table["collisions"] > 0].groupby("seed")["neurons"].nunique().gt(1).sum() > 1:
            yield slope(table)
    if "steps" in factors:
        yield Figure(
            "speed",
            "Σ|w| while L1 makes one feature's weights sparse. Lines are 1/(1/Σ|w(0)| + λt), with t = lr · step.",
            "The sum of weights falls over time along the paper's law, sooner where λ is larger.",
            partial(_speed, table),
        )
    if table["collisions"].any():
        yield mechanism(table, factors[0])


def counts(table: pd.DataFrame) -> Table:
    """Mean collisions a width over instances, and their ratio to n²/4m, with bootstrap intervals (BCa)."""
    rows = []
    for neurons, of_width in table.groupby("neurons", observed=True):
        mean, low, high = _bootstrap(of_width["collisions"])
        theory = float(of_width["features"].iloc[0]) ** 2 / (4 * float(str(neurons)))
        rows.append((str(neurons), len(of_width), mean, low, high, mean / theory, low / theory, high / theory))
    names = ["neurons", "instances", "mean", "low", "high", "ratio", "ratio_low", "ratio_high"]
    columns = [
        Column("Neurons", ("neurons",), "text"),
        Column("Instances", ("instances",), "count"),
        Column("Collisions [95 %]", ("mean", "low", "high"), "interval"),
        Column("Over n²/4m [95 %]", ("ratio", "ratio_low", "ratio_high"), "interval"),
    ]
    caption = "Collisions by width, mean over instances with bootstrap interval (BCa)"
    return Table(caption, pd.DataFrame(rows, columns=names), columns)


def slope(table: pd.DataFrame) -> Table:
    """Slope of log collisions on log width, fitted to each seed's instances, with a t interval over seeds."""
    kept = table[table["collisions"] > 0]
    slopes = [
        np.polyfit(np.log(rows["neurons"].astype(float)), np.log(rows["collisions"].astype(float)), 1)[0]
        for _, rows in kept.groupby("seed")
        if rows["neurons"].nunique() > 1
    ]
    mean, half = np.mean(slopes), stats.t.ppf(0.975, len(slopes) - 1) * stats.sem(slopes)
    row = {"slope": mean, "low": mean - half, "high": mean + half, "n": len(slopes), "zero": len(table) - len(kept)}
    columns = [
        Column("Slope [95 %]", ("slope", "low", "high"), "interval"),
        Column("Seeds", ("n",), "count"),
        Column("Instances left out, without collisions", ("zero",), "count"),
    ]
    caption = "Slope of log collisions on log width (the law says −1), t interval over seeds"
    return Table(caption, pd.DataFrame([row]), columns)


def mechanism(table: pd.DataFrame, by: str) -> Table:
    """How often the three regularities hold, with exact binomial intervals (Clopper & Pearson 1934)."""
    counted = table.assign(pairs=table["collisions"] - table["triples"])
    rows = []
    for level, of_level in counted.groupby(by, observed=True):
        for name, (successes, trials) in MECHANISM.items():
            k, n = int(of_level[successes].sum()), int(of_level[trials].sum())
            limits = stats.binomtest(k, n).proportion_ci() if n else (np.nan, np.nan)
            rows.append((str(level), name, k, n, k / n if n else np.nan, *limits))
    columns = [
        Column(by, ("level",), "text"),
        Column("What", ("what",), "text"),
        Column("Holds", ("k",), "count"),
        Column("Of", ("n",), "count"),
        Column("Share [95 %]", ("share", "low", "high"), "interval"),
    ]
    frame = pd.DataFrame(rows, columns=["level", "what", "k", "n", "share", "low", "high"])
    note = "Exact binomial intervals, which take the collisions of an instance as independent."
    return Table("Mechanism: what holds of collisions and features", frame, columns, notes=[note])


def _bootstrap(values: ArrayLike) -> tuple[float, float, float]:
    """Mean with BCa limits; the value itself where all are equal."""
    sample = np.asarray(values, dtype=float)
    mean = float(sample.mean())
    if len(sample) < 2 or np.ptp(sample) == 0:
        return mean, mean, mean
    low, high = stats.bootstrap((sample,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    return mean, float(low), float(high)


def _collisions(table: pd.DataFrame) -> Drawing:
    drawing, [axes] = blank(3.2)
    m, n = table["neurons"].astype(float), float(table["features"].iloc[0])
    widths = np.array(sorted(m.unique()))
    (law,) = axes.plot(widths, n**2 / (4 * widths), color=MUTED, ls="--")
    spread = np.exp(np.random.default_rng(0).uniform(-0.08, 0.08, len(m)))
    dots = axes.scatter(m * spread, table["collisions"], s=10, alpha=0.6, lw=0, color=SERIES[0])
    drawing.name_marks(dots, [f"m = {w}, seed {seed}" for w, seed in zip(table["neurons"], table["seed"], strict=True)])
    means = table["collisions"].groupby(m).mean()
    mean = axes.scatter(means.index, means, s=60, marker="_", color=SERIES[1], zorder=3)
    log_axis(axes)
    axes.set_xticks(widths, [f"{width:g}" for width in widths])
    axes.set_yscale("symlog", linthresh=1, linscale=0.4)  # an instance may have none
    heights = [0, *(step * 10**power for power in range(3) for step in (1, 2, 5))]
    axes.set_yticks(heights, [str(height) for height in heights])
    axes.set_ylim(-0.2, 1.3 * max(1, table["collisions"].max()))
    axes.minorticks_off()
    axes.set_xlabel("m: neurons")
    axes.set_ylabel("Collisions")
    key(drawing, [dots, mean, law], ["an instance", "mean", "n²/4m"], columns=3)
    return drawing


def _noise(table: pd.DataFrame) -> Drawing:
    drawing, [axes] = blank(3.0)
    m = int(table["neurons"].iloc[0])
    for height, name in ((1, "one neuron a feature"), (3 / m, "the start, 3/m")):
        axes.axhline(height, color=MUTED, lw=0.8, ls="--")
        axes.text(len(KINDS) - 0.55, height, name, va="bottom", ha="right", size=SMALL, color=MUTED)
    rng, labels = np.random.default_rng(0), []
    for place, (kind, name) in enumerate(KINDS.items()):
        rows = table[table["noise"] == kind]
        values = rows["fourth_power"].dropna()
        dots = axes.scatter(
            place + rng.uniform(-0.15, 0.15, len(values)), values, s=10, alpha=0.6, lw=0, color=SERIES[0]
        )
        drawing.name_marks(dots, [f"{name}, seed {seed}" for seed in rows.loc[values.index, "seed"]])
        if len(values) > 1:
            axes.scatter(place, values.mean(), s=200, marker="_", color=SERIES[1], zorder=3)
        lost = len(rows) - len(values)
        labels.append(f"{name}\n{lost} of {len(rows)} diverged" if lost else name)
    axes.set_xticks(range(len(KINDS)), labels, size=SMALL)
    axes.set_xlim(-0.5, len(KINDS) - 0.5)
    axes.set_ylim(0, 1.12)
    axes.set_ylabel("Mean over features of Σ W⁴")
    return drawing


def _speed(table: pd.DataFrame) -> Drawing:
    drawing, [axes] = blank(3.2)
    handles, labels = [], []
    for colour, (level, rows) in zip(SERIES, table.groupby("reg_lambda", observed=True), strict=False):
        rate = float(str(level))
        t = rows["lr"] * rows["steps"].astype(float)
        start = np.sqrt(2 * rows["neurons"].astype(float).iloc[0] / np.pi)
        times = np.geomspace(t.min(), t.max(), 100)
        axes.plot(times, 1 / (1 / start + rate * times), color=colour, lw=1)
        handles.append(axes.scatter(t, rows["l1_norm"], s=12, color=colour))
        labels.append(f"λ = {rate:g}".replace("-", "−"))
    log_axis(axes)
    log_axis(axes, "y")
    axes.set_xlabel("t = lr · step")
    axes.set_ylabel("Σ|w| of one feature")
    key(drawing, handles, labels)
    return drawing
