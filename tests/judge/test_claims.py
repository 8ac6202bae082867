"""Verdicts on claims: against R and hand calculation, what a design can tell, and what a verdict rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from bench.experiment import Metric
from bench.judge.analysis import analyze
from bench.judge.claims.cases import gather
from bench.judge.claims.evidence import Sample, bayes_factor, by_blocks, by_sign_flips, weigh
from bench.judge.claims.parts import part_frame
from bench.judge.claims.verdicts import Verdict, judge_claims
from bench.judge.gate.decide import Verdict as GateVerdict
from bench.judge.signed import Signed
from bench.plan.claims import Claim, Comparison, Expect
from bench.present.claim_words import sentences
from bench.present.report import sign
from bench.present.study import Context

FACTORS = ["init", "noise", "reg", "act"]
LEVELS = {
    "init": ("random", "orthogonal"),
    "noise": ("bipolar", "positive_kurtosis"),
    "reg": ("l1", "l2"),
    "act": ("relu", "gelu"),
}


def difference(
    first: Mapping[str, Any], second: Mapping[str, Any], expect: Expect = "decrease", **settings: Any
) -> Claim:
    comparisons = (Comparison((first, second), (-1.0, 1.0)),)
    return Claim(
        **{"id": "claim", "statement": "It falls.", "metric": "value", "kind": "difference"} | settings,
        comparisons=comparisons,
        expect=expect,
    )


def interaction(names: Sequence[str]) -> Claim:
    choices = list(product((0, 1), repeat=len(names)))
    regions = tuple({n: LEVELS[n][side] for n, side in zip(names, choice, strict=True)} for choice in choices)
    weights = tuple(float(np.prod([2 * side - 1 for side in choice])) / 2 ** (len(names) - 1) for choice in choices)
    return Claim(
        ":".join(names), "They interact.", "value", "interaction", (Comparison(regions, weights),), "difference"
    )


def judged(
    frame: pd.DataFrame, claims: Sequence[Claim], factors: Sequence[str] = FACTORS, **options: Any
) -> pd.DataFrame:
    return judge_claims(frame, factors, claims, **options).rows.set_index("claim")


def grid(value: Callable[[np.random.Generator, Mapping[str, Any]], float], seeds: int = 10) -> pd.DataFrame:
    """Two factors, a and b, of two levels each; ``value`` of a seed's generator and the levels."""
    rows = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        for a, b in product((0, 1), repeat=2):
            rows.append({"a": a, "b": b, "seed": seed, "value": value(rng, {"a": a, "b": b})})
    return pd.DataFrame(rows)


A = ({"a": 0}, {"a": 1})


@pytest.mark.parametrize("case", ["sleep", "high_corr", "n5", "n25_equiv", "ties_zeros"])
def test_a_difference_of_two_cells_is_rs_paired_t(reference: Any, case: str) -> None:
    """Estimate, interval, t and p are those of R's paired t test, and equivalence is R's TOST."""
    frame, results = reference("a07_paired")
    frame = frame[frame["case"] == case]
    expected = results[case]["paired_t"]
    either = difference({"group": "y"}, {"group": "x"}, "difference", id="either")
    tost = results[case]["tost"][0]
    same = difference({"group": "y"}, {"group": "x"}, "equivalent", id="same", margin=tost["margin"])
    found = judged(frame.rename(columns={"pair": "seed"}), [either, same], ["group"])
    row = found.loc["either"]
    shown = row[["estimate", "low", "high", "t", "df", "p_support"]].to_numpy(float)
    names = ("estimate", "ci_low", "ci_high", "statistic", "df", "p")
    np.testing.assert_allclose(shown, [expected[name] for name in names], rtol=1e-10)
    assert found.loc["same", "p_support"] == pytest.approx(tost["p_tost"], rel=1e-9)


def test_effects_of_a_factorial_are_those_of_the_analysis(factorial: Any) -> None:
    """In a full factorial, a claim on a main effect or an interaction has the numbers of the table of effects."""
    frame, _ = factorial
    frame = frame.assign(noise=frame["noise"].cat.rename_categories({"poskurt": "positive_kurtosis"}))
    effects = analyze(frame, FACTORS, "seed", ["value"]).contrasts.set_index("effect")
    mains = [difference({n: low}, {n: high}, "difference", id=n) for n, (low, high) in LEVELS.items()]
    found = judged(frame, [*mains, interaction(["init", "reg"]), interaction(["init", "noise", "reg"])])
    columns = ["estimate", "low", "high", "t", "p"]
    for name, row in found.iterrows():
        np.testing.assert_allclose(row[columns].to_numpy(float), effects.loc[name, columns].to_numpy(float), rtol=1e-9)


