"""A report becomes text for a terminal of a given width: the main tables at once, the rest by name unless asked for."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table as Grid
from rich.text import Text

from bench.present import numbers
from bench.present.render.layout import Layout, fit, natural, wrapped
from bench.present.report import Finding, Report, Section, Table, plain

_GAP = 2  # blanks between the columns of a table
_PROSE = 100  # columns; longer lines are hard to read
_MOST_TABLES = 5  # of a chief section, where the report is to be short


def render(report: Report, *, width: int = 80, color: bool = False, full: bool = False, opening: bool = False) -> str:
    """The report as text of at most ``width`` columns; NO_COLOR overrules ``color``.

    Without ``full``, tables show their headline rows, chief sections are their tables, and other sections are only
    named; ``opening`` leaves the verdict alone.
    """
    parts: list[RenderableType] = [Text(plain(report.title), style="bold")]
    spoken = [section for section in report.sections if section.has_words or section.tables]
    shown = [section for section in spoken if full or _is_brief(section, spoken, opening=opening)]
    parts += [_section(section, width, full=full) for section in shown]
    hidden = [section.title for section in spoken if section not in shown]
    if hidden and not opening:
        parts += ["", _prose(f"Further sections (--section TITLE, --full): {'; '.join(hidden)}.", width)]
    n_figures = sum(len(section.figures) for section in report.sections)
    if n_figures and not opening:
        parts += [_prose(f"{numbers.counted(n_figures, 'figure')}: --format html, or md.", width)]
    return _drawn(parts, width, color=color)


def _is_brief(section: Section, sections: Sequence[Section], *, opening: bool) -> bool:
    """Whether a short rendering shows a section."""
    if opening:
        return section.verdict
    if any(other.chief for other in sections):
        return section.verdict or section.chief
    return not section.appendix


def render_table(table: Table, *, width: int = 80, color: bool = False) -> str:
    """One table as text."""
    return _drawn(_table(table, width), width, color=color)


def _drawn(parts: Iterable[RenderableType], width: int, *, color: bool) -> str:
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        force_jupyter=False,  # or a notebook would show what is only captured here
        color_system="auto" if color else None,
        highlight=False,
    )
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def _section(section: Section, width: int, *, full: bool) -> Group:
    rule = Rule(Text(plain(section.title), style="bold"), align="left", style="dim")
    parts: list[RenderableType] = ["", _narrow(rule, width)]
    parts += [_prose(text, width) for text in section.text if full or not section.chief]
    for point in section.points:
        grid = Grid.grid(padding=(0, 1, 0, 0))
        grid.add_row("•", Text(plain(point)))
        parts.append(_narrow(grid, width))
    parts += [_finding(finding, min(width, _PROSE)) for finding in section.findings]
    for name, text in section.facts.items():
        if section.verdict:  # a screen is short: in one paragraph
            parts.append(_narrow(Text.assemble((f"{plain(name)}: ", "bold"), plain(text)), width))
        else:
            parts.append(_prose(name, width, "bold"))
            parts.append(_narrow(Padding(Text(plain(text)), (0, 0, 0, 2)), width))
    most = len(section.tables) if full or not section.chief else _MOST_TABLES
    for table in section.tables[:most]:
        parts += ["", *_table(table if full else _shortened(table, width), width)]
    if others := [table.caption for table in section.tables[most:]]:
        parts += ["", _prose(f"Further tables (--full, --metric NAME): {'; '.join(others)}.", width, "dim")]
    if section.lines:
        parts += ["", *(Text(plain(line), overflow="fold") for line in section.lines)]
    return Group(*parts)


def _finding(finding: Finding, width: int) -> Group:
    """Two lines: sign, label and number; and the caveat. The number goes below where both do not fit."""
    head = Text(plain(f"{finding.sign} {finding.label}"), style=f"bold {_TONES.get(finding.sign, '')}".strip())
    number = plain(finding.number)
    gap = width - cell_len(head.plain) - cell_len(number)
    caveat = Padding(Text(plain(finding.caveat), style="dim"), (0, 0, 0, 2))
    if gap > 0:
        return Group(Text.assemble(head, " " * gap, number), caveat)
    return Group(head, Padding(Text(number), (0, 0, 0, 2)), caveat)


_TONES = {"✓": "green", "~": "green", "✗": "red"}


def _prose(text: str, width: int, style: str = "") -> RenderableType:
    return _narrow(Text(plain(text), style=style), width)


def _narrow(part: RenderableType, width: int) -> RenderableType:
    return Padding(part, (0, max(0, width - _PROSE), 0, 0))


def _shortened(table: Table, width: int) -> Table:
    brief = table.brief()
    widths = natural(brief)
    return brief if sum(widths) + _GAP * (len(widths) - 1) <= width else brief.without_detail()


def _table(table: Table, width: int) -> Iterator[RenderableType]:
    """Header, rule and rows; what does not fit beside the key columns stands below them, in lines of its own."""
    yield Text(plain(table.caption), style="bold")
    layout = fit(table, width, gap=_GAP, indent=_GAP)
    header = _lines(table, table.header, layout)
    yield from (Text(line, style="dim") for line in header)
    body = [(_lines(table, row, layout), any(cell.endswith("*") for cell in row)) for row in table.rows]
    yield Text("─" * max(cell_len(line) for lines in [header, *(lines for lines, _ in body)] for line in lines), "dim")
    yield from (Text(line, style="bold" if marked else "") for lines, marked in body for line in lines)
    yield from (_prose(note, width, "dim") for note in table.notes)


def _lines(table: Table, cells: Sequence[str], layout: Layout) -> list[str]:
    """A row as lines of text, one group of columns below the other."""
    lines = []
    for position, group in enumerate(layout.groups):
        texts = [wrapped(cells[index], layout.widths[index]) for index in group]
        for parts in zip_longest(*texts, fillvalue=""):
            line = [
                _padded(part, layout.widths[index], right=table.columns[index].is_number)
                for part, index in zip(parts, group, strict=True)
            ]
            lines.append(" " * (_GAP * (position > 0)) + (" " * _GAP).join(line).rstrip())
    return lines


def _padded(text: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - cell_len(text))
    return f"{blanks}{text}" if right else f"{text}{blanks}"
