"""What experiments print -> stderr, as long as it is not too much; stdout is for results."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from multiprocessing.connection import Connection

MOST = 1 << 20
"""Bytes that are shown of all that one run prints: a loop that prints must not fill a disk with logs."""
PATIENCE = 5.0
"""Seconds to wait for the last of it; what an experiment has left running may keep the pipe."""


class Output:
    """A ``pipe``, for this process or others to print into, and a thread that shows what comes."""

    def __init__(self) -> None:
        reader, self.pipe = multiprocessing.get_context("spawn").Pipe(duplex=False)
        self._thread = threading.Thread(target=_forward, args=(reader, os.dup(2)), name="output", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Show the last of it."""
        self.pipe.close()
        self._thread.join(PATIENCE)


def _forward(reader: Connection, target: int) -> None:
    left = MOST
    while text := os.read(reader.fileno(), 1 << 16):
        shown = text[:left]
        if left and len(text) >= left:
            shown += f"\nbench: runs have printed {MOST} bytes; what more they print is not shown.\n".encode()
        left = max(0, left - len(text))
        with suppress(OSError):  # nobody reads our stderr
            os.write(target, shown)
    reader.close()
    os.close(target)


@contextmanager
def printing_to(descriptor: int) -> Iterator[None]:
    """Let what this process prints meanwhile, by whatever means, go to ``descriptor``."""
    kept = []
    try:
        sys.stdout.flush()
        kept = [os.dup(1), os.dup(2)]
    except (OSError, ValueError, AttributeError):  # closed
        yield
        return
    try:
        for stream in (1, 2):
            os.dup2(descriptor, stream)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        for stream, before in enumerate(kept, 1):
            os.dup2(before, stream)
            os.close(before)
