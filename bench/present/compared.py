"""A comparison with a baseline becomes a report: the verdict first, then what else differs, every change, and how."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.errors import BenchError, Exit
from bench.execute.baseline import Baseline, of_run
from bench.execute.run import Run
from bench.judge.analysis import MetricOptions
from bench.judge.gate.absent import Absence
from bench.judge.gate.compare import Comparison, Outcome, compare
from bench.judge.metric_options import suite_options
from bench.judge.signed import GateVerdict as Verdict
from bench.judge.spending import Look, look
from bench.plan.suite import Plan
from bench.present import gate_rates, numbers, origin
from bench.present.report import Column, Report, Section, Table

OUTCOMES: Mapping[Outcome, str] = {
    "passed": "passed", "regression": "regression", "inconclusive": "inconclusive",
    "nothing measured": "nothing was measured",
}  # fmt: skip
_CHANGES = (
    "Before and now are means over seeds; a change is now minus before, or for a ratio now over before. Seeds needed: "
    "with so many, no change and a change of one margin would each be shown with a probability of 80%."
)
_WORSE: Mapping[str, str] = {
    Verdict.REGRESSION: "worse", Verdict.CHANGE: "changed", Verdict.DETERMINISTIC: "shifted by a constant"
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One comparison in words."""

    metric: str
    """Its label."""
    where: str
    verdict: str
    fails: bool
    """Whether the gate fails by it."""
    text: str
    """E.g. ``regression beyond the margin: 8.702 to 9.572, 0.87 [0.72, 1.01]; margin 0.45; adj. p <0.001``."""

    @property
    def state(self) -> str:
        """What it is to a test suite: a failure, an error where nothing was measured, skipped if undecided; else ""."""
        states: Mapping[str, str] = {
            Verdict.NOT_MEASURED: "error", Verdict.INCONCLUSIVE: "skipped", Verdict.NO_MARGIN: "skipped"
        }  # fmt: skip
        return "failure" if self.fails else states.get(self.verdict, "")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class GateReport(Report):
    """The report on a comparison; ``data["changes"]`` has one row each (``bench.judge.gate.compare.COLUMNS``)."""

    outcome: Outcome
    runs_failed: int
    """Runs that were asked for and have no outcome."""
    findings: tuple[Change, ...]
    """One entry per comparison, the worst first."""
    look: Look
    wants_more_seeds: bool
    """Whether a second look was planned and is needed."""

    @property
    def exit_code(self) -> Exit:
        """That of ``bench compare``: a regression before failed runs, these before what is inconclusive."""
        if self.outcome == "regression":
            return Exit.REGRESSION
        if self.runs_failed:
            return Exit.RUNS_FAILED
        return Exit.OK if self.outcome == "passed" else Exit.INCONCLUSIVE


