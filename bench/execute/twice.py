"""A plan -> what one of its jobs gives when it is run twice, alone and in company: by contract, the same to the bit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.execute.coordinate import execute
from bench.execute.records import OUTCOMES, Record
from bench.execute.run import Run, create
from bench.experiment import Job
from bench.plan.design import cells, n_cells
from bench.plan.levels import Level
from bench.plan.suite import Plan


@dataclass(frozen=True)
class Twice:
    """One job that was run twice, in worker processes of their own."""

    levels: Mapping[str, Level]
    seed: int
    alone: Record
    """As the only job of its worker."""
    in_company: Record
    """Beside, or after, jobs of another seed and of the last cell."""

    @property
    def failed(self) -> Record | None:
        """One of both that has no outcome."""
        return next((record for record in (self.alone, self.in_company) if record.status not in OUTCOMES), None)

    def differences(self) -> Iterator[str]:
        """What differs, e.g. ``loss is 0.5 alone and 0.6 in company``."""
        if self.alone.status != self.in_company.status:
            yield f"it is {self.alone.status} alone and {self.in_company.status} in company"
        for name, value in self.alone.metrics.items():
            other = self.in_company.metrics.get(name, math.nan)
            if value != other and not (math.isnan(value) and math.isnan(other)):
                yield f"{name} is {value!r} alone and {other!r} in company"
        if self.alone.artefact != self.in_company.artefact:
            yield "its arrays are not the same"


def run_twice(plan: Plan, executor: str | Executor = "local") -> Twice:
    """Run the first job of ``plan`` alone, then once more with up to three others before it; nothing is kept.

    Raises:
        BenchError: as ``execute`` does.
    """
    first = next(cells(plan))
    last = next(itertools.islice(plan.combinations(), n_cells(plan) - 1, None))
    seed = plan.seeds[0]
    other = plan.seeds[1] if len(plan.seeds) > 1 else (seed + 1) % 2**63
    key = plan.experiment.key(Job(first.params, seed))
    with TemporaryDirectory(prefix="bench-") as folder:
        alone = _run(plan, Path(folder) / "alone", [first.levels], (seed,), executor)
        company = [last, first.levels] if last != first.levels else [last]
        in_company = _run(plan, Path(folder) / "company", company, (other, seed), executor)
        return Twice(first.levels, seed, alone.contents.records[key], in_company.contents.records[key])


def _run(
    plan: Plan, out: Path, listed: list[Mapping[str, Level]], seeds: tuple[int, ...], executor: str | Executor
) -> Run:
    """The run of these cells and seeds by one worker."""
    part = replace(
        plan,
        seeds=seeds,
        listed=tuple(listed),
        nestings={},
        exclusions=(),
        claims=(),
        looks=None,
        published=None,
        seal="",
    )
    run = create(part, out)
    execute(part, run, workers=1, executor=executor)
    return run
