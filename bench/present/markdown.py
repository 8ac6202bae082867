"""A report becomes GitHub-flavoured Markdown that is also readable raw: aligned tables, appendices folded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len, set_cell_size

from bench.present.report import Figure, Report, Section, Table, plain


def render(report: Report, *, figures: str | None = "figures") -> str:
    """The whole report; any text in it shows as it is written and is never read as markup.

    ``figures`` is the folder of the pictures, relative to the file; None leaves only their captions.
    """
    return "\n".join(_lines(report, figures)) + "\n"


def escape(text: str) -> str:
    """Plain text as a paragraph that renders as just this text, with no more backslashes than that takes."""
    return _START.sub(r"\1\\\2", _inline(text))


_MARKUP = re.compile(
    r"""
    [\\`~$]                         # escapes, code, strikethrough, formulas
    | \*(?=\S) | (?<=\S)\*          # emphasis; a star that stands alone is a star
    | (?<![^\W_])_ | _(?![^\W_])    # an underscore that could open or close emphasis, not one inside a word
    | <(?=[A-Za-z/!?])              # tags
    | \](?=[(\[:])                  # links and their definitions
    | &(?=[#\w])                    # entities
    | \#(?=\#*$)                    # the end of a heading
    """,
    re.VERBOSE,
)
_IN_BRACKETS = re.compile(rf"{_MARKUP.pattern} | [\[\]]", re.VERBOSE)
_IN_BOLD = re.compile(rf"{_MARKUP.pattern} | \*", re.VERBOSE)
_ESCAPED = r"\\\g<0>"
_START = re.compile(r"^(\d*)([#>+*=|-]|\[(?=[ xX]\])|(?<=\d)[.)](?=\s|$))")
"""What would make a line something else than a paragraph."""


def _inline(text: str) -> str:
    return _MARKUP.sub(_ESCAPED, plain(text))


def _cell(text: str) -> str:
    return _inline(text).replace("|", "\\|")


def _lines(report: Report, figures: str | None) -> Iterator[str]:
    yield f"# {escape(report.title)}"
    for section in report.sections:
        yield from ("", f"## {escape(section.title)}")
        if section.appendix:
            yield from ("", "<details><summary>Show</summary>")
        yield from _section(section, figures)
        if section.appendix:
            yield from ("", "</details>")


def _section(section: Section, figures: str | None) -> Iterator[str]:
    for paragraph in section.text:
        yield from ("", escape(paragraph))
    if section.points:
        yield ""
        yield from (f"- {escape(point)}" for point in section.points)
    if section.facts:
        yield ""
        yield from (f"- {_fact(name, text)}" for name, text in section.facts.items())
    for part in section.exhibits:
        yield from _figure(part, figures) if isinstance(part, Figure) else _captioned(part)
    if section.lines:
        yield from ("", "```toml", *map(plain, section.lines), "```")


def _fact(name: str, text: str) -> str:
    bold = _IN_BOLD.sub(_ESCAPED, plain(name))
    return f"**{bold}:** {_inline(text)}" if bold else escape(text)


def _figure(figure: Figure, folder: str | None) -> Iterator[str]:
    if folder is not None:
        yield from ("", f"![{_IN_BRACKETS.sub(_ESCAPED, plain(figure.alt))}]({folder}/{figure.name}.svg)")
    yield from ("", escape(figure.caption))


def _captioned(table: Table) -> Iterator[str]:
    yield from ("", f"### {escape(table.caption)}", "")
    yield from _table(table)
    for note in table.notes:
        yield from ("", escape(note))


def _table(table: Table) -> Iterator[str]:
    right = [column.is_number for column in table.columns]
    header, *rows = ([_cell(cell) for cell in row] for row in [table.header, *table.rows])
    widths = [max(3, *(cell_len(row[index]) for row in [header, *rows])) for index in range(len(header))]
    yield _row(header, widths, right)
    yield _row(
        [f"{'-' * (width - 1)}{':' if flush else '-'}" for width, flush in zip(widths, right, strict=True)],
        widths,
        right,
    )
    yield from (_row(row, widths, right) for row in rows)


def _row(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = (
        f"{' ' * (width - cell_len(cell))}{cell}" if flush else set_cell_size(cell, width)
        for cell, width, flush in zip(cells, widths, right, strict=True)
    )
    return f"| {' | '.join(padded)} |"
