"""Declared claims: judged, a table and a picture of the verdicts, then each in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import isnan
from typing import Any

import numpy as np
from pandas import DataFrame
from scipy import stats

from bench.execute.interim import Looks
from bench.execute.run import Run
from bench.judge.claims.verdicts import ClaimVerdicts, judge_claims
from bench.judge.signed import DECIDED, FAILED
from bench.judge.signed import ClaimVerdict as Verdict
from bench.present import claim_words as words
from bench.present import numbers, state
from bench.present.figures.claims import claims_figure
from bench.present.figures.lines import lines_figure
from bench.present.report import Column, Section, Table, sign
from bench.present.study import Context


def is_judged(run: Run) -> bool:
    """Whether the suite of ``run`` makes claims that may be judged now: of a sequential run, after a look."""
    return bool(run.suite.claims) and (run.looks is None or bool(run.looks.taken))


def judge(run: Run, values: DataFrame, *, confidence: float = 0.95) -> ClaimVerdicts:
    """The verdicts on the claims of ``run``; ``values`` has one row a run, NaN where a run is not ok.

    A claim that was made, or changed, when results of its jobs were stored is post hoc. Of a sequential run, they are
    the verdicts of the last look that was taken, which there must be, by its seeds.
    """
    if run.looks is not None:
        return judge_look(run, run.looks, len(run.looks.taken), values, confidence=confidence)
    suite, late = run.suite, state.post_hoc(run)
    return judge_claims(values, list(suite.factors), suite.claims, post_hoc=late, confidence=confidence)


def judge_look(run: Run, planned: Looks, number: int, values: DataFrame, *, confidence: float = 0.95) -> ClaimVerdicts:
    """The verdicts at the look of this ``number``: those that a look gave, and of the others those by its seeds."""
    suite = run.suite
    return judge_claims(
        values[values["seed"].isin(planned.seen(number))], list(suite.factors), suite.claims,
        post_hoc=state.post_hoc(run), alpha=planned.alphas[number - 1], decided=planned.verdicts(suite.claims),
        looks={claim.id: planned.deciding_look(claim) for claim in suite.claims}, confidence=confidence,
    )  # fmt: skip


def sections(run: Run, verdicts: ClaimVerdicts, context: Context, *, unfinished: bool) -> Iterator[Section]:
    """The verdicts at a glance, then folded each claim in words."""
    sequential = [] if run.looks is None else list(state.of_looks(run, run.looks, verdicts.claims))
    claims, labels = verdicts.rows, context.labels
    rows: list[Any] = list(claims.itertuples())
    shown = claims.assign(
        verdict=[words.verdict(row) for row in rows],
        estimated=[f"{labels[str(row.metric)]} {words.figure(row)}" for row in rows],
        others=["" if isnan(row.p) else numbers.listed(words.other_verdicts(row)) or "the same" for row in rows],
        published=[words.published(row) for row in rows],
        decides=claims["verdict"].isin(DECIDED) & (claims["p_adjusted"] <= claims["alpha"]),
    )
    columns = (
        Column("Claim", ("claim",), key=True), Column("Verdict", ("verdict",), "verdict"),
        Column(f"Estimate [{context.level} CI]", ("estimated",)), Column("p", ("p",), "p", detail=True),
        Column("adj. p", ("p_adjusted", "side"), "p_sided", mark="decides"),
        Column("By other methods", ("others",), detail=True), Column("Published", ("published",), detail=True),
    )  # fmt: skip
    how = _HOW.format(alpha=f"{claims['alpha'].iloc[0]:.3g}")
    caveats = [f"{metric.label}: {metric.note}" for metric, _ in context.by_metric(claims) if metric.note]
    table = Table("Verdicts", shown, columns, notes=[how, *caveats])
    drawn = _drawn(shown, {claim.id: claim.label for claim in run.suite.claims}, context.confidence)
    with_lines = shown[shown["claim"].isin(verdicts.lines["claim"])]
    lines = [lines_figure(metric, own, verdicts.lines, context) for metric, own in context.by_metric(with_lines)]
    said = [*_overview(claims, unfinished=unfinished), *state.sentences(run), *sequential]
    yield Section("Claims", said, exhibits=[claims_figure(drawn, context.metrics), table, *lines])
    quoted = words.sentences(verdicts, context)
    facts = {f"{sign(words.verdict(row))} {row.claim}": " ".join(quoted[str(row.claim)]).strip() for row in rows}
    yield Section("The claims one by one", facts=facts, appendix=True)


def _drawn(claims: DataFrame, labels: Mapping[str, str], confidence: float) -> DataFrame:
    """The claims as their picture takes them: limits at the level at which each was judged, and the published value."""
    claims = claims[claims["scale"].isin(["difference", "ratio"])]
    ratio = (claims["scale"] == "ratio").to_numpy()
    estimate, low, high, p, adjusted = claims[["estimate", "low", "high", "p", "p_adjusted"]].to_numpy(float).T
    with np.errstate(invalid="ignore", divide="ignore"):
        middle, bottom, top = (np.where(ratio, np.log(value), value) for value in (estimate, low, high))
        share = np.where(adjusted > 0, p / adjusted, 1.0)  # the part of alpha that this claim had in the family
        sides = np.where(claims["expect"] == "equivalent", 1, 2)  # two one-sided tests, or one with two sides
        df = np.maximum(claims["n"].to_numpy(float) - 1, 1)
        wider = stats.t.isf(claims["alpha"] * share / sides, df) / stats.t.isf((1 - confidence) / 2, df)
        limits = [middle + (limit - middle) * wider for limit in (bottom, top)]
        start, end = (np.where(ratio, np.exp(limit), limit) for limit in limits)
    return claims.assign(
        start=start, end=end, label=[labels[claim] or claim for claim in claims["claim"]],
        sign=[sign(verdict) for verdict in claims["verdict"]],
        published=[words.published_value(row) for row in claims.itertuples()],
    )  # fmt: skip


def frames(verdicts: ClaimVerdicts, context: Context) -> Mapping[str, DataFrame]:
    """The result frames by name, each claim with a sentence to quote and with remarks."""
    quoted = words.sentences(verdicts, context)
    sentence, remarks = zip(*(quoted[name] for name in verdicts.claims["claim"]), strict=True)
    others = {f"claim_{name}": getattr(verdicts, name) for name in ("tests", "published", "levels", "parts", "lines")}
    return {"claims": verdicts.claims.assign(sentence=sentence, remarks=remarks), **others}


def counted(claims: DataFrame) -> str:
    """``2 supported, 1 supported jointly, 14 inconclusive and none refuted``: how many claims have which verdict."""
    counts = Counter(words.verdict_alone(row) for row in claims.itertuples())
    listed = [f"{counts[name]} {name}" for name in dict.fromkeys([Verdict.SUPPORTED, words.JOINTLY, *Verdict])
              if counts[name]]  # fmt: skip
    return numbers.listed(listed if any(counts[verdict] for verdict in FAILED) else [*listed, "none refuted"])


def _overview(claims: DataFrame, *, unfinished: bool) -> Iterator[str]:
    lead = f"Of {numbers.counted(len(claims), 'claim')} declared by the suite: {counted(claims)}."
    late = int((claims["declared"] == words.POST_HOC).sum())
    if late:
        lead += f" {late} of them {'was' if late == 1 else 'were'} made or changed after results were seen: post hoc."
    if words.JOINTLY in lead:
        lead += " Supported jointly (~): the claim credits one factor with what several changed together."
    yield f"Provisional, for runs are missing: {lead[0].lower()}{lead[1:]}" if unfinished else lead


_HOW = (
    "Each claim is one contrast per seed and a t test of it, adjusted by Holm over the claims. Supported: the adjusted "
    "p for the claim is at most {alpha}. Refuted: that against it is, because the effect goes the other way or an "
    "effect as large as the margin is excluded. Immaterial: both are, so the effect is real and smaller than the "
    "margin. Inconclusive is no evidence against a claim. The p shown is the smaller one; “against” marks that against "
    "the claim. Directions are tested two-sided, equivalence by two one-sided tests. Other methods: the block model, "
    "sign flips, the other scale (log or as measured), each seed left out in turn."
)
