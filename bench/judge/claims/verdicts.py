"""Declared claims and a frame of runs -> a verdict on each: what was found, and whether it depends on the method."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bench.judge.claims.cases import Case, Cases, gather
from bench.judge.claims.evidence import Evidence, by_blocks, by_sign_flips, per_seed, weigh, weigh_split
from bench.judge.claims.parts import level_frame, part_frame, percent_change, two_samples
from bench.judge.names import term_name
from bench.judge.signed import Signed
from bench.plan.claims import Claim, changed_factors
from bench.plan.kinds import kind_of
from bench.plan.labels import cell_label
from bench.stats.coding import Bools, Floats
from bench.stats.contrast import one_sample
from bench.stats.diagnostics import wilson
from bench.stats.multiplicity import adjust

ALPHA = 0.05


class Verdict(Signed):
    """What becomes of a claim."""

    SUPPORTED = "supported", "✓"
    IMMATERIAL = "immaterial", "✗"
    REFUTED = "refuted", "✗"
    INCONCLUSIVE = "inconclusive", "?"
    NOT_IDENTIFIABLE = "not identifiable", "–"
    NOT_MEASURED = "not measured", "–"


DECIDED = (Verdict.SUPPORTED, Verdict.IMMATERIAL, Verdict.REFUTED)
"""Verdicts that stand once an allowed error gave them."""
HOPELESS = (Verdict.NOT_IDENTIFIABLE,)
"""Those that no number of seeds changes."""
FAILED = (Verdict.IMMATERIAL, Verdict.REFUTED)
"""Those with which a claim that gates fails."""

_NAN = float("nan")


@dataclass(frozen=True)
class ClaimVerdicts:
    """Result frames with flat columns; a number that cannot be had is NaN."""

    claims: pd.DataFrame
    """What is claimed, and what became of it: a row a claim, ``CLAIMS``."""
    tests: pd.DataFrame
    """What the verdicts rest on, and what other methods say: a row a claim, ``TESTS``."""
    published: pd.DataFrame
    """Differences as papers print them, beside what was published: a row a claim, ``PUBLISHED``."""
    levels: pd.DataFrame
    """Every claim's comparison within each level of the factors that it averages over."""
    parts: pd.DataFrame
    """Differences that were credited to one of several factors, taken apart."""

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
    *("held", "averaged_over", "assumes", "detail"),
    *("block_model", "sign_flip", "other_scale", "without_a_seed"),
]
"""``held`` and ``averaged_over``: the other factors; ``assumes``: interactions that must be absent; the last four: the
verdicts that other methods give, and those that differ without some seed."""
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
    advance form one of their own. A claim is *supported* where the adjusted p of what it states is at most ``alpha``,
    *refuted* where that of the contrary is (an effect the other way, or smaller than the margin where there is one),
    *immaterial* where both are (a real effect, too small to matter), else *inconclusive*; *not identifiable* where the
    cells cannot tell what it compares, and *not measured* where they could but no seed has them all. Columns
    ``without_a_seed``, ``block_model``, ``sign_flip`` and ``other_scale`` hold the verdicts that these would give,
    the first the verdicts without some seed that differ. ``decided``: claim's id -> a verdict that stands because a
    look at fewer seeds gave it, ``looks``: -> its number; the family is all claims nevertheless.
    Raises BenchError for columns that are missing or not numeric.
    """
    cases = gather(frame, factors, claims)
    late = np.array([claim.id in post_hoc for claim in claims], dtype=bool)
    primary = [_evidence(case) for case in cases.cases]
    found = decide(cases.cases, primary, late, alpha)
    verdicts = [decided.get(claim.id, verdict) for claim, verdict in zip(claims, found, strict=True)]
    rows = [_row(cases, case, confidence) for case in cases.cases]
    table = pd.DataFrame(rows).assign(
        declared=np.where(late, "post hoc", "in advance"),
        verdict=verdicts,
        decided_at_look=[looks.get(claim.id, 0) for claim in claims],
        alpha=alpha,
        **_p_values(primary, late, alpha),
        **_sensitivity(cases.cases, primary, verdicts, late, alpha),
    )
    return ClaimVerdicts(
        claims=table[CLAIMS],
        tests=table[TESTS],
        published=table[PUBLISHED],
        levels=level_frame(cases, confidence),
        parts=part_frame(cases, confidence),
    )


def _evidence(case: Case, variant: str = "", without: int | None = None) -> Evidence:
    """P values of a claim by the primary test, or by another; none where it cannot be told."""
    other_scale = variant == "other_scale"
    if not case.measured or (other_scale and not case.has_other_scale):
        return Evidence()
    sample = case.sample(other_scale=other_scale, without=without)
    if kind_of(case.claim).test == "groups":
        return Evidence() if variant in ("block_model", "sign_flip") else weigh_split(sample)[1]
    tail = {"block_model": by_blocks, "sign_flip": by_sign_flips}.get(variant, per_seed)
    return weigh(case.claim, sample, tail)


def _adjusted(p: ArrayLike, late: Bools) -> Floats:
    """Holm's p over the claims made in advance, and for others over all claims."""
    early = adjust(np.where(late, np.nan, p), "holm")
    return np.where(late, adjust(p, "holm"), early)


