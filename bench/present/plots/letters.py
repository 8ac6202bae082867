"""Text -> the inches it takes, and as much of it as fits; by the widths of DejaVu Sans, wider than most fonts."""

from __future__ import annotations

from rich.cells import cell_len

from bench.experiment import Metric
from bench.present.report import plain

SIZE = 9.0
"""Points of ordinary text."""
SMALL = 8.0

_EMS = {
    character: ems
    for ems, characters in {
        0.29: "'ijlIJ",
        0.34: " ,.·/:;\\|f-",
        0.41: "()[]t!r",
        0.50: '"*_`–',
        0.55: "sz?c",
        0.61: "LFkvxyPTYao",
        0.64: "eESbdghnpqu$0123456789{}",
        0.70: "KAVBRXZC",
        0.77: "UHNDG&OQ",
        0.84: "w#+<=>^~×−→←≥±",
        1.00: "Mm%W@…",
    }.items()
    for character in characters
}
_OTHER = 0.68
"""Ems of a character that is not listed, for each cell that it takes in a terminal; wide ones take two."""
_BOLD = 1.13


def text_width(text: str, size: float = SIZE, *, bold: bool = False) -> float:
    """Inches that a line of text takes."""
    ems = sum(_EMS.get(character) or _OTHER * cell_len(character) for character in text)
    return ems * size / 72 * (_BOLD if bold else 1.0)


def shortened(text: str, most: int = 28) -> str:
    """At most so many characters; what is left out is out of the middle, where names differ least."""
    text = plain(text)
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def fitted(text: str, inches: float, size: float = SIZE, *, bold: bool = False) -> str:
    """``text``, shortened to at most so many inches; three characters stay in any case."""
    text = plain(text)
    most = min(len(text), int(inches * 72 / size / min(_EMS.values())) + 4)
    while most > 3 and text_width(shortened(text, most), size, bold=bold) > inches:
        most -= 1
    return shortened(text, most)


def quantity(metric: Metric, inches: float, size: float = SIZE, *, before: str = "", after: str = "") -> str:
    """The label and unit of ``metric`` between other words, the label shortened so that all of it fits."""
    after = f"{f' ({shortened(metric.unit, 16)})' if metric.unit else ''}{after}"
    room = inches - text_width(f"{before}{after}", size)
    return f"{before}{fitted(metric.label, room, size)}{after}"


def better(metric: Metric) -> str:
    """Where better lies along a horizontal axis, in words behind a label; nothing if neither way is."""
    return {"lower": " ← better", "higher": " → better"}.get(metric.better, "")
