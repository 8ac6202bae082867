"""A page measured in inches, and panels on it measured by their data: what the figures are drawn with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from pandas import DataFrame

from bench.present import numbers
from bench.present.plots import svg
from bench.present.plots.colours import GRID, INK, MUTED, PAPER
from bench.present.plots.letters import SIZE, SMALL, fitted, text_width
from bench.present.plots.scale import Floats, Scale
from bench.present.plots.svg import Ink
from bench.present.report import plain

Anchor = Literal["start", "middle", "end"]
RULE = Ink(stroke=MUTED)
"""Axes, and the line that means no effect."""
FAINT = Ink(stroke=GRID, width=0.6)
"""Lines that guide the eye."""
_TICK = 3.5 / 72


class Canvas:
    """A figure of ``width`` × ``height`` inches; places are inches from its left and upper edges."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._parts: list[str] = []

    def text(
        self,
        left: float,
        top: float,
        text: str,
        *,
        size: float = SIZE,
        colour: str = INK,
        anchor: Anchor = "start",
        bold: bool = False,
        angle: float = 0.0,
        halo: bool = False,
    ) -> None:
        """A line of text that starts, is centred or ends at ``left``; ``top`` is the middle of its capitals.

        A ``halo`` of paper keeps it legible across lines.
        """
        across, down = math.sin(math.radians(angle)), math.cos(math.radians(angle))
        (place,) = _points([(left - 0.36 * size / 72 * across, top + 0.36 * size / 72 * down)])
        style = f"font-size: {size:g}px; fill: {colour}"
        style += f"; text-anchor: {anchor}" if anchor != "start" else ""
        style += "; font-weight: bold" if bold else ""
        style += f"; paint-order: stroke; stroke: {PAPER}; stroke-width: 3" if halo else ""
        self._parts.append(svg.words(*place, plain(text), style, angle))

    def lines(self, lines: Sequence[ArrayLike], ink: Ink, titles: Sequence[str] = (), *, closed: bool = False) -> None:
        """Lines through places, or the areas that they enclose; pointing at one shows its title."""
        if lines:
            drawn = svg.paths(map(_points, lines), [plain(title) for title in titles], closed=closed)
            self._parts.append(svg.group(ink.style, drawn))

    def markers(
        self,
        places: ArrayLike,
        ink: Ink,
        radius: float,
        *,
        shape: str = "circle",
        titles: Sequence[str] = (),
        fills: Sequence[str] = (),
    ) -> None:
        """Marks of ``radius`` points at the places that are finite; pointing at one shows its title."""
        at = np.asarray(places, dtype=float).reshape(-1, 2)
        seen = np.flatnonzero(np.isfinite(at).all(axis=1)).tolist()
        told, filled = ([texts[index] for index in seen] if texts else [] for texts in (titles, fills))
        drawn = svg.markers(_points(at[seen]), shape, radius, [plain(title) for title in told], filled)
        self._parts.append(svg.group(ink.style, drawn))

    def boxes(self, sides: ArrayLike, ink: Ink, fills: Sequence[str] = ()) -> None:
        """Rectangles by left, top, width and height."""
        rounded = (np.asarray(sides, dtype=float).reshape(-1, 4) * 72).round(2) + 0.0
        self._parts.append(svg.group(ink.style, svg.boxes(rounded.tolist(), fills)))

    def columns(self, left: float, heads: Sequence[str], rows: Sequence[Sequence[str]], tops: Sequence[float]) -> None:
        """Columns of text from ``left`` on, at the heights ``tops``, under their heads; see ``column_widths``."""
        head_top = tops[0] - 0.24 if tops else 0.2
        for column, (head, width) in enumerate(zip(heads, column_widths(heads, rows), strict=True)):
            self.text(left, head_top, head, size=SMALL, colour=MUTED)
            for top, row in zip(tops, rows, strict=True):
                self.text(left, top, row[column])
            left += width

    def svg(self) -> bytes:
        """The finished file."""
        width, height = round(72 * self.width, 1), round(72 * self.height, 1)
        return svg.document(width, height, PAPER, self._parts)


