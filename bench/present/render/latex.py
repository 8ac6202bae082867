"""The main tables and figures of a report, and its ANOVA, become LaTeX (booktabs, longtable) for a paper."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from pandas import DataFrame

from bench.present.render.layout import fit
from bench.present.report import Figure, Report, Section, Table, plain

_PREAMBLE = r"""
% In the preamble: \usepackage{booktabs,longtable,graphicx,pifont}
% The figures are files: bench report RUN --format latex --output tables.tex writes them beside it.
""".strip()
_ROOM, _GAP, _POINTS, _MOST_LINES = 71, 2, 4.7, 36
"""Characters in 345 pt (article's page) and between columns; points of a character; rows of a float."""


def render(report: Report, *, figures: str | None = "figures", form: str = "pdf") -> str:
    """The exhibits of the main sections, of tables the headline rows; of all other words the verdict, as comments.

    ``figures`` is the folder of the pictures, relative to the file; None leaves them out. What is too wide loses its
    detail columns, then wraps its text, then is split by columns, the names of the rows repeated.
    """
    labels: dict[str, int] = {}
    parts = [f"% {plain(report.title)}", *_verdict(report), _PREAMBLE]
    for section in report.sections:
        for exhibit in section.exhibits if section.paper or not section.appendix else ():
            if isinstance(exhibit, Table):
                parts += _tables(section, exhibit, labels)
            elif figures is not None:
                parts += _figure(exhibit, f"{figures}/{exhibit.name}.{form}")
    return "\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Plain text as LaTeX that shows just this text; what its default fonts lack becomes its number, U+4F60."""
    text = plain(text)
    after = [*text[1:], ""]
    return "".join(
        _shown(one) + ("{}" if one in _MELTING and next_one in _MELTING else "")
        for one, next_one in zip(text, after, strict=bool(text))
    )


_MELTING = "-–'\"`\u2018\u2019“”?!,<>"
"""What LaTeX would melt with its like."""


def _shown(character: str) -> str:
    if character in COMMANDS:
        return COMMANDS[character]
    parts = unicodedata.normalize("NFD", character)
    is_accented = parts[0].isascii() and character < "\u0180" and "\N{COMBINING OGONEK}" not in parts
    return character if is_accented else rf"\texttt{{U+{ord(character):04X}}}"


def _verdict(report: Report) -> Iterator[str]:
    """What whoever pastes the tables must know of the run, unfinished or not."""
    for section in report.sections:
        if section.verdict:
            findings = (f"{one.sign} {one.label}: {one.number}; {one.caveat}" for one in section.findings)
            facts = (f"{name}: {text}" for name, text in section.facts.items())
            yield from (f"% {plain(said)}" for said in (*section.text, *section.points, *findings, *facts))


_SIZE = r"width=\linewidth,height=0.75\textheight,keepaspectratio"


def _figure(figure: Figure, path: str) -> Iterator[str]:
    yield from ("", r"\begin{figure}", r"  \centering", rf"  \includegraphics[{_SIZE}]{{{path}}}")
    yield from (rf"  \caption{{{escape(figure.caption)}}}\label{{fig:{figure.name}}}", r"\end{figure}")


def _tables(section: Section, table: Table, labels: dict[str, int]) -> Iterator[str]:
    shown = table.brief()
    if len(fit(shown, _ROOM, gap=_GAP).groups) > 1:
        shown = shown.without_detail()
    layout = fit(shown, _ROOM, gap=_GAP, keys=True)
    stem = re.sub(r"[^a-z0-9]+", "-", f"{section.title} {re.split('[,:(]', table.caption)[0]}".lower()).strip("-")
    for position, group in enumerate(layout.groups if shown.rows else ()):
        labels[stem] = labels.get(stem, 0) + 1
        label = f"tab:{stem}{f'-{labels[stem]}' if labels[stem] > 1 else ''}"
        words = ["(Continued.)"] if position else [*section.text[:1], *shown.notes]
        caption = escape(" ".join([f"{section.title}: {table.caption}.", *words]))
        yield from (
            "",
            _set(shown, group, [_spec(shown, index, layout.widths[index]) for index in group], caption, label),
        )


def _spec(table: Table, index: int, width: int) -> str:
    if table.columns[index].is_number:
        return "r"
    longest = max((len(row[index]) for row in [table.header, *table.rows]), default=0)
    return "l" if longest <= width else rf"p{{{width * _POINTS:.0f}pt}}"


def _set(table: Table, group: Sequence[int], specs: Sequence[str], caption: str, label: str) -> str:
    """A float, or a longtable where there are many rows; stars hang out."""
    rows = [[_STAR.sub(r"\\rlap{\1}", escape(row[index].strip())) for index in group] for row in table.rows]
    # Nothing that begins a row is read as an option of the row before.
    rows = [[f"{{}}{row[0]}" if row[0][:1] in ("[", "*") else row[0], *row[1:]] for row in rows]
    frame = DataFrame(rows, columns=[f"{{{escape(table.header[index])}}}" for index in group])
    options: dict[str, Any] = {"column_format": f"@{{}}{''.join(specs)}@{{}}", "caption": caption, "label": label}
    if len(rows) > _MOST_LINES:
        options |= {"environment": "longtable"}
    else:
        options |= {"environment": "table*", "position": "htbp", "position_float": "centering"}
    made = str(frame.style.hide(axis="index").to_latex(hrules=True, **options)).rstrip()
    small = made.replace(r"\centering", r"\centering\footnotesize", 1)  # a float begins in the document's own size
    return f"{{\\footnotesize\n{made}\n}}" if len(rows) > _MOST_LINES else small


_STAR = re.compile(r" ([*!])$")
_GREEK = {c: unicodedata.name(c).split()[-1].replace("LAMDA", "LAMBDA") for c in "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ"}
_SIGNS = (
    r"< > | - \pm \times \div \cdot \leftarrow \uparrow \downarrow \rightarrow \leftrightarrow \infty \approx \neq \leq"
)
_SIGNS += r" \geq \in \surd ^\circ ^1 ^2 ^3 \mu"
_MATHEMATICS = {
    **dict(zip("<>|−±×÷·←↑↓→↔∞≈≠≤≥∈√°¹²³µ", _SIGNS.split(), strict=True)),
    **{letter: f"\\{name.lower() if letter.islower() else name.capitalize()}" for letter, name in _GREEK.items()},
    **{digit: f"_{value}" for value, digit in enumerate("₀₁₂₃₄₅₆₇₈₉")},
}
_TEXT = r"\textbackslash{} \textasciitilde{} \textasciicircum{} \textasciigrave{} '' ` ' `` '' -- \textemdash{} \dots{}"
_TEXT += r" \textbullet{} \dag{} \ddag{} \S{} \texteuro{} \ss{} \ae{} \AE{} \o{} \O{} \l{} \L{} \oe{} \OE{} \ding{51}"
_TEXT += r" \ding{55} \fbox{?}"
COMMANDS = {
    **dict(zip('\\~^`"\u2018\u2019“”–—…•†‡§€ßæÆøØłŁœŒ✓✗\N{REPLACEMENT CHARACTER}', _TEXT.split(), strict=True)),
    **{character: f"\\{character}" for character in "#$%&_{}"},
    **{character: f"${command}$" for character, command in _MATHEMATICS.items()},
}
"""What LaTeX would act upon, or what its default fonts lack -> what shows it."""
