"""What the marks of a figure mean, said beside them: samples with words, in rows as wide as there is room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.present.plots.canvas import Canvas
from bench.present.plots.colours import INK, MUTED
from bench.present.plots.letters import SMALL, text_width
from bench.present.plots.svg import Ink

ROW = 0.2
"""Inches of the height of a row."""
_SAMPLE, _GAP = 0.3, 0.16


@dataclass(frozen=True)
class Sample:
    """Words behind a mark as it is drawn in the figure: a box, a line and a marker, as far as they are given."""

    text: str
    line: Ink | None = None
    marker: Ink | None = None
    shape: str = "circle"
    radius: float = 2.9
    box: Ink | None = None

    @property
    def has_mark(self) -> bool:
        """Whether there is anything but words."""
        return bool(self.line or self.marker or self.box)

    @property
    def width(self) -> float:
        """Inches, with the gap that follows."""
        return text_width(self.text, SMALL) + _GAP + (_SAMPLE + 0.06 if self.has_mark else -0.08)


def rows(samples: Sequence[Sample], width: float) -> list[list[Sample]]:
    """The samples in their order, as many to a row as fit."""
    made: list[list[Sample]] = [[]]
    for sample in samples:
        if made[-1] and sum(other.width for other in made[-1]) + sample.width - _GAP > width:
            made.append([])
        made[-1].append(sample)
    return made


def key(page: Canvas, left: float, top: float, width: float, samples: Sequence[Sample]) -> None:
    """Draw the rows of ``samples``, the first ``ROW`` high from ``top`` down."""
    for index, row in enumerate(rows(samples, width)):
        x, y = left, top + (index + 0.5) * ROW
        for sample in row:
            _draw(page, x, y, sample)
            x += sample.width


def _draw(page: Canvas, x: float, y: float, sample: Sample) -> None:
    if sample.box:
        page.boxes([(x, y - 0.055, _SAMPLE, 0.11)], sample.box)
    if sample.line:
        page.lines([[(x, y), (x + _SAMPLE, y)]], sample.line)
    if sample.marker:
        page.markers([(x + _SAMPLE / 2, y)], sample.marker, sample.radius, shape=sample.shape)
    start = x + (_SAMPLE + 0.06 if sample.has_mark else 0)
    page.text(start, y, sample.text, size=SMALL, colour=INK if sample.has_mark else MUTED)
