"""Short results of commands become facts by name, for JSON, and the lines that a person reads."""

from __future__ import annotations

import math
import os
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pandas import DataFrame
from rich.cells import cell_len

from bench.execute.inventory import Summary
from bench.execute.results import remarks
from bench.execute.run import load
from bench.execute.schedule import Forecast
from bench.execute.workers import in_bytes
from bench.judge.signed import FAILED
from bench.plan.design import n_cells, n_jobs
from bench.plan.labels import visible
from bench.plan.suite import Plan
from bench.present import numbers, state
from bench.present.origin import mixtures, superseded
from bench.present.progress import clock
from bench.present.render.layout import wrapped
from bench.present.report import Column, Report, Section, Shown, Table, plain


def checked(suite: Plan) -> dict[str, Any]:
    """What a valid suite would run."""
    strata = suite.strata
    seeds: Any = list(suite.seeds) if strata is None else {name: list(own) for name, own in strata.seeds.items()}
    kind = {} if strata is None else {"strata": "crossed" if strata.crossed else "nested"}
    return {
        "suite": suite.name, "file": str(suite.path), "experiment": suite.reference,
        "factors": {name: list(levels) for name, levels in suite.factors.items()}, "seeds": seeds, **kind,
        **({"seal": suite.seal} if suite.seal else {}),
        "metrics": [metric.name for metric in suite.experiment.metrics],
        "claims": [claim.id for claim in suite.claims], "cells": n_cells(suite), "runs": n_jobs(suite),
    }  # fmt: skip


def planned(suite: Plan, forecast: Forecast, *, as_text: bool = False) -> dict[str, Any]:
    """What a suite would run now, and what that will take; as text, in words and rounded."""
    facts: dict[str, Any] = {name: getattr(forecast, name) for name in ("stored", "to_run", "batches", "workers")}
    is_known = math.isfinite(forecast.seconds)
    if as_text:
        time = f"about {clock(forecast.seconds)}" if is_known else "unknown: nothing is stored yet (--probe finds out)"
        facts |= {"time": time, "disk": f"about {in_bytes(forecast.bytes)}" if is_known else "unknown"}
    else:
        facts |= {name: getattr(forecast, name) if is_known else "nan" for name in ("seconds", "bytes")}
    return {**checked(suite), **facts}


def outcome(suite: Plan, frame: DataFrame, folder: Path) -> dict[str, Any]:
    """What a suite has come to, by the frame of its runs."""
    counts = Counter(frame.drop_duplicates("run")["status"].astype(str))
    by_status = {name: counts[name] for name in ("ok", "diverged", "failed", "lost", "missing")}
    return {"suite": suite.name, "folder": str(folder), "runs": counts.total(), **by_status}


def first_reason(folder: Path) -> str:
    """Why the first run that failed or was lost has no result, in one line."""
    said = remarks(load(folder))
    return plain(said.loc[said["status"].isin(["failed", "lost"]), "text"].iloc[0].partition("\n")[0])


def cautions(folder: Path) -> list[str]:
    """What is wrong with the stored results of a run, or not shown of them, a sentence each."""
    run = load(folder)
    keys, late, sessions = {job.key for job in run.planned()}, state.post_hoc(run), run.contents.sessions
    last = sessions[-1] if sessions else {}
    points = [*state.alarms(run.contents, keys), *mixtures(run, keys, latest="today's")]
    if (last.get("pid"), last.get("host")) == (os.getpid(), socket.gethostname()):
        metrics = [metric.name for metric in run.suite.experiment.metrics]
        if replaced := superseded(run.contents, metrics, since=len(sessions) - 1):  # by this very process
            points.append(f"Superseded: {replaced}; the newer ones are in use.")
    aside = last.get("set_aside")
    if aside and datetime.fromisoformat(str(last.get("started"))) >= run.updated:  # by the last command
        parts = [f"{n} lines of {name}" if name.endswith(".jsonl") else name for name, n in sorted(aside.items())]
        points.append(f"Damaged, moved to folders called damaged, and made anew: {numbers.listed(parts)}.")
    if late:
        made = f"{numbers.counted(len(late), 'claim')} post hoc, made when results of its runs were stored"
        points.append(f"{made}: {numbers.listed(late)}.")
    return points


def failed_gates(data: Mapping[str, DataFrame]) -> list[str]:
    """Of a report's frames, the gating claims that fail, each with its verdict."""
    if "claims" not in data:
        return []
    claims = data["claims"]
    failed = claims[claims["gate"] & claims["verdict"].isin(FAILED)]
    return [f"{claim} ({verdict})" for claim, verdict in zip(failed["claim"], failed["verdict"], strict=True)]


def lines(facts: Mapping[str, Any], width: int | None = None) -> str:
    """One line a fact, the values aligned; or more, so that none is longer than ``width``."""
    names = max(map(cell_len, facts))
    room = 10**6 if width is None else max(20, width - names - 2)
    indent = "\n" + " " * (names + 2)
    return "".join(
        f"{plain(name):<{names}}  {indent.join(wrapped(plain(_text(value)), room))}\n" for name, value in facts.items()
    )


class Runs(Shown, list[Summary]):
    """What ``bench.runs`` returns: a list that shows itself as the table of the command."""

    def report(self) -> Report:
        """The table as a report, for every format."""
        return Report(numbers.counted(len(self), "run"), {}, [Section("Stored", exhibits=[runs(self)])])


def runs(summaries: Sequence[Summary]) -> Table:
    """One row a run."""
    counts = ["planned", "ok", "diverged", "failed", "lost", "missing"]
    frame = DataFrame([vars(line) for line in summaries], columns=["name", "updated", *counts, "damage"])
    frame["updated"] = [f"{line.updated.astimezone():%Y-%m-%d %H:%M}" for line in summaries]
    frame = frame.astype({name: float for name in counts if frame[name].dtype == object})  # where all are damaged
    columns = [Column("Run", ("name",), key=True), Column("Updated", ("updated",))]
    columns += [Column("Jobs" if name == "planned" else name.capitalize(), (name,), "count") for name in counts]
    return Table("Runs, the newest first", frame, columns)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_text(levels)}" for name, levels in value.items())
    if isinstance(value, list):
        integers = bool(value) and all(type(item) is int for item in value)
        return numbers.ranges(value) if integers else ", ".join(map(visible, value)) or "none"
    return str(value)
