"""A suite -> the cells that would add most to it, and what they buy, effect by effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.judge.preview.study import MOST_CELLS, coded, codes_of, effect_frame
from bench.plan.grid import combinations
from bench.plan.levels import Level, attempt
from bench.plan.suite import Plan
from bench.stats.coding import Floats, Ints, term_columns, terms_up_to
from bench.stats.d_optimal import d_optimal
from bench.stats.identify import identify


@dataclass(frozen=True, eq=False)
class Augmentation:
    """Cells to add, and the frame of what they buy."""

    cells: tuple[Mapping[str, Level], ...]
    order: int
    effects: pd.DataFrame
    """A row a term of the model: ``effect vif_before vif_after se_before se_after``; no SE where not estimable."""


def augment(suite: Plan, n: int, order: int = 1) -> Augmentation:
    """The ``n`` more cells of the suite's grid that are D-optimal for all terms of at most ``order`` factors together.

    Raises:
        BenchError: if the grid has not so many more cells that the experiment takes, or the model is too large.
    """
    codes, levels = codes_of(suite), tuple(map(len, suite.factors.values()))
    order = min(order, len(levels))
    missing = _missing(suite)
    if n < 1 or n > len(missing):
        message = f"{suite.path} cannot be augmented by {n} cells: {len(missing)} of its grid are missing."
        raise BenchError(message, hint="Cells are added from the combinations of the factors' levels that are not run.")
    more = coded(suite, missing)
    choice = d_optimal(_model(codes, levels, order), _model(more, levels, order), n, np.random.default_rng(0))
    names = list(suite.factors)
    before = effect_frame(identify(codes, levels, order=order), names)
    after = effect_frame(identify(np.vstack([codes, more[list(choice)]]), levels, order=order), names)
    effects = pd.DataFrame(
        {
            "effect": before["effect"],
            "vif_before": before["vif"],
            "vif_after": after["vif"],
            "se_before": before["se"],
            "se_after": after["se"],
        }
    )
    return Augmentation(tuple(missing[index] for index in choice), order, effects)


def _missing(suite: Plan) -> list[Mapping[str, Level]]:
    present = {tuple(cell.values()) for cell in suite.combinations()}
    grid = list(islice(combinations(suite.factors, suite.nestings, suite.exclusions), MOST_CELLS + 1))
    if len(grid) > MOST_CELLS:
        hint = "Give the factors fewer levels."
        raise BenchError(
            f"The grid of {suite.path} has more than {MOST_CELLS} cells, too many to choose from.", hint=hint
        )
    missing = (cell for cell in grid if tuple(cell.values()) not in present)
    return [cell for cell in missing if not attempt(suite.experiment, suite.values(cell)).refusals]


def _model(codes: Ints, levels: tuple[int, ...], order: int) -> Floats:
    columns = [term_columns(codes, levels, term) for term in terms_up_to(order, len(levels))]
    return np.hstack([np.ones((len(codes), 1)), *columns])
