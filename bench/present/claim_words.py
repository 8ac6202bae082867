"""Verdicts on claims become sentences: what was found, what it assumes, what it rests on, and what it does not mean."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

from pandas import DataFrame, Series

from bench.judge.claims.verdicts import ClaimVerdicts, Verdict
from bench.plan.kinds import KINDS
from bench.present import numbers
from bench.present.tables import Context

_OTHERS = {"block_model": "by the block model", "sign_flip": "by sign flips", "other_scale": "on the other scale"}


def sentences(verdicts: ClaimVerdicts, context: Context) -> Mapping[str, str]:
    """Claim's id -> the verdict in plain words, with what it assumes, what it rests on and what it does not mean."""
    labels = context.labels
    said = {}
    for row in verdicts.rows.itertuples():
        parts = (
            f"“{str(row.statement).rstrip('.')}.”",
            _reason(row, labels[str(row.metric)]),
            _assumption(row),
            _beside_published(row),
            _credit(row, verdicts.parts),
            _sensitivity(row),
            _level_signs(row, verdicts.levels),
        )
        said[str(row.claim)] = " ".join(filter(None, parts))
    return said


def figure(row: Any) -> str:
    """What was found of a claim, with its interval."""
    if row.scale == "share":
        limits = f"[{numbers.percent(row.low)}, {numbers.percent(row.high)}]"
        return f"upper group: {row.detail} {limits}" if row.detail else numbers.MISSING
    if not row.scale:
        return numbers.MISSING
    return f"{'× ' if row.scale == 'ratio' else ''}{numbers.interval(row.estimate, row.low, row.high)}"


def together_with(row: Any) -> list[str]:
    """The factors that changed besides the one to which a difference was credited."""
    return [name for name in row.changed.split(", ") if name != row.credited_to] if row.credited_to else []


def credited_part(row: Any, parts: DataFrame) -> Series[Any]:
    """What the credited factor changes alone (``ClaimVerdicts.parts``); NaN where that was not run."""
    part: Series[Any] = parts[(parts["claim"] == row.claim) & (parts["part"] == row.credited_to)].iloc[0]
    return part


def allows_published(row: Any) -> bool:
    """Whether the published change, if there is one, lies within the interval of ours."""
    return bool(row.change_low <= row.published_change <= row.change_high)


def _reason(row: Any, metric: str) -> str:
    """What was found, and why that is the verdict."""
    if row.verdict in (Verdict.NOT_IDENTIFIABLE, Verdict.NOT_MEASURED):
        return _not_judged(row, metric)
    subject = f"{metric}, {row.contrast}{' (spread over seeds)' if row.measure == 'spread' else ''}"
    if row.averaged_over:
        subject += f", averaged over {numbers.listed(row.averaged_over.split(', '))}"
    kind = KINDS[row.kind]
    if kind.meaning:
        subject += f" ({kind.meaning})"
    found = f"{subject}: {figure(row)}, adj. p {numbers.p_value(row.p_adjusted)}"
    if row.n < row.seeds:
        found += f", by the {row.n} of {numbers.counted(row.seeds, 'seed')} that have every cell compared"
    if kind.detail:
        found += f" ({kind.detail.format(row.detail)})"
    if row.constant:
        found += f"; it is the same in each of the {row.n} seeds, so that p is the exact sign test's"
    if row.verdict in (Verdict.REFUTED, Verdict.IMMATERIAL):
        return f"{row.verdict.capitalize()}, since {contrary(row)}. {found}."
    if row.verdict == Verdict.INCONCLUSIVE and isnan(row.p):
        why = "there are too few seeds" if row.n < 2 else "nothing varies over the seeds, so that there is no test"
        return f"Inconclusive, since {why}. {found}."
    if row.verdict == Verdict.INCONCLUSIVE and row.p <= row.alpha:
        alone = f"unadjusted, p {row.side} it is {numbers.p_value(row.p)}"
        return f"{found}; {alone}, which among {row.family_size} claims is not enough.{_silence(row)}"
    return f"{found}.{_silence(row)}"


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
    return f" Bayes factor BF10 {numbers.significant(factor, 2)} (JZS prior, r = .707), {meaning}."


