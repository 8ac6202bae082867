"""Numbers as text: enough digits, never misleading ones."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.present import numbers

NAN = math.nan


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (numbers.p_value(0.0), "<0.001"),
        (numbers.p_value(0.0009999), "<0.001"),
        (numbers.p_value(0.012345), "0.012"),
        (numbers.p_value(0.0501), "0.0501"),
        (numbers.p_value(0.0496), "0.0496"),
        (numbers.p_value(NAN), "–"),
        (numbers.interval(-0.6612, -1.021, -0.3), "−0.66 [−1.02, −0.30]"),
        (numbers.interval(2.5, NAN, NAN), "2.500"),
        (numbers.interval(9.04e159, 7.02e159, 1.1e160), "9.0e159 [7.0e159, 1.10e160]"),
        (numbers.interval(123456789.0, 123456780.0, 123456798.0), "123456789.0 [123456780.0, 123456798.0]"),
        (numbers.interval(NAN, NAN, NAN), "–"),
        (numbers.interval(1.0, -math.inf, math.inf), "1.000 [−∞, ∞]"),
        (numbers.mean_sd(8.7022, 1.448), "8.70 ± 1.45"),
        (numbers.mean_sd(0.2954, 0.0294), "0.295 ± 0.029"),
        (numbers.mean_sd(0.053, NAN), "0.053"),
        (numbers.mean_sd(NAN, NAN), "–"),
        (numbers.mean_sd(3.0, 0.0), "3.000 ± 0"),
        (numbers.geometric(0.01213, 1.423), "0.0121 ×÷ 1.42"),
        (numbers.geometric(0.01213, NAN), "0.0121"),
        (numbers.fixed(-0.001, 2), "0.00"),
        (numbers.significant(0.0000123), "1.230e−5"),
        (numbers.significant(123456.0), "123456"),
        (numbers.percent(0.1234), "12.3%"),
        (numbers.percent(1.387), "139%"),
        (numbers.count(NAN), "–"),
        (numbers.listed(["a"]), "a"),
        (numbers.listed(["a", "b", "c"]), "a, b and c"),
        (numbers.listed(list("abcdefghij")), "a, b, c, d, e and 5 more"),
        (numbers.ranges([0, 1, 2]), "0 to 2"),
        (numbers.ranges([0, 2]), "0, 2"),
        (numbers.counted(1, "seed"), "1 seed"),
        (numbers.percent_interval(-0.058, -0.234, 0.154), "−5.8% [−23.4%, +15.4%]"),
        (numbers.percent_interval(0.5, math.nan, math.nan), "+50.0%"),
    ],
)
def test_examples(made: str, text: str) -> None:
    """Each kind of number looks as its docstring says, at its edges too."""
    assert made == text


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_rounding_is_small_beside_the_spread(value: float, spread: float) -> None:
    """Rounding moves a number by less than half of its own spread."""
    text = numbers.with_spread(value, spread)
    shown = float(text.replace("−", "-"))
    assert abs(shown - value) <= 0.5 * spread


@given(st.floats(0, 1))
def test_p_never_rounds_across_the_threshold(p: float) -> None:
    """A printed p is below 0.05 exactly where p is, unless they agree to four decimals."""
    text = numbers.p_value(p)
    shown = 0.0005 if text == "<0.001" else float(text)
    assert (shown < 0.05) == (p < 0.05) or round(p, 4) == 0.05
    assert shown > 0