def build(run: Run, old: Baseline, *, strict: bool = False, more_seeds: int | None = None) -> GateReport:
    """Compare ``run`` as it is stored now with a baseline, by the rules of its suite.

    ``more_seeds``: how many further seeds are planned for a second look if the first is undecided, if not as many as
    the suite says.

    Raises:
        BenchError: the two cannot be compared.
    """
    suite, new = run.suite, of_run(run)
    more = suite.baseline.more_seeds if more_seeds is None else more_seeds
    now = look(len(suite.declared_seeds), more, len(suite.seeds))
    awaited = _only_in(old, run)[:more] if more and now.number < now.of else []
    comparison = compare(old, new, rules(suite), suite.baseline, alpha=now.alpha, awaited=awaited)
    assert new.origin is not None
    labels = {metric.name: metric.label for metric in suite.experiment.metrics}
    changes = comparison.changes
    changes = changes.assign(
        label=[labels.get(name, name) for name in changes["metric"]],
        rank=changes["verdict"].map({verdict: place for place, verdict in enumerate(Verdict)}),
        survives=changes["alarm"].astype(bool), text=[_in_words(row) for row in changes.to_dict("records")],
        fails=changes["alarm"].astype(bool) | (strict & ~changes["noninferior"].astype(bool)),
        headline=~changes["verdict"].isin([Verdict.IDENTICAL, Verdict.EQUIVALENT]),
    ).sort_values(["survives", "rank"], ascending=[False, True], kind="stable")  # fmt: skip
    outcome = comparison.outcome(strict=strict)
    failed = int(new.frame["status"].isin(["failed", "lost", "missing"]).sum())
    identical = bool((changes["verdict"] == Verdict.IDENTICAL).all())
    assumed = [] if old.kind == "means" or identical else [gate_rates.assumption(run)]
    mixed = origin.mixtures(run, {job.key for job in run.planned()})
    provenance: dict[str, str] = {}
    for name, side in (("Baseline", old), ("Run", new)):
        facts = {} if side.origin is None else origin.facts_of(side.origin)
        provenance |= {name: side.source} | {f"{name}, {fact.lower()}": text for fact, text in facts.items()}
    lead = list(_lead(changes, outcome, now, strict=strict, failed=failed))
    points = [*_alarms(changes), *_diverged(old, new), *_not_compared(comparison), *_deterministic(old, new, changes)]
    columns = (
        Column("Metric", ("label",), key=True), Column("Where", ("where",), key=True),
        Column("Verdict", ("verdict",), "verdict"), Column("Before", ("old",), "value", detail=True),
        Column("Now", ("new",), "value", detail=True), Column("Scale", ("scale",), detail=True),
        Column(f"Change [{100 * (1 - now.alpha):.3g}% CI]", ("estimate", "low", "high"), "interval"),
        Column("Margin", ("margin",), "value"), Column("p", ("p",), "p", detail=True),
        Column("Adj. p", ("p_adjusted",), "p", mark="survives"), Column("n", ("n",), "count", detail=True),
        Column("Detectable", ("detectable",), "value", detail=True), Column("Seeds needed", ("seeds",), "count"),
    )  # fmt: skip
    table, unchanged = Table("Changes, the worst first", changes, columns, "headline"), not changes["headline"].any()
    sections = [
        Section(f"Verdict: {OUTCOMES[outcome]}", lead, points, verdict=True),
        Section("What else differs", assumed, points=[*mixed, *_environment(old, new, identical=identical)]),
        Section("Changes", [_CHANGES], exhibits=[table], appendix=unchanged), *gate_rates.sections(run),
        Section("How it was compared", points=list(_methods(comparison, strict=strict)), appendix=True),
        Section("Provenance", facts=provenance, appendix=True),
    ]  # fmt: skip
    return GateReport(
        title=f"{new.origin.suite}: compared with {old.source}", provenance=provenance, sections=sections,
        data={"changes": comparison.changes}, outcome=outcome, runs_failed=failed, look=now,
        findings=tuple(itertools.starmap(Change, changes[["label", "where", "verdict", "fails", "text"]].to_numpy())),
        wants_more_seeds=now.number < now.of and comparison.outcome() == "inconclusive",
    )  # fmt: skip


def further_seeds(run: Run, old: Baseline, more: int) -> list[int]:
    """The seeds of ``run`` and ``more`` besides: those of the baseline, so that they can be paired, if it has seeds.

    Raises:
        BenchError: the baseline has too few.
    """
    seeds = list(run.suite.seeds)
    if old.kind == "means":
        return [*seeds, *range(max(seeds) + 1, max(seeds) + 1 + more)]
    further = _only_in(old, run)[:more]
    if len(further) < more:
        raise BenchError(
            f"{old.source} has {len(further)} seeds that the run does not have, and {more} more were planned.",
            hint="Accept a baseline with more seeds: bench run SUITE --seeds N, then bench baseline accept.",
        )
    return [*seeds, *further]


def _only_in(old: Baseline, run: Run) -> list[int]:
    """The seeds of a baseline that ``run`` does not have."""
    return sorted(map(int, set(old.frame["seed"]) - set(run.suite.seeds))) if old.kind == "seeds" else []


def rules(suite: Plan) -> list[MetricOptions]:
    """How the metrics that the suite compares are compared."""
    compared = suite.baseline.metrics
    return [option for option in suite_options(suite) if compared is None or option.name in compared]


