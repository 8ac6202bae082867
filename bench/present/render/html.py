"""A report becomes HTML, everything escaped: one page that needs no network, or a fragment for notebooks."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from itertools import chain, count
from typing import NamedTuple

from bench.present.figures import style
from bench.present.report import SIGNS, Column, Figure, Finding, Report, Section, Table, plain

_COLOURS = {
    style.PAPER: "--fig-paper",
    style.INK: "--fig-ink",
    style.MUTED: "--fig-muted",
    style.GRID: "--fig-grid",
    style.BAND: "--fig-band",
    **{colour: f"--fig-{number}" for number, colour in enumerate(style.SERIES, start=1)},
}
"""Colours of the figures -> the properties of report.css that follow the reader's light or dark."""
_ANY = re.compile("|".join(_COLOURS))
_LOOK = re.compile(r' (?:style|fill)="[^"]*"')
"""An attribute of a mark; what a user wrote stands in none of these."""


_TONES = {"✓ ": "good", "✗ ": "bad", "= ": "good", "≈ ": "good", "? ": "open", "~ ": "open", "≠ ": "open", "– ": "open"}
"""Sign of a verdict (``report.SIGNS``) -> its class in report.css."""

_PORTRAIT = 10
"""So many columns fit an upright page; a table with more is printed across."""


