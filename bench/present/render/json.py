"""A report becomes JSON: its sections as people read them, and the whole result frames as lists of flat rows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from pandas import DataFrame

from bench.present.report import Report

SCHEMA_VERSION = 2


def render(report: Report) -> str:
    """The whole report.

    Top level: ``schema_version``, ``title``, ``provenance``, one list of flat rows for each result frame (numbers as
    numbers), and ``sections`` (title, text, points, figures by name, tables of text cells, and where there are any
    ``facts`` by name and ``lines`` to paste). JSON has no NaN and no infinity: they are the strings "nan", "inf" and
    "-inf", as in the journal.
    """
    sections = [
        {
            "title": section.title, "text": list(section.text), "points": list(section.points),
            **({"findings": [asdict(finding) for finding in section.findings]} if section.findings else {}),
            **({"facts": dict(section.facts)} if section.facts else {}),
            **({"lines": list(section.lines)} if section.lines else {}),
            "figures": [{name: getattr(one, name) for name in ("name", "caption", "alt")} for one in section.figures],
            "tables": [{"caption": one.caption, "header": one.header, "rows": one.rows, "notes": list(one.notes)}
                       for one in section.tables],
        }
        for section in report.sections
    ]  # fmt: skip
    frames = {name: records(frame) for name, frame in report.data.items()}
    return dumps({"title": report.title, "provenance": dict(report.provenance), **frames, "sections": sections})


def dumps(content: Mapping[str, Any]) -> str:
    """A result of any command as JSON, headed by the schema version."""
    return (
        json.dumps({"schema_version": SCHEMA_VERSION, **content}, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    )


def records(frame: DataFrame) -> list[dict[str, Any]]:
    """Rows of a frame as JSON values."""
    columns = {str(name): [_value(value) for value in frame[name].tolist()] for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _value(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)
