"""The main tables of a report become LaTeX (booktabs), set as in a paper, to be put into one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from bench.present import numbers
from bench.present.render.latex_text import FALLBACK, escape, width
from bench.present.report import Column, Report, Section, Table, plain

_PREAMBLE = r"""
% In the preamble: \usepackage{array,booktabs,pifont}
% A table* spans both columns of a two-column paper; in one column it is a table.
""".strip()
_FOREIGN = r"""
% Characters that pdfLaTeX has no font for appear as their numbers in boxes. LuaLaTeX and XeLaTeX show those that
% the document's font has; with a package that teaches pdfLaTeX, say \newcommand{\benchchar}[2]{#2} in the preamble.
""".strip()
_PAGE, _COLUMN = 345.0, 200.0
"""Points: the narrowest common page of one column, article's, and its column where there are two."""
_GAP, _SMALL = 12.0, 9 / 8
"""Points between columns; how much larger than footnotes a table is set where it has room."""
_MOST_LINES = 36
"""A longer table is continued in another."""
_NARROWEST = 64.0
"""Points: no column of text is wrapped to less."""


def render(report: Report) -> str:
    """The tables of the main sections, only their headline rows; of all other words only the verdict, as comments.

    Neighbours with the same columns become panels of one table. What is too wide loses its detail columns, then wraps
    its text, then is split; nothing is scaled.
    """
    body = "\n".join(line for table in _tables(report) for line in ("", *table))
    foreign = (_FOREIGN, FALLBACK) if r"\benchchar" in body else ()
    return "\n".join([f"% {plain(report.title)}", *_verdict(report), _PREAMBLE, *foreign, body]) + "\n"


def _verdict(report: Report) -> Iterator[str]:
    """What whoever pastes the tables must know of the run, unfinished or not."""
    for section in report.sections:
        if section.verdict:
            findings = (f"{one.sign} {one.label}: {one.number}; {one.caveat}" for one in section.findings)
            facts = (f"{name}: {text}" for name, text in section.facts.items())
            yield from (f"% {plain(said)}" for said in (*section.text, *section.points, *findings, *facts))


@dataclass(frozen=True)
class _Set:
    """A column as it is set, in one or two columns of a ``tabular``: what it holds, and points.

    ``widths`` are those of its cells on one line, ``width`` its own.
    """

    column: Column
    spec: str
    heading: str
    cells: Sequence[str]
    widths: Sequence[float]
    width: float

    def lines(self, row: int) -> int:
        """How many lines the cell takes."""
        return 1 if self.widths[row] <= self.width else math.ceil(1.1 * self.widths[row] / self.width)


@dataclass(frozen=True)
class _Panel:
    """Rows under a title of their own; ``rows`` are positions in the columns."""

    title: str
    rows: Sequence[int]


def _tables(report: Report) -> Iterator[Iterator[str]]:
    labels: dict[str, int] = {}
    for section in report.sections:
        if not section.appendix:
            alike = [list(tables) for _, tables in groupby(section.tables, key=lambda table: table.header)]
            for position, tables in enumerate(alike):
                words = section.text if position == 0 else ()
                name = "" if len(alike) == 1 else _name(tables[0])
                yield from _merged(section, tables, words, f"tab:{_slug(f'{section.title} {name}')}", labels)


def _name(table: Table) -> str:
    """``MACS`` of ``MACS, lower is better``."""
    return re.split("[,:(]", table.caption)[0].strip()


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _merged(
    section: Section, tables: Sequence[Table], words: Sequence[str], label: str, labels: dict[str, int]
) -> Iterator[Iterator[str]]:
    """Tables with the same columns as one, in as many parts as its length and width ask for."""
    shown = [table.brief() for table in tables]
    names = numbers.listed([_name(table) for table in tables]) if len(tables) > 1 else tables[0].caption
    left_out = sum(len(table.frame) - len(brief.frame) for table, brief in zip(tables, shown, strict=True))
    notes = list(_notes(tables, words, left_out))
    parts = [(group, panels) for group in _groups(_fitted(shown)) for panels in _pages(shown, group)]
    for position, (group, panels) in enumerate(parts):
        labels[label] = labels.get(label, 0) + 1
        own = label if labels[label] == 1 else f"{label}-{labels[label]}"
        caption = f"{section.title}: {names}{' (continued)' if position else ''}"
        yield _table(caption, own, group, panels, () if position else notes)


