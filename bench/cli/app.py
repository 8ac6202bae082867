"""The command line as a whole: what `bench --help` says, and how a command's examples are shown."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    help=(
        "Run experiments over factors and seeds, and report what they show.\n\n"
        "\b\n"
        "Examples:\n"
        "  bench init && bench run study.toml && bench report\n"
        "  bench report full_factorial --format md > report.md\n"
        "\n"
        "\b\n"
        "Exit codes:\n"
        "  0    fine\n"
        "  1    a regression against the baseline, or a gating claim of the suite is refuted or immaterial\n"
        "  2    bad usage, an invalid suite, a file that cannot be read or written\n"
        "  3    some runs failed, the disk is full, or a stored run is damaged\n"
        "  4    a comparison is inconclusive, or nothing was measured\n"
        "  130  interrupted; the same command finishes the rest\n"
        "  70   a bug in bench (BENCH_DEBUG=1 shows where)\n"
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(given: bool) -> None:
    if given:
        from importlib.metadata import version

        typer.echo(f"polysem-bench {version('polysem-bench')}")
        raise typer.Exit


@app.callback()
def bench(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """What precedes every command."""


def examples(*commands: str) -> str:
    """The end of a command's help, kept in lines."""
    return "\n".join(["\b", "Examples:", *(f"  {command}" for command in commands)])
