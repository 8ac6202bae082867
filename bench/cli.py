"""The commands: each parses options, calls the Python API and prints; errors become messages and exit codes."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import signal
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from bench import REPORTS
from bench.errors import BenchError, Exit

if TYPE_CHECKING:
    from bench.present.report import Report

app = typer.Typer(
    help=(
        "Run experiments over factors and seeds, and report what they show.\n\n"
        "\b\n"
        "Examples:\n"
        "  bench run suites/smoke.toml && bench report\n"
        "  bench report full_factorial --format md > report.md\n"
        "\n"
        "\b\n"
        "Exit codes:\n"
        "  0    fine\n"
        "  1    a regression against the baseline, or a gating claim of the suite is refuted\n"
        "  2    bad usage, an invalid suite, a file that cannot be read or written\n"
        "  3    some runs failed, the disk is full, or a stored run is damaged\n"
        "  4    a comparison is inconclusive, or nothing was measured\n"
        "  130  interrupted; the same command finishes the rest\n"
        "  70   a bug in bench (BENCH_DEBUG=1 shows where)\n"
    ),
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _examples(*commands: str) -> str:
    return "\n".join(["\b", "Examples:", *(f"  {command}" for command in commands)])


class ReportFormat(StrEnum):
    """Formats of a report."""

    TERMINAL = "terminal"
    MD = "md"
    HTML = "html"
    JSON = "json"
    LATEX = "latex"
    CSV = "csv"


class CompareFormat(StrEnum):
    """Formats of a comparison."""

    TERMINAL = "terminal"
    MD = "md"
    JSON = "json"
    JUNIT = "junit"
    GITHUB = "github"


class TextFormat(StrEnum):
    """Formats of a short result."""

    TEXT = "text"
    JSON = "json"


class TableFormat(StrEnum):
    """Formats of an exported table."""

    CSV = "csv"
    PARQUET = "parquet"


SuiteFile = Annotated[Path, typer.Argument(metavar="SUITE", help="A suite file (TOML).", show_default=False)]
RunName = Annotated[
    str | None,
    typer.Argument(metavar="RUN", help="A run's name or folder; by default the newest.", show_default=False),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder that holds the folders of runs.")]
Output = Annotated[
    str | None, typer.Option("--output", "-o", metavar="PATH", help="Write here; - is stdout.", show_default=False)
]
TextOrJson = Annotated[TextFormat, typer.Option("--format", help="How to print the result.")]
Seeds = Annotated[
    str | None,
    typer.Option(
        metavar="SEEDS", help='In place of the suite\'s: "20" (0 to 19), "5-9" or "3,5,8".', show_default=False
    ),
]


@app.command(
    epilog=_examples(
        "bench run examples/digits.toml",
        "bench run suites/full_factorial.toml --seeds 20 --workers 4",
        "bench run suites/full_factorial.toml --executor dask --address tcp://10.0.0.5:8786",
        "bench run suites/full_factorial.toml --dry-run",
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
        bool, typer.Option("--probe", help="Run for about 5 s (the results count), then say as --dry-run does.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Move earlier results aside instead of continuing.")] = False,
    form: TextOrJson = TextFormat.TEXT,
) -> None:
    """Run a suite, or what is missing of it.

    Every run is stored when it finishes, under DIR/NAME-OF-THE-SUITE: give an interrupted command again and it goes
    on; add seeds or levels and only these are run. Exits with 3 if runs failed; one that diverges has not failed. What
    exceeds a limit is run again, each run alone; a run that then exceeds it has failed.
    """
    import bench
    from bench.present import brief
    from bench.present.progress import ProgressDisplay

    loaded = bench.check(suite, seeds=seeds)
    if dry_run or probe:
        with ProgressDisplay(loaded.name) as progress:
            forecast = bench.forecast(
                loaded,
                workers=workers,
                out=out,
                fresh=fresh,
                executor=executor,
                address=address,
                probe=probe,
                progress=progress,
            )
        _emit_facts(brief.planned(loaded, forecast, as_text=form is TextFormat.TEXT), form)
        return
    with ProgressDisplay(loaded.name) as progress:
        frame = bench.run(
            loaded,
            workers=workers,
            out=out,
            fresh=fresh,
            executor=executor,
            address=address,
            time_limit=time_limit,
            memory_limit=memory_limit,
            progress=progress,
        )
    facts = brief.outcome(loaded, frame, out / loaded.name)
    _emit_facts(facts, form)
    for caution in brief.cautions(out / loaded.name):
        _say(caution)
    lost = facts["failed"] + facts["lost"]
    if lost:
        reason = brief.first_reason(out / loaded.name)
        _say(f"{lost} of {facts['runs']} runs have no result; the report says why. The first: {reason}")
    _say(f"Next: bench report {loaded.name}{'' if out == REPORTS else f' --out {out}'}")
    if lost:
        raise typer.Exit(Exit.RUNS_FAILED)


@app.command(
    epilog=_examples(
        "bench report",
        "bench report full_factorial --full | less",
        "bench report full_factorial --format html",
        "bench report full_factorial --format md --output paper/appendix.md",
        "bench report full_factorial --format json | jq '.contrasts[] | select(.p < 0.05)'",
        "bench report --compare full_factorial full_factorial_described",
    )
)
def report(
    name: RunName = None,
    *,
    form: Annotated[
        ReportFormat,
        typer.Option(
            "--format", metavar="FORMAT", help="terminal, md, html, json, latex, or csv (a folder of tables)."
        ),
    ] = ReportFormat.TERMINAL,
    full: Annotated[bool, typer.Option("--full", help="Every table and row in the terminal too.")] = False,
    compare: Annotated[
        tuple[str, str] | None, typer.Option(metavar="RUN RUN", help="Two runs side by side.", show_default=False)
    ] = None,
    output: Output = None,
    out: Out = REPORTS,
) -> None:
    """Show what a run found, in words, tables and figures.

    The terminal, json and latex are printed. Of the others, html is kept as report.html, md as report.md with figures/
    (and printed too), and csv in tables/, all in the run's folder; --output puts them elsewhere.
    Exits with 1 if a claim of the suite that has gate = true is refuted.
    """
    import bench
    from bench.present import brief

    if compare is not None:
        if name is not None:
            raise BenchError(f"Both {name} and --compare are given.", hint="Name two runs: --compare RUN RUN.")
        folder, found = None, bench.beside(*compare, out=out)
    else:
        folder = bench.find(name, out=out)
        found = bench.report(folder)
    _emit_report(found, form, output, full=full, folder=folder)
    if refuted := brief.refuted_gates(found.data):
        _say(f"Refuted, and gating: {', '.join(refuted)}")
        raise typer.Exit(Exit.REGRESSION)


@app.command(
    epilog=_examples(
        "bench check suites/full_factorial.toml",
    )
)
def check(suite: SuiteFile, *, seeds: Seeds = None, form: TextOrJson = TextFormat.TEXT) -> None:
    """Check a suite: what it would run, or all its faults."""
    import bench
    from bench.present import brief

    _emit_facts(brief.checked(bench.check(suite, seeds=seeds)), form)


@app.command(
    epilog=_examples(
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
    form: Annotated[ReportFormat, typer.Option("--format", help="How to print it.")] = ReportFormat.TERMINAL,
    full: Annotated[bool, typer.Option("--full", help="Every table and row in the terminal too.")] = False,
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
    _emit_report(found, form, output, full=full)


@app.command(
    epilog=_examples(
        "bench runs --out /data/reports",
    )
)
def runs(*, out: Out = REPORTS, form: TextOrJson = TextFormat.TEXT) -> None:
    """List the runs and their state, the newest first."""
    import bench
    from bench.present import brief, json, terminal

    found = bench.runs(out)
    table = brief.runs(found)
    if form is TextFormat.JSON:
        _emit(json.dumps({"runs": json.records(table.frame)}))
    elif table.rows:
        _emit(terminal.render_table(table, width=_width(), color=sys.stdout.isatty()))
    else:
        _say(f"There is no run under {out}. Start one: bench run SUITE.")
    for line in found:
        if line.damage:
            _say(f"{line.damage} See: bench doctor {line.folder}")


@app.command(
    epilog=_examples(
        "bench doctor",
        "bench doctor full_factorial --mend",
    )
)
def doctor(
    name: RunName = None,
    *,
    mend: Annotated[bool, typer.Option("--mend", help="Mend without asking.")] = False,
    out: Out = REPORTS,
    form: TextOrJson = TextFormat.TEXT,
) -> None:
    """Say what is wrong with a run's folder, and mend it.

    Finds torn and damaged lines, damaged files, runs that gave different numbers twice, leftovers of killed processes,
    links and foreign files. Mending moves what is damaged aside and deletes unfinished files; no good record is
    touched. On a terminal it asks first. Exits with 3 while results are at stake.
    """
    import bench
    from bench.present import checkup, json

    found = bench.doctor(name, mend=mend, out=out)
    asks = form is TextFormat.TEXT and sys.stdin.isatty() and sys.stderr.isatty()
    if asks and any(finding.mend for finding in found.findings):
        _say(checkup.text(found))
        if typer.confirm("Mend now?", err=True):
            found = bench.doctor(found.folder, mend=True, out=out)
    _emit(json.dumps(checkup.facts(found)) if form is TextFormat.JSON else checkup.text(found))
    if not found.healthy:
        raise typer.Exit(Exit.RUNS_FAILED)


@app.command(
    epilog=_examples(
        "bench export full_factorial --wide > runs.csv",
        "bench export full_factorial --format parquet --output runs.parquet",
    )
)
def export(
    name: RunName = None,
    *,
    form: Annotated[TableFormat, typer.Option("--format", help="parquet needs pyarrow.")] = TableFormat.CSV,
    wide: Annotated[bool, typer.Option("--wide", help="One row a run instead of one a run and metric.")] = False,
    output: Output = None,
    out: Out = REPORTS,
) -> None:
    """Write the results as a table.

    Columns: run, the factors, seed, status, metric, value; or with --wide one column for each metric.
    Numbers are written so that they read back exactly. A missing value is an empty field.
    """
    import bench

    frame = bench.load(name, wide=wide, out=out)
    if form is TableFormat.CSV:
        _emit(frame.to_csv(index=False, lineterminator="\n"), output)
        return
    if importlib.util.find_spec("pyarrow") is None:
        raise BenchError(
            "Parquet needs pyarrow, which is not installed.",
            hint='pip install "polysem-bench[parquet]", or --format csv.',
        )
    if output is None and sys.stdout.isatty():
        raise BenchError("Parquet is not for a terminal.", hint="Give --output PATH, or redirect the output.")
    _emit(frame.to_parquet(index=False), output)


@app.command(
    epilog=_examples(
        "bench compare ci",
        "bench compare ci --baseline reports/baselines/ci.csv --strict",
        "bench compare ci --format md > comment.md",
        "bench compare ci --format junit --output junit.xml",
    )
)
def compare(
    name: RunName = None,
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
        CompareFormat, typer.Option("--format", metavar="FORM", help="terminal, md, json, junit or github.")
    ] = CompareFormat.TERMINAL,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail unless each metric is shown to be no worse by its margin.")
    ] = False,
    more_seeds: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Planned beforehand: run N more seeds if undecided, and look again.",
            show_default=False,
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Every row in the terminal too.")] = False,
    output: Output = None,
    out: Out = REPORTS,
) -> None:
    """Compare a run with a baseline: the verdict, then what changed.

    Exits with 1 for a regression, 3 if runs failed, 4 if something is undecided or nothing was measured, else with 0.
    For a pull request: md is a comment, github annotates it and writes the job summary, junit has a test case for each
    metric and cell.
    """
    import bench
    from bench.present import github, junit
    from bench.present.progress import ProgressDisplay

    with ProgressDisplay("more seeds") as progress:
        found = bench.compare(name, baseline, strict=strict, more_seeds=more_seeds, out=out, progress=progress)
    if form is CompareFormat.GITHUB:
        _append_summary(github.summary(found))
        _emit(github.commands(found), output)
    elif form is CompareFormat.JUNIT:
        _emit(junit.render(found), output)
    else:
        _emit_report(found, ReportFormat(form), output, full=full)
    if found.exit_code is not Exit.OK:
        raise typer.Exit(found.exit_code)


baseline_app = typer.Typer(
    help="Keep the values of a run as the baseline of later ones.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(baseline_app, name="baseline")


@baseline_app.command(
    epilog=_examples(
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
            help="By default the suite's [baseline] file, else DIR/baselines/SUITE.csv.",
            show_default=False,
        ),
    ] = None,
    out: Out = REPORTS,
) -> None:
    """Make a finished run the baseline: a CSV with one sorted row a run, and its manifest. Commit both."""
    import bench

    _say(f"Written to {bench.accept(name, to, out=out)}")


@app.command(
    epilog=_examples(
        "bench analyze runs.csv --factors init,reg --block seed --metric loss",
        "bench analyze runs.csv --factors init,reg --block seed --metric loss --log loss --margin loss=5%",
        "bench export digits | bench analyze - --factors model,scaling --block seed --metric accuracy",
    )
)
def analyze(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or Parquet, one row a run; - is stdin.")],
    *,
    factors: Annotated[list[str], typer.Option(metavar="A,B", help="Columns of the factors.", show_default=False)],
    metric: Annotated[
        list[str], typer.Option(metavar="NAME", help="Column of a metric; give one option each.", show_default=False)
    ],
    block: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Column of the seeds (blocks). Without it runs are independent."),
    ] = None,
    reference: Annotated[
        list[str] | None, typer.Option(metavar="FACTOR=LEVEL", help="The level to compare with; else the first.")
    ] = None,
    log: Annotated[list[str] | None, typer.Option(metavar="METRIC", help="Analyse logarithms; report ratios.")] = None,
    margin: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=SIZE", help="The smallest change that matters: 0.5, or 5% of the mean."),
    ] = None,
    better: Annotated[
        list[str] | None, typer.Option(metavar="METRIC=lower|higher", help="Which direction is better.")
    ] = None,
    form: Annotated[ReportFormat, typer.Option("--format", help="How to print it.")] = ReportFormat.TERMINAL,
    full: Annotated[bool, typer.Option("--full", help="Every table and row in the terminal too.")] = False,
    output: Output = None,
) -> None:
    """Analyse a table of your own: no suite, no experiment.

    The same effects, ANOVA, comparisons of cells, diagnostics and words as bench report. JSON holds every number, by
    every model: anova, contrasts, pairwise, equivalence, omnibus, diagnostics, estimable.
    """
    import bench
    from bench.present.analyzed import analyzed

    names = [name for given in factors for name in given.split(",")]
    analysis = bench.analyze(
        Path("/dev/stdin") if str(file) == "-" else file,
        names,
        block,
        metric,
        reference=_pairs("reference", reference),
        log=log or [],
        margin=_pairs("margin", margin),
        better=_pairs("better", better),
    )
    _emit_report(analyzed(analysis, str(file)), form, output, full=full)


@app.command(
    epilog=_examples(
        "bench calibrate full_factorial",
        "bench calibrate --procedure",
        "bench calibrate --procedure --factors 3 --seeds 5 --repetitions 10000 --format json",
    )
)
def calibrate(
    name: Annotated[
        str | None,
        typer.Argument(metavar="SUITE|RUN", help="Measure bench compare on runs like this one.", show_default=False),
    ] = None,
    *,
    procedure: Annotated[
        bool, typer.Option("--procedure", help="Measure the tests themselves, on simulated data without effects.")
    ] = False,
    factors: Annotated[int, typer.Option(metavar="N", min=1, max=6, help="Factors of two levels.")] = 4,
    seeds: Annotated[int, typer.Option(metavar="N", min=2, max=1000, help="Seeds of each simulated run.")] = 10,
    repetitions: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=20,
            max=1_000_000,
            help="Simulated runs; by default 2000, or 500 like RUN.",
            show_default=False,
        ),
    ] = None,
    random_seed: Annotated[int, typer.Option("--random-seed", metavar="N", min=0, help="Of the simulation.")] = 0,
    form: Annotated[ReportFormat, typer.Option("--format", help="How to print it.")] = ReportFormat.TERMINAL,
    output: Output = None,
    out: Out = REPORTS,
) -> None:
    """Measure error rates: of bench compare on runs like RUN, or of the procedures of bench report.

    Of RUN: false alarms where nothing is planted, and how often planted changes are found. The result is kept with it.

    Of the procedures: simulates runs with independent, blocked, unequal, skewed, bistable and lost values, and prints
    rejection rates, coverage and family-wise error with their Monte-Carlo limits.
    """
    import bench
    from bench.present.calibrated import calibrated

    if procedure == (name is not None):
        raise BenchError(
            "Say what to calibrate.",
            hint="bench calibrate RUN measures bench compare, bench calibrate --procedure the tests themselves.",
        )
    if name is not None:
        _emit_report(
            bench.calibrate_gate(name, repetitions=repetitions or 500, random_seed=random_seed, out=out), form, output
        )
        return
    table = bench.calibrate(factors=factors, seeds=seeds, repetitions=repetitions or 2_000, random_seed=random_seed)
    _emit_report(calibrated(table, factors, seeds), form, output)


@app.command(
    epilog=_examples(
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
    form: Annotated[ReportFormat, typer.Option("--format", help="How to print it.")] = ReportFormat.TERMINAL,
    output: Output = None,
) -> None:
    """Recompute published figures and say which contradict each other.

    From means, SDs and n: t, p, Cohen's d and changes in percent; from t: p and d. Printed digits count as all values
    that round to them. docs/audit.md says how FILE is written.
    """
    import bench

    _emit_report(bench.audit(file, ddof=ddof), form, output, full=True)


def main() -> NoReturn:
    """Run the command line; a BenchError becomes its message and exit code, and nothing else a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's end is an interruption like Ctrl-C
    try:
        app(prog_name="bench")
    except BenchError as error:
        _say(f"bench: {error}")
        sys.exit(error.exit_code)
    except Exception as error:
        if os.environ.get("BENCH_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}".replace("\n", " ")
        _say(f"bench: this is a bug, please report it: {what}\nBENCH_DEBUG=1 shows where it happened.")
        sys.exit(Exit.BUG)
    sys.exit(Exit.OK)


def _emit_report(
    report: Report, form: ReportFormat, output: str | None, *, full: bool = False, folder: Path | None = None
) -> None:
    """Print a report, or write its files: to ``output``, else into the ``folder`` of its run, if it has one."""
    from bench.present import terminal
    from bench.present.files import destination, files, save

    if form is ReportFormat.TERMINAL:
        to_screen = output is None and sys.stdout.isatty()
        _emit(terminal.render(report, width=_width(), color=to_screen, full=full), output)
        return
    content = files(report, form.value)
    target = destination(content, form.value, folder, output)
    if target is not None:
        save(content, target, within=folder if output is None else None)
        _say(f"Written to {target}")
    if target is None or (form is ReportFormat.MD and output is None):
        _emit(next(iter(content.values())))


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    """``NAME=VALUE`` of a repeated option; the value may hold further equals signs."""
    for text in given or []:
        if "=" not in text:
            raise BenchError(f"--{option} {text} has no value.", hint=f"Write --{option} {text}=VALUE.")
    return {name: value for name, _, value in (text.partition("=") for text in given or [])}


def _emit_facts(facts: Mapping[str, Any], form: TextFormat) -> None:
    from bench.present import brief, json

    _emit(json.dumps(facts) if form is TextFormat.JSON else brief.lines(facts))


def _emit(data: str | bytes, output: str | None = None) -> None:
    """Write a result to a file, or to stdout if that is None or "-"."""
    if output is not None and output != "-":
        from bench.present.files import save

        save({output: _bytes(data)}, Path(output))
        _say(f"Written to {output}")
        return
    try:
        sys.stdout.buffer.write(_bytes(data))
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise BenchError(f"The output cannot be written: {error.strerror}.") from error


def _append_summary(text: str) -> None:
    """Add to the job summary of GitHub Actions; elsewhere, print it."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path is None:
        _emit(text)
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BenchError(f"The job summary {path} cannot be written: {error.strerror}.") from error


def _bytes(data: str | bytes) -> bytes:
    return data.encode(errors="replace") if isinstance(data, str) else data


def _say(message: str) -> None:
    print(message, file=sys.stderr)  # noqa: T201


def _width() -> int:
    import shutil

    return max(40, shutil.get_terminal_size().columns)
