"""What a suite says of a metric: the smallest difference that matters, and the scale to analyse on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from bench.errors import BenchError


@dataclass(frozen=True)
class MetricSettings:
    """What matters in a metric."""

    margin: float | None = None
    """The smallest difference that matters, in the metric's unit; if ``relative``, a fraction (0.05 for "5%")."""
    relative: bool = False
    scale: Literal["identity", "log"] = "identity"


@dataclass(frozen=True)
class Margin:
    """The smallest difference that matters: ``size`` in the metric's unit, or a fraction of its mean if ``relative``.

    >>> Margin.parse("5%")
    Margin(size=0.05, relative=True)
    >>> Margin.parse("5%").on("identity", mean=8.0)
    0.4
    """

    size: float
    relative: bool = False

    @classmethod
    def parse(cls, given: float | str | Margin) -> Margin:
        """``0.45`` or ``"5%"`` -> a margin.

        Raises:
            BenchError: it is no positive number.
        """
        if isinstance(given, Margin):
            return given
        text = str(given).strip()
        try:
            size = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            size = math.nan
        if not 0 < size < math.inf or isinstance(given, bool):
            hint = 'Give a positive number in the metric\'s unit, or "5%" of its mean.'
            raise BenchError(f"The margin {given!r} is no size.", hint=hint)
        return cls(size, relative=text.endswith("%"))

    def on(self, scale: Literal["identity", "log"], mean: float) -> float:
        """The margin in units of the analysis: of the metric, or of its natural logarithm.

        ``mean`` is that of the metric where nothing is changed; on the log scale it is not needed: there any margin is
        a factor, 0.05 like "5%" a change by 5 %, which is log(1.05). NaN if the mean is 0 or NaN.
        """
        if scale == "log":
            return math.log1p(self.size)
        return (self.size * abs(mean) or math.nan) if self.relative else self.size

    def __str__(self) -> str:
        return f"{self.size * 100:.12g}%" if self.relative else f"{self.size:.12g}"
