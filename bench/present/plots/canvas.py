"""Marks on axes measured in inches become an SVG: the same bytes every time, text as text, titles on marks."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame
from rich.cells import cell_len

from bench.present import numbers
from bench.present.plots.svg import finished
from bench.present.report import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import Collection

Floats = NDArray[np.float64]
Arguments = ParamSpec("Arguments")

INK, MUTED, GRID, BAND, PAPER = "#1f2328", "#5f6873", "#d9dde2", "#dfe7f1", "#ffffff"
SERIES = ("#0072b2", "#d55e00", "#00825f", "#9c4f85")
"""Colours that the colour-blind tell apart (after Okabe & Ito 2008), darkened to stand out from white as lines."""
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", "--", ":", "-.")
SIZE = 9.0
"""Points of ordinary text."""
SMALL = 8.0

_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.labelsize": SIZE,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": PAPER,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "sans-serif"],
    "font.size": SIZE,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": SMALL,
}


class Canvas:
    """A figure of ``width`` × ``height`` inches; places are inches from its left and upper edges."""

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.figure import Figure  # noqa: PLC0415 (imported only when drawn)

        self.width, self.height = width, height
        self._figure = Figure(figsize=(width, height))
        self._titles: dict[str, Sequence[str]] = {}

    def axes(self, left: float, top: float, width: float, height: float, **options: Any) -> Axes:
        """Axes whose upper left corner lies there; ``options`` as of matplotlib's ``add_axes``."""
        below = self.height - top - height
        place = (left / self.width, below / self.height, width / self.width, height / self.height)
        return self._figure.add_axes(place, **options)

    def text(self, left: float, top: float, text: str, **options: Any) -> None:
        """Text whose baseline begins there."""
        self._figure.text(left / self.width, 1 - top / self.height, plain(text), **options)

    def tell(self, marks: Collection, titles: Sequence[str]) -> None:
        """Let a reader who points at a mark read its title; one for each mark, none of them NaN."""
        name = f"told-{len(self._titles)}"
        marks.set_gid(name)
        self._titles[name] = [plain(title) for title in titles]

    def svg(self, name: str) -> bytes:
        """The finished file; ``name`` begins its ids, so that several can share a page."""
        with io.BytesIO() as buffer:
            self._figure.savefig(buffer, format="svg", metadata={"Date": None})
            return finished(buffer.getvalue(), name, self._titles)


def draw(name: str, paint: Callable[Arguments, Canvas], *args: Arguments.args, **kwargs: Arguments.kwargs) -> bytes:
    """The SVG of what ``paint(*args, **kwargs)`` draws, in the style of all figures."""
    import matplotlib as mpl  # noqa: PLC0415 (imported only when drawn)

    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        return paint(*args, **kwargs).svg(name)


def text_width(text: str, size: float = SIZE) -> float:
    """Inches that a line of text takes, with some to spare."""
    return cell_len(text) * size * 0.57 / 72


def shortened(text: str, most: int = 28) -> str:
    """At most so many characters; what is left out is out of the middle, where names differ least."""
    text = plain(text)
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[-tail:]}"


def row_labels(axes: Axes, heads: Sequence[str], rows: Sequence[Sequence[str]], first: float = 0.0) -> None:
    """Columns of text to the left of the rows of ``axes``, which lie at ``first`` and 1 apart; see ``label_widths``."""
    widths = label_widths(heads, rows)
    inches = axes.get_position().width * axes.get_figure().get_figwidth()  # type: ignore[union-attr]
    start = -sum(widths) / inches
    for column, head in enumerate(heads):
        axes.text(start, 1.0, head, transform=axes.transAxes, fontsize=SMALL, color=MUTED, va="bottom")
        for position, row in enumerate(rows):
            axes.text(start, first + position, row[column], transform=axes.get_yaxis_transform(), va="center")
        start += widths[column] / inches
    axes.set_yticks([])


