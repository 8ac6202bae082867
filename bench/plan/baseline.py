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


def baseline_settings(table: Mapping[str, Any]) -> BaselineSettings:
    """The settings of a well-formed table ``[baseline]``."""
    metrics = table.get("metrics")
    return BaselineSettings(**{**table, "metrics": None if metrics is None else tuple(metrics)})
