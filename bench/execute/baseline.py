"""A run, an accepted baseline or a published table -> the values to compare a run with, and where they come from.

An accepted baseline is a CSV, one sorted row a run, and beside it a manifest (JSON) with the checksum of the CSV.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NoReturn

import pandas as pd

from bench.errors import BenchError
from bench.execute import REPORTS
from bench.execute.inventory import find
from bench.execute.provenance import code_of, short_hash
from bench.execute.records import STATUSES
from bench.execute.results import wide
from bench.execute.run import Run
from bench.execute.storage import Versioned, reading, replace, storing
from bench.plan.find import project

ID = "parameters"
"""The column that tells cells apart by what they run: a hash of the parameters that differ from their defaults."""
_MEANS = ("metric", "mean", "std", "n")


class Origin(Versioned):
    """Where the values of a run or of an accepted baseline come from; with the checksum, the manifest of the latter."""

    SCHEMA = 1
    HINT = "Restore it from version control, or accept a run anew: bench baseline accept RUN --to FILE."

    schema_version: int = 1
    suite: str
    digest: str
    experiment: str
    version: str
    params: dict[str, Any]
    """What all cells share."""
    factors: dict[str, list[str]]
    """Name -> levels as text, the reference first."""
    metrics: list[str]
    updated: datetime
    """When the suite was last run."""
    code: list[dict[str, Any]]
    environments: list[dict[str, Any]]
    """What made the values (``provenance.code``, ``provenance.environment``)."""
    sha256: str = ""


@dataclass(frozen=True, eq=False)
class Baseline:
    """Values to compare with, or to be compared."""

    source: str
    """What it is and where, for people."""
    kind: Literal["seeds", "means"]
    frame: pd.DataFrame
    """``seeds``: one row a run with a column per factor (levels as text), ``parameters``, ``seed``, ``status``, and one
    per metric. ``means``: a column per factor, ``metric mean std n``, as published."""
    origin: Origin | None
    """None for a published table."""


def of_run(run: Run) -> Baseline:
    """The values of a stored run, finished or not, whose seeds have no strata."""
    if run.suite.strata is not None:
        hint = "Give a suite that is compared a number of seeds; bench beside reads its report beside another's."
        raise BenchError(f"The seeds of {run.folder} have strata, which a baseline does not hold.", hint=hint)
    (stored, cells), contents = run.plan, run.contents
    factors, metrics = list(run.suite.factors), [metric.name for metric in run.suite.experiment.metrics]
    if ID in (*factors, *metrics):
        raise BenchError(f"A factor or metric called {ID!r} cannot be compared.", hint="Rename it in the experiment.")
    jobs = wide(run)
    levels = {name: [str(level) for level in jobs[name].tolist()] for name in factors}
    ids = [short_hash(cell.changed) for cell in cells] * len(stored.seeds)
    frame = jobs[["seed", "status", *metrics]].assign(**levels, **{ID: ids})
    used = [contents.records[key] for key in jobs["run"] if key in contents.records]
    sessions = sorted({contents.session_of[record.key] for record in used if record.key in contents.session_of})
    code = [entry for session in sessions for entry in code_of(contents.sessions[session])]
    environments = sorted({record.environment for record in used} & contents.environments.keys())
    origin = Origin(
        suite=run.suite.name,
        digest=run.suite.digest,
        experiment=run.suite.reference,
        version=run.suite.experiment.version,
        params=dict(run.suite.params),
        factors={name: [str(level) for level in known] for name, known in run.suite.factors.items()},
        metrics=metrics,
        updated=run.updated,
        code=list({json.dumps(entry, sort_keys=True): dict(entry) for entry in code}.values()),
        environments=[{**contents.environments[name]} for name in environments],
    )
    return Baseline(f"the run {run.folder}", "seeds", frame[[*factors, ID, "seed", "status", *metrics]], origin)


def require_repeats(runs: Sequence[Run]) -> None:
    """Refuse runs that are no repeats of the first: of another experiment, version or source, or the same run again."""
    first, *others = runs
    for place, run in enumerate(others, 1):
        for (what, own), there in zip(_subject(run).items(), _subject(first).values(), strict=True):
            if own != there:
                raise BenchError(
                    f"{run.folder} is no repeat of {first.folder}: its {what} is {own}, and there it is {there}.",
                    hint="Repeats are runs of unchanged code: bench run SUITE --fresh.",
                )
        # the seconds that each job took are never the same twice
        if any(run.contents.records == earlier.contents.records for earlier in runs[:place]):
            raise BenchError(
                f"{run.folder} holds the results of another run that is named: it is that run, or a copy.",
                hint="A repeat is run anew: bench run SUITE --fresh moves the earlier one aside.",
            )


def _subject(run: Run) -> Mapping[str, str]:
    """What a repeat of it has in common with it."""
    code = [entry for session in run.contents.sessions for entry in code_of(session) if entry.get("name") != "bench"]
    source = ", ".join(sorted({str(entry.get("digest", "")) for entry in code})) or "unknown"
    return {"experiment": run.suite.reference, "version": run.suite.experiment.version, "source": source}


def default_path(run: Run) -> Path:
    """Where the baseline of a run is: in the file that its suite names, else beside the folders of runs."""
    suite = run.suite
    if suite.baseline.file is not None:
        path, here = (suite.path.parent / suite.baseline.file).resolve(), Path.cwd()
        return path.relative_to(here) if path.is_relative_to(here) else path
    return run.folder.parent / "baselines" / f"{suite.name}.csv"


def own_path(run: Run, out: Path = REPORTS) -> Path:
    """``default_path``, if that may be written: links followed, it is inside the project or the folder ``out`` of runs.

    A run's folder says where, and may be anyone's. The project is the nearest folder above the current one that has a
    pyproject.toml or .git, else the current one.
    """
    path, home = default_path(run), project(Path.cwd())
    if not any(path.resolve().is_relative_to(folder.resolve()) for folder in (home, out)):
        raise BenchError(
            f"{run.folder} asks for its baseline to be written to {path}, outside the project {home}.",
            hint=f"If that is meant: bench baseline accept {run.folder} --to {path}",
        )
    return path


def accept(run: Run, path: Path) -> Path:
    """Write the values of ``run`` as a baseline to ``path`` (a CSV) and its manifest."""
    found = of_run(run)
    if lacking := int(found.frame["status"].isin(["failed", "lost", "missing"]).sum()):
        raise BenchError(
            f"{run.folder} is no baseline yet: {lacking} of its {len(found.frame)} runs have no outcome.",
            hint=f"Finish it first: {run.suite.command}.",
        )
    if path.suffix != ".csv":
        raise BenchError(f"{path} is not the name of a CSV file.", hint="Give --to a name that ends in .csv.")
    _require_replaceable(path)
    assert found.origin is not None
    order = [*found.origin.factors, "seed"]
    text = found.frame.sort_values(order, kind="stable").to_csv(index=False, lineterminator="\n")
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    sealed = found.origin.model_copy(update={"sha256": _checksum(text.encode())})
    replace(path, text)
    sealed.write(_manifest(path))
    return path


def _require_replaceable(path: Path) -> None:
    """Refuse to replace what is no baseline: a table, or any other JSON file of the same name."""
    there = [entry for entry in (path, _manifest(path)) if entry.exists() or entry.is_symlink()]
    try:
        replaceable = not there or (len(there) == 2 and bool(_read_manifest(_manifest(path))))
    except BenchError:
        replaceable = False
    if not replaceable:
        hint = "Name another file with --to, or remove this one."
        raise BenchError(f"{there[0]} is there already, and is no baseline that bench accepted.", hint=hint)


def load(given: str | Path, out: Path = REPORTS) -> Baseline:
    """The baseline in a file, accepted or published, or a stored run by its name under ``out`` or its folder."""
    path = Path(given)
    if path.is_dir() or (out / given / "run.json").is_file():
        return of_run(find(given, out))
    if not path.is_file():
        hint = f"Make one of a run: bench baseline accept RUN --to {path}; or name a run."
        raise BenchError(f"There is no baseline {path}.", hint=hint)
    with reading(path):
        content = path.read_bytes()
    if _manifest(path).is_file() and path.suffix == ".csv":
        return _accepted(path, content)
    table = _read_csv(path, content)
    if not {*_MEANS} <= {*table.columns}:
        _refuse(path, f"it has neither a manifest {_manifest(path).name} beside it nor the columns {', '.join(_MEANS)}")
    return Baseline(f"the published means in {path}", "means", table, None)


def _accepted(path: Path, content: bytes) -> Baseline:
    origin = _read_manifest(_manifest(path))
    if _checksum(content) != origin.sha256:
        _refuse(path, "it is not what was accepted: its checksum differs from its manifest's")
    table = _read_csv(path, content)
    expected = [*origin.factors, ID, "seed", "status", *origin.metrics]
    if list(table.columns) != expected:
        _refuse(path, f"its columns are not {', '.join(expected)}")
    try:
        table["seed"] = table["seed"].astype("int64")
        for name in origin.metrics:
            table[name] = table[name].replace("", "nan").astype("float64")
    except ValueError as error:
        _refuse(path, str(error))
    if not set(table["status"]) <= {*STATUSES}:
        _refuse(path, f"a status is none of {', '.join(STATUSES)}")
    return Baseline(f"the baseline {path}", "seeds", table, origin)


def _read_manifest(path: Path) -> Origin:
    with reading(path):
        return Origin.parse(path, path.read_bytes())


def _read_csv(path: Path, content: bytes) -> pd.DataFrame:
    try:
        return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, encoding="utf-8")
    except ValueError as error:  # not UTF-8, no columns, or no table
        _refuse(path, str(error).partition("\n")[0])


def _refuse(path: Path, why: str) -> NoReturn:
    raise BenchError(f"{path} cannot be used as a baseline: {why}.", hint=Origin.HINT)


def _manifest(path: Path) -> Path:
    return path.with_suffix(".json")


def _checksum(content: bytes) -> str:
    """Of the text, whatever line ends version control gave it."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()
