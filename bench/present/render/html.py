"""A report becomes HTML, everything escaped: one page that needs no network, or what a notebook shows of it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from itertools import chain, count
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pandas import isna

from bench.present import glossary
from bench.present.figures import style
from bench.present.report import SIGNS, Column, Figure, Report, Section, Table, plain

_COLOURS = {
    **{getattr(style, name.upper()): f"--fig-{name}" for name in ("paper", "ink", "muted", "grid", "band")},
    **{colour: f"--fig-{number}" for number, colour in enumerate(style.SERIES, start=1)},
}
"""Colours of the figures -> the properties of report.css that follow the reader's light or dark."""
_ANY = re.compile("|".join(_COLOURS))
_LOOK = re.compile(r' (?:style|fill)="[^"]*"')
"""An attribute of a mark; what a user wrote stands in none of these."""

_TONES = {"✓": "good", "✗": "bad", "=": "good", "≈": "good", "?": "open", "~": "open", "≠": "open", "–": "open"}
"""Sign of a verdict (``report.SIGNS``) -> its class in report.css."""


def render(report: Report) -> str:
    """The whole report as one file: styles, script and figures in it; a policy forbids it to load anything else."""
    script = _asset("report.js")
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return _render(
        "page.html.j2", report, sections=_placed(report), script=script, digest=digest, style=_asset("report.css")
    )


def fragment(report: Report) -> str:
    """The report as a notebook shows it: opening, main figures and tables; further sections by name.

    Main is what stands in or above a chief section; of a report without any, all that is not folded.
    """
    chief = [index for index, section in enumerate(report.sections) if section.chief]
    shown = []
    for index, section in enumerate(report.sections):
        main = not chief or section.chief or section.verdict
        parts = section.exhibits if main else section.figures if index < chief[-1] else []
        exhibits = [part.brief() if isinstance(part, Table) else part for part in parts]
        spoken = section.verdict or not chief
        if not section.appendix and (spoken or exhibits):
            shown.append((replace(section, exhibits=exhibits), spoken))
    titles = {section.title for section, _ in shown}
    others = [section.title for section in report.sections if section.title not in titles]
    return _render("notebook.html.j2", report, shown=shown, others=others, plainly=plain).strip()


def embedded(figure: Figure) -> Markup:
    """The picture as a part of a page, in the colours of the page."""
    own = _LOOK.sub(lambda look: _ANY.sub(lambda match: f"var({_COLOURS[match[0]]})", look[0]), figure.svg.decode())
    return Markup(own)  # noqa: S704 (an XML library wrote it)


def _render(template: str, report: Report, **values: object) -> str:
    return _environment().get_template(template).render(report=report, **values)


@lru_cache
def _environment() -> Environment:
    """Whatever a template shows is one line of printable text, escaped, unless it is markup of our own."""
    made = Environment(
        loader=PackageLoader("bench.present.render"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=StrictUndefined, finalize=lambda value: value if isinstance(value, Markup) else plain(value),
    )  # fmt: skip
    made.globals |= {
        "glossary": glossary, "rows": _rows, "embedded": embedded, "tone": _tone, "title": _title, "parts": _parts,
        "encoded": lambda figure: b64encode(figure.svg).decode(),
    }  # fmt: skip
    made.filters["lines"] = plain
    made.tests["figure"] = lambda exhibit: isinstance(exhibit, Figure)
    return made


def _asset(name: str) -> Markup:
    environment = _environment()
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])  # noqa: S704 (a file of ours)


class _Placed(NamedTuple):
    """A section with its anchor, and its exhibits with theirs."""

    section: Section
    anchor: str
    exhibits: Sequence[tuple[Table | Figure, str]]


def _placed(report: Report) -> list[_Placed]:
    """Anchors are the words of a title, so that a link survives another section, and numbered where they repeat."""
    taken = {"report", "glossary", *(place for place, *_ in glossary.entries())}

    def anchor(*titles: str) -> str:
        stem = "-".join(re.findall(r"[a-z0-9]+", " ".join(titles).lower())) or "part"
        name = next(name for name in chain([stem], (f"{stem}-{n}" for n in count(2))) if name not in taken)
        taken.add(name)
        return name

    return [
        _Placed(part, anchor(part.title), [(exhibit, anchor(part.title, _title(exhibit))) for exhibit in part.exhibits])
        for part in report.sections
    ]


def _title(exhibit: Table | Figure) -> str:
    return exhibit.title if isinstance(exhibit, Figure) else exhibit.caption


def _rows(table: Table) -> Iterator[tuple[bool, list[tuple[Column, str, object]]]]:
    """Whether a row is to stand out; and of its cells the text, and the number that they are sorted by."""
    judged = any(column.kind == "verdict" for column in table.columns)
    values = [table.frame[column.source[0]] if column.is_number else [""] * len(table.rows) for column in table.columns]
    for texts, numbers in zip(table.rows, zip(*values, strict=True), strict=True):
        marked = not judged and any(text.endswith("*") for text in texts)
        yield marked, list(zip(table.columns, texts, map(_key, numbers), strict=True))


def _parts(text: str) -> list[str]:
    """A number, and its interval or SD, before which a narrow column may break."""
    return [*re.split(r" (?=\[|±|×÷)", text, maxsplit=1), ""][:2]


def _key(value: Any) -> str:
    """A number as JavaScript reads it; "" sorts last."""
    return "" if value == "" or isna(value) else f"{float(value):.9g}".replace("inf", "Infinity")


def _tone(text: str) -> str:
    """The class of a text that begins with the sign of a verdict, else nothing."""
    sign, _, verdict = plain(text).partition(" ")
    return _TONES.get(sign, "") if any(known in verdict for known in SIGNS) else ""
