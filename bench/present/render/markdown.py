"""A report becomes GitHub-flavoured Markdown that is also readable raw: aligned tables, appendices folded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from rich.cells import cell_len, set_cell_size

from bench.present import numbers
from bench.present.report import Figure, Finding, Report, Section, Table, plain


def render(report: Report, *, figures: str | None = "figures") -> str:
    """The whole report, a paragraph a line; any text in it shows as it is written and is never read as markup.

    (What GitHub reads into plain text, names of people and numbers of issues, stays as it is.)

    A comment on GitHub would show every line break of a paragraph, so that paragraphs are not wrapped. ``figures`` is
    the folder of the pictures, relative to the file; None leaves only their captions.
    """
    return "\n".join(_lines(report, figures)) + "\n"


MOST = 65_536
"""Characters that GitHub takes in a comment."""


def comment(report: Report, *, most: int = MOST) -> str:
    """The report for a comment: its main sections without pictures, cut where GitHub would refuse it."""
    kept = [replace(section, exhibits=section.tables) for section in report.sections if not section.appendix]
    shown = [
        part for part in kept if part.text or part.points or part.findings or part.facts or part.exhibits or part.lines
    ]
    text = render(replace(report, sections=shown), figures=None)
    left_out = [plain(section.title) for section in report.sections if section.appendix]
    said = [f"The whole report has more: {', '.join(left_out)}."] if left_out else []
    end = "".join(f"\n{escape(sentence)}\n" for sentence in said)
    if len(text + end) <= most:
        return text + end
    end = f"\nCut here: a comment has at most {most} characters.\n{end}"
    return text[: max(0, most - len(end))].rpartition("\n")[0] + end


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


def _cell(text: str, *, unbroken: int = 0) -> str:
    """The text between bars; so many of its first blanks do not break a line, all for -1."""
    return _inline(text).replace("|", "\\|").replace(" ", "\N{NO-BREAK SPACE}", unbroken)


def _lines(report: Report, figures: str | None) -> Iterator[str]:
    yield f"# {escape(report.title)}"
    for section in report.sections:
        yield from ("", f"## {escape(section.title)}")
        if section.appendix:
            yield from ("", f"<details><summary>{_contents(section)}</summary>")
        yield from _section(section, figures)
        if section.appendix:
            yield from ("", "</details>")


def _contents(section: Section) -> str:
    """What a folded section holds."""
    counts = ((len(section.figures), "figure"), (len(section.tables), "table"))
    held = [numbers.counted(count, noun) for count, noun in counts if count]
    return f"Show {numbers.listed(held)}" if held else "Show"


def _section(section: Section, figures: str | None) -> Iterator[str]:
    for paragraph in section.text:
        yield from ("", escape(paragraph))
    if section.points:
        yield ""
        yield from (f"- {escape(point)}" for point in section.points)
    if section.findings:
        yield ""
        yield from (f"- {_finding(finding)}" for finding in section.findings)
    if section.facts:
        yield ""
        yield from (f"- {_fact(name, text)}" for name, text in section.facts.items())
    for part in section.exhibits:
        yield from _figure(part, figures) if isinstance(part, Figure) else _captioned(part)
    if section.lines:
        yield from ("", "```toml", *map(plain, section.lines), "```")


def _finding(finding: Finding) -> str:
    head = _fact(f"{finding.sign} {finding.label}", f"{finding.number}; {finding.caveat}.")
    return f"{head} {escape(f'“{finding.statement}”')}" if finding.statement else head


def _fact(name: str, text: str) -> str:
    return f"{_bold(f'{plain(name)}:')} {_inline(text)}" if plain(name) else escape(text)


def _bold(text: str) -> str:
    bold = _IN_BOLD.sub(_ESCAPED, plain(text))
    return f"**{bold}**" if bold else ""


def _figure(figure: Figure, folder: str | None) -> Iterator[str]:
    if folder is not None:
        yield from ("", f"![{_IN_BRACKETS.sub(_ESCAPED, plain(figure.alt))}]({folder}/{figure.name}.svg)")
    yield from ("", escape(figure.caption))


def _captioned(table: Table) -> Iterator[str]:
    yield from ("", _bold(table.caption), "")
    yield from _table(table)
    for note in table.notes:
        yield from ("", escape(note))


def _table(table: Table) -> Iterator[str]:
    right = [column.is_number for column in table.columns]
    header = [_cell(cell) for cell in table.header]
    unbroken = [-1 if column.is_number else int(column.kind == "verdict") for column in table.columns]
    rows = [[_cell(cell, unbroken=blanks) for cell, blanks in zip(row, unbroken, strict=True)] for row in table.rows]
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
