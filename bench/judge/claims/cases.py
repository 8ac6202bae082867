"""Claims and a tidy frame -> for each claim the cells that it needs, and its values on any scale, without any seed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from bench.judge.analysis import in_range
from bench.judge.claims.evidence import Sample
from bench.judge.coded import CodedRuns, code_runs
from bench.plan.claims import Claim, Comparison
from bench.plan.metrics import margin_of
from bench.stats.coding import Floats, Term
from bench.stats.identify import Design, identify
from bench.stats.pairs import Cells
from bench.stats.region_weights import CellWeights, cell_weights

SEED = "seed"
Levels = Mapping[str, Sequence[Hashable]]


@dataclass(frozen=True)
class Case:
    """A claim, and what the runs have for it."""

    claim: Claim
    table: Floats
    """Values as measured (seeds, cells), NaN where missing."""
    weights: Floats | None
    """(comparisons, cells); None where the design cannot tell what is compared."""
    assumes: tuple[Term, ...] = ()
    """Interactions that must be absent for the estimate to be what it is called."""

    @cached_property
    def measured(self) -> bool:
        """Whether some seed has every cell that is compared."""
        return self.weights is not None and not self.refused and len(self.sample().used) > 0

    @property
    def refused(self) -> int:
        """The number of values without a logarithm, if the claim's scale is logarithmic: then it is not judged."""
        return int((self.table <= 0).sum()) if self.claim.scale == "log" else 0

    @property
    def has_other_scale(self) -> bool:
        """Whether every value has a logarithm."""
        return not (self.table <= 0).any()

    def sample(self, *, other_scale: bool = False, without: int | None = None) -> Sample:
        """The values on the claim's scale or the other one, ``without`` one seed."""
        assert self.weights is not None  # asked only of what can be told
        table = self.table if without is None else np.delete(self.table, without, axis=0)
        log = (self.claim.scale == "log") != other_scale
        if log:
            table = np.log(np.where(table > 0, table, np.nan))
        if self.claim.measure == "spread":
            table = np.abs(table - _medians(table))
        return Sample(table, self.weights, self._margin(log=log))

    def _margin(self, *, log: bool) -> float | None:
        """The margin on a scale; None for none, and for a share of nothing."""
        margin = margin_of(self.claim.margin, self.claim.scale, relative=self.claim.relative)
        finite = self.table[np.isfinite(self.table)]
        mean = float(finite.mean()) if len(finite) else 0.0
        size = np.nan if margin is None else margin.on("log" if log else "identity", mean)
        return None if np.isnan(size) else size


@dataclass(frozen=True)
class Cases:
    """All claims of a suite, beside the runs."""

    runs: CodedRuns
    design: Design
    cases: tuple[Case, ...]

    def place(self, comparison: Comparison) -> CellWeights | None:
        """Weights of the cells that estimate a comparison; None where the design cannot tell it."""
        return place(self.design, levels_of(self.runs), comparison)


def gather(frame: pd.DataFrame, factors: Sequence[str], claims: Sequence[Claim]) -> Cases:
    """Find what every claim needs in ``frame``: one row a run, a column for each factor, ``seed`` and metric.

    Raises:
        BenchError: for columns that are missing or not numeric.
    """
    metrics = list(dict.fromkeys(claim.metric for claim in claims))
    runs = code_runs(frame, factors, SEED, metrics)
    cases = Cases(runs, identify(runs.cells, runs.n_levels), ())
    usable = {metric: in_range(metric, runs.values[metric])[0] for metric in metrics}
    tables = {}
    for metric, scale in dict.fromkeys((claim.metric, claim.scale) for claim in claims):
        averaged = replace(runs, values={metric: usable[metric]}).averaged([metric] if scale == "log" else [])
        table = Cells.of(averaged.values[metric], averaged.cell, averaged.block, len(runs.cells)).table
        assert table is not None  # the seeds are the blocks
        tables[metric, scale] = table
    found = []
    for claim in claims:
        weights, assumes = place_all(cases.design, levels_of(runs), claim)
        found.append(Case(claim, tables[claim.metric, claim.scale], weights, assumes))
    return Cases(runs, cases.design, tuple(found))


def levels_of(runs: CodedRuns) -> Levels:
    """The factors of runs."""
    return {factor.name: factor.levels for factor in runs.factors}


def place_all(design: Design, levels: Levels, claim: Claim) -> tuple[Floats | None, tuple[Term, ...]]:
    """Weights of cells (comparisons, cells), None where the design cannot tell them all, and what must be absent."""
    placed = [place(design, levels, comparison) for comparison in claim.comparisons]
    told = [entry for entry in placed if entry is not None]
    assumes = tuple(dict.fromkeys(term for entry in told for term in entry.assumes))
    return np.array([entry.weights for entry in told]) if len(told) == len(placed) else None, assumes


def place(design: Design, levels: Levels, comparison: Comparison) -> CellWeights | None:
    """Weights of the cells of a design that estimate a comparison; None where it cannot tell it.

    ``levels``: factor -> its levels, in the order of their codes. A level that was not planned at all cannot be told.
    """
    codes: list[dict[int, int]] = [{} for _ in comparison.regions]
    for position, (name, known) in enumerate(levels.items()):
        code = {(type(level), level): number for number, level in enumerate(known)}
        for region, fixed in zip(comparison.regions, codes, strict=True):
            if name in region:
                fixed[position] = code.get((type(region[name]), region[name]), -1)
    if any(number < 0 for fixed in codes for number in fixed.values()):
        return None
    return cell_weights(design.codes, design.levels, codes, comparison.weights, design.order)


def _medians(table: Floats) -> Floats:
    """Median of each column, NaN for one without values."""
    return np.array(
        [np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else np.nan for column in table.T]
    )
