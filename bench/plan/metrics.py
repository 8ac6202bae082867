"""The settings of a metric: the smallest difference that matters, the scale to analyse on, its range."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from bench.errors import BenchError

Scale = Literal["identity", "log"]


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
    def parse(cls, value: float | str | Margin, *, of: str = "") -> Margin:
        """``0.45`` or ``"5%"`` -> a margin, ``of`` a metric.

        Raises:
            BenchError: it is no positive number.
        """
        if isinstance(value, Margin):
            return value
        text = str(value).strip()
        try:
            size = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            size = math.nan
        if not 0 < size < math.inf or isinstance(value, bool):
            hint = 'Give a positive number in the metric\'s unit, or "5%" of its mean.'
            raise BenchError(f"The margin {value!r}{f' of {of}' if of else ''} is no size.", hint=hint)
        return cls(size, relative=text.endswith("%"))

    def on(self, scale: Scale, mean: float) -> float:
        """The margin in units of the scale: of the metric, or of its natural logarithm (log 1.05 for a change by 5 %).

        ``mean`` (of the metric) converts a relative margin to the metric's unit, or back; NaN if it is needed and 0.
        """
        is_log = scale == "log"
        if self.relative == is_log:
            size = self.size
        else:
            base = abs(mean) or math.nan
            size = self.size / base if is_log else self.size * base
        return math.log1p(size) if is_log else size

    def __str__(self) -> str:
        return f"{self.size * 100:.12g}%" if self.relative else f"{self.size:.12g}"


def margin_of(size: float | None, scale: Scale, *, relative: bool) -> Margin | None:
    """A margin of this size on a scale; on the log scale it is relative in any case. None without a size."""
    return None if size is None else Margin(size, relative or scale == "log")


@dataclass(frozen=True)
class MetricSettings:
    """The settings of a metric in a suite."""

    margin: float | None = None
    """The smallest difference that matters, in the metric's unit; if ``relative``, a fraction (0.05 for "5%")."""
    relative: bool = False
    scale: Scale = "identity"
    range: tuple[float, float] | None = None
    """The lowest and the highest value that the metric can have; None for no limits."""

    def with_margin(self, value: float | str | None) -> MetricSettings:
        """The same with another margin, which ``Margin.parse`` reads; None leaves it as it is."""
        if value is None:
            return self
        margin = Margin.parse(value)
        return replace(self, margin=margin.size, relative=margin.relative)
