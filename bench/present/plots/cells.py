"""The runs of every cell become clouds, and beside them what each cell differs from the baseline cell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.plots import canvas, key, letters
from bench.present.plots.canvas import Canvas, Panel, column_widths, draw
from bench.present.plots.colours import INK, MUTED, PAPER, SERIES
from bench.present.plots.scale import Floats, Scale, limits
from bench.present.plots.svg import Ink
from bench.present.report import Figure
from bench.present.tables import ALPHA, Context

_MOST = 60
"""So many cells are drawn at most."""
_MOST_FACTORS = 5
_FOR_A_CLOUD = 5
"""Fewer runs than this are shown as points only."""
_PANEL, _GAP = 2.4, 0.42
"""Inches of the width of each of the two panels, and between them."""
_RUN = Ink(fill=SERIES[0], opacity=0.75)
_CLOUD = Ink(fill=SERIES[0], opacity=0.28)
_MEAN = Ink(PAPER, INK, 1.1)
_INTERVAL = Ink(stroke=SERIES[1], width=1.8)
_POINT = Ink(PAPER, SERIES[1], 1.3)


@dataclass(frozen=True, eq=False)
class _Against:
    """Each cell against the baseline cell: estimates and intervals of one test, and its adjusted p."""

    estimate: Floats
    low: Floats
    high: Floats
    p: Floats
    paired: bool
    compared: int
    """How many p there are."""
    has_baseline: bool
    """Whether the baseline cell has a value and so is the first that is drawn."""


def cells(
    name: str, metric: Metric, rows: DataFrame, means: DataFrame, pairs: DataFrame, context: Context, *, log: bool
) -> Figure:
    """``rows``: the observed runs of ``metric``; ``means``: its cells; ``pairs``: these against the baseline cell."""
    shown = means[means["n"] > 0].head(_MOST)
    against = _against(pairs, means["cell"].iloc[0], shown, paired=bool(context.block))
    what = "ratio to" if log else "difference from"
    caption = (
        f"Runs of every cell, {metric.label}. Points: the runs; cloud: their density; diamond: their "
        f"{'geometric ' if log else ''}mean. Right: each cell's {what} the baseline cell"
        f"{_test(against, context, log=log)}"
    )
    if len(shown) < len(means):
        caption += f" {numbers.counted(len(means) - len(shown), 'further cell')} not drawn."
    lowest, highest = (shown.loc[getattr(shown["mean"], which)()] for which in ("idxmin", "idxmax"))
    alt = (
        f"Raincloud of {metric.label} in {numbers.counted(len(shown), 'cell')}, from a mean of "
        f"{numbers.significant(lowest['mean'])} ({lowest['cell']}) to {numbers.significant(highest['mean'])} "
        f"({highest['cell']}), beside an estimation plot of the {what} {means['cell'].iloc[0]}."
    )
    return Figure(name, caption, alt, partial(draw, _paint, metric, rows, shown, against, context, log=log))


def _against(pairs: DataFrame, baseline: str, shown: DataFrame, *, paired: bool) -> _Against:
    """The paired differences where there are blocks, and else Welch's: those whose test ``p_adjusted`` is of."""
    pairs = pairs[pairs["b"] == baseline]
    found = pairs.drop_duplicates("a").set_index("a").reindex(shown["cell"])
    names = [f"{name}_paired" if paired else name for name in ("diff", "low", "high")]
    estimate, low, high, p = (found[name].to_numpy(float) for name in (*names, "p_adjusted"))
    compared = int(pairs["p_adjusted"].notna().sum())
    return _Against(estimate, low, high, p, paired, compared, has_baseline=shown["cell"].iloc[0] == baseline)


def _test(against: _Against, context: Context, *, log: bool) -> str:
    """How the cells were compared, and why a point may be open although its interval leaves out no effect."""
    if not against.has_baseline:
        return ", which has no value."
    how = f", the first{f', {context.block} by {context.block}' if against.paired else ''}"
    if not against.compared:
        return f"{how}; without intervals and p, for want of runs or of variation."
    test = "the paired t test" if against.paired else "Welch's t test"
    return (
        f"{how}, with the {context.level} interval of {test}; filled where the p of this test, adjusted for "
        f"{numbers.counted(against.compared, 'comparison')} (Holm), is < {ALPHA}. The intervals are not adjusted, so "
        f"that one can leave out {1 if log else 0} while its point is open."
    )


def level_rows(shown: DataFrame, rows: DataFrame, context: Context) -> tuple[list[str], list[list[str]]]:
    """Heads and texts of the columns of factors to the left of the cells ``shown``."""
    if len(context.factors) > _MOST_FACTORS:
        return ["Cell"], [[letters.fitted(cell, 3.0)] for cell in shown["cell"]]
    codes = rows.drop_duplicates("cell").set_index("cell")
    heads = [letters.fitted(factor, 1.3, letters.SMALL) for factor in context.factors]
    texts = [
        [
            letters.fitted(str(levels[codes.loc[cell, f"factor {position}"]]), 1.4)
            for position, levels in enumerate(context.factors.values())
        ]
        for cell in shown["cell"]
    ]
    return heads, texts


