"""A range of values -> where they lie along an axis, and round numbers to label it with, as many as have room."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.present.plots.letters import SMALL, text_width

Floats = NDArray[np.float64]

_LINE = 0.2
"""Inches between the labels of a vertical axis, at least."""
_TIERS = (
    (100,),
    (100, 200, 500),
    (150, 300, 700),
    (120, 170, 250, 400),
    (110, 130, 140, 350, 600, 800, 900),
)
"""Mantissas, in hundredths, of the labels of a logarithmic axis, the most welcome first."""


@dataclass(frozen=True)
class Scale:
    """Values from ``low``, at the left or lower end of an axis, to ``high``; for ``log`` both positive."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def around(cls, low: float, high: float, *, log: bool = False) -> Scale:
        """A scale on which these values have some room at both ends, and equal ones too."""
        if log:
            margin = 0.05 * (math.log(high) - math.log(low))
            low, high = low * math.exp(-margin), high * math.exp(margin)
        else:
            low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
        if not low < high:
            low, high = (low / 1.1, high * 1.1) if log else (low - (abs(low) or 1) / 10, high + (abs(high) or 1) / 10)
        return cls(low, high, log)

    def share(self, values: ArrayLike) -> Floats:
        """How far along the axis values lie, 0 at ``low`` and 1 at ``high``."""
        values = np.asarray(values, dtype=float)
        if not self.log:
            return np.asarray((values - self.low) / (self.high - self.low))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((np.log(values) - math.log(self.low)) / (math.log(self.high) - math.log(self.low)))

    def ticks(self, inches: float, *, upright: bool = False, most: int = 6) -> dict[float, str]:
        """At most so many round numbers -> their labels, which fit along ``inches``; ``upright`` up a vertical axis."""

        def room(first: str, second: str) -> float:
            return _LINE if upright else (text_width(first, SMALL) + text_width(second, SMALL)) / 2 + 0.1

        if self.log and self.high / self.low > 2:
            return self._log_ticks(inches, room, most)
        return self._even_ticks(inches, room, most)

    def _even_ticks(self, inches: float, room: Callable[[str, str], float], most: int) -> dict[float, str]:
        smallest = math.floor(math.log10((self.high - self.low) / most))
        steps = ((step, power) for power in range(smallest, smallest + 4) for step in (1, 2, 2.5, 5))
        labels: dict[float, str] = {}
        for mantissa, power in steps:
            step = float(f"{mantissa}e{power}")
            numbers = range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)
            values = [number * step for number in numbers]
            labels = dict(zip(values, _labels(values, -power + (mantissa == 2.5)), strict=True))
            if len(labels) <= most and self._fits(labels, inches, room):
                break
        return labels

    def _log_ticks(self, inches: float, room: Callable[[str, str], float], most: int) -> dict[float, str]:
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        decades = math.log10(self.high) - math.log10(self.low)
        every = max(1, math.ceil(decades / most))
        tiers: tuple[tuple[int, ...], ...] = ((100,),) if decades > 3 else ((100,), (300,)) if decades > 2.2 else _TIERS
        labels: dict[float, str] = {}
        for tier in tiers:
            for exponent in exponents if len(tiers) > 1 else exponents[(-exponents[0]) % every :: every]:
                for mantissa in tier:
                    value = float(f"{mantissa}e{exponent - 2}")
                    tried = dict(sorted({**labels, value: label(value)}.items()))
                    is_inside = self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)
                    if is_inside and len(tried) <= most and self._fits(tried, inches, room):
                        labels = tried
        return labels

    def _fits(self, labels: dict[float, str], inches: float, room: Callable[[str, str], float]) -> bool:
        at, texts = (self.share(list(labels)) * inches).tolist(), list(labels.values())
        return all(at[i + 1] - at[i] >= room(texts[i], texts[i + 1]) for i in range(len(at) - 1))


def limits(*values: ArrayLike, log: bool = False) -> tuple[float, float]:
    """The smallest and the largest finite value, of a log axis the positive ones; 0 and 1, or 1, if there is none."""
    joined = np.concatenate([np.ravel(np.asarray(some, dtype=float)) for some in values])
    finite = joined[np.isfinite(joined) & ((joined > 0) | (not log))]
    return (float(finite.min()), float(finite.max())) if len(finite) else (1.0, 1.0) if log else (0.0, 1.0)


def _labels(values: Sequence[float], decimals: int) -> list[str]:
    """Round numbers to so many decimals; powers of ten only where plain decimals would be long."""
    largest = max(map(abs, values), default=0.0)
    if 1e-3 <= largest < 1e6 and decimals < 7:
        return [f"{value + 0.0:.{max(0, decimals)}f}".replace("-", "−") for value in values]
    digits = [max(0, math.floor(math.log10(abs(value) or 1.0) + 1e-9) + decimals) for value in values]
    return [_power(value, digit) if value else "0" for value, digit in zip(values, digits, strict=True)]


def _power(value: float, digits: int) -> str:
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.') if digits else mantissa}e{int(exponent)}".replace("-", "−")


def label(value: float) -> str:
    """One value as axes write it."""
    return f"{value:.6g}".replace("-", "−") if 1e-4 <= value < 1e6 else _power(value, 5)
