"""A result becomes text on stdout or files, and a message a line on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.options import ReportFormat, TextFormat
from bench.errors import BenchError, printable

if TYPE_CHECKING:
    from bench.present.report import Report


def emit_report(
    report: Report, form: ReportFormat, output: str | None, *, full: bool = False, folder: Path | None = None
) -> None:
    """Print a report, or write its files: to ``output``, else into the ``folder`` of its run, if it has one."""
    from bench.present.files import destination, files, printed, save
    from bench.present.render import terminal

    if form is ReportFormat.TERMINAL:
        to_screen = output is None and sys.stdout.isatty()
        emit(terminal.render(report, width=width(), color=to_screen, full=full), output)
        return
    target = destination(form.value, folder, output)
    if target is None:
        emit(printed(report, form.value))
        return
    content = files(report, form.value, stem=target.stem)
    is_folder = form is ReportFormat.CSV
    save(content, target / next(iter(content)) if is_folder else target)
    say(f"Written to {target}{f': {len(content)} tables' if is_folder else ''}")
    if is_folder and (others := sorted({path.name for path in target.glob("*.csv")} - set(content))):
        say(f"Not of this report: {', '.join(others)}, which lay there before.")
    if form is ReportFormat.MD and output is None:
        emit(next(iter(content.values())))


def emit_facts(facts: Mapping[str, Any], form: TextFormat) -> None:
    """Print what is known by name, a line each or as JSON."""
    from bench.present import brief
    from bench.present.render import json

    emit(json.dumps(facts) if form is TextFormat.JSON else brief.lines(facts))


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
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise BenchError(f"The output cannot be written: {error.strerror}.") from error


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
    """A message to the user, apart from the result."""
    with suppress(OSError, ValueError, AttributeError):  # stderr is full or closed: nobody is there to be told
        print(printable(message), file=sys.stderr, flush=True)  # noqa: T201


def width() -> int:
    """Columns of the terminal."""
    import shutil

    return max(40, shutil.get_terminal_size().columns)
