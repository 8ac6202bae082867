"""Two runs become one report: how they differ, and their effects and means side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from bench.execute.results import measured, wide
from bench.execute.run import Run
from bench.experiment import Metric
from bench.present import claims, numbers, state
from bench.present.build import analyze_run
from bench.present.claim_words import finding, verdict
from bench.present.origin import origin
from bench.present.report import Column, Report, Section, Table
from bench.present.tables import ALPHA, Context, heading

_SHOWN = ("estimate", "low", "high", "p_adjusted", "mean", "sd", "n")

_NO_TEST = (
    "Nothing here tests A against B. Intervals that do not overlap speak of a difference; where the seeds are the "
    "same, intervals that do overlap need not speak against one."
)
_LACKING = (
    "One of the two lacks combinations of levels: its effects are those of a model without some interactions, so that "
    "an effect of the same name need not be the same."
)


def beside(first: Run, second: Run, *, confidence: float = 0.95) -> Report:
    """What both runs have in common, the first on the left.

    ``data`` holds ``effects`` and ``cells``: rows that both have or only one, with the suffixes ``_a`` and ``_b``.
    """
    runs = {"A": first, "B": second}
    jobs = {name: wide(run) for name, run in runs.items()}
    facts = dict(_states(runs, jobs))
    origins = {name: origin(run) for name, run in runs.items()}
    sections = [Section("What differs", exhibits=[_differences(origins)])]
    data: dict[str, pd.DataFrame] = {}
    if all((frame["status"] == "ok").any() for frame in jobs.values()):
        a, b = (analyze_run(run.suite, jobs[name], confidence=confidence) for name, run in runs.items())
        context = Context({**second.suite.factors, **first.suite.factors}, _metrics(runs), confidence=a.confidence)
        data["effects"] = _joined(a.contrasts, b.contrasts, ["metric", "effect", "scale"])
        data["cells"] = _joined(a.cells, b.cells, ["metric", "cell"])
        alike = a.estimable["estimable"].all() == b.estimable["estimable"].all()
        notes = [_NO_TEST] if alike else [_NO_TEST, _LACKING]
        facts |= _survivors(data["effects"], context)
        sections.append(Section("Effects", notes, exhibits=list(_effects(data["effects"], context))))
        sections.append(Section("Means", exhibits=list(_means(data["cells"], context))))
        if claims.is_judged(first) and claims.is_judged(second):
            sections.insert(0, Section("Claims", exhibits=[_claims(runs, jobs, context)]))
    else:
        facts["Effects"] = "At least one of the two has no result yet: there is nothing to compare."
    title = f"{first.suite.name} (A) beside {second.suite.name} (B)"
    provenance = {f"{name}, {fact}": text for name, known in origins.items() for fact, text in known.items()}
    return Report(title, provenance, [Section("In short", facts=facts, verdict=True), *sections], data)


def _states(runs: Mapping[str, Run], jobs: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, str]]:
    for name, run in runs.items():
        metrics = [metric.name for metric in run.suite.experiment.metrics]
        said = " ".join(state.overview(jobs[name], metrics, run.suite.command))
        yield name, f"{run.suite.name}, in {run.folder}. {said}"


def _survivors(effects: pd.DataFrame, context: Context) -> Iterator[tuple[str, str]]:
    """Which effects survive the adjustment in both runs, and which in one of them."""
    labels = context.labels
    named = [
        f"{context.effect(effect)} on {labels[metric]}"
        for metric, effect in zip(effects["metric"], effects["effect"], strict=True)
    ]
    neutral = effects["scale"].eq("ratio").astype(float)
    in_a, in_b = (effects[f"p_adjusted_{name}"] < ALPHA for name in ("a", "b"))
    rises_a, rises_b = (effects[f"estimate_{name}"] > neutral for name in ("a", "b"))
    tested = effects[["p_adjusted_a", "p_adjusted_b"]].notna().all(axis="columns")
    groups = {
        "in both": in_a & in_b & (rises_a == rises_b),
        "in both, in opposite directions": in_a & in_b & (rises_a != rises_b),
        "only in A": in_a & ~in_b & tested,
        "only in B": in_b & ~in_a & tested,
        "in one, and are not tested in the other": (in_a | in_b) & ~tested,
    }
    for where, chosen in groups.items():
        found = [name for name, here in zip(named, chosen, strict=True) if here]
        if found or where == "in both":
            yield f"Effects that survive {where}", f"{numbers.listed(found, most=10) or 'none'}."


def _claims(runs: Mapping[str, Run], jobs: Mapping[str, pd.DataFrame], context: Context) -> Table:
    """What each run says of each claim that either makes; only a claim of the same words is one claim."""
    judged = []
    for name, run in runs.items():
        found = claims.judge(run, measured(run.suite, jobs[name]), confidence=context.confidence)
        rows = list(found.rows.itertuples())
        told = [finding(row, "", context.labels[str(row.metric)], found.parts) for row in rows]
        judged.append(
            found.claims[["claim", "statement"]].assign(
                verdict=[verdict(row) for row in rows],
                found=[one.number for one in told],
                caveat=[one.caveat.partition(": ")[2] for one in told],
            )
        )
    keys = ["claim", "statement"]
    either = pd.concat([frame[keys] for frame in judged]).drop_duplicates()
    joined = either.merge(judged[0], "left", keys).merge(judged[1], "left", keys, suffixes=("_a", "_b")).fillna("")
    columns = [Column("Claim", ("claim",), key=True)]
    for name in ("a", "b"):
        columns.append(Column(f"{name.upper()}: verdict", (f"verdict_{name}",), "verdict"))
        columns.append(Column(f"{name.upper()}: estimate [{context.level} CI]", (f"found_{name}",)))
        columns.append(Column(f"{name.upper()}: to know besides", (f"caveat_{name}",)))
    return Table("Verdicts of both", joined, columns)


def _differences(facts: Mapping[str, Mapping[str, str]]) -> Table:
    names = list(dict.fromkeys(name for known in facts.values() for name in known))
    rows = [(name, facts["A"].get(name, ""), facts["B"].get(name, "")) for name in names]
    frame = pd.DataFrame([row for row in rows if row[1] != row[2]], columns=["fact", "a", "b"])
    columns = (Column("", ("fact",), key=True), Column("A", ("a",)), Column("B", ("b",)))
    return Table("Provenance, where it differs", frame, columns)


def _metrics(runs: Mapping[str, Run]) -> list[Metric]:
    """The metrics of both, each once."""
    known: dict[str, Metric] = {}
    for run in runs.values():
        for metric in run.suite.experiment.metrics:
            known.setdefault(metric.name, metric)
    return list(known.values())


def _joined(a: pd.DataFrame, b: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The rows of both in their order, those that only ``b`` has last."""
    columns = [*keys, *(name for name in _SHOWN if name in a.columns)]
    everything = pd.concat([a[keys], b[keys]]).drop_duplicates()
    return everything.merge(a[columns], "left", keys).merge(b[columns], "left", keys, suffixes=("_a", "_b"))


