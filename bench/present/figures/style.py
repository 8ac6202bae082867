"""The house style: colours, sizes and axes that every figure shares, and a matplotlib figure as SVG for any page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, filterwarnings
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import ArrayLike

from bench.experiment import Metric
from bench.present.report import plain

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

INK, MUTED, GRID, BAND, PAPER = "#1f2328", "#5f6873", "#d9dde2", "#dfe7f1", "#ffffff"
SERIES = ("#0072b2", "#d55e00", "#00825f", "#9c4f85", "#7a6a00", "#444b54")
"""Colours that the colour-blind tell apart (after Okabe & Ito 2008), darkened to stand out from white as lines."""
MARKERS = "osD^vP"
"""Shapes that tell series apart without a colour, in the order of ``SERIES``."""

WIDTH = 3.7
"""Inches: what a telephone shows without shrinking text below legibility."""
SMALL, NORMAL = 8.0, 9.0
"""Points of the text of ticks and keys, and of everything else."""

_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.labelcolor": INK,
    "axes.labelsize": NORMAL,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": NORMAL,
    "axes.unicode_minus": True,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.use": True,
    "figure.facecolor": PAPER,
    "font.family": ["DejaVu Sans"],
    "font.size": NORMAL,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "svg.hashsalt": "bench",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": SMALL,
}


@dataclass(eq=False)
class Drawing:
    """A matplotlib figure, and what is read where a mark of it is pointed at."""

    canvas: Canvas
    hover: dict[str, Sequence[str]] = field(default_factory=dict)
    """Id of a group of marks -> a text for each mark."""

    def name_marks(self, artist: Artist, texts: Sequence[str]) -> None:
        """Say ``texts`` where the marks of ``artist`` (points of a line or a collection) are pointed at."""
        gid = f"marks-{len(self.hover)}"
        artist.set_gid(gid)
        self.hover[gid] = [plain(text) for text in texts]


@contextmanager
def house_style() -> Iterator[None]:
    """Drawing and saving within have the house style.

    A character that DejaVu Sans lacks is measured as a box, in silence: the page shows it in a font that has it.
    """
    import matplotlib as mpl  # noqa: PLC0415 (half a second, and only those who draw need it)

    with mpl.rc_context(_STYLE), catch_warnings():
        filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def blank(height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Drawing, list[Axes]]:
    """A drawing of ``height`` inches with axes in rows and columns, in reading order."""
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415

    canvas = Canvas(figsize=(WIDTH, height))
    axes = canvas.subplots(rows, columns, squeeze=False, **options)
    return Drawing(canvas), list(axes.ravel())


def save(drawing: Drawing, form: str) -> bytes:
    """The drawing as "png" or "pdf", without a date."""
    written = BytesIO()
    with house_style():
        metadata = {"pdf": {"CreationDate": None}, "png": {"Software": None}}[form]
        drawing.canvas.savefig(written, format=form, metadata=metadata)
    return written.getvalue()


_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def svg(drawing: Drawing, name: str, title: str, description: str) -> bytes:
    """The drawing as SVG: named and described, its text searchable, its ids unlike those of other figures on a page.

    The same bytes for the same drawing. Colours stay as attributes, so that a page can put others in their place.
    """
    written = BytesIO()
    with house_style():
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        drawing.canvas.savefig(written, format="svg", metadata=nothing)
    for prefix, uri in (("", _SVG), ("xlink", _LINK)):
        ET.register_namespace(prefix, uri)
    root = ET.fromstring(written.getvalue())  # noqa: S314 (our own text)
    _drop_page_style(root)
    _name_marks(root, drawing.hover)
    _qualify_ids(root, name)
    for tag, text in (("desc", description), ("title", title)):
        element = ET.Element(f"{{{_SVG}}}{tag}", id=f"{name}-{tag}")
        element.text = plain(text) or " "  # an empty element would be written without its end
        root.insert(0, element)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    written_again: bytes = ET.tostring(root, encoding="utf-8")
    return written_again


def _drop_page_style(root: ET.Element) -> None:
    """Matplotlib's rule for all elements would hold for the whole page that the picture stands in."""
    for parent in root.iter(f"{{{_SVG}}}defs"):
        for style in parent.findall(f"{{{_SVG}}}style"):
            parent.remove(style)


def _name_marks(root: ET.Element, hover: dict[str, Sequence[str]]) -> None:
    for group in root.iter(f"{{{_SVG}}}g"):
        marks = group.iter(f"{{{_SVG}}}use") if group.get("id") in hover else ()
        for mark, text in zip(marks, hover.get(group.get("id", ""), ()), strict=False):
            ET.SubElement(mark, f"{{{_SVG}}}title").text = text


