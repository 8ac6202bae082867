"""What the commands ``python -m polysem.…`` share: one way to start, and one way to say what went wrong."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from bench.errors import BenchError


def new_app() -> typer.Typer:
    """A command whose help is plain text and whose errors are messages."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def run(app: typer.Typer, name: str) -> NoReturn:
    """Run ``app`` as ``python -m NAME``; a BenchError becomes its message and exit code."""
    try:
        app(prog_name=f"python -m {name}")
    except BenchError as error:
        typer.echo(f"{name}: {error}", err=True)
        sys.exit(error.exit_code)
    sys.exit()
