"""Values from a suite, tried on an experiment -> its parameters and what levels are called, or why it refuses them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from bench.experiment import Experiment
from bench.plan.parameters import READ_BACK, not_read_back
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
    """``Experiment.values`` of the parameters."""
    refusals: Mapping[str, Refusal] = field(default_factory=dict)


def attempt(experiment: Experiment, values: Mapping[str, Any]) -> Trial:
    """Make the experiment's parameters; whatever goes wrong in it comes back as a refusal."""
    refusals = {
        name: Refusal(_refused(values, name), why)
        for name, value in values.items()
        if (why := _misread(value, experiment.fields.get(name, {})))
    }
    try:
        params = experiment.make(values)
        as_json = experiment.values(params)
        changes = not_read_back(experiment, params, values)
    except ValidationError as error:
        return Trial(refusals={**refusals, **_refusals(error, values, experiment)})
    except Exception as error:  # noqa: BLE001 - a user's validator may raise anything; it is reported, not swallowed
        raised = f"The experiment's parameters raised {type(error).__name__}: {error}."
        return Trial(refusals={**refusals, "": Refusal(_refused(values, ""), raised)})
    refusals |= {name: Refusal(_refused(values, name), f"{how}. {READ_BACK}") for name, how in changes.items()}
    return Trial(refusals=refusals) if refusals else Trial(params, as_json)


def label(given: Any, as_json: Any) -> Level:
    """What a level is called, alike for values that are equal to the experiment (1 and 1.0, of a float)."""
    called = given if as_json is None else as_json
    return called if isinstance(called, str | int | float | bool) else json.dumps(called, default=str)


def named(value: Any, levels: Mapping[Level, Any]) -> Level | None:
    """Which of the levels (level -> the value given for it) a suite means by ``value``; None for none."""
    for level, given in levels.items():
        if any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in (level, given)):
            return level
    return None


def rival(level: Hashable, known: Collection[Hashable]) -> Hashable | None:
    """One of the levels ``known`` that tables cannot tell from another one: 1, 1.0, true and "1" are alike."""
    alike = (one for one in known if one == level or str(one) == str(level))
    return next((one for one in alike if (type(one), one) != (type(level), level)), None)


def describe(levels: Mapping[str, Any]) -> str:
    """``reg = "l1", act = "relu"``."""
    return ", ".join(f"{name} = {show(value)}" for name, value in levels.items())


def _refusals(error: ValidationError, values: Mapping[str, Any], experiment: Experiment) -> dict[str, Refusal]:
    found: dict[str, Refusal] = {}
    for entry in error.errors(include_url=False):
        name = str(entry["loc"][0]) if entry["loc"] else ""
        allowed = _allowed(entry["msg"])
        if any(part.get("type") == "null" for part in experiment.fields.get(name, {}).get("anyOf", ())):
            allowed += ' Or "null", for None.'
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


def _misread(value: object, schema: Mapping[str, Any]) -> str:
    """Why a value that pydantic may convert is not taken as meant; empty for any other."""
    kinds = {part["type"] for part in (schema, *schema.get("anyOf", ())) if "type" in part}
    is_numeric = not kinds.isdisjoint({"number", "integer"})
    if isinstance(value, float) and math.isnan(value):
        return "NaN equals nothing, itself included, so that no run can be found by it."
    if isinstance(value, bool):
        return "Allowed: a number." if is_numeric and "boolean" not in kinds else ""
    if kinds in ({"boolean"}, {"boolean", "null"}):
        return "Allowed: true or false, without quotes."
    if isinstance(value, str) and is_numeric and "string" not in kinds and _reads_as_number(value):
        return "Allowed: a number, without quotes."
    return ""


def _reads_as_number(text: str) -> bool:
    """Whether it is a number in quotes; other words may stand for numbers if the experiment says so."""
    try:
        float(text)
    except ValueError:
        return False
    return True
