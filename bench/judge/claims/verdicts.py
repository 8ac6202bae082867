"""Declared claims and a frame of runs -> a verdict on each, its estimate, and the verdicts that other methods give."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bench.judge.claims.cases import Case, Cases, gather
from bench.judge.claims.evidence import BY_TEST, Evidence, bayes_factor, weigh
from bench.judge.claims.parts import level_frame, line_frame, part_frame, percent_change, two_samples
from bench.judge.names import term_name
from bench.judge.signed import ClaimVerdict as Verdict
from bench.plan.claims import Claim, changed_factors
from bench.plan.kinds import KINDS, kind_of
from bench.stats.coding import Bools, Floats
from bench.stats.multiplicity import adjust

ALPHA = 0.05


_NAN = float("nan")


@dataclass(frozen=True)
class ClaimVerdicts:
    """Result frames with flat columns; a number that cannot be had is NaN."""

    claims: pd.DataFrame
    """Claims, verdicts and estimates: a row a claim, columns ``CLAIMS``."""
    tests: pd.DataFrame
    """P values of the verdicts, and the verdicts by other methods: a row a claim, columns ``TESTS``."""
    published: pd.DataFrame
    """Differences as papers print them, beside the published figures: a row a claim, columns ``PUBLISHED``."""
    levels: pd.DataFrame
    """Every claim's comparison within each level of the factors that it averages over."""
    parts: pd.DataFrame
    """Differences that were credited to one of several factors, taken apart."""
    lines: pd.DataFrame
    """The two lines of every claim of a U shape, or of an inverted one, level by level."""

    @cached_property
    def rows(self) -> pd.DataFrame:
        """``claims``, ``tests`` and ``published`` side by side."""
        return self.claims.merge(self.tests, on="claim").merge(self.published, on="claim")


CLAIMS = [
    *("claim", "verdict", "declared", "decided_at_look", "metric", "contrast", "expect", "kind", "measure"),
    *("scale", "estimate", "low", "high", "margin", "t", "df", "p", "p_adjusted", "side", "alpha", "n", "seeds"),
    *("gate", "statement"),
]
"""``scale``: estimate and limits are a "difference", a "ratio" or a "share" of runs; ``side``: whether p is "for" the
claim or "against" it; ``n`` of ``seeds`` have every cell that is compared; ``decided_at_look``: 0 if no look did."""
TESTS = [
    *("claim", "p_support", "p_support_adjusted", "p_refute", "p_refute_adjusted", "family", "family_size"),
    *("constant", "bayes_factor", "held", "averaged_over", "assumes", "detail"),
    *("block_model", "sign_flip", "other_scale", "without_a_seed"),
]
"""``constant``: every seed has the same, so that p is the exact sign test's; ``bayes_factor`` (BF10): of a single
comparison that is inconclusive; ``held`` and ``averaged_over``: the other factors; ``assumes``: interactions that must
be absent; the last four: the verdicts that other methods give, and those that differ without some seed."""
PUBLISHED = [
    *("claim", "published", "published_change", "change", "change_low", "change_high"),
    *("two_sample_t", "two_sample_p", "d", "d_low", "d_high", "credited_to", "changed"),
]
"""Changes are fractions of the earlier mean; ``changed``: the factors in which the sides of a difference differ."""


def judge_claims(
    frame: pd.DataFrame,
    factors: Sequence[str],
    claims: Sequence[Claim],
    *,
    post_hoc: Collection[str] = (),
    confidence: float = 0.95,
    alpha: float = ALPHA,
    decided: Mapping[str, str] = {},
    looks: Mapping[str, int] = {},
) -> ClaimVerdicts:
    """Judge every claim by one contrast per seed and t on it, adjusted by Holm over the family of claims.

    ``frame`` has one row a run: a column for each factor, ``seed``, and the metrics, NaN where a run has no value.
    ``post_hoc`` names claims made after results were seen; they form a family with all the others, while those made in
    advance form one of their own. ``decided``: claim's id -> a verdict that stands because a look at fewer seeds gave
    it, ``looks``: -> its number; the family is all claims nevertheless. docs/claims.md says when a verdict is given.

    Raises:
        BenchError: for columns that are missing or not numeric.
    """
    cases = gather(frame, factors, claims)
    late = np.array([claim.id in post_hoc for claim in claims], dtype=bool)
    primary = [_evidence(case) for case in cases.cases]
    current = decide(cases.cases, primary, late, alpha)
    verdicts = [decided.get(claim.id, verdict) for claim, verdict in zip(claims, current, strict=True)]
    rows = [_row(cases, case, confidence) for case in cases.cases]
    table = pd.DataFrame(rows).assign(
        declared=np.where(late, "post hoc", "in advance"),
        verdict=verdicts,
        decided_at_look=[looks.get(claim.id, 0) for claim in claims],
        alpha=alpha,
        bayes_factor=[_bayes_factor(row, verdict) for row, verdict in zip(rows, verdicts, strict=True)],
        **_p_values(primary, late, alpha),
        **_sensitivity(cases.cases, primary, verdicts, late, alpha),
    )
    return ClaimVerdicts(
        claims=table[CLAIMS],
        tests=table[TESTS],
        published=table[PUBLISHED],
        levels=level_frame(cases, confidence),
        parts=part_frame(cases, confidence),
        lines=line_frame(cases, confidence),
    )


