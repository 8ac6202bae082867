"""A run becomes a report: its state first, then what was found and what cannot be told, tables, methods, provenance."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from io import BytesIO

import pandas as pd

from bench.errors import BenchError
from bench.execute import REPORTS
from bench.execute.results import measured, remarks, wide
from bench.execute.run import Run
from bench.judge.analysis import Analysis, analyze
from bench.judge.metric_options import suite_options
from bench.judge.proxies import proxy_frame
from bench.judge.published_table import compare_published
from bench.plan.design import n_cells
from bench.plan.labels import cell_label
from bench.plan.suite import Plan
from bench.present import claims, gate_rates, looks, methods, numbers, state, strata, tables, verdict, words
from bench.present.components import component_sections
from bench.present.figures.published import published_figure
from bench.present.found import found
from bench.present.illustrate import illustrated
from bench.present.origin import mixtures, origin
from bench.present.proxies import proxy_section
from bench.present.report import Figure, Finding, Report, Section, Table
from bench.present.tables import Context


def build(run: Run, *, confidence: float = 0.95) -> Report:
    """Everything there is to say about ``run`` as it is stored now, finished or not; ``confidence`` of its intervals.

    ``data`` of the report holds ``runs`` (one row a planned run), ``remarks``, the frames of the analysis, and those of
    the claims, if the suite makes any.
    """
    suite = run.suite
    jobs, said = wide(run), remarks(run)
    stated = [
        *state.overview(jobs, [metric.name for metric in suite.experiment.metrics], _command(run)),
        *state.unlisted(len(jobs), run.n_planned, _command(run)),
        *state.alarms(run.contents, set(jobs["run"])),
        *mixtures(run, set(jobs["run"])),
        *strata.unit(suite),
    ]
    facts: dict[str, str] = {}
    findings: Sequence[Finding] = ()
    body: list[Section] = []
    data: dict[str, pd.DataFrame] = {"runs": jobs, "remarks": said}
    if (jobs["status"] == "ok").any():
        context = Context(suite.factors, suite.experiment.metrics, confidence=confidence)
        analysis = analyze_run(suite, jobs, confidence=confidence)
        data |= frames(analysis)
        judged = claims.is_judged(run)
        body = analysis_sections(analysis, context, n_claims=len(suite.claims) if judged else 0)
        if judged:
            verdicts = claims.judge(run, measured(suite, jobs), confidence=confidence)
            data |= claims.frames(verdicts, context)
            unfinished = state.is_unfinished(jobs)
            count, findings, further = verdict.of_claims(verdicts, suite.claims, context)
            stated[0] = f"{stated[0]} {count}"
            facts |= further
            body[:0] = claims.sections(run, verdicts, context, unfinished=unfinished)
        elif run.looks is not None and suite.claims:
            facts["Claims"] = looks.waiting(run, run.looks)
        facts |= verdict.of_effects(analysis, context, len(suite.claims))
        if suite.published is not None:
            published, data["published"] = _published(run, analysis, context)
            body.insert([part.title for part in body].index("Means"), published)
            facts[published.title] = f"{published.text[0].partition(';')[0].rstrip('.')}."
        facts |= verdict.of_baseline(run)
        if suite.proxies is not None:
            data["proxies"] = proxy_frame(measured(suite, jobs), list(suite.factors), "seed", suite.proxies, confidence)
            body.append(proxy_section(data["proxies"], context))
    else:
        stated.append("Nothing was found yet: no run has a result.")
    provenance = origin(run)
    sections = [
        Section("Verdict", stated, findings=findings, facts=facts, verdict=True),
        *body,
        *([state.without_value(said, list(suite.factors))] if len(said) else []),
        *gate_rates.sections(run),
        Section("Provenance", facts=provenance, appendix=True),
    ]
    title = f"{suite.name}: {numbers.counted(n_cells(suite), 'cell')} × {strata.seed_count(suite)}"
    return Report(title, provenance, sections, data)


def analysis_sections(analysis: Analysis, context: Context, *, n_claims: int = 0) -> list[Section]:
    """What an analysis found, of a run or of anyone's table, with its figures; ``n_claims`` are judged elsewhere."""
    return illustrated(list(_analysis_sections(analysis, context, n_claims)), analysis, context)


