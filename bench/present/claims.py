"""Declared claims become the first sections of a report: a table of verdicts, then each in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pandas import DataFrame

from bench.execute.run import Run
from bench.judge.claims import ALPHA, REFUTED, SUPPORTED, VERDICTS, ClaimVerdicts, judge_claims
from bench.present import numbers
from bench.present.claim_words import figure, sentences
from bench.present.report import Column, Section, Table
from bench.present.tables import Context

_POST_HOC = "post hoc"


def judge(run: Run, values: DataFrame) -> ClaimVerdicts:
    """The verdicts on the claims of ``run``; ``values`` has one row a run, NaN where a run is not ok.

    A claim that was made, or changed, when results were stored already is post hoc.
    """
    declared = run.declared
    late = [claim.id for claim in run.suite.claims if claim.id not in declared or declared[claim.id].results > 0]
    return judge_claims(values, list(run.suite.factors), run.suite.claims, post_hoc=late)


def sections(verdicts: ClaimVerdicts, context: Context, *, unfinished: bool) -> Iterator[Section]:
    """The verdicts at a glance, then each claim in words."""
    claims = verdicts.claims
    shown = claims.assign(
        verdict=[_verdict(row) for row in claims.itertuples()],
        found=[figure(row) for row in claims.itertuples()],
        survives=claims["verdict"].isin([SUPPORTED, REFUTED]),
    )
    columns = (
        Column("Claim", ("claim",), key=True),
        Column("Verdict", ("verdict",)),
        Column("Found [95% CI]", ("found",)),
        Column("p", ("p",), "p", detail=True),
        Column("adj. p", ("p_adjusted", "survives"), "p_marked"),
        Column("Published", ("published",), detail=True),
    )
    yield Section("Claims", [*_overview(claims, unfinished=unfinished)], tables=[Table("Verdicts", shown, columns)])
    said = sentences(verdicts, context)
    points = [
        f"{name} ({verdict}). {said[name]}" for name, verdict in zip(shown["claim"], shown["verdict"], strict=True)
    ]
    parts = list(_parts(verdicts.parts))
    yield Section("The claims one by one", points=points, tables=parts)


def appendices(verdicts: ClaimVerdicts) -> Iterator[Section]:
    """Each claim within single levels of the factors that it averages over, if there are any."""
    if len(verdicts.levels):
        yield Section("The claims level by level", tables=[_levels(verdicts.levels)], appendix=True)


def frames(verdicts: ClaimVerdicts, context: Context) -> Mapping[str, DataFrame]:
    """The result frames by name, each claim with its verdict in a sentence."""
    said = sentences(verdicts, context)
    worded = verdicts.claims.assign(sentence=[said[name] for name in verdicts.claims["claim"]])
    return {"claims": worded, "claim_levels": verdicts.levels, "claim_parts": verdicts.parts}


def _overview(claims: DataFrame, *, unfinished: bool) -> Iterator[str]:
    counts = Counter(claims["verdict"])
    found = numbers.listed([f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]])
    lead = f"Of {numbers.counted(len(claims), 'claim')} declared by the suite: {found}."
    late = int((claims["declared"] == _POST_HOC).sum())
    if late:
        lead += f" {late} of them {'was' if late == 1 else 'were'} made or changed after results were seen: post hoc."
    yield f"Provisional, for runs are missing: {lead[0].lower()}{lead[1:]}" if unfinished else lead
    yield (
        f"Supported or refuted means an adjusted p of at most {ALPHA} (Holm, over the claims) for the claim or for its "
        "contrary; each is one contrast per seed and t on it. Directions are tested two-sided, because a claim can be "
        "wrong as well as right; equivalence by two one-sided tests against the margin. Inconclusive is no evidence "
        "against a claim."
    )


def _verdict(row: Any) -> str:
    return f"{row.verdict}, {_POST_HOC}" if row.declared == _POST_HOC else str(row.verdict)


def _parts(parts: DataFrame) -> Iterator[Table]:
    if parts["change"].notna().any():
        columns = (
            Column("Claim", ("claim",), key=True),
            Column("Part", ("part",), key=True),
            Column("Change", ("change",), "percent"),
            Column("95% from", ("low",), "percent"),
            Column("to", ("high",), "percent"),
            Column("Seeds", ("n",), "count", detail=True),
        )
        note = (
            "Relative to the mean of the earlier side (Fieller's intervals); a factor's part is what it changes alone, "
            "an interaction what is left over when its factors change together. The parts add up to the total."
        )
        yield Table("Differences credited to one factor, taken apart", parts, columns, notes=[note])


def _levels(levels: DataFrame) -> Table:
    columns = (
        Column("Claim", ("claim",), key=True),
        Column("Within", ("within",), key=True),
        Column("Effect [95% CI]", ("estimate", "low", "high"), "interval"),
        Column("p", ("p",), "p"),
    )
    within = [f"{factor} = {level}" for factor, level in zip(levels["factor"], levels["level"], strict=True)]
    return Table(
        "Each claim within single levels of the other factors, unadjusted", levels.assign(within=within), columns
    )