def decide(cases: Sequence[Case], found: Sequence[Evidence], late: Bools, alpha: float = ALPHA) -> list[Verdict]:
    """The verdict on each case: Holm over the family, of what is for the claims and of what is against them."""
    support = _adjusted([entry.support for entry in found], late)
    refute = _adjusted([entry.refute for entry in found], late)
    verdicts = []
    for case, in_favour, against in zip(cases, support, refute, strict=True):
        if case.weights is None:
            verdicts.append(Verdict.NOT_IDENTIFIABLE)
        elif not case.measured:
            verdicts.append(Verdict.NOT_MEASURED)
        elif in_favour <= alpha:
            verdicts.append(Verdict.IMMATERIAL if against <= alpha else Verdict.SUPPORTED)
        else:
            verdicts.append(Verdict.REFUTED if against <= alpha else Verdict.INCONCLUSIVE)
    return verdicts


def _p_values(found: Sequence[Evidence], late: Bools, alpha: float) -> Mapping[str, Any]:
    """``p`` and ``p_adjusted`` are those of the verdict, else of the nearer one; ``side`` names it; all four follow."""
    support, refute = (np.array([getattr(entry, name) for entry in found]) for name in ("support", "refute"))
    support_adjusted, refute_adjusted = _adjusted(support, late), _adjusted(refute, late)
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
        found = [_evidence(case, variant) for case in cases]
        applies = [np.isfinite(entry.support) for entry in found]
        if variant == "sign_flip":
            # Where no arrangement of signs can be significant, it says nothing, and nothing of a disagreement.
            floors = [
                2.0 ** (1 - len(case.sample().used)) if fits else 1.0 for case, fits in zip(cases, applies, strict=True)
            ]
            applies = [floor * sum(applies) <= alpha for floor in floors]
        joined = [own if fits else first for own, first, fits in zip(found, primary, applies, strict=True)]
        judged = decide(cases, joined, late, alpha)
        columns[variant] = [verdict if fits else "" for verdict, fits in zip(judged, applies, strict=True)]
    others: list[dict[str, None]] = [{} for _ in cases]
    for seed in range(max((len(case.table) for case in cases), default=0)):
        found = [_evidence(case, without=seed) for case in cases]
        for entry, verdict, usual in zip(others, decide(cases, found, late, alpha), verdicts, strict=True):
            if verdict != usual:
                entry[verdict] = None
    columns["without_a_seed"] = [", ".join(entry) for entry in others]
    return columns


def _row(cases: Cases, case: Case, confidence: float) -> Mapping[str, Any]:
    claim = case.claim
    return {
        "claim": claim.id,
        "statement": claim.statement,
        "metric": claim.metric,
        "kind": claim.kind,
        "contrast": kind_of(claim).contrast(claim),
        "expect": claim.expect,
        "measure": claim.measure,
        "gate": claim.gate,
        "credited_to": claim.credited_to,
        "held": kind_of(claim).held(claim),
        "averaged_over": ", ".join(_averaged_over(cases, claim)),
        "changed": ", ".join(changed_factors(claim.comparisons[0]) if kind_of(claim).is_difference else ()),
        "seeds": len(case.table),
        "assumes": ", ".join(term_name(cases.runs, term) for term in case.assumes),
        **_estimate(case, confidence),
        **percent_change(cases, case, confidence),
        **two_samples(cases, case, confidence),
        **_published(claim),
    }


def _averaged_over(cases: Cases, claim: Claim) -> list[str]:
    """The factors that a claim compares at all of their levels together."""
    if not kind_of(claim).averages:
        return []
    return [factor.name for factor in cases.runs.factors if factor.name not in claim.comparisons[0].fixed]


def _estimate(case: Case, confidence: float) -> Mapping[str, Any]:
    """The estimate with its interval: of an order its weakest comparison, of a cell the share of its upper group."""
    nothing = dict.fromkeys(("estimate", "low", "high", "t", "df", "margin"), _NAN)
    if not case.measured:
        refused = f"{case.refused} values are not positive and have no logarithm" if case.refused else ""
        return {"scale": "", **nothing, "n": 0, "detail": refused}
    sample = case.sample()
    n = len(sample.used)
    if kind_of(case.claim).test == "groups":
        split = weigh_split(sample)[0]
        upper = n - split.n_low if np.isfinite(split.p) else 0
        low, high = wilson(upper, n, confidence)
        threshold = np.exp(split.threshold) if case.claim.scale == "log" else split.threshold
        detail = f"{upper} of {n} above {threshold:.4g}" if np.isfinite(split.p) else ""
        found = {"estimate": upper / n, "low": low, "high": high} if np.isfinite(split.p) else {}
        return {"scale": "share", **nothing, **found, "n": n, "detail": detail}
    estimates = one_sample(sample.contrasts, magnitude=sample.magnitude, confidence=confidence)
    sign = -1.0 if case.claim.expect == "decrease" else 1.0
    weakest = int(np.nanargmin(sign * estimates.t)) if np.isfinite(estimates.t).any() else 0
    log = case.claim.scale == "log"
    margin = _NAN if sample.margin is None else sample.margin
    values = {name: getattr(estimates, name)[weakest] for name in ("value", "low", "high")}
    shown = {name: float(np.exp(value) if log else value) for name, value in values.items()}
    regions = case.claim.comparisons[weakest].regions
    detail = " → ".join(cell_label(region.values()) for region in regions) if kind_of(case.claim).is_order else ""
    return {
        "scale": "ratio" if log else "difference",
        "estimate": shown["value"],
        "low": shown["low"],
        "high": shown["high"],
        "t": float(estimates.t[weakest]),
        "df": float(estimates.df[weakest]),
        "margin": float(np.exp(margin)) if log else margin,
        "n": n,
        "detail": detail,
    }


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
