"""The commands that run suites and keep what is stored: run, runs, export."""

from __future__ import annotations

import importlib.util
import sys
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench import REPORTS
from bench.cli.app import app, examples
from bench.cli.options import (
    Out,
    Output,
    RunName,
    Seeds,
    SuiteFile,
    TableFormat,
    TextFormat,
    TextOrJson,
)
from bench.cli.output import emit, emit_facts, say, width
from bench.errors import BenchError, Exit

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame


@app.command(
    epilog=examples(
        "bench run examples/digits.toml",
        "bench run suites/full_factorial.toml --seeds 20 --workers 4",
        "bench run suites/full_factorial.toml --executor dask --address tcp://10.0.0.5:8786",
        "bench run suites/full_factorial.toml --dry-run",
        "bench run my_suite.toml --sequential",
    )
)
def run(
    suite: SuiteFile,
    *,
    seeds: Seeds = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Runs at the same time; by default one per CPU.")
    ] = None,
    executor: Annotated[
        str, typer.Option(metavar="NAME", help="local, serial (in this process), dask, or package.module:factory.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="With dask: of the scheduler, tcp://HOST:PORT; else a cluster starts here."
        ),
    ] = None,
    time_limit: Annotated[
        str | None, typer.Option(metavar="TIME", help='Stop a batch of runs that takes longer: "90s", "10m", "2h".')
    ] = None,
    memory_limit: Annotated[
        str | None, typer.Option(metavar="SIZE", help='Stop a worker that takes more memory: "800MB", "2GB".')
    ] = None,
    out: Out = REPORTS,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be run and, by what is stored, in which time; and stop.")
    ] = False,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Run for 5 s, each batch to its end (the results count); then do as --dry-run."),
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Move earlier results aside instead of continuing.")] = False,
    rerun_changed: Annotated[
        bool,
        typer.Option(
            "--rerun-changed", help="Also run again what is stored of other source of the experiment than today's."
        ),
    ] = False,
    sequential: Annotated[
        bool,
        typer.Option(
            "--sequential", help="Judge the claims at each look that the suite plans; stop when all are decided."
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse claims that the planned seeds can neither support nor refute.")
    ] = False,
    twice: Annotated[
        bool,
        typer.Option(
            help="Of a new experiment or version, run one job a second time, alone: its numbers must be the same."
        ),
    ] = True,
    form: TextOrJson = TextFormat.TEXT,
) -> None:
    """Run a suite, or what is missing of it.

    Every run is stored when it finishes, under DIR/NAME-OF-THE-SUITE: give an interrupted command again and it goes
    on; add seeds or levels and only these are run. Exits with 3 if runs failed; one that diverges has not failed. What
    exceeds a limit is run again, each run alone; a run that then exceeds it has failed.
    """
    import bench
    from bench.present.progress import ProgressDisplay

    if sequential and (dry_run or probe):
        raise BenchError("--sequential goes with neither --dry-run nor --probe.", hint="Forecast without --sequential.")
    loaded = bench.check(suite, seeds=seeds)
    if dry_run or probe:
        given = {"workers": workers, "out": out, "fresh": fresh, "rerun_changed": rerun_changed}
        _forecast(loaded, form, probe=probe, executor=executor, address=address, **given)
        return
    again: list[str] = []

    def preview() -> None:
        """Say which claims cannot be decided; all that the end of the run needs is imported for it."""
        try:
            from bench.present import brief  # noqa: F401
            from bench.present.design import undecidable

            for line in undecidable({} if strict else bench.undecidable(loaded, out=stored)):
                progress.say(line)
            previewed.set_result(None)
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            previewed.set_exception(error)

    def tell(look: Any) -> None:
        from bench.present import state

        progress.say(f"{loaded.name}: {state.look_line(look)}")

    stored = out if (out / loaded.name / "run.json").is_file() else None
    previewed: Future[None] = Future()
    with ProgressDisplay(loaded.name) as progress:
        Thread(target=preview, daemon=True).start()  # while workers start; Ctrl-C does not wait for it
        if stored or executor not in ("local", "dask"):  # results are about to change, or a fork copies held locks
            previewed.result()
        frame = bench.run(
            loaded,
            workers=workers,
            out=out,
            fresh=fresh,
            rerun_changed=rerun_changed,
            executor=executor,
            address=address,
            time_limit=time_limit,
            memory_limit=memory_limit,
            sequential=sequential,
            strict=strict,
            on_look=tell,
            on_twice=again.append if twice else None,
            progress=progress,
        )
        previewed.result()
    _conclude(loaded, frame, out, form, again, sequential=sequential)


