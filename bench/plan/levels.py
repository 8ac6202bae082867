"""Values from a suite, handed to an experiment -> its parameters and the names of levels, or why it refuses them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from bench.experiment import Experiment
from bench.plan.parameters import READ_BACK, roundtrip_faults
from bench.plan.source import did_you_mean, show

Level = str | int | float | bool
"""The name of a factor's value in every table: its value in JSON, or the JSON text of a list or table."""


@dataclass(frozen=True)
class Refusal:
    """A value that an experiment does not take."""

    message: str
    allowed: str
    """What it would take, as a sentence."""


@dataclass(frozen=True)
class Trial:
    """The result of handing values to an experiment: parameters, or refusals."""

    params: Any = None
    """An instance of ``Experiment.params``; None with refusals."""
    as_json: Mapping[str, Any] = field(default_factory=dict)
    """``Experiment.values`` of the parameters."""
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    """By name of the parameter; under "" of the values taken together."""


def attempt(experiment: Experiment, values: Mapping[str, Any]) -> Trial:
    """Make the experiment's parameters; an error in it becomes a refusal."""
    refusals = {
        name: Refusal(_refusal_message(values, name), why)
        for name, value in values.items()
        if (why := _misreading(value, experiment.fields.get(name, {})))
    }
    try:
        params = experiment.make(values)
        as_json = experiment.values(params)
        changes = roundtrip_faults(experiment, params, values)
    except ValidationError as error:
        return Trial(refusals={**refusals, **_refusals(error, values, experiment)})
    except Exception as error:  # noqa: BLE001 - a user's validator may raise anything; it is reported, not swallowed
        reason = f"The experiment's parameters raised {type(error).__name__}: {error}."
        return Trial(refusals={**refusals, "": Refusal(_refusal_message(values, ""), reason)})
    refusals |= {name: Refusal(_refusal_message(values, name), f"{how}. {READ_BACK}") for name, how in changes.items()}
    return Trial(refusals=refusals) if refusals else Trial(params, as_json)


def label(value: Any, as_json: Any) -> Level:
    """The level of a value, the same for values that are equal to the experiment (1 and 1.0, of a float)."""
    name = value if as_json is None else as_json
    return name if isinstance(name, str | int | float | bool) else json.dumps(name, default=str)


def find_level(value: Any, levels: Mapping[Level, Any]) -> Level | None:
    """Which of the levels (level -> its value in the suite) a suite means by ``value``; None for none."""
    for level, original in levels.items():
        if any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in (level, original)):
            return level
    return None


def rival(level: Hashable, levels: Collection[Hashable]) -> Hashable | None:
    """One of ``levels`` that tables cannot tell from another ``level``: 1, 1.0, true and "1" look alike."""
    alike = (one for one in levels if one == level or str(one) == str(level))
    return next((one for one in alike if (type(one), one) != (type(level), level)), None)


def describe(levels: Mapping[str, Any]) -> str:
    """``reg = "l1", act = "relu"``."""
    return ", ".join(f"{name} = {show(value)}" for name, value in levels.items())


def _refusals(error: ValidationError, values: Mapping[str, Any], experiment: Experiment) -> dict[str, Refusal]:
    refusals: dict[str, Refusal] = {}
    for entry in error.errors(include_url=False):
        name = str(entry["loc"][0]) if entry["loc"] else ""
        allowed = _allowed(entry["msg"])
        if any(part.get("type") == "null" for part in experiment.fields.get(name, {}).get("anyOf", ())):
            allowed += ' Or "null", for None.'
        if name in refusals and allowed not in refusals[name].allowed:
            allowed = f"{refusals[name].allowed} Or: {allowed}"
        words = re.findall(r"'([^']*)'", str(entry.get("ctx", {}).get("expected", "")))
        refusals[name] = Refusal(_refusal_message(values, name), allowed + did_you_mean(values.get(name), words))
    return refusals


def _refusal_message(values: Mapping[str, Any], name: str) -> str:
    if name in values:
        return f"{name} cannot be {show(values[name])}"
    return f"{describe(values)} cannot be combined" if len(values) > 1 else f"{describe(values)} is refused"


def _allowed(message: str) -> str:
    """Pydantic's message as a sentence on what is allowed."""
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ").partition(", unable to parse")[0]
    if message.startswith("Input should be "):
        message = f"Allowed: {message.removeprefix('Input should be ')}"
    return message if message.endswith(".") else f"{message}."


def _misreading(value: object, schema: Mapping[str, Any]) -> str:
    """What is allowed in place of a value that pydantic would convert against its meaning; empty for any other."""
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
    """Whether ``float`` reads a text; other words may stand for numbers if the experiment defines them."""
    try:
        float(text)
    except ValueError:
        return False
    return True
