"""What is done of a run becomes a bar on a terminal; elsewhere one plain line at the start and every half minute."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

_EVERY = 30.0  # seconds between plain lines


@dataclass
class ProgressDisplay:
    """Call it with the state of a run whenever that changes; use it as a context manager."""

    label: str
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _bar: Progress | None = field(default=None, init=False)
    _started: float = field(default=0.0, init=False)
    _last_line: float = field(default=0.0, init=False)
    _stored_before: float | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        self._started = self._last_line = time.monotonic()
        if self.stream.isatty():
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[status]}", markup=False),
                _Clock(),
                console=Console(file=self.stream),
                transient=True,
                expand=True,
            )
            self._bar.start()
            self._bar.add_task(self.label, total=None, status="starting")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        """Print a line that stays."""
        if self._bar is None:
            print(line, file=self.stream, flush=True)
        else:
            self._bar.console.print(line, markup=False, highlight=False)

    def __call__(self, done: float, finished: int, total: int, failed: int) -> None:
        """Show that ``finished`` of ``total`` jobs are stored, ``failed`` of them as failures.

        ``done`` counts jobs as well, with the fractions of those that are running.
        """
        status = f"{finished}/{total} jobs{f', {failed} failed' if failed else ''}"
        if self._stored_before is None:
            self._stored_before = done
            if self._bar is not None:
                self._bar.reset(self._bar.task_ids[0], completed=int(done), total=total)
            elif finished < total:
                print(f"{self.label}: {status}", file=self.stream, flush=True)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total, status=status)
            return
        now = time.monotonic()
        if now - self._last_line >= _EVERY:
            self._last_line = now
            elapsed = now - self._started
            fresh = done - self._stored_before
            left = f", about {clock(elapsed * (total - done) / fresh)} left" if fresh > 0 else ""
            print(f"{self.label}: {status}, {clock(elapsed)} elapsed{left}", file=self.stream, flush=True)


def clock(seconds: float) -> str:
    """``0:01:23``."""
    return str(timedelta(seconds=round(seconds)))


class _Clock(ProgressColumn):
    """Time gone and time left."""

    def render(self, task: Task) -> Text:
        left = f", {clock(task.time_remaining)} left" if task.time_remaining is not None else ""
        return Text(f"{clock(task.elapsed or 0)}{left}")
