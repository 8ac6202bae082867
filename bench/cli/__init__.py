"""The commands: each parses options, calls the Python API and prints; errors become messages and exit codes."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import NoReturn

# Commands are listed in the order of these imports.
# isort: off
from bench.cli import running  # noqa: F401
from bench.cli import reporting  # noqa: F401
from bench.cli import planning  # noqa: F401
from bench.cli import gating  # noqa: F401
from bench.cli import starting  # noqa: F401

# isort: on
from bench.cli.app import app
from bench.cli.output import say
from bench.errors import BenchError, Exit


def main() -> NoReturn:
    """Run the command line; a BenchError becomes its message and exit code, and nothing else a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's end is an interruption like Ctrl-C
    try:
        app(prog_name="bench")
    except BenchError as error:
        say(f"bench: {error}")
        sys.exit(error.exit_code)
    except Exception as error:
        if os.environ.get("BENCH_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}".replace("\n", " ")
        say(f"bench: this is a bug, please report it: {what}\nBENCH_DEBUG=1 shows where it happened.")
        sys.exit(Exit.BUG)
    sys.exit(Exit.OK)
