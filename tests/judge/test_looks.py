"""Looks at growing data: what each may spend, and what all of them come to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.judge.claims.cases import Case
from bench.judge.claims.evidence import weigh
from bench.judge.claims.verdicts import Verdict, decide, judge_claims
from bench.judge.spending import shares
from bench.plan.claims import Claim, Comparison
from bench.plan.shape import Spending

LOOKS = (10, 20, 40)


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
def test_shares_add_up(spending: Spending) -> None:
    """Every look may spend something, and all of them alpha."""
    found = shares(LOOKS, spending, 0.05)
    assert min(found) > 0
    assert sum(found) == pytest.approx(0.05, abs=1e-15)


def test_shares_by_hand() -> None:
    """Lan and DeMets' two functions at a quarter, a half and all of the information."""
    z = stats.norm.isf(0.0125)
    late = [4 * stats.norm.sf(z / np.sqrt(part)) for part in (0.25, 0.5, 1.0)]
    assert shares(LOOKS, "obrien_fleming") == pytest.approx(np.diff(late, prepend=0))
    even = [0.05 * np.log(1 + (np.e - 1) * part) for part in (0.25, 0.5, 1.0)]
    assert shares(LOOKS, "pocock") == pytest.approx(np.diff(even, prepend=0))


def wrongly_supported(rng: np.random.Generator, alphas: Sequence[float], effects: Sequence[float]) -> bool:
    """Whether some look supports a claim without an effect; ``effects`` are those of the claims."""
    comparison = Comparison(({"a": 0}, {"a": 1}), (-1.0, 1.0))
    claims = [Claim(str(n), "", "value", "difference", (comparison,), "difference") for n in range(len(effects))]
    shared = rng.normal(size=(LOOKS[-1], 1))  # the claims speak of the same runs
    tables = [np.c_[np.zeros(LOOKS[-1]), shared + rng.normal(size=shared.shape) + effect] for effect in effects]
    for seeds, alpha in zip(LOOKS, alphas, strict=True):
        weights = np.array([[-1.0, 1.0]])
        cases = [Case(claim, table[:seeds], weights) for claim, table in zip(claims, tables, strict=True)]
        found = [weigh(case.claim, case.sample) for case in cases]
        verdicts = decide(cases, found, np.zeros(len(cases), bool), alpha)
        if any(verdict == Verdict.SUPPORTED and not effect for verdict, effect in zip(verdicts, effects, strict=True)):
            return True
    return False


@pytest.mark.parametrize(("spending", "effects"), [("pocock", (0.0, 0.0, 0.0)), ("obrien_fleming", (2.0, 0.0, 0.0))])
def test_the_family_wise_error_over_all_looks(spending: Spending, effects: tuple[float, ...]) -> None:
    """Three looks at three claims support one without an effect in at most 5 % of experiments, real ones among them."""
    rng, n = np.random.default_rng(20), 400
    wrong = sum(wrongly_supported(rng, shares(LOOKS, spending), effects) for _ in range(n))
    assert stats.binomtest(wrong, n, 0.05, alternative="greater").pvalue > 0.001


def test_looks_that_spend_all_each_err_more() -> None:
    """Judging every look at 5 % would break the promise, which the simulation notices."""
    rng, n = np.random.default_rng(21), 400
    wrong = sum(wrongly_supported(rng, (0.05,) * 3, (0.0,)) for _ in range(n))
    assert stats.binomtest(wrong, n, 0.05, alternative="greater").pvalue < 0.001


def test_what_an_earlier_look_decided_stands() -> None:
    """A verdict given earlier is kept whatever later data say; a claim that is open is judged at the look's alpha."""
    values = [0.3, -0.2, 0.1, 0.4, -0.1, 0.2]
    rows = [{"a": a, "seed": seed, "value": a * value} for seed, value in enumerate(values) for a in (0, 1)]
    comparison = Comparison(({"a": 0}, {"a": 1}), (-1.0, 1.0))
    claims = [Claim(name, "", "value", "difference", (comparison,), "difference") for name in ("early", "open")]
    p = stats.ttest_1samp(values, 0.0).pvalue
    for alpha, verdict in [(2 * p * 1.01, "supported"), (2 * p * 0.99, "inconclusive")]:
        found = judge_claims(pd.DataFrame(rows), ["a"], claims, alpha=alpha, decided={"early": "refuted"}).claims
        assert found["verdict"].tolist() == ["refuted", verdict]
