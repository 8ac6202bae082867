"""A report and a format become files: the name of each, relative to the report's folder, and its content."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from bench.errors import BenchError
from bench.execute.storage import refuse_irregular, replace_all, storing
from bench.present.figures.parallel import draw
from bench.present.formats import FORMATS
from bench.present.report import Figure, PictureForm, Report


def files(report: Report, *forms: str, stem: str = "report", figures: str = "") -> Mapping[str, bytes]:
    """The main file first: ``report.md`` with ``figures/*.svg``, ``comment.md``, ``report.html``, ``.json``, ``.tex``.

    Or for "csv" one file for each result frame that has rows (``contrasts.csv``, …), its numbers written exactly. Of
    several formats the files of each, and CSV in the folder ``tables``; a figure is drawn once for all of them.
    ``stem``: what the main file will be called; the pictures of another Markdown file than report.md have a folder of
    their own, ``STEM-figures``, so that several can lie side by side. ``figures``: the format of the pictures, else
    "svg" beside Markdown and "pdf" beside LaTeX.

    Raises:
        BenchError: a format is none of these.
    """
    if unknown := [form for form in forms if form not in FORMATS]:
        raise BenchError(f"There is no format {unknown[0]!r} of reports.", hint=f"Known: {', '.join(FORMATS)}.")
    folder = "figures" if stem == "report" else f"{stem}-figures"
    content, pictures, embedded = dict[str, bytes](), dict[str, tuple[Figure, PictureForm]](), list[Figure]()
    for form in (form for form in forms if FORMATS[form].pictures):
        kind = cast("PictureForm", figures or FORMATS[form].pictures)
        text = _renderer(form).render(report, figures=folder, form=kind)
        content[FORMATS[form].file] = text.encode()
        paths = {f"{folder}/{figure.name}.{kind}": figure for figure in report.figures.values()}
        pictures |= {path: (figure, kind) for path, figure in paths.items() if path in text}
    if any(FORMATS[form].embeds for form in forms):
        embedded = [*report.figures.values()]
    draw([*pictures.values(), *((figure, "svg") for figure in embedded)])
    for form in (form for form in forms if not FORMATS[form].pictures):
        made, file = _renderer(form).render(report), FORMATS[form].file
        if isinstance(made, Mapping):
            content |= {f"{file}/{name}" if len(forms) > 1 else name: table for name, table in made.items()}
        else:
            content[file] = made.encode()
    return {**content, **{path: figure.encode(kind) for path, (figure, kind) in pictures.items()}}


def printed(report: Report, form: str) -> bytes:
    """The report as stdout gets it: Markdown without its pictures, which would not be there."""
    if FORMATS[form].pictures:
        text: str = _renderer(form).render(report, **({"figures": None} if form == "md" else {}))
        return text.encode()
    return next(iter(files(report, form).values()))


def _renderer(form: str) -> Any:
    return import_module(f"bench.present.render.{FORMATS[form].renderer}")


def destination(form: str, folder: Path | None, output: str | None) -> Path | None:
    """The file that a report goes to, for "csv" and "all" the folder: as ``output`` says, else in the run's ``folder``.

    None is stdout.

    Raises:
        BenchError: csv or all is to be printed or to be one file, and is a folder.
    """
    if form in ("csv", "all"):
        what = "csv is a folder of tables" if form == "csv" else "all formats are a folder of files"
        if output == "-" or (output is None and folder is None):
            raise BenchError(f"{what}.", hint="Name the folder with --output.")
        if (output or "").endswith((".csv", *(Path(row.file).suffix for row in FORMATS.values() if "." in row.file))):
            hint = f"Name a folder: --output {Path(str(output)).with_suffix('')}."
            raise BenchError(f"{what}, and {output} names a file.", hint=hint)
        if folder is not None and output is None:
            return folder / FORMATS["csv"].file if form == "csv" else folder
        return Path(output or "")
    row = FORMATS[form]
    if output is not None and output != "-":
        is_folder = output.endswith("/") or Path(output).is_dir()
        return Path(output, row.file) if is_folder else Path(output)
    return None if output or folder is None or not row.is_kept else folder / row.file


_STALE = "These are the numbers of another run, and not of the results that are stored beside this file."
_HEADS = {"report.md": ("\n", f"\n> **{_STALE}**\n"), "report.html": ("</h1>", f"\n<p><strong>{_STALE}</strong></p>")}
"""Name of a kept report -> behind what a mark stands, and the mark."""


def mark_others(folder: Path, report: Report) -> Iterator[Path]:
    """Mark the kept reports in the ``folder`` of a run that are not of the results that ``report`` is of."""
    when = report.provenance.get("Run", "")
    for name, (head, mark) in _HEADS.items():
        kept = folder / name
        if kept.is_file() and not kept.is_symlink() and when not in (text := kept.read_text("utf-8", "replace")):
            if mark not in text:
                before, start, rest = text.partition(head)
                save({name: f"{before}{start}{mark}{rest}".encode()}, kept)
            yield kept


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
            home = _home(target)
            with storing(target):
                for folder in reversed(target.absolute().parents):
                    if home is not None and folder.is_relative_to(home) and folder != home:
                        refuse_irregular(folder, folder=True)
                    folder.mkdir(exist_ok=True)
        whole = {
            target: data for target, data in targets.items()  # else it is written into: a link, a FIFO, a device
            if _home(target) or not (target.is_symlink() or (target.exists() and not target.is_file()))
        }  # fmt: skip
        replace_all(whole)
        for target in targets.keys() - whole.keys():
            with storing(target):
                target.write_bytes(targets[target])
    except BenchError as error:
        hint = "Name another file with --output, or - for stdout."
        raise BenchError(error.message, hint=hint, exit_code=error.exit_code) from error


def _home(target: Path) -> Path | None:
    """The folder of the run that ``target`` lies in, if it does."""
    above = target.absolute()
    return next((folder for folder in above.parents if any(os.path.lexists(folder / name) for name in _RUN)), None)


_RUN = ("run.json", "journal/00001.jsonl")
"""By one of these the folder of a run is known."""