def _analysis_sections(analysis: Analysis, context: Context, n_claims: int) -> Iterator[Section]:
    effects = tables.effects(analysis.contrasts, context)
    caveats = [] if effects else [f"{metric.label}: {metric.note}" for metric in context.metrics if metric.note]
    yield Section("What was found", *found(analysis, context))
    yield Section("What this design cannot tell", points=list(words.limits(analysis, context)))
    if effects:
        yield Section(
            "Effects", [words.effects(analysis, context, n_claims)], exhibits=list(effects.values()), chief=True
        )
    several = list(tables.terms(analysis.terms, context))
    if several:
        exhibits = [*several, *tables.levels(analysis.levels, context)]
        yield Section("Factors with more than two levels", [words.terms(context)], exhibits=exhibits)
    if len(analysis.losses):
        exhibits = list(tables.losses(analysis, context))
        yield Section("Lost runs", list(words.losses(analysis, context)), exhibits=exhibits)
    if len(analysis.requested):
        asked = list(tables.requested(analysis.requested, context))
        yield Section("Contrasts asked for", [words.requested(context)], exhibits=asked)
    if len(analysis.simple):
        exhibits = list(tables.simple(analysis.simple, context))
        yield Section("Where main effects mislead", points=list(words.misleading(analysis, context)), exhibits=exhibits)
    if len(analysis.trends):
        exhibits = list(tables.trends(analysis.trends, context))
        yield Section("Trends", [words.trends(context)], exhibits=exhibits)
    yield Section("Means", exhibits=[tables.means(analysis, context, caveats)])
    if analysis.components is not None and analysis.needs is not None:
        yield from component_sections(analysis.components, analysis.needs, context)
    doubts = list(words.doubts(analysis.diagnostics, context))
    yield Section("Variation", points=doubts, exhibits=[tables.variation(analysis.cells, context)])
    if effects or analysis.anova_models:
        yield from _variance_and_cells(analysis, context)
    checks = tables.diagnostics(analysis.diagnostics, context)
    yield Section("Diagnostics", [words.DIAGNOSTICS], exhibits=[checks], appendix=True)
    if words.incomplete(analysis):
        yield Section(words.ESTIMABLE, exhibits=[tables.estimable(words.measured(analysis), context)], appendix=True)
    yield Section("Methods", points=list(methods.methods(analysis, context)), appendix=True)


def _variance_and_cells(analysis: Analysis, context: Context) -> Iterator[Section]:
    """The analysis of variance and the cells against the baseline; apart those of the metrics not shown in full."""
    margins = set(analysis.equivalence["metric"])
    shown = [metric for metric in context.metrics if metric.name in margins] or context.metrics
    further = [metric for metric in context.metrics if metric not in shown]
    for of, title, bulk in ((shown, "", False), (further, "Further metrics: ", True)):
        part = replace(context, metrics=of)
        anova = list(tables.anova(analysis.anova, part))
        routes = [*words.disagreements(analysis, context), words.ROUTES] if anova else []
        said = [] if bulk else [*analysis.anova_models, *routes]
        if anova or said:
            yield Section(f"{title}Analysis of variance", said, exhibits=anova, appendix=True, bulk=bulk)
        if pairs := list(tables.pairwise(analysis, part)):
            yield Section(f"{title}Cells against the baseline", exhibits=pairs, appendix=True, bulk=bulk)


def frames(analysis: Analysis) -> Mapping[str, pd.DataFrame]:
    """The result frames by name."""
    held = {field.name: getattr(analysis, field.name) for field in fields(analysis)}
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
    strata = [] if suite.strata is None else list(suite.strata.columns.values())
    return analyze(values, list(suite.factors), "seed", options, strata=strata, confidence=confidence)


def _published(run: Run, analysis: Analysis, context: Context) -> tuple[Section, pd.DataFrame]:
    title = "Beside the published table"
    try:
        frame = compare_published(analysis.cells, pd.read_csv(BytesIO(run.published)), list(context.factors))
    except (BenchError, OSError, ValueError) as error:
        return Section(title, [f"{run.suite.published} cannot be compared: {error}"], appendix=True), pd.DataFrame()
    named = frame.assign(cell=[cell_label(levels) for levels in frame[list(context.factors)].itertuples(index=False)])
    shown: list[Figure | Table] = [published_figure(named, context.metrics), *tables.published(frame, context)]
    return Section(title, list(words.published(frame, context)), exhibits=shown, appendix=True), frame
