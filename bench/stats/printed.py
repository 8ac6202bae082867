"""Numbers as they were printed -> all values that round to them, and what these allow for other numbers.

A printed 2.1 may be anything from 2.05 to 2.15. Whatever is computed from printed numbers is therefore a range: its
ends lie at the corners of the box of all values, since t, d, p and changes are monotone in each of their ingredients.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from math import isfinite, isnan, nan, sqrt

import numpy as np
from scipy import special

_NUMBER = r"([+-]?[0-9]*[.]?[0-9]+(?:e[+-]?[0-9]+)?)"
_PRINTED = re.compile(rf"([<>≤≥]?)=? *{_NUMBER} *(%?)(?: *(?:–|to) *{_NUMBER} *(%?))?", re.IGNORECASE)
_SLACK = 1e-9


@dataclass(frozen=True)
class Range:
    """The values that a number may have; ``value`` is the number that the printed digits give, NaN for "<0.01"."""

    value: float
    low: float
    high: float

    def overlaps(self, other: Range) -> bool:
        """Whether some value is in both."""
        slack = _SLACK * max(1.0, abs(self.low), abs(self.high))
        return self.low <= other.high + slack and other.low <= self.high + slack

    def __abs__(self) -> Range:
        low, high = sorted((abs(self.low), abs(self.high)))
        return Range(abs(self.value), 0.0 if self.low < 0 < self.high else low, high)


UNKNOWN = Range(nan, nan, nan)


def read(text: str) -> Range:
    """What rounds to ``text``: "2.10" is 2.095 to 2.105, "<0.01" is 0 to 0.01, "-17.9%" is -0.1795 to -0.1785.

    "1.5–1.6" (or "1.5 to 1.6") is 1.45 to 1.65. Raises ValueError for anything else.
    """
    match = _PRINTED.fullmatch(text.strip().replace("−", "-"))
    if match is None:
        raise ValueError(f"{text!r} is not a number as one prints it")
    sign, first, percent, second, percent_too = match.groups()
    low = _rounded(first, percent or percent_too or "")
    if second is not None and not sign:
        high = _rounded(second, percent_too)
        return Range((low.value + high.value) / 2, low.low, high.high)
    if sign in ("<", "≤"):
        return Range(nan, 0.0, low.value)
    return Range(nan, low.value, np.inf) if sign else low


def over(function: Callable[..., float], *ranges: Range) -> Range:
    """The range of a function that is monotone in each argument."""
    if any(isnan(entry.low) for entry in ranges):
        return UNKNOWN
    corners = [function(*corner) for corner in product(*((entry.low, entry.high) for entry in ranges))]
    known = [value for value in corners if not isnan(value)]
    value = function(*(entry.value for entry in ranges))
    return Range(value, min(known), max(known)) if known else UNKNOWN


def exactly(value: float) -> Range:
    """A number that was not rounded, such as a count."""
    return Range(value, value, value)


def sample_sd(sd: Range, n: int, ddof: int) -> Range:
    """The SD of a sample (ddof 1) from one that was divided by n - ``ddof``."""
    factor = sqrt((n - ddof) / (n - 1)) if n > 1 else nan
    return Range(sd.value * factor, sd.low * factor, sd.high * factor)


def t_of_means(mean_a: Range, sd_a: Range, n_a: int, mean_b: Range, sd_b: Range, n_b: int, *, pooled: bool) -> Range:
    """T of b against a, independent samples with SDs of ddof 1: Student's if ``pooled``, else Welch's."""

    def t(a: float, s: float, b: float, r: float) -> float:
        variance = ((n_a - 1) * s * s + (n_b - 1) * r * r) / (n_a + n_b - 2)
        squared = variance * (1 / n_a + 1 / n_b) if pooled else s * s / n_a + r * r / n_b
        return (b - a) / sqrt(squared) if squared > 0 else nan

    return over(t, mean_a, sd_a, mean_b, sd_b)


def d_of_means(mean_a: Range, sd_a: Range, n_a: int, mean_b: Range, sd_b: Range, n_b: int) -> Range:
    """Cohen's d of b against a, over the pooled SD."""
    factor = sqrt(1 / n_a + 1 / n_b)
    return over(lambda t: t * factor, t_of_means(mean_a, sd_a, n_a, mean_b, sd_b, n_b, pooled=True))


def welch_df(sd_a: Range, n_a: int, sd_b: Range, n_b: int) -> Range:
    """Welch's degrees of freedom; from the least possible to n_a + n_b - 2, unless both SDs are known."""

    def df(s: float, r: float) -> float:
        a, b = s * s / n_a, r * r / n_b
        return (a + b) ** 2 / (a * a / (n_a - 1) + b * b / (n_b - 1)) if a + b > 0 else nan

    least, most = float(min(n_a, n_b) - 1), float(n_a + n_b - 2)
    if isnan(sd_a.low) or isnan(sd_b.low):
        return Range(most, least, most)
    found = over(df, sd_a, sd_b)
    ratio = over(lambda s, r: (s / r) ** 2 * n_b / n_a if r > 0 else nan, sd_a, sd_b)
    peak = (n_a - 1) / (n_b - 1)  # where the degrees of freedom are largest, inside the box
    return Range(found.value, found.low, most if ratio.low <= peak <= ratio.high else found.high)


def p_of_t(t: Range, df: Range) -> Range:
    """Two-sided p of t."""
    return over(lambda size, degrees: float(2 * special.stdtr(degrees, -abs(size))), abs(t), df)


def change_of_means(mean_a: Range, mean_b: Range) -> Range:
    """Relative change from a to b; unknown if a may be zero."""
    if mean_a.low <= 0 <= mean_a.high:
        return UNKNOWN
    return over(lambda a, b: b / a - 1, mean_a, mean_b)


def missing_sd(mean_a: Range, sd_a: Range, n_a: int, mean_b: Range, n_b: int, t: Range) -> Range:
    """The SD of b (ddof 1) that makes Welch's t what it is said to be.

    UNKNOWN where none does: the SD of a alone makes |t| smaller. For n_a = n_b Student's t is the same.
    """

    def sd(difference: float, s: float, size: float) -> float:
        left = (difference / size) ** 2 - s * s / n_a if size else np.inf
        return sqrt(n_b * left) if left >= 0 else nan

    difference = abs(over(lambda a, b: b - a, mean_a, mean_b))
    found = over(sd, difference, sd_a, abs(t))
    largest = sd(difference.high, sd_a.low, abs(t).low)
    smallest = sd(difference.low, sd_a.high, abs(t).high)
    return UNKNOWN if isnan(largest) else Range(found.value, 0.0 if isnan(smallest) else smallest, largest)


def is_mean_of_integers(mean: Range, n: int) -> bool:
    """Whether some sum of ``n`` integers gives the mean as printed (the GRIM test of Brown & Heathers 2017)."""
    return bool(np.floor(mean.high * n + _SLACK) >= np.ceil(mean.low * n - _SLACK))


def _rounded(text: str, percent: str) -> Range:
    number = Decimal(text)
    value, exponent = float(number), number.as_tuple().exponent
    if not isfinite(value) or not isinstance(exponent, int):
        raise ValueError(f"{text!r} is not a finite number")
    half = 0.5 * 10.0**exponent
    scale = 100.0 if percent else 1.0
    return Range(value / scale, (value - half) / scale, (value + half) / scale)