def _paint(
    metric: Metric, rows: DataFrame, shown: DataFrame, against: _Against, context: Context, *, log: bool
) -> Canvas:
    heads, texts = level_rows(shown, rows, context)
    left = sum(column_widths(heads, texts)) + 0.1
    row_height = 0.36 if len(shown) <= 24 else 0.22
    height = row_height * len(shown)
    width = left + 2 * _PANEL + _GAP + 0.2
    left_key, right_key = _samples(against, context, log=log)
    key_rows = max(len(key.rows(left_key, left + _PANEL - 0.1)), len(key.rows(right_key, _PANEL + 0.15)))
    top = 0.36 + key.ROW * key_rows
    page = Canvas(width, top + height + 0.5)
    y = Scale(len(shown) - 0.45, -0.55)
    drawn = rows[rows["cell"].isin(shown["cell"])]
    clouds = Panel(page, left, top, _PANEL, height, Scale.around(*limits(drawn["value"], log=log), log=log), y)
    zero = 1.0 if log else 0.0
    reach = limits(against.low, against.high, against.estimate, [zero], log=log)
    differences = Panel(page, left + _PANEL + _GAP, top, _PANEL, height, Scale.around(*reach, log=log), y)
    for panel in (clouds, differences):
        panel.level((np.arange(len(shown) - 1) + 0.5).tolist())
    _clouds(clouds, drawn, shown, context, log=log)
    _differences(differences, against, zero)
    page.columns(0.1, heads, texts, clouds.at(clouds.x.low, np.arange(len(shown)))[:, 1].tolist())
    clouds.x_axis(letters.quantity(metric, _PANEL + 0.3, after=letters.better(metric)))
    what = "Ratio to the baseline" if log else "Difference from the baseline"
    differences.x_axis(what if log or not metric.unit else f"{what} ({letters.shortened(metric.unit, 12)})")
    key.key(page, 0.1, 0.04, left + _PANEL - 0.1, left_key)
    key.key(page, differences.left - 0.1, 0.04, _PANEL + 0.15, right_key)
    return page


def _samples(against: _Against, context: Context, *, log: bool) -> tuple[list[key.Sample], list[key.Sample]]:
    """What the marks of the left and of the right panel mean."""
    left = [
        key.Sample("run", marker=_RUN, radius=1.5),
        key.Sample("density", box=_CLOUD),
        key.Sample("geometric mean" if log else "mean", marker=_MEAN, shape="diamond", radius=2.4),
    ]
    right = [
        key.Sample(f"{context.level} interval, {'paired' if against.paired else 'Welch'}", _INTERVAL, _POINT),
        key.Sample(f"adjusted p < {ALPHA}", marker=replace(_POINT, fill=SERIES[1])),
    ]
    if not against.compared:
        right = [key.Sample("ratio" if log else "difference", marker=_POINT)]
    return left, right


def _clouds(panel: Panel, drawn: DataFrame, shown: DataFrame, context: Context, *, log: bool) -> None:
    block = drawn["block"].cat.remove_unused_categories().cat
    spread = 0.26 / max(1, len(block.categories) - 1)
    position = {cell: index for index, cell in enumerate(shown["cell"])}
    samples = {cell: np.log(sample) if log else sample for cell, sample in _values(drawn).items()}
    outlines, means = [], []
    for cell, index in position.items():
        sample = samples[cell]
        means.append(sample.mean())
        if len(sample) >= _FOR_A_CLOUD and sample.std() > 0:
            at, height = _density(sample)
            across = np.concatenate([at, at[::-1]])
            upper = np.concatenate([0.42 * height, np.zeros(len(at))])
            outlines.append(panel.at(np.exp(across) if log else across, index - 0.02 - upper))
    panel.page.lines(outlines, _CLOUD, closed=True)
    y = drawn["cell"].map(position) + 0.1 + spread * block.codes
    titles = [canvas.seed_title(context.block, *pair) for pair in zip(drawn["block"], drawn["value"], strict=True)]
    panel.page.markers(panel.at(drawn["value"], y), _RUN, 1.5, titles=titles)
    middles = panel.at(np.exp(means) if log else means, np.arange(len(means)) - 0.02)
    panel.page.markers(middles, _MEAN, 2.4, shape="diamond")


def _values(drawn: DataFrame) -> dict[str, Floats]:
    cells = drawn["cell"].to_numpy()
    values = drawn["value"].to_numpy(float)
    return {cell: values[cells == cell] for cell in dict.fromkeys(cells)}


def _density(sample: Floats) -> tuple[Floats, Floats]:
    """Gaussian kernel density within the range of the sample, its highest point 1; bandwidth of Scott (1992)."""
    width = sample.std(ddof=1) * len(sample) ** -0.2
    at = np.linspace(sample.min(), sample.max(), 60)
    height = np.exp(-0.5 * ((at[:, None] - sample) / width) ** 2).sum(axis=1)
    return at, height / height.max()


def _differences(panel: Panel, against: _Against, zero: float) -> None:
    y = np.arange(len(against.estimate))
    panel.upright(zero)
    panel.intervals(against.low, against.high, y, _INTERVAL)
    fills = [SERIES[1] if p < ALPHA else PAPER for p in against.p]
    panel.page.markers(panel.at(against.estimate, y), _POINT, 2.7, fills=fills)
    if not against.has_baseline:
        middle = panel.left + panel.width / 2, panel.top + panel.height / 2
        panel.page.text(
            *middle, "the baseline cell has no value", size=letters.SMALL, colour=MUTED, anchor="middle", halo=True
        )
        return
    ((across, down),) = panel.at([zero], [0])
    is_left = panel.x.share(zero) > 0.5
    side = -0.07 if is_left else 0.07
    panel.page.text(
        across + side, down, "baseline", size=letters.SMALL, colour=MUTED, anchor="end" if is_left else "start"
    )
