"""Declared claims, a design and perhaps a pilot -> whether each can be judged, and what it would take."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bench.judge.claims.cases import Case
from bench.judge.preview.design import Study
from bench.judge.preview.forecast import POWER, seeds_to_exclude, seeds_to_find
from bench.judge.preview.pilot import Pilot
from bench.plan.claims import Claim, Region
from bench.plan.labels import term_label
from bench.plan.levels import Level
from bench.plan.suite import Suite
from bench.stats.coding import Floats
from bench.stats.power import smallest_effect
from bench.stats.regions import CellWeights, cell_weights

_COLUMNS = ["id", "statement", "metric", "estimable", "assumes", "se", "sd", "smallest", "margin", "seeds_for_margin"]


def claim_frame(suite: Suite, study: Study, pilot: Pilot | None) -> pd.DataFrame:
    """A row a claim; of one with several comparisons, the one that is known least precisely.

    ``estimable`` in this design, if the interactions in ``assumes`` are absent; ``se`` as in ``Study.effects``. With a
    pilot, on the scale of the claim: ``sd`` over seeds, the ``smallest`` effect that the suite's seeds find with power
    POWER at 0.05 over the number of claims (two-sided), and ``seeds_for_margin``: to find an effect of the margin, or
    for equivalence to exclude one. NaN where nothing is compared by a t test.
    """
    return pd.DataFrame([_row(suite, study, claim, pilot) for claim in suite.claims], columns=_COLUMNS)


def _row(suite: Suite, study: Study, claim: Claim, pilot: Pilot | None) -> dict[str, object]:
    nan = float("nan")
    found = [_weights(suite, study, comparison.regions, comparison.weights) for comparison in claim.comparisons]
    told = [entry for entry in found if entry is not None]
    row: dict[str, object] = {"id": claim.id, "statement": claim.statement, "metric": claim.metric}
    row |= {"estimable": len(told) == len(found), "assumes": "", "se": nan, "sd": nan, "smallest": nan, "margin": nan}
    row["seeds_for_margin"] = nan
    if len(told) < len(found):
        return row
    terms = dict.fromkeys(term for entry in told for term in entry.assumes)
    names = list(suite.factors)
    row["assumes"] = ", ".join(term_label(names[factor] for factor in term) for term in terms)
    weights = np.array([entry.weights for entry in told])
    row["se"] = float(np.linalg.norm(weights, axis=1).max())
    if pilot is not None and claim.expect != "bimodal":
        row |= _with_pilot(Case(claim, pilot.values[claim.metric], weights), suite)
    return row


def _with_pilot(case: Case, suite: Suite) -> Mapping[str, float]:
    sample = case.sample()
    margin = float("nan") if sample.margin is None else sample.margin
    contrasts: Floats = sample.contrasts
    sd = float(contrasts.std(axis=0, ddof=1).max()) if len(contrasts) > 1 else float("nan")
    tests = len(suite.claims)
    exclude = case.claim.expect == "equivalent"
    return {
        "sd": sd,
        "smallest": smallest_effect(len(suite.seeds), tests, POWER) * sd,
        "margin": margin,
        "seeds_for_margin": seeds_to_exclude(margin, sd) if exclude else seeds_to_find(margin, sd, tests),
    }


def _weights(suite: Suite, study: Study, regions: tuple[Region, ...], weights: tuple[float, ...]) -> CellWeights | None:
    names = list(suite.factors)
    positions = [{names.index(name): _code(suite, name, level) for name, level in region.items()} for region in regions]
    return cell_weights(study.design.codes, study.design.levels, positions, weights, study.design.order)


def _code(suite: Suite, name: str, level: Level) -> int:
    return [(type(known), known) for known in suite.factors[name]].index((type(level), level))
