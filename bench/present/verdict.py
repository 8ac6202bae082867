"""What a run came to -> the box that opens its report: claims, the next step, effects, limits, baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from math import isfinite
from typing import Any

from pandas import DataFrame

from bench.errors import BenchError
from bench.execute import baseline as baselines
from bench.execute.run import Run
from bench.judge.claims.verdicts import ClaimVerdicts
from bench.judge.sensitivity import POWER, seeds_to_find, smallest_d_z
from bench.judge.signed import DECIDED
from bench.judge.signed import ClaimVerdict as Verdict
from bench.plan.claims import Claim
from bench.plan.find import from_project
from bench.present import claim_words, compared, numbers
from bench.present.render.layout import wrapped
from bench.present.report import Finding
from bench.present.sections import claims
from bench.present.sections.factors import interacting
from bench.present.sections.losses import lost
from bench.present.study import ALPHA, Context, Study

_LINES, _COLUMNS = 30, 80
"""What the opening fits into, but where troubles and the fewest claims that are shown leave no room."""
_HEAD = 5
"""Lines of the title, of the heading, and of how many claims have which verdict."""
_FEWEST, _MOST = 2, 6
"""Claims that are shown, and metrics of which the survivors are named."""
_MOST_LOSSES = 2
"""Kinds of lost runs that are named."""


def of_claims(
    verdicts: ClaimVerdicts, declared: Sequence[Claim], context: Context, others: Sequence[str]
) -> tuple[str, list[Finding], Mapping[str, str]]:
    """How many claims have which verdict; two lines for each that is shown; and what would decide the headline.

    First the headline (else the first claim), then those that are decided, as many as ``others``, the other paragraphs
    of the opening, leave room for.
    """
    of = {claim.id: claim for claim in declared}
    headline = next((claim.id for claim in declared if claim.headline), declared[0].id)
    rows = sorted(verdicts.rows.itertuples(), key=lambda row: (row.claim != headline, row.verdict not in DECIDED))
    shown = [
        claim_words.finding(row, of[str(row.claim)].label, context.labels[str(row.metric)], verdicts.parts)
        for row in rows[:_MOST]
    ]
    further = dict(_next(rows[0], context))
    paragraphs = [*others, *map(": ".join, further.items())]
    room = _LINES - _HEAD - sum(len(wrapped(text, _COLUMNS)) for text in paragraphs)
    heights = accumulate(
        1 + (len(f"{one.sign} {one.label} {one.number}") > _COLUMNS) + len(wrapped(one.caveat, _COLUMNS - 2))
        for one in shown
    )
    shown = shown[: max(_FEWEST, sum(height <= room for height in heights))]
    more = Counter(map(claim_words.verdict_alone, rows[len(shown) :]))
    rest = f" ({numbers.listed([f'{n} {name}' for name, n in more.items()])} not shown)" if more else ""
    count = f"{numbers.counted(len(rows), 'claim')}: {claims.counted(verdicts.rows)}{rest}."
    count += f" Verdicts go by adjusted p; intervals ({context.level}) are not adjusted." if len(rows) > 1 else ""
    return count, shown, further


def _next(row: Any, context: Context) -> Iterator[tuple[str, str]]:
    if row.verdict != Verdict.INCONCLUSIVE or row.side != "for" or not isfinite(row.t) or row.expect == "equivalent":
        return
    seeds = seeds_to_find(abs(row.t) / row.n**0.5, 1.0, row.family_size, alpha=row.alpha)
    why = "The headline, first above, is undecided"
    if row.p <= row.alpha < min(row.p_adjusted, row.p_refute):
        why = f"The headline, first above, would be supported as the only claim, but not among {row.family_size}"
    more = f"a cell ({numbers.count(seeds - row.n)} more)" if row.n == row.seeds else "with values in every cell"
    text = f"{why}. About {numbers.count(seeds)} {context.block}s {more} would decide it with power {POWER:.0%} if the "
    text += "effect is as estimated"
    if others := claim_words.others_changed(row):
        text += f"; to credit {row.credited_to}, compare cells with the same {numbers.listed(others)}"
    yield "Next", f"{text}."


def of_effects(study: Study) -> Iterator[tuple[str, str]]:
    """Which effects survive in which metrics, where main effects mislead, and what would have been missed."""
    tested, told = study.tested, study.told
    if study.analysis.lost:
        yield "Without values", " ".join(study.analysis.lost)
    if runs := list(lost(told)):
        yield "Lost runs", " ".join(runs[:_MOST_LOSSES])
    if tested.empty:
        yield "Effects", "None can be tested here; the tables describe the runs."
        return
    survive = tested[tested["p_adjusted"] < ALPHA].sort_values("p", kind="stable")
    first = list(told.by_metric(survive))[:_MOST]
    listed = [f"{metric.label} ({numbers.listed([*map(told.term, rows['term'])], most=2)})" for metric, rows in first]
    others = survive[~survive["metric"].isin([metric.name for metric, _ in first])]
    if len(others):
        listed.append(f"{len(others)} in {numbers.counted(others['metric'].nunique(), 'further metric')}")
    n_metrics = tested["metric"].nunique()
    of = f"{numbers.counted(len(tested), 'effect')}{f' on {n_metrics} metrics' if n_metrics > 1 else ''}"
    lead = f"{len(survive) or 'None'} of {of} survive{'s' if len(survive) < 2 else ''} the adjustment"
    yield "Effects, exploratory", f"{lead}{': ' if listed else ''}{numbers.listed(listed, most=_MOST + 1)}."
    if pairs := interacting(told):
        yield (
            "Main effects mislead",
            f"in {numbers.listed(list(pairs), most=4)}: there one factor's effect depends on another.",
        )
    yield "Cannot tell", " ".join(_cannot_tell(study, tested))


def _cannot_tell(study: Study, tested: DataFrame) -> Iterator[str]:
    if mixed := len(study.mixed):
        them = "effect cannot" if mixed == 1 else "effects cannot"
        yield f"{mixed} {them} be told from others: where such an interaction exists, an effect above is biased."
    if not study.block:
        yield "The runs are taken as independent; where some share a seed, intervals and p mislead."
        return
    blocks = int(tested["n"].min())
    sizes = [f"{numbers.fixed(smallest_d_z(blocks), 1)} (one test)"]
    for name, size in (("claims", study.n_claims), ("effects", len(tested))):
        if size > 1:
            sizes.append(f"{numbers.fixed(smallest_d_z(blocks, size), 1)} ({size} {name})")
    yield (
        f"{numbers.counted(blocks, study.block)} have a power of {POWER:.0%} only for effects of at least "
        f"{numbers.listed(sizes)} times their SD over {study.block}s."
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
        yield "Baseline", f"{from_project(path)} cannot be compared: {error.message}"
    else:
        outcome = compared.OUTCOMES[report.outcome]
        yield f"Baseline: {outcome}", " ".join([f"Compared with {from_project(path)}.", *report.sections[0].text])
