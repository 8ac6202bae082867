"""Margins: what a number and a share are on either scale, and what is no margin."""

from __future__ import annotations

import math

import pytest

from bench.errors import BenchError
from bench.plan.metrics import Margin, Scale, margin_of


@pytest.mark.parametrize(
    ("given", "scale", "mean", "expected"),
    [
        (0.3, "identity", 40.0, 0.3),
        ("5%", "identity", 40.0, 2.0),
        ("5%", "identity", -40.0, 2.0),
        ("5%", "log", 40.0, math.log(1.05)),
        (2.0, "log", 40.0, math.log(1.05)),
        ("5%", "identity", 0.0, math.nan),
        (2.0, "log", 0.0, math.nan),
        (2.0, "identity", 0.0, 2.0),
    ],
)
def test_a_margin_on_a_scale(given: float | str, scale: Scale, mean: float, expected: float) -> None:
    """A number is in the metric's unit and a percentage a share of the mean's size; logarithms measure shares."""
    assert Margin.parse(given).on(scale, mean) == pytest.approx(expected, nan_ok=True)


def test_a_plain_number_is_a_share_on_a_log_metric() -> None:
    """0.05 of a metric that is analysed on the log scale means what "5%" means."""
    assert margin_of(0.05, "log", relative=False) == Margin.parse("5%") == margin_of(0.05, "identity", relative=True)
    assert margin_of(0.05, "identity", relative=False) == Margin(0.05)
    assert margin_of(None, "log", relative=False) is None
    assert [str(Margin.parse(text)) for text in ("5%", "0.1%", "0.45")] == ["5%", "0.1%", "0.45"]


@pytest.mark.parametrize("given", [0, -1, "0%", "-5%", "wide", "", "nan", math.inf, True, None])
def test_what_is_no_margin(given: object) -> None:
    """A margin is a positive, finite size."""
    with pytest.raises(BenchError, match="is no size"):
        Margin.parse(given)  # type: ignore[arg-type]
