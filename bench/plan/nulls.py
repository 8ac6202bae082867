"""A suite -> its values with None for "null" (TOML has no word for it) wherever a parameter may be None."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.experiment import Experiment
from bench.plan.levels import attempt
from bench.plan.shape import SuiteKeys, SweepTable

NULL = "null"
"""The word for None in suites and tables; a parameter that may be None cannot have this text as its value."""


def read_nulls(keys: SuiteKeys, experiment: Experiment) -> dict[str, Any]:
    """The keys of a suite that give values to parameters: name -> their value with None for ``"null"``."""

    def value(name: str, raw: Any) -> Any:
        return None if raw == NULL and _may_be_none(experiment, name) else raw

    def table(raw: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value(name, item) for name, item in raw.items()}

    def sweep(name: str, raw: SweepTable) -> SweepTable:
        update: dict[str, Any] = {"levels": raw.levels and [value(name, item) for item in raw.levels]}
        if "otherwise" in raw.model_fields_set:
            update["otherwise"] = value(name, raw.otherwise)
        return raw.model_copy(update=update)

    return {
        "params": table(keys.params),
        "sets": [one.model_copy(update={"params": table(one.params)}) for one in keys.sets],
        "factors": keys.factors and {name: sweep(name, raw) for name, raw in keys.sweeps.items()},
        "cells": keys.cells and [table(cell) for cell in keys.cells],
    }


def _may_be_none(experiment: Experiment, name: str) -> bool:
    return name in experiment.fields and name not in attempt(experiment, {name: None}).refusals
