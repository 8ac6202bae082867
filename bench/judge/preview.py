"""A suite and perhaps a pilot run -> everything that can be said of its design before it is run, as frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

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
    """``cells effects correlations models single families``, and with a pilot ``detectable``."""


def preview(suite: Suite, pilot: Pilot | None = None) -> Preview:
    """Study the design of ``suite``; a pilot adds the metrics' units."""
    study = study_design(suite)
    per_metric = sum(entry.full_df for entry in study.design.identified if entry.estimable)
    families = {"one test": 1, "the effects on one metric": per_metric}
    families["the effects on every metric"] = per_metric * len(suite.metrics)
    families = {name: tests for name, tests in families.items() if tests}
    cells = pd.DataFrame(list(suite.combinations()))
    frames = {
        "cells": cells.set_axis(list(suite.factors), axis=1).assign(cell=range(1, len(cells) + 1)),
        "effects": study.effects,
        "correlations": study.correlations,
        "models": study.models,
        "single": study.single,
        "families": family_frame(len(suite.seeds), families),
    }
    if pilot is not None:
        found = spreads(study.design, pilot, suite.metrics)
        tests = max(families.values())
        frames["detectable"] = detectable_frame(found, list(suite.factors), len(suite.seeds), tests)
    return Preview(suite, study, pilot, frames)