def _lead(changes: pd.DataFrame, outcome: Outcome, now: Look, *, strict: bool, failed: int) -> Iterator[str]:
    """What the gate says, and which look this is, where two were planned."""
    verdict = changes["verdict"]
    nouns = (*_WORSE, Verdict.IMPROVEMENT)
    counts = [
        numbers.counted(int(count), str(name)) if name in nouns else f"{count} {name}"
        for name, count in verdict.value_counts().items()
    ]
    total = numbers.counted(len(verdict), "comparison")
    yield (
        f"Of {total} ({numbers.counted(changes['metric'].nunique(), 'metric')}): {numbers.listed(counts)}."
        if counts
        else "Nothing could be compared."
    )
    if failed:
        yield f"{numbers.counted(failed, 'run')} of this run have no outcome: finish it, then compare again."
    if outcome == "regression" and strict and not changes["alarm"].any():
        yield "No change is shown, and --strict demands that each comparison is shown to be no worse by its margin."
    needed = float(changes.loc[verdict == Verdict.INCONCLUSIVE, "seeds"].max())
    if outcome == "inconclusive" and math.isfinite(needed):
        yield f"With {numbers.count(needed)} seeds in both, each would be decided with a probability of 80%."
    if outcome == "nothing measured" and (verdict == Verdict.NO_MARGIN).any():
        yield 'No metric has a margin, so that nothing can be shown to be equivalent: [metrics.NAME] margin = "5%".'
    if now.of > 1:
        yield f"Look {now.number} of {now.of} that were planned, judged at the {now.alpha:.3g} that it may spend."
    if now.number < now.of and outcome == "inconclusive":
        yield "The second look, with more seeds, is still to come: bench compare RUN --suite SUITE takes it."


def _alarms(changes: pd.DataFrame) -> Iterator[str]:
    """One point per metric that fails, with its cells; then what was not measured."""
    for (metric, verdict), rows in changes[changes["fails"]].groupby(["label", "verdict"], sort=False):
        worse = _WORSE.get(str(verdict), "not shown to be no worse by its margin")
        yield f"{metric}: {worse} in {_places(rows)}. The first: {rows['text'].iloc[0]}."
    for metric, rows in changes[changes["verdict"] == Verdict.NOT_MEASURED].groupby("label", sort=False):
        lost = int(rows["lost"].max())
        why = f": up to {numbers.counted(lost, 'seed')} have no value now that had one" if lost else ""
        yield f"{metric!s}: not measured in {_places(rows)}{why}."


def _places(rows: pd.DataFrame) -> str:
    places = list(rows["where"])
    return places[0] if len(places) == 1 else f"{len(places)} places ({numbers.listed(places)})"


def _diverged(old: Baseline, new: Baseline) -> Iterator[str]:
    """How many runs diverge now and did not before, among those that both have."""
    if old.kind == "means":
        return
    names = ["parameters", "seed"]
    both = new.frame.merge(old.frame[[*names, "status"]], on=names, suffixes=("", "_before"))
    fresh = int(((both["status"] == "diverged") & (both["status_before"] == "ok")).sum())
    if fresh:
        yield f"{numbers.counted(fresh, 'run')} diverged that did not diverge before."


def _not_compared(comparison: Comparison) -> Iterator[str]:
    """New, removed and changed cells and metrics."""
    lacking, removed = comparison.absences.lacking, comparison.absences.removed
    kinds = {
        "New cells, not in the baseline": comparison.new_cells,
        "Cells of the baseline that are not run any more": _absent(
            absence for absence in lacking if absence.metric not in comparison.removed_metrics
        ),
        "Cells whose other parameters changed, compared without pairing": comparison.changed_cells,
        "New metrics, not in the baseline": comparison.new_metrics,
        "Metrics of the baseline that are not measured any more": comparison.removed_metrics,
        "Seeds of the baseline that are not run": _absent(lacking, seeds=True),
        "Not run any more, as the suite says": [
            *_absent(removed),
            *(f"seed {seed}" for seed in _absent(removed, seeds=True)),
        ],
        "Listed as removed by the suite, though nothing of the kind is missing": comparison.absences.idle,
    }
    yield from (f"{kind}: {numbers.listed(names)}." for kind, names in kinds.items() if names)
    if lacking:
        yield (
            "What the baseline has and the run has not is not measured, unless the suite says that it was meant "
            "([baseline] removed = [...]) or a new baseline is accepted."
        )
    yield from comparison.notes


