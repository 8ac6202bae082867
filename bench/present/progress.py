"""What is done of a run becomes a bar on a terminal, a changing line in a notebook, and elsewhere a log."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

if TYPE_CHECKING:
    from bench.execute.coordinate import OnProgress

_EVERY = 30.0  # seconds between plain lines
_REFRESH = 0.2  # seconds between two changes of a line in a notebook


@dataclass
class ProgressDisplay:
    """Call it with the state of a run whenever that changes; use it as a context manager."""

    label: str
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _bar: Progress | None = field(default=None, init=False)
    _started: float = field(default=0.0, init=False)
    _last_line: float = field(default=0.0, init=False)
    _stored_before: float | None = field(default=None, init=False)
    _cell: Any = field(default=None, init=False)
    """The handle of a notebook's output, which is replaced as jobs get on."""
    _line: str = field(default="", init=False)

    def __enter__(self) -> Self:
        self._started = self._last_line = time.monotonic()
        if in_notebook():
            starting = _plain(f"{self.label}: starting")
            self._cell = sys.modules["IPython"].display.display(starting, raw=True, display_id=True)
        elif self.stream.isatty():
            label, status = (TextColumn(f"{{task.{what}}}", markup=False) for what in ("description", "fields[status]"))
            columns = (label, BarColumn(bar_width=None), status, _Clock())
            self._bar = Progress(*columns, console=Console(file=self.stream), transient=True, expand=True)
            self._bar.start()
            self._bar.add_task(self.label, total=None, status="starting")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._cell is not None and self._line:
            self._cell.update(_plain(self._line), raw=True)

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
            elif finished < total and self._cell is None:
                print(f"{self.label}: {status}", file=self.stream, flush=True)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total, status=status)
            return
        now = time.monotonic()
        elapsed, fresh = now - self._started, done - self._stored_before
        left = f", about {clock(elapsed * (total - done) / fresh)} left" if fresh > 0 and done < total else ""
        self._line = f"{self.label}: {status}, {clock(elapsed)} elapsed{left}"
        if now - self._last_line < (_EVERY if self._cell is None else _REFRESH):
            return
        self._last_line = now
        if self._cell is None:
            print(self._line, file=self.stream, flush=True)
        else:
            self._cell.update(_plain(self._line), raw=True)


def notebook_progress(label: str, given: OnProgress | None) -> AbstractContextManager[OnProgress | None]:
    """The ``given`` function that is told of progress; in a notebook, where none is given, a display of it."""
    return ProgressDisplay(label) if given is None and in_notebook() else nullcontext(given)


def in_notebook() -> bool:
    """Whether a kernel of Jupyter's runs this, which shows what is sent to it."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _plain(text: str) -> dict[str, str]:
    return {"text/plain": text}


def clock(seconds: float) -> str:
    """``0:01:23``."""
    return str(timedelta(seconds=round(seconds)))


class _Clock(ProgressColumn):
    """Time gone and time left."""

    def render(self, task: Task) -> Text:
        left = f", {clock(task.time_remaining)} left" if task.time_remaining is not None else ""
        return Text(f"{clock(task.elapsed or 0)}{left}")
