"""What a run came to -> the facts of the box that opens its report: claims, effects, limits, baseline."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from typing import Any

from pandas import DataFrame

from bench.errors import BenchError
from bench.execute import baseline as baselines
from bench.execute.run import Run
from bench.judge.analysis import Analysis
from bench.judge.claims.verdicts import FAILED, ClaimVerdicts, Verdict
from bench.judge.sensitivity import sensitivity
from bench.present import compared, compared_words, numbers
from bench.present.claim_words import allows_published, contrary, credited_part, figure, others, together_with
from bench.present.report import sign
from bench.present.tables import ALPHA, Context
from bench.present.words import losses, misleading, unseen

_MOST = 4
"""Claims that are quoted."""
_MOST_MISLED = 2
"""Main effects that mislead, and kinds of lost runs, of those named in the verdict."""
_MEANING = {
    Verdict.INCONCLUSIVE: "Decided neither way by these seeds, which is no evidence against a claim",
    Verdict.NOT_IDENTIFIABLE: "Beyond the cells of this design, whatever is measured",
    Verdict.NOT_MEASURED: "No seed has a value in every cell compared",
}


def of_claims(verdicts: ClaimVerdicts, context: Context, *, unfinished: bool) -> Iterator[tuple[str, str]]:
    """The declared claims by verdict: what is decided in words, with what speaks against it, and the rest by name."""
    claims, labels = verdicts.rows, context.labels
    decided = {
        Verdict.SUPPORTED: [
            row for row in claims.itertuples() if row.verdict == Verdict.SUPPORTED and not together_with(row)
        ],
        f"{Verdict.SUPPORTED} of several factors together": [
            row for row in claims.itertuples() if row.verdict == Verdict.SUPPORTED and together_with(row)
        ],
        Verdict.IMMATERIAL: [row for row in claims.itertuples() if row.verdict == Verdict.IMMATERIAL],
        Verdict.REFUTED: [row for row in claims.itertuples() if row.verdict == Verdict.REFUTED],
    }
    for title, rows in decided.items():
        if rows:
            quoted = [_quoted(row, labels[str(row.metric)], verdicts.parts) for row in rows[:_MOST]]
            more = [f"and {len(rows) - _MOST} more"] if len(rows) > _MOST else []
            lead = "Provisional, for runs are missing: " if unfinished else ""
            yield _counted(title, len(rows)), f"{lead}{'; '.join([*quoted, *more])}."
    for name, meaning in _MEANING.items():
        listed = list(claims.loc[claims["verdict"] == name, "claim"])
        if listed:
            yield _counted(name, len(listed)), f"{numbers.listed(listed, most=20)}. {meaning}."


def of_effects(analysis: Analysis, context: Context, n_claims: int = 0) -> Iterator[tuple[str, str]]:
    """How many effects survive in which metrics, and the smallest that would have been found."""
    tested = analysis.terms[analysis.terms["p"].notna()]
    if analysis.lost:
        yield "Without values", " ".join(analysis.lost)
    if lost := list(losses(analysis, context)):
        yield "Lost runs", " ".join(lost[:_MOST_MISLED])
    if tested.empty:
        yield "Effects", "None can be tested here; the tables describe the runs."
        return
    labels = context.labels
    survive = tested[tested["p_adjusted"] < ALPHA].groupby("metric", sort=False).size()
    found = [f"{survive[name]} in {label}" for name, label in labels.items() if name in survive]
    lead = f"Of {numbers.counted(len(tested), 'effect')} tested, {int(survive.sum()) or 'none'} "
    lead += f"survive{'s' if survive.sum() < 2 else ''} the adjustment for so many tests"
    if len(tested) == 1:
        lead = f"The one effect that was tested is {'' if len(survive) else 'not '}significant"
    yield "Effects, exploratory", f"{lead}{': ' if found else ''}{numbers.listed(found, most=9)}."
    if misled := list(misleading(analysis, context)):
        more = f" And {len(misled) - _MOST_MISLED} more." if len(misled) > _MOST_MISLED else ""
        yield "Main effects that mislead", " ".join(misled[:_MOST_MISLED]) + more
    yield "Cannot tell", " ".join(_cannot_tell(analysis, context, tested, n_claims))


def _cannot_tell(analysis: Analysis, context: Context, tested: DataFrame, n_claims: int) -> Iterator[str]:
    mixed = len(unseen(analysis, context))
    if mixed:
        them = "effect cannot" if mixed == 1 else "effects cannot"
        yield f"{mixed} {them} be told from others: where such an interaction exists, an effect above is biased."
    if analysis.block:
        blocks = int(tested["n"].min())
        alone, among = sensitivity(blocks, 1), sensitivity(blocks, len(tested)).in_family
        said = (
            f"With {numbers.counted(blocks, context.block)}, a single test finds an effect of "
            f"{numbers.fixed(alone.alone, 1)} times its spread over {context.block}s with a probability of "
            f"{alone.power:.0%}"
        )
        said += (
            f"; among {len(tested)} effects it takes up to {numbers.fixed(among, 1)} times" if len(tested) > 1 else ""
        )
        if n_claims > 1:
            least = sensitivity(blocks, n_claims).in_family
            said += f", among {n_claims} claims up to {numbers.fixed(least, 1)} times"
        yield f"{said}. Smaller ones may be there unseen."
    else:
        yield "The runs are taken as independent; where some share a seed, intervals and p mislead."
    yield "Nothing is said of other data, sizes or settings."


def of_baseline(run: Run) -> Iterator[tuple[str, str]]:
    """How the run compares with its accepted baseline, if there is one."""
    path = baselines.default_path(run)
    if not path.is_file():
        return
    try:
        baseline = baselines.load(path, run.folder.parent)
        if baseline.kind == "means":  # a published table, which is shown beside ours
            return
        report = compared.build(run, baseline)
    except BenchError as error:
        yield "Baseline", f"{path} cannot be compared: {error.message}"
    else:
        outcome = compared_words.OUTCOMES[report.outcome]
        yield f"Baseline: {outcome}", " ".join([f"Compared with {path}.", *report.sections[0].text])


def _counted(verdict: str, number: int) -> str:
    return f"{sign(verdict)} {numbers.counted(number, 'claim')} {verdict}"


def _quoted(row: Any, metric: str, parts: DataFrame) -> str:
    """The statement, what was found, and what a reader must know beside the verdict."""
    said = [f"{metric} {figure(row)}"]
    if row.held:
        said.append(f"at {row.held}")
    if row.averaged_over:
        said.append(f"averaged over {numbers.listed(row.averaged_over.split(', '))}")
    if row.verdict in FAILED:
        said.append(contrary(row))
        if allows_published(row):
            said.append("the published change is not excluded")
    if besides := together_with(row):
        own = credited_part(row, parts)
        alone = "cannot be told" if isnan(own["change"]) else f"makes {numbers.percent_interval(*own[_PART])}"
        said.append(f"{numbers.listed(besides)} changed too: {row.credited_to} alone {alone}")
    if row.n < row.seeds:
        said.append(f"by {row.n} of {row.seeds} seeds")
    if row.declared == "post hoc":
        said.append("post hoc")
    said += others(row)
    return f"“{str(row.statement).rstrip('.')}” ({'; '.join(said)})"


_PART = ["change", "low", "high"]
