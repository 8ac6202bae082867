"""A suite -> the suite with None for "null", the word for it where TOML has none, wherever a parameter may be None."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.experiment import Experiment
from bench.plan.levels import attempt
from bench.plan.shape import SuiteKeys, SweepTable

NULL = "null"
"""What None is called in suites and tables. A parameter that may be None is never given this text."""


def read_nulls(keys: SuiteKeys, experiment: Experiment) -> dict[str, Any]:
    """The keys of a suite that give values to parameters and change: name -> their value with None for ``"null"``."""

    def value(name: str, given: Any) -> Any:
        return None if given == NULL and _may_be_none(experiment, name) else given

    def table(given: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value(name, item) for name, item in given.items()}

    def sweep(name: str, given: SweepTable) -> SweepTable:
        changed: dict[str, Any] = {"levels": given.levels and [value(name, item) for item in given.levels]}
        if "otherwise" in given.model_fields_set:
            changed["otherwise"] = value(name, given.otherwise)
        return given.model_copy(update=changed)

    return {
        "params": table(keys.params),
        "sets": [one.model_copy(update={"params": table(one.params)}) for one in keys.sets],
        "factors": keys.factors and {name: sweep(name, given) for name, given in keys.sweeps.items()},
        "cells": keys.cells and [table(cell) for cell in keys.cells],
    }


def _may_be_none(experiment: Experiment, name: str) -> bool:
    return name in experiment.fields and name not in attempt(experiment, {name: None}).refusals
