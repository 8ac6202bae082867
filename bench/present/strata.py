"""A suite whose seeds have strata -> what a report says of them: how many, and which is the unit of replication."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bench.plan.suite import Plan
from bench.present import numbers


def seed_count(suite: Plan) -> str:
    """``10 seeds``, or ``6 data × 3 init × 3 sae seeds``."""
    if suite.strata is None:
        return numbers.counted(len(suite.seeds), "seed")
    return f"{' × '.join(f'{len(seeds)} {name}' for name, seeds in suite.strata.seeds.items())} seeds"


def seed_ranges(suite: Plan) -> str:
    """``0 to 9``, or ``data 0 to 5; init 0 to 2``."""
    if suite.strata is None:
        return numbers.ranges(suite.seeds)
    return "; ".join(f"{name} {numbers.ranges(seeds)}" for name, seeds in suite.strata.seeds.items())


def unit(suite: Plan) -> Iterator[str]:
    """What is a replicate and what is averaged within it; nothing of a suite without strata."""
    if suite.strata is None:
        return
    first, *inner = suite.strata.seeds
    each = numbers.counted(math.prod(len(suite.strata.seeds[name]) for name in inner), "run")
    yield (
        f"The unit of replication is {first}: a seed of the tables is one of its {suite.n_units} seeds, and the runs "
        f"of other {numbers.listed(inner)} seeds ({each} in a cell) are averaged within it, on the scale of the "
        f"analysis."
    )
    if suite.strata.crossed:
        yield (
            f"{numbers.listed(inner)} seeds are the same for every {first} seed (crossed), so that tests and their "
            f"intervals speak of other {first} seeds with these very ones; the variance components say what others add."
        )
