"""The runs of every cell become clouds, and beside them what each cell differs from the baseline cell."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.plots import canvas
from bench.present.report import Figure
from bench.present.tables import ALPHA, Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 60
"""So many cells are drawn at most."""
_MOST_FACTORS = 5
_FOR_A_CLOUD = 5
"""Fewer runs than this are shown as points only."""
_PANEL = 2.7
"""Inches of the width of each of the two panels."""


def cells(
    name: str, metric: Metric, rows: DataFrame, means: DataFrame, pairs: DataFrame, context: Context, *, log: bool
) -> Figure:
    """``rows``: the observed runs of ``metric``; ``means``: its cells; ``pairs``: these against the baseline cell."""
    shown = means[means["n"] > 0].head(_MOST)
    pairs = pairs[pairs["b"] == means["cell"].iloc[0]].drop_duplicates("a").set_index("a")
    what = "ratio to" if log else "difference from"
    caption = (
        f"Runs of every cell, {metric.label}. Points: the runs; cloud: their density; diamond: their "
        f"{'geometric ' if log else ''}mean. Right: each cell's {what} the baseline cell, the first, with a 95% "
        f"interval (Welch); filled where the adjusted p < {ALPHA}."
    )
    if len(shown) < len(means):
        caption += f" {numbers.counted(len(means) - len(shown), 'further cell')} not drawn."
    lowest, highest = (shown.loc[getattr(shown["mean"], which)()] for which in ("idxmin", "idxmax"))
    alt = (
        f"Raincloud of {metric.label} in {numbers.counted(len(shown), 'cell')}, from a mean of "
        f"{numbers.significant(lowest['mean'])} ({lowest['cell']}) to {numbers.significant(highest['mean'])} "
        f"({highest['cell']}), beside an estimation plot of the {what} {means['cell'].iloc[0]}."
    )
    return Figure(
        name,
        caption,
        alt,
        partial(canvas.draw, name, _paint, metric, rows, shown, pairs, context, log=log),
    )


def level_rows(shown: DataFrame, rows: DataFrame, context: Context) -> tuple[list[str], list[list[str]]]:
    """Heads and texts of the columns of factors to the left of the cells ``shown``."""
    if len(context.factors) > _MOST_FACTORS:
        return ["Cell"], [[canvas.shortened(cell, 48)] for cell in shown["cell"]]
    codes = rows.drop_duplicates("cell").set_index("cell")
    heads = [canvas.shortened(factor, 20) for factor in context.factors]
    texts = [
        [
            canvas.shortened(str(levels[codes.loc[cell, f"factor {position}"]]), 20)
            for position, levels in enumerate(context.factors.values())
        ]
        for cell in shown["cell"]
    ]
    return heads, texts


def _paint(
    metric: Metric, rows: DataFrame, shown: DataFrame, pairs: DataFrame, context: Context, *, log: bool
) -> canvas.Canvas:
    heads, texts = level_rows(shown, rows, context)
    left = sum(canvas.label_widths(heads, texts)) + 0.1
    row_height = 0.36 if len(shown) <= 24 else 0.22
    height = row_height * len(shown)
    page = canvas.Canvas(left + 2 * _PANEL + 0.45, height + 0.85)
    clouds = page.axes(left, 0.28, _PANEL, height)
    differences = page.axes(left + _PANEL + 0.3, 0.28, _PANEL, height)
    for axes in (clouds, differences):
        axes.set_ylim(len(shown) - 0.45, -0.55)
        axes.spines["left"].set_visible(False)
        axes.set_yticks([])
        axes.hlines(
            np.arange(len(shown) - 1) + 0.5, 0, 1, transform=axes.get_yaxis_transform(), color=canvas.GRID, lw=0.6
        )
    _clouds(page, clouds, rows, shown, context, log=log)
    _differences(differences, shown, pairs, log=log)
    canvas.row_labels(clouds, heads, texts)
    unit = f" ({metric.unit})" if metric.unit else ""
    better = "" if metric.better == "neither" else f" {'←' if metric.better == 'lower' else '→'} better"
    clouds.set_xlabel(f"{canvas.shortened(metric.label, 30)}{unit}{better}")
    differences.set_xlabel("Ratio to the baseline" if log else "Difference from the baseline")
    return page


def _clouds(page: canvas.Canvas, axes: Axes, rows: DataFrame, shown: DataFrame, context: Context, *, log: bool) -> None:
    drawn = rows[rows["cell"].isin(shown["cell"])]
    canvas.scale(axes, "x", *canvas.limits(drawn["value"]), log=log)
    position = {cell: index for index, cell in enumerate(shown["cell"])}
    order = {block: index for index, block in enumerate(sorted(drawn["block"].unique()))}
    spread = 0.26 / max(1, len(order) - 1)
    y = [
        position[cell] + 0.1 + spread * order[block] for cell, block in zip(drawn["cell"], drawn["block"], strict=True)
    ]
    points = axes.scatter(drawn["value"], y, s=9, color=canvas.SERIES[0], alpha=0.75, linewidths=0)
    titles = [canvas.seed_title(context.block, *pair) for pair in zip(drawn["block"], drawn["value"], strict=True)]
    page.tell(points, titles)
    means = []
    for cell, index in position.items():
        sample = drawn.loc[drawn["cell"] == cell, "value"].to_numpy()
        sample = np.log(sample) if log else sample
        means.append(np.exp(sample.mean()) if log else sample.mean())
        if len(sample) >= _FOR_A_CLOUD and sample.std() > 0:
            at, height = _density(sample)
            at = np.exp(at) if log else at
            axes.fill_between(at, index - 0.02, index - 0.02 - 0.42 * height, color=canvas.SERIES[0], alpha=0.28, lw=0)
    axes.scatter(
        means,
        np.arange(len(means)) - 0.02,
        marker="D",
        s=22,
        color=canvas.PAPER,
        edgecolors=canvas.INK,
        linewidths=1.1,
        zorder=3,
    )


def _density(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian kernel density within the range of the sample, its highest point 1; bandwidth of Scott (1992)."""
    width = sample.std(ddof=1) * len(sample) ** -0.2
    at = np.linspace(sample.min(), sample.max(), 60)
    height = np.exp(-0.5 * ((at[:, None] - sample) / width) ** 2).sum(axis=1)
    return at, height / height.max()


def _differences(axes: Axes, shown: DataFrame, pairs: DataFrame, *, log: bool) -> None:
    zero = 1.0 if log else 0.0
    found = pairs.reindex(shown["cell"])
    canvas.scale(axes, "x", *canvas.limits(found["low"], found["high"], found["diff"], [zero]), log=log)
    axes.axvline(zero, color=canvas.MUTED, linewidth=0.8)
    y = np.arange(len(found))
    axes.hlines(y, found["low"], found["high"], color=canvas.SERIES[1], linewidth=1.8)
    faces = [canvas.SERIES[1] if p < ALPHA else canvas.PAPER for p in found["p_adjusted"]]
    axes.scatter(found["diff"], y, s=30, c=faces, edgecolors=canvas.SERIES[1], linewidths=1.3, zorder=3)
    axes.annotate(
        "baseline",
        (zero, 0),
        (4, 0),
        textcoords="offset points",
        va="center",
        fontsize=canvas.SMALL,
        color=canvas.MUTED,
    )
