"""Verdicts on claims become words: two lines for the opening, a sentence to quote, and what to know besides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isnan
from typing import Any

from pandas import DataFrame

from bench.judge.claims.verdicts import ClaimVerdicts
from bench.judge.signed import FAILED
from bench.judge.signed import ClaimVerdict as Verdict
from bench.plan.kinds import KINDS
from bench.present import numbers
from bench.present.report import Finding, sign
from bench.present.study import Context

POST_HOC = "post hoc"
JOINTLY = f"{Verdict.SUPPORTED} jointly"
"""How a supported claim is called that credits one factor with what several changed."""
_NOT_JUDGED = (Verdict.NOT_IDENTIFIABLE, Verdict.NOT_MEASURED)
_METHODS = {"block_model": "by the block model", "sign_flip": "by sign flips", "other_scale": "on the other scale"}


def figure(row: Any) -> str:
    """What was estimated of a claim, with its interval, on the claim's own scale."""
    if row.scale == "share":
        limits = f"[{numbers.percent(row.low)}, {numbers.percent(row.high)}]"
        return f"{row.detail} {limits}" if row.detail else numbers.MISSING
    if not row.scale:
        return numbers.MISSING
    return f"{numbers.times(row.scale)}{numbers.interval(row.estimate, row.low, row.high)}"


def others_changed(row: Any) -> list[str]:
    """The factors that changed besides the one to which a difference was credited."""
    return [name for name in row.changed.split(", ") if name != row.credited_to] if row.credited_to else []


def verdict(row: Any) -> str:
    """The verdict, with the look that gave it, the factors that share it, and whether the claim was made in time."""
    said = f"{_shared(row)} at look {row.decided_at_look}" if row.decided_at_look else _shared(row)
    return f"{said}, {POST_HOC}" if row.declared == POST_HOC else said


def _shared(row: Any) -> str:
    """The verdict, with the factors that share it."""
    alone = verdict_alone(row)
    return f"{alone} with {numbers.listed(others_changed(row))}" if alone == JOINTLY else alone


def verdict_alone(row: Any) -> str:
    """The verdict, of a supported claim whether jointly, without the factors that share it."""
    return JOINTLY if row.verdict == Verdict.SUPPORTED and others_changed(row) else str(row.verdict)


def finding(row: Any, label: str, metric: str, parts: DataFrame) -> Finding:
    """A claim in two lines: sign, label and number; the verdict with the one thing to know beside it."""
    if row.verdict == Verdict.NOT_IDENTIFIABLE:
        why = "the cells of this design cannot tell it"
    elif row.verdict == Verdict.NOT_MEASURED:
        why = "no seed has a value in every cell compared"
    elif row.verdict in FAILED:
        why = contrary(row)
    elif isnan(row.p):
        why = "nothing varies over the seeds, or they are too few"
    else:
        why = "; ".join([_p(row), *_besides(row, parts)][:2])
    late = " post hoc, made after results were seen" if row.declared == POST_HOC else ""
    number = f"{metric} {figure(row)}"
    return Finding(sign(verdict(row)), label or str(row.claim), number, f"{_shared(row)}{late}: {why}", row.statement)


def _p(row: Any) -> str:
    adjusted, against = numbers.p_value(row.p_adjusted), " against it" if row.side == "against" else ""
    if row.p <= row.alpha < row.p_adjusted:
        return f"p{against} {numbers.p_value(row.p)}, adj. p {adjusted}"
    return f"adj. p {adjusted}{against}"


def _besides(row: Any, parts: DataFrame) -> Iterator[str]:
    """What speaks against a claim beside its p, the gravest first."""
    if others := others_changed(row):
        own = parts[(parts["claim"] == row.claim) & (parts["part"] == row.credited_to)].iloc[0]
        half, kept = (own["high"] - own["low"]) / 2, numbers.listed(others)
        number = f"{numbers.times(row.scale)}{numbers.with_spread(own['estimate'], half)}"
        alone = f"with {kept} kept {'not run' if isnan(own['estimate']) else number}"
        yield alone if row.verdict == Verdict.SUPPORTED else f"{kept} changed too, {alone}"
    if row.verdict == Verdict.SUPPORTED:
        yield from other_verdicts(row)
    if row.n < row.seeds:
        yield f"by {row.n} of {row.seeds} seeds"