def _not_judged(row: Any, metric: str) -> str:
    if row.verdict == Verdict.NOT_IDENTIFIABLE:
        return f"Not identifiable in this design: the cells that it has cannot tell {metric} of {row.contrast}."
    if row.detail:  # why its scale is refused
        return f"Not measured: {row.detail} ({metric})."
    return f"Not measured: no seed has a value of {metric} in every cell that {row.contrast} compares."


_ARTICLE = {"increase": "an", "decrease": "a"}


def contrary(row: Any) -> str:
    """What refutes a claim, or makes it immaterial."""
    if row.verdict == Verdict.IMMATERIAL:
        p = numbers.p_value(row.p_support_adjusted)
        return f"the effect is real (adj. p {p}) but smaller than the margin of {_margin(row)}: too small to matter"
    if row.expect == "equivalent":
        return "the difference is larger than the margin"
    if row.expect == "difference":
        return "any difference is smaller than the margin"
    neutral = 1.0 if row.scale == "ratio" else 0.0
    other_way = row.low > neutral if row.expect == "decrease" else row.high < neutral
    if other_way or KINDS[row.kind].is_order or isnan(row.margin):  # without a margin nothing else refutes, at any look
        return "it goes the other way"
    article = _ARTICLE[row.expect]
    return f"{article} {row.expect} as large as the margin ({_margin(row)}) is excluded; a smaller one is not"


def _margin(row: Any) -> str:
    return f"{'× ' if row.scale == 'ratio' else ''}{numbers.significant(row.margin, 2)}"


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
    means = ", of arithmetic means as published" if row.scale == "ratio" else ""
    said += f" Ours{means}: {numbers.percent_interval(row.change, row.change_low, row.change_high)}"
    if not isnan(row.two_sample_t):
        t, p, d = numbers.statistic(row.two_sample_t), numbers.p_value(row.two_sample_p), numbers.statistic(row.d)
        said += f" (two samples, as published: t {t}, p {p}, d {d})"
    if not isnan(row.published_change + row.change_low):
        said += f"; the published change lies {'within' if allows_published(row) else 'outside'} our interval"
    return f"{said}."


def _credit(row: Any, parts: DataFrame) -> str:
    """Which part of a difference belongs to the factor that it was credited to."""
    changed = row.changed.split(", ") if row.changed else []
    if not row.credited_to:
        return f"It changes {numbers.listed(changed)} at once: it speaks of none alone." if len(changed) > 1 else ""
    besides = together_with(row)
    if not besides:
        return ""
    lead = f"It was credited to {row.credited_to}, but {numbers.listed(besides)} changed too"
    own = parts[(parts["claim"] == row.claim) & (parts["part"] != "total")]
    if own["change"].isna().any():
        return f"{lead}, and the combinations that would tell them apart were not run."
    said = [f"{part.part} {numbers.percent_interval(part.change, part.low, part.high)}" for part in own.itertuples()]
    credited = credited_part(row, parts)
    shown = credited["low"] > 0 or credited["high"] < 0
    ending = "" if shown else f"; that {row.credited_to} has a part in it is not shown by these cells"
    return f"{lead}: of {numbers.percent_change(row.change)}, {numbers.listed(said)}{ending}."


def others(row: Any) -> list[str]:
    """The verdicts that other methods give where they differ: ``inconclusive by sign flips``."""
    if row.verdict in (Verdict.NOT_IDENTIFIABLE, Verdict.NOT_MEASURED):
        return []
    given = {text: getattr(row, name) for name, text in _OTHERS.items() if getattr(row, name)}
    differing = [f"{verdict} {text}" for text, verdict in given.items() if verdict != row.verdict]
    return [*differing, f"{row.without_a_seed} without some one seed"] if row.without_a_seed else differing


def _sensitivity(row: Any) -> str:
    """Under which other methods the verdict is the same, and under which it is not."""
    if row.verdict in (Verdict.NOT_IDENTIFIABLE, Verdict.NOT_MEASURED):
        return ""
    if differing := others(row):
        return f"It would be {numbers.listed(differing)}."
    return f"It is {row.verdict} by every other method too, and without any one seed."


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