def _forecast(plan: Any, form: TextFormat, *, probe: bool, **options: Any) -> None:
    """Print what a run would do, after a probe or without one."""
    import bench
    from bench.present import brief
    from bench.present.progress import ProgressDisplay

    with ProgressDisplay(plan.name) as progress:
        forecast = bench.forecast(plan, probe=probe, progress=progress, **options)
    emit_facts(brief.planned(plan, forecast, as_text=form is TextFormat.TEXT), form)
    if forecast.to_run:
        done, option = ("What the probe ran is stored", "--probe") if probe else ("Nothing was run", "--dry-run")
        say(f"{done}; the same command without {option} runs the rest.")


def _conclude(plan: Any, frame: DataFrame, out: Path, form: TextFormat, again: list[str], *, sequential: bool) -> None:
    """Print what a run came to; exit with 3 if runs lack a result."""
    from bench.present import brief

    facts = brief.outcome(plan, frame, out / plan.name)
    emit_facts(facts, form)
    for caution in brief.cautions(out / plan.name):
        say(caution)
    for line in again:
        say(line)
    lost = facts["failed"] + facts["lost"]
    if lost:
        reason = brief.first_reason(out / plan.name)
        say(f"{lost} of {facts['runs']} runs have no result; the report says why. The first: {reason}")
        if sequential:
            say("The look is not taken until every run has an outcome; the same command tries again.")
    if facts["missing"]:
        say(f"{facts['missing']} of {facts['runs']} runs are missing; the same command runs them.")
    say(f"Next: bench report {plan.name}{'' if out == REPORTS else f' --out {out}'}")
    if lost or facts["missing"]:
        raise typer.Exit(Exit.RUNS_FAILED)


@app.command(
    epilog=examples(
        "bench runs --out /data/reports",
    )
)
def runs(*, out: Out = REPORTS, form: TextOrJson = TextFormat.TEXT) -> None:
    """List the runs and their state, the newest first."""
    import bench
    from bench.present import brief
    from bench.present.render import json, terminal

    found = bench.runs(out)
    table = brief.runs(found)
    if form is TextFormat.JSON:
        emit(json.dumps({"runs": json.records(table.frame)}))
    elif table.rows:
        emit(terminal.render_table(table, width=width(), color=sys.stdout.isatty()))
    else:
        say(f"There is no run under {out}. Start one: bench run SUITE.")
    for line in found:
        if line.damage:
            say(f"{line.folder}: {line.damage}")


@app.command(
    epilog=examples(
        "bench export full_factorial --wide > runs.csv",
        "bench export full_factorial --format parquet --output runs.parquet",
    )
)
def export(
    name: RunName = None,
    *,
    form: Annotated[TableFormat, typer.Option("--format", help="parquet needs pyarrow.")] = TableFormat.CSV,
    wide: Annotated[bool, typer.Option("--wide", help="One row a run instead of one a run and metric.")] = False,
    all_values: Annotated[
        bool, typer.Option("--all-values", help="Also what runs that are not ok came to, such as a loss of 1e30.")
    ] = False,
    output: Output = None,
    out: Out = REPORTS,
) -> None:
    """Write the results as a table.

    Columns: run, the factors, seed, status, metric, value; or with --wide one column for each metric.
    Numbers are written so that they read back exactly. A missing value is an empty field, and so is the value of a run
    that is not ok (diverged, failed or lost). In CSV, text that a spreadsheet would take for a formula gets
    an apostrophe before it, and what cannot be printed becomes U+FFFD.
    """
    import bench
    from bench.present.render.csv import csv

    frame = bench.load(name, wide=wide, all_values=all_values, out=out)
    if form is TableFormat.CSV:
        emit(csv(frame), output)
        return
    if importlib.util.find_spec("pyarrow") is None:
        raise BenchError(
            "Parquet needs pyarrow, which is not installed.",
            hint='pip install "polysem-bench[parquet]", or --format csv.',
        )
    if output is None and sys.stdout.isatty():
        raise BenchError("Parquet is not for a terminal.", hint="Give --output PATH, or redirect the output.")
    emit(frame.to_parquet(index=False), output)
