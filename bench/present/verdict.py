"""What a run came to -> the facts of the box that opens its report: claims, effects, limits, baseline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pandas import DataFrame

from bench.errors import BenchError
from bench.execute import baseline as baselines
from bench.execute.run import Run
from bench.judge.analysis import Analysis
from bench.judge.claims.verdicts import INCONCLUSIVE, NOT_IDENTIFIABLE, NOT_MEASURED, REFUTED, SUPPORTED
from bench.judge.sensitivity import sensitivity
from bench.present import compared, compared_words, numbers
from bench.present.claim_words import figure
from bench.present.report import signed
from bench.present.tables import ALPHA, Context

_MOST = 4
"""Claims that are quoted."""
_MEANING = {
    INCONCLUSIVE: "These seeds decide them neither way, which is no evidence against them",
    NOT_IDENTIFIABLE: "The cells of this design cannot tell them, whatever is measured",
    NOT_MEASURED: "No seed has a value in every cell that they compare",
}


def of_claims(claims: DataFrame, context: Context) -> Iterator[tuple[str, str]]:
    """The declared claims by verdict: what is decided in words, what is not by name; and what was credited wrongly."""
    labels = {metric.name: metric.label for metric in context.metrics}
    for name in (SUPPORTED, REFUTED):
        chosen = claims[claims["verdict"] == name]
        if len(chosen):
            quoted = [_quoted(row, labels[str(row.metric)]) for row in chosen.head(_MOST).itertuples()]
            more = len(chosen) - len(quoted)
            said = "; ".join([*quoted, *([f"and {more} more"] if more else [])])
            yield _counted(name, f"{numbers.counted(len(chosen), 'claim')} {name}"), f"{said}."
    for name, meaning in _MEANING.items():
        chosen = claims[claims["verdict"] == name]
        if len(chosen):
            listed = numbers.listed(list(chosen["claim"]), most=20)
            yield _counted(name, f"{numbers.counted(len(chosen), 'claim')} {name}"), f"{listed}. {meaning}."
    together = [row for row in claims.itertuples() if _others(row)]
    if together:
        others = dict.fromkeys(name for row in together for name in _others(row))
        credited = dict.fromkeys(str(row.credited_to) for row in together)
        named = numbers.listed([str(row.claim) for row in together])
        yield (
            "Not of one factor",
            f"{named}: credited to {numbers.listed(list(credited))}, while {numbers.listed(list(others))} changed too.",
        )


def of_effects(analysis: Analysis, context: Context) -> Iterator[tuple[str, str]]:
    """How many effects survive in which metrics, and the smallest that would have been found."""
    tested = analysis.contrasts[analysis.contrasts["p"].notna()]
    if tested.empty:
        return
    labels = {metric.name: metric.label for metric in context.metrics}
    survive = tested[tested["p_adjusted"] < ALPHA].groupby("metric", sort=False).size()
    found = [f"{survive[name]} in {label}" for name, label in labels.items() if name in survive]
    lead = f"Of {numbers.counted(len(tested), 'effect')} tested, {int(survive.sum()) or 'none'} "
    lead += f"survive{'s' if survive.sum() < 2 else ''} the adjustment for so many tests"
    yield "Effects, exploratory", f"{lead}{': ' if found else ''}{numbers.listed(found, most=9)}."
    mixed = analysis.estimable.loc[~analysis.estimable["estimable"].astype(bool), "effect"].nunique()
    cannot = ""
    if mixed:
        them = "effect is" if mixed == 1 else "effects are"
        cannot = f"{mixed} {them} mixed with others: where such an interaction exists, an effect above is biased. "
    if analysis.block:
        least = sensitivity(analysis.n_blocks, len(tested))
        cannot += (
            f"With {numbers.counted(analysis.n_blocks, context.block)}, an effect of {numbers.fixed(least.alone, 1)} "
            f"times its spread over {context.block}s is found with a probability of {least.power:.0%}"
        )
        cannot += f" (among {len(tested)} tests {numbers.fixed(least.in_family, 1)} times)" if len(tested) > 1 else ""
        cannot += "; smaller ones may be there unseen. "
    else:
        cannot += "The runs are taken as independent; where some share a seed, intervals and p mislead. "
    yield "Cannot tell", f"{cannot}Nothing is said of other data, sizes or settings."


def of_baseline(run: Run) -> Iterator[tuple[str, str]]:
    """How the run compares with its accepted baseline, if there is one."""
    path = baselines.default_path(run)
    if not path.is_file():
        return
    try:
        report = compared.build(run, baselines.load(path, run.folder.parent))
    except BenchError as error:
        yield "Baseline", f"{path} cannot be compared: {error.message}"
    else:
        yield f"Baseline: {compared_words.OUTCOMES[report.outcome]}", " ".join(report.sections[0].text)


def _counted(verdict: str, said: str) -> str:
    return f"{signed(verdict)[0]} {said}"


def _quoted(row: Any, metric: str) -> str:
    together = f", by {numbers.listed([str(row.credited_to), *_others(row)])} together" if _others(row) else ""
    late = ", post hoc" if row.declared == "post hoc" else ""
    return f"“{str(row.statement).rstrip('.')}” ({metric} {figure(row)}{together}{late})"


def _others(row: Any) -> list[str]:
    """The factors that changed besides the one to which a difference was credited."""
    return [name for name in row.changed.split(", ") if name != row.credited_to] if row.credited_to else []
