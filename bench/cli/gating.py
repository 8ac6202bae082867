"""The commands that hold a run against a baseline: compare, baseline accept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench import REPORTS
from bench.cli.app import app, examples
from bench.cli.options import (
    CompareFormat,
    Out,
    Output,
    ReportFormat,
    RunName,
)
from bench.cli.output import append_summary, emit, emit_report, say
from bench.errors import BenchError, Exit


@app.command(
    epilog=examples(
        "bench compare ci",
        "bench compare full_factorial full_factorial_described",
        "bench compare ci --baseline reports/baselines/ci.csv --strict",
        "bench compare ci --format md > comment.md",
        "bench compare ci --format junit --output junit.xml",
    )
)
def compare(
    name: RunName = None,
    other: Annotated[
        str | None,
        typer.Argument(
            metavar="OTHER", help="Another run, to lay beside RUN; or a table, as --baseline.", show_default=False
        ),
    ] = None,
    *,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="An accepted baseline, a published table (CSV) or a run; by default where `bench baseline accept` "
            "writes.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        CompareFormat, typer.Option("--format", metavar="FORMAT", help="terminal, md, json, junit or github.")
    ] = CompareFormat.TERMINAL,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail unless each metric is shown to be no worse by its margin.")
    ] = False,
    suite: Annotated[
        Path | None,
        typer.Option(
            metavar="SUITE",
            help="The run's suite file: lets a planned second look run its seeds. It imports the suite's experiment.",
            show_default=False,
        ),
    ] = None,
    more_seeds: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Planned beforehand: N more seeds if undecided, and a second look; run with --suite.",
            show_default=False,
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Every row in the terminal too.")] = False,
    output: Output = None,
    out: Out = REPORTS,
) -> None:
    """Compare a run with a baseline: the verdict, then what changed. Or two runs: what survives in both or in one.

    Two runs, bench compare A B, are laid side by side: claims with both verdicts, effects, means; nothing is tested.
    Exits with 1 for a regression, 3 if runs failed, 4 if something is undecided or nothing was measured, else with 0.
    For a pull request: md is a comment, github annotates it and writes the job summary, junit has a test case for each
    metric and cell.
    """
    import bench
    from bench.present.progress import ProgressDisplay
    from bench.present.render import github, junit

    if other is not None and baseline is not None:
        raise BenchError(f"Both {other} and --baseline are given.", hint="Name one of them.")
    if other is not None and not other.endswith(".csv"):
        if form in (CompareFormat.GITHUB, CompareFormat.JUNIT):
            raise BenchError(f"{form} is for a gate.", hint=f"To hold {name} against a run: --baseline {other}.")
        emit_report(bench.beside(name or "", other, out=out), ReportFormat(form), output, full=full)
        return
    baseline = other or baseline
    with ProgressDisplay("more seeds") as progress:
        found = bench.compare(
            name, baseline, suite=suite, strict=strict, more_seeds=more_seeds, out=out, progress=progress
        )
    if form is CompareFormat.GITHUB:
        append_summary(github.summary(found))
        emit(github.commands(found), output)
    elif form is CompareFormat.JUNIT:
        emit(junit.render(found), output)
    else:
        emit_report(found, ReportFormat(form), output, full=full)
    if found.exit_code is not Exit.OK:
        raise typer.Exit(found.exit_code)


baseline_app = typer.Typer(
    help="Keep the values of a run as the baseline of later ones.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(baseline_app, name="baseline")


@baseline_app.command(
    epilog=examples(
        "bench baseline accept ci",
        "bench baseline accept ci --to reports/baselines/ci.csv",
    )
)
def accept(
    name: RunName = None,
    *,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="By default the suite's [baseline] file, inside the project, else DIR/baselines/SUITE.csv.",
            show_default=False,
        ),
    ] = None,
    out: Out = REPORTS,
) -> None:
    """Make a finished run the baseline: a CSV with one sorted row a run, and its manifest. Commit both."""
    import bench

    say(f"Written to {bench.accept(name, to, out=out)}")
