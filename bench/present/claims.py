"""Verdicts on declared claims become the first words of a report: a table of them, then each in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import isnan
from typing import Any

from pandas import DataFrame

from bench.execute.run import Run
from bench.judge.claims import (
    ALPHA,
    INCONCLUSIVE,
    NOT_IDENTIFIABLE,
    NOT_MEASURED,
    REFUTED,
    SUPPORTED,
    VERDICTS,
    ClaimVerdicts,
    judge_claims,
)
from bench.present import numbers
from bench.present.report import Column, Section, Table
from bench.present.tables import Context

_OTHERS = {"block_model": "by the block model", "sign_flip": "by sign flips", "other_scale": "on the other scale"}
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
        found=[_figure(row) for row in claims.itertuples()],
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


def sentences(verdicts: ClaimVerdicts, context: Context) -> Mapping[str, str]:
    """Claim's id -> the verdict in plain words, with what it assumes, what it rests on and what it does not mean."""
    labels = {metric.name: metric.label for metric in context.metrics}
    return {
        str(row.claim): " ".join(
            filter(
                None,
                (
                    f"“{str(row.statement).rstrip('.')}.”",
                    _reason(row, labels[str(row.metric)]),
                    _assumption(row),
                    _beside_published(row),
                    _credit(row, verdicts.parts),
                    _sensitivity(row),
                    _level_signs(row, verdicts.levels),
                ),
            )
        )
        for row in verdicts.claims.itertuples()
    }


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


def _figure(row: Any) -> str:
    if row.scale == "share":
        limits = f"[{numbers.percent(row.low)}, {numbers.percent(row.high)}]"
        return f"upper group: {row.detail} {limits}" if row.detail else numbers.MISSING
    if not row.scale:
        return numbers.MISSING
    return f"{'× ' if row.scale == 'ratio' else ''}{numbers.interval(row.estimate, row.low, row.high)}"


def _change(fraction: float) -> str:
    return f"{'+' if fraction > 0 else ''}{numbers.percent(fraction)}"


def _change_within(fraction: float, low: float, high: float) -> str:
    return _change(fraction) if isnan(low) else f"{_change(fraction)} [{_change(low)}, {_change(high)}]"


def _reason(row: Any, metric: str) -> str:
    """What was found, and why that is the verdict."""
    if row.verdict == NOT_IDENTIFIABLE:
        return f"Not identifiable in this design: the cells that it has cannot tell {metric} of {row.contrast}."
    if row.verdict == NOT_MEASURED:
        return f"Not measured: no seed has a value of {metric} in every cell that {row.contrast} compares."
    subject = f"{metric}, {row.contrast}{' (spread over seeds)' if row.measure == 'spread' else ''}"
    found = f"{subject}: {_figure(row)}, adj. p {numbers.p_value(row.p_adjusted)}"
    if row.kind == "order":
        found += f" (the weakest comparison: {row.detail})"
    if row.verdict == REFUTED:
        return f"Refuted, since {_contrary(row)}. {found}."
    if row.verdict == INCONCLUSIVE and isnan(row.p):
        return f"Inconclusive, since there are too few seeds, or nothing varies over them. {found}."
    if row.verdict == INCONCLUSIVE and row.p <= ALPHA:
        side = "for it" if row.p == row.p_support else "against it"
        return f"Alone it would be decided (p {side} {numbers.p_value(row.p)}); among {row.family_size} not. {found}."
    return f"{found}."


def _contrary(row: Any) -> str:
    if row.expect == "equivalent":
        return "the difference is larger than the margin"
    if row.expect == "difference":
        return "any difference is smaller than the margin"
    neutral = 1.0 if row.scale == "ratio" else 0.0
    other_way = row.low > neutral if row.expect == "decrease" else row.high < neutral
    if other_way or row.kind == "order":
        return "it goes the other way"
    bound = numbers.significant(row.margin, 2)
    return f"any {row.expect} is smaller than the margin ({'× ' if row.scale == 'ratio' else ''}{bound})"


def _assumption(row: Any) -> str:
    return (
        f"This takes for granted that there is no interaction {row.assumes.replace(':', ' × ')}." if row.assumes else ""
    )


def _beside_published(row: Any) -> str:
    """The published figures, and whether the published change is one that ours allows."""
    if not row.published:
        return ""
    said = f"Published: {row.published}."
    if isnan(row.change):
        return said
    said += f" Ours: {_change_within(row.change, row.change_low, row.change_high)}"
    if not isnan(row.two_sample_t):
        t, p, d = numbers.statistic(row.two_sample_t), numbers.p_value(row.two_sample_p), numbers.statistic(row.d)
        said += f" (two samples, as published: t {t}, p {p}, d {d})"
    if not isnan(row.published_change + row.change_low):
        inside = row.change_low <= row.published_change <= row.change_high
        said += f"; the published change lies {'within' if inside else 'outside'} our interval"
    return f"{said}."


def _credit(row: Any, parts: DataFrame) -> str:
    """Which part of a difference belongs to the factor that it was credited to."""
    changed = row.changed.split(", ") if row.changed else []
    if not row.credited_to:
        return f"It changes {numbers.listed(changed)} at once: it speaks of none alone." if len(changed) > 1 else ""
    others = [name for name in changed if name != row.credited_to]
    if not others:
        return ""
    lead = f"It was credited to {row.credited_to}, but {numbers.listed(others)} changed too"
    own = parts[(parts["claim"] == row.claim) & (parts["part"] != "total")]
    if own["change"].isna().any():
        return f"{lead}, and the combinations that would tell them apart were not run."
    said = [f"{part.part} {_change_within(part.change, part.low, part.high)}" for part in own.itertuples()]
    credited = own[own["part"] == row.credited_to].iloc[0]
    shown = credited["low"] > 0 or credited["high"] < 0
    ending = "" if shown else f"; that {row.credited_to} has a part in it is not shown by these cells"
    return f"{lead}: of {_change(row.change)}, {numbers.listed(said)}{ending}."


def _sensitivity(row: Any) -> str:
    """Under which other methods the verdict is the same, and under which it is not."""
    if row.verdict in (NOT_IDENTIFIABLE, NOT_MEASURED):
        return ""
    others = {text: getattr(row, name) for name, text in _OTHERS.items() if getattr(row, name)}
    differing = [f"{verdict} {text}" for text, verdict in others.items() if verdict != row.verdict]
    if row.without_a_seed:
        differing.append(f"{row.without_a_seed} without some one seed")
    if not differing:
        return "Every other method says the same, and so do the seeds without any one of them."
    return f"It would be {numbers.listed(differing)}."


def _level_signs(row: Any, levels: DataFrame) -> str:
    own = levels[levels["claim"] == row.claim]
    if own.empty or row.expect == "equivalent":
        return ""
    neutral = 1.0 if row.scale == "ratio" else 0.0
    same = (own["estimate"] > neutral) == (row.estimate > neutral)
    if same.all():
        return f"The same direction at each of the {len(own)} levels of the other factors."
    named = [f"{name} = {level}" for name, level in zip(own["factor"][~same], own["level"][~same], strict=True)]
    return f"The other direction at {numbers.listed(named)}."


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
