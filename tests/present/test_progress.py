"""Progress on a terminal and elsewhere."""

from __future__ import annotations

import io
import time

import pytest

from bench.present.progress import ProgressDisplay, clock


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It does."""
        return True


def test_elsewhere_a_plain_line_comes_at_once_and_every_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log gets a line when work begins, then one in 30 s, whose time left is judged by this command's jobs only."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    stream = io.StringIO()
    with ProgressDisplay("suite [x]", stream) as progress:
        progress(60.0, 60, 100, 0)
        for now in (110.0, 120.0, 140.0, 150.0):
            progress(60.0 + (now - 100) / 5, 60 + int(now - 100) // 5, 100, 1)
    first, second, *rest = stream.getvalue().splitlines(keepends=True)
    assert (first, rest) == ("suite [x]: 60/100 jobs\n", [])
    assert second == "suite [x]: 68/100 jobs, 1 failed, 0:00:40 elapsed, about 0:02:40 left\n"


def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal shows the counts as they change, and no markup of the suite's name is read."""
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with ProgressDisplay("suite [red]", stream) as progress:
        progress(0.0, 0, 8, 0)
        progress(8.0, 8, 8, 2)
    assert "suite [red]" in stream.getvalue()
    assert "8/8 jobs, 2 failed" in stream.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00:00"), (83, "0:01:23"), (90061, "1 day, 1:01:01")])
def test_clock(seconds: float, text: str) -> None:
    """Times are hours, minutes and seconds."""
    assert clock(seconds) == text