def other_verdicts(row: Any) -> list[str]:
    """The verdicts that other methods give where they differ: ``inconclusive by sign flips``."""
    if row.verdict in _NOT_JUDGED:
        return []
    given = {how: getattr(row, name) for name, how in _METHODS.items()}
    differing = [f"{other} {how}" for how, other in given.items() if other and other != row.verdict]
    return [*differing, f"{row.without_a_seed} if one seed is left out"] if row.without_a_seed else differing


def sentences(verdicts: ClaimVerdicts, context: Context) -> Mapping[str, tuple[str, str]]:
    """Claim's id -> a sentence to quote, and what to know besides: what it assumes, shares, and rests on."""
    told = {}
    for row in verdicts.rows.itertuples():
        remarks = (
            f"It is the same in each of the {row.n} seeds, so that p is the exact sign test's." if row.constant else "",
            _silence(row), _assumption(row), _beside_published(row), _credit(row, verdicts.parts), _sensitivity(row),
            _directions(row, verdicts.levels),
        )  # fmt: skip
        sentence = _sentence(row, context.labels[str(row.metric)], context.level)
        told[str(row.claim)] = (sentence, " ".join(filter(None, remarks)))
    return told


def _sentence(row: Any, metric: str, level: str) -> str:
    """E.g. ``“L2 helps” is supported: Loss changed by −1.2 [−2.0, −0.4] (95% CI, t(9) = …, 10 seeds) with …``."""
    claim = f"“{str(row.statement).rstrip('.')}”"
    if row.verdict == Verdict.NOT_IDENTIFIABLE:
        return f"{claim} cannot be tested: the cells of this design do not tell {metric} of {row.contrast}."
    if row.verdict == Verdict.NOT_MEASURED:
        why = row.detail or f"no seed has {metric} in every cell that {row.contrast} compares"
        return f"{claim} was not measured: {why}."
    tested = [f"{level} CI"]
    if not isnan(row.t):
        tested.append(f"t({numbers.fixed(row.df, 0)}) = {numbers.statistic(row.t)}")
    if isnan(row.p):
        tested.append("no test: too few seeds" if row.n < 2 else "no test: nothing varies over the seeds")
    else:
        adjusted = f", adjusted for {row.family_size} claims {numbers.p_value(row.p_adjusted)}"
        p, side = numbers.p_value(row.p), " against the claim" if row.side == "against" else ""
        tested.append(f"p {'' if p[0] == '<' else '= '}{p}{side}{adjusted if row.family_size > 1 else ''}")
    tested.append(f"{row.n} of {row.seeds} seeds" if row.n < row.seeds else numbers.counted(row.n, "seed"))
    lead = f"The evidence on {claim}" if row.verdict == Verdict.INCONCLUSIVE else claim
    why = f", since {contrary(row)}" if row.verdict in FAILED else ""
    return f"{lead} is {verdict(row)}{why}: {_estimated(row, metric)} ({', '.join(tested)}) {_compared(row)}."


def _silence(row: Any) -> str:
    """By the Bayes factor, whether the data of an inconclusive claim are silent or speak; empty without one."""
    factor = row.bayes_factor
    if isnan(factor):
        return ""
    if factor <= 1 / 3:
        meaning = f"evidence of absence: no effect makes the data {numbers.significant(1 / factor, 2)} times likelier"
    elif factor < 3:
        meaning = "absence of evidence: the data hardly tell an effect from none"
    else:
        meaning = f"the data are {numbers.significant(factor, 2)} times likelier with an effect than without one"
    return f"Bayes factor BF10 {numbers.significant(factor, 2)} (JZS prior, r = .707), {meaning}."


def _estimated(row: Any, metric: str) -> str:
    if row.scale == "share":
        return f"{metric} has an upper group of {figure(row)}"
    limits = numbers.interval(row.estimate, row.low, row.high)
    if row.measure == "spread":
        metric = f"the spread of {metric} over seeds"
    elif row.scale == "ratio":
        metric = f"the geometric mean of {metric}"
    return f"{metric} was multiplied by {limits}" if row.scale == "ratio" else f"{metric} changed by {limits}"


def _compared(row: Any) -> str:
    kind = KINDS[row.kind]
    over = f", averaged over {numbers.listed(row.averaged_over.split(', '))}" if row.averaged_over else ""
    if row.scale == "share":
        return f"in {row.contrast}"
    if kind.test == "lines":
        return f"in the weaker of {row.contrast}: {row.detail}"
    if kind.is_order:
        return f"in the weakest of {row.contrast}, {row.detail}"
    return f"by the interaction {row.contrast}{over}, {kind.meaning}" if kind.meaning else f"with {row.contrast}{over}"


