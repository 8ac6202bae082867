"""Declared claims, a design and perhaps a pilot -> whether each can be judged, and what it would take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import numpy as np
import pandas as pd

from bench.judge.claims.cases import Case, claim_weights
from bench.judge.preview.pilot import Pilot
from bench.judge.preview.study import MOST_CELLS, design_of
from bench.judge.sensitivity import POWER, seeds_to_exclude, seeds_to_find
from bench.plan.claims import Claim
from bench.plan.design import n_cells
from bench.plan.kinds import kind_of
from bench.plan.labels import term_label
from bench.plan.suite import Plan
from bench.stats.coding import Floats
from bench.stats.identify import Design
from bench.stats.power import smallest_effect

_COLUMNS = ["id", "statement", "metric", "estimable", "assumes", "se", "sd", "smallest", "margin", "seeds_for_margin"]
_COLUMNS += ["undecidable", "refutable"]


def claim_frame(suite: Plan, design: Design, pilot: Pilot | None) -> pd.DataFrame:
    """A row a claim; of one with several comparisons, the one with the largest error.

    ``estimable`` in this design, if the interactions in ``assumes`` are absent; ``se`` as in ``Study.effects``. With a
    pilot, on the scale of the claim: ``sd`` over seeds, the ``smallest`` effect that the suite's seeds find with power
    POWER at 0.05 over the number of claims (two-sided), and ``seeds_for_margin``: to find an effect of the margin, or
    for equivalence to exclude one. NaN where nothing is compared by a t test.
    ``undecidable``: why the planned seeds can neither support nor refute it, empty if they can; ``refutable``: whether
    anything could refute it.
    """
    return pd.DataFrame([_row(suite, design, claim, pilot) for claim in suite.claims], columns=_COLUMNS)


def undecidable_claims(suite: Plan, pilot: Pilot | None) -> Mapping[str, str]:
    """Claim's id -> why the planned seeds can neither support nor refute it, of those for which that is so.

    A suite of more than MOST_CELLS cells is checked for its number of seeds only.
    """
    if not suite.claims:
        return {}
    if n_cells(suite) > MOST_CELLS:
        reasons = {claim.id: _too_few(suite, claim) for claim in suite.claims}
    else:
        frame = claim_frame(suite, design_of(suite), pilot)
        reasons = dict(zip(frame["id"], frame["undecidable"], strict=True))
    return {name: reason for name, reason in reasons.items() if reason}


def _undecidable(suite: Plan, claim: Claim, row: Mapping[str, object], pilot: Pilot | None) -> str:
    n_seeds = suite.n_units
    if not row["estimable"]:
        return "the cells of this design cannot tell it, whatever is measured"
    if too_few := _too_few(suite, claim):
        return too_few
    needed = cast("float", row["seeds_for_margin"])
    if pilot is None or not needed > n_seeds:
        return ""
    number = f"it takes {needed:.0f} seeds" if math.isfinite(needed) else "no number of seeds suffices"
    purpose = f"to tell an effect of the margin from none ({POWER:.0%})"
    return f"by the spread of {pilot.name} {number} {purpose}, and {n_seeds} are planned"


def _too_few(suite: Plan, claim: Claim) -> str:
    n_seeds, fewest = suite.n_units, kind_of(claim).fewest_seeds(claim)
    verb = "is" if n_seeds == 1 else "are"
    return f"it takes at least {fewest} seeds, and {n_seeds} {verb} planned" if n_seeds < fewest else ""


def _row(suite: Plan, design: Design, claim: Claim, pilot: Pilot | None) -> Mapping[str, object]:
    weights, assumes = claim_weights(design, suite.factors, claim)
    names = list(suite.factors)
    row: dict[str, object] = dict.fromkeys(_COLUMNS, float("nan"))
    row |= {"id": claim.id, "statement": claim.statement, "metric": claim.metric, "estimable": weights is not None}
    row["assumes"] = ", ".join(term_label(names[factor] for factor in term) for term in assumes if weights is not None)
    if weights is not None:
        row["se"] = float(np.linalg.norm(weights, axis=1).max())
        if pilot is not None and kind_of(claim).test == "contrast":
            row |= _pilot_numbers(Case(claim, pilot.values[claim.metric], weights), suite)
    undecidable, refutable = _undecidable(suite, claim, row, pilot), kind_of(claim).is_refutable(claim)
    return {**row, "undecidable": undecidable, "refutable": refutable}


def _pilot_numbers(case: Case, suite: Plan) -> Mapping[str, float]:
    sample = case.sample
    margin = float("nan") if sample.margin is None else sample.margin
    contrasts: Floats = sample.contrasts
    sd = float(contrasts.std(axis=0, ddof=1).max()) if len(contrasts) > 1 else float("nan")
    tests = len(suite.claims)
    exclude = case.claim.expect == "equivalent"
    return {
        "sd": sd,
        "smallest": smallest_effect(suite.n_units, tests, POWER) * sd,
        "margin": margin,
        "seeds_for_margin": seeds_to_exclude(margin, sd) if exclude else seeds_to_find(margin, sd, tests),
    }