def _qualify_ids(root: ET.Element, name: str) -> None:
    """Only what is referred to keeps an id, which begins with the figure's name."""
    href = f"{{{_LINK}}}href"
    used = {element.get(href, "")[1:] for element in root.iter()}
    used |= {
        found for element in root.iter() for value in element.attrib.values() for found in _REFERENCE.findall(value)
    }
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in used:
            element.set("id", f"{name}-{own}")
        if href in element.attrib:
            element.set(href, f"#{name}-{element.get(href, '')[1:]}")
        for key, value in element.attrib.items():
            if "url(#" in value:
                element.set(key, _REFERENCE.sub(lambda found: f"url(#{name}-{found[1]})", value))


def quantity(metric: Metric, *, ratio: bool = False, what: str = "") -> str:
    """What an axis measures: ``Change of interference (nats), lower is better``; a ratio has no unit."""
    unit = f" ({metric.unit})" if metric.unit and not ratio else ""
    better = "" if metric.better == "neither" else f", {metric.better} is better"
    return plain(f"{what}{metric.label}{unit}{better}")


def text_width(text: str, size: float = NORMAL) -> float:
    """Inches that the widest line of a text takes; other fonts that a browser may have are hardly wider."""
    from matplotlib.font_manager import FontProperties  # noqa: PLC0415
    from matplotlib.textpath import text_to_path  # noqa: PLC0415

    font = FontProperties(family="DejaVu Sans", size=size)
    measure = text_to_path.get_text_width_height_descent
    return max(float(measure(line, font, ismath=False)[0]) for line in text.split("\n")) / 72


def wrap(text: str, inches: float, size: float = NORMAL, *, breaks: str = r"(?<= )") -> str:
    """Text in lines no wider than that, unless a word is; ``breaks`` matches where a line may end. Nothing is cut."""
    lines = [""]
    for part in re.split(breaks, plain(text)):
        if lines[-1] and text_width((lines[-1] + part).rstrip(), size) > inches:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def ink_on(colour: ArrayLike) -> str:
    """Black or white, whichever is read more easily on a tile of this red, green and blue (ITU-R BT.601 luma)."""
    return "#000000" if np.dot(np.asarray(colour)[:3], (0.299, 0.587, 0.114)) > 0.5 else "#fefefe"


def log_axis(axes: Axes, which: str = "x") -> None:
    """A logarithmic axis whose ticks are plain numbers, few enough to be read."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415

    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low) if low > 0 else 9.0
    steps = (1.0,) if decades > 2.5 else (1.0, 2.0, 5.0) if decades > 0.7 else tuple(np.arange(1.0, 10.0))
    axis.set_major_locator(LogLocator(subs=steps, numticks=8))
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))


def row_axis(axes: Axes, n: int) -> None:
    """Rows from the top, without an axis of their own."""
    axes.set_ylim(n - 0.4, -0.7)
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)


def label_lines(labels: Sequence[str], right: Sequence[str]) -> list[str]:
    """Labels broken where they would run into the text at the right edge of their row."""
    room = [WIDTH - 0.3 - text_width(plain(text), SMALL) for text in right]
    return [wrap(label, inches, SMALL) for label, inches in zip(labels, room, strict=True)]


def row_height(lines: Sequence[str]) -> float:
    """Inches that a row takes whose label has so many lines."""
    return 0.25 + 0.135 * max((text.count("\n") + 1 for text in lines), default=1)


def row_labels(axes: Axes, labels: Sequence[str], *, right: Sequence[str] = (), bold: Sequence[bool] = ()) -> None:
    """A label above each row at the left edge, and a text at the right edge: long names take no room from the data."""
    under = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.4}  # lines go behind the text
    shared: Any = {"transform": axes.get_yaxis_transform(), "va": "bottom", "size": SMALL, "bbox": under}
    for row, label in enumerate(labels):
        weight = "bold" if row < len(bold) and bold[row] else "normal"
        axes.text(0, row - 0.28, label, weight=weight, linespacing=1.1, **shared)
    for row, text in enumerate(right):
        axes.text(1, row - 0.28, plain(text), ha="right", color=MUTED, **shared)


def key(drawing: Drawing, handles: Sequence[Artist], labels: Sequence[str], columns: int = 2) -> None:
    """What the marks mean, above the axes."""
    drawing.canvas.legend(
        handles, [plain(label) for label in labels], loc="outside upper left", ncols=columns, handlelength=1.6
    )
