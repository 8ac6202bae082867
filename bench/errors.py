"""The one way in which bench tells a person that something cannot be done: a message and an exit code."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command (`bench --help` says what they mean)."""

    OK = 0
    REGRESSION = 1
    USAGE = 2
    RUNS_FAILED = 3
    INCONCLUSIVE = 4
    BUG = 70
    INTERRUPTED = 130


def printable(text: str) -> str:
    """Text of a stranger as a terminal shows it and does not obey it: what is no character to see becomes U+FFFD."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


class BenchError(Exception):
    """A failure that the user can act on; the command line prints it without a traceback.

    ``message`` says what was given, what is allowed and where; ``hint`` names the next step.
    """

    def __init__(self, message: str, *, hint: str = "", exit_code: Exit = Exit.USAGE) -> None:
        super().__init__(printable(message))
        self.message = printable(message)
        self.hint = printable(hint)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message
