"""A result becomes text on stdout or files, and a message a line on stderr."""

from __future__ import annotations

import io
import os
import re
import sys
import textwrap
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from bench.cli.options import FigureFormat, ReportFormat, TextFormat
from bench.errors import BenchError, printable
from bench.present.formats import FORMATS

if TYPE_CHECKING:
    from bench.present.report import Report


def emit_report(
    report: Report,
    form: ReportFormat,
    output: str | None,
    *,
    full: bool = False,
    opening: bool = False,
    folder: Path | None = None,
    figures: FigureFormat | None = None,
) -> None:
    """Print a report, or write its files: to ``output``, else into the ``folder`` of its run, if it has one.

    Raises:
        BenchError: a format of ``figures`` is given, and the format of the report has none beside it.
    """
    from bench.present.files import destination, files, printed, save
    from bench.present.render import terminal

    if figures is not None and form != "all" and (form not in FORMATS or not FORMATS[form].pictures):
        able = " or ".join(name for name, row in FORMATS.items() if row.pictures)
        raise BenchError(f"{form} has no pictures beside it.", hint=f"--figures goes with --format {able}.")
    if form == "terminal":
        colored = output is None and (sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR")))
        emit(terminal.render(report, width=width(), color=colored, full=full, opening=opening), output)
        return
    target = destination(form.value, folder, output)
    if target is None:
        emit(printed(report, form.value))
        return
    is_folder, forms = form in ("csv", "all"), FORMATS if form == "all" else (form.value,)
    stem = "report" if is_folder else target.stem
    content = files(report, *forms, stem=stem, figures=figures.value if figures else "")
    save(content, target / next(iter(content)) if is_folder else target)
    what = {"csv": f": {len(content)} tables", "all": f": {', '.join(row.file for row in FORMATS.values())}"}
    say(f"Written to {target}{what.get(form.value, '')}")
    if form == "csv" and (others := sorted({path.name for path in target.glob("*.csv")} - set(content))):
        say(f"Not of this report: {', '.join(others)}, which lay there before.")
    if form == "md" and output is None:
        emit(next(iter(content.values())))


def emit_facts(facts: Mapping[str, Any], form: TextFormat) -> None:
    """Print what is known by name, a line each or as JSON."""
    from bench.present import brief
    from bench.present.render import json

    within = width() if sys.stdout.isatty() or os.environ.get("COLUMNS") else None
    emit(json.dumps(facts) if form is TextFormat.JSON else brief.lines(facts, within))


def emit(data: str | bytes, output: str | None = None) -> None:
    """Write a result to a file, or to stdout if that is None or "-"."""
    if output is not None and output != "-":
        from bench.present.files import save

        save({output: _bytes(data)}, Path(output))
        say(f"Written to {output}")
        return
    try:
        sys.stdout.buffer.write(_bytes(data))
        sys.stdout.buffer.flush()
    except (OSError, ValueError) as error:
        drop_output()
        if not isinstance(error, BrokenPipeError):  # the reader, such as head, has seen enough
            why = getattr(error, "strerror", None) or "stdout is closed"
            raise BenchError(f"The output cannot be written: {why}.") from error


def append_summary(text: str) -> None:
    """Add to the job summary of GitHub Actions; elsewhere, print it."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path is None:
        emit(text)
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BenchError(f"The job summary {path} cannot be written: {error.strerror}.") from error


def _bytes(data: str | bytes) -> bytes:
    return data.encode(errors="replace") if isinstance(data, str) else data


def say(message: str) -> None:
    """A message to the user, apart from the result; in a terminal no line is longer."""
    lines = printable(message).split("\n")
    if sys.stderr.isatty():
        quoted = [not line.strip(" ^") for line in [*lines[1:], "x"]]  # a line with carets below it stays as it is
        lines = [line if quote else _wrapped(line) for line, quote in zip(lines, quoted, strict=True)]
    print("\n".join(lines), file=sys.stderr)  # noqa: T201


def _wrapped(line: str) -> str:
    """Within the terminal, a suggestion first, since the end of a long list is read by nobody."""
    line = re.sub(r"^(\s*)(\S.*) (Did you mean .*\?)$", r"\1\3 \2", line)
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(line, width(), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def drop_output() -> None:
    """Give up what is not yet written to stdout, or it would be tried once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def prepare_streams() -> None:
    """Let no letter, and no stream that is closed or full, end a command: what cannot be said on stderr is not said."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: or the next file that is opened would be taken for it
            os.open(os.devnull, os.O_RDONLY if descriptor == 1 else os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115  to write there fails, as it should
    sys.stderr = cast("TextIO", _Forgiving(sys.stderr or open(2, "w", closefd=False)))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(getattr(stream, "buffer", None), io.BufferedIOBase):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]


class _Forgiving:
    """A stream for messages: one that is full or broken is no reason to fail."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def width() -> int:
    """Columns of the terminal."""
    import shutil

    return max(40, shutil.get_terminal_size().columns)
