"""What a run came to -> the facts of the box that opens its report: claims, effects, limits, baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from typing import Any

from pandas import DataFrame

from bench.errors import BenchError
from bench.execute import baseline as baselines
from bench.execute.run import Run
from bench.judge.analysis import Analysis
from bench.judge.claims.verdicts import DECIDED, FAILED, ClaimVerdicts, Verdict
from bench.judge.sensitivity import sensitivity
from bench.plan.claims import Claim
from bench.present import compared, compared_words, numbers
from bench.present.claim_words import contrary, credited_part, figure, others, together_with
from bench.present.report import Finding, sign
from bench.present.tables import ALPHA, Context
from bench.present.words import losses, misleading, unseen

_MOST = 7
"""Claims that are shown, so that the opening fits one screen of 30 lines; the others are counted."""
_MOST_LOSSES = 2
"""Kinds of lost runs that are named."""


def of_claims(
    verdicts: ClaimVerdicts, claims: Sequence[Claim], context: Context
) -> tuple[list[Finding], Mapping[str, str]]:
    """The declared claims in two lines each, and a fact that counts those for which there is no room.

    First the headline (else the first claim), then those that are decided.
    """
    of = {claim.id: claim for claim in claims}
    headline = next((claim.id for claim in claims if claim.headline), claims[0].id)
    rows = sorted(verdicts.rows.itertuples(), key=lambda row: (row.claim != headline, row.verdict not in DECIDED))
    shown = [_finding(row, of[str(row.claim)].label, context, verdicts.parts) for row in rows[:_MOST]]
    counts = Counter(str(row.verdict) for row in rows[_MOST:])
    listed = numbers.listed([f"{number} {verdict}" for verdict, number in counts.items()])
    return shown, {f"{numbers.counted(sum(counts.values()), 'further claim')}": f"{listed}."} if counts else {}


def of_effects(analysis: Analysis, context: Context, n_claims: int = 0) -> Iterator[tuple[str, str]]:
    """How many effects survive in which metrics, and the smallest that would have been found."""
    tested = analysis.terms[analysis.terms["p"].notna()]
    if analysis.lost:
        yield "Without values", " ".join(analysis.lost)
    if lost := list(losses(analysis, context)):
        yield "Lost runs", " ".join(lost[:_MOST_LOSSES])
    if tested.empty:
        yield "Effects", "None can be tested here; the tables describe the runs."
        return
    labels = context.labels
    survive = tested[tested["p_adjusted"] < ALPHA].groupby("metric", sort=False).size()
    listed = [f"{survive[name]} in {label}" for name, label in labels.items() if name in survive]
    lead = f"{int(survive.sum()) or 'None'} of {numbers.counted(len(tested), 'effect')} survive"
    lead += f"{'s' if survive.sum() < 2 else ''} the adjustment"
    yield "Effects, exploratory", f"{lead}{': ' if listed else ''}{numbers.listed(listed, most=9)}."
    if misled := list(misleading(analysis, context)):
        more = f" And {len(misled) - 1} more." if len(misled) > 1 else ""
        yield "Main effects that mislead", misled[0] + more
    yield "Cannot tell", " ".join(_cannot_tell(analysis, context, tested, n_claims))


def _cannot_tell(analysis: Analysis, context: Context, tested: DataFrame, n_claims: int) -> Iterator[str]:
    mixed = len(unseen(analysis, context))
    if mixed:
        them = "effect cannot" if mixed == 1 else "effects cannot"
        yield f"{mixed} {them} be told from others: where such an interaction exists, an effect above is biased."
    if not analysis.block:
        yield "The runs are taken as independent; where some share a seed, intervals and p mislead."
        return
    blocks = int(tested["n"].min())
    families = {"claims": n_claims, "all effects": len(tested)}
    alone = sensitivity(blocks, 1)
    sizes = [f"{numbers.fixed(alone.alone, 1)} (one)"]
    for name, size in families.items():
        if size > 1:
            sizes.append(f"{numbers.fixed(sensitivity(blocks, size).in_family, 1)} ({name})")
    yield (
        f"Effects smaller than {numbers.listed(sizes)} times their spread over {context.block}s: "
        f"{numbers.counted(blocks, context.block)} show larger ones with a probability of {alone.power:.0%}."
    )


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


def _finding(row: Any, label: str, context: Context, parts: DataFrame) -> Finding:
    mark = "~" if row.verdict == Verdict.SUPPORTED and together_with(row) else sign(str(row.verdict))
    number = f"{context.labels[str(row.metric)]} {figure(row)}"
    return Finding(mark, label or str(row.claim), number, _caveat(row, parts), str(row.statement))


def _caveat(row: Any, parts: DataFrame) -> str:
    """The verdict, and the one thing to know beside it."""
    if row.verdict == Verdict.NOT_IDENTIFIABLE:
        why = "beyond the cells of this design"
    elif row.verdict == Verdict.NOT_MEASURED:
        why = "no seed has a value in every cell compared"
    elif row.verdict in FAILED:
        why = contrary(row)
    elif isnan(row.p):
        why = "nothing varies over the seeds, or they are too few"
    else:
        why = "; ".join([_p(row), *_besides(row, parts)][:2])
    late = " post hoc, made after results were seen" if row.declared == "post hoc" else ""
    return f"{row.verdict}{late}: {why}"


def _p(row: Any) -> str:
    alone = f" (alone {numbers.p_value(row.p)})" if row.p <= row.alpha < row.p_adjusted else ""
    return f"adj. p {numbers.p_value(row.p_adjusted)}{'' if row.side == 'for' else ' against it'}{alone}"


def _besides(row: Any, parts: DataFrame) -> Iterator[str]:
    """What speaks against a claim beside its p, the gravest first."""
    if besides := together_with(row):
        own = credited_part(row, parts)
        alone = "cannot be told" if isnan(own["change"]) else numbers.percent(own["change"])
        yield f"{numbers.listed(besides)} changed too, {row.credited_to} alone {alone}"
    if row.verdict == Verdict.SUPPORTED:
        yield from others(row)
    if row.n < row.seeds:
        yield f"by {row.n} of {row.seeds} seeds"
