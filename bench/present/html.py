"""A report becomes an HTML fragment for notebooks: headings, paragraphs and simple tables, everything escaped."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from bench.present.report import Report, Section, Table, plain


def fragment(report: Report) -> str:
    """The report without a surrounding page."""
    parts = [f"<h2>{_text(report.title)}</h2>", *(part for section in report.sections for part in _section(section))]
    return f'<div class="bench-report">{"".join(parts)}</div>'


def _section(section: Section) -> Iterator[str]:
    heading = f"<h3>{_text(section.title)}</h3>"
    yield f"<details><summary>{heading}</summary>" if section.appendix else heading
    yield from (f"<p>{_text(paragraph)}</p>" for paragraph in section.text)
    if section.points:
        yield f"<ul>{''.join(f'<li>{_text(point)}</li>' for point in section.points)}</ul>"
    for table in section.tables:
        yield from _table(table)
    if section.lines:
        yield f"<pre>{chr(10).join(map(_text, section.lines))}</pre>"
    if section.appendix:
        yield "</details>"


def _table(table: Table) -> Iterator[str]:
    align = [
        ' style="text-align: right"' if column.is_number else ' style="text-align: left"' for column in table.columns
    ]
    yield f"<table><caption>{_text(table.caption)}</caption><thead><tr>"
    yield from (f'<th scope="col"{style}>{_text(label)}</th>' for label, style in zip(table.header, align, strict=True))
    yield "</tr></thead><tbody>"
    for row in table.rows:
        yield f"<tr>{''.join(f'<td{style}>{_text(cell)}</td>' for cell, style in zip(row, align, strict=True))}</tr>"
    yield "</tbody></table>"
    yield from (f"<p>{_text(note)}</p>" for note in table.notes)


def _text(text: str) -> str:
    return escape(plain(text))
