"""The tables of a report become LaTeX (booktabs), one ``table`` each, to be put into a paper."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.present.report import Report, Table, plain

_PACKAGES = "% In the preamble: \\usepackage{booktabs,graphicx} and, before 2018, \\usepackage[utf8]{inputenc}."
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",
    "]": "{]}",
    "-": "{-}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "*": "{*}",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "∞": r"$\infty$",
    "η": r"$\eta$",
    "²": r"$^2$",
    "–": "--",
    **{character: f"\\{character}" for character in "#$%&_{}"},
}
"""What LaTeX would read as a command or a ligature, or what its fonts lack -> what shows it."""


def render(report: Report) -> str:
    """The tables of the main sections; appendices and words are left out."""
    return "\n".join(_lines(report)) + "\n"


def escape(text: str) -> str:
    """Plain text as LaTeX that shows just this text."""
    return "".join(_SPECIAL.get(character, character) for character in plain(text))


def _lines(report: Report) -> Iterator[str]:
    yield f"% {plain(report.title)}"
    yield _PACKAGES
    position = 0
    for section in report.sections:
        for table in () if section.appendix else section.tables:
            position += 1
            yield from ("", *_table(table, f"tab:{_label(section.title)}-{position}"))


def _table(table: Table, label: str) -> Iterator[str]:
    """A table that shrinks to the width of the line if it is wider."""
    yield r"\begin{table}"
    yield r"  \centering\small"
    yield rf"  \caption{{{escape(' '.join([table.caption, *table.notes]))}}}\label{{{label}}}"
    yield r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    yield rf"  \begin{{tabular}}{{{''.join('r' if column.is_number else 'l' for column in table.columns)}}}"
    yield r"    \toprule"
    yield f"    {_row(table.header)}"
    yield r"    \midrule"
    yield from (f"    {_row(row)}" for row in table.rows)
    yield r"    \bottomrule"
    yield r"  \end{tabular}}"
    yield r"\end{table}"


def _row(cells: list[str]) -> str:
    return f"{' & '.join(map(escape, cells))} \\\\"


def _label(title: str) -> str:
    return re.sub(r"[^a-z]+", "-", title.lower()).strip("-")
