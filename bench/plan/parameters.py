"""An experiment's parameters -> why they cannot identify runs: JSON changes them, or defaults differ between calls."""

from __future__ import annotations

import dataclasses
import math
import reprlib
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cached_property
from types import FrameType
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from bench.experiment import Experiment

_CALLS = 16
"""How often defaults are made anew, to see whether they are the same each time."""
_IDENTITY: Any = object.__eq__
_PLAIN = (str, int, float, bool, list, dict, type(None))
_CLOCKS = {"time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "strftime", "now", "today", "utcnow"}

READ_BACK = (
    "A run is known by its parameters in JSON, and a worker makes them from it: a validator or __post_init__ must "
    "leave its own result as it is, and a serializer may not round, mask or leave out. Compute the rest in run."
)


def roundtrip_faults(experiment: Experiment, params: Any, values: Mapping[str, Any]) -> Mapping[str, str]:
    """Name -> how a parameter changes when ``params`` (made of ``values``) are made again from their JSON.

    Empty where they are the same, so that no two different parameters have the same JSON. A default that is not of
    its declared type (0 of a float, "relu" of an enum) comes back as what it stands for, and is the same.
    """
    inputs = experiment.inputs(params)
    try:
        copy = experiment.make(inputs)
    except ValidationError as error:
        return {
            str(entry["loc"][0]) if entry["loc"] else "": f"its JSON is refused ({entry['msg']})"
            for entry in error.errors(include_url=False)
        }
    except Exception as error:  # noqa: BLE001 - a user's validator may raise anything; it is reported, not swallowed
        return {"": f"read back from their JSON, the parameters raise {type(error).__name__}: {error}"}
    old, new = _parts(params) or {}, _parts(copy) or {}
    return {
        name: _becomes(name, reprlib.repr(value), reprlib.repr(new.get(name)))
        for name, value in old.items()
        if not _same(value, new.get(name), is_default=name not in values)
    }


def _becomes(name: str, old: str, new: str) -> str:
    other = new if new != old else "another one"  # a secret is masked
    return f"{name} is {old}, and {other} when it is read back from its JSON"


def changing_defaults(experiment: Experiment) -> Iterator[str]:
    """A message for each default that differs from one call to the next, or is read from a clock."""
    first, readings = _watch_clocks(experiment)
    old = _parts(first) or {}
    changes: dict[str, str] = {}
    for _ in range(_CALLS):
        for name, value in (_parts(experiment.make({})) or {}).items():
            if not _same(old.get(name), value, is_default=False):
                changes[name] = f"{reprlib.repr(old.get(name))}, then {reprlib.repr(value)}"
    yield from (f"the default of {name} changes from one call to the next: {how}" for name, how in changes.items())
    if not changes:
        clocks = [*_clock_factories(first), *readings]
        yield from (f"a default is read from the clock: {reading}" for reading in dict.fromkeys(clocks))


def _parts(value: Any) -> dict[str, Any] | None:
    """Name -> attribute of a model or a dataclass, private ones too; None for anything else."""
    if isinstance(value, BaseModel):
        own = {name: value.__dict__.get(name) for name in type(value).model_fields}
        return {**own, **(value.__pydantic_private__ or {}), **(value.__pydantic_extra__ or {})}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
        others = {
            name: part
            for name, part in getattr(value, "__dict__", {}).items()
            if not isinstance(getattr(type(value), name, None), cached_property)
        }
        return {**fields, **others}
    return None


def _same(old: Any, new: Any, *, is_default: bool) -> bool:
    """Whether two values are equal and of the same types; what has no equality of its own is judged by its parts."""
    if type(old) is not type(new):
        return is_default and isinstance(old, _PLAIN) and to_jsonable_python(new, fallback=repr) == old
    old_parts, new_parts = _parts(old), _parts(new)
    if isinstance(old, dict):
        old_parts, new_parts = old, new
    if old_parts is not None and new_parts is not None:
        is_default |= not isinstance(old, dict)  # which fields of a nested model are defaults is not recorded
        return old_parts.keys() == new_parts.keys() and all(
            _same(value, new_parts[name], is_default=is_default) for name, value in old_parts.items()
        )
    if isinstance(old, list | tuple):
        return len(old) == len(new) and all(
            _same(one, other, is_default=is_default) for one, other in zip(old, new, strict=True)
        )
    if type(old).__eq__ is _IDENTITY:  # a lock, say: there is nothing to compare
        return _same(vars(old), vars(new), is_default=is_default) if hasattr(old, "__dict__") else True
    if isinstance(old, float) and math.isnan(old):
        return math.isnan(new)
    equal = old == new
    return bool(equal.all()) if hasattr(equal, "all") else bool(equal)


def _clock_factories(params: Any) -> Iterator[str]:
    """Fields of ``params`` and of the models in it whose ``default_factory`` is itself a clock: ``date.today``."""
    for name, value in (_parts(params) or {}).items():
        yield from _clock_factories(value)
        kind = type(params)
        fields = kind.model_fields if isinstance(params, BaseModel) else getattr(kind, "__dataclass_fields__", {})
        factory: Any = getattr(fields.get(name), "default_factory", None)
        if _is_clock(factory):
            yield f"{name} by {factory.__qualname__}"


def _watch_clocks(experiment: Experiment) -> tuple[Any, list[str]]:
    """Default parameters, and where the code of the experiment's own package read the clock to make them.

    A day's date is the same sixteen times over; only the call itself betrays it.
    """
    package = experiment.params.__module__.partition(".")[0]
    readings: list[str] = []

    def watch(frame: FrameType, event: str, function: Any) -> None:
        is_own = str(frame.f_globals.get("__name__", "")).partition(".")[0] == package
        if event == "c_call" and is_own and _is_clock(function):
            readings.append(f"{function.__qualname__} in {frame.f_code.co_filename}:{frame.f_lineno}")

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        params = experiment.make({})
    finally:
        sys.setprofile(before)
    return params, readings


def _is_clock(function: Any) -> bool:
    owner = getattr(function, "__self__", None)
    is_of_time = owner is time or (isinstance(owner, type) and issubclass(owner, date))
    return is_of_time and getattr(function, "__name__", "") in _CLOCKS