def _evidence(case: Case, variant: str = "", without: int | None = None) -> Evidence:
    """P values of a claim by the primary test or a ``variant`` of it, ``without`` a seed or with all; else NaN."""
    other_scale = variant == "other_scale"
    if not case.is_measured or (other_scale and not case.has_other_scale):
        return Evidence()
    test = BY_TEST[kind_of(case.claim).test]
    as_it_is = not other_scale and without is None
    sample = case.sample if as_it_is else case.variant(other_scale=other_scale, without=without)
    if not variant or other_scale:
        return test.evidence(case.claim, sample)
    return weigh(case.claim, sample, test.tails[variant]) if variant in test.tails else Evidence()


def _holm(p: ArrayLike, late: Bools) -> Floats:
    """Holm's p over the claims made in advance, and for others over all claims."""
    early = adjust(np.where(late, np.nan, p), "holm")
    return np.where(late, adjust(p, "holm"), early)


def decide(cases: Sequence[Case], evidence: Sequence[Evidence], late: Bools, alpha: float = ALPHA) -> list[Verdict]:
    """The verdict on each case: its p values for the claim and against it, each adjusted by Holm over the family."""
    support = _holm([one.support for one in evidence], late)
    refute = _holm([one.refute for one in evidence], late)
    verdicts = []
    for case, p_support, p_refute in zip(cases, support, refute, strict=True):
        if case.weights is None:
            verdicts.append(Verdict.NOT_IDENTIFIABLE)
        elif not case.is_measured:
            verdicts.append(Verdict.NOT_MEASURED)
        elif p_support <= alpha:
            verdicts.append(Verdict.IMMATERIAL if p_refute <= alpha else Verdict.SUPPORTED)
        else:
            verdicts.append(Verdict.REFUTED if p_refute <= alpha else Verdict.INCONCLUSIVE)
    return verdicts


def _p_values(evidence: Sequence[Evidence], late: Bools, alpha: float) -> Mapping[str, Any]:
    """``p`` and ``p_adjusted`` are those of the verdict, else of the nearer one; ``side`` names it; all four follow."""
    support, refute = (np.array([getattr(one, name) for one in evidence]) for name in ("support", "refute"))
    support_adjusted, refute_adjusted = _holm(support, late), _holm(refute, late)
    tested = np.isfinite(support)
    tied = refute_adjusted == support_adjusted
    nearer = (refute_adjusted < support_adjusted) | (tied & (refute < support))
    against = np.where(support_adjusted <= alpha, refute_adjusted <= alpha, nearer)  # of both, what is against decides
    return {
        "side": np.where(against, "against", np.where(tested, "for", "")),
        "p": np.where(against, refute, support),
        "p_adjusted": np.where(against, refute_adjusted, support_adjusted),
        "p_support": support,
        "p_support_adjusted": support_adjusted,
        "p_refute": refute,
        "p_refute_adjusted": refute_adjusted,
        "family": np.where(late, "all claims (Holm)", "claims made in advance (Holm)"),
        "family_size": np.where(late, tested.sum(), (tested & ~late).sum()),
    }


