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


class ClaimVerdict(Signed):
    """The verdict on a claim: its word, and its sign in tables."""

    SUPPORTED = "supported", "✓"
    IMMATERIAL = "immaterial", "✗"
    REFUTED = "refuted", "✗"
    INCONCLUSIVE = "inconclusive", "?"
    NOT_IDENTIFIABLE = "not identifiable", "–"
    NOT_MEASURED = "not measured", "–"


DECIDED = (ClaimVerdict.SUPPORTED, ClaimVerdict.IMMATERIAL, ClaimVerdict.REFUTED)
"""Verdicts that further seeds do not change once a look at a run has given them."""
HOPELESS = (ClaimVerdict.NOT_IDENTIFIABLE,)
"""Verdicts that no number of seeds changes."""
FAILED = (ClaimVerdict.IMMATERIAL, ClaimVerdict.REFUTED)
"""Verdicts with which a claim that gates fails."""


class GateVerdict(Signed):
    """What becomes of a comparison with a baseline; the worst first."""

    REGRESSION = "regression", "✗"
    CHANGE = "change", "≠"
    """Of a metric without a better direction."""
    DETERMINISTIC = "deterministic change", ""
    NOT_MEASURED = "not measured", "–"
    INCONCLUSIVE = "inconclusive", "?"
    NO_MARGIN = "no margin", ""
    """Nothing is shown, and no margin says what would count as equivalent."""
    IMPROVEMENT = "improvement", "✓"
    EQUIVALENT = "equivalent", "≈"
    IDENTICAL = "identical", "="
