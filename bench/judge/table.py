"""A CSV or Parquet file with one row a run -> a frame whose levels are text as written and whose numbers are exact."""

from __future__ import annotations

import csv
import importlib.util
import io
import warnings
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.errors import BenchError

_MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
"""What stands for a number that is missing; a level of a factor may be called so."""
_DELIMITERS = ",;\t|"
_NOT_OK = ("diverged", "failed", "lost", "missing")
"""The statuses of runs of bench that have no value to be analysed."""


def read_table(path: Path, factors: Collection[str], metrics: Collection[str]) -> pd.DataFrame:
    """Read a table by the ending of its name: .parquet, or text whose first line names the columns.

    The delimiter of a text is the most frequent of comma, semicolon, tab and bar in its first line. A table with one
    row a run and metric, with columns ``metric`` and ``value`` as ``bench export`` writes them, is turned into one row
    a run.

    Raises:
        BenchError: for a file that is missing, unreadable, or no such table.
    """
    try:
        frame = _read_parquet(path) if path.suffix in (".parquet", ".pq") else _read_text(path, factors)
    except OSError as error:
        hint = "Check the path; a table is a CSV or Parquet file."
        raise BenchError(f"{path} cannot be read: {error.strerror or error}.", hint=hint) from error
    except UnicodeDecodeError as error:
        hint = "Save it as CSV in UTF-8."
        raise BenchError(f"{path} is no text in UTF-8 (byte {error.start + 1}).", hint=hint) from error
    except pd.errors.ParserWarning as error:
        hint = "Give each line a value, or an empty field, for each column of the first."
        raise BenchError(f"{path} is no table: its lines have more fields than the first line.", hint=hint) from error
    except (ValueError, csv.Error) as error:
        reason = str(error).splitlines()[0].removeprefix("Error tokenizing data. C error: ").rstrip(". ")
        hint = "Give a CSV or Parquet file whose lines all have the columns of the first."
        raise BenchError(f"{path} is no table: {reason}.", hint=hint) from error
    return one_row_a_run(frame, factors, metrics, str(path))


def one_row_a_run(frame: pd.DataFrame, factors: Collection[str], metrics: Collection[str], name: str) -> pd.DataFrame:
    """A table called ``name`` with one row a run and metric turned into one row a run; any other as it is.

    Raises:
        BenchError: none of its rows is of a metric, or runs cannot be told apart.
    """
    is_long = {"metric", "value"} <= {*frame.columns} and not {"metric", "value"} & {*factors}
    return _unstacked(frame, metrics, name) if is_long else frame


def without_failures(
    frame: pd.DataFrame, metrics: Collection[str], others: Collection[str]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The table with NaN in every metric of a run whose ``status`` is not ok, and a sentence that counts these runs.

    A column ``status`` counts if one of its values is "ok" or all are statuses of bench, in any case; else it is named
    as unused. One that is itself analysed (a metric, or among ``others``: a factor or the block) is left as it is.
    """
    if "status" not in frame.columns or "status" in {*metrics, *others}:
        return frame, ()
    status = frame["status"].astype("object").where(frame["status"].notna(), "").astype(str).str.strip().str.lower()
    known = {*status}
    if "ok" not in known and not known <= {*_NOT_OK}:
        return frame, ("The column status is not used: none of its values is ok.",) if len(frame) else ()
    bad = status != "ok"
    if not bad.any():
        return frame, ()
    columns = [name for name in metrics if name in frame.columns]
    counts = status[bad].replace("", "without a status").value_counts()
    listed = ", ".join(f"{count} {name}" for name, count in counts.items())
    note = f"Of {len(frame)} runs, {int(bad.sum())} are not ok by their status ({listed}); their values are left out."
    return frame.assign(**{name: frame[name].mask(bad) for name in columns}), (note,)


def unfinished(frame: pd.DataFrame, others: Collection[str]) -> NDArray[np.bool_]:
    """Which runs have no outcome yet, by a column ``status`` of bench (not among the ``others``): to diverge is one."""
    if "status" not in frame.columns or "status" in others:
        return np.zeros(len(frame), dtype=bool)
    status = frame["status"].astype("object").where(frame["status"].notna(), "").astype(str).str.strip().str.lower()
    if not {*status} <= {"ok", *_NOT_OK}:
        return np.zeros(len(frame), dtype=bool)
    return np.asarray(status.isin(["missing", "failed", "lost"]))


def _read_parquet(path: Path) -> pd.DataFrame:
    if importlib.util.find_spec("pyarrow") is None:
        raise BenchError(
            f"{path} needs pyarrow to be read, which is not installed.",
            hint='pip install "polysem-bench[parquet]", or give a CSV file.',
        )
    return pd.read_parquet(path)


def _read_text(path: Path, factors: Collection[str]) -> pd.DataFrame:
    text = path.read_text(encoding="utf-8-sig")
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    header = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
    if not header:
        raise ValueError("it is empty")
    if doubled := sorted({name for name in header if header.count(name) > 1}):
        raise ValueError(f"more than one column is called {doubled[0]!r}")
    levels = [name for name in header if name in factors]
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # lines of more fields than the header has
        return pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            dtype=dict.fromkeys(levels, str),
            keep_default_na=False,
            na_values={name: [""] if name in levels else _MISSING for name in header},
            index_col=False,
            low_memory=False,
        )


def _unstacked(frame: pd.DataFrame, metrics: Collection[str], name: str) -> pd.DataFrame:
    known = list(dict.fromkeys(frame["metric"]))
    if unknown := [metric for metric in metrics if metric not in known]:
        raise BenchError(
            f"{name} holds one row a run and metric; none is of the metric {', '.join(map(repr, unknown))}.",
            hint=f"Its metrics: {', '.join(map(str, known))}.",
        )
    index = [column for column in frame.columns if column not in {"metric", "value", "text"}]
    chosen = frame[frame["metric"].isin(list(metrics))]
    if chosen.duplicated([*index, "metric"]).any():
        raise BenchError(
            f"{name} has several rows of one metric that differ in nothing else, so runs cannot be told apart.",
            hint="Give each run an identifier in a column of its own, or one row a run with a column a metric.",
        )
    return chosen.set_index([*index, "metric"])["value"].unstack("metric", sort=False).reset_index()
