"""Anyone's table with one row a run, a file -> a frame whose levels are text as written and whose numbers are exact."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import importlib.util
import io
import lzma
import unicodedata
import warnings
import zlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd

from bench.errors import BenchError

_MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
"""What stands for a number that is missing; a level of a factor may be called so."""
_DELIMITERS = ",;\t|"
_COMMA_NUMBER = r"[+-]?(\d+(,\d*)?|,\d+)([eE][+-]?\d+)?"
_THOUSANDS = r"[+-]?[1-9]\d{0,2}(,\d{3})+"
_NOT_OK = ("diverged", "failed", "lost", "missing")
"""The statuses of runs of bench that have no value to be analysed."""


def read_table(
    path: Path, factors: Collection[str], metrics: Collection[str], *, encoding: str = "", decimal: str = ""
) -> pd.DataFrame:
    """Read a table: Parquet or Excel (the first sheet) by the ending of its name, else text; .gz, .bz2, .xz as well.

    The first line of a text names the columns; its delimiter is the most frequent of comma, semicolon, tab and bar in
    it. The text is in UTF-8, or UTF-16 with its mark, unless ``encoding`` names another. Numbers with decimal commas
    are known where they cannot be thousands (0,25 and 1,5 but not 1,234 alone), else by ``decimal``. A table with one
    row a run and metric, with columns ``metric`` and ``value`` as ``bench export`` writes them, is turned into one row
    a run.

    Raises:
        BenchError: for a file that is missing, unreadable, or no such table.
    """
    if decimal not in ("", ".", ","):
        raise BenchError(f"{decimal!r} is no decimal mark.", hint='Give "," or ".".')
    try:
        if path.suffix in (".parquet", ".pq"):
            _require("pyarrow", "parquet", path)
            frame = pd.read_parquet(path)
        elif path.suffix in (".xlsx", ".xlsm"):
            _require("openpyxl", "excel", path)
            frame = pd.read_excel(path, **_kinds(list(pd.read_excel(path, nrows=0).columns), factors))
        else:
            frame = _read_text(_unpacked(path), factors, encoding, decimal)
    except (LookupError, UnicodeError) as error:
        hint = "Save it as UTF-8, or name its encoding: --encoding cp1252 (Western Windows), latin-1, shift-jis, ...."
        where = f" (byte {error.start + 1})" if isinstance(error, UnicodeDecodeError) else ""
        raise BenchError(f"{path} is no text in {encoding or 'UTF-8 or UTF-16'}{where}.", hint=hint) from error
    except OSError as error:
        hint = "Check the path; a table is a CSV, Excel or Parquet file."
        raise BenchError(f"{path} cannot be read: {error.strerror or error}.", hint=hint) from error
    except pd.errors.ParserWarning as error:
        hint = "Give each line a value, or an empty field, for each column of the first."
        raise BenchError(f"{path} is no table: its lines have more fields than the first line.", hint=hint) from error
    except (ValueError, csv.Error, BadZipFile) as error:
        reason = str(error).splitlines()[0].removeprefix("Error tokenizing data. C error: ").rstrip(". ")
        hint = "Give a CSV, Excel or Parquet file whose lines all have the columns of the first."
        raise BenchError(f"{path} is no table: {reason}.", hint=hint) from error
    if {"run", "status"} <= {*frame.columns}:  # a run of bench has every level: what is empty is the text ""
        frame = frame.assign(**{name: frame[name].fillna("") for name in factors if name in frame.columns})
    numbers = [name for name in (*metrics, "value") if name in frame.columns and name not in factors]
    frame = frame.assign(**{name: _with_points(frame[name]) for name in numbers})
    return one_row_a_run(frame, factors, metrics, str(path))


def without_blanks(frame: pd.DataFrame, columns: Collection[str]) -> pd.DataFrame:
    """The table without blanks around the texts in ``columns``."""
    texts = [name for name in columns if name in frame.columns and pd.api.types.is_string_dtype(frame[name].dtype)]
    return frame.assign(**{name: frame[name].str.strip() for name in texts})


def alike_levels(frame: pd.DataFrame, columns: Collection[str]) -> Iterator[str]:
    """Cautions on texts in ``columns`` that differ in blanks, case or the writing of a number only."""
    for name in columns:
        groups: dict[str, list[str]] = {}
        for level in pd.unique(frame[name].astype(object)) if name in frame.columns else ():
            if isinstance(level, str):
                groups.setdefault(_canonical(level), []).append(level)
        if alike := [" and ".join(map(repr, levels)) for levels in groups.values() if len(levels) > 1]:
            listed = "; ".join(alike[:3]) + (f"; and {len(alike) - 3} more" if len(alike) > 3 else "")
            yield (
                f"Levels of {name} differ in blanks, case or the writing of a number only, and count as different: "
                f"{listed}. If they are meant to be one, write them alike (--trim removes blanks around them)."
            )


def _canonical(level: str) -> str:
    text = " ".join(unicodedata.normalize("NFKC", level).split()).casefold()
    try:
        return repr(float(text.replace(",", ".")))
    except ValueError:
        return text


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
    statuses = {*status}
    if "ok" not in statuses and not statuses <= {*_NOT_OK}:
        return frame, ("The column status is not used: none of its values is ok.",) if len(frame) else ()
    bad = status != "ok"
    if not bad.any():
        return frame, ()
    columns = [name for name in metrics if name in frame.columns]
    counts = status[bad].replace("", "without a status").value_counts()
    listed = ", ".join(f"{count} {name}" for name, count in counts.items())
    n_bad = int(bad.sum())
    are = "is" if n_bad == 1 else "are"
    note = f"Of {len(frame)} runs, {n_bad} {are} not ok by their status ({listed}); their values are left out."
    return frame.assign(**{name: frame[name].mask(bad) for name in columns}), (note,)


def statuses(frame: pd.DataFrame, others: Collection[str]) -> pd.Series:
    """The status of every run, by a column ``status`` of bench that is not among the ``others``; "" without one."""
    nothing = pd.Series("", index=frame.index)
    if "status" not in frame.columns or "status" in others:
        return nothing
    status = frame["status"].astype("object").where(frame["status"].notna(), "").astype(str).str.strip().str.lower()
    return status if {*status} <= {"ok", *_NOT_OK} else nothing


def _require(package: str, extra: str, path: Path) -> None:
    if importlib.util.find_spec(package) is None:
        raise BenchError(
            f"{path} needs {package} to be read, which is not installed.",
            hint=f'pip install "polysem-bench[{extra}]", or give a CSV file.',
        )


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    for head, unpack in ((b"\x1f\x8b", gzip.decompress), (b"BZh", bz2.decompress), (b"\xfd7zXZ\x00", lzma.decompress)):
        if content.startswith(head):
            try:
                return unpack(content)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
                raise BenchError(f"{path} cannot be unpacked: {error}.", hint="Pack it again.") from error
    return content


def _read_text(content: bytes, factors: Collection[str], encoding: str, decimal: str) -> pd.DataFrame:
    has_mark = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode(encoding or ("utf-16" if has_mark else "utf-8-sig"))
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    header = next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
    if not header:
        raise ValueError("it is empty")
    if doubled := sorted({name for name in header if header.count(name) > 1}):
        raise ValueError(f"more than one column is called {doubled[0]!r}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # lines of more fields than the header has
        frame: pd.DataFrame = pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            decimal=decimal or ".",
            index_col=False,
            low_memory=False,
            **_kinds(header, factors),
        )
    return frame


def _kinds(header: Sequence[str], factors: Collection[str]) -> dict[str, Any]:
    """For readers of pandas: levels are text as written, and what stands for a missing number."""
    levels = [name for name in header if name in factors]
    missing = {name: [""] if name in levels else _MISSING for name in header}
    return {"dtype": dict.fromkeys(levels, str), "keep_default_na": False, "na_values": missing}


def _with_points(column: pd.Series) -> pd.Series:
    """Numbers with decimal commas as numbers, if they are nothing else; any other column as it is."""
    if not pd.api.types.is_string_dtype(column.dtype):
        return column
    texts = column.dropna().astype(str).str.strip()
    commas = texts[texts.str.contains(",", regex=False)]
    if not texts.str.fullmatch(_COMMA_NUMBER).all() or commas.str.fullmatch(_THOUSANDS).all():
        return column
    return pd.to_numeric(column.str.replace(",", ".", regex=False))


def _unstacked(frame: pd.DataFrame, metrics: Collection[str], name: str) -> pd.DataFrame:
    present = list(dict.fromkeys(frame["metric"]))
    if unknown := [metric for metric in metrics if metric not in present]:
        raise BenchError(
            f"{name} holds one row a run and metric; none is of the metric {', '.join(map(repr, unknown))}.",
            hint=f"Its metrics: {', '.join(map(str, present))}.",
        )
    index = [column for column in frame.columns if column not in {"metric", "value", "text"}]
    rows = frame[frame["metric"].isin(list(metrics))]
    if rows.duplicated([*index, "metric"]).any():
        raise BenchError(
            f"{name} has several rows of one metric that differ in nothing else, so runs cannot be told apart.",
            hint="Give each run an identifier in a column of its own, or one row a run with a column a metric.",
        )
    return rows.set_index([*index, "metric"])["value"].unstack("metric", sort=False).reset_index()
