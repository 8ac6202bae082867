"""A run, or an analysis of anyone's table, becomes a report: its state first, then what was found, and the rest."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields

import pandas as pd

from bench.errors import BenchError
from bench.execute import REPORTS
from bench.execute.results import measured, remarks, wide
from bench.execute.run import Run
from bench.experiment import Metric
from bench.judge.analysis import Analysis, analyze
from bench.judge.metric_options import suite_options
from bench.judge.proxies import proxy_frame
from bench.plan.design import n_cells
from bench.plan.suite import Plan
from bench.present import gate_rates, numbers, state, verdict
from bench.present.origin import mixtures, origin
from bench.present.report import Finding, Report, Section, Shown
from bench.present.sections import analysis_sections, claims
from bench.present.sections.cells import proxy_section
from bench.present.sections.published import published
from bench.present.study import Study

_MOST_NOTES = 4
"""Remarks of the analysis of a table in the verdict; all stand under Methods."""


def build(run: Run, *, confidence: float = 0.95, metrics: Sequence[str] = ()) -> Report:
    """Everything there is to say about ``run`` as it is stored now, finished or not; ``confidence`` of its intervals.

    ``metrics``: names of those to tell in words, tables and figures; their adjusted p stay those of the whole family.
    ``data`` of the report holds ``runs`` (one row a planned run), ``remarks``, the frames of the analysis, and those of
    the claims, if the suite makes any: of all metrics.

    Raises:
        BenchError: there is no such metric.
    """
    suite = run.suite
    known = [metric.name for metric in suite.experiment.metrics]
    if unknown := [name for name in metrics if name not in known]:
        hint = f"There are: {numbers.listed(known, most=99)}."
        raise BenchError(f"No metric is called {' or '.join(map(repr, unknown))}.", hint=hint)
    jobs, reasons = wide(run), remarks(run)
    command, planned = _command(run), set(jobs["run"])
    stated = [
        *state.overview(jobs, known, command, run.n_planned),
        *state.alarms(run.contents, planned), *mixtures(run, planned), *state.replication(suite),
    ]  # fmt: skip
    facts: dict[str, str] = {}
    findings: Sequence[Finding] = ()
    body: list[Section] = []
    data: dict[str, pd.DataFrame] = {"runs": jobs, "remarks": reasons}
    if (jobs["status"] == "ok").any():
        judged = claims.is_judged(run)
        study = Study(
            suite.factors, suite.experiment.metrics, confidence=confidence, chosen=metrics,
            analysis=analyze_run(suite, jobs, confidence=confidence), n_claims=len(suite.claims) if judged else 0,
            claimed=frozenset(claim.metric for claim in suite.claims),
        )  # fmt: skip
        data |= frames(study)
        body = analysis_sections(study)
        facts |= verdict.of_effects(study)
        if suite.published is not None:
            beside, data["published"] = published(run, study.told)
            body.insert([part.title for part in body].index("Means"), beside)
            facts["Published table"] = f"{beside.text[0].partition(';')[0].rstrip('.')}."
        facts |= verdict.of_baseline(run)
        if judged:
            verdicts = claims.judge(run, measured(suite, jobs), confidence=confidence)
            data |= claims.frames(verdicts, study)
            others = [*stated, *map(": ".join, facts.items())]
            count, findings, further = verdict.of_claims(verdicts, suite.claims, study, others)
            stated[0] = f"{stated[0]} {count}"
            facts = {**further, **facts}
            body[:0] = claims.sections(run, verdicts, study, unfinished=state.is_unfinished(jobs))
        elif run.looks is not None and suite.claims:
            untaken = (
                f"No look was taken yet: the first is planned at {run.looks.looks[0]} seeds, and no claim is judged "
                f"before. {run.suite.command} --sequential goes on."
            )
            facts = {"Claims": untaken, **facts}
        if suite.proxies is not None:
            data["proxies"] = proxy_frame(measured(suite, jobs), list(suite.factors), "seed", suite.proxies, confidence)
            body.append(proxy_section(data["proxies"], study))
    else:
        stated.append("Nothing was found yet: no run has a result.")
    provenance = origin(run)
    lacking = [state.without_value(reasons, list(suite.factors))] if len(reasons) else []
    sections = [
        Section("Verdict", stated, findings=findings, facts=facts, verdict=True), *body, *lacking,
        *gate_rates.sections(run), Section("Provenance", facts=provenance, appendix=True),
    ]  # fmt: skip
    title = f"{suite.name}: {numbers.counted(n_cells(suite), 'cell')} × {state.seed_count(suite)}"
    return Report(title, provenance, sections, data)


def frames(study: Study) -> Mapping[str, pd.DataFrame]:
    """The result frames by name; the contrasts with the levels ``from`` and ``to`` of a main effect, and margins."""
    held = {field.name: getattr(study.analysis, field.name) for field in fields(study.analysis)}
    contrasts, margins = study.analysis.contrasts, dict(study.margins)
    changes = [study.steps.get(name, ("", "", "")) for name in contrasts["effect"]]
    ends = {end: [str(change[place]) for change in changes] for place, end in ((1, "from"), (2, "to"))}
    held["contrasts"] = contrasts.assign(**ends, margin=contrasts["metric"].map(margins).astype(float))
    return {name: frame for name, frame in held.items() if isinstance(frame, pd.DataFrame)}


def _command(run: Run) -> str:
    """What finishes the run, with the options that it was started with."""
    if run.suite.in_python:
        out = "" if run.folder.parent == REPORTS else f", out={str(run.folder.parent)!r}"
        return f"bench.run(suite{', sequential=True' if run.looks is not None else ''}{out})"
    command = ["bench", "run", str(run.suite.path)]
    if run.looks is not None:
        command += ["--sequential"]
    elif run.suite.seeds != run.suite.declared_seeds:
        units = run.suite.seeds if run.suite.strata is None else run.suite.strata.seeds[run.suite.strata.unit]
        command += ["--seeds", numbers.ranges(units, to="-", between=",")]
    if run.folder.parent != REPORTS:
        command += ["--out", str(run.folder.parent)]
    return shlex.join(command)


def analyze_run(suite: Plan, jobs: pd.DataFrame, *, confidence: float = 0.95) -> Analysis:
    """The analysis of the runs that are ok; the values of all others count as missing."""
    values, options = measured(suite, jobs), suite_options(suite)
    columns = [] if suite.strata is None else list(suite.strata.columns.values())
    return analyze(values, list(suite.factors), "seed", options, strata=columns, confidence=confidence)


class Analyzed(Shown, Analysis):
    """An analysis that shows itself."""

    def report(self, title: str = "table") -> Report:
        """The whole report on it, under this title, for every format."""
        return analyzed(self, title)


def analyzed(analysis: Analysis, title: str) -> Report:
    """What ``analysis`` found in the table called ``title``, without a suite, a store or an experiment."""
    metrics = [
        Metric(option.name, option.name, better=option.better, scale="log" if option.log else "identity")
        for option in analysis.metrics
    ]
    study = Study(analysis.factors, metrics, analysis.block, analysis.confidence, analysis=analysis)
    first = analysis.cells[analysis.cells["metric"] == metrics[0].name]
    runs = int(first[["n", "n_missing"]].to_numpy().sum())
    size = f"{numbers.counted(len(first), 'cell')}, {numbers.counted(runs, 'run')}"
    if analysis.block:
        size += f", {numbers.counted(analysis.n_blocks, 'block')} ({analysis.block})"
    notes, facts = list(analysis.notes[:_MOST_NOTES]), dict(verdict.of_effects(study))
    opening = Section("Verdict", notes, facts=facts, verdict=True)
    return Report(f"{title}: {size}", {}, [opening, *analysis_sections(study)], frames(study))