def _notes(tables: Sequence[Table], words: Sequence[str], left_out: int) -> Iterator[str]:
    yield from words
    for table in tables:
        yield from (f"{table.caption}: {note}" if len(tables) > 1 else note for note in table.notes)
    if left_out:
        yield f"{left_out} more {'row is' if left_out == 1 else 'rows are'} in the full report."


def _fitted(tables: Sequence[Table]) -> list[_Set]:
    """The columns of tables alike: all where they fit, else without details, else with their text wrapped."""
    whole = [_set(column, [table.rows for table in tables], at) for at, column in enumerate(tables[0].columns)]
    if _total(whole) <= _PAGE:
        return whole
    columns = [column for column in whole if not column.column.detail]
    excess = _total(columns) - _PAGE
    keys = sum(column.width for column in columns if column.column.key)
    long = [c for c in columns if _wraps(c) and (not c.column.key or keys > _PAGE / 2)]
    if excess <= 0 or not long:
        return columns
    share = _shares(long, sum(column.width for column in long) - excess)
    narrow = dict(zip([column.column for column in long], share, strict=True))
    return [_wrapped(c, narrow[c.column]) if c.column in narrow else c for c in columns]


def _wraps(column: _Set) -> bool:
    return not column.column.is_number and column.width > _NARROWEST


def _shares(columns: Sequence[_Set], room: float) -> list[float]:
    """``room`` shared out: enough for most cells of each column first, the rest to where cells are longer."""
    most = [max(_NARROWEST, sorted(column.widths)[int(0.8 * len(column.widths))]) for column in columns]
    if sum(most) >= room:
        return [max(_NARROWEST, room * wanted / sum(most)) for wanted in most]
    longer = [max(0.1, column.width - wanted) for column, wanted in zip(columns, most, strict=True)]
    return [wanted + (room - sum(most)) * more / sum(longer) for wanted, more in zip(most, longer, strict=True)]


def _wrapped(column: _Set, points: float) -> _Set:
    return replace(column, spec=rf">{{\raggedright\arraybackslash}}p{{{points:.0f}pt}}", width=points)


def _total(columns: Sequence[_Set]) -> float:
    return sum(column.width for column in columns) + _GAP * (len(columns) - 1)


def _groups(columns: Sequence[_Set]) -> list[list[_Set]]:
    """Columns in groups that fit the page, each headed by the keys."""
    keys = [column for column in columns if column.column.key]
    groups = [list(keys)]
    for column in columns:
        if not column.column.key:
            if len(groups[-1]) > len(keys) and _total([*groups[-1], column]) > _PAGE:
                groups.append(list(keys))
            groups[-1].append(column)
    return groups


def _pages(tables: Sequence[Table], columns: Sequence[_Set]) -> Iterator[list[_Panel]]:
    """The panels, packed into tables of at most so many lines; a panel longer than that is continued."""
    page: list[_Panel] = []
    free, start = _MOST_LINES, 0
    for table in tables:
        rows = range(start, start + len(table.frame))
        start += len(table.frame)
        title = table.caption if len(tables) > 1 else ""
        while True:
            taken = _that_fit(rows, columns, _MOST_LINES)
            used = sum(_lines(row, columns) for row in taken) + 2 * bool(title)
            if used > free and page:
                yield page
                page, free = [], _MOST_LINES
            page.append(_Panel(title, taken))
            free -= used
            rows = rows[len(taken) :]
            if not rows:
                break
            title = title and f"{table.caption} (continued)"
    yield page


def _that_fit(rows: range, columns: Sequence[_Set], most: int) -> range:
    used = 0
    for count, row in enumerate(rows):
        used += _lines(row, columns)
        if used > most and count:
            return rows[:count]
    return rows


def _lines(row: int, columns: Sequence[_Set]) -> int:
    return max(column.lines(row) for column in columns)


