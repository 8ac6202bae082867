"""The commands before a run: check, design."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from bench import REPORTS
from bench.cli.app import app, examples
from bench.cli.options import (
    Form,
    Full,
    Out,
    Output,
    ReportFormat,
    Seeds,
    SuiteFile,
    TextFormat,
    TextOrJson,
)
from bench.cli.output import emit_facts, emit_report, say
from bench.errors import BenchError


@app.command(
    epilog=examples(
        "bench check suites/full_factorial.toml",
        "bench check suites/smoke.toml --twice",
    )
)
def check(
    suite: SuiteFile,
    *,
    seeds: Seeds = None,
    twice: Annotated[
        bool, typer.Option("--twice", help="Also run one job twice, alone and in company: is it the same to the bit?")
    ] = False,
    form: TextOrJson = TextFormat.TEXT,
) -> None:
    """Check a suite: what it would run, or all its faults.

    With --twice also whether the experiment depends on anything besides parameters and seed: its first job is run
    twice, in processes of their own, and what differs is named. Nothing is stored.
    """
    import bench
    from bench.present import brief

    emit_facts(brief.checked(bench.check(suite, seeds=seeds, twice=twice)), form)
    if twice:
        say("One job, run twice, alone and in company, gave the same to the bit.")


@app.command(
    epilog=examples(
        "bench design suites/published_ablations.toml",
        "bench design suites/full_factorial.toml --pilot published_ablations --seeds 20",
        "bench design suites/published_ablations.toml --augment 4 --order 2",
        "bench design suites/full_factorial.toml --power --looks 10,20,40",
        "bench design suites/published_ablations.toml --format json | jq '.effects[] | select(.estimable | not)'",
    )
)
def design(
    suite: SuiteFile,
    *,
    seeds: Seeds = None,
    pilot: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="A stored run whose noise and timings are taken; by default the suite's own, if there is one.",
            show_default=False,
        ),
    ] = None,
    augment: Annotated[
        int, typer.Option(metavar="N", min=0, help="Say which N more cells would serve the effects best.")
    ] = 0,
    order: Annotated[
        int, typer.Option(metavar="M", min=1, help="The added cells serve effects of up to M factors.")
    ] = 1,
    power: Annotated[bool, typer.Option("--power", help="Simulate the power from the pilot's seeds, too.")] = False,
    looks: Annotated[
        str, typer.Option(metavar="SEEDS", help="Plan looks after so many seeds, 10,20,40.", show_default=False)
    ] = "",
    form: Form = ReportFormat.TERMINAL,
    full: Full = False,
    output: Output = None,
    out: Out = REPORTS,
) -> None:
    """Say what a suite's design can tell, what it would find and what it costs; nothing is run.

    Which effects the cells can estimate, what the others are mixed with, variance inflation and standard errors; the
    smallest effects that the seeds would find, and with a stored run as pilot the seeds that the margins need.
    """
    import bench

    if looks and not re.fullmatch(r"[0-9]{1,6}(,[0-9]{1,6})*", looks):
        raise BenchError(f"{looks!r} does not name looks.", hint="Give increasing numbers of seeds: 10,20,40.")
    planned = [int(seeds) for seeds in looks.split(",") if seeds]
    found = bench.design(
        suite, seeds=seeds, pilot=pilot, augment=augment, order=order, power=power, looks=planned, out=out
    )
    emit_report(found, form, output, full=full)
