"""The house style: colours, sizes and axes that every figure shares, and a matplotlib figure as SVG for any page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, filterwarnings

import numpy as np
from numpy.typing import ArrayLike
from pandas import DataFrame

from bench.experiment import Metric
from bench.present import numbers
from bench.present.report import Figure, PictureForm, plain

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
LINE = 0.15
"""Inches between lines of an axis label."""

_STYLE: Any = {
    "axes.axisbelow": True, "axes.edgecolor": MUTED, "axes.grid": True, "axes.grid.axis": "x", "axes.labelcolor": INK,
    "axes.labelsize": NORMAL, "axes.linewidth": 0.8, "axes.spines.right": False, "axes.spines.top": False,
    "axes.titlesize": NORMAL, "axes.unicode_minus": True,
    "figure.constrained_layout.h_pad": 0.06, "figure.constrained_layout.use": True, "figure.facecolor": PAPER,
    "font.family": ["DejaVu Sans"], "font.size": NORMAL, "grid.color": GRID, "grid.linewidth": 0.6,
    "legend.fontsize": SMALL, "legend.frameon": False, "lines.linewidth": 1.4, "pdf.fonttype": 42, "savefig.dpi": 200,
    "svg.fonttype": "none", "text.color": INK, "text.parse_math": False,
    **{f"{axis}tick.{name}": value for axis in "xy"
       for name, value in (("color", MUTED), ("labelcolor", INK), ("labelsize", SMALL))},
}  # fmt: skip


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
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415

    canvas = Canvas(figsize=(WIDTH, height))
    FigureCanvasSVG(canvas)
    axes = canvas.subplots(rows, columns, squeeze=False, **options)
    return Drawing(canvas), list(axes.ravel())


def encode(figure: Figure, form: PictureForm) -> bytes:
    """The picture in a format, without a date: the same bytes for the same drawing.

    Of SVG the text is searchable, and the ids are unlike those of other figures on a page; it is named and described.
    Colours stay as attributes, so that a page can put others in their place.
    """
    import matplotlib as mpl  # noqa: PLC0415

    canvas, written = figure.drawing.canvas, BytesIO()
    metadata = {"svg": ("Creator", "Date", "Format", "Type"), "pdf": ("CreationDate",), "png": ("Software",)}[form]
    with house_style(), mpl.rc_context({"svg.hashsalt": figure.name, "figure.constrained_layout.use": False}):
        if layout := canvas.get_layout_engine():
            layout.execute(canvas)  # once for all formats; savefig would draw all of it to find the same
            canvas.set_layout_engine(None)
        canvas.savefig(written, format=form, metadata=dict.fromkeys(metadata))
    return _described(figure, written.getvalue().decode()) if form == "svg" else written.getvalue()


def _described(figure: Figure, svg: str) -> bytes:
    _, root, body = re.split(r"(<svg [^>]*>)", svg, maxsplit=1)
    for mark, texts in figure.drawing.hover.items():
        body = _name_marks(body, mark, texts)
    # What nobody refers to needs no name, and matplotlib's rule for all elements would hold for the whole page.
    body = re.sub(r'(<g) id="[^"]*"|<style.*?</style>', r"\1", body, flags=re.DOTALL)
    name = figure.name
    named = "".join(f'<{tag} id="{name}-{tag}">{escape(plain(text)) or " "}</{tag}>'
                    for tag, text in (("title", figure.title), ("desc", figure.alt)))  # fmt: skip
    look = f'role="img" aria-labelledby="{name}-title {name}-desc" style="stroke-linejoin: round; stroke-linecap: butt"'
    return f"{root[:-1]} {look}>{named}{body}".encode()


def _name_marks(body: str, group: str, texts: Sequence[str]) -> str:
    """Each mark of a group with a text that is read where it is pointed at."""
    before, start, marks = body.partition(f'<g id="{group}">')
    told = iter(texts)
    return before + start + re.sub(
        r"(<use [^>]*)/>", lambda use: f"{use[1]}><title>{escape(next(told))}</title></use>", marks, count=len(texts)
    )  # fmt: skip


def quantity(metric: Metric, change: str = "", *, inches: float = WIDTH - 0.3) -> str:
    """What an axis measures, in lines no wider: ``Change of cost (nats), lower is better``; a ratio has no unit.

    ``change``: "difference" or "ratio", or nothing for the metric itself.
    """
    what = {"": "", "difference": "Change of ", "ratio": "Ratio of "}[change]
    unit = f" ({metric.unit})" if metric.unit and change != "ratio" else ""
    better = "" if metric.better == "neither" else f", {metric.better} is better"
    return wrap(f"{what}{metric.label}{unit}{better}", inches)


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


def neutral_line(axes: Axes, at: float, n: int) -> None:
    """The value that stands for no effect, in each of ``n`` rows below its label: no line crosses text."""
    axes.vlines([at] * n, np.arange(n) - 0.25, np.arange(n) + 0.25, color=INK, lw=0.9, zorder=1)


def estimates(rows: DataFrame) -> list[str]:
    """Estimates with the digits that their intervals leave meaningful, behind × where they are ratios."""
    return [
        f"{numbers.times(scale)}{numbers.with_spread(estimate, (high - low) / 2)}"
        for estimate, low, high, scale in rows[["estimate", "low", "high", "scale"]].itertuples(index=False)
    ]


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
