"""The commands that analyse and show: report, analyze, audit, calibrate."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from bench import REPORTS
from bench.cli.app import app, examples
from bench.cli.options import (
    Brief,
    Confidence,
    Figures,
    Form,
    Full,
    Metrics,
    Out,
    Output,
    ReportFormat,
    RunName,
    Sections,
    pairs,
)
from bench.cli.output import emit_report, say
from bench.errors import Exit


@app.command(
    epilog=examples(
        "bench report",
        "bench report full_factorial --brief",
        "bench report full_factorial --full | less",
        "bench report full_factorial --section 'Analysis of variance' --metric macs",
        "bench report full_factorial --format html",
        "bench report full_factorial --format md --output paper/appendix.md",
        "bench report full_factorial --format latex --output paper/tables.tex",
        "bench report full_factorial --format comment | gh pr comment --body-file -",
        "bench report full_factorial --format json | jq '.contrasts[] | select(.p < 0.05)'",
    )
)
def report(
    name: RunName = None,
    *,
    form: Form = ReportFormat.TERMINAL,
    brief: Brief = False,
    full: Full = False,
    section: Sections = None,
    metric: Metrics = None,
    confidence: Confidence = 0.95,
    figures: Figures = None,
    output: Output = None,
    out: Out = REPORTS,
) -> None:
    """Show what a run found, in words, tables and figures.

    The terminal, comment, json and latex are printed. Of the others, html is kept as report.html, md as report.md with
    figures/ (and printed too), and csv in tables/, all in the run's folder; --output puts them elsewhere.
    Exits with 1 if a claim of the suite that has gate = true is refuted or immaterial.
    """
    import bench
    from bench.present.brief import failed_gates
    from bench.present.files import mark_others

    folder = bench.find(name, out=out)
    found = bench.report(folder, confidence=confidence, metrics=metric or ())
    if section:
        found, full = found.only(section), True
    emit_report(found, form, output, full=full, opening=brief, folder=folder, figures=figures)
    for stale in mark_others(folder, found):
        say(f"{stale} is of another run, and now says so: --format {stale.suffix[1:]} writes it anew.")
    if failed := failed_gates(found.data):
        say(f"Gating claims fail: {', '.join(failed)}")
        raise typer.Exit(Exit.REGRESSION)


@app.command(
    epilog=examples(
        "bench analyze runs.csv --factors init,reg --block seed --metric loss",
        "bench analyze runs.csv --factors init,reg --block seed --metric loss --log loss --margin loss=5%",
        "bench analyze runs.csv --factors reg --block data --block init --block sae --metric loss",
        "bench export digits | bench analyze - --factors model,scaling --block seed --metric accuracy",
    )
)
def analyze(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV (or .gz), Excel, Parquet, one row a run; - is stdin.")
    ],
    *,
    factors: Annotated[
        list[str],
        typer.Option(metavar="A,B", help="Columns of the factors; quote one with a comma.", show_default=False),
    ],
    metric: Annotated[
        list[str], typer.Option(metavar="NAME", help="Column of a metric; give one option each.", show_default=False)
    ],
    block: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Column of the seeds (blocks), else runs are independent; of seeds within seeds one option each, the "
            "outermost first.",
        ),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(metavar="FACTOR=LEVEL", help="The level to compare with, else FILE's first."),
    ] = None,
    log: Annotated[list[str] | None, typer.Option(metavar="METRIC", help="Analyse logarithms; report ratios.")] = None,
    margin: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=SIZE", help="The smallest change that matters: 0.5, or 5% of the overall mean."),
    ] = None,
    better: Annotated[
        list[str] | None, typer.Option(metavar="METRIC=lower|higher", help="Which direction is better.")
    ] = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="METRIC=LOW,HIGH", help="Between which values it always lies: 0,1."),
    ] = None,
    contrast: Annotated[
        list[str] | None,
        typer.Option(metavar="TABLE", help="A comparison as in a claim: '{ factor = \"lr\", from = 0.1, to = 0.01 }'."),
    ] = None,
    every_pair: Annotated[
        bool, typer.Option("--every-pair", help="Compare every two cells, not only each with the reference.")
    ] = False,
    confidence: Confidence = 0.95,
    trim: Annotated[bool, typer.Option("--trim", help="Remove blanks around levels.")] = False,
    encoding: Annotated[
        str, typer.Option(metavar="NAME", help="Of a text: cp1252, latin-1; else UTF-8.", show_default=False)
    ] = "",
    decimal: Annotated[
        str, typer.Option(metavar="MARK", help='"," where 1,234 is no thousand.', show_default=False)
    ] = "",
    form: Form = ReportFormat.TERMINAL,
    full: Full = False,
    output: Output = None,
) -> None:
    """Analyse a table of your own: no suite, no experiment.

    The same effects, ANOVA, comparisons of cells, diagnostics and words as bench report. JSON holds every number, by
    every model: anova, contrasts, pairwise, equivalence, diagnostics, estimable.
    """
    import bench
    from bench.present.build import analyzed

    names = [name for given in factors for name in next(csv.reader([given], skipinitialspace=True))]
    analysis = bench.analyze(
        Path("/dev/stdin") if str(file) == "-" else file,
        names,
        block,
        metric,
        reference=pairs("reference", reference, names),
        log=log or [],
        margin=pairs("margin", margin, metric),
        better=pairs("better", better, metric),
        ranges=pairs("range", ranges, metric),
        confidence=confidence,
        contrasts=contrast or (),
        trim=trim,
        encoding=encoding,
        decimal=decimal,
        every_pair=every_pair,
    )
    emit_report(analyzed(analysis, str(file)), form, output, full=full)


@app.command(
    epilog=examples(
        "bench audit suites/audits/post.toml",
        "bench audit figures.csv --ddof 0 --format json | jq '.figures[] | select(.verdict == \"inconsistent\")'",
    )
)
def audit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Published figures (TOML or CSV).", show_default=False)],
    *,
    ddof: Annotated[
        int | None,
        typer.Option(
            metavar="0|1",
            min=0,
            max=1,
            help="SDs are of populations (0, divided by n) or samples (1); by default as the file says.",
            show_default=False,
        ),
    ] = None,
    form: Form = ReportFormat.TERMINAL,
    output: Output = None,
) -> None:
    """Recompute published figures and say which contradict each other.

    From means, SDs and n: t, p, Cohen's d and changes in percent; from t: p and d. Printed digits count as all values
    that round to them. docs/audit.md says how FILE is written.
    """
    from bench.audit import audit as recompute

    emit_report(recompute(file, ddof=ddof), form, output, full=True)


@app.command(
    epilog=examples(
        "bench calibrate full_factorial",
        "bench calibrate ci ci.2026-05-04T10-00-00 ci.2026-05-05T10-00-00",
    )
)
def calibrate(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Measure bench compare on runs like this one; across occasions, if repeats of it follow.",
            show_default=False,
        ),
    ],
    *,
    repetitions: Annotated[
        int, typer.Option(metavar="N", min=20, max=1_000_000, help="Simulated runs like RUN.")
    ] = 500,
    random_seed: Annotated[int, typer.Option("--random-seed", metavar="N", min=0, help="Of the simulation.")] = 0,
    form: Form = ReportFormat.TERMINAL,
    output: Output = None,
    out: Out = REPORTS,
) -> None:
    """Measure how often bench compare errs on runs like RUN.

    False alarms where nothing is planted, and how often planted changes are found, within one occasion (one machine,
    one time). Several runs of unchanged code (bench run SUITE --fresh) tell how values drift between occasions, and the
    rates with that. The result is kept with the first.
    """
    import bench

    rates = bench.calibrate_gate(*names, repetitions=repetitions, random_seed=random_seed, out=out)
    emit_report(rates, form, output)