def label_widths(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[float]:
    """Inches of each column of ``row_labels``, with the gap that follows it."""
    return [max(text_width(text) for text in column) + 0.12 for column in zip(heads, *rows, strict=True)]


def scale(axis_of: Axes, which: str, low: float, high: float, *, log: bool, ticks: int = 5) -> None:
    """Limits and readable ticks of the x or y axis of ``axis_of``; for ``log`` all positive."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator  # noqa: PLC0415 (as above)

    if log:
        low, high = low / (high / low) ** 0.05, high * (high / low) ** 0.05
    else:
        low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    if not low < high:
        low, high = (low / 1.1, high * 1.1) if log else (low - (abs(low) or 1) / 10, high + (abs(high) or 1) / 10)
    if log and high / low > 30:
        subs = (1.0,) if high / low > 10**ticks else (1.0, 3.0) if high / low > 300 else (1.0, 2.0, 5.0)
        locator: Any = LogLocator(base=10, subs=subs, numticks=2 * ticks)
    elif log:
        chosen = _log_ticks(low, high, ticks)
        locator = FixedLocator(chosen)
    else:
        locator = MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10])
    getattr(axis_of, f"set_{which}scale")("log" if log else "linear")
    getattr(axis_of, f"set_{which}lim")(low, high)
    axis = getattr(axis_of, f"{which}axis")
    axis.set_major_locator(locator)
    axis.set_minor_locator(FixedLocator([]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}".replace("-", "−")))


def _log_ticks(low: float, high: float, ticks: int) -> list[float]:
    """Round numbers about evenly spread over less than two decades."""
    chosen: list[float] = []
    step = math.log(high / low) / ticks
    candidates = [
        mantissa * 10.0**exponent / 100
        for exponent in range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
        for mantissa in (100, 110, 120, 130, 140, 150, 170, 200, 250, 300, 350, 400, 500, 600, 700, 800, 900)
    ]
    for preferred in (
        (100,),
        (100, 200, 500),
        (150, 300, 700),
        (120, 170, 250, 400),
        (110, 130, 140, 350, 600, 800, 900),
    ):
        for value in candidates:
            mantissa = round(value / 10.0 ** math.floor(math.log10(value) + 1e-9) * 100)
            clear = all(abs(math.log(value / other)) > 0.6 * step for other in chosen)
            if mantissa in preferred and low <= value <= high and clear:
                chosen.append(value)
    return sorted(chosen) or [low, high]


def level_axis(axes: Axes, levels: Sequence[str], width: float) -> None:
    """The levels of a factor along an x axis of so many inches, 0, 1, …; names shortened to fit side by side."""
    room = int(width / (len(levels) - 0.3) / text_width("x", SMALL))
    axes.set_xlim(-0.35, len(levels) - 0.65)
    axes.set_xticks(range(len(levels)), [shortened(level, max(3, room)) for level in levels])


def block_lines(page: Canvas, axes: Axes, x: Floats, table: DataFrame, block: str, color: str) -> None:
    """One thin line a row of ``table`` (a block), over the positions ``x`` of its columns."""
    from matplotlib.collections import LineCollection  # noqa: PLC0415 (as above)

    lines = {
        name: [pair for pair in zip(x, row, strict=True) if math.isfinite(pair[1])]
        for name, row in zip(table.index, table.to_numpy(), strict=True)
    }
    told = {name: line for name, line in lines.items() if line}
    drawn = LineCollection(list(told.values()), colors=color, linewidths=0.8, alpha=0.4)
    axes.add_collection(drawn)
    page.tell(drawn, [f"{block} {name}" for name in told])


def limits(*values: ArrayLike) -> tuple[float, float]:
    """The smallest and the largest finite value; 0 and 1 if there is none."""
    joined = np.concatenate([np.ravel(np.asarray(some, dtype=float)) for some in values])
    finite = joined[np.isfinite(joined)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)


def seed_title(block: str, seed: object, value: float) -> str:
    """What is read where the mark of one run is pointed at."""
    return f"{block} {seed}: {numbers.significant(value)}"
