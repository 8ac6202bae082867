"""What is tortured: suites of the tiny experiments, and journals of made-up records."""

from __future__ import annotations

import math
import sys
from pathlib import Path

from bench.execute.coordinate import execute
from bench.execute.journal import Journal
from bench.execute.records import Record
from bench.execute.results import wide
from bench.execute.run import create, load
from bench.plan.suite import Plan
from bench.plan.suite import load as load_suite

EXECUTE = Path(__file__).parents[1] / "execute"
"""The folder of the tiny experiments, and of the coordinator that is killed."""


def suite(folder: Path, *, seeds: int, sleep: float) -> Plan:
    """A suite of four kinds of outcomes × two sizes; "counts" leaves a line in the file ``runs`` whenever it is run."""
    if str(EXECUTE) not in sys.path:
        sys.path.append(str(EXECUTE))
    path = folder / "tiny.toml"
    path.write_text(
        f'name = "tiny"\nexperiment = "tiny:LOOP"\nseeds = {seeds}\n[params]\nsleep = {sleep}\n'
        f'folder = "{folder}"\n[factors]\nkind = ["fine", "nan", "diverges", "counts"]\nsize = [1, 2]\n'
    )
    return load_suite(path)


def calm_table(suite: Plan, folder: Path) -> str:
    """The ``table`` of a suite that nothing disturbs, run in a folder of its own."""
    execute(suite, create(suite, folder / "calm"), executor="serial")
    return table(folder / "calm" / suite.name)


def table(folder: Path) -> str:
    """The results of a run, every digit of them."""
    return wide(load(folder)).to_csv(float_format=float.hex)


def journal(folder: Path, n_records: int) -> dict[str, Record]:
    """Write a journal and return its records by key."""
    records = [
        Record(
            key=f"k{number}", levels={"act": "relu", "width": number}, seed=number, status="ok",
            metrics={"loss": number / 7, "score": math.nan}, notes={"score": "nothing “to” score"}, reason="",
            seconds=0.25, batch=number, batch_size=1, attempt=1, host="here", environment="e",
        )
        for number in range(n_records)
    ]  # fmt: skip
    with Journal(folder, {"host": "here"}) as target:
        target.append(records)
    return {record.key: record for record in records}
