"""A report becomes HTML, everything escaped: one page that needs no network, or a fragment for notebooks."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape
from importlib.resources import files

from bench.present.report import Column, Figure, Report, Section, Table, plain

_COLOURS = {
    "#ffffff": "--fig-paper",
    "#1f2328": "--fig-ink",
    "#5f6873": "--fig-muted",
    "#d9dde2": "--fig-grid",
    "#dfe7f1": "--fig-band",
    "#0072b2": "--fig-1",
    "#d55e00": "--fig-2",
    "#00825f": "--fig-3",
    "#9c4f85": "--fig-4",
}
"""Colours of the figures (``plots.canvas``) -> the properties of report.css that follow the reader's light or dark."""


_TONES = {"✓ ": "good", "✗ ": "bad", "= ": "good", "≈ ": "good", "? ": "open", "≠ ": "open", "– ": "open"}
"""Sign of a verdict (``report.SIGNS``) -> its class in report.css."""


def page(report: Report) -> str:
    """The whole report as one file: styles, script and figures in it; a policy forbids it to load anything else."""
    assets = files("bench.present").joinpath("assets")
    style, script = (assets.joinpath(name).read_text("utf-8") for name in ("report.css", "report.js"))
    digest = b64encode(sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )
    names = _anchors(report)
    contents = "".join(
        f'<li><a href="#{name}">{_text(section.title)}</a></li>'
        for name, section in zip(names, report.sections, strict=True)
    )
    sections = "".join(_section(section, name) for name, section in zip(names, report.sections, strict=True))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{_text(report.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#report">Skip the contents</a>\n<div class="page">\n'
        f'<nav class="contents" aria-label="Contents"><p>Contents</p><ol>{contents}</ol></nav>\n'
        f'<main id="report">\n<h1>{_text(report.title)}</h1>\n{sections}</main>\n</div>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def fragment(report: Report) -> str:
    """The report without a surrounding page and without figures."""
    parts = [f"<h2>{_text(report.title)}</h2>", *(part for section in report.sections for part in _bare(section))]
    return f'<div class="bench-report">{"".join(parts)}</div>'


def embedded(figure: Figure) -> str:
    """The picture as a part of a page: named and described to who cannot see it, in the colours of the page."""
    svg = re.sub("|".join(_COLOURS), lambda found: f"var({_COLOURS[found[0]]})", figure.svg.decode())
    name = figure.name
    described = (
        f'<title id="{name}-title">{_text(figure.title)}</title><desc id="{name}-desc">{_text(figure.alt)}</desc>'
    )
    return re.sub(
        r"<svg ([^>]*)>",
        lambda found: f'<svg {found[1]} role="img" aria-labelledby="{name}-title {name}-desc">{described}',
        svg,
        count=1,
    )


def _anchors(report: Report) -> list[str]:
    return [f"section-{position}" for position in range(1, len(report.sections) + 1)]


def _section(section: Section, name: str) -> str:
    heading = f"<h2>{_text(section.title)}</h2>"
    body = "".join(
        [
            *_words(section),
            *(_figure(part) if isinstance(part, Figure) else _sortable(part) for part in section.exhibits),
            *_lines(section),
        ]
    )
    inner = f"<details><summary>{heading}</summary>{body}</details>" if section.appendix else f"{heading}{body}"
    return f'<section id="{name}"{" class=verdict" if section.verdict else ""}>{inner}</section>\n'


def _figure(figure: Figure) -> str:
    label = _text(figure.title)
    scroll = f'<div class="scroll" tabindex="0" role="group" aria-label="{label}">'
    return f"<figure>{scroll}{embedded(figure)}</div><figcaption>{_text(figure.caption)}</figcaption></figure>\n"


def _sortable(table: Table) -> str:
    scroll = f'<div class="scroll" tabindex="0" role="group" aria-label="{_text(table.caption)}">'
    notes = "".join(f'<p class="note">{_text(note)}</p>' for note in table.notes)
    return f'<div class="table">{scroll}{"".join(_table(table))}</div>{notes}</div>\n'


def _bare(section: Section) -> Iterator[str]:
    heading = f"<h3>{_text(section.title)}</h3>"
    yield f"<details><summary>{heading}</summary>" if section.appendix else heading
    yield from _words(section)
    for table in section.tables:
        yield from _table(table)
        yield from (f"<p>{_text(note)}</p>" for note in table.notes)
    yield from _lines(section)
    if section.appendix:
        yield "</details>"


def _lines(section: Section) -> Iterator[str]:
    if section.lines:
        yield f"<pre>{chr(10).join(map(_text, section.lines))}</pre>"


def _words(section: Section) -> Iterator[str]:
    yield from (f"<p>{_text(paragraph)}</p>" for paragraph in section.text)
    if section.points:
        yield f"<ul>{''.join(f'<li>{_text(point)}</li>' for point in section.points)}</ul>"
    if section.facts:
        pairs = (f"<dt>{_toned(name)}</dt><dd>{_text(text)}</dd>" for name, text in section.facts.items())
        yield f"<dl>{''.join(pairs)}</dl>"


def _table(table: Table) -> Iterator[str]:
    yield f"<table><caption>{_text(table.caption)}</caption><thead><tr>"
    for column, label in zip(table.columns, table.header, strict=True):
        yield f'<th scope="col"{_align(column)}>{_text(label)}</th>'
    yield "</tr></thead><tbody>"
    for row in table.rows:
        marked = ' class="marked"' if any(cell.endswith("*") for cell in row) else ""
        yield f"<tr{marked}>{''.join(map(_cell, table.columns, row))}</tr>"
    yield "</tbody></table>"


def _cell(column: Column, text: str) -> str:
    kind, scope = ("th", ' scope="row"') if column.key else ("td", "")
    shown = _toned(text) if column.kind == "verdict" else _text(text)
    return f"<{kind}{scope}{_align(column)}>{shown}</{kind}>"


def _align(column: Column) -> str:
    return ' class="number" style="text-align: right"' if column.is_number else ' style="text-align: left"'


def _toned(text: str) -> str:
    """Text that may begin with the sign of a verdict, which gives it a colour."""
    tone = _TONES.get(plain(text)[:2])
    return f'<span class="{tone}">{_text(text)}</span>' if tone else _text(text)


def _text(text: str) -> str:
    return escape(plain(text))
