"""A plan -> whether one of its jobs gives the same, to the bit, when it is run twice: alone, and in company."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.errors import BenchError
from bench.execute import manifest
from bench.execute.coordinate import execute
from bench.execute.records import OUTCOMES, Record
from bench.execute.run import Run, create
from bench.experiment import Job
from bench.plan.design import cells, n_cells
from bench.plan.levels import Level, describe
from bench.plan.suite import Plan

_HINT = (
    "A run may depend on its parameters and seed alone: draw from default_rng(seed), not from a global generator; let "
    "no state, set order, thread count or companion in a batch decide."
)


def run_twice(plan: Plan, executor: str | Executor = "local") -> None:
    """Run the first job of ``plan`` alone, then with up to three others; a BenchError says what differs."""
    first = next(cells(plan))
    last = next(itertools.islice(plan.combinations(), n_cells(plan) - 1, None))
    seed = plan.seeds[0]
    other = plan.seeds[1] if len(plan.seeds) > 1 else (seed + 1) % 2**63
    key = plan.experiment.key(Job(first.params, seed))
    alone = _run(plan, key, [first.levels], (seed,), executor)
    company = [last, first.levels] if last != first.levels else [last]
    _require_the_same(plan, first.levels, alone, _run(plan, key, company, (other, seed), executor))


def is_new(plan: Plan, folder: Path) -> bool:
    """Whether the run in ``folder`` is of another version of the experiment, or not yet begun."""
    if not (folder / "run.json").exists():
        return True
    try:
        stored = manifest.read(folder)
    except BenchError:  # damaged, which is said, and mended, by what runs the suite
        return False
    return (stored.reference, stored.version) != (plan.reference, plan.experiment.version)


def run_again(plan: Plan, run: Run, executor: str | Executor = "local") -> bool:
    """Run the last planned job of a run that has an outcome once more, alone; False if there is no such job."""
    records = run.contents.records
    stored = [job for job in run.planned() if job.key in records and records[job.key].status in OUTCOMES]
    if not stored:
        return False
    levels, key = dict(zip(plan.factors, stored[-1].levels, strict=True)), stored[-1].key
    _require_the_same(plan, levels, _run(plan, key, [levels], (stored[-1].seed,), executor), records[key])
    return True


def _require_the_same(plan: Plan, levels: Mapping[str, Level], alone: Record, in_company: Record) -> None:
    job = f"the run {describe(levels)}, seed {alone.seed}"
    for record in (alone, in_company):
        if record.status not in OUTCOMES:
            raise BenchError(f"Of {plan.reference}, {job} has {record.status}: {record.reason}.")
    if differences := "; ".join(_differences(alone, in_company)):
        message = f"{plan.reference} gives other numbers the second time: of {job}, {differences}."
        raise BenchError(message, hint=_HINT)


def _differences(alone: Record, in_company: Record) -> Iterator[str]:
    """What differs, e.g. ``loss is 0.5 alone and 0.6 in company``."""
    if alone.status != in_company.status:
        yield f"it is {alone.status} alone and {in_company.status} in company"
    for name, value in alone.metrics.items():
        other = in_company.metrics.get(name, math.nan)
        if value != other and not (math.isnan(value) and math.isnan(other)):
            yield f"{name} is {value!r} alone and {other!r} in company"
    if alone.artefact != in_company.artefact:
        yield "its arrays are not the same"


def _run(
    plan: Plan, key: str, listed: list[Mapping[str, Level]], seeds: tuple[int, ...], executor: str | Executor
) -> Record:
    """What the job ``key`` comes to in a run of these cells and seeds by one worker, of which nothing is kept."""
    bare: Any = dict.fromkeys(("strata", "looks", "published")) | dict.fromkeys(("exclusions", "claims"), ())
    part = replace(plan, seeds=seeds, listed=tuple(listed), nestings={}, seal="", **bare)
    with TemporaryDirectory(prefix="bench-") as folder:
        run = create(part, Path(folder))
        execute(part, run, workers=1, executor=executor)
        return run.contents.records[key]
