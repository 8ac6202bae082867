"""A report becomes text for a terminal of a given width: the main tables at once, the rest by name unless asked for."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table as Grid
from rich.text import Text

from bench.present.report import Report, Section, Table, plain

_GAP = 2  # columns between the columns of a table: a blank of padding and one that the box draws
_PROSE = 100  # columns; longer lines are hard to read


def render(report: Report, *, width: int = 80, color: bool = False, full: bool = False) -> str:
    """The report as text of at most ``width`` columns; NO_COLOR overrules ``color``.

    Without ``full``, tables show their headline rows and appendix sections are only named.
    """
    console = Console(
        file=io.StringIO(), width=width, force_terminal=color, color_system="auto" if color else None, highlight=False
    )
    with console.capture() as capture:
        console.print(Text(plain(report.title), style="bold"))
        for section in report.sections:
            if full or not section.appendix:
                console.print(_section(section, width, full=full))
        hidden = [section.title for section in report.sections if section.appendix and not full]
        if hidden:
            console.print()
            console.print(_paragraph(f"In the full report (--full, or --format md): {'; '.join(hidden)}.", width))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def _section(section: Section, width: int, *, full: bool) -> Group:
    parts: list[RenderableType] = ["", Rule(Text(plain(section.title), style="bold"), align="left", style="dim")]
    parts += [_paragraph(text, width) for text in section.text]
    for point in section.points:
        grid = Grid.grid(padding=(0, 1, 0, 0))
        grid.add_row("•", Text(plain(point)))
        parts.append(Padding(grid, (0, max(0, width - _PROSE), 0, 0)))
    for table in section.tables:
        parts += ["", *_table(table if full else _shortened(table, width), width)]
    return Group(*parts)


def _paragraph(text: str, width: int) -> RenderableType:
    return Padding(Text(plain(text)), (0, max(0, width - _PROSE), 0, 0))


def _shortened(table: Table, width: int) -> Table:
    brief = table.brief()
    return brief if len(list(_split(brief, width))) == 1 else brief.without_detail()


def _table(table: Table, width: int) -> Iterator[RenderableType]:
    yield Text(plain(table.caption), style="bold")
    for position, chosen in enumerate(_split(table, width)):
        if position:
            yield ""
        grid = Grid(
            box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_edge=False, header_style="dim"
        )
        for index in chosen:
            right = table.columns[index].is_number
            grid.add_column(Text(table.header[index]), justify="right" if right else "left", overflow="fold")
        for row in table.rows:
            marked = any(cell.endswith("*") for cell in row)
            grid.add_row(*(Text(row[index]) for index in chosen), style="bold" if marked else "")
        yield grid
    if table.note:
        yield Padding(Text(plain(table.note), style="dim"), (0, max(0, width - _PROSE), 0, 0))


def _split(table: Table, width: int) -> Iterator[Sequence[int]]:
    """Columns that fit side by side; the key columns are repeated before each further group."""
    widths = [
        max(cell_len(text) for text in [table.header[index], *(row[index] for row in table.rows)]) + _GAP
        for index in range(len(table.columns))
    ]
    keys = [index for index, column in enumerate(table.columns) if column.key]
    room = width - sum(widths[index] for index in keys)
    group: list[int] = []
    for index in range(len(table.columns)):
        if index in keys:
            continue
        if group and sum(widths[other] for other in [*group, index]) > room + _GAP:
            yield [*keys, *group]
            group = []
        group.append(index)
    yield [*keys, *group]
