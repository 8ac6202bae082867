"""Limits as people write them."""

from __future__ import annotations

import math

import pytest

from bench.errors import BenchError
from bench.execute.workers import Limits, in_bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5 h", 5400), ("10m", 600), ("10 min", 600), (2.5, 2.5), ("1d", 86400)],
)
def test_times(text: float | str, seconds: float) -> None:
    """A time is a number of seconds, or a number with a unit."""
    assert Limits.of(text, None) == Limits(seconds, math.inf)


@pytest.mark.parametrize(
    ("text", "size"), [("800MB", 8e8), ("2 GB", 2e9), ("2gib", 2 * 2**30), ("1.5GB", 1.5e9), (4096, 4096)]
)
def test_sizes(text: float | str, size: float) -> None:
    """A size is a number of bytes, or a number with a decimal or binary unit."""
    assert Limits.of(None, text) == Limits(math.inf, size)


@pytest.mark.parametrize("text", ["", "0", "-1", "ten", "10 parsecs", "1e400", "nan", math.nan, 0, -2.0])
def test_anything_else_is_refused(text: float | str) -> None:
    """What is no time or size, or not above 0, is an error that shows what is allowed."""
    with pytest.raises(BenchError, match="is not a time limit") as raised:
        Limits.of(text, None)
    assert "10m" in raised.value.hint
    with pytest.raises(BenchError, match="is not a memory limit"):
        Limits.of(None, text)


def test_none_is_no_limit() -> None:
    """Without limits nothing is limited, and there is nothing to enforce."""
    assert not Limits.of(None, None)
    assert Limits.of("1s", None)


def test_words() -> None:
    """Sizes are said in the unit that suits them."""
    assert [in_bytes(size) for size in (5e3, 8e8, 2.5e9, 1e12)] == ["5.0 KB", "800.0 MB", "2.5 GB", "1.0 TB"]
