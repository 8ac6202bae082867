"""What a report says, as data: sections of paragraphs and tables, whose cells become text here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pandas import NA, DataFrame

from bench.errors import BenchError, printable
from bench.judge.signed import ClaimVerdict, GateVerdict
from bench.present import numbers

if TYPE_CHECKING:
    from bench.present.figures.style import Drawing

Kind = Literal[
    "text", "count", "value", "statistic", "degrees", "percent", "percent_interval", "verdict", "p", "p_sided",
    "interval", "mean_sd", "mean_sd_n", "geometric",
]  # fmt: skip
PictureForm = Literal["svg", "png", "pdf"]


def plain(value: object) -> str:
    """One line of printable text: whitespace becomes a blank, control and invisible characters become U+FFFD."""
    text = numbers.MISSING if value is None or value is NA or value != value else str(value)  # noqa: PLR0124
    return printable(" ".join(text.split()))


SIGNS = {
    "supported jointly": "~",
    **{verdict.value: verdict.sign for verdict in (*ClaimVerdict, *GateVerdict) if verdict.sign},
}
"""The first words of a verdict -> the sign that tells it apart without any colour."""


def sign(verdict: str) -> str:
    """The sign of a verdict, "" if it has none."""
    return next((sign for words, sign in SIGNS.items() if verdict.startswith(words)), "")


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, the columns of the frame that each cell is made of, and how.

    ``interval`` and ``percent_interval`` read (estimate, low, high), ``mean_sd`` (mean, SD), ``mean_sd_n`` (mean, SD,
    n), ``p_sided`` (a p value, for or against); every other kind reads one column.
    ``verdict`` is text that begins with one of ``SIGNS`` and is shown behind its sign.
    ``key`` columns name the row and are repeated where a table is split to fit; ``detail`` columns are the first to
    go where a short rendering has no room. ``mark``: the column that says which numbers are marked, a p with * and
    others with !.
    """

    label: str
    source: tuple[str, ...]
    kind: Kind = "text"
    key: bool = False
    detail: bool = False
    mark: str = ""

    @property
    def is_number(self) -> bool:
        """Whether cells are set flush right."""
        return self.kind not in ("text", "verdict")

    def cells(self, frame: DataFrame) -> list[str]:
        """The text of every cell; a number has the same digits in every table and sentence."""
        texts = [_TEXT[self.kind](*row) for row in zip(*(frame[name] for name in self.source), strict=True)]
        if not self.mark or not frame[self.mark].any():
            return texts
        star = "*" if self.kind in ("p", "p_sided") else "!"
        return [f"{text} {star if marked else ' '}" for text, marked in zip(texts, frame[self.mark], strict=True)]


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of a frame as people see them.

    ``headline`` names a boolean column of the frame: a short rendering shows only the rows where it holds, and says how
    many it left out, and what ``left_out`` says of them.
    """

    caption: str
    frame: DataFrame
    columns: Sequence[Column]
    headline: str = ""
    left_out: str = ""
    notes: Sequence[str] = ()

    @property
    def header(self) -> list[str]:
        """The headings."""
        return [plain(column.label) for column in self.columns]

    @cached_property
    def rows(self) -> list[list[str]]:
        """The text of every cell, row by row."""
        return [list(row) for row in zip(*(column.cells(self.frame) for column in self.columns), strict=True)]

    def brief(self) -> Table:
        """The headline rows only."""
        if not self.headline or self.frame[self.headline].all():
            return self
        chosen = self.frame[self.frame[self.headline]]
        left_out = len(self.frame) - len(chosen)
        of_them = f", {self.left_out}" if self.left_out else ""
        more = f"({left_out} more {'row' if left_out == 1 else 'rows'} in the full report{of_them}.)"
        return replace(self, frame=chosen, headline="", notes=[more, *self.notes])

    def without_detail(self) -> Table:
        """The table without its detail columns."""
        return replace(self, columns=[column for column in self.columns if not column.detail])


@dataclass(frozen=True, eq=False)
class Figure:
    """A picture: ``alt`` says to who cannot see it what is to be seen, ``paint`` draws it.

    ``name`` is a file's stem: letters, digits, ``-`` and ``_`` only, different from that of every other figure.
    """

    name: str
    caption: str
    alt: str
    paint: Callable[[], Drawing]
    made: dict[PictureForm, bytes] = field(default_factory=dict, repr=False)
    """Format -> the picture in it, of those that were asked for."""

    @property
    def title(self) -> str:
        """The first sentence of the caption."""
        return self.caption.partition(". ")[0]

    @property
    def explanation(self) -> str:
        """The caption behind its first sentence."""
        return self.caption.partition(". ")[2]

    @cached_property
    def drawing(self) -> Drawing:
        """The picture, drawn once, in the house style; ``drawing.canvas`` is matplotlib's, to restyle as one likes."""
        from bench.present.figures.style import house_style  # noqa: PLC0415 (it needs this module)

        with house_style():
            return self.paint()

    def encode(self, form: PictureForm) -> bytes:
        """The picture in a format, made once; white below, so that it can stand on any page."""
        from bench.present.figures.style import encode  # noqa: PLC0415 (it needs this module)

        if form not in self.made:
            self.made[form] = encode(self, form)
        return self.made[form]

    @property
    def svg(self) -> bytes:
        """As SVG, with its title and description."""
        return self.encode("svg")

    def _repr_svg_(self) -> str:
        return self.svg.decode()


