"""Values from a suite, tried on an experiment -> its parameters and what levels are called, or why it refuses them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from bench.experiment import Experiment
from bench.plan.source import did_you_mean, show

Level = str | int | float | bool
"""What a factor's value is called in every table: its value in JSON, or the JSON text of a list or table."""


@dataclass(frozen=True)
class Refusal:
    """Why an experiment does not take a value, and what it would take."""

    message: str
    allowed: str


@dataclass(frozen=True)
class Trial:
    """What came of handing values to an experiment: parameters, or refusals by field (``""``: all taken together)."""

    params: Any = None
    as_json: Mapping[str, Any] = field(default_factory=dict)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)


def attempt(experiment: Experiment, values: Mapping[str, Any]) -> Trial:
    """Make the experiment's parameters; whatever goes wrong in it comes back as a refusal."""
    try:
        params = experiment.make(values)
        as_json = experiment.values(params)
    except ValidationError as error:
        return Trial(refusals=_refusals(error, values))
    except Exception as error:  # noqa: BLE001 - a user's validator may raise anything; it is reported, not swallowed
        raised = f"The experiment's parameters raised {type(error).__name__}: {error}."
        return Trial(refusals={"": Refusal(_refused(values, ""), raised)})
    misread = {name: Refusal(_refused(values, name), why) for name, why in _misread(values, as_json).items()}
    return Trial(refusals=misread) if misread else Trial(params, as_json)


def label(given: Any, as_json: Any) -> Level:
    """What a level is called, alike for values that are equal to the experiment (1 and 1.0, of a float)."""
    called = given if as_json is None else as_json
    return called if isinstance(called, str | int | float | bool) else json.dumps(called, default=str)


def describe(levels: Mapping[str, Any]) -> str:
    """``reg = "l1", act = "relu"``."""
    return ", ".join(f"{name} = {show(value)}" for name, value in levels.items())


def _refusals(error: ValidationError, values: Mapping[str, Any]) -> dict[str, Refusal]:
    found: dict[str, Refusal] = {}
    for entry in error.errors(include_url=False):
        name = str(entry["loc"][0]) if entry["loc"] else ""
        allowed = _allowed(entry["msg"])
        if name in found and allowed not in found[name].allowed:
            allowed = f"{found[name].allowed} Or: {allowed}"
        known = re.findall(r"'([^']*)'", str(entry.get("ctx", {}).get("expected", "")))
        found[name] = Refusal(_refused(values, name), allowed + did_you_mean(values.get(name), known))
    return found


def _refused(values: Mapping[str, Any], name: str) -> str:
    if name in values:
        return f"{name} cannot be {show(values[name])}"
    return f"{describe(values)} cannot be combined" if len(values) > 1 else f"{describe(values)} is refused"


def _allowed(message: str) -> str:
    """Pydantic's message as a sentence on what is allowed."""
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ").partition(", unable to parse")[0]
    if message.startswith("Input should be "):
        message = f"Allowed: {message.removeprefix('Input should be ')}"
    return message if message.endswith(".") else f"{message}."


def _misread(values: Mapping[str, Any], as_json: Mapping[str, Any]) -> dict[str, str]:
    """Values that pydantic would take, though not as they are meant, with what to write instead."""
    found = {}
    for name, given in values.items():
        taken = as_json.get(name)
        if isinstance(given, float) and math.isnan(given):
            found[name] = "NaN equals nothing, itself included, so that no run can be found by it."
        elif isinstance(taken, bool) and not isinstance(given, bool):
            found[name] = "Allowed: true or false, without quotes."
        elif isinstance(taken, int | float) and not isinstance(taken, bool) and _is_number_in_disguise(given):
            found[name] = "Allowed: a number, without quotes."
    return found


def _is_number_in_disguise(given: object) -> bool:
    """Whether a boolean or quoted number was given; other words may stand for numbers if the experiment says so."""
    if not isinstance(given, str):
        return isinstance(given, bool)
    try:
        float(given)
    except ValueError:
        return False
    return True
