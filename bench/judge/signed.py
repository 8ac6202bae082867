"""Words that reach a reader as verdicts, each with its sign: no format needs a colour to tell them apart."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Signed(StrEnum):
    """Verdicts: each member is its word, and knows its ``sign`` ("" for none)."""

    sign: str

    def __new__(cls, word: str, sign: str) -> Self:
        """A member is given as its word and its sign."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.sign = sign
        return member
