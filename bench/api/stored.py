"""What the Python API does with stored runs, and with anyone's table: load, report, compare and analyse them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.execute import REPORTS

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

    from numpy.typing import NDArray
    from pandas import DataFrame

    from bench.execute.coordinate import OnProgress
    from bench.present.brief import Runs
    from bench.present.build import Analyzed
    from bench.present.compared import GateReport
    from bench.present.report import Report


def load(
    run: str | Path | None = None, *, wide: bool = False, all_values: bool = False, out: str | Path = REPORTS
) -> DataFrame:
    """The results of a run: one row per run and metric (``metric``, ``value``), or with ``wide`` one row per run.

    ``run`` is a name under ``out`` or a folder; by default the newest under ``out``. Columns: ``run``, one per factor
    (ordered Categoricals, the reference level first), ``seed``, ``status`` (ok, diverged, failed, lost or missing),
    then the values; a value that is missing is NaN. So is every value of a run that is not ok, unless ``all_values``
    asks for what such runs came to: a loss of 1e30 belongs in no mean.

        >>> bench.load("study", wide=True)[["estimator", "noise", "seed", "error"]].round(3).head(2)
          estimator   noise  seed  error
        0      mean  normal     0  0.107
        1      mean   heavy     0  0.160

    Raises:
        bench.errors.BenchError: if there is no such run, or its files are damaged.
    """
    from bench.execute import results
    from bench.execute.inventory import find

    found = find(run, Path(out))
    table = results.wide(found)
    if not all_values:
        table = results.measured(found.suite, table)
    return table if wide else results.tidy(found.suite, table)


def arrays(
    run: str | Path | None = None,
    /,
    *,
    seed: int | Mapping[str, int],
    out: str | Path = REPORTS,
    **levels: Hashable,
) -> dict[str, NDArray[Any]]:
    """The arrays that one run stored, by name (``Outcome.arrays``); ``run`` and ``out`` as in ``load``.

    ``levels`` name the run's cell; factors with one level only may be left out. ``seed``: of a suite with strata, the
    seed of each of them by name. Empty if it stored none.

        >>> bench.arrays("study", seed=0, estimator="mean", noise="heavy")
        {}

    Raises:
        bench.errors.BenchError: if the levels and the seed name no run or several, or what it stored cannot be read.
    """
    from bench.execute.inventory import find

    found = find(run, Path(out))
    return found.arrays(found.key(seed, levels))


def find(run: str | Path | None = None, *, out: str | Path = REPORTS) -> Path:
    """The folder of a run: a name under ``out``, or a folder; by default the newest under ``out``.

        >>> bench.find("study").as_posix()
        'reports/study'

    Raises:
        bench.errors.BenchError: if there is no such run, or its files are damaged.
    """
    from bench.execute.inventory import find as find_run

    return find_run(run, Path(out)).folder


def report(
    run: str | Path | None = None,
    *,
    confidence: float = 0.95,
    metrics: Sequence[str] = (),
    out: str | Path = REPORTS,
) -> Report:
    """Everything there is to say about a run, finished or not; ``run`` and ``out`` as in ``load``.

    ``confidence``: of every interval. ``metrics``: names of those to tell in words, tables and figures; by default all,
    or of more than twelve those with a margin or a claim. ``data`` holds all of them, and an adjusted p is that of the
    whole family either way.

    A notebook shows it as HTML, ``files(report, "md")`` of ``bench.present.files`` turns it into files, and
    ``report.data["contrasts"]`` is the table of effects as numbers.

        >>> bench.report("study").data["contrasts"][["effect", "estimate", "p_adjusted"]].round(3)
                    effect  estimate  p_adjusted
        0        estimator    -0.007       0.017
        1            noise     0.040       0.000
        2  estimator:noise    -0.031       0.000

    Raises:
        bench.errors.BenchError: if there is no such run or metric, or its files are damaged.
    """
    from bench.execute.inventory import find
    from bench.present.build import build

    return build(find(run, Path(out)), confidence=confidence, metrics=metrics)


def accept(run: str | Path | None = None, to: str | Path | None = None, *, out: str | Path = REPORTS) -> Path:
    """Make a finished run the baseline that later ones are compared with; returns the path of its CSV.

    ``to``: where to; by default the file that the suite names in ``[baseline]``, if that is inside the project (the
    current directory, or the nearest folder above it with a pyproject.toml or .git) or ``out``, else
    ``baselines/<suite>.csv`` under ``out``. A manifest with the CSV's checksum is written beside it; both belong into
    version control.

        >>> bench.accept("study").as_posix()
        'baselines/study.csv'

    Raises:
        bench.errors.BenchError: there is no such run, it is unfinished, its suite names a file elsewhere, or the files
            cannot be written.
    """
    from bench.execute import baseline
    from bench.execute.inventory import find as find_run

    found = find_run(run, Path(out))
    return baseline.accept(found, baseline.own_path(found, Path(out)) if to is None else Path(to))


def compare(
    run: str | Path | None = None,
    baseline: str | Path | None = None,
    *,
    suite: str | Path | None = None,
    strict: bool = False,
    more_seeds: int | None = None,
    out: str | Path = REPORTS,
    progress: OnProgress | None = None,
) -> GateReport:
    """Compare a run with a baseline: what changed, for the better or the worse, what did not, and what cannot be told.

    ``run`` and ``out`` as in ``load``. ``baseline``: a file that ``accept`` wrote, a published table of means (CSV with
    a column per factor, ``metric``, ``mean``, ``std``, ``n``), or another run; by default where ``accept`` writes to.
    ``strict`` also fails what is not shown to be no worse by its margin. ``more_seeds``: if the suite's own seeds leave
    something undecided, so many more are run and looked at; the error of both looks together stays at 5 %, provided
    that the number was chosen beforehand (best in the suite: ``[baseline] more_seeds``). They are run only where
    ``suite`` is the file of the run's suite, by worker processes, as by ``run``: a stored run is data, and nothing that
    it names is imported. ``report.outcome`` is the verdict, ``report.data["changes"]`` the table.

        >>> _ = bench.accept("study")
        >>> bench.compare("study").outcome
        'passed'

    Raises:
        bench.errors.BenchError: there is no such run or baseline, it was changed, the two cannot be compared, or
            ``suite`` is another one.
    """
    from bench.api.suites import check
    from bench.execute import baseline as baselines
    from bench.execute.coordinate import execute
    from bench.execute.inventory import find as find_run
    from bench.execute.run import continue_run
    from bench.present.compared import build, further_seeds

    found = find_run(run, Path(out))
    old = baselines.load(baselines.default_path(found) if baseline is None else baseline, Path(out))
    planned = found.suite.baseline.more_seeds if more_seeds is None else more_seeds
    if suite is not None:
        continue_run(found, check(suite))  # another suite is refused also where no seeds are needed
    first = build(found, old, strict=strict, more_seeds=planned)
    if suite is None or planned is None or not first.wants_more_seeds:
        return first
    loaded = check(suite, seeds=further_seeds(found, old, planned))
    execute(loaded, continue_run(found, loaded), on_progress=progress)
    return build(find_run(found.folder, Path(out)), old, strict=strict, more_seeds=planned)


def calibrate_gate(
    *runs: str | Path, repetitions: int = 500, random_seed: int = 0, out: str | Path = REPORTS
) -> Report:
    """How often ``compare`` would err on runs like this one: false alarms, and what it finds of planted changes.

    Simulates so many comparisons without a change, a fifth as many for each planted one, and judges them by the gate
    itself; the columns are those of ``bench.judge.gate.calibration.calibrate_gate``. From one run they hold within one
    occasion (one machine, one time): how values vary between occasions is unknown. Name several ``runs`` of unchanged
    code to measure that too; ``data["occasions"]`` then has the spread between them. The result is kept in the folder
    of the first and shown by ``report`` and ``compare``. Each run: as in ``load``, or a suite file that was run.

        >>> rates = bench.calibrate_gate("study", repetitions=100).data["rates"]
        >>> rates.loc[rates["size"] == 0, ["noise", "comparisons", "tests"]]
               noise  comparisons  tests
        0     normal          100      4
        1  resampled          100      4

    Raises:
        bench.errors.BenchError: there is no such run, too few seeds or values to tell how they vary, or runs that are
            no repeats of the first.
    """
    import numpy as np

    from bench.execute.baseline import of_run, require_repeats
    from bench.execute.inventory import find as find_run
    from bench.judge.gate.calibration import calibrate_gate as calibrate
    from bench.judge.gate.calibration import gated_values, occasion_frame
    from bench.plan.extends import read_with_bases
    from bench.present import gate_rates
    from bench.present.compared import rules

    named = [read_with_bases(run).data.get("name") if str(run).endswith(".toml") else run for run in runs]
    found = [find_run(run, Path(out)) for run in named or [None]]
    require_repeats(found)
    gated = gated_values([of_run(run) for run in found], rules(found[0].suite))
    rates = calibrate(gated, np.random.default_rng(random_seed), repetitions=repetitions)
    measured = gate_rates.GateRates(rates, None if gated.repeats is None else occasion_frame(gated), len(found))
    gate_rates.store(found[0], measured)
    return gate_rates.report(found[0], measured)


def beside(first: str | Path, second: str | Path, *, confidence: float = 0.95, out: str | Path = REPORTS) -> Report:
    """Two runs side by side: what differs between them, their effects and their means; ``out`` as in ``load``.

    It describes and does not test: see what both have in common, and whether their intervals overlap.

        >>> bench.beside("study", "study").data["cells"][["cell", "mean_a", "mean_b"]].round(3).head(1)
                  cell  mean_a  mean_b
        0  mean/normal   0.101   0.101

    Raises:
        bench.errors.BenchError: if there is no such run, or its files are damaged.
    """
    from bench.execute.inventory import find
    from bench.present.beside import beside as lay_beside

    return lay_beside(find(first, Path(out)), find(second, Path(out)), confidence=confidence)


def runs(out: str | Path = REPORTS) -> Runs:
    """Every run under ``out``, the newest first, with how many of its jobs are ok, diverged, failed, lost and missing.

    A list that shows itself as a table.

        >>> [(summary.name, summary.ok, summary.missing) for summary in bench.runs()]
        [('study', 40, 0)]

    ``damage`` says what is wrong with what is stored; a run that cannot be read has no counts. ``run`` mends what can
    be, and loses nothing: it moves damaged lines and files to folders called ``damaged``, and runs what they held.
    """
    from bench.execute.inventory import runs as summaries
    from bench.present.brief import Runs

    return Runs(summaries(Path(out)))


def analyze(
    data: DataFrame | str | Path,
    factors: Sequence[str],
    block: str | Sequence[str] | None,
    metrics: Sequence[str],
    *,
    reference: Mapping[str, Hashable] | None = None,
    log: Collection[str] = (),
    margin: Mapping[str, float | str] | None = None,
    better: Mapping[str, str] | None = None,
    ranges: Mapping[str, Sequence[float] | str] | None = None,
    confidence: float = 0.95,
    contrasts: Sequence[Mapping[str, Any] | str] = (),
    trim: bool = False,
    encoding: str = "",
    decimal: str = "",
    every_pair: bool = False,
) -> Analyzed:
    """Analyse anyone's table with one row per run: effects, ANOVA, pairs of cells, and what the design identifies.

    ``data`` is a frame, or a CSV, Excel or Parquet file; one row per run and metric, as ``load`` gives them, serve as
    well. If a column ``status`` says which runs are ok, as in what ``load`` gives, the values of all others are left
    out, and ``notes`` counts them. ``block`` is the column of the seeds, or None for independent runs; several, the
    outermost first, are seeds within seeds: runs are averaged within the first, and ``found.components`` says how much
    each makes them vary (nested where a label of an inner column occurs in one group of the outer ones only, else
    crossed). ``reference`` maps a factor to its reference level, by default the first. ``log``: metrics whose
    logarithms are analysed. ``margin``: metric -> the smallest difference that matters: a number, "5%". ``better``:
    metric -> "lower" or "higher". ``ranges``: metric -> between which values it always lies, as (0, 1), which bounds
    what lost runs could change. ``confidence``: of every interval, above 0.5.
    ``contrasts``: further comparisons in the language of claims (docs/claims.md), estimated in ``found.requested``.
    ``every_pair``: compare every two cells in ``found.pairwise``, not only each with the reference cell.

    Levels that differ in blanks, case or the writing of a number only are named in ``notes``; ``trim`` removes blanks
    around levels. ``encoding`` (UTF-8) and ``decimal`` ("," where it cannot be told) are those of a CSV file.

        >>> frame = bench.load("study", wide=True)  # or a file: "runs.csv"
        >>> at = {"factor": "estimator", "from": "mean", "to": "median", "at": {"noise": "heavy"}}
        >>> found = bench.analyze(frame, ["estimator", "noise"], "seed", ["error"], contrasts=[at])
        >>> found.contrasts[["effect", "estimate", "low", "high"]].round(3)
                    effect  estimate    low   high
        0        estimator    -0.007 -0.013 -0.002
        1            noise     0.040  0.034  0.045
        2  estimator:noise    -0.031 -0.035 -0.027
        >>> found.requested[["estimate", "low", "high"]].round(3)
           estimate    low   high
        0    -0.038 -0.047 -0.029

    Raises:
        bench.errors.BenchError: for a file that is no table, columns that are missing or not numeric, unknown levels.
    """
    from bench.judge.analysis import analyze as analyze_frame
    from bench.judge.metric_options import metric_options
    from bench.judge.table import alike_levels, one_row_a_run, read_table, without_blanks, without_failures
    from bench.present.build import Analyzed

    options = metric_options(metrics, log, margin or {}, better or {}, ranges or {})
    blocks = [] if block is None else [block] if isinstance(block, str) else [*block]
    if isinstance(data, str | Path):
        frame = read_table(Path(data), factors, metrics, encoding=encoding, decimal=decimal)
    else:
        frame = one_row_a_run(data, factors, metrics, "The frame")
    others = [*factors, *blocks]
    if trim:
        frame = without_blanks(frame, others)
    frame, notes = without_failures(frame, metrics, others)
    notes = (*notes, *alike_levels(frame, others))
    found = analyze_frame(
        frame,
        factors,
        blocks[0] if blocks else None,
        options,
        reference=reference,
        confidence=confidence,
        contrasts=contrasts,
        every_pair=every_pair,
        strata=blocks if len(blocks) > 1 else (),
    )
    return Analyzed(**vars(found) | {"notes": (*notes, *found.notes)})
