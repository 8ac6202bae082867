"""Numbers as they were printed -> all values that round to them, and what these allow for other numbers.

A printed 2.1 may be anything from 2.05 to 2.15. Whatever is computed from printed numbers is therefore a range: its
ends lie at the corners of the box of all values, since t, d, p and changes are monotone in each of their ingredients.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product
from math import copysign, inf, isfinite, isnan, nan, sqrt

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
    text: str = ""
    """The number as it was printed, if it was."""

    def overlaps(self, other: Range) -> bool:
        """Whether some value is in both."""
        ends = (self.low, self.high, other.low, other.high)
        slack = _SLACK * max((abs(end) for end in ends if isfinite(end)), default=0.0)
        return self.low <= other.high + slack and other.low <= self.high + slack

    def __abs__(self) -> Range:
        low, high = sorted((abs(self.low), abs(self.high)))
        return replace(self, value=abs(self.value), low=0.0 if self.low < 0 < self.high else low, high=high)

    def times(self, factor: float) -> Range:
        """The range of a product with a positive number, which was not printed."""
        return Range(self.value * factor, self.low * factor, self.high * factor)


UNKNOWN = Range(nan, nan, nan)


@dataclass(frozen=True)
class Sample:
    """What was printed of the values of one group."""

    name: str
    n: int
    mean: Range = UNKNOWN
    sd: Range = UNKNOWN
    """With ddof 1 wherever something is computed from it."""
    integers: bool = False
    """Whether its values are whole numbers."""
    levels: Mapping[str, str] = field(default_factory=dict)

    def with_sample_sd(self, ddof: int) -> Sample:
        """The SD of a sample (ddof 1, never negative) in place of one that was divided by n - ``ddof``."""
        sd = replace(self.sd, low=max(self.sd.low, 0.0)) if self.sd.high >= 0 else UNKNOWN
        return replace(self, sd=sd.times(sqrt((self.n - ddof) / (self.n - 1))))


def read_figure(text: str) -> Range:
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
        return Range((low.value + high.value) / 2, low.low, high.high, text)
    if sign in ("<", "≤"):
        return Range(nan, 0.0, low.value, text)
    return Range(nan, low.value, inf, text) if sign else replace(low, text=text)


def over(function: Callable[..., float], *ranges: Range) -> Range:
    """The range of a function that is monotone in each argument; corners where it is NaN do not exist."""
    if any(isnan(entry.low) for entry in ranges):
        return UNKNOWN
    corners = [function(*corner) for corner in product(*((entry.low, entry.high) for entry in ranges))]
    existing = [value for value in corners if not isnan(value)]
    value = function(*(entry.value for entry in ranges))
    return Range(value, min(existing), max(existing)) if existing else UNKNOWN


def exactly(value: float) -> Range:
    """A number that was not rounded, such as a count."""
    return Range(value, value, value)


def change_of_means(a: Sample, b: Sample) -> Range:
    """Change from a to b relative to the size of a; unknown if the mean of a may be zero."""
    if a.mean.low <= 0 <= a.mean.high:
        return UNKNOWN
    return over(lambda x, y: (y - x) / abs(x), a.mean, b.mean)


def t_of_means(a: Sample, b: Sample, *, pooled: bool) -> Range:
    """T of b against a, independent samples: Student's if ``pooled``, else Welch's."""

    def squared_error(s: float, r: float) -> float:
        return _pooled(a, b, s, r) * (1 / a.n + 1 / b.n) if pooled else s * s / a.n + r * r / b.n

    return over(lambda x, s, y, r: _ratio(y - x, squared_error(s, r)), a.mean, a.sd, b.mean, b.sd)


def d_of_means(a: Sample, b: Sample) -> Range:
    """Cohen's d of b against a, over the pooled SD."""
    return over(lambda x, s, y, r: _ratio(y - x, _pooled(a, b, s, r)), a.mean, a.sd, b.mean, b.sd)


def d_of_average_variance(a: Sample, b: Sample) -> Range:
    """D of b against a over the root of the average variance (Delacre et al. 2021)."""
    return over(lambda x, s, y, r: _ratio(y - x, (s * s + r * r) / 2), a.mean, a.sd, b.mean, b.sd)


