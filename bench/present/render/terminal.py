"""A report becomes text for a terminal of a given width: the main tables at once, the rest by name unless asked for."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table as Grid
from rich.text import Text

from bench.present import numbers
from bench.present.render.strips import strips
from bench.present.report import Finding, Report, Section, Table, plain

_GAP = 2  # columns between the columns of a table: a blank of padding and one that the box draws
_NARROWEST = 14  # a text column is not wrapped to less for the sake of its neighbours
_LONGEST_WORD = 28  # columns; longer words may be broken
_NARROWEST_STRIP = 20
_WIDEST_STRIP = 41
_PROSE = 100  # columns; longer lines are hard to read


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
        parts += ["", _prose(f"In the full report (--full, or --format html): {'; '.join(hidden)}.", width)]
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
        file=io.StringIO(), width=width, force_terminal=color, color_system="auto" if color else None, highlight=False
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
    for table in section.tables:
        parts += ["", *_table(table if full else _shortened(table, width), width)]
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
    return brief if sum(_natural_widths(brief)) - _GAP <= width else brief.without_detail()


def _table(table: Table, width: int) -> Iterator[RenderableType]:
    yield Text(plain(table.caption), style="bold")
    for position, group in enumerate(_groups(table, width)):
        if position:
            yield ""
        yield _grid(table, group, width)
    yield from (_prose(note, width, "dim") for note in table.notes)


def _grid(table: Table, group: Sequence[int], width: int) -> Grid:
    """Some columns of a table; only text wraps, unless there is no room even so. Intervals are drawn if there is."""
    natural, least = _natural_widths(table), _least_widths(table)
    fits = sum(least[index] for index in group) - _GAP <= width
    room = width - sum(natural[index] for index in group)
    scale, drawn = _strips(table, group, min(room, _WIDEST_STRIP))
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_edge=False, header_style="dim")
    for index in group:
        right = table.columns[index].is_number
        grid.add_column(
            Text(table.header[index]),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=fits and least[index] == natural[index],
        )
    if drawn:
        grid.add_column(Text(scale), no_wrap=True)
    for position, row in enumerate(table.rows):
        marked = any(cell.endswith("*") for cell in row)
        cells = [*(row[index] for index in group), *drawn[position : position + 1]]
        grid.add_row(*map(Text, cells), style="bold" if marked else "")
    return grid


def _strips(table: Table, group: Sequence[int], width: int) -> tuple[str, list[str]]:
    """Scale and intervals of the first column that can be drawn; none if there is no such column or no room."""
    columns = [table.columns[index] for index in group if table.columns[index].no_effect is not None]
    if not columns or width < _NARROWEST_STRIP:
        return "", []
    return strips(table.frame[list(columns[0].source)].to_numpy(float), columns[0].no_effect or 0.0, width)


def _groups(table: Table, width: int) -> Iterator[Sequence[int]]:
    """Columns that fit side by side; the key columns are repeated before each further group."""
    widths = _least_widths(table)
    keys = [index for index, column in enumerate(table.columns) if column.key]
    room = width + _GAP - sum(widths[index] for index in keys)
    group: list[int] = []
    for index in range(len(table.columns)):
        if index in keys:
            continue
        if group and sum(widths[other] for other in [*group, index]) > room:
            yield [*keys, *group]
            group = []
        group.append(index)
    yield [*keys, *group]


def _least_widths(table: Table) -> list[int]:
    """Widths of the columns with their gaps, where text may wrap between words."""
    return [
        width if column.is_number else min(width, max(_NARROWEST, min(longest, _LONGEST_WORD)) + _GAP)
        for width, longest, column in zip(_natural_widths(table), _longest_words(table), table.columns, strict=True)
    ]


def _longest_words(table: Table) -> list[int]:
    columns = zip(table.header, *table.rows, strict=True)
    return [max((cell_len(word) for text in texts for word in text.split()), default=0) for texts in columns]


def _natural_widths(table: Table) -> list[int]:
    return [max(map(cell_len, texts)) + _GAP for texts in zip(table.header, *table.rows, strict=True)]
