"""Runs, finished or not, become the first words of a report: what there is, what is missing, how its claims stand."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from pandas import DataFrame, Series

from bench.execute import manifest
from bench.execute.interim import LookResult, Looks
from bench.execute.journal import Contents
from bench.execute.precedence import seals
from bench.execute.run import Run
from bench.judge.signed import DECIDED, HOPELESS
from bench.plan.claims import claims_to_decide
from bench.plan.find import from_project
from bench.plan.grid import Region
from bench.plan.labels import cell_label, visible
from bench.plan.suite import Plan
from bench.present import numbers
from bench.present.report import Column, Section, Table

_WORDS = {"missing": "not done yet", "failed": "failed", "lost": "lost with their worker", "diverged": "diverged"}


def is_unfinished(jobs: DataFrame) -> bool:
    """Whether runs have no outcome yet; to diverge is an outcome."""
    return bool(jobs["status"].astype(str).isin(["missing", "failed", "lost"]).any())


def overview(jobs: DataFrame, metrics: Sequence[str], next_step: str, planned: int = 0) -> Iterator[str]:
    """Paragraphs on the state of ``jobs`` (one row a listed run, with its values), the worst first.

    ``planned``: so many runs there should be.
    """
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
            others = {"run", "seed", "status", *metrics}
            levels = jobs.loc[status == "diverged", [name for name in jobs.columns if name not in others]]
            cells = Series(map(cell_label, levels.itertuples(index=False))).value_counts()
            where = numbers.listed([f"{count} in {cell}" for cell, count in cells.items()], most=4)
            yield (
                "Runs that diverged have no values below, where means and effects speak of the others: that they "
                f"diverged is a finding of its own ({where})."
            )
    values = jobs.loc[status == "ok", list(metrics)]
    lacking = ~np.isfinite(values.to_numpy(float))
    if ok and (nowhere := lacking.all(axis=0)).any():
        named = numbers.listed(list(values.columns[nowhere]), most=3)
        yield f"Without a value in any run, and left out below: {named}."
        lacking &= ~nowhere
    if lacking.any():
        named = numbers.listed(list(values.columns[lacking.any(axis=0)]), most=3)
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
    if len(jobs) < planned:
        yield (
            f"The run was ended before its {planned} planned runs were all listed: only the {len(jobs)} that have been "
            f"run are counted here. To list and run the rest: {next_step}"
        )


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


def region(levels: Region) -> str:
    """``reg is l1 or l2 and width is 1``: the levels that a part of a design has of some factors."""
    return " and ".join(f"{name} is {' or '.join(map(visible, own))}" for name, own in levels.items())


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
    rows: list[tuple[object, ...]] = []
    for (what, text), group in said.groupby(["what", "text"], sort=False):
        seeds = group.groupby("cell", sort=False)["seed"].agg(lambda own: numbers.listed([*map(str, sorted(own))]))
        where = numbers.listed([f"{cell} ({own})" for cell, own in seeds.items()])
        rows.append((what, len(group), text, where, len(rows) < _MOST))
    frame = DataFrame(rows, columns=["what", "n", "text", "where", "headline"])
    columns = (
        Column("Status or metric", ("what",), key=True), Column("Runs", ("n",), "count"), Column("Reason", ("text",)),
        Column("Cells (seeds)", ("where",)),
    )  # fmt: skip
    table = Table("Why", frame, columns, headline="headline")
    return Section("Runs and values that are missing", exhibits=[table], chief=True)


_MOST = 12
"""Rows of the table of reasons in a short rendering."""


def post_hoc(run: Run) -> list[str]:
    """The claims that were made, or changed, when results of their jobs were stored somewhere; sealed ones never."""
    return [] if run.seal else [*_late(run)]


def sentences(run: Run) -> Iterator[str]:
    """Which claims are post hoc and why, and what shows that the others are not."""
    stored, home, late = manifest.read(run.folder), run.folder.parent, _late(run)
    if run.seal:
        others = len(seals(home, run.suite.reference) - {run.seal})
        variants = f"{numbers.counted(others, 'other sealed variant')} of this experiment"
        yield (
            f"Sealed: the seeds are drawn from {run.seal}, a hash of what is claimed, the cells, the experiment and "
            "its version, so that no result of them can be known before the claims were fixed. To show when that was, "
            "and that no variants were tried, publish the seal before the run (a commit, a registration): "
            f"{from_project(home)} holds {variants if others else 'no other variant'}."
        )
        if late:
            yield f"Reworded after results, which a seal does not prevent: {numbers.listed([*late], most=20)}."
        return
    if stored.seal:
        yield f"The seal {stored.seal} does not fit what was claimed and run, and proves nothing."
    if late:
        yield f"Post hoc: {numbers.listed([f'{name} ({why})' for name, why in late.items()], most=20)}."
    if len(late) < len(run.suite.claims):
        yield (
            f"That {'the other claims' if late else 'the claims'} came before the results is on the record of this "
            f"folder alone: its run.json, written on {stored.host} by the clock of that machine. It knows of the "
            f"results below {from_project(home)}; what was deleted, changed by hand, run elsewhere, or run with other "
            "parameters or another version leaves no trace. Sealed seeds need no record: seeds = "
            f"{{ sealed = {len(run.suite.seeds)} }}."
        )


def _late(run: Run) -> Mapping[str, str]:
    """The claims that are later than results of their jobs -> how that is known."""
    late = {}
    for claim in run.suite.claims:
        if (entry := run.declared.get(claim.id)) is None:
            late[claim.id] = "run.json does not say when it was made"
        elif entry.results > 0:
            where = numbers.listed(entry.where) or run.folder.name
            late[claim.id] = f"{numbers.counted(entry.results, 'result')} of its runs stored before, in {where}"
    return late


def look_line(look: LookResult) -> str:
    """``look 1 of 3: 10 seeds: 2 of 3 claims decided, going on``."""
    claims = numbers.counted(look.claims, "gating claim" if look.gating else "claim")
    hopeless = f", {look.hopeless} not identifiable in this design" if look.hopeless else ""
    end = f"{hopeless}, {'going on' if look.goes_on else 'stopping'}"
    return f"look {look.number} of {look.of}: {look.seeds} seeds: {look.decided} of {claims} decided{end}"


def of_looks(run: Run, planned: Looks, claims: DataFrame) -> Iterator[str]:
    """How far a sequential run came, what its verdicts cost, and what its numbers do not correct."""
    taken, of = len(planned.taken), len(planned.looks)
    seeds, alphas = planned.looks[taken - 1], planned.alphas
    counting = claims["claim"].isin([claim.id for claim in claims_to_decide(run.suite.claims)])
    is_open = ~claims.loc[counting, "verdict"].isin([*DECIDED, *HOPELESS])
    verb = "stopped at" if taken == of or not is_open.any() else "goes on after"
    yield (
        f"The run was sequential: looks at {numbers.listed([str(look) for look in planned.looks])} seeds were planned "
        f"before any result, the error spent {_SPENT[planned.spending]}. It {verb} look {taken} of {of}, at {seeds} "
        f"seeds, with {sum(alphas[:taken]):.3g} of {sum(alphas):.3g} spent; this look could spend "
        f"{alphas[taken - 1]:.3g}. What a look decided stands. The looks' shares add up, so that the chance of any "
        "wrong verdict of a kind stays below their sum."
    )
    if len(run.suite.seeds) > seeds:
        yield f"The claims rest on the {seeds} seeds of that look; {len(run.suite.seeds) - seeds} more are in the rest."
    if taken < of:
        yield (
            "Estimates and intervals are not corrected for the looks: where a run stops early, estimates tend to lie "
            "too far from no effect."
        )


_SPENT = {
    "obrien_fleming": "mostly at the last (O'Brien and Fleming's kind)",
    "pocock": "nearly evenly (Pocock's kind)",
}
