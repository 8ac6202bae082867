"""A comparison with a baseline becomes a report: the verdict first, then what else differs, every change, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from bench.errors import BenchError, Exit
from bench.execute.baseline import Baseline, of_run
from bench.execute.run import Run
from bench.judge.analysis import MetricOptions
from bench.judge.gate.compare import Comparison, Outcome, compare
from bench.judge.metric_options import suite_options
from bench.judge.signed import GateVerdict as Verdict
from bench.judge.spending import Look, look
from bench.plan.suite import Plan
from bench.present import compared_words as words
from bench.present import gate_rates
from bench.present.origin import mixtures
from bench.present.report import Column, Report, Section, Table


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class GateReport(Report):
    """The report on a comparison; ``data["changes"]`` has one row each (``bench.judge.gate.compare.COLUMNS``)."""

    outcome: Outcome
    runs_failed: int
    """Runs that were asked for and have no outcome."""
    findings: tuple[words.Finding, ...]
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
    return _report(run, old, new, comparison, now, strict=strict)


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


def _report(run: Run, old: Baseline, new: Baseline, comparison: Comparison, now: Look, *, strict: bool) -> GateReport:
    labels = {metric.name: metric.label for metric in run.suite.experiment.metrics}
    changes = _ordered(comparison.changes)
    findings = tuple(words.findings(changes, labels, strict=strict))
    outcome = comparison.outcome(strict=strict)
    failed = int(new.frame["status"].isin(["failed", "lost", "missing"]).sum())
    identical = bool((comparison.changes["verdict"] == Verdict.IDENTICAL).all())
    assumed = [] if old.kind == "means" or identical else [gate_rates.assumption(run)]
    mixed = mixtures(run, {job.key for job in run.planned()})
    table = _table(changes, labels, comparison.alpha)
    provenance = dict(words.provenance(old, new))
    sections = [
        Section(
            f"Verdict: {words.OUTCOMES[outcome]}",
            [
                *words.lead(comparison, outcome, strict=strict, failed=failed),
                *words.looks(now, outcome),
            ],
            [
                *words.alarms(findings),
                *words.diverged(old, new),
                *words.not_compared(comparison),
                *words.deterministic(old, new, comparison, labels),
            ],
            verdict=True,
        ),
        Section("What else differs", assumed, points=[*mixed, *words.environment(old, new, identical=identical)]),
        Section("Changes", [words.CHANGES], exhibits=[table], appendix=not table.frame[table.headline].any()),
        *gate_rates.sections(run),
        Section("How it was compared", points=list(words.methods(comparison, strict=strict)), appendix=True),
        Section("Provenance", facts=provenance, appendix=True),
    ]
    assert new.origin is not None
    title = f"{new.origin.suite}: compared with {old.source}"
    data = {"changes": comparison.changes}
    return GateReport(
        title=title,
        provenance=provenance,
        sections=sections,
        data=data,
        outcome=outcome,
        runs_failed=failed,
        findings=findings,
        look=now,
        wants_more_seeds=now.number < now.of and comparison.outcome() == "inconclusive",
    )


def _ordered(changes: pd.DataFrame) -> pd.DataFrame:
    """The worst verdicts first, alarms before the rest."""
    rank = changes["verdict"].map({verdict: position for position, verdict in enumerate(Verdict)})
    order = changes.assign(rank=rank, calm=~changes["alarm"].astype(bool)).sort_values(["calm", "rank"], kind="stable")
    return order.drop(columns=["rank", "calm"])


def _table(changes: pd.DataFrame, labels: Mapping[str, str], alpha: float) -> Table:
    shown = changes.assign(
        label=[labels.get(name, name) for name in changes["metric"]],
        headline=~changes["verdict"].isin([Verdict.IDENTICAL, Verdict.EQUIVALENT]),
        survives=changes["alarm"].astype(bool),
    )
    columns = (
        Column("Metric", ("label",), key=True),
        Column("Where", ("where",), key=True),
        Column("Verdict", ("verdict",), "verdict"),
        Column("Before", ("old",), "value", detail=True),
        Column("Now", ("new",), "value", detail=True),
        Column("Scale", ("scale",), detail=True),
        Column(f"Change [{100 * (1 - alpha):.3g}% CI]", ("estimate", "low", "high"), "interval"),
        Column("Margin", ("margin",), "value"),
        Column("p", ("p",), "p", detail=True),
        Column("Adj. p", ("p_adjusted", "survives"), "p_marked"),
        Column("n", ("n",), "count", detail=True),
        Column("Detectable", ("detectable",), "value", detail=True),
        Column("Seeds needed", ("seeds",), "count"),
    )
    return Table("Changes, the worst first", shown, columns, headline="headline")
