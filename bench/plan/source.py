"""A TOML file -> its values, the line and column of each, and errors that point at them."""

from __future__ import annotations

import bisect
import difflib
import json
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.plan.positions import DEEPEST, KeyPath, Places, Span, locate

MAX_BYTES = 2**20
MAX_FAULTS = 20
"""The most faults that an error shows."""


@dataclass(frozen=True)
class Fault:
    """A fault at one place; line and column count from 1, columns in characters."""

    line: int
    column: int
    message: str
    hint: str = ""
    """What is allowed there, or the next step."""
    width: int = 1
    """How many characters of the line the fault covers; 0 for what is missing, which stands on no line."""
    file: tuple[Path, str] | None = None
    """Path and text of the file at fault, if that is one which the suite extends."""


class SuiteError(BenchError):
    """All faults of a suite, in the order of the file, each with its line.

    Of a suite made in Python (``path`` then says so) each fault names its keys instead, and its line is 0.
    """

    def __init__(self, path: Path | str, text: str, faults: Iterable[Fault]) -> None:
        self.path = path
        self.faults = tuple(
            sorted(dict.fromkeys(faults), key=lambda fault: (str(fault.file or ""), fault.line, fault.column))
        )
        lines = [_render(*(fault.file or (path, text)), fault) for fault in self.faults[:MAX_FAULTS]]
        if (more := len(self.faults) - len(lines)) > 0:
            lines.append(f"… and {more} more.")
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Source:
    """A TOML file, its values, and the position of each."""

    path: Path
    text: str
    """Its line ends are newlines."""
    data: dict[str, Any]
    """The values as ``tomllib`` reads them."""
    base: Source | None = None
    """The file that this one extends; ``data`` then holds its values too, where this file has none of its own."""
    in_python: bool = False
    """Whether there is no file, and the values were given in Python; relative paths start at ``path``'s folder."""

    def fault(self, path: Sequence[str | int], message: str, hint: str = "", *, key: bool = False) -> Fault:
        """A fault at the value (or the key) at ``path``; at the nearest place above it that the text has."""
        if self.in_python:
            where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)[1:]
            return Fault(0, 0, f"{where}: {message}" if where else message, hint, width=0)
        if not path:
            return Fault(1, 1, message, hint, width=0)
        holder = self.holder(tuple(path))
        fault = holder.own_fault(tuple(path), message, hint, key=key)
        return fault if holder is self else replace(fault, file=(holder.path, holder.text))

    def error(self, faults: Iterable[Fault]) -> SuiteError:
        """All of the faults as one error."""
        return SuiteError(f"Suite {self.data.get('name')!r}" if self.in_python else self.path, self.text, faults)

    def own_fault(self, path: KeyPath, message: str, hint: str, *, key: bool) -> Fault:
        """A fault at a place in this very file."""
        span = self._span(path, key=key)
        line, column = self._line_and_column(span.start)
        end_of_line = self._line_starts[line] - 1
        return Fault(line, column, message, hint, max(1, min(span.end, end_of_line) - span.start))

    def holder(self, path: KeyPath) -> Source:
        """The file that has the value at ``path``, or has the nearest place above it."""
        while path and self.base is not None:
            if self.has(path):
                return self
            holder = self.base.holder(path)
            if holder.has(path):
                return holder
            path = path[:-1]
        return self

    def has(self, path: KeyPath) -> bool:
        """Whether something stands at ``path`` in this very file."""
        return path in self._places.values

    @cached_property
    def _places(self) -> Places:
        return locate(self.text)

    @cached_property
    def _line_starts(self) -> list[int]:
        newlines = [match.end() for match in re.finditer("\n", self.text)]
        return [0, *newlines, len(self.text) + 1]

    def _span(self, path: KeyPath, *, key: bool) -> Span:
        if key and path in self._places.keys:
            return self._places.keys[path]
        while path:
            if path in self._places.values:
                return self._places.values[path]
            path = path[:-1]
        return Span(0, 0)

    def _line_and_column(self, offset: int) -> tuple[int, int]:
        line = bisect.bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1


@dataclass
class Faults:
    """A list of the faults of a source."""

    source: Source
    entries: list[Fault] = field(default_factory=list)
    """In the order in which they were added."""

    def add(self, path: Sequence[str | int], message: str, hint: str = "", *, key: bool = False) -> None:
        """Add a fault at the value (or the key) at ``path``."""
        self.entries.append(self.source.fault(path, message, hint, key=key))

    def check(self) -> None:
        """Raise all of them as one ``SuiteError``, if there are any."""
        if self.entries:
            raise self.source.error(self.entries)


def read(path: Path | str) -> Source:
    """Read a TOML file.

    Raises:
        BenchError: if there is no such file, or it is no regular, readable file of at most 1 MiB.
        SuiteError: if it is not UTF-8 or not TOML, nests deeper than 32 levels, or has an integer beyond 64 bits.
    """
    path = Path(path)
    return parse(path, _decode(path, _read_bytes(path)))


