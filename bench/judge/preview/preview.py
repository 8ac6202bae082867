"""A suite and perhaps a pilot run -> everything that can be said of its design before it is run, as frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.judge.claims.decidability import claim_frame
from bench.judge.components import Layout, stratum_frames
from bench.judge.preview.augment import Augmentation
from bench.judge.preview.pilot import Pilot
from bench.judge.preview.power_frames import (
    Spread,
    detectable_frame,
    family_frame,
    look_frame,
    spreads,
    term_power_frame,
)
from bench.judge.preview.simulate import simulated_frame
from bench.judge.preview.study import Study, study_design
from bench.plan.labels import term_label
from bench.plan.suite import Plan


@dataclass(frozen=True, eq=False)
class Preview:
    """What ``bench design`` shows."""

    suite: Plan
    study: Study
    pilot: Pilot | None
    frames: Mapping[str, pd.DataFrame]
    """``cells effects correlations models single families``; as there is cause ``terms claims detectable components
    needs simulated augmented looks``."""
    augmentation: Augmentation | None = None


def preview(
    suite: Plan,
    pilot: Pilot | None = None,
    augmentation: Augmentation | None = None,
    *,
    simulate: bool = False,
    looks: Sequence[int] = (),
) -> Preview:
    """Study the design of ``suite``; a pilot adds the metrics' units, an augmentation what more cells would buy.

    ``simulate`` finds the power by resampling the pilot's seeds; ``looks`` plans looks after so many seeds.

    Raises:
        BenchError: for too many cells, for looks that do not increase, or a simulation without a pilot.
    """
    study = study_design(suite)
    names = list(suite.factors)
    estimable = [entry for entry in study.design.identified if entry.estimable]
    contrasts_of = {term_label(names[factor] for factor in entry.term): entry.full_df for entry in estimable}
    per_metric = len(contrasts_of)
    tests = {
        "one test": 1,
        "the declared claims": len(suite.claims),
        "the effects on one metric": per_metric,
        "the effects on every metric": per_metric * len(suite.metrics),
    }
    cells = pd.DataFrame(list(suite.combinations()), columns=list(suite.factors))
    cells.insert(0, "cell", range(1, len(cells) + 1))
    frames = {
        "cells": cells,
        "effects": study.effects,
        "correlations": study.correlations,
        "models": study.models,
        "single": study.single,
        "families": family_frame(suite.n_units, {family: number for family, number in tests.items() if number}),
    }
    if several := {term: contrasts for term, contrasts in contrasts_of.items() if contrasts > 1}:
        frames["terms"] = term_power_frame(suite.n_units, several, per_metric * len(suite.metrics))
    if suite.claims:
        frames["claims"] = claim_frame(suite, study.design, pilot)
    if pilot is not None:
        noise = spreads(study.design, pilot, suite.metrics)
        frames["detectable"] = detectable_frame(noise, list(suite.factors), suite.n_units, max(tests.values()))
        if pilot.labels is not None:
            frames["components"], frames["needs"] = _components(suite, study, pilot, noise)
        if simulate:
            rng = np.random.default_rng(0)
            frames["simulated"] = simulated_frame(noise, list(suite.factors), suite.n_units, rng)
    elif simulate:
        hint = "Run the suite with a few seeds first, or name another run with --pilot."
        raise BenchError("Power can be simulated only from the noise of a stored run.", hint=hint)
    if augmentation is not None:
        frames["augmented"] = augmentation.effects
    if looks:
        frames["looks"] = look_frame(looks)
    return Preview(suite, study, pilot, frames, augmentation)


def _components(suite: Plan, study: Study, pilot: Pilot, noise: Sequence[Spread]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the strata of the pilot make vary, and what the next comparison needs."""
    assert pilot.labels is not None
    tables = {}
    for spread in noise:
        with np.errstate(invalid="ignore", divide="ignore"):
            tables[spread.metric] = np.log(pilot.runs[spread.metric]) if spread.log else pilot.runs[spread.metric]
    factors = [(name, tuple(map(str, levels))) for name, levels in suite.factors.items()]
    margins = {spread.metric: spread.margin for spread in noise}
    layout = Layout.of(pilot.labels, pilot.strata)
    return stratum_frames(tables, layout, study.design, factors, margins, confidence=0.95)