def test_what_eight_cells_cannot_tell_is_said(reference: Any) -> None:
    """Of the post's design: cells are compared freely, main effects by assumption, interactions never."""
    frame, _ = reference("a04_ablation_8of16")
    one = {"init": "random", "noise": "bipolar", "reg": "l1", "act": "relu"}
    four = one | {"reg": "l2", "act": "gelu"}
    main = difference({"reg": "l1"}, {"reg": "l2"}, "difference", id="reg")
    claims = [
        difference(one, four, "difference", id="one against four"),
        main,
        difference({"reg": "l1", "act": "gelu"}, {"reg": "l2", "act": "gelu"}, id="reg under gelu"),
        difference(one, one | {"reg": "l2"}, id="never run"),
        interaction(["init", "reg"]),
        interaction(["reg", "act"]),
    ]
    found = judged(frame, claims)
    untold = ["reg under gelu", "never run", "init:reg", "reg:act"]
    assert (found.loc[untold, "verdict"] == "not identifiable").all()
    assert found.loc[untold, ["estimate", "p", "p_adjusted"]].isna().all(axis=None)
    assert not found.loc[["one against four", "reg"], "verdict"].eq("not identifiable").any()
    assert found.loc["one against four", "assumes"] == ""
    assert "reg:act" in found.loc["reg", "assumes"].split(", ")
    assert (found["family_size"] == 2).all()
    effects = analyze(frame, FACTORS, "seed", ["value"]).contrasts.set_index("effect")
    assert found.loc["reg", "estimate"] == pytest.approx(effects.loc["reg", "estimate"])
    assert found.loc["reg", "p"] == pytest.approx(effects.loc["reg", "p"])


@pytest.mark.parametrize(
    ("shift", "expect", "margin", "verdict", "side"),
    [
        (-2.0, "decrease", None, "supported", "for"),
        (2.0, "decrease", None, "refuted", "against"),
        (-0.01, "decrease", None, "inconclusive", "for"),
        (-2.0, "increase", None, "refuted", "against"),
        (0.02, "increase", 1.0, "refuted", "against"),
        (2.0, "increase", 1.0, "supported", "for"),
        (2.0, "increase", 2.1, "supported", "for"),
        (2.0, "increase", 3.0, "immaterial", "against"),
        (-2.0, "decrease", 3.0, "immaterial", "against"),
        (-2.0, "decrease", 2.1, "supported", "for"),
        (-2.0, "increase", 3.0, "refuted", "against"),
        (2.0, "difference", None, "supported", "for"),
        (2.0, "difference", 1.0, "supported", "for"),
        (2.0, "difference", 50.0, "immaterial", "against"),
        (-2.0, "difference", 50.0, "immaterial", "against"),
        (0.0, "difference", 1.0, "refuted", "against"),
        (0.0, "equivalent", 1.0, "supported", "for"),
        (2.0, "equivalent", 1.0, "refuted", "against"),
        (-2.0, "equivalent", 1.0, "refuted", "against"),
        (-0.95, "equivalent", 1.0, "inconclusive", "for"),
        (0.95, "equivalent", 1.0, "inconclusive", "for"),
    ],
)
def test_verdicts(shift: float, expect: Expect, margin: float | None, verdict: str, side: str) -> None:
    """A clear effect supports or refutes by its direction, one below the margin is immaterial; p is the verdict's."""
    noise = {(seed, a): 0.2 * (-1) ** (seed + a) * (1 + seed % 3) for seed in range(10) for a in (0, 1)}
    rows = [{"a": a, "seed": s, "value": 5 + shift * a + noise[s, a]} for s in range(10) for a in (0, 1)]
    found = judged(pd.DataFrame(rows), [difference(*A, expect, margin=margin)], ["a"])
    assert found["verdict"].tolist() == [verdict]
    assert found["side"].tolist() == [side]
    assert found["p"].item() == found[f"p_{'support' if side == 'for' else 'refute'}"].item()


def test_the_two_verdicts_on_a_direction_cost_alpha_together() -> None:
    """Under no effect, a claim of a direction is supported and refuted each in about 2.5 % of experiments."""
    rng = np.random.default_rng(5)
    claim, n = difference(*A), 2000
    samples = [Sample(rng.normal(size=(8, 2)), np.array([[-1.0, 1.0]]), None) for _ in range(n)]
    found = [weigh(claim, sample) for sample in samples]
    for name in ("support", "refute"):
        count = sum(getattr(evidence, name) <= 0.05 for evidence in found)
        assert stats.binomtest(count, n, 0.025).pvalue > 0.001


def test_holm_over_the_claims_made_in_advance() -> None:
    """Claims made later do not weigh on those made in advance, but are adjusted for all of them."""
    frame = grid(lambda rng, cell: rng.normal() - 0.8 * cell["a"])
    claims = [
        difference(*A, id="first"),
        difference({"b": 0}, {"b": 1}, id="second"),
        difference({"a": 0, "b": 0}, {"a": 1, "b": 0}, id="late"),
    ]
    found = judged(frame, claims, ["a", "b"], post_hoc=["late"])
    p = found["p_support"]
    early = sorted(p[["first", "second"]])
    assert min(found.loc[["first", "second"], "p_support_adjusted"]) == pytest.approx(min(1, 2 * early[0]))
    rank = sorted(p).index(p["late"])
    expected = max(min(1.0, (3 - place) * value) for place, value in enumerate(sorted(p)[: rank + 1]))
    assert found.loc["late", "p_support_adjusted"] == pytest.approx(expected)
    assert found["declared"].tolist() == ["in advance", "in advance", "post hoc"]


