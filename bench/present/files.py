"""A report and a format become files: the name of each, relative to the report's folder, and its content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bench.errors import BenchError
from bench.present.render import html, json, latex, markdown
from bench.present.report import Report


def files(report: Report, form: str, *, stem: str = "report") -> Mapping[str, bytes]:
    """The main file first: ``report.md`` with ``figures/*.svg``, ``comment.md``, ``report.html``, ``.json``, ``.tex``.

    Or for "csv" one file for each result frame that has rows (``contrasts.csv``, …), its numbers written exactly.
    ``stem``: what the main file will be called; the pictures of another Markdown file than report.md have a folder of
    their own, ``STEM-figures``, so that several can lie side by side.

    Raises:
        BenchError: the format is none of these.
    """
    if form not in _MAKERS:
        raise BenchError(f"There is no format {form!r} of reports.", hint=f"Known: {', '.join(_MAKERS)}.")
    return _MAKERS[form](report, stem)


def printed(report: Report, form: str) -> bytes:
    """The report as stdout gets it: Markdown without its pictures, which would not be there."""
    return markdown.render(report, figures=None).encode() if form == "md" else next(iter(files(report, form).values()))


def destination(form: str, folder: Path | None, output: str | None) -> Path | None:
    """The file that a report goes to, for "csv" the folder: as ``output`` says, else in the run's ``folder``.

    None is stdout.

    Raises:
        BenchError: csv is to be printed or to be one file, and is a folder of tables.
    """
    if form == "csv":
        if output == "-" or (output is None and folder is None) or (output or "").endswith(".csv"):
            raise BenchError("csv is a folder of tables.", hint="Name the folder with --output.")
        return folder / "tables" if folder is not None and output is None else Path(output or "")
    if output is not None and output != "-":
        is_folder = output.endswith("/") or Path(output).is_dir()
        return Path(output, _NAMES[form]) if is_folder else Path(output)
    return None if output or folder is None or form in ("comment", "json", "latex") else folder / _NAMES[form]


def save(content: Mapping[str, bytes], path: Path, *, within: Path | None = None) -> None:
    """Write the first file to ``path`` and the others beside it, by their names; folders of these are made.

    Raises:
        BenchError: one of them cannot be written, or a link would lead out of the folder ``within``.
    """
    main, *others = content
    for name in [main, *others]:
        target = path if name == main else path.parent / name
        if within is not None and not target.resolve().is_relative_to(within.resolve()):
            raise BenchError(f"{target} is a link that leads out of {within}.", hint="Remove it, or use --output.")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content[name])
        except OSError as error:
            hint = "Name another file with --output, or - for stdout."
            raise BenchError(f"{target} cannot be written: {error.strerror}.", hint=hint) from error


_NAMES = {name: f"report.{name}" for name in ("md", "html", "json")} | {"comment": "comment.md", "latex": "report.tex"}


def _markdown(report: Report, stem: str) -> Mapping[str, bytes]:
    folder = "figures" if stem == "report" else f"{stem}-figures"
    pictures = [figure for section in report.sections for figure in section.figures]
    return {
        _NAMES["md"]: markdown.render(report, figures=folder).encode(),
        **{f"{folder}/{figure.name}.svg": figure.svg for figure in pictures},
    }


def _tables(report: Report, _: str) -> Mapping[str, bytes]:
    written = {
        name: frame.to_csv(index=False, lineterminator="\n") for name, frame in report.data.items() if len(frame)
    }
    return {f"{name}.csv": text.encode() for name, text in written.items()}


_MAKERS: Mapping[str, Callable[[Report, str], Mapping[str, bytes]]] = {
    "md": _markdown,
    "comment": lambda report, _: {_NAMES["comment"]: markdown.comment(report).encode()},
    "html": lambda report, _: {_NAMES["html"]: html.page(report).encode()},
    "json": lambda report, _: {_NAMES["json"]: json.render(report).encode()},
    "latex": lambda report, _: {_NAMES["latex"]: latex.render(report).encode()},
    "csv": _tables,
}
