"""A suite and perhaps a pilot run -> everything that can be said of its design before it is run, as frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from bench.judge.augment import Augmentation
from bench.judge.design import Study, study_design
from bench.judge.forecast import detectable_frame, family_frame, spreads
from bench.judge.pilot import Pilot
from bench.plan.suite import Suite


@dataclass(frozen=True, eq=False)
class Preview:
    """What ``bench design`` shows."""

    suite: Suite
    study: Study
    pilot: Pilot | None
    frames: Mapping[str, pd.DataFrame]
    """``cells effects correlations models single families``; ``detectable`` with a pilot, ``augmented`` with cells."""
    augmentation: Augmentation | None = None


def preview(suite: Suite, pilot: Pilot | None = None, augmentation: Augmentation | None = None) -> Preview:
    """Study the design of ``suite``; a pilot adds the metrics' units, an augmentation what more cells would buy."""
    study = study_design(suite)
    per_metric = sum(entry.full_df for entry in study.design.identified if entry.estimable)
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
        "families": family_frame(len(suite.seeds), {family: number for family, number in tests.items() if number}),
    }
    if pilot is not None:
        found = spreads(study.design, pilot, suite.metrics)
        frames["detectable"] = detectable_frame(found, list(suite.factors), len(suite.seeds), max(tests.values()))
    if augmentation is not None:
        frames["augmented"] = augmentation.effects
    return Preview(suite, study, pilot, frames, augmentation)