def test_a_cell_without_values_is_not_measured() -> None:
    """Where the design could tell but runs are missing, the verdict is another, and other claims are unharmed."""
    frame = grid(lambda rng, _: rng.normal())
    frame.loc[(frame["a"] == 1) & (frame["b"] == 1), "value"] = np.nan
    claims = [difference(*A, id="main"), difference({"a": 0, "b": 0}, {"a": 1, "b": 0}, id="simple")]
    found = judged(frame, claims, ["a", "b"])
    assert found["verdict"].tolist() == ["not measured", "inconclusive"]
    assert found["n"].tolist() == [0, 10]


def test_one_seed_decides_nothing() -> None:
    """A single seed has an estimate and no verdict but inconclusive."""
    found = judged(grid(lambda _, cell: float(cell["a"]), seeds=1), [difference(*A)], ["a", "b"])
    assert (found["verdict"].item(), found["estimate"].item()) == ("inconclusive", 1.0)
    assert np.isnan(found["p"].item())


@pytest.mark.parametrize(
    ("seeds", "shift", "expect", "margin", "verdict", "p"),
    [
        (10, 3.0, "increase", None, "supported", 2**-9),
        (6, 3.0, "increase", None, "supported", 2**-5),
        (5, 3.0, "increase", None, "inconclusive", 2**-4),
        (10, -3.0, "increase", None, "refuted", 2**-9),
        (10, 3.0, "increase", 4.0, "immaterial", 2**-9),
        (10, 3.0, "increase", 3.0, "supported", 2**-9),
        (10, 0.0, "increase", None, "inconclusive", 1.0),
        (10, 0.0, "increase", 1.0, "refuted", 2**-9),
        (10, -3.0, "difference", None, "supported", 2**-9),
        (10, 3.0, "difference", 4.0, "immaterial", 2**-10),
        (10, 0.0, "difference", None, "inconclusive", 1.0),
        (10, 3.0, "equivalent", 4.0, "supported", 2**-10),
        (5, 3.0, "equivalent", 4.0, "supported", 2**-5),
        (4, 3.0, "equivalent", 4.0, "inconclusive", 2**-4),
        (10, 3.0, "equivalent", 3.0, "inconclusive", 0.5),
        (10, -3.0, "equivalent", 2.0, "refuted", 2**-9),
        (10, 0.0, "equivalent", 2.0, "supported", 2**-10),
    ],
)
def test_a_contrast_that_is_the_same_in_every_seed_has_the_exact_sign_test(
    seeds: int, shift: float, expect: Expect, margin: float | None, verdict: str, p: float
) -> None:
    """Its signs are counted: S of S lie on one side of the bound with a chance of 2^-S; no p is 0, and none is NaN."""
    frame = grid(lambda rng, cell: rng.integers(9) + shift * cell["a"], seeds=seeds)
    frame["value"] -= frame["value"] - frame["seed"] - shift * frame["a"]  # seeds differ, and their contrasts do not
    found = judged(frame, [difference(*A, expect, margin=margin)], ["a", "b"]).loc["claim"]
    assert (found["verdict"], found["p"], found["constant"]) == (verdict, p, True)
    assert np.isnan([found["t"], found["low"], found["bayes_factor"]]).all()


@pytest.mark.parametrize("expect", ["increase", "decrease"])
def test_an_order_with_a_constant_step(expect: Expect) -> None:
    """A step that is the same in every seed counts with its sign test, and may be the weakest of an order."""
    sign = 1.0 if expect == "increase" else -1.0
    noise = np.random.default_rng(3).normal(size=10)
    for third, verdict, detail in (
        (1.0, "supported", "1 → 2"),
        (-1.0, "refuted", "1 → 2"),
        (0.0, "inconclusive", "1 → 2"),
    ):
        table = np.column_stack([np.zeros(10), 50 * sign + noise, 50 * sign + noise + third * sign])
        rows = [{"a": a, "seed": s, "value": table[s, a]} for s in range(10) for a in range(3)]
        steps = tuple(Comparison(({"a": low}, {"a": low + 1}), (-1.0, 1.0)) for low in (0, 1))
        found = judged(pd.DataFrame(rows), [Claim("order", "On.", "value", "order", steps, expect)], ["a"]).loc["order"]
        assert (found["verdict"], found["detail"], found["constant"]) == (verdict, detail, True)
        assert found["estimate"] == pytest.approx(third * sign)
        expected = {1.0: 2**-9, 0.0: 1.0, -1.0: 2 * 2**-9}[third]  # what is against is multiplied by the steps
        assert found["p"] == pytest.approx(expected)


def test_an_order_stands_with_its_weakest_step() -> None:
    """The p of an order is the largest of its steps' one-sided p values, doubled, and its estimate is that step's."""
    steps = {0: 0.0, 1: 5.0, 2: 5.4}
    rng = np.random.default_rng(0)
    rows = [{"a": a, "seed": s, "value": base + rng.normal()} for s in range(12) for a, base in steps.items()]
    frame = pd.DataFrame(rows)
    comparisons = tuple(Comparison(({"a": low}, {"a": low + 1}), (-1.0, 1.0)) for low in (0, 1))
    found = judged(frame, [Claim("order", "It rises.", "value", "order", comparisons, "increase")], ["a"])
    table = frame.pivot(index="seed", columns="a", values="value")
    weakest = stats.ttest_1samp(table[2] - table[1], 0)
    assert found["estimate"].item() == pytest.approx((table[2] - table[1]).mean())
    assert found["p_support"].item() == pytest.approx(min(1, 2 * stats.t.sf(weakest.statistic, 11)))
    assert found["detail"].item() == "1 → 2"