def _effects(effects: pd.DataFrame, context: Context) -> Iterator[Table]:
    for metric in context.metrics:
        rows = effects[effects["metric"] == metric.name]
        if rows.empty:
            continue
        ratio = bool((rows["scale"] == "ratio").all())
        columns = [Column("Effect", ("effect",), key=True)]
        for name in ("a", "b"):
            source = (f"estimate_{name}", f"low_{name}", f"high_{name}")
            what = "ratio" if ratio else "change"
            columns.append(Column(f"{name.upper()}: {what} [{context.level} CI]", source, "interval"))
            columns.append(Column("adj. p", (f"p_adjusted_{name}",), "p"))
        shown = rows.assign(
            effect=[context.effect(effect) for effect in rows["effect"]],
            headline=rows["effect"].isin(context.contrasts).to_numpy(),
        )
        yield Table(heading(metric), shown, columns, headline="headline" if shown["headline"].any() else "")


def _means(cells: pd.DataFrame, context: Context) -> Iterator[Table]:
    for metric in context.metrics:
        rows = cells[cells["metric"] == metric.name]
        if len(rows):
            columns = [Column("Cell", ("cell",), key=True)]
            columns += [
                Column(f"{name.upper()}: mean ± SD", (f"mean_{name}", f"sd_{name}", f"n_{name}"), "mean_sd_n")
                for name in ("a", "b")
            ]
            yield Table(f"{heading(metric)}: {numbers.counted(len(rows), 'cell')}", rows, columns)
