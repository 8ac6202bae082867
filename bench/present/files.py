"""A report and a format become files: the name of each, relative to the report's folder, and its content."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pandas import DataFrame
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from bench.errors import BenchError, printable
from bench.execute.storage import refuse_irregular, replace_all, storing
from bench.present.render import html, json, latex, markdown
from bench.present.report import Report


def files(report: Report, form: str, *, stem: str = "report", figures: str = "") -> Mapping[str, bytes]:
    """The main file first: ``report.md`` with ``figures/*.svg``, ``comment.md``, ``report.html``, ``.json``, ``.tex``.

    Or for "csv" one file for each result frame that has rows (``contrasts.csv``, …), its numbers written exactly.
    ``stem``: what the main file will be called; the pictures of another Markdown file than report.md have a folder of
    their own, ``STEM-figures``, so that several can lie side by side. ``figures``: the format of the pictures, else
    "svg" beside Markdown and "pdf" beside LaTeX.

    Raises:
        BenchError: the format is none of these.
    """
    if form not in _MAKERS:
        raise BenchError(f"There is no format {form!r} of reports.", hint=f"Known: {', '.join(_MAKERS)}.")
    return _MAKERS[form](report, stem, figures)


def printed(report: Report, form: str) -> bytes:
    """The report as stdout gets it: Markdown without its pictures, which would not be there."""
    if form == "latex":
        return latex.render(report).encode()
    return markdown.render(report, figures=None).encode() if form == "md" else next(iter(files(report, form).values()))


def destination(form: str, folder: Path | None, output: str | None) -> Path | None:
    """The file that a report goes to, for "csv" the folder: as ``output`` says, else in the run's ``folder``.

    None is stdout.

    Raises:
        BenchError: csv is to be printed or to be one file, and is a folder of tables.
    """
    if form == "csv":
        if output == "-" or (output is None and folder is None):
            raise BenchError("csv is a folder of tables.", hint="Name the folder with --output.")
        if (output or "").endswith(".csv"):
            hint = f"Name a folder: --output {str(output).removesuffix('.csv')}."
            raise BenchError(f"csv is a folder of tables, and {output} names a file.", hint=hint)
        return folder / "tables" if folder is not None and output is None else Path(output or "")
    if output is not None and output != "-":
        is_folder = output.endswith("/") or Path(output).is_dir()
        return Path(output, _NAMES[form]) if is_folder else Path(output)
    return None if output or folder is None or form in ("comment", "json", "latex") else folder / _NAMES[form]


def csv(frame: DataFrame) -> str:
    """A table for programs and spreadsheets: numbers as they are, text that neither obeys (a formula, an escape)."""
    harmless = frame.rename(columns=_harmless)
    for position, column in enumerate(harmless.columns):
        values = harmless.iloc[:, position]
        if not (is_numeric_dtype(values) or is_bool_dtype(values)):
            texts = {value: _harmless(value) for value in values.unique() if isinstance(value, str)}
            if any(text != value for value, text in texts.items()):
                harmless[column] = values.astype(object).replace(texts)
    return harmless.to_csv(index=False, lineterminator="\n")


def _harmless(text: str) -> str:
    """With an apostrophe before what a spreadsheet would take for a formula, and nothing that a terminal obeys."""
    text = printable(text)
    return f"'{text}" if _FORMULA.match(text) else text


_FORMULA = re.compile(r"[=@\t\r]|[+-](?![0-9.,]*(?:[eE][+-]?[0-9]+)?$)")


def save(content: Mapping[str, bytes], path: Path) -> None:
    """Write the first file to ``path`` and the others beside it, by their names, all or none; folders are made.

    In the folder of a run no link is followed; elsewhere a path may be a link, a FIFO or a device of the user's own.

    Raises:
        BenchError: one of them cannot be written, or in a run's folder a link, a FIFO or a device stands in its place.
    """
    main, *others = content
    targets = {path: content[main], **{path.parent / name: content[name] for name in others}}
    try:
        for target in targets:
            _make_parent(target)
        whole = {target: data for target, data in targets.items() if _is_whole(target)}
        replace_all(whole)
        for target in targets.keys() - whole.keys():
            with storing(target):
                target.write_bytes(targets[target])
    except BenchError as error:
        hint = "Name another file with --output, or - for stdout."
        raise BenchError(error.message, hint=hint, exit_code=error.exit_code) from error


def _make_parent(target: Path) -> None:
    """Make the folder of ``target`` if there is none; within the folder of a run, each one on the way is its own."""
    home = _home(target)
    with storing(target):
        for folder in reversed(target.absolute().parents):
            if home is not None and folder.is_relative_to(home) and folder != home:
                refuse_irregular(folder, folder=True)
            folder.mkdir(exist_ok=True)


def _is_whole(target: Path) -> bool:
    """Whether ``target`` is replaced as a whole, as all is that lies in the folder of a run, or written into."""
    return _home(target) is not None or not (target.is_symlink() or (target.exists() and not target.is_file()))


def _home(target: Path) -> Path | None:
    """The folder of the run that ``target`` lies in, if it does."""
    above = target.absolute()
    return next((folder for folder in above.parents if any(os.path.lexists(folder / name) for name in _RUN)), None)


_RUN = ("run.json", "journal/00001.jsonl")
"""By one of these the folder of a run is known."""


_NAMES = {name: f"report.{name}" for name in ("md", "html", "json")} | {"comment": "comment.md", "latex": "report.tex"}


def _markdown(report: Report, stem: str, figures: str) -> Mapping[str, bytes]:
    folder, form = _folder(stem), figures or "svg"
    text = markdown.render(report, figures=folder, form=form)
    return {_NAMES["md"]: text.encode(), **_pictures(report, folder, form, appendices=True)}


def _latex(report: Report, stem: str, figures: str) -> Mapping[str, bytes]:
    folder, form = _folder(stem), figures or "pdf"
    text = latex.render(report, figures=folder, form=form)
    return {_NAMES["latex"]: text.encode(), **_pictures(report, folder, form, appendices=False)}


def _folder(stem: str) -> str:
    return "figures" if stem == "report" else f"{stem}-figures"


def _pictures(report: Report, folder: str, form: Any, *, appendices: bool) -> Mapping[str, bytes]:
    shown = [section for section in report.sections if appendices or not section.appendix]
    return {f"{folder}/{figure.name}.{form}": figure.encode(form) for section in shown for figure in section.figures}


def _tables(report: Report, *_: str) -> Mapping[str, bytes]:
    return {f"{name}.csv": csv(frame).encode() for name, frame in report.data.items() if len(frame)}


_MAKERS: Mapping[str, Callable[[Report, str, str], Mapping[str, bytes]]] = {
    "md": _markdown,
    "comment": lambda report, *_: {_NAMES["comment"]: markdown.comment(report).encode()},
    "html": lambda report, *_: {_NAMES["html"]: html.page(report).encode()},
    "json": lambda report, *_: {_NAMES["json"]: json.render(report).encode()},
    "latex": _latex,
    "csv": _tables,
}