@pytest.mark.parametrize("expect", ["increase", "decrease"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_an_order_is_refuted_by_its_clearest_step_times_the_number_of_steps(expect: Expect, steps: int) -> None:
    """Any of the steps could refute an order, so the smallest one-sided p is doubled and multiplied by the steps."""
    sign = 1.0 if expect == "increase" else -1.0
    rng = np.random.default_rng(steps)
    table = rng.normal(size=(9, steps + 1)) - 0.9 * sign * (np.arange(steps + 1) == 1)
    rows = [{"a": a, "seed": s, "value": table[s, a]} for s in range(9) for a in range(steps + 1)]
    comparisons = tuple(Comparison(({"a": low}, {"a": low + 1}), (-1.0, 1.0)) for low in range(steps))
    claim = Claim("order", "It goes on.", "value", "order", comparisons, expect, margin=0.5)
    found = judged(pd.DataFrame(rows), [claim], ["a"])
    t, _ = stats.ttest_1samp(sign * np.diff(table, axis=1), 0)
    assert found["p_refute"].item() == pytest.approx(min(1.0, 2 * steps * stats.t.cdf(t.min(), 8)))
    assert found["p_support"].item() == pytest.approx(min(1.0, 2 * stats.t.sf(t.min(), 8)))


def test_two_groups_of_seeds_are_bimodal_and_one_is_not() -> None:
    """A cell whose runs collapse in 4 of 10 seeds supports a claim of bimodality; a normal one decides nothing."""
    frame = grid(lambda rng, cell: rng.normal(scale=0.1) + (3.0 if cell["a"] and rng.random() < 0.5 else 0.0), seeds=20)
    cells = [Comparison(({"a": a, "b": 0},), (1.0,)) for a in (1, 0)]
    claims = [Claim(f"a{i}", "Two.", "value", "cell", (cell,), "bimodal") for i, cell in enumerate(cells)]
    found = judged(frame, claims, ["a", "b"])
    upper = int((frame.query("a == 1 and b == 0")["value"] > 1.5).sum())
    assert found["verdict"].tolist() == ["supported", "inconclusive"]
    assert found.loc["a0", "estimate"] == pytest.approx(upper / 20)
    assert found.loc["a0", "detail"].startswith(f"{upper} of 20 above")


def test_a_spread_is_compared_as_distances_from_the_median() -> None:
    """A claim on spread is the t test on distances from each cell's median (Brown & Forsythe), seed by seed."""
    frame = grid(lambda rng, cell: rng.normal(scale=4.0 if cell["a"] else 0.5), seeds=20)
    found = judged(frame, [difference(*A, "increase", measure="spread")], ["a", "b"])
    table = frame.pivot(index="seed", columns=["a", "b"], values="value")
    away = (table - table.median()).abs()
    per_seed = away[1].mean(axis=1) - away[0].mean(axis=1)
    assert found["p"].item() == pytest.approx(stats.ttest_1samp(per_seed, 0).pvalue)
    assert found["verdict"].item() == "supported"


def test_ratios_of_a_log_metric() -> None:
    """On a log scale the estimate is a ratio of geometric means, and a margin of 10 % is one of 1.1 either way."""
    frame = grid(lambda rng, cell: float(np.exp(rng.normal(scale=0.01) + np.log(2) * cell["a"])))
    settings = {"scale": "log", "margin": 0.1, "relative": True}
    claims = [difference(*A, "increase", **settings), difference({"b": 0}, {"b": 1}, "equivalent", id="b", **settings)]
    found = judged(frame, claims, ["a", "b"])
    assert found.loc["claim", "estimate"] == pytest.approx(2, rel=0.02)
    assert found.loc["claim", "margin"] == pytest.approx(1.1)
    assert found["verdict"].tolist() == ["supported", "supported"]


def test_values_without_a_logarithm_have_no_other_scale() -> None:
    """Where some value is not positive there is no verdict on the log scale, rather than one without that seed."""
    frame = grid(lambda rng, cell: rng.normal() + 4.0 + 9.0 * cell["a"])
    assert judged(frame, [difference(*A, "increase")], ["a", "b"])["other_scale"].item() == "supported"
    small = frame.assign(value=frame["value"] / 100)  # below 1, whose logarithm is negative and there
    assert judged(small, [difference(*A, "increase")], ["a", "b"])["other_scale"].item() == "supported"
    frame.loc[0, "value"] = -1.0
    assert judged(frame, [difference(*A, "increase")], ["a", "b"])["other_scale"].item() == ""


def test_values_too_large_to_be_squared_are_left_out() -> None:
    """A run that is finite but beyond all sense costs its seed, as in the analysis, and no warning."""
    frame = grid(lambda rng, cell: rng.normal() - 5.0 * cell["a"])
    frame.loc[0, "value"] = 1e200
    found = judged(frame, [difference(*A)], ["a", "b"]).loc["claim"]
    assert (found["n"], found["verdict"]) == (9, "supported")


def test_a_relative_margin_is_a_share_of_the_mean() -> None:
    """On the identity scale, a margin in percent is taken of the mean over all runs."""
    frame = grid(lambda rng, _: 20.0 + rng.normal(scale=0.01))
    found = judged(frame, [difference(*A, "equivalent", margin=0.05, relative=True)], ["a", "b"])
    assert found["margin"].item() == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize(
    ("mean", "scale", "relative", "margin", "shown"),
    [
        (20.0, "identity", True, 0.05, 1.0),
        (-20.0, "identity", True, 0.05, 1.0),
        (-20.0, "identity", False, 1.0, 1.0),
        (20.0, "log", True, 0.05, 1.05),
        (20.0, "log", False, 0.05, 1.05),
    ],
)
def test_a_margin_is_positive_whatever_the_mean(
    mean: float, scale: Any, relative: bool, margin: float, shown: float
) -> None:
    """A share of a mean is one of its size; on a log scale every margin is a relative change, shown as a ratio."""
    frame = grid(lambda rng, cell: mean + rng.normal(scale=0.01) + 0.5 * cell["a"] - 0.25)
    settings = {"scale": scale, "relative": relative, "margin": margin}
    claims = [difference(*A, "equivalent", **settings), difference(*A, "increase", id="more", **settings)]
    found = judged(frame, claims, ["a", "b"])
    assert found["margin"].to_list() == pytest.approx([shown, shown], rel=1e-3)
    assert found["verdict"].to_list() == ["supported", "immaterial"]


def test_parts_add_up_to_the_total() -> None:
    """A difference in two factors is the sum of what each changes alone and their interaction, by hand."""
    means = {(0, 0): 10.0, (1, 0): 9.0, (0, 1): 8.5, (1, 1): 6.0}
    frame = grid(lambda rng, cell: means[cell["a"], cell["b"]] + rng.normal(scale=0.5))
    claim = difference({"a": 0, "b": 0}, {"a": 1, "b": 1}, credited_to="a")
    parts = judge_claims(frame, ["a", "b"], [claim]).parts.set_index("part")
    mean = frame.groupby(["a", "b"])["value"].mean()
    base = mean[0, 0]
    expected = {
        "a": mean[1, 0] - base,
        "b": mean[0, 1] - base,
        "a × b": mean[1, 1] - mean[1, 0] - mean[0, 1] + base,
        "total": mean[1, 1] - base,
    }
    assert parts["estimate"].to_dict() == pytest.approx(expected)
    assert parts.loc[["a", "b", "a × b"], "estimate"].sum() == pytest.approx(parts.loc["total", "estimate"])
    assert set(parts["scale"]) == {"difference"}
    assert (parts["low"] < parts["estimate"]).all()
    assert (parts["estimate"] < parts["high"]).all()


def test_parts_of_a_ratio_multiply_up_to_it() -> None:
    """On a log scale the parts are ratios of geometric means, and their product is that of the claim."""
    frame = grid(lambda rng, cell: np.exp(cell["a"] - 0.5 * cell["b"] + rng.normal(scale=0.2)))
    claim = difference({"a": 0, "b": 0}, {"a": 1, "b": 1}, "increase", credited_to="a", scale="log")
    found = judge_claims(frame, ["a", "b"], [claim])
    parts = found.parts.set_index("part")
    assert set(parts["scale"]) == {"ratio"}
    assert parts.loc[["a", "b", "a × b"], "estimate"].prod() == pytest.approx(parts.loc["total", "estimate"])
    limits = ["estimate", "low", "high"]
    assert parts.loc["total", limits].tolist() == pytest.approx(found.claims.loc[0, limits].tolist())


def test_intervals_of_parts_cover_them() -> None:
    """The 95 % interval of a part of the change holds the true part in about 95 % of experiments."""
    rng = np.random.default_rng(11)
    claim, covered, n = difference({"a": 0, "b": 0}, {"a": 1, "b": 1}, credited_to="a"), 0, 150
    for _ in range(n):
        noise = rng.normal(size=(6, 4)) + rng.normal(size=(6, 1))
        values = np.array([10.0, 8.0, 9.0, 6.0]) + noise  # of the cells (0, 0), (0, 1), (1, 0), (1, 1)
        cells = product(range(6), enumerate(product((0, 1), repeat=2)))
        rows = [{"a": a, "b": b, "seed": seed, "value": values[seed, at]} for seed, (at, (a, b)) in cells]
        row = part_frame(gather(pd.DataFrame(rows), ["a", "b"], [claim]), 0.95).set_index("part").loc["a"]
        covered += bool(row["low"] <= -1.0 <= row["high"])
    assert stats.binomtest(covered, n, 0.95).pvalue > 0.001


def test_parts_that_were_not_run_are_missing(reference: Any) -> None:
    """In the post's design the parts of L2 and GELU are not to be had, but the total is."""
    frame, _ = reference("a04_ablation_8of16")
    one = {"init": "random", "noise": "bipolar", "reg": "l1", "act": "relu"}
    claim = difference(one, one | {"reg": "l2", "act": "gelu"}, credited_to="reg")
    parts = judge_claims(frame, FACTORS, [claim]).parts.set_index("part")["estimate"]
    assert parts[["reg", "act", "reg × act"]].isna().all()
    assert np.isfinite(parts["total"])


def test_a_verdict_that_one_seed_makes_is_not_robust() -> None:
    """Where leaving out a seed changes the verdict, the other verdict is named; where none does, nothing is."""
    effects = [-1.0, -1.1, -1.2, -1.3, 1.0]
    shaky = pd.DataFrame([{"a": a, "seed": s, "value": effects[s] * a} for s in range(5) for a in (0, 1)])
    for frame, verdict, without in ((shaky, "inconclusive", "supported"), (shaky.head(8), "supported", "")):
        found = judged(frame, [difference(*A)], ["a"]).loc["claim"]
        assert (found["verdict"], found["without_a_seed"]) == (verdict, without)


def test_levels_show_where_an_effect_turns_round() -> None:
    """Within each level of the other factors the comparison is that of the level's own cells."""
    frame = grid(lambda rng, cell: rng.normal(scale=0.1) + cell["a"] * (1 if cell["b"] else -1))
    levels = judge_claims(frame, ["a", "b"], [difference(*A)]).levels.set_index("level")
    means = frame.groupby(["b", "a"])["value"].mean()
    assert levels["estimate"].to_dict() == pytest.approx({b: means[b, 1] - means[b, 0] for b in (0, 1)})


def test_other_methods_judge_the_same_data(factorial: Any) -> None:
    """The verdicts by blocks and by sign flips rest on their own p values: two-sided F of the ANOVA, and all flips."""
    frame, results = factorial
    sample_rows = {row["term"]: row for row in results["lm_full_block"]["type2"]["rows"]}
    table = frame.assign(cell=frame[FACTORS].astype(str).agg("/".join, axis=1)).pivot(
        index="seed", columns="cell", values="value"
    )
    weights = np.array([[(1.0 if "l2" in name else -1.0) / 8 for name in table.columns]])
    sample = Sample(table.to_numpy(), weights, None)
    claim = difference({"reg": "l1"}, {"reg": "l2"}, "difference")
    assert weigh(claim, sample, by_blocks).support == pytest.approx(sample_rows["reg"]["p"], rel=1e-8)
    flipped = stats.permutation_test((sample.contrasts[:, 0],), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert weigh(claim, sample, by_sign_flips).support == pytest.approx(flipped.pvalue)


def test_published_figures_are_kept_as_printed() -> None:
    """The printed text is untouched, and the change is a fraction; without figures there is none."""
    printed = {"change": "−17.9%", "t": 2.8, "p": "<0.01", "d": [1.5, 1.6]}
    frame = grid(lambda rng, _: rng.normal(10.0))
    found = judged(frame, [difference(*A, published=printed), difference(*A, id="bare")], ["a", "b"])
    assert found["published"].tolist() == ["−17.9%, t 2.8, p <0.01, d 1.5–1.6", ""]
    assert found.loc["claim", "published_change"] == pytest.approx(-0.179)
    assert np.isnan(found.loc["bare", "published_change"])


def test_two_samples_as_papers_print_them() -> None:
    """For two cells, t, p and d of independent samples stand beside the paired test."""
    frame = grid(lambda rng, cell: rng.normal() - cell["a"])
    found = judged(frame, [difference({"a": 0, "b": 1}, {"a": 1, "b": 1})], ["a", "b"]).iloc[0]
    x, y = (frame.query(f"a == {a} and b == 1")["value"] for a in (1, 0))
    expected = stats.ttest_ind(x, y, equal_var=False)
    assert found["two_sample_t"] == pytest.approx(expected.statistic)
    assert found["two_sample_p"] == pytest.approx(expected.pvalue)
    assert found["d"] == pytest.approx((x.mean() - y.mean()) / np.sqrt((x.var() + y.var()) / 2))


@pytest.mark.parametrize("verdicts", [Verdict, GateVerdict])
def test_a_verdict_knows_its_word_and_its_sign(verdicts: type[Signed]) -> None:
    """A verdict is its word wherever text is wanted, and every sign reaches reports."""
    for verdict in verdicts:
        assert (f"{verdict}", verdict.value) == (str(verdict), str(verdict))
        assert sign(f"{verdict}, post hoc") == verdict.sign
    assert sign("supported jointly with diet") == "~"


@pytest.mark.parametrize(
    ("seeds", "claims", "late", "expect", "offered"),
    [
        (5, 1, 0, "increase", False),
        (6, 1, 0, "increase", True),
        (6, 2, 0, "increase", False),
        (8, 2, 0, "increase", True),
        (6, 1, 3, "increase", True),
        (6, 1, 3, "decrease", True),
        (4, 1, 0, "equivalent", False),
        (5, 1, 0, "equivalent", True),
        (5, 2, 0, "equivalent", False),
    ],
)
def test_sign_flips_are_offered_where_they_can_decide(
    seeds: int, claims: int, late: int, expect: Expect, offered: bool
) -> None:
    """With S seeds no p is below 2 / 2^S (of equivalence 1 / 2^S): where the family makes that over 5 %, none is told.

    The family of a claim made in advance is the claims made in advance; of a late one, all of them.
    """
    shift = {"increase": 5.0, "decrease": -5.0, "equivalent": 0.0}[expect]
    frame = grid(lambda rng, levels: shift * levels["a"] + rng.normal() / 9, seeds=seeds)
    margin = 2.0 if expect == "equivalent" else None
    made = [difference(*A, expect, id=f"claim {number}", margin=margin) for number in range(claims + late)]
    post_hoc = [claim.id for claim in made[claims:]]
    verdicts = judged(frame, made, ["a", "b"], post_hoc=post_hoc)["sign_flip"]
    assert set(verdicts[:claims]) == ({"supported"} if offered else {""})
    assert set(verdicts[claims:]) <= {""}


def test_a_bayes_factor_stands_beside_what_is_inconclusive() -> None:
    """It is R's (BayesFactor 0.9.12, ttestBF of the sleep data: 17.25888), of single comparisons, and no verdict's."""
    assert bayes_factor(-4.062128, 10) == pytest.approx(17.25888, rel=1e-5)
    assert bayes_factor(0.0, 10) == pytest.approx(1 / bayes_factor_of_no_effect(10), rel=1e-6)
    assert np.isnan(bayes_factor(np.nan, 10))
    assert bayes_factor(1e9, 500) == np.inf
    frame = grid(lambda rng, cell: rng.normal() + 3 * cell["b"])
    steps = tuple(Comparison(({"a": low}, {"a": high}), (-1.0, 1.0)) for low, high in ((0, 1), (1, 0)))
    claims = [
        difference(*A, "increase", id="open"),
        difference({"b": 0}, {"b": 1}, "increase", id="decided"),
        Claim("order", "On.", "value", "order", steps, "increase"),
    ]
    found = judged(frame, claims, ["a", "b"])
    assert found["verdict"].tolist() == ["inconclusive", "supported", "inconclusive"]
    assert found.loc["open", "bayes_factor"] == pytest.approx(bayes_factor(found.loc["open", "t"], 10))
    assert found.loc[["decided", "order"], "bayes_factor"].isna().all()


def bayes_factor_of_no_effect(n: int) -> float:
    """1 / BF10 at t = 0: the mean of (1 + n g)^-1/2 over g from an inverse gamma of shape 1/2 and scale r²/2."""
    prior = stats.invgamma(0.5, scale=1 / 4)
    mean, _ = integrate.quad(lambda g: prior.pdf(g) / np.sqrt(1 + n * g), 0, np.inf)
    return float(1 / mean)


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (0.2, "BF10 0.20 (JZS prior, r = .707), evidence of absence: no effect makes the data 5.0 times likelier."),
        (1 / 3, "evidence of absence: no effect makes the data 3.0 times likelier."),
        (0.8, "absence of evidence: the data hardly tell an effect from none."),
        (4.0, "the data are 4.0 times likelier with an effect than without one."),
    ],
)
def test_the_sentence_says_whether_the_data_are_silent(factor: float, words: str) -> None:
    """A Bayes factor is told in one clause, beside what is inconclusive alone."""
    frame = grid(lambda rng, _: rng.normal())
    verdicts = judge_claims(frame, ["a", "b"], [difference(*A, "increase")])
    context = Context({"a": (0, 1), "b": (0, 1)}, (Metric("value", "Value"),))
    assert "Bayes factor BF10" in sentences(verdicts, context)["claim"][1]
    told = replace(verdicts, tests=verdicts.tests.assign(bayes_factor=factor))
    assert words in sentences(told, context)["claim"][1]
    silent = replace(verdicts, tests=verdicts.tests.assign(bayes_factor=np.nan))
    assert "Bayes" not in sentences(silent, context)["claim"][1]
    constant = grid(lambda _, cell: 3.0 + cell["a"])
    ((_, sentence),) = sentences(judge_claims(constant, ["a", "b"], [difference(*A, "increase")]), context).values()
    assert "the same in each of the 10 seeds, so that p is the exact sign test's" in sentence


@pytest.mark.parametrize("margin", [2.0, 3.0])
def test_other_methods_shift_the_cells_by_the_margin(margin: float) -> None:
    """Against a bound, sign flips flip contrasts less the bound, and the block model tests the mean less the bound."""
    rng = np.random.default_rng(7)
    table = rng.normal(size=(9, 3)) + np.array([0.0, 1.0, 5.0])
    table[4, 2] = np.nan  # a seed that lacks a cell which is not compared
    sample = Sample(table, np.array([[-1.0, 1.0, 0.0]]), margin)
    claim = difference(*A, "equivalent", margin=margin)
    contrasts = table[:, 1] - table[:, 0]
    beyond = [
        stats.permutation_test(
            (side * contrasts + margin,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="greater"
        ).pvalue
        for side in (1, -1)
    ]
    assert weigh(claim, sample, by_sign_flips).support == pytest.approx(max(beyond), abs=1e-12)
    complete = np.delete(table, 4, axis=0)
    residuals = complete - complete.mean(axis=0) - complete.mean(axis=1, keepdims=True) + complete.mean()
    df = 7 * 2
    se = np.sqrt((residuals**2).sum() / df * 2 / 8)
    mean = complete[:, 1].mean() - complete[:, 0].mean()
    expected = max(stats.t.sf((mean + margin) / se, df), stats.t.cdf((mean - margin) / se, df))
    assert weigh(claim, sample, by_blocks).support == pytest.approx(expected, rel=1e-9)
    assert len(sample.contrasts) == 9  # the primary test needs the compared cells alone


def test_two_groups_on_a_log_scale() -> None:
    """The cut is told as measured, the share is the upper group's with Wilson's limits, and nothing is against it."""
    rng = np.random.default_rng(1)
    values = np.exp(np.where(np.arange(20) < 6, np.log(8.0), 0.0) + 0.05 * rng.normal(size=20))
    frame = pd.DataFrame({"a": 0, "b": 0, "seed": range(20), "value": values})
    frame = pd.concat([frame, frame.assign(b=1, value=1.0)])
    cell = (Comparison(({"a": 0, "b": 0},), (1.0,)),)
    found = judged(frame, [Claim("two", "Two.", "value", "cell", cell, "bimodal", scale="log")], ["a", "b"]).loc["two"]
    low, high = stats.binomtest(6, 20).proportion_ci(method="wilson")
    assert (found["verdict"], found["scale"], found["n"]) == ("supported", "share", 20)
    assert found[["estimate", "low", "high"]].tolist() == pytest.approx([0.3, low, high])
    cut = float(found["detail"].removeprefix("6 of 20 above "))
    assert 1.2 < cut < 7
    assert np.isnan([found["p_refute"], found["t"], found["margin"]]).all()
    assert (found["block_model"], found["sign_flip"]) == ("", "")
    other = Claim("two", "Two.", "value", "cell", (Comparison(({"a": 0, "b": 1},), (1.0,)),), "bimodal")
    alike = judged(frame, [other], ["a", "b"]).loc["two"]
    assert (alike["verdict"], alike["detail"]) == ("inconclusive", "")


def test_a_log_scale_is_refused_with_the_number_of_values_without_a_logarithm() -> None:
    """The claim is then not measured, and says why; on the identity scale zero and less are values like others."""
    frame = grid(lambda rng, cell: rng.normal() + 9.0 * cell["a"] + 5.0)
    frame.loc[[3, 8], "value"] = [0.0, -1.0]
    found = judged(frame, [difference(*A, id="log", scale="log"), difference(*A, id="plain")], ["a", "b"])
    assert found.loc["log", ["verdict", "n"]].tolist() == ["not measured", 0]
    assert found.loc["log", "detail"] == "2 values are not positive and have no logarithm"
    assert found.loc["plain", ["verdict", "n", "detail"]].tolist() == ["refuted", 10, ""]


def test_a_level_is_known_by_its_type_and_one_that_was_not_planned_cannot_be_told() -> None:
    """1 and true are two levels, and a region of a level that no cell has is not identifiable."""
    frame = grid(lambda rng, cell: rng.normal() - 5.0 * cell["a"])
    claims = [
        difference({"a": 0}, {"a": 1}, id="known"),
        difference({"a": 0}, {"a": True}, id="typed"),
        difference({"a": 0}, {"a": 2}, id="unplanned"),
        difference({"a": 0, "b": 0}, {"a": 1, "b": "0"}, id="text"),
    ]
    found = judged(frame, claims, ["a", "b"])["verdict"]
    assert found.tolist() == ["supported", *["not identifiable"] * 3]


def test_a_share_of_a_mean_of_nothing_is_no_margin() -> None:
    """Where the mean is 0, a margin in percent is none, and equivalence cannot be decided."""
    frame = grid(lambda _, cell: 1.0 if cell["a"] else -1.0)
    frame["value"] += np.where(frame["seed"] % 2, 0.1, -0.1)
    found = judged(frame, [difference(*A, "equivalent", margin=0.05, relative=True)], ["a", "b"]).loc["claim"]
    assert (found["verdict"], np.isnan(found["margin"]), np.isnan(found["p"])) == ("inconclusive", True, True)


@pytest.mark.parametrize("factor", [1e-20, 1e20])
def test_no_unit_changes_a_verdict(factor: float) -> None:
    """The smallest and the largest values have the t and p of the same values in another unit."""
    frame = grid(lambda rng, cell: rng.normal() + cell["a"])
    claims = [difference(*A, "increase"), difference({"b": 0}, {"b": 1}, "difference", id="b", measure="spread")]
    columns = ["verdict", "t", "p", "p_refute", "block_model", "sign_flip", "without_a_seed", "constant"]
    own, other = (judged(f, claims, ["a", "b"])[columns] for f in (frame, frame.assign(value=frame["value"] * factor)))
    pd.testing.assert_frame_equal(own, other, rtol=1e-9)