def parse(path: Path, text: str) -> Source:
    """The source of a text that is not read from a file; ``path`` is what errors call it. Raises as ``read``."""
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise SuiteError(path, text, [Fault(1, 1, "nested too deeply", _TOO_DEEP)]) from None
    except ValueError as error:
        raise SuiteError(path, text, [_syntax_fault(text, error)]) from None
    source = Source(path, text, data)
    if faults := list(islice(_excesses(source, data, ()), MAX_FAULTS)):
        raise SuiteError(path, text, faults)
    return source


def is_file(path: Path) -> bool:
    """Whether there is a regular file; False for names that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or a folder that may not be entered
        return False


def show(value: object) -> str:
    """A value as TOML would write it, cut to one short line."""
    text = repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False, default=str)
    return _printable(text if len(text) <= 60 else f"{text[:59]}…")


def did_you_mean(word: object, words: Iterable[str]) -> str:
    """`` Did you mean "l1"?`` for the most similar of ``words``; empty if none is similar."""
    by_lower = {candidate.lower(): candidate for candidate in words}
    close = difflib.get_close_matches(word[:100].lower(), by_lower, n=1) if isinstance(word, str) else []
    return f" Did you mean {show(by_lower[close[0]])}?" if close else ""


_TOO_DEEP = f"A suite nests at most {DEEPEST} levels deep; the language needs four."
_TOO_LARGE = "an integer beyond 64 bits", "TOML's integers go from -2^63 to 2^63 - 1."
_SYNTAX = 'A suite is written in TOML: key = value, with text in quotes ("l1") and lists in brackets ([1, 2]).'


def _read_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise BenchError(f"{path} is a folder, not a suite.", hint=_suites_in(path))
        if not path.exists():
            raise BenchError(f"{path} does not exist.", hint=_suites_in(path.parent))
        if not path.is_file():
            raise BenchError(f"{path} is not a regular file.", hint="A suite is a text file in TOML.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BenchError(f"{show(str(path))} cannot be read: {reason}.", hint="Give the path of a suite.") from error
    if len(content) > MAX_BYTES:
        size = f"{path} is larger than {MAX_BYTES // 2**20} MiB."
        raise BenchError(size, hint="A suite is a short text; is this the right file?")
    return content


def _suites_in(folder: Path) -> str:
    suites = sorted(str(path) for path in islice(folder.glob("*.toml"), 1000)) if folder.is_dir() else []
    return f"Suites there: {', '.join(suites[:8])}." if suites else "Give the path of a suite, e.g. suites/smoke.toml."


def _decode(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        place = _place_after(content[: error.start].decode("utf-8-sig", errors="replace"))
        text = content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
        message = f"not UTF-8 text (byte 0x{content[error.start]:02x})"
        raise SuiteError(path, text, [Fault(*place, message, "Save the file as UTF-8.")]) from None


def _syntax_fault(text: str, error: ValueError) -> Fault:
    """The place and the reason that ``tomllib`` gives; it gives none for an integer of thousands of digits."""
    reason, _, place = str(error).partition(" (at ")
    if numbers := re.match(r"line (\d+), column (\d+)", place):
        line, column = int(numbers[1]), int(numbers[2])
        is_none = re.match(r"(null|None|nil)\b", text.split("\n")[line - 1][column - 1 :])
        return Fault(line, column, reason, 'TOML has no null: write "null", in quotes.' if is_none else _SYNTAX)
    if place:
        return Fault(*_place_after(text), f"{reason} at the end of the file", _SYNTAX)
    digits = re.search(r"[\d_]{4000,}", text)
    return Fault(*_place_after(text[: digits.start() if digits else 0]), *_TOO_LARGE)


def _place_after(text: str) -> tuple[int, int]:
    """Line and column of the character that follows a text."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def _excesses(source: Source, value: Any, path: KeyPath) -> Iterator[Fault]:
    """Faults for integers beyond TOML's range and for nesting deeper than DEEPEST."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield source.fault(path, *_TOO_LARGE)
    elif isinstance(value, dict | list) and len(path) >= DEEPEST:
        yield source.fault(path, "nested too deeply", _TOO_DEEP)
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _excesses(source, item, (*path, key))


def _render(path: Path | str, text: str, fault: Fault) -> str:
    rows = [f"{path}:{fault.line}:{fault.column}: {fault.message}" if fault.line else f"{path}: {fault.message}"]
    if fault.width:
        first = max(0, fault.column - 61)
        excerpt = text.split("\n")[fault.line - 1][first : first + 110]
        offset = fault.column - 1 - first
        indent = "".join("\t" if character == "\t" else " " * _columns(character) for character in excerpt[:offset])
        carets = "^" * max(1, sum(map(_columns, excerpt[offset : offset + fault.width])))
        rows += [f"    {_printable(excerpt)}", f"    {indent}{carets}"]
    return "\n".join([*rows, f"    {fault.hint}"] if fault.hint else rows)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() or character == "\t" else "\ufffd" for character in text)


def _columns(character: str) -> int:
    """How many columns of a terminal a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