def page(report: Report) -> str:
    """The whole report as one file: styles, script and figures in it; a policy forbids it to load anything else."""
    assets = files("bench.present.render").joinpath("assets")
    style, script = (assets.joinpath(name).read_text("utf-8") for name in ("report.css", "report.js"))
    digest = b64encode(sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )
    placed = _placed(report)
    sections = "".join(_section(part) for part in placed)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{_text(report.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#report">Skip the contents</a>\n<div class="page">\n'
        f'<nav class="contents" aria-label="Contents">{_contents(placed)}</nav>\n'
        f'<main id="report">\n<h1>{_text(report.title)}</h1>\n{sections}</main>\n</div>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def fragment(report: Report) -> str:
    """The report without a surrounding page; the pictures of its main sections, in their own style."""
    parts = [f"<h2>{_text(report.title)}</h2>", *(part for section in report.sections for part in _bare(section))]
    return f'<div class="bench-report">{"".join(parts)}</div>'


def embedded(figure: Figure) -> str:
    """The picture as a part of a page, in the colours of the page."""
    return _LOOK.sub(lambda look: _ANY.sub(lambda match: f"var({_COLOURS[match[0]]})", look[0]), figure.svg.decode())


class _Placed(NamedTuple):
    """A section with its anchor, and its exhibits with theirs."""

    section: Section
    anchor: str
    exhibits: Sequence[tuple[Table | Figure, str]]


def _placed(report: Report) -> list[_Placed]:
    """Anchors are the words of a title, so that a link survives another section, and numbered where they repeat."""
    taken = {"report"}

    def anchor(*titles: str) -> str:
        stem = "-".join(re.findall(r"[a-z0-9]+", " ".join(titles).lower())) or "part"
        name = next(name for name in chain([stem], (f"{stem}-{n}" for n in count(2))) if name not in taken)
        taken.add(name)
        return name

    return [
        _Placed(
            section, anchor(section.title), [(part, anchor(section.title, _title(part))) for part in section.exhibits]
        )
        for section in report.sections
    ]


def _title(exhibit: Table | Figure) -> str:
    return exhibit.title if isinstance(exhibit, Figure) else exhibit.caption


def _contents(placed: Sequence[_Placed]) -> str:
    """Links to the sections, those for looking things up last; below a section those to its tables, or else figures."""
    first = "".join(_entry(part) for part in placed if not part.section.appendix)
    last = "".join(_entry(part) for part in placed if part.section.appendix)
    for_looking_up = f"<p>For looking up</p><ol>{last}</ol>" if last else ""
    return f"<details><summary>Contents<span></span></summary><div><ol>{first}</ol>{for_looking_up}</div></details>"


def _entry(part: _Placed) -> str:
    kind = Table if part.section.tables else Figure
    inner = [_link(_title(exhibit), anchor) for exhibit, anchor in part.exhibits if isinstance(exhibit, kind)]
    below = f"<ol>{''.join(f'<li>{link}</li>' for link in inner)}</ol>" if len(inner) > 1 else ""
    return f"<li>{_link(part.section.title, part.anchor)}{below}</li>"


def _link(text: str, anchor: str) -> str:
    return f'<a href="#{anchor}">{_text(text)}</a>'


def _section(part: _Placed) -> str:
    section = part.section
    heading = f"<h2>{_text(section.title)}</h2>"
    exhibits = "".join(
        _figure(exhibit, anchor) if isinstance(exhibit, Figure) else _sortable(exhibit, anchor)
        for exhibit, anchor in part.exhibits
    )
    shown = f'<div class="exhibits">\n{exhibits}</div>' if exhibits else ""
    body = "".join([*_words(section), shown, *_lines(section)])
    inner = f"<details><summary>{heading}</summary>{body}</details>" if section.appendix else f"{heading}{body}"
    return f'<section id="{part.anchor}"{" class=verdict" if section.verdict else ""}>{inner}</section>\n'


def _figure(figure: Figure, anchor: str) -> str:
    shown = _scrolling(figure.title, embedded(figure))
    return f'<figure id="{anchor}">{shown}<figcaption>{_text(figure.caption)}</figcaption></figure>\n'


def _sortable(table: Table, anchor: str) -> str:
    wide = " wide" if len(table.columns) > _PORTRAIT else ""
    notes = "".join(f'<p class="note">{_text(note)}</p>' for note in table.notes)
    return f'<div class="table{wide}" id="{anchor}">{_scrolling(table.caption, "".join(_table(table)))}{notes}</div>\n'


def _scrolling(label: str, inner: str) -> str:
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{_text(label)}">{inner}</div>'


def _bare(section: Section) -> Iterator[str]:
    heading = f"<h3>{_text(section.title)}</h3>"
    yield f"<details><summary>{heading}</summary>" if section.appendix else heading
    yield from _words(section)
    for part in section.tables if section.appendix else section.exhibits:
        if isinstance(part, Figure):
            data = b64encode(part.svg).decode()
            yield f'<p><img alt="{_text(part.alt)}" src="data:image/svg+xml;base64,{data}"></p>'
            yield f"<p>{_text(part.caption)}</p>"
        else:
            yield from _table(part)
            yield from (f"<p>{_text(note)}</p>" for note in part.notes)
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
    if section.findings:
        yield f'<ul class="findings">{"".join(map(_finding, section.findings))}</ul>'
    if section.facts:
        pairs = (f"<dt>{_toned(name)}</dt><dd>{_text(text)}</dd>" for name, text in section.facts.items())
        yield f"<dl>{''.join(pairs)}</dl>"


def _finding(finding: Finding) -> str:
    tone = _TONES.get(f"{finding.sign} ", "open")
    statement = f"<br>“{_text(finding.statement)}”" if finding.statement else ""
    return (
        f'<li><span class="{tone}">{_text(f"{finding.sign} {finding.label}")}</span> '
        f"<strong>{_text(finding.number)}</strong><br>{_text(finding.caveat)}{statement}</li>"
    )


def _table(table: Table) -> Iterator[str]:
    yield f"<table><caption>{_text(table.caption)}</caption><thead><tr>"
    for column, label in zip(table.columns, table.header, strict=True):
        yield f'<th scope="col"{_align(column)}>{_text(label)}</th>'
    yield "</tr></thead><tbody>"
    judged = any(column.kind == "verdict" for column in table.columns)
    for row in table.rows:
        marked = ' class="marked"' if not judged and any(cell.endswith("*") for cell in row) else ""
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
    shown = plain(text)
    tone = _TONES.get(shown[:2]) if any(verdict in shown for verdict in SIGNS) else None
    return f'<span class="{tone}">{_text(text)}</span>' if tone else _text(text)


def _text(text: str) -> str:
    return escape(plain(text))
