"""A statistically rigorous benchmark harness for experiments with factors, seeds and metrics.

The functions here are what the commands are made of. Importing this module imports nothing else of weight.

    >>> import bench
    >>> frame = bench.run("examples/digits.toml")      # finishes what is missing; one row a run and metric
    >>> bench.load("digits", wide=True).groupby("model", observed=True)["accuracy"].mean()
    >>> bench.report("digits")                         # shows itself in a notebook
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Hashable
    from concurrent.futures import Executor

    from pandas import DataFrame

    from bench.execute.coordinate import OnProgress
    from bench.execute.run import Summary
    from bench.judge.analysis import Analysis, MetricOptions
    from bench.plan.suite import Suite
    from bench.present.report import Report

__all__ = ["analyze", "beside", "check", "find", "load", "missing", "report", "run", "runs"]

REPORTS = Path("reports")
Seeds: TypeAlias = int | str | Sequence[int] | None


def check(suite: str | Path, *, seeds: Seeds = None) -> Suite:
    """Read a suite file and check all of it against its experiment; nothing is run.

    ``seeds`` takes the place of the suite's own: a count (``20`` is 0 to 19), the seeds themselves, or text as the
    command line takes it ("20", "5-9", "3,5,8").

        >>> bench.check("examples/digits.toml").factors["scaling"]
        (False, True)

    Raises:
        bench.errors.BenchError: with every fault of the suite, each with its line and column.
    """
    from bench.plan.suite import load as load_suite
    from bench.plan.suite import parse_seeds

    chosen = parse_seeds(str(seeds)) if isinstance(seeds, int | str) else seeds
    return load_suite(suite, seeds=chosen)


def run(
    suite: str | Path | Suite,
    *,
    seeds: Seeds = None,
    workers: int | None = None,
    out: str | Path = REPORTS,
    fresh: bool = False,
    executor: str | Executor = "local",
    progress: OnProgress | None = None,
) -> DataFrame:
    """Run what is missing of a suite and return all its results, as ``load`` does.

    ``workers``: how many at once, by default one per CPU. ``fresh`` moves earlier results aside instead of continuing
    them. ``executor``: "local", "serial" (in this process), "package.module:factory", or a started
    ``concurrent.futures.Executor``. ``progress(done, stored, planned, failed)`` is called as jobs get on.

        >>> bench.run("examples/digits.toml", seeds=3)["value"].notna().all()
        True

    Raises:
        bench.errors.BenchError: for a bad suite or folder, a full disk, or Ctrl-C; what had finished is stored.
    """
    from bench.execute.coordinate import execute
    from bench.execute.frames import frame
    from bench.execute.run import create
    from bench.plan.suite import Suite as LoadedSuite

    loaded = suite if isinstance(suite, LoadedSuite) else check(suite, seeds=seeds)
    folder = create(loaded, Path(out), fresh=fresh)
    execute(loaded, folder, workers=workers, executor=executor, on_progress=progress)
    return frame(folder)


def load(run: str | Path | None = None, *, wide: bool = False, out: str | Path = REPORTS) -> DataFrame:
    """The results of a run: one row per run and metric (``metric``, ``value``), or with ``wide`` one row per run.

    ``run`` is a name under ``out`` or a folder; by default the newest under ``out``. Columns: ``run``, one per factor
    (ordered Categoricals, the reference level first), ``seed``, ``status`` (ok, diverged, failed, lost or missing),
    then the values; a value that is missing is NaN.

        >>> bench.load("digits").query("metric == 'accuracy'").groupby(["model", "scaling"], observed=True).value.mean()

    Raises:
        bench.errors.BenchError: if there is no such run, or its files are damaged.
    """
    from bench.execute import frames
    from bench.execute.run import find

    found = find(run, Path(out))
    return frames.wide(found) if wide else frames.frame(found)


def find(run: str | Path | None = None, *, out: str | Path = REPORTS) -> Path:
    """The folder of a run: a name under ``out``, or a folder; by default the newest under ``out``.

        >>> bench.find("digits")
        PosixPath('reports/digits')

    Raises:
        bench.errors.BenchError: if there is no such run, or its files are damaged.
    """
    from bench.execute.run import find as find_run

    return find_run(run, Path(out)).folder


def report(run: str | Path | None = None, *, out: str | Path = REPORTS) -> Report:
    """Everything there is to say about a run, finished or not; ``run`` and ``out`` as in ``load``.

    A notebook shows it as HTML; ``bench.present.markdown.render(report)`` and its siblings turn it into text, and
    ``report.data["contrasts"]`` is the table of effects as numbers.

        >>> bench.report("digits").data["contrasts"][["metric", "effect", "estimate", "p_adjusted"]]

    Raises:
        bench.errors.BenchError: if there is no such run, or its files are damaged.
    """
    from bench.execute.run import find
    from bench.present.build import build

    return build(find(run, Path(out)))


def beside(first: str | Path, second: str | Path, *, out: str | Path = REPORTS) -> Report:
    """Two runs side by side: what differs between them, their effects and their means; ``out`` as in ``load``.

    It describes and does not test: see what both have in common, and whether their intervals overlap.

        >>> bench.beside("full_factorial", "full_factorial_described").data["effects"]

    Raises:
        bench.errors.BenchError: if there is no such run, or its files are damaged.
    """
    from bench.execute.run import find
    from bench.present.beside import beside as lay_beside

    return lay_beside(find(first, Path(out)), find(second, Path(out)))


def missing(suite: str | Path | Suite, *, seeds: Seeds = None, out: str | Path = REPORTS, fresh: bool = False) -> int:
    """How many jobs ``run`` would run now: those of the suite without a stored outcome, or with ``fresh`` all.

        >>> bench.missing("examples/digits.toml", seeds=20)

    Raises:
        bench.errors.BenchError: for a bad suite, or a journal that cannot be read.
    """
    from bench.execute.batches import missing as missing_jobs
    from bench.execute.journal import settled
    from bench.plan.suite import Suite as LoadedSuite

    loaded = suite if isinstance(suite, LoadedSuite) else check(suite, seeds=seeds)
    stored = set() if fresh else settled(Path(out) / loaded.name / "journal")[0]
    return sum(1 for _ in missing_jobs(loaded, stored))


def runs(out: str | Path = REPORTS) -> list[Summary]:
    """Every run under ``out``, the newest first, with how many of its jobs are ok, diverged, failed, lost and missing.

        >>> [summary.name for summary in bench.runs() if summary.missing]

    Raises:
        bench.errors.BenchError: if the files of a run are damaged.
    """
    from bench.execute.run import runs as summaries

    return summaries(Path(out))


def analyze(
    frame: DataFrame,
    factors: Sequence[str],
    block: str | None,
    metrics: Sequence[MetricOptions | str],
    *,
    reference: Mapping[str, Hashable] | None = None,
    confidence: float = 0.95,
    thorough: bool = False,
) -> Analysis:
    """Analyse anyone's table with one row per run: effects, ANOVA, pairs of cells, and what the design identifies.

    ``block`` is the column of the seeds, or None for independent runs; ``reference`` maps a factor to its reference
    level, by default the first. ``thorough`` adds every type, covariance and model of ANOVA, and all pairs of cells.

        >>> found = bench.analyze(bench.load("digits", wide=True), ["model", "scaling"], "seed", ["accuracy"])
        >>> found.contrasts[["effect", "estimate", "low", "high", "p_adjusted"]]

    Raises:
        bench.errors.BenchError: for columns that are missing or not numeric, and unknown levels.
    """
    from bench.judge.analysis import analyze as analyze_frame

    return analyze_frame(frame, factors, block, metrics, reference=reference, confidence=confidence, thorough=thorough)
