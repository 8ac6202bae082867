"""Text of valid TOML -> the position of each of its keys and values."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]
"""Keys and indices from the top of a document down to a value, e.g. ``("factors", "reg", 1)``."""

DEEPEST = 32
"""Places are recorded for paths of at most so many parts; a longer one is cut, so that a key of 5,000 parts is read in
a time that grows with them and not with their square."""


@dataclass(frozen=True)
class Span:
    """Offsets into the text: the first character, and the one after the last."""

    start: int
    end: int


@dataclass(frozen=True)
class Places:
    """The positions of keys and values by path."""

    keys: dict[KeyPath, Span]
    """For an element of an array of tables: its header."""
    values: dict[KeyPath, Span]


def locate(text: str) -> Places:
    """Every key and value of ``text``, whose line ends are newlines and which ``tomllib`` has accepted."""
    scanner = _Scanner(text)
    scanner.document()
    return Places(scanner.keys, scanner.values)


_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BASIC, _LITERAL = r'"(?:\\.|[^"\\])*"', r"'[^']*'"
_KEY_PART = re.compile(rf"{_BASIC}|{_LITERAL}|[A-Za-z0-9_-]+")
_SCALAR = re.compile(
    r'"""(?:\\.|[^"\\]|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    rf"|{_BASIC}|{_LITERAL}"
    r"|[^,\]}#\n]*[^,\]}#\s]",
    re.DOTALL,
)


class _Scanner:
    """Walks valid TOML once; ``at`` is the offset of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.keys: dict[KeyPath, Span] = {}
        self.values: dict[KeyPath, Span] = {}
        self.newest: dict[KeyPath, int] = {}  # array of tables -> index of its latest element

    def document(self) -> None:
        table: KeyPath = ()
        while (character := self.skip_blank()) != "":
            if character == "[":
                table = self.header()
            else:
                self.pair(table)

    def header(self) -> KeyPath:
        is_element = self.text.startswith("[[", self.at)
        self.at += 2 if is_element else 1
        *parents, (name, span) = self.key()
        self.at = self.text.index("]", self.at) + (2 if is_element else 1)
        path: KeyPath = ()
        for parent, place in parents:
            path = self.enter(path, parent, place)
        if not is_element:
            return self.enter(path, name, span)
        array = (*path, name)
        self.newest[array] = self.newest.get(array, -1) + 1
        path = self.enter(path, name, span)
        self.record(self.keys, path, span)
        self.record(self.values, path, span)
        return path

    def pair(self, table: KeyPath) -> None:
        *parents, (name, span) = self.key()
        path = table
        for parent, place in parents:
            path = self.enter(path, parent, place)
        path = (*path, name)[: DEEPEST + 1]
        self.record(self.keys, path, span)
        self.at = self.text.index("=", self.at) + 1
        self.value(path)

    def enter(self, path: KeyPath, name: str, span: Span) -> KeyPath:
        """The table ``name`` of ``path``, in an array of tables its latest element; a first mention is its place."""
        path = (*path, name)[: DEEPEST + 1]
        self.record(self.keys, path, span)
        self.record(self.values, path, span)
        return (*path, self.newest[path]) if path in self.newest else path

    def key(self) -> list[tuple[str, Span]]:
        """The parts of a key, dotted or not."""
        parts = []
        while True:
            self.skip_blank()
            start = self.at
            text = self.take(_KEY_PART)
            name = tomllib.loads(f"key = {text}")["key"] if text[0] in "\"'" else text
            parts.append((name, Span(start, self.at)))
            if self.skip_blank() != ".":
                return parts
            self.at += 1

    def value(self, path: KeyPath) -> None:
        opening = self.skip_blank()
        start = self.at
        if opening == "[":
            self.at += 1
            index = 0
            while self.skip_separator() != "]":
                self.value((*path, index))
                index += 1
            self.at += 1
        elif opening == "{":
            self.at += 1
            while self.skip_separator() != "}":
                self.pair(path)
            self.at += 1
        else:
            self.take(_SCALAR)
        self.record(self.values, path, Span(start, self.at))

    def skip_blank(self) -> str:
        """The next character that is neither blank nor in a comment; empty at the end."""
        self.take(_BLANK)
        return self.text[self.at : self.at + 1]

    def skip_separator(self) -> str:
        if self.skip_blank() == ",":
            self.at += 1
        return self.skip_blank()

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        assert match is not None, f"not TOML at offset {self.at}"
        self.at = match.end()
        return match[0]

    @staticmethod
    def record(places: dict[KeyPath, Span], path: KeyPath, span: Span) -> None:
        if len(path) <= DEEPEST:
            places.setdefault(path, span)
