"""Declared claims become sections of a report: a table of verdicts, then each in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import isnan
from typing import Any

import numpy as np
from pandas import DataFrame
from scipy import stats

from bench.execute.frames import measured, wide
from bench.execute.looks import Looks
from bench.execute.run import Run
from bench.execute.sequential import Judged
from bench.judge.claims.verdicts import DECIDED, HOPELESS, ClaimVerdicts, Verdict, judge_claims
from bench.present import looks, numbers, standing
from bench.present.claim_words import figure, others, sentences, together_with
from bench.present.figures.claims import claims_figure
from bench.present.report import Column, Section, Table, sign
from bench.present.tables import Context

_POST_HOC = "post hoc"


def is_judged(run: Run) -> bool:
    """Whether the suite of ``run`` makes claims that may be judged now: of a sequential run, after a look."""
    return bool(run.suite.claims) and (run.looks is None or bool(run.looks.taken))


def judge(run: Run, values: DataFrame, *, confidence: float = 0.95) -> ClaimVerdicts:
    """The verdicts on the claims of ``run``; ``values`` has one row a run, NaN where a run is not ok.

    A claim that was made, or changed, when results of its jobs were stored is post hoc. Of a sequential run, they are
    the verdicts of the last look that was taken, which there must be, by its seeds.
    """
    if run.looks is None:
        return _judge(run, values, confidence=confidence)
    return judge_look(run, run.looks, len(run.looks.taken), values, confidence=confidence)


def judge_look(run: Run, planned: Looks, number: int, values: DataFrame, *, confidence: float = 0.95) -> ClaimVerdicts:
    """The verdicts at the look of this ``number``: those that a look gave, and of the others those by its seeds."""
    seen = values[values["seed"].isin(planned.seen(number))]
    decided = planned.verdicts(run.suite.claims)
    at = {claim.id: planned.deciding_look(claim) for claim in run.suite.claims}
    return _judge(run, seen, alpha=planned.alphas[number - 1], decided=decided, looks=at, confidence=confidence)


def at_look(run: Run, planned: Looks, number: int) -> Judged:
    """What the claims of ``run`` come to at the look of this ``number``."""
    found = judge_look(run, planned, number, measured(run.suite, wide(run))).claims
    verdicts = dict(zip(found["claim"], found["verdict"], strict=True))
    decided = {name: verdict for name, verdict in verdicts.items() if verdict in DECIDED}
    return Judged(decided, {name for name, verdict in verdicts.items() if verdict in HOPELESS})


def _judge(run: Run, values: DataFrame, **options: Any) -> ClaimVerdicts:
    late = standing.post_hoc(run)
    return judge_claims(values, list(run.suite.factors), run.suite.claims, post_hoc=late, **options)


def sections(run: Run, verdicts: ClaimVerdicts, context: Context, *, unfinished: bool) -> Iterator[Section]:
    """The verdicts at a glance, then folded each claim in words and within single levels of the other factors."""
    sequential = [] if run.looks is None else list(looks.sentences(run, run.looks, verdicts.claims))
    claims = verdicts.rows
    labels, claimed = context.labels, set(claims["metric"])
    shown = claims.assign(
        verdict=[_verdict(row) for row in claims.itertuples()],
        found=[f"{labels[str(row.metric)]} {figure(row)}" for row in claims.itertuples()],
        others=[_others(row) for row in claims.itertuples()],
        decides=claims["verdict"].isin(DECIDED) & (claims["p_adjusted"] <= claims["alpha"]),
    )
    columns = (
        Column("Claim", ("claim",), key=True),
        Column("Verdict", ("verdict",), "verdict"),
        Column(f"Found [{context.level} CI]", ("found",)),
        Column("p", ("p",), "p", detail=True),
        Column("adj. p", ("p_adjusted", "side", "decides"), "p_sided"),
        Column("By other methods", ("others",), detail=True),
        Column("Published", ("published",), detail=True),
    )
    said = [*_overview(claims, unfinished=unfinished), *standing.sentences(run), *sequential]
    how = _HOW.format(alpha=format(claims["alpha"].iloc[0], ".3g"))
    caveats = [f"{metric.label}: {metric.note}" for metric in context.metrics if metric.note and metric.name in claimed]
    table = Table("Verdicts", shown, columns, notes=[how, _OTHER_METHODS, *caveats])
    picture = claims_figure(
        _drawn(shown, {claim.id: claim.label for claim in run.suite.claims}, context.confidence), context.metrics
    )
    yield Section("Claims", said, exhibits=[picture, table, *_parts(verdicts.parts, context)])
    worded = sentences(verdicts, context)
    facts = {
        f"{sign(verdict)} {name}, {verdict}": worded[name]
        for name, verdict in zip(shown["claim"], shown["verdict"], strict=True)
    }
    yield Section("The claims one by one", facts=facts, appendix=True)
    if len(verdicts.levels):
        yield Section("The claims level by level", exhibits=[_levels(verdicts.levels, context)], appendix=True)


def _drawn(claims: DataFrame, labels: Mapping[str, str], confidence: float) -> DataFrame:
    """The claims as their picture takes them: limits at the level at which each was judged, and the published value."""
    ratio = (claims["scale"] == "ratio").to_numpy()
    estimate, low, high, p, adjusted = (
        claims[name].to_numpy(float) for name in ("estimate", "low", "high", "p", "p_adjusted")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        middle, bottom, top = (np.where(ratio, np.log(value), value) for value in (estimate, low, high))
        share = np.where(adjusted > 0, p / adjusted, 1.0)  # the part of alpha that this claim had in the family
        sides = np.where(claims["expect"] == "equivalent", 1, 2)  # two one-sided tests, or one with two sides
        df = np.maximum(claims["n"].to_numpy(float) - 1, 1)
        wider = stats.t.isf(claims["alpha"] * share / sides, df) / stats.t.isf((1 - confidence) / 2, df)
        limits = [middle + (limit - middle) * wider for limit in (bottom, top)]
        base = estimate / claims["change"].to_numpy(float)
        published = claims["published_change"].to_numpy(float)
        published = np.where(ratio, 1 + published, published * base)
        start, end = (np.where(ratio, np.exp(limit), limit) for limit in limits)
    drawn = claims[claims["scale"].isin(["difference", "ratio"])]
    kept = claims["scale"].isin(["difference", "ratio"]).to_numpy()
    values = {"start": start[kept], "end": end[kept], "published": published[kept]}
    return drawn.assign(
        **values,
        label=[labels[claim] or claim for claim in drawn["claim"]],
        sign=[sign(verdict) for verdict in drawn["verdict"]],
    )


def frames(verdicts: ClaimVerdicts, context: Context) -> Mapping[str, DataFrame]:
    """The result frames by name, each claim with its verdict in a sentence."""
    said = sentences(verdicts, context)
    worded = verdicts.claims.assign(sentence=[said[name] for name in verdicts.claims["claim"]])
    return {
        "claims": worded,
        "claim_tests": verdicts.tests,
        "claim_published": verdicts.published,
        "claim_levels": verdicts.levels,
        "claim_parts": verdicts.parts,
    }


def _overview(claims: DataFrame, *, unfinished: bool) -> Iterator[str]:
    counts = Counter(claims["verdict"])
    found = numbers.listed([f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict]])
    lead = f"Of {numbers.counted(len(claims), 'claim')} declared by the suite: {found}."
    late = int((claims["declared"] == _POST_HOC).sum())
    if late:
        lead += f" {late} of them {'was' if late == 1 else 'were'} made or changed after results were seen: post hoc."
    shared = sum(bool(together_with(row)) for row in claims.itertuples() if row.verdict == Verdict.SUPPORTED)
    if shared:
        lead += f" Of the supported, {shared} credit{'s' if shared == 1 else ''} one factor with what several did (~)."
    yield f"Provisional, for runs are missing: {lead[0].lower()}{lead[1:]}" if unfinished else lead


_HOW = (
    "p is for what the claim says, or against it where the data are nearer to its contrary. Supported or refuted means "
    "an adjusted p of at most {alpha} (Holm over the claims, what is for them and what is against them apart); each is "
    "one contrast per seed and t on it. Directions are tested two-sided, because a claim can be wrong as well as "
    "right; one is refuted, too, where an effect as large as the metric's margin in its direction is excluded, so that "
    "an interval around 0 can go with a small p against it, and immaterial where such an effect is excluded but a "
    "smaller one is shown. Equivalence: two one-sided tests against the margin. "
    "Inconclusive is no evidence against a claim."
)
_OTHER_METHODS = (
    "Other methods: the additive model of seeds and cells; signs of the contrasts flipped seed by seed; the other "
    "scale (log or as measured); each seed left out in turn. ~ is a claim that credits one factor with what several "
    "changed."
)


def _verdict(row: Any) -> str:
    said = f"{row.verdict} at look {row.decided_at_look}" if row.decided_at_look else str(row.verdict)
    if together := together_with(row):
        said = said.replace(Verdict.SUPPORTED, f"{Verdict.SUPPORTED} together with {numbers.listed(together)}", 1)
    return f"{said}, {_POST_HOC}" if row.declared == _POST_HOC else said


def _others(row: Any) -> str:
    differing = others(row)
    return numbers.listed(differing) if differing else "" if isnan(row.p) else "the same"


def _parts(parts: DataFrame, context: Context) -> Iterator[Table]:
    if parts["change"].notna().any():
        columns = (
            Column("Claim", ("claim",), key=True),
            Column("Part", ("part",), key=True),
            Column(f"Change [{context.level} CI]", ("change", "low", "high"), "percent_interval"),
            Column("Seeds", ("n",), "count", detail=True),
        )
        note = (
            "Relative to the mean of the earlier side (Fieller's intervals); a factor's part is what it changes alone, "
            "an interaction what is left over when its factors change together. The parts add up to the total."
        )
        yield Table("Differences credited to one factor, taken apart", parts, columns, notes=[note])


def _levels(levels: DataFrame, context: Context) -> Table:
    columns = (
        Column("Claim", ("claim",), key=True),
        Column("Within", ("within",), key=True),
        Column(f"Effect [{context.level} CI]", ("estimate", "low", "high"), "interval"),
        Column("p", ("p",), "p"),
    )
    within = [f"{factor} = {level}" for factor, level in zip(levels["factor"], levels["level"], strict=True)]
    return Table(
        "Each claim within single levels of the other factors, unadjusted", levels.assign(within=within), columns
    )