@dataclass(frozen=True)
class Panel:
    """A rectangle of ``page`` whose places are data: ``x`` from left to right, ``y`` from its lower edge up."""

    page: Canvas
    left: float
    top: float
    width: float
    height: float
    x: Scale
    y: Scale

    def at(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """Places on the page, a row each."""
        across, down = self.left + self.width * self.x.share(x), self.top + self.height * (1 - self.y.share(y))
        return np.stack(np.broadcast_arrays(across, down), axis=-1)

    def lines(self, x: ArrayLike, ys: Sequence[ArrayLike], ink: Ink, titles: Sequence[str] = ()) -> None:
        """A line for each of ``ys`` over the same ``x``; it passes over what is missing, and is left out if all is."""
        drawn = [places[np.isfinite(places).all(axis=1)] for places in (self.at(x, y) for y in ys)]
        kept = [index for index, places in enumerate(drawn) if len(places)]
        self.page.lines([drawn[index] for index in kept], ink, [titles[index] for index in kept] if titles else ())

    def intervals(self, low: ArrayLike, high: ArrayLike, y: ArrayLike, ink: Ink, *, arrows: bool = False) -> None:
        """Horizontal lines, cut off at the edges, where ``arrows`` say that they go on."""
        ends = np.clip(np.stack([self.x.share(low), self.x.share(high)]), 0, 1) * self.width + self.left
        down = self.at(self.x.low, y)[:, 1]
        known = np.flatnonzero(np.isfinite(ends).all(axis=0))
        self.page.lines([[(ends[0, i], down[i]), (ends[1, i], down[i])] for i in known], ink)
        for shape, beyond, at in (
            ("left", np.asarray(low) < self.x.low, self.left),
            ("right", np.asarray(high) > self.x.high, self.left + self.width),
        ):
            cut = known[beyond[known]] if arrows else known[:0]
            if len(cut):
                self.page.markers([(at, down[i]) for i in cut], Ink(fill=ink.stroke), 2.6, shape=shape)

    def band(self, low: float, high: float, colour: str) -> None:
        """The values of ``x`` between two, over the whole height."""
        start, end = (np.clip(self.x.share([low, high]), 0, 1) * self.width + self.left).tolist()
        self.page.boxes([(start, self.top, end - start, self.height)], Ink(fill=colour))

    def upright(self, x: float, ink: Ink = RULE) -> None:
        """A line at one value of ``x``, over the whole height."""
        self.page.lines([self.at([x, x], [self.y.low, self.y.high])], ink)

    def level(self, ys: Sequence[float], ink: Ink = FAINT) -> None:
        """Lines at values of ``y``, over the whole width."""
        self.page.lines([self.at([self.x.low, self.x.high], [y, y]) for y in ys], ink)

    def x_axis(self, label: str = "", ticks: Mapping[float, str] | None = None) -> None:
        """The lower edge with its ticks, and what is measured along it; the label may be wider than the panel."""
        ticks = self.x.ticks(self.width) if ticks is None else ticks
        bottom = self.top + self.height
        across = self.at(list(ticks), np.full(len(ticks), self.y.low))[:, 0].tolist() if ticks else []
        edge = [(self.left, bottom), (self.left + self.width, bottom)]
        self.page.lines([edge, *([(x, bottom), (x, bottom + _TICK)] for x in across)], RULE)
        for x, text in zip(across, ticks.values(), strict=True):
            self.page.text(x, bottom + 0.15, text, size=SMALL, anchor="middle")
        if label:
            label = fitted(label, self.page.width - 0.1)
            half = text_width(label) / 2 + 0.05
            middle = min(max(self.left + self.width / 2, half), self.page.width - half)
            self.page.text(middle, bottom + 0.34, label, anchor="middle")

    def y_axis(self, label: str = "", *, labelled: bool = True) -> None:
        """The left edge with its ticks, their labels where ``labelled``, and what is measured along it."""
        ticks = self.y.ticks(self.height, upright=True)
        down = self.at(np.full(len(ticks), self.x.low), list(ticks))[:, 1].tolist()
        edge = [(self.left, self.top), (self.left, self.top + self.height)]
        self.page.lines([edge, *([(self.left - _TICK, y), (self.left, y)] for y in down)], RULE)
        for y, text in zip(down, ticks.values() if labelled else (), strict=labelled):
            self.page.text(self.left - 0.1, y, text, size=SMALL, anchor="end")
        if label and labelled:
            left = self.left - tick_room(self.y, self.height) + 0.1
            self.page.text(left, self.top + self.height / 2, label, anchor="middle", angle=-90)

    def block_lines(self, x: Floats, table: DataFrame, block: str, colour: str) -> None:
        """One thin line a row of ``table`` (a block), over the positions ``x`` of its columns."""
        titles = [f"{block} {name}" for name in table.index]
        self.lines(x, list(table.to_numpy(float)), Ink(stroke=colour, opacity=0.4), titles)


def draw(paint: Callable[..., Canvas], *args: object, **kwargs: object) -> bytes:
    """The SVG of what ``paint(*args, **kwargs)`` draws."""
    return paint(*args, **kwargs).svg()


def column_widths(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[float]:
    """Inches of each column of ``Canvas.columns``, with the gap that follows it."""
    return [
        max(text_width(head, SMALL), *(text_width(text) for text in column), 0.0) + 0.14
        for head, *column in zip(heads, *rows, strict=True)
    ]


def tick_room(scale: Scale, height: float) -> float:
    """Inches that a vertical axis with a label takes to the left of its panel."""
    return 0.38 + max((text_width(text, SMALL) for text in scale.ticks(height, upright=True).values()), default=0.0)


def seed_title(block: str, seed: object, value: float, *, what: str = ":") -> str:
    """What is read where the mark of one run is pointed at."""
    return f"{block or 'run'} {seed}{what} {numbers.significant(value)}"


def _points(places: ArrayLike) -> list[svg.Point]:
    """Inches -> points, to the hundredth, without a negative zero."""
    rounded: list[svg.Point] = [
        (x, y) for x, y in ((np.asarray(places, dtype=float).reshape(-1, 2) * 72).round(2) + 0.0).tolist()
    ]
    return rounded
