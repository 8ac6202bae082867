"""Runs, finished or not, become the first words of a report: what there is, and what is missing and why."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

import numpy as np
from pandas import DataFrame, Series

from bench.execute.journal import Contents
from bench.plan.labels import cell_label
from bench.plan.suite import Plan
from bench.present import numbers
from bench.present.report import Column, Section, Table

_WORDS = {"missing": "not done yet", "failed": "failed", "lost": "lost with their worker", "diverged": "diverged"}


def is_unfinished(jobs: DataFrame) -> bool:
    """Whether runs have no outcome yet; to diverge is an outcome."""
    return bool(jobs["status"].astype(str).isin(["missing", "failed", "lost"]).any())


def overview(jobs: DataFrame, metrics: Sequence[str], next_step: str) -> Iterator[str]:
    """Paragraphs on the state of ``jobs`` (one row a planned run, with its values), the worst first."""
    status = jobs["status"].astype(str)
    total, ok, seeds = len(jobs), int((status == "ok").sum()), jobs["seed"].nunique()
    if ok == total:
        yield "The one run is done." if total == 1 else f"All {total} runs are done and none failed."
    else:
        parts = [f"{count} {_WORDS[name]}" for name in _WORDS if (count := int((status == name).sum()))]
        lead = "Unfinished" if is_unfinished(jobs) else "Finished"
        yield f"{lead}: of {total} runs, {ok} are ok, {numbers.listed(parts)}."
        if lead == "Unfinished":
            yield f"All that follows is provisional. To finish: {next_step}"
        if (status == "diverged").any():
            yield (
                "Runs that diverged have no values below, where means and effects speak of the others: that they "
                f"diverged is a finding of its own ({_diverged(jobs, metrics)})."
            )
    values = jobs.loc[status == "ok", list(metrics)]
    lacking = ~np.isfinite(values.to_numpy(float))
    if ok and (nowhere := lacking.all(axis=0)).any():
        named = numbers.listed([name for name, none in zip(metrics, nowhere, strict=True) if none])
        yield f"Without a value in any run, and left out below: {named}."
        lacking &= ~nowhere
    if lacking.any():
        named = numbers.listed([name for name, some in zip(metrics, lacking.any(axis=0), strict=True) if some])
        yield (
            f"{lacking.any(axis=1).sum()} of the runs that are ok have a value that is no finite number ({named}); "
            "such values are left out below."
        )
    if seeds == 1:
        yield "One seed only: nothing below can be tested, and a difference between two runs may be chance alone."
    elif seeds < 6:
        yield (
            f"Only {seeds} seeds: intervals are wide, and no sign-flip test can give a p below {2 / 2**seeds:.3g}, "
            "so the t tests rest on their assumptions."
        )


def unlisted(listed: int, planned: int, next_step: str) -> Iterator[str]:
    """A paragraph on planned runs that are not even listed, if there are any."""
    if listed < planned:
        yield (
            f"The run was ended before its {planned} planned runs were all listed: only the {listed} that have been "
            f"run are counted here. To list and run the rest: {next_step}"
        )


def _diverged(jobs: DataFrame, metrics: Sequence[str]) -> str:
    """The cells of the runs that diverged, those with most of them first."""
    others = {"run", "seed", "status", *metrics}
    diverged = jobs.loc[jobs["status"].astype(str) == "diverged", [name for name in jobs.columns if name not in others]]
    counts = Series([cell_label(levels) for levels in diverged.itertuples(index=False)]).value_counts()
    return numbers.listed([f"{count} in {cell}" for cell, count in counts.items()], most=4)


def alarms(contents: Contents, planned: Collection[str]) -> Iterator[str]:
    """Paragraphs on what is wrong with the stored results themselves, or not shown of them."""
    if outside := len(contents.records.keys() - planned):
        yield f"{outside} stored results are of other seeds or levels than the suite was last run with; not shown."
    if lacking := [record for key, record in contents.lacking.items() if key in planned]:
        yield (
            f"{numbers.counted(len(lacking), 'stored result')} lack a metric that the experiment declares now: these "
            "runs count as missing, and are run again with the suite."
        )
    if contents.alarms:
        first = contents.alarms[0].first
        yield (
            f"Not deterministic: {len(contents.alarms)} jobs were run twice and gave different values (the first is "
            f"seed {first.seed} of {cell_label(list(first.levels.values()))}). The earlier values are shown."
        )
    if contents.damaged:
        first_line = contents.damaged[0]
        yield (
            f"{numbers.counted(len(contents.damaged), 'damaged line')} of the journal cannot be read (the first is "
            f"line {first_line.line} of {first_line.segment}: {first_line.why}). Running the suite again sets them "
            "aside, and runs what they held."
        )


def seed_count(suite: Plan) -> str:
    """``10 seeds``, or ``6 data × 3 init × 3 sae seeds``."""
    if suite.strata is None:
        return numbers.counted(len(suite.seeds), "seed")
    return f"{' × '.join(f'{len(seeds)} {name}' for name, seeds in suite.strata.seeds.items())} seeds"


def seed_ranges(suite: Plan) -> str:
    """``0 to 9``, or ``data 0 to 5; init 0 to 2``."""
    if suite.strata is None:
        return numbers.ranges(suite.seeds)
    return "; ".join(f"{name} {numbers.ranges(seeds)}" for name, seeds in suite.strata.seeds.items())


def replication(suite: Plan) -> Iterator[str]:
    """What is a replicate and what is averaged within it; nothing of a suite without strata."""
    if suite.strata is None:
        return
    first, *inner = suite.strata.seeds
    each = numbers.counted(math.prod(len(suite.strata.seeds[name]) for name in inner), "run")
    yield (
        f"The unit of replication is {first}: a seed of the tables is one of its {suite.n_units} seeds, and the runs "
        f"of other {numbers.listed(inner)} seeds ({each} in a cell) are averaged within it, on the scale of the "
        f"analysis."
    )
    if suite.strata.crossed:
        yield (
            f"{numbers.listed(inner)} seeds are the same for every {first} seed (crossed), so that tests and their "
            f"intervals speak of other {first} seeds with these very ones; the variance components say what others add."
        )


def without_value(remarks: DataFrame, factors: Sequence[str]) -> Section:
    """Which runs failed, diverged or were lost, and which values are NaN, with the reasons."""
    named = zip(remarks["metric"], remarks["status"].astype(str), strict=True)
    said = remarks.assign(
        what=[metric or status for metric, status in named],
        cell=[cell_label(levels) for levels in remarks[list(factors)].itertuples(index=False)],
    )
    rows = [
        {"what": what, "n": len(group), "text": text, "where": _where(group)}
        for (what, text), group in said.groupby(["what", "text"], sort=False)
    ]
    columns = (
        Column("Status or metric", ("what",), key=True), Column("Runs", ("n",), "count"), Column("Reason", ("text",)),
        Column("Cells (seeds)", ("where",)),
    )  # fmt: skip
    frame = DataFrame(rows)
    frame["headline"] = frame.index < _MOST
    table = Table("Why", frame, columns, headline="headline")
    return Section("Runs and values that are missing", exhibits=[table], chief=True)


_MOST = 12
"""Rows of the table of reasons in a short rendering."""


def _where(said: DataFrame) -> str:
    cells = [
        f"{cell} ({numbers.listed([str(seed) for seed in sorted(group['seed'])])})"
        for cell, group in said.groupby("cell", sort=False)
    ]
    return numbers.listed(cells)
