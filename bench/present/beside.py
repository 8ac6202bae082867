"""Two runs become one report: how they differ, and their claims, effects and means side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from bench.execute.results import measured, wide
from bench.execute.run import Run
from bench.plan.find import from_project
from bench.present import numbers, state
from bench.present.build import analyze_run
from bench.present.claim_words import finding, verdict
from bench.present.origin import changed, origin
from bench.present.report import Column, Report, Section, Table
from bench.present.sections import claims
from bench.present.study import ALPHA, NAME, Context, heading

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
    origins = {name: origin(run) for name, run in runs.items()}
    facts = {}
    for name, run in runs.items():
        said = state.overview(jobs[name], [metric.name for metric in run.suite.experiment.metrics], run.suite.command)
        facts[name] = " ".join([f"{run.suite.name}, in {from_project(run.folder)}.", *said])
    sections = [Section("What differs", points=changed(origins["A"], origins["B"]))]
    data: dict[str, pd.DataFrame] = {}
    if all((frame["status"] == "ok").any() for frame in jobs.values()):
        a, b = (analyze_run(run.suite, jobs[name], confidence=confidence) for name, run in runs.items())
        known = {metric.name: metric for run in (second, first) for metric in run.suite.experiment.metrics}
        context = Context({**second.suite.factors, **first.suite.factors}, [*known.values()], confidence=confidence)
        data["effects"] = _joined(a.contrasts, b.contrasts, ["metric", "effect", "scale"])
        data["cells"] = _joined(a.cells, b.cells, ["metric", "cell"])
        alike = a.estimable["estimable"].all() == b.estimable["estimable"].all()
        facts |= _survivors(data["effects"], context)
        notes = [_NO_TEST] if alike else [_NO_TEST, _LACKING]
        sections.append(Section("Effects", notes, exhibits=list(_effects(data["effects"], context))))
        sections.append(Section("Means", exhibits=list(_means(data["cells"], context))))
        if claims.is_judged(first) and claims.is_judged(second):
            sections.insert(0, Section("Claims", exhibits=[_claims(runs, jobs, context)]))
    else:
        facts["Effects"] = "At least one of the two has no result yet: there is nothing to compare."
    title = f"{first.suite.name} (A) beside {second.suite.name} (B)"
    provenance = {f"{name}, {fact}": text for name, own in origins.items() for fact, text in own.items()}
    return Report(title, provenance, [Section("In short", facts=facts, verdict=True), *sections], data)


def _joined(a: pd.DataFrame, b: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The rows of both in their order, those that only ``b`` has last."""
    columns = [*keys, *(name for name in _SHOWN if name in a.columns)]
    everything = pd.concat([a[keys], b[keys]]).drop_duplicates()
    return everything.merge(a[columns], "left", keys).merge(b[columns], "left", keys, suffixes=("_a", "_b"))


def _survivors(effects: pd.DataFrame, context: Context) -> Iterator[tuple[str, str]]:
    """Which effects survive the adjustment in both runs, and which in one of them."""
    shown = context.worded(effects)
    names = shown["effect"] + " on " + shown["label"]
    neutral = effects["scale"].eq("ratio").astype(float)
    in_a, in_b = (effects[f"p_adjusted_{name}"] < ALPHA for name in ("a", "b"))
    alike = (effects["estimate_a"] > neutral) == (effects["estimate_b"] > neutral)
    tested = effects[["p_adjusted_a", "p_adjusted_b"]].notna().all(axis="columns")
    groups = {
        "in both": in_a & in_b & alike, "in both, in opposite directions": in_a & in_b & ~alike,
        "only in A": in_a & ~in_b & tested, "only in B": in_b & ~in_a & tested,
        "in one, and are not tested in the other": (in_a | in_b) & ~tested,
    }  # fmt: skip
    for where, chosen in groups.items():
        if chosen.any() or where == "in both":
            named = numbers.listed(list(names[chosen]), most=10)
            yield f"Effects that survive {where}", f"{named or 'none'}."


def _claims(runs: Mapping[str, Run], jobs: Mapping[str, pd.DataFrame], context: Context) -> Table:
    """What each run says of each claim that either makes; only a claim of the same words is one claim."""
    keys, sides = ["claim", "statement"], []
    columns = [Column("Claim", ("claim",), key=True)]
    for name, run in runs.items():
        verdicts = claims.judge(run, measured(run.suite, jobs[name]), confidence=context.confidence)
        rows = list(verdicts.rows.itertuples())
        told = [finding(row, "", context.labels[str(row.metric)], verdicts.parts) for row in rows]
        words = {
            f"{name}: verdict": [verdict(row) for row in rows],
            f"{name}: estimate [{context.level} CI]": [one.number for one in told],
            f"{name}: to know besides": [one.caveat.partition(": ")[2] for one in told],
        }
        columns += [Column(label, (label,), "verdict" if label.endswith("verdict") else "text") for label in words]
        sides.append(verdicts.claims[keys].assign(**words))
    either = pd.concat([side[keys] for side in sides]).drop_duplicates()
    joined = either.merge(sides[0], "left", keys).merge(sides[1], "left", keys).fillna("")
    return Table("Verdicts of both", joined, columns)


def _effects(effects: pd.DataFrame, context: Context) -> Iterator[Table]:
    for metric, rows in context.by_metric(effects):
        what = "ratio" if (rows["scale"] == "ratio").all() else "change"
        columns = [NAME["effect"]]
        for name in ("a", "b"):
            source = (f"estimate_{name}", f"low_{name}", f"high_{name}")
            columns.append(Column(f"{name.upper()}: {what} [{context.level} CI]", source, "interval"))
            columns.append(Column("adj. p", (f"p_adjusted_{name}",), "p"))
        shown = context.worded(rows).assign(headline=rows["effect"].isin(context.contrasts).to_numpy())
        yield Table(heading(metric), shown, columns, headline="headline" if shown["headline"].any() else "")


def _means(cells: pd.DataFrame, context: Context) -> Iterator[Table]:
    sides = [Column(f"{name.upper()}: mean ± SD", (f"mean_{name}", f"sd_{name}", f"n_{name}"), "mean_sd_n")
             for name in ("a", "b")]  # fmt: skip
    for metric, rows in context.by_metric(cells):
        yield Table(f"{heading(metric)}: {numbers.counted(len(rows), 'cell')}", rows, [NAME["cell"], *sides])
