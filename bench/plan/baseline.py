"""What a suite says of its baseline -> its settings: what a run is compared with, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class BaselineSettings:
    """What a run is compared with, and how."""

    file: str | None = None
    """Relative to the suite's folder."""
    compare: Literal["cells", "effects"] = "cells"
    metrics: tuple[str, ...] | None = None
    """Those that are compared; None for all."""
    sd: Literal["sample", "population"] = "sample"
    more_seeds: int | None = None
    removed: tuple[str | Mapping[str, Any], ...] = ()
    """What the baseline has and a run need not: names of cells or metrics, or tables of levels, metrics and seeds."""


def baseline_settings(table: Mapping[str, Any]) -> BaselineSettings:
    """The settings of a well-formed table ``[baseline]``."""
    metrics = table.get("metrics")
    lists = {"metrics": None if metrics is None else tuple(metrics), "removed": tuple(table.get("removed", ()))}
    return BaselineSettings(**{**table, **lists})