def _sensitivity(
    cases: Sequence[Case],
    primary: Sequence[Evidence],
    verdicts: Sequence[str],
    late: Bools,
    alpha: float,
) -> Mapping[str, Sequence[str]]:
    """The verdicts by other methods (empty where one does not apply), and those that leaving out a seed would give."""
    columns: dict[str, Sequence[str]] = {}
    for variant in ("block_model", "sign_flip", "other_scale"):
        evidence = [_evidence(case, variant) for case in cases]
        applies = [np.isfinite(one.support) for one in evidence]
        if variant == "sign_flip":
            applies = _can_decide(cases, applies, late, alpha)
        pooled = [own if fits else first for own, first, fits in zip(evidence, primary, applies, strict=True)]
        others = decide(cases, pooled, late, alpha)
        columns[variant] = [verdict if fits else "" for verdict, fits in zip(others, applies, strict=True)]
    without = [
        decide(cases, [_evidence(case, without=seed) for case in cases], late, alpha)
        for seed in range(max((len(case.table) for case in cases), default=0))
    ]
    columns["without_a_seed"] = [
        ", ".join(dict.fromkeys(others[number] for others in without if others[number] != verdict))
        for number, verdict in enumerate(verdicts)
    ]
    return columns


def _can_decide(cases: Sequence[Case], applies: Sequence[bool], late: Bools, alpha: float) -> list[bool]:
    """Whether the sign-flip test of a case can be significant: its least p (2^-seeds on one side), times the family.

    Where it cannot, sign flips have no verdict that could disagree. Equivalence is tested on one side.
    """
    tested = np.array(applies, dtype=bool)
    family = np.where(late, tested.sum(), (tested & ~late).sum())
    sides = [1 if case.claim.expect == "equivalent" else 2 for case in cases]
    return [
        fits and side * 2.0 ** -len(case.sample.complete_rows) * size <= alpha
        for case, fits, side, size in zip(cases, applies, sides, family, strict=True)
    ]


def _row(cases: Cases, case: Case, confidence: float) -> Mapping[str, Any]:
    claim = case.claim
    kind = kind_of(claim)
    averaged = [factor.name for factor in cases.runs.factors if factor.name not in claim.comparisons[0].fixed]
    fields = ("statement", "metric", "kind", "expect", "measure", "gate", "credited_to")
    return {
        "claim": claim.id,
        **{name: getattr(claim, name) for name in fields},
        "contrast": kind.contrast(claim),
        "held": kind.shared_levels(claim),
        "averaged_over": ", ".join(averaged if kind.averages else ()),
        "changed": ", ".join(changed_factors(claim.comparisons[0]) if kind.is_difference else ()),
        "seeds": len(case.table),
        "assumes": ", ".join(term_name(cases.runs, term) for term in case.assumes),
        **_estimate(case, confidence),
        **percent_change(cases, case, confidence),
        **two_samples(cases, case, confidence),
        **_published(claim),
    }


def _bayes_factor(row: Mapping[str, Any], verdict: str) -> float:
    """The Bayes factor of an inconclusive claim with a single comparison; NaN for any other."""
    applies = verdict == Verdict.INCONCLUSIVE and not KINDS[row["kind"]].is_order
    return bayes_factor(row["t"], row["n"]) if applies else _NAN


def _estimate(case: Case, confidence: float) -> Mapping[str, Any]:
    """What the claim's test estimates, with an interval; if not measured, NaN, and the reason as ``detail``."""
    numbers = dict.fromkeys(("estimate", "low", "high", "t", "df", "margin"), _NAN)
    nothing = {"scale": "", **numbers, "n": 0, "constant": False, "detail": ""}
    if not case.is_measured:
        reason = (
            f"{case.n_without_logarithm} values are not positive and have no logarithm"
            if case.n_without_logarithm
            else ""
        )
        return {**nothing, "detail": reason}
    test = BY_TEST[kind_of(case.claim).test]
    return {**nothing, **test.estimate(case.claim, case.sample, confidence)}


def _published(claim: Claim) -> Mapping[str, Any]:
    """The published figures as they were printed, and the change as a fraction."""
    figures = dict(claim.published)
    change = figures.pop("change", None)
    texts = [] if change is None else [str(change)]
    for name, figure in figures.items():
        text = "–".join(map(str, figure)) if isinstance(figure, list) else str(figure)
        texts.append(text if name == "text" else f"{name} {text}")
    fraction = _NAN if change is None else float(change.replace("−", "-").rstrip("%")) / 100
    return {"published": ", ".join(texts), "published_change": fraction}