@dataclass(frozen=True)
class Finding:
    """What became of a claim, in two lines: sign, label and number, and below them the one thing to know besides.

    ``statement`` is what is claimed in full; a terminal leaves it to the full report.
    """

    sign: str
    label: str
    number: str
    caveat: str
    statement: str = ""


@dataclass(frozen=True, eq=False)
class Section:
    """A heading with paragraphs, points, findings, facts and exhibits, in this order; all text without markup.

    ``exhibits`` are tables and figures in the order in which they are read. ``lines``, below them, are in the format of
    a file, such as TOML to paste, and shown as they are. A ``verdict`` stands out: it is what a reader in a hurry
    reads. ``appendix`` sections are for looking things up: a short rendering only names them, and LaTeX has none but
    those that a ``paper`` shows. Where a section of the report is ``chief``, a short rendering shows the verdict and
    the tables of the chief sections, and names the others.
    """

    title: str
    text: Sequence[str] = ()
    points: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    exhibits: Sequence[Table | Figure] = ()
    lines: Sequence[str] = ()
    verdict: bool = False
    findings: Sequence[Finding] = ()
    chief: bool = False
    appendix: bool = False
    paper: bool = False

    @property
    def has_words(self) -> bool:
        """Whether it has anything to say besides its exhibits."""
        return bool(self.text or self.points or self.findings or self.facts)

    @property
    def tables(self) -> list[Table]:
        """The tables among the exhibits."""
        return [exhibit for exhibit in self.exhibits if isinstance(exhibit, Table)]

    @property
    def figures(self) -> list[Figure]:
        """The figures among the exhibits."""
        return [exhibit for exhibit in self.exhibits if isinstance(exhibit, Figure)]


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """Everything a report says; every renderer shows the same.

    Its ``repr`` is its opening, and a notebook shows that with the main figures and tables. ``data`` holds the whole
    result frames (numbers, not text) by name, for programs.
    """

    title: str
    provenance: Mapping[str, str]
    sections: Sequence[Section]
    data: Mapping[str, DataFrame] = field(default_factory=dict)

    def only(self, titles: Sequence[str]) -> Report:
        """The report with the sections whose titles begin with one of ``titles``, whatever their case, unfolded.

        Raises:
            BenchError: no section's title begins so.
        """
        known = [part.title.casefold() for part in self.sections]
        starts = tuple(title.casefold() for title in titles)
        if unknown := [title for title in titles if not any(name.startswith(title.casefold()) for name in known)]:
            hint = f"There are: {'; '.join(part.title for part in self.sections)}."
            raise BenchError(f"No section is called {' or '.join(map(repr, unknown))}.", hint=hint)
        kept = [part for part in self.sections if part.title.casefold().startswith(starts)]
        return replace(self, sections=[replace(part, appendix=False, chief=False) for part in kept])

    @property
    def figures(self) -> Mapping[str, Figure]:
        """All figures by name; ``figures["claims"].drawing.canvas`` is a matplotlib ``Figure``, to restyle."""
        return {figure.name: figure for section in self.sections for figure in section.figures}

    def __str__(self) -> str:
        from bench.present.render import terminal  # noqa: PLC0415 (a renderer needs this module)

        return terminal.render(self, width=100)

    def __repr__(self) -> str:
        from bench.present.render import terminal  # noqa: PLC0415 (a renderer needs this module)

        opening = any(section.verdict for section in self.sections)
        return terminal.render(self, width=80, opening=opening).rstrip()

    def _repr_html_(self) -> str:
        from bench.present.render import html  # noqa: PLC0415 (a renderer needs this module)

        return html.fragment(self)


class Shown:
    """What shows itself by its report: as plain text the opening, in a notebook with the main figures and tables."""

    def report(self) -> Report:
        """The whole report, for every format."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return repr(self.report())

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()


_TEXT: Mapping[Kind, Callable[..., str]] = {
    "text": plain, "verdict": lambda text: plain(f"{sign(str(text))} {text}"),
    "count": numbers.count, "value": numbers.significant, "statistic": numbers.statistic,
    "degrees": lambda value: numbers.fixed(value, 0 if float(value).is_integer() else 1),
    "p": numbers.p_value, "p_sided": lambda p, side: f"{numbers.p_value(p)} {side}".strip(),
    "percent": numbers.percent, "percent_interval": numbers.percent_interval, "interval": numbers.interval,
    "geometric": numbers.geometric, "mean_sd": numbers.mean_sd,
    "mean_sd_n": lambda mean, sd, n: f"{numbers.mean_sd(mean, sd)} (n={numbers.count(n)})",
}  # fmt: skip
