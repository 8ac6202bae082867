"""A report becomes CSV: one file for each of its frames that has rows."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pandas import DataFrame
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from bench.errors import printable
from bench.present.report import Report


def render(report: Report) -> Mapping[str, bytes]:
    """Name of a file -> its content; numbers are written exactly."""
    return {f"{name}.csv": csv(frame).encode() for name, frame in report.data.items() if len(frame)}


def csv(frame: DataFrame) -> str:
    """A table for programs and spreadsheets: numbers as they are, text that neither obeys (a formula, an escape)."""
    harmless = frame.rename(columns=_harmless)
    for position, column in enumerate(harmless.columns):
        values = harmless.iloc[:, position]
        if not (is_numeric_dtype(values) or is_bool_dtype(values)):
            texts = {value: _harmless(value) for value in values.unique() if isinstance(value, str)}
            if any(text != value for value, text in texts.items()):
                harmless[column] = values.astype(object).replace(texts)
    return harmless.to_csv(index=False, lineterminator="\n")


def _harmless(text: str) -> str:
    """With an apostrophe before what a spreadsheet would take for a formula, and nothing that a terminal obeys."""
    text = printable(text)
    return f"'{text}" if _FORMULA.match(text) else text


_FORMULA = re.compile(r"[=@\t\r]|[+-](?![0-9.,]*(?:[eE][+-]?[0-9]+)?$)")
