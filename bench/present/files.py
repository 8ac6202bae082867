"""A report and a format become files: the name of each, relative to the report's folder, and its content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bench.errors import BenchError
from bench.present.render import html, json, latex, markdown
from bench.present.report import Report


def files(report: Report, form: str) -> Mapping[str, bytes]:
    """The main file first: ``report.md`` with ``figures/*.svg``, ``comment.md``, ``report.html``, ``.json``, ``.tex``.

    Or for "csv" one file for each result frame that has rows (``contrasts.csv``, …), its numbers written exactly.

    Raises:
        BenchError: the format is none of these.
    """
    if form not in _MAKERS:
        raise BenchError(f"There is no format {form!r} of reports.", hint=f"Known: {', '.join(_MAKERS)}.")
    return _MAKERS[form](report)


def destination(content: Mapping[str, bytes], form: str, folder: Path | None, output: str | None) -> Path | None:
    """Where the main file of ``content`` goes: as ``output`` says, else into the run's ``folder``; None is stdout.

    Raises:
        BenchError: stdout is asked for, and the format is a folder of files.
    """
    main = next(iter(content))
    if output is not None and output != "-":
        return Path(output, main) if form == "csv" else Path(output)
    if form == "csv" and (output or folder is None):
        raise BenchError("csv is a folder of tables.", hint="Name the folder with --output.")
    if output or folder is None or form in ("comment", "json", "latex"):
        return None
    return folder / "tables" / main if form == "csv" else folder / main


def save(content: Mapping[str, bytes], path: Path, *, within: Path | None = None) -> None:
    """Write the first file to ``path`` and the others beside it, by their names; folders of these are made.

    Raises:
        BenchError: one of them cannot be written, or a link would lead out of the folder ``within``.
    """
    main, *others = content
    for name in [*others, main]:
        target = path if name == main else path.parent / name
        if within is not None and not target.resolve().is_relative_to(within.resolve()):
            raise BenchError(f"{target} is a link that leads out of {within}.", hint="Remove it, or use --output.")
        try:
            if name != main or len(content) > 1:
                target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content[name])
        except OSError as error:
            hint = "Name another file with --output, or - for stdout."
            raise BenchError(f"{target} cannot be written: {error.strerror}.", hint=hint) from error


def _markdown(report: Report) -> Mapping[str, bytes]:
    pictures = [figure for section in report.sections for figure in section.figures]
    return {
        "report.md": markdown.render(report).encode(),
        **{f"figures/{figure.name}.svg": figure.svg for figure in pictures},
    }


def _tables(report: Report) -> Mapping[str, bytes]:
    written = {
        name: frame.to_csv(index=False, lineterminator="\n") for name, frame in report.data.items() if len(frame)
    }
    return {f"{name}.csv": text.encode() for name, text in written.items()}


_MAKERS: Mapping[str, Callable[[Report], Mapping[str, bytes]]] = {
    "md": _markdown,
    "comment": lambda report: {"comment.md": markdown.comment(report).encode()},
    "html": lambda report: {"report.html": html.page(report).encode()},
    "json": lambda report: {"report.json": json.render(report).encode()},
    "latex": lambda report: {"report.tex": latex.render(report).encode()},
    "csv": _tables,
}
