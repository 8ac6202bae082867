"""What a suite says of a metric -> its settings: the smallest difference that matters, and the scale to analyse on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class MetricSettings:
    """What matters in a metric."""

    margin: float | None = None
    """The smallest difference that matters, in the metric's unit; if ``relative``, a fraction (0.05 for "5%")."""
    relative: bool = False
    scale: Literal["identity", "log"] = "identity"


def parse_margin(given: Any) -> tuple[float | None, bool]:
    """A margin as a suite gives it (``0.45`` or ``"5%"``) -> the number, and whether it is relative."""
    if isinstance(given, str):
        try:
            return float(given.removesuffix("%")) / 100, True
        except ValueError:  # the shape of the file reports it
            return None, False
    return (float(given), False) if isinstance(given, int | float) else (None, False)