def _deterministic(old: Baseline, new: Baseline, changes: pd.DataFrame) -> Iterator[str]:
    """The metrics that came out equal bit for bit in the same environment, where others did not."""
    same = (changes["verdict"] == Verdict.IDENTICAL).groupby(changes["label"], sort=False).all()
    if same.any() and not same.all() and origin.ids(old.origin) == origin.ids(new.origin) != set():
        names = numbers.listed(list(same.index[same]), most=99)
        yield f"Deterministic on this machine, equal bit for bit in every cell, so that no alarm is noise: {names}."


def _absent(absences: Iterable[Absence], *, seeds: bool = False) -> list[str]:
    """The cells that are absent, or the seeds, each once."""
    return list(dict.fromkeys(absence.where for absence in absences if ("seed" in absence.keys) == seeds))


def _environment(old: Baseline, new: Baseline, *, identical: bool) -> Iterator[str]:
    """What differs between the two beside the numbers: suite, version, code, parameters, machines."""
    if old.origin is None or new.origin is None:
        yield "The baseline is a table of means: nothing is known of the code and the machine that made it."
        return
    points, is_told = origin.differences(old.origin, new.origin)
    yield from points
    if origin.ids(old.origin) != origin.ids(new.origin):
        yield "In another environment the last bits may differ: values that are not identical need not mean other code."
    elif is_told and not points and not identical:
        yield "The suite, the source of the code and the environment are the same, and yet values differ."
    elif is_told and not points:
        yield "Nothing: the same suite, code and environment."


def _methods(comparison: Comparison, *, strict: bool) -> Iterator[str]:
    """How the verdicts were reached."""
    alpha = comparison.alpha
    used = [method for method in dict.fromkeys(comparison.changes["method"]) if method]
    yield f"Methods used: {numbers.listed(used) or 'none'}."
    yield (
        "In this order: identical, if all values are equal bit for bit; deterministic change, if every seed shifts by "
        f"the same amount; equivalent, if the {numbers.percent(1 - 2 * alpha)} interval lies within the margin; "
        f"regression or improvement (change, for a metric without a better direction), if Holm's p is below {alpha:g}; "
        "else inconclusive, or no margin where none was declared."
    )
    tests = int(comparison.changes["p"].notna().sum())
    yield f"Family of the adjustment: all {numbers.counted(tests, 'comparison')} that can be tested."
    yield "A change is beyond the margin if its whole interval is. A constant shift fails if it is worse and beyond."
    if strict:
        yield "Strict: each comparison must be shown to be no worse by its margin (equivalent, without a direction)."


def _in_words(row: Mapping[Any, Any]) -> str:
    sign = numbers.times(row["scale"])
    parts = [f"{numbers.significant(row['old'])} to {numbers.significant(row['new'])}"]
    if math.isfinite(row["estimate"]) and row["verdict"] != Verdict.IDENTICAL:
        parts[0] += f", {sign}{numbers.interval(row['estimate'], row['low'], row['high'])}"
    if math.isfinite(row["margin"]):
        parts.append(f"margin {numbers.percent(row['margin']) if sign else numbers.significant(row['margin'])}")
    if math.isfinite(row["p_adjusted"]):
        parts.append(f"adj. p {numbers.p_value(row['p_adjusted'])}")
    if row["lost"]:
        parts.append(f"{numbers.counted(row['lost'], 'seed')} without a value now")
    if math.isfinite(row["detectable"]):
        least = numbers.percent(row["detectable"]) if sign else numbers.significant(row["detectable"], 3)
        parts.append(f"only {least} or more would be found")
    return f"{row['verdict']}{' beyond the margin' if row['material'] else ''}: {'; '.join(parts)}"
