"""The commands: each parses options, calls the Python API and prints; errors become messages and exit codes."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from typing import NoReturn

from bench.errors import BenchError, Exit

_ENDS = ("SIGTERM", "SIGHUP", "SIGUSR1")
"""What ends a run like Ctrl-C: a scheduler, a closed terminal, Slurm's warning ahead of its time limit."""


def main() -> NoReturn:
    """Run the command line; a BenchError becomes its message and exit code, and nothing else a traceback."""
    gc.set_threshold(50_000)  # at 700 an eighth of a report's time is spent on looking for garbage, of which is little
    for name in _ENDS:
        number = getattr(signal, name, None)  # Windows has but some
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, signal.default_int_handler)
    try:
        sys.exit(_run())
    except KeyboardInterrupt:  # before there was anything to interrupt
        sys.exit(Exit.INTERRUPTED)


def _run() -> Exit:
    from bench.cli.output import drop_output, prepare_streams, say

    prepare_streams()
    try:
        # Commands are listed in the order of these imports.
        from bench.cli import running  # noqa: F401  # isort: skip
        from bench.cli import reporting  # noqa: F401  # isort: skip
        from bench.cli import planning  # noqa: F401  # isort: skip
        from bench.cli import gating  # noqa: F401  # isort: skip
        from bench.cli import starting  # noqa: F401  # isort: skip
        from bench.cli.app import app

        app(prog_name="bench")
    except BenchError as error:
        say(f"bench: {error}")
        return error.exit_code
    except OSError as error:
        if os.environ.get("BENCH_DEBUG"):
            raise
        drop_output()
        where = f"{error.filename}: " if error.filename else ""
        say(f"bench: {where}{error.strerror or error}.{_HINTS.get(error.errno or 0, '')}")
        return Exit.RUNS_FAILED if error.errno in (errno.ENOSPC, errno.EDQUOT) else Exit.USAGE
    except Exception as error:
        if os.environ.get("BENCH_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}".replace("\n", " ")
        say(f"bench: this is a bug, please report it: {what}\nBENCH_DEBUG=1 shows where it happened.")
        return Exit.BUG
    return Exit.OK


_HINTS = {
    errno.EMFILE: "\nThis process may open more files after: ulimit -n 1024.",
    errno.ENFILE: "\nThis machine has too many files open; end what holds them.",
    errno.ENOSPC: "\nFree some space (df says where, /dev/shm too), then give the same command again.",
    errno.ENOMEM: "\nFree some memory, or use fewer --workers; then give the same command again.",
}
