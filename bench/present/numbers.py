"""Numbers become the text that people read, the same in every table and sentence; a missing number is a dash."""

from __future__ import annotations

import math
from collections.abc import Sequence

MISSING = "–"
"""What stands for NaN in text; data keep the NaN."""


def decimals_for(spread: float) -> int | None:
    """Decimals that show ``spread`` to two significant digits, three if the first is 1; None if it has no size."""
    if not math.isfinite(spread) or spread == 0:
        return None
    exponent = math.floor(math.log10(abs(spread)))
    leading_one = abs(spread) < 2 * 10.0**exponent
    return max(0, 1 + leading_one - exponent)


def fixed(value: float, decimals: int) -> str:
    """``value`` with so many decimals and a true minus sign, never "−0.00"."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def statistic(value: float) -> str:
    """A t, F, d or z: two decimals."""
    return fixed(value, 2)


def significant(value: float, digits: int = 4) -> str:
    """``value`` to so many significant digits; powers of ten only where plain decimals would be long."""
    if not math.isfinite(value) or value == 0:
        return fixed(value, 0)
    if 1e-4 <= abs(value) < 1e7:
        return fixed(value, max(0, digits - 1 - math.floor(math.log10(abs(value)))))
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def with_spread(value: float, spread: float) -> str:
    """``value`` to the digits that its spread (a standard deviation, half an interval) leaves meaningful."""
    decimals = decimals_for(spread)
    if decimals is None:
        return significant(value)
    if decimals > 7 or abs(spread) >= 1e7:
        before = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
        last = decimals or 1 - math.floor(math.log10(abs(spread)))
        return significant(value, min(15, max(2, last + 1 + before)))
    return fixed(value, decimals)


def interval(value: float, low: float, high: float) -> str:
    """An estimate with its interval: ``−0.66 [−1.02, −0.30]``."""
    if math.isnan(low) and math.isnan(high):
        return significant(value)
    estimate, *limits = (with_spread(number, (high - low) / 2) for number in (value, low, high))
    return f"{estimate} [{', '.join(limits)}]"


def times(scale: str) -> str:
    """What stands before a ratio; nothing before a difference."""
    return "× " if scale == "ratio" else ""


def mean_sd(mean: float, sd: float) -> str:
    """A mean with its standard deviation, ``8.70 ± 1.45``; alone, as short as four digits allow, if it has none."""
    if math.isnan(sd):
        return MISSING if math.isnan(mean) else f"{mean:.4g}".replace("-", "−")
    return f"{with_spread(mean, sd)} ± {with_spread(sd, sd)}"


def geometric(mean: float, factor: float) -> str:
    """A geometric mean with its geometric standard deviation, a factor: ``0.0121 ×÷ 1.42``."""
    return significant(mean, 3) if math.isnan(factor) else f"{significant(mean, 3)} ×÷ {significant(factor, 3)}"


def p_value(p: float) -> str:
    """``<0.001`` or three decimals; a fourth where rounding would hide on which side of 0.05 it lies."""
    if math.isnan(p):
        return MISSING
    if p < 0.001:
        return "<0.001"
    text = f"{p:.3f}"
    return f"{p:.4f}" if text == "0.050" else text


def percent(fraction: float) -> str:
    """A fraction as per cent: ``0.123`` is ``12.3%``, from 100% on without decimals."""
    if math.isnan(fraction):
        return MISSING
    return f"{fixed(100 * fraction, 1 if abs(fraction) < 1 else 0)}%"


def level(confidence: float) -> str:
    """A confidence as per cent, with its own decimals: ``0.95`` is ``95%``, ``0.999`` is ``99.9%``."""
    return f"{100 * confidence:.10g}%"


def percent_interval(fraction: float, low: float, high: float) -> str:
    """A change with its interval, ``−5.8% [−23.4%, +15.4%]``; alone if it has none."""
    change, *limits = (f"{'+' if value > 0 else ''}{percent(value)}" for value in (fraction, low, high))
    return change if math.isnan(low) else f"{change} [{', '.join(limits)}]"


def count(value: float) -> str:
    """An integer; thousands are not separated, so that it can be copied."""
    return MISSING if math.isnan(value) else "∞" if math.isinf(value) else str(int(value))


def counted(number: int, noun: str) -> str:
    """``1 seed``, ``2 seeds``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(items: Sequence[str], *, most: int = 6) -> str:
    """``a, b and c``; more than ``most`` items end in "and 4 more"."""
    shown = items if len(items) <= most else [*items[: most - 1], f"{len(items) - most + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def ranges(integers: Sequence[int], *, to: str = " to ", between: str = ", ") -> str:
    """``0 to 9``, or ``3, 5, 8``."""
    consecutive = len(integers) > 2 and list(integers) == list(range(integers[0], integers[0] + len(integers)))
    return f"{integers[0]}{to}{integers[-1]}" if consecutive else between.join(map(str, integers))