_ARTICLE = {"increase": "an", "decrease": "a"}


def contrary(row: Any) -> str:
    """What refutes a claim, or makes it immaterial."""
    if row.verdict == Verdict.IMMATERIAL:
        p = numbers.p_value(row.p_support_adjusted)
        return f"the effect is real (adj. p {p}) but smaller than the margin of {_margin(row)}"
    if row.expect == "equivalent":
        return "the difference is larger than the margin"
    if row.expect == "difference":
        return "any difference is smaller than the margin"
    if KINDS[row.kind].test == "lines":
        size = "" if isnan(row.margin) else f" of the margin ({_margin(row)})"
        return f"no level parts a fall from a rise{size} as claimed"
    neutral = 1.0 if row.scale == "ratio" else 0.0
    other_way = row.low > neutral if row.expect == "decrease" else row.high < neutral
    if other_way or KINDS[row.kind].is_order or isnan(row.margin):  # without a margin nothing else refutes, at any look
        return "it goes the other way"
    return f"{_ARTICLE[row.expect]} {row.expect} as large as the margin ({_margin(row)}) is excluded"


def _margin(row: Any) -> str:
    return f"{numbers.times(row.scale)}{numbers.significant(row.margin, 3 if row.scale == 'ratio' else 2)}"


def _assumption(row: Any) -> str:
    return f"This assumes that there is no interaction {row.assumes.replace(':', ' × ')}." if row.assumes else ""


def published(row: Any) -> str:
    """The published figures as printed, with true minus signs."""
    return re.sub(r"(?<![\w.])-(?=[\d.])", "−", str(row.published))


def published_value(row: Any) -> float:
    """The published change on the scale of the claim; NaN where there is none."""
    with_base = row.estimate / row.change if row.scale == "difference" and row.change else float("nan")
    return float(1 + row.published_change if row.scale == "ratio" else row.published_change * with_base)


def _beside_published(row: Any) -> str:
    """The published figures, what they come to on the scale of the claim, and whether our interval holds that."""
    if not row.published:
        return ""
    said = f"Published: {published(row)}"
    value = published_value(row)
    if not isnan(value):
        here = f"{numbers.times(row.scale)}{numbers.with_spread(value, (row.high - row.low) / 2)}"
        said += f", which is {here} here, {'inside' if row.low <= value <= row.high else 'outside'} our interval"
    if not isnan(row.two_sample_t) and re.search(r"\b[td] ", row.published):
        t, p, d = numbers.statistic(row.two_sample_t), numbers.p_value(row.two_sample_p), numbers.statistic(row.d)
        said += f"; ours by two samples: t {t}, p {p}, d {d}"
    return f"{said}."


def _credit(row: Any, parts: DataFrame) -> str:
    """Which part of a difference belongs to the factor that it was credited to."""
    changed = row.changed.split(", ") if row.changed else []
    if not row.credited_to:
        return f"It changes {numbers.listed(changed)} together: it speaks of none alone." if len(changed) > 1 else ""
    others = others_changed(row)
    if not others:
        return ""
    lead = f"It was credited to {row.credited_to}, but {numbers.listed(others)} changed too"
    own = parts[(parts["claim"] == row.claim) & (parts["part"] != "total")]
    if own["estimate"].isna().any():
        return f"{lead}, and the combinations that would separate them were not run."
    split = [
        f"{part.part} {numbers.times(row.scale)}{numbers.interval(part.estimate, part.low, part.high)}"
        for part in own.itertuples()
    ]
    return f"{lead}. Separately: {numbers.listed(split)}."


def _sensitivity(row: Any) -> str:
    """Under which other methods the verdict is the same, and under which it is not."""
    if row.verdict in _NOT_JUDGED:
        return ""
    if differing := other_verdicts(row):
        return f"It would be {numbers.listed(differing)}."
    return "Every other method agrees, and no single seed decides it."


def _directions(row: Any, levels: DataFrame) -> str:
    own = levels[levels["claim"] == row.claim]
    if own.empty or row.expect == "equivalent":
        return ""
    neutral = 1.0 if row.scale == "ratio" else 0.0
    same = (own["estimate"] > neutral) == (row.estimate > neutral)
    if same.all():
        return f"The direction is the same at each of the {len(own)} levels of the other factors."
    named = [f"{name} = {level}" for name, level in zip(own["factor"][~same], own["level"][~same], strict=True)]
    return f"The direction is the other at {numbers.listed(named)}."
