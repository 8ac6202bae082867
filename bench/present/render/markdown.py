"""A report becomes GitHub-flavoured Markdown: tables as wide as its page, appendices folded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape as html_escape

from bench.present import numbers
from bench.present.render.layout import fit
from bench.present.report import Figure, Finding, Report, Section, Table, plain

_ROOM, _GAP = 104, 4
"""Characters in the width of GitHub's file view, some 830 px, and between the columns of a table."""


def render(report: Report, *, figures: str | None = "figures", form: str = "svg") -> str:
    """The report, a paragraph a line; any text in it shows as it is written and is never read as markup.

    (What GitHub reads into plain text, names of people and numbers of issues, stays as it is.)

    A comment on GitHub would show every line break of a paragraph, so that paragraphs are not wrapped. ``figures`` is
    the folder of the pictures, relative to the file; None leaves only their captions.
    """
    lines = [f"# {escape(report.title)}"]
    for section in report.sections:
        lines += ["", f"## {escape(section.title)}"]
        body = [*words(section), *_exhibits(section, figures, form)]
        lines += folded(_contents(section), body) if section.appendix else body
    return "\n".join(lines) + "\n"


def folded(summary: str, body: Sequence[str]) -> list[str]:
    """Lines below a summary that is clicked to see them."""
    return ["", f"<details><summary>{html_escape(summary)}</summary>", *body, "", "</details>"]


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


def _contents(section: Section) -> str:
    """What a folded section holds."""
    counts = ((len(section.figures), "figure"), (len(section.tables), "table"))
    held = [numbers.counted(count, noun) for count, noun in counts if count]
    return f"Show {numbers.listed(held)}" if held else "Show"


def words(section: Section) -> list[str]:
    """Paragraphs, points, findings, facts, and lines to paste."""
    lines = [line for paragraph in section.text for line in ("", escape(paragraph))]
    facts = [_fact(name, text) for name, text in section.facts.items()]
    for items in (map(escape, section.points), map(_finding, section.findings), facts):
        listed = [f"- {item}" for item in items]
        lines += ["", *listed] if listed else []
    return [*lines, "", "```toml", *map(plain, section.lines), "```"] if section.lines else lines


def _exhibits(section: Section, figures: str | None, form: str) -> Iterator[str]:
    for part in section.exhibits:
        yield from _figure(part, figures, form) if isinstance(part, Figure) else captioned(part)


def _finding(finding: Finding) -> str:
    head = _fact(f"{finding.sign} {finding.label}", f"{finding.number}; {finding.caveat}.")
    return f"{head} {escape(f'“{finding.statement}”')}" if finding.statement else head


def _fact(name: str, text: str) -> str:
    return f"{_bold(f'{plain(name)}:')} {_inline(text)}" if plain(name) else escape(text)


def _bold(text: str) -> str:
    bold = _IN_BOLD.sub(_ESCAPED, plain(text))
    return f"**{bold}**" if bold else ""


def _figure(figure: Figure, folder: str | None, form: str) -> Iterator[str]:
    if folder is not None:
        yield from ("", f"![{_IN_BRACKETS.sub(_ESCAPED, plain(figure.alt))}]({folder}/{figure.name}.{form})")
    yield from ("", escape(figure.caption))


def captioned(table: Table) -> Iterator[str]:
    """A table below its caption, with its notes."""
    yield from ("", _bold(table.caption))
    if len(fit(table, _ROOM, gap=_GAP).groups) > 1:
        table = table.without_detail()
    for group in fit(table, _ROOM, gap=_GAP, keys=True).groups:
        yield from ("", *_table(table, group))
    for note in table.notes:
        yield from ("", escape(note))


def _table(table: Table, group: Sequence[int]) -> Iterator[str]:
    columns = [table.columns[index] for index in group]
    unbroken = [-1 if column.is_number else int(column.kind == "verdict") for column in columns]
    yield _row([_cell(table.header[index]) for index in group])
    yield _row(["---:" if column.is_number else "---" for column in columns])
    for row in table.rows:
        yield _row([_cell(row[index], unbroken=blanks) for index, blanks in zip(group, unbroken, strict=True)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
