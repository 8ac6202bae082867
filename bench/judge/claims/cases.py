"""Claims and a tidy frame -> for each claim its values by seed and cell, the weights of its cells, and its samples."""

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
    """A claim, the values of its metric, and the weights of cells that estimate its comparisons."""

    claim: Claim
    table: Floats
    """Values as measured (seeds, cells), NaN where missing."""
    weights: Floats | None
    """(comparisons, cells); None where the design does not identify every comparison."""
    assumes: tuple[Term, ...] = ()
    """Interactions that are aliased with the comparisons: the estimate is right only if they are absent."""

    @cached_property
    def is_measured(self) -> bool:
        """Whether some seed has every cell that is compared."""
        return self.weights is not None and not self.n_without_logarithm and len(self.sample.complete_rows) > 0

    @property
    def n_without_logarithm(self) -> int:
        """The number of values without a logarithm on the scale "log", where a claim is judged only if it is 0."""
        return int((self.table <= 0).sum()) if self.claim.scale == "log" else 0

    @property
    def has_other_scale(self) -> bool:
        """Whether every value has a logarithm."""
        return not (self.table <= 0).any()

    @cached_property
    def sample(self) -> Sample:
        """The values on the claim's scale."""
        return self.variant()

    def variant(self, *, other_scale: bool = False, without: int | None = None) -> Sample:
        """The values on the claim's scale or the other one; ``without``: the row of a seed that is left out."""
        assert self.weights is not None  # callers ask for a sample only of an identified claim
        table = self.table.copy()
        if without is not None:
            table[without] = np.nan
        log = (self.claim.scale == "log") != other_scale
        if log:
            table = np.log(np.where(table > 0, table, np.nan))
        if self.claim.measure == "spread":
            table = np.abs(table - _medians(table))
        return Sample(table, self.weights, self._margin(log=log), self.claim.expect == "inverted_u")

    def _margin(self, *, log: bool) -> float | None:
        """The margin on a scale; None if the claim has none, or if it is a share of a mean of 0."""
        margin = margin_of(self.claim.margin, self.claim.scale, relative=self.claim.relative)
        finite = self.table[np.isfinite(self.table)]
        mean = float(finite.mean()) if len(finite) else 0.0
        size = np.nan if margin is None else margin.on("log" if log else "identity", mean)
        return None if np.isnan(size) else size


@dataclass(frozen=True)
class Cases:
    """The claims of a suite as cases."""

    runs: CodedRuns
    design: Design
    """What the cells of the runs identify."""
    cases: tuple[Case, ...]
    """In the order of the claims."""

    def weights_of(self, comparison: Comparison) -> CellWeights | None:
        """Weights of the cells that estimate a comparison; None where the design does not identify it."""
        return comparison_weights(self.design, levels_of(self.runs), comparison)


def gather(frame: pd.DataFrame, factors: Sequence[str], claims: Sequence[Claim]) -> Cases:
    """The case of every claim; ``frame`` has one row a run, and a column for each factor, ``seed`` and metric.

    Raises:
        BenchError: for columns that are missing or not numeric.
    """
    metrics = list(dict.fromkeys(claim.metric for claim in claims))
    runs = code_runs(frame, factors, SEED, metrics)
    design, levels = identify(runs.cells, runs.n_levels), levels_of(runs)
    values = {metric: in_range(metric, runs.values[metric])[0] for metric in metrics}
    tables = {}
    for metric, scale in dict.fromkeys((claim.metric, claim.scale) for claim in claims):
        means = replace(runs, values={metric: values[metric]}).averaged([metric] if scale == "log" else [])
        table = Cells.of(means.values[metric], means.cell, means.block, len(runs.cells)).table
        assert table is not None  # the seeds are the blocks
        tables[metric, scale] = table
    cases = [Case(claim, tables[claim.metric, claim.scale], *claim_weights(design, levels, claim)) for claim in claims]
    return Cases(runs, design, tuple(cases))


def levels_of(runs: CodedRuns) -> Levels:
    """Factor -> its levels, in the order of their codes."""
    return {factor.name: factor.levels for factor in runs.factors}


def claim_weights(design: Design, levels: Levels, claim: Claim) -> tuple[Floats | None, tuple[Term, ...]]:
    """``Case.weights`` and ``Case.assumes`` of a claim."""
    estimates = [comparison_weights(design, levels, comparison) for comparison in claim.comparisons]
    identified = [estimate for estimate in estimates if estimate is not None]
    assumes = tuple(dict.fromkeys(term for estimate in identified for term in estimate.assumes))
    all_identified = len(identified) == len(estimates)
    return np.array([estimate.weights for estimate in identified]) if all_identified else None, assumes


def comparison_weights(design: Design, levels: Levels, comparison: Comparison) -> CellWeights | None:
    """Weights of the cells of a design that estimate a comparison; None where the design does not identify it.

    ``levels``: factor -> its levels, in the order of their codes. A level that is not among them is not identified.
    """
    codes: list[dict[int, int]] = [{} for _ in comparison.regions]
    for position, (name, factor_levels) in enumerate(levels.items()):
        code = {(type(level), level): number for number, level in enumerate(factor_levels)}
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
