"""Counts or lists of seeds by stratum -> one seed of every stratum for each run of a cell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.experiment import Seed, hashed
from bench.plan.seeds import draw_seeds

ENDING = "_seed"
"""What the name of a stratum ends in as a column of a table, so that a factor may bear the name itself."""


@dataclass(frozen=True)
class Strata:
    """Seeds within seeds: ``{"data": (0, 1), "sae": (0, 1, 2)}`` are six runs a cell; the first is the outermost.

    ``crossed``: every seed of a stratum meets every one of the others. Else strata are nested: an outer seed has inner
    ones of its own, hashes below 2³¹ of itself and of those named here. Seeds added later leave earlier ones as they
    are.

    >>> nested = Strata({"data": (0, 1), "sae": (0, 1, 2)}, crossed=False)
    >>> len(nested.runs()), len({run.strata["sae"] for run in nested.runs()})
    (6, 6)
    """

    seeds: Mapping[str, tuple[int, ...]]
    crossed: bool

    @property
    def unit(self) -> str:
        """The first stratum, whose seeds are the replicates: inner ones are averaged within them."""
        return next(iter(self.seeds))

    @property
    def n_units(self) -> int:
        """The number of replicates."""
        return len(self.seeds[self.unit])

    @property
    def n_runs(self) -> int:
        """The number of runs of a cell."""
        return math.prod(map(len, self.seeds.values()))

    @property
    def columns(self) -> Mapping[str, str]:
        """Stratum -> its column in tables of runs."""
        return {name: f"{name}{ENDING}" for name in self.seeds}

    def runs(self) -> tuple[Seed, ...]:
        """The seed of each run of a cell, the last stratum changing fastest."""
        return tuple(map(Seed.of, self._combinations({})))

    def with_units(self, seeds: tuple[int, ...]) -> Strata:
        """The same with other seeds of the first stratum."""
        return Strata({**self.seeds, self.unit: seeds}, self.crossed)

    def sealed(self, seal: str) -> Strata:
        """As many seeds of every stratum, drawn from a seal."""
        drawn = {name: draw_seeds(f"{seal}:{name}", len(seeds)) for name, seeds in self.seeds.items()}
        return Strata(drawn, self.crossed)

    def _combinations(self, outer: Mapping[str, int]) -> Iterator[Mapping[str, int]]:
        if len(outer) == len(self.seeds):
            yield outer
            return
        name = [*self.seeds][len(outer)]
        for seed in self.seeds[name]:
            own = seed if self.crossed or not outer else hashed([*outer.items(), (name, seed)], bits=31)
            yield from self._combinations({**outer, name: own})