def _table(
    caption: str, label: str, columns: Sequence[_Set], panels: Sequence[_Panel], notes: Sequence[str]
) -> Iterator[str]:
    total = _total(columns)
    environment = "table" if total * _SMALL <= _COLUMN else "table*"
    yield rf"\begin{{{environment}}}"
    yield rf"  \centering\{'small' if total * _SMALL <= _PAGE else 'footnotesize'}"
    yield rf"  \caption{{{escape(caption)}.}}\label{{{label}}}"
    yield r"  \smallskip"
    yield rf"  \begin{{tabular}}{{@{{}}{''.join(column.spec for column in columns)}@{{}}}}"
    yield r"    \toprule"
    yield f"    {_row([column.heading for column in columns])}"
    across = sum(2 if "@" in column.spec else 1 for column in columns)
    for position, panel in enumerate(panels):
        yield r"    \midrule" if position == 0 else r"    \addlinespace"
        if panel.title:
            yield rf"    \multicolumn{{{across}}}{{@{{}}l@{{}}}}{{\itshape {escape(panel.title)}}} \\"
        yield from (f"    {_row([column.cells[row] for column in columns])}" for row in panel.rows)
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    if notes:
        yield r"  \par\medskip"
        yield r"  \parbox{\linewidth}{\footnotesize\raggedright"
        yield from (rf"    {escape(note)}\par" for note in notes)
        yield r"  }"
    yield rf"\end{{{environment}}}"


def _row(cells: Sequence[str]) -> str:
    """Nothing that begins a row is read as an option of the row before."""
    line = f"{' & '.join(cells)} \\\\"
    return f"{{}}{line}" if line.startswith(("[", "*")) else line


def _set(column: Column, panels: Sequence[Sequence[Sequence[str]]], at: int) -> _Set:
    """The column number ``at`` of some panels of rows; numbers are aligned within each panel."""
    panel_texts = [[row[at] for row in rows] for rows in panels]
    parts = [part for texts in panel_texts for part in _parts(column, texts)]
    cells, widths = zip(*parts, strict=True) if parts else ((), ())
    label = plain(column.label)
    heading, spec = escape(label), "r" if column.is_number else "l"
    if any(" & " in cell for cell in cells):
        heading, spec = rf"\multicolumn{{2}}{{c}}{{{heading}}}", "r@{}l"
        cells = tuple(cell if " & " in cell else f"{cell} & " for cell in cells)
    return _Set(column, spec, heading, cells, widths, max([width(label), *widths]))


def _parts(column: Column, texts: Sequence[str]) -> list[tuple[str, float]]:
    """Every cell as LaTeX, and its width: estimate & interval or mean & SD; numbers padded to one decimal point."""
    if not column.is_number:
        return [(escape(text), width(text)) for text in texts]
    split = [_PARTS.fullmatch(text.strip()) for text in texts]
    heads = [match["head"] if match else text.strip() for match, text in zip(split, texts, strict=True)]
    pads = _pads(heads)
    parts = []
    for match, head, pad in zip(split, heads, pads, strict=True):
        spread, mark = (match["spread"] or "", match["mark"] or "") if match else ("", "")
        cell = escape(head) + (rf"\phantom{{{pad}}}" if pad else "")
        cell += rf"\rlap{{{mark}}}" if mark else ""
        cell += rf" & \ {escape(spread)}" if spread else ""
        parts.append((cell, width(f"{head}{pad} {spread}".strip())))
    return parts


def _pads(texts: Sequence[str]) -> list[str]:
    """What each number lacks to as many decimals as the longest of them has."""
    found = [_NUMBER.fullmatch(number) for number in texts]
    most = max((len(match["decimals"] or "") for match in found if match), default=0)
    pads = []
    for match in found:
        lacking = "" if match is None else "0" * (most - len(match["decimals"] or ""))
        pads.append(f".{lacking}" if match and lacking and not match["decimals"] else lacking)
    return pads


_PARTS = re.compile(r"(?P<head>.*?)(?: (?P<spread>[\[±].*))?(?: (?P<mark>[*!]))?")
"""``−0.66 [−1.02, −0.30]``, ``8.70 ± 1.45``, ``0.014 *``: a number, its spread, its mark."""
_NUMBER = re.compile(r"<?−?\d+(?:\.(?P<decimals>\d+))?")