def d_of_average_sd(a: Sample, b: Sample) -> Range:
    """D_av of b against a (Lakens 2013), for matched samples."""
    return over(lambda x, s, y, r: _ratio(y - x, ((s + r) / 2) ** 2), a.mean, a.sd, b.mean, b.sd)


def d_of_t(t: Range, a: Sample, b: Sample, *, pooled: bool) -> Range:
    """D, over the pooled SD or the average variance, of samples with this t.

    Student's t gives it, and so does Welch's for samples of one size. For others it lies between what it is where
    either SD is zero.
    """
    if pooled or a.n == b.n:
        return t.times(sqrt(1 / a.n + 1 / b.n))
    squares = [square for n in (a.n, b.n) for square in ((a.n + b.n - 2) / (n * (n - 1)), 2 / n)]
    return over(lambda size, factor: size * factor, t, Range(nan, sqrt(min(squares)), sqrt(max(squares))))


def welch_df(a: Sample, b: Sample) -> Range:
    """Welch's degrees of freedom; from the least possible to n_a + n_b - 2, unless both SDs are known."""

    def df(s: float, r: float) -> float:
        x, y = s * s / a.n, r * r / b.n
        return (x + y) ** 2 / (x * x / (a.n - 1) + y * y / (b.n - 1)) if x + y > 0 else nan

    most = a.n + b.n - 2.0
    known = over(df, a.sd, b.sd)
    if isnan(known.low):
        return Range(nan, min(a.n, b.n) - 1.0, most)
    # They are largest, inside the box, where both variances of means are as (n_a - 1) : (n_b - 1).
    ratio = over(lambda s, r: s * s / a.n * (b.n - 1) - r * r / b.n * (a.n - 1), a.sd, b.sd)
    return replace(known, high=most if ratio.low <= 0 <= ratio.high else known.high)


def p_of_t(t: Range, df: Range) -> Range:
    """Two-sided p of t."""
    return over(lambda size, degrees: float(2 * special.stdtr(degrees, -abs(size))), abs(t), df)


def missing_sd(a: Sample, b: Sample, t: Range, *, pooled: bool) -> Range:
    """The SD of b that makes Student's (``pooled``) or Welch's t what it is said to be; UNKNOWN where none does."""
    of_t, of_a = (
        ((a.n + b.n - 2) / (b.n - 1) / (1 / a.n + 1 / b.n), (a.n - 1) / (b.n - 1)) if pooled else (b.n, b.n / a.n)
    )

    def sd(difference: float, s: float, size: float) -> float:
        squared = of_t * (difference / size) ** 2 - of_a * s * s if size else inf
        return sqrt(squared) if squared >= 0 else nan

    difference = abs(over(lambda x, y: y - x, a.mean, b.mean))
    found = over(sd, difference, a.sd, abs(t))
    smallest = sd(difference.low, a.sd.high, abs(t).high)
    return replace(found, low=0.0) if isnan(smallest) and not isnan(found.high) else found


def is_mean_of_integers(sample: Sample) -> bool:
    """Whether some sum of n integers gives the mean as printed (the GRIM test of Brown & Heathers 2017)."""
    return bool(np.floor(sample.mean.high * sample.n + _SLACK) >= np.ceil(sample.mean.low * sample.n - _SLACK))


def _pooled(a: Sample, b: Sample, s: float, r: float) -> float:
    """The pooled variance for SDs of s and r."""
    return ((a.n - 1) * s * s + (b.n - 1) * r * r) / (a.n + b.n - 2)


def _ratio(difference: float, variance: float) -> float:
    """Infinite without variation; NaN without a difference either, when it may be anything."""
    if variance > 0:
        return difference / sqrt(variance)
    return copysign(inf, difference) if difference else nan


def _rounded(text: str, percent: str) -> Range:
    number = Decimal(text)
    value, exponent = float(number), number.as_tuple().exponent
    if not isfinite(value) or not isinstance(exponent, int):
        raise ValueError(f"{text!r} is not a finite number")
    half = 0.5 * 10.0**exponent
    return Range(value, value - half, value + half).times(0.01 if percent else 1.0)
