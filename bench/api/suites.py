"""What the Python API does with a suite: check it, foretell what it can tell and costs, and run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from bench.execute import REPORTS

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from pandas import DataFrame

    from bench.execute.coordinate import OnProgress
    from bench.execute.interim import LookResult
    from bench.execute.run import Run
    from bench.execute.schedule import Forecast
    from bench.plan.suite import Plan, Suite
    from bench.present.report import Report

PROBE = 5.0
"""Seconds after which a probe starts no other batch."""
Seeds: TypeAlias = int | str | Sequence[int] | None


def schema() -> dict[str, Any]:
    """The JSON Schema of suites, by which editors complete and check TOML.

    >>> bench.schema()["properties"]["seeds"]["oneOf"][0]
    {'maximum': 100000, 'minimum': 1, 'type': 'integer'}
    """
    from bench.plan.shape import schema as suite_schema

    return suite_schema()


def check(suite: str | Path | Suite | Plan, *, seeds: Seeds = None, twice: bool = False) -> Plan:
    """Read a suite, a file or a ``Suite``, and check all of it against its experiment; nothing is run but by ``twice``.

    ``seeds`` takes the place of the suite's own, or of those of its first stratum: a count (``20`` is 0 to 19), the
    seeds themselves, or text as the command line takes it ("20", "5-9", "3,5,8"). ``twice`` runs the suite's first job
    twice, alone and in the company of up to three others, each time in a process of its own, and stores nothing: equal
    parameters and seeds must give equal numbers, to the bit.

        >>> bench.check("study.toml").factors["noise"]
        ('normal', 'heavy')

    Raises:
        bench.errors.BenchError: with every fault of the suite, each with its line and column; or with the metrics that
            differ between the two.
    """
    from bench.plan.seeds import parse_seeds
    from bench.plan.suite import Plan, Suite
    from bench.plan.suite import check as check_suite

    if isinstance(suite, Plan):
        plan = suite
    else:
        chosen = parse_seeds(str(seeds)) if isinstance(seeds, int | str) else seeds
        plan = check_suite(suite if isinstance(suite, Suite) else Suite.read(suite), seeds=chosen)
    if twice:
        from bench.execute.twice import run_twice

        run_twice(plan, _reachable("local", plan))
    return plan


def undecidable(
    suite: str | Path | Suite | Plan, *, seeds: Seeds = None, out: str | Path | None = REPORTS
) -> Mapping[str, str]:
    """The claims of a suite that its seeds can neither support nor refute: id -> why.

    Because its cells cannot tell what is compared, or seeds are too few: for any test, or, by the spread of the suite's
    own results if those of some seeds are stored under ``out``, to tell an effect of the margin from none with a
    probability of 80 %.

        >>> claim = {"id": "robust", "statement": "The median errs less", "metric": "error", "expect": "decrease",
        ...          "contrast": {"factor": "estimator", "from": "mean", "to": "median"}}
        >>> levels = {"estimator": ["mean", "median"]}
        >>> bench.undecidable(bench.Suite("two", "study:estimate", seeds=1, factors=levels, claims=[claim]))
        {'robust': 'it takes at least 2 seeds, and 1 is planned'}

    Raises:
        bench.errors.BenchError: for a bad suite.
    """
    from bench.errors import BenchError
    from bench.execute.inventory import find as find_run
    from bench.judge.claims.decidability import undecidable_claims
    from bench.judge.preview.pilot import read_pilot

    loaded = check(suite, seeds=seeds)
    pilot = None
    if out is not None and loaded.claims and (Path(out) / loaded.name / "run.json").is_file():
        try:
            pilot = read_pilot(find_run(loaded.name, Path(out)), loaded)
        except BenchError:  # a damaged run is reported, and mended, by what reads it next
            pilot = None
    before_the_run = pilot is not None and not {*loaded.seeds} <= {*pilot.seeds}  # after it, the report says
    return undecidable_claims(loaded, pilot if before_the_run else None)


def design(
    suite: str | Path | Suite | Plan,
    *,
    seeds: Seeds = None,
    pilot: str | Path | None = None,
    augment: int = 0,
    order: int = 1,
    power: bool = False,
    looks: Sequence[int] = (),
    out: str | Path = REPORTS,
) -> Report:
    """What a suite's cells can tell, what its seeds would find and what it costs, before anything is run.

    ``pilot`` is a stored run (a name under ``out``, or a folder) of the same experiment whose noise and timings are
    taken for the suite's; by default the suite's own run, if there is one. ``augment`` asks which so many more cells
    would best serve all effects of up to ``order`` factors; ``power`` finds the power by resampling the pilot's seeds,
    too; ``looks`` plans looks after so many seeds, the error spent over all of them. ``data`` of the report holds the
    frames ``effects`` (aliases, VIF, standard errors), ``correlations``, ``models``, ``single``, ``families`` and
    ``cells``, and as there is cause ``claims``, ``detectable`` (with a pilot), ``augmented``, ``simulated``, ``looks``;
    with a pilot whose seeds have strata ``components`` and ``needs``.

        >>> bench.design("study.toml").data["effects"][["effect", "estimable", "vif"]]
                    effect  estimable  vif
        0        estimator       True  1.0
        1            noise       True  1.0
        2  estimator:noise       True  1.0

    Raises:
        bench.errors.BenchError: for a bad suite, no such pilot or one that shares no cell with the suite, or more
            cells to add than there are.
    """
    from bench.errors import BenchError
    from bench.execute.inventory import find as find_run
    from bench.judge.preview.augment import augment as augment_suite
    from bench.judge.preview.pilot import read_pilot
    from bench.judge.preview.preview import preview
    from bench.present.design import build_design

    loaded = check(suite, seeds=seeds)
    own = loaded.name if (Path(out) / loaded.name / "run.json").is_file() else None
    name = own if pilot is None else pilot
    results = None if name is None else read_pilot(find_run(name, Path(out)), loaded)
    if pilot is not None and results is None:
        hint = "A pilot is a run of the same experiment, version and shared parameters, at some of the same levels."
        raise BenchError(f"{pilot} holds no result of a cell of {loaded.path}.", hint=hint)
    more = augment_suite(loaded, augment, order) if augment else None
    return build_design(preview(loaded, results, more, simulate=power, looks=looks))


def forecast(
    suite: str | Path | Suite | Plan,
    *,
    seeds: Seeds = None,
    workers: int | None = None,
    out: str | Path = REPORTS,
    fresh: bool = False,
    rerun_changed: bool = False,
    executor: str | Executor = "local",
    address: str | None = None,
    probe: bool = False,
    progress: OnProgress | None = None,
) -> Forecast:
    """What ``run`` with the same arguments would have to do: how many jobs, in which time, with how much disk.

    Time and disk are judged by what is stored of the suite, and NaN if nothing is. With ``probe``, jobs are run for
    five seconds first, each batch to its end; their results are stored and count.

        >>> bench.forecast("study.toml", seeds=20).to_run
        40

    Raises:
        bench.errors.BenchError: for a bad suite, a journal that cannot be read, or a fresh probe.
    """
    from bench.errors import BenchError
    from bench.execute.coordinate import current, execute
    from bench.execute.journal import read
    from bench.execute.provenance import cpu_count, digest_of
    from bench.execute.run import create
    from bench.execute.schedule import forecast as foretell
    from bench.plan.imports import source_files

    loaded = check(suite, seeds=seeds)
    if probe and fresh:
        hint = "Probe without it, or run the suite with it."
        raise BenchError("A probe keeps its results, and a fresh start would move them aside.", hint=hint)
    if probe:
        run = create(loaded, Path(out))
        executor = _reachable(executor, loaded)
        execute(loaded, run, workers=workers, executor=executor, address=address, seconds=PROBE, on_progress=progress)
    if fresh:
        return foretell(loaded, (), (), workers or cpu_count())
    experiment = loaded.experiment
    contents = read(Path(out) / loaded.name / "journal", [metric.name for metric in experiment.metrics])
    sources = contents.settled()
    today = digest_of(source_files(loaded.reference, experiment)) if rerun_changed else ""
    stored = [*contents.lacking.values(), *contents.records.values()]
    return foretell(loaded, current(sources, today), stored, workers or cpu_count())


def run(
    suite: str | Path | Suite | Plan,
    *,
    seeds: Seeds = None,
    workers: int | None = None,
    out: str | Path = REPORTS,
    fresh: bool = False,
    rerun_changed: bool = False,
    executor: str | Executor = "local",
    address: str | None = None,
    time_limit: float | str | None = None,
    memory_limit: float | str | None = None,
    sequential: bool = False,
    strict: bool = False,
    on_look: Callable[[LookResult], None] | None = None,
    on_twice: Callable[[str], None] | None = None,
    progress: OnProgress | None = None,
) -> DataFrame:
    """Run what is missing of a suite and return all its results, as ``load`` does.

    ``workers``: how many at once, by default one per CPU. ``fresh`` moves earlier results aside instead of continuing
    them. ``rerun_changed`` also runs again what is stored of other source of the experiment than today's; the newer
    results are then in use. ``executor``: "local", "serial" (in this process), "dask" (the cluster whose scheduler is
    at ``address``, or one on this machine), "package.module:factory", or a started ``concurrent.futures.Executor``.
    ``time_limit`` (seconds, or "10m") is for one batch of runs, ``memory_limit`` (bytes, or "2GB") for one local
    worker: what exceeds it is run again, each run alone, and a run that does so alone has failed.
    ``sequential``: run the seeds up to each look that the suite plans, judge its claims there by that look's share of
    the error, and stop when every claim is decided, or every gating one; ``on_look`` is called after each look.
    ``strict``: refuse claims that the planned seeds can neither support nor refute, before anything is run.
    ``on_twice``: if given, one job of a new experiment or version is run once more, alone, by local workers or in this
    process, and this is called with a line that says whether its numbers are the same.
    ``progress(done, stored, planned, failed)`` is called as jobs get on; a notebook shows a line of it by default.

        >>> list(bench.run("study.toml").columns)
        ['run', 'estimator', 'noise', 'seed', 'status', 'metric', 'value']

    Raises:
        bench.errors.BenchError: for a bad suite or folder, a full disk, or Ctrl-C (what had finished is stored); if
            ``sequential``, also for a suite without looks or claims, for looks planned after results, and with
            ``rerun_changed``; if ``strict``, for claims that cannot be decided.
    """
    from functools import partial

    from bench.errors import BenchError
    from bench.execute.coordinate import execute
    from bench.execute.run import create
    from bench.execute.twice import is_new
    from bench.execute.workers import Limits
    from bench.present.progress import notebook_progress

    limits = Limits.of(time_limit, memory_limit)
    loaded = check(suite, seeds=seeds)
    if sequential and rerun_changed:
        hint = "Looks that were taken stand: start anew with fresh (--fresh), or run without looks."
        raise BenchError("Results that looks have judged are not run again.", hint=hint)
    if sequential:
        from bench.api.sequential import planned_looks, run_to_looks

        planned_looks(loaded)
    if strict and (hopeless := undecidable(loaded, out=out)):
        listed = "; ".join(f"{name}: {why}" for name, why in hopeless.items())
        hint = "Plan more seeds or other cells, drop the claims, or run without --strict; bench design says more."
        raise BenchError(f"Claims of {loaded.path} cannot be decided either way: {listed}.", hint=hint)
    is_checked = on_twice is not None and is_new(loaded, Path(out) / loaded.name)
    folder = create(loaded, Path(out), fresh=fresh)
    executor = _reachable(executor, loaded)
    work = partial(
        execute, workers=workers, executor=executor, address=address, limits=limits, rerun_changed=rerun_changed
    )
    with notebook_progress(loaded.name, progress) as told:
        work = partial(work, on_progress=told)
        if sequential:
            folder = run_to_looks(folder, work, on_look)
        else:
            work(loaded, folder)
    if on_twice is not None and is_checked and executor in ("local", "serial"):
        for line in _again(loaded, folder.folder, executor):
            on_twice(line)
    return _counted(folder)


def _counted(folder: Run) -> DataFrame:
    """The results of a run, which is then counted for ``runs``."""
    from bench.execute.inventory import keep_counts, segment_marks
    from bench.execute.results import measured, tidy, wide

    marks = segment_marks(folder.journal)
    table = wide(folder)
    keep_counts(folder, marks)
    return tidy(folder.suite, measured(folder.suite, table))


def _again(plan: Plan, folder: Path, executor: str | Executor) -> Iterator[str]:
    """A line on whether one job of a run comes out the same alone; none where no job has an outcome."""
    from bench.errors import BenchError
    from bench.execute.run import load as load_run
    from bench.execute.twice import run_again

    try:
        if run_again(plan, load_run(folder), executor):
            yield "One job was run once more, alone: its numbers are the same."
    except BenchError as error:  # the results are stored; what comes of a second run is only said
        yield f"One job was run once more, alone. {error.message} {error.hint}".rstrip()


def _reachable(executor: str | Executor, plan: Plan) -> str | Executor:
    """The executor; in place of local workers this process, where they could not import the experiment.

    Raises:
        bench.errors.BenchError: workers elsewhere could not import it either.
    """
    from warnings import warn

    from bench.errors import BenchError

    if not plan.reference.startswith("__main__:") or executor == "serial" or not isinstance(executor, str):
        return executor
    why = f"{plan.reference} is defined in a notebook or script, which worker processes cannot import"
    hint = "Put the experiment into a module to run it in parallel."
    if executor != "local":
        raise BenchError(f"{why}.", hint=hint)
    warn(f"{why}: its runs are made in this process, one after the other. {hint}", stacklevel=3)
    return "serial"
