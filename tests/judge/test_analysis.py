"""The analysis of a tidy frame: against R, against arithmetic done another way, and on designs that are not whole."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bench
from bench.errors import BenchError
from bench.judge.analysis import MetricOptions, analyze
from bench.judge.variance import primary

FACTORS = ["init", "noise", "reg", "act"]


def by_term(rows, name="term"):
    return {frozenset(row[name].split(":")): row for row in rows}


def column_of(frame, rows, ours, theirs, name="effect"):
    """Our column and theirs, matched by term whatever the order of its factors."""
    expected = by_term(rows)
    return frame[ours].to_numpy(), np.array([expected[frozenset(term.split(":"))][theirs] for term in frame[name]])


def test_squared_t_of_every_effect_is_the_repeated_measures_f_of_r(factorial):
    """One contrast per seed equals the repeated-measures ANOVA of each one-df effect."""
    frame, results = factorial
    contrasts = analyze(frame, FACTORS, "seed", ["value"]).contrasts
    t, F = column_of(contrasts, results["rm_anova"]["rows"], "t", "F")
    np.testing.assert_allclose(t**2, F, rtol=1e-9)
    np.testing.assert_allclose(*column_of(contrasts, results["rm_anova"]["rows"], "p", "p"), rtol=1e-9)
    np.testing.assert_allclose(
        *column_of(contrasts, results["lm_full"]["effects"]["rows"], "estimate", "effect"), rtol=1e-9
    )


def test_block_anova_and_its_effect_sizes_are_those_of_r(factorial):
    """Type II sums of squares, F, p and the three effect sizes agree with car's (limits: ``test_against_r``)."""
    frame, results = factorial
    anova = primary(analyze(frame, FACTORS, "seed", ["value"]).anova)
    model = results["lm_full_block"]
    for ours, theirs in (("sum_sq", "ss"), ("F", "F"), ("p", "p")):
        np.testing.assert_allclose(*column_of(anova, model["type2"]["rows"], ours, theirs, "term"), rtol=1e-9)
    for ours, theirs in (("partial_eta_sq", "eta2_p"), ("omega_sq", "omega2_p"), ("epsilon_sq", "epsilon2_p")):
        rows = model["effect_sizes_type2"]["rows"]
        np.testing.assert_allclose(*column_of(anova, rows, ours, theirs, "term"), rtol=1e-8, atol=1e-7)


def test_effects_of_incomplete_blocks_are_the_regression_coefficients_of_r(reference):
    """Where seeds lack cells, estimates equal twice R's coefficients with seeds as blocks."""
    frame, results = reference("a03_factorial_unbalanced")
    analysis = analyze(frame, FACTORS, "seed", ["value"])
    rows = results["lm_full_block"]["effects"]["rows"]
    np.testing.assert_allclose(*column_of(analysis.contrasts, rows, "estimate", "effect"), rtol=1e-9)
    assert any("lack some cells" in note for note in analysis.notes)
    assert analysis.contrasts["p"].notna().all()


def test_eight_ablation_cells_give_main_effects_and_name_the_aliases(reference):
    """Eight of sixteen cells identify the main effects and one interaction; the rest is named with its alias."""
    frame, results = reference("a04_ablation_8of16")
    analysis = analyze(frame, FACTORS, "seed", ["value"])
    estimable = analysis.estimable.set_index("effect")
    assert set(estimable.index[estimable["estimable"]]) == {*FACTORS, "init:noise"}
    assert estimable.loc["reg:act", "alias"] == "-1 reg +1 act"
    assert set(analysis.contrasts["effect"]) == {*FACTORS, "init:noise"}
    rows = results["lm_main_block"]["type2"]["rows"]
    np.testing.assert_allclose(*column_of(primary(analysis.anova), rows, "F", "F", "term"), rtol=1e-9)
    assert len(analysis.pairwise) == 7


def test_effect_confounded_with_blocks_is_not_estimable(reference):
    """N:P:K of the classic npk experiment is aliased with its blocks, and gets no number."""
    frame, _ = reference("a12_npk")
    analysis = analyze(frame, ["N", "P", "K"], "block", ["value" if "value" in frame else "yield"])
    estimable = analysis.estimable.set_index("effect")
    assert not estimable.loc["N:P:K", "estimable"]
    assert estimable.loc["N:P:K", "alias"] == "block"
    lost = analysis.contrasts.set_index("effect").loc["N:P:K"]
    assert np.isnan(lost["estimate"])
    assert lost["reason"]


def test_pairs_agree_with_scipy(factorial):
    """Welch and paired tests of every pair of cells are scipy's."""
    from scipy import stats

    frame, _ = factorial
    found = analyze(frame, FACTORS, "seed", ["value"], every_pair=True)
    pairs = found.pairwise_independent.assign(p_paired=found.pairwise["p"])
    cells = {"/".join(levels): group["value"].to_numpy() for levels, group in frame.groupby(FACTORS, observed=True)}
    assert len(pairs) == 120
    for row in pairs.itertuples():
        welch = stats.ttest_ind(cells[row.a], cells[row.b], equal_var=False)
        interval = welch.confidence_interval()
        np.testing.assert_allclose((row.t, row.p, row.df), (welch.statistic, welch.pvalue, welch.df), rtol=1e-10)
        np.testing.assert_allclose((row.low, row.high), (interval.low, interval.high), rtol=1e-10)
        np.testing.assert_allclose(row.p_paired, stats.ttest_rel(cells[row.a], cells[row.b]).pvalue, rtol=1e-10)


def test_order_of_rows_names_and_units_do_not_matter(factorial):
    """Shuffling rows, renaming columns to formula words and changing units leave t and p as they are."""
    frame, _ = factorial
    plain = analyze(frame, FACTORS, "seed", ["value"]).contrasts
    names = dict(zip(FACTORS, ["C", "lambda", "a b", "naïve:*"], strict=True))
    other = frame.rename(columns=names).sample(frac=1.0, random_state=1).assign(value=lambda d: 1e6 * d["value"])
    changed = analyze(other, list(names.values()), "seed", ["value"]).contrasts
    np.testing.assert_allclose(changed[["t", "p", "p_adjusted"]], plain[["t", "p", "p_adjusted"]], rtol=1e-9)
    np.testing.assert_allclose(changed["p_maxt"], plain["p_maxt"], rtol=1e-12)
    assert changed["effect"].iloc[0] == "C"


def test_reference_level_turns_the_sign(factorial):
    """Naming the other level as the reference reverses that factor's effects and no others."""
    frame, _ = factorial
    plain = analyze(frame, FACTORS, "seed", ["value"]).contrasts.set_index("effect")["estimate"]
    turned = analyze(frame, FACTORS, "seed", ["value"], reference={"reg": "l2"}).contrasts.set_index("effect")[
        "estimate"
    ]
    sign = np.where(["reg" in effect.split(":") for effect in plain.index], -1.0, 1.0)
    np.testing.assert_allclose(turned[plain.index], sign * plain, atol=1e-12)


def test_log_scale_reports_ratios():
    """A metric multiplied by 1.5 at one level has the ratio 1.5 and no interaction on the log scale."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame([(a, b, s) for s in range(6) for a in "xy" for b in "uv"], columns=["a", "b", "seed"])
    size = np.repeat(np.exp(rng.normal(size=6)), 4) * np.exp(1e-6 * rng.normal(size=24))
    frame["m"] = size * np.where(frame["a"] == "y", 1.5, 1.0) * np.where(frame["b"] == "v", 2.0, 1.0)
    contrasts = analyze(frame, ["a", "b"], "seed", [MetricOptions("m", log=True)]).contrasts.set_index("effect")
    np.testing.assert_allclose(contrasts["estimate"], [1.5, 2.0, 1.0], rtol=1e-5)
    assert (contrasts["scale"] == "ratio").all()


def test_three_levels_are_each_compared_with_the_reference():
    """A factor of three levels has an effect per level: the difference of means averaged over the other factor."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        [(a, b, s) for s in range(5) for a in (8, 16, 32) for b in (True, False)], columns=["w", "b", "s"]
    )
    frame["m"] = rng.normal(size=len(frame))
    contrasts = analyze(frame, ["w", "b"], "s", ["m"]).contrasts.set_index("effect")
    means = frame.groupby("w")["m"].mean()
    np.testing.assert_allclose(contrasts.loc["w[32]", "estimate"], means[32] - means[8], rtol=1e-10)
    cells = frame.groupby(["w", "b"])["m"].mean()
    crossed = (cells[16, False] - cells[16, True] - cells[8, False] + cells[8, True]) / 2
    np.testing.assert_allclose(contrasts.loc["w[16]:b", "estimate"], crossed, rtol=1e-10)


def test_sign_flip_floor_is_said_and_kept(factorial):
    """Flips are offered where their floor, 2/2^seeds, can be below 0.05: for one test times the size of the family."""
    frame, _ = factorial
    for seeds, factors, alone, joint in ((5, 4, False, False), (6, 4, False, True), (6, 1, True, True)):
        found = analyze(frame[frame["seed"] < seeds], FACTORS[:factors], "seed", ["value"])
        for rows in (found.contrasts, found.terms):
            assert rows["p_signflip"].notna().all() == rows["p_signflip"].notna().any() == alone
            assert rows["p_maxt"].notna().all() == rows["p_maxt"].notna().any() == joint
        assert (found.contrasts["p_signflip_floor"] == 2 / 2**seeds).all()
    many = analyze(frame, FACTORS[:2], "seed", ["value"]).contrasts
    assert many["p_signflip"].min() >= 2 / 2 ** frame["seed"].nunique()
    assert (many["p_maxt"] >= many["p_signflip"]).all()


@pytest.mark.parametrize("constant", [0.0, 1.5, 1e12])
def test_constant_metric_has_no_p_value(factorial, constant):
    """A metric that never varies gives NaN with a reason, never p = 0 or 1."""
    frame, _ = factorial
    analysis = analyze(frame.assign(value=constant), FACTORS, "seed", ["value"])
    for column in (
        analysis.contrasts["p"],
        analysis.contrasts["p_signflip"],
        analysis.anova["p"],
        analysis.pairwise["p"],
        analysis.pairwise_independent["p"],
    ):
        assert column.isna().all()
    assert (analysis.contrasts["reason"] == "no variation beyond rounding errors").all()
    assert (analysis.contrasts["estimate"] == 0.0).all()


def test_shift_of_every_seed_by_the_same_amount_has_no_p_value(factorial):
    """A deterministic change is not reported as p = 0."""
    frame, _ = factorial
    shifted = frame.assign(value=frame["seed"] + np.where(frame["reg"] == "l2", 0.1, 0.0))
    row = analyze(shifted, FACTORS, "seed", ["value"]).contrasts.set_index("effect").loc["reg"]
    assert np.isnan(row["p"])
    assert row["estimate"] == pytest.approx(0.1)


def test_values_that_are_not_finite_are_left_out_in_words(factorial):
    """NaN and infinite values do not enter, are counted per cell, and are said in the notes."""
    frame, _ = factorial
    frame = frame.copy()
    frame.loc[[0, 5], "value"] = [np.nan, np.inf]
    analysis = analyze(frame, FACTORS, "seed", ["value"])
    assert analysis.cells["n_missing"].sum() == 2
    assert any("2 of 160 runs have no finite value" in note for note in analysis.notes)
    assert analysis.contrasts["p"].notna().all()


def test_a_metric_without_any_value_keeps_its_rows(factorial):
    """A metric that is NaN everywhere has every effect listed, NaN, with the reason."""
    frame, _ = factorial
    analysis = analyze(frame.assign(other=np.nan), FACTORS, "seed", ["value", "other"])
    lost = analysis.contrasts[analysis.contrasts["metric"] == "other"]
    assert len(lost) == 15
    assert lost["estimate"].isna().all()
    assert (lost["n"] == 0).all()
    assert (lost["reason"] != "").all()
    assert (analysis.contrasts["family_size"] == 15).all()


def test_one_cell_and_one_seed_are_described(factorial):
    """A single cell has a row of means and no effects; a single seed has estimates and no tests, said in a note."""
    frame, _ = factorial
    one_cell = frame[(frame[FACTORS] == ["random", "bipolar", "l1", "relu"]).all(axis=1)]
    analysis = analyze(one_cell, FACTORS, "seed", ["value"])
    assert len(analysis.cells) == 1
    assert analysis.contrasts.empty
    assert analysis.pairwise.empty
    one_seed = analyze(frame[frame["seed"] == 3], FACTORS, "seed", ["value"])
    assert one_seed.contrasts["estimate"].notna().all()
    assert one_seed.contrasts["p"].isna().all()
    assert any("one seed" in note for note in one_seed.notes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"factors": ["init", "nose"]}, "'nose'"),
        ({"factors": []}, "No factor"),
        ({"block": "sed"}, "'sed'"),
        ({"metrics": ["reg2"]}, "'reg2'"),
        ({"metrics": ["act"]}, "not numbers"),
        ({"metrics": ["value", "value"]}, "Named twice"),
        ({"reference": {"init": "zeros"}}, "'zeros'"),
        ({"reference": {"lr": 1}}, "lr"),
        ({"confidence": 95.0}, "95"),
    ],
)
def test_bad_request_is_an_error_that_names_it(factorial, change, said):
    """What cannot be analysed is refused with the name that was given."""
    frame, _ = factorial
    request = {"factors": ["init"], "block": "seed", "metrics": ["value"]} | change
    with pytest.raises(BenchError, match=said):
        analyze(frame, **request)


def test_an_effect_does_not_see_the_size_of_cells_that_it_does_not_compare():
    """Levels that differ by 0.5 keep their estimate and test beside a third level of size 1e16."""
    rng = np.random.default_rng(5)
    rows = [
        {"rate": rate, "other": other, "seed": seed, "loss": size * (1 + 0.1 * rng.standard_normal())}
        for rate, size in (("slow", 1.0), ("fast", 1.5), ("wild", 1e16))
        for other in ("a", "b")
        for seed in range(8)
    ]
    frame = pd.DataFrame(rows)
    with_wild = analyze(frame, ["rate", "other"], "seed", ["loss"]).contrasts.set_index("effect").loc["rate[fast]"]
    without = analyze(frame[frame["rate"] != "wild"], ["rate", "other"], "seed", ["loss"]).contrasts.set_index("effect")
    for column in ("estimate", "low", "high", "t", "p"):
        assert with_wild[column] == pytest.approx(without.loc["rate", column], rel=1e-9)


def test_an_effect_of_exactly_zero_is_equivalent():
    """Symmetrical data give the effect 0 with its standard error, and the test against the margin that scipy gives."""
    change = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
    frame = pd.DataFrame({"a": ["x"] * 5 + ["y"] * 5, "seed": [0, 1, 2, 3, 4] * 2, "m": [*np.zeros(5), *change]})
    analysis = analyze(frame, ["a"], "seed", [MetricOptions("m", margin=0.5)])
    (effect,), (against,) = analysis.contrasts.to_dict("records"), analysis.equivalence.to_dict("records")
    assert (effect["estimate"], effect["se"]) == (0.0, pytest.approx(stats.sem(change)))
    assert against["equivalent"]
    assert against["p"] == pytest.approx(stats.ttest_1samp(change, 0.5, alternative="less").pvalue, rel=1e-9)


@pytest.mark.parametrize(
    ("shift", "seeds", "p", "equivalent"),
    [
        (0.0, 5, 2**-5, True),
        (0.3, 5, 2**-5, True),
        (-0.3, 5, 2**-5, True),
        (0.0, 4, 2**-4, False),
        (0.6, 5, 1.0, False),
    ],
)
def test_an_effect_without_spread_is_equivalent_by_its_signs(shift, seeds, p, equivalent):
    """The same difference in all seeds leaves no t, but all of them lie within the margin: the exact sign test."""
    seed = np.repeat(np.arange(seeds), 2)
    frame = pd.DataFrame({"a": ["x", "y"] * seeds, "seed": seed, "m": seed + np.tile([0.0, shift], seeds)})
    analysis = analyze(frame, ["a"], "seed", [MetricOptions("m", margin=0.5, better="higher")])
    (against,) = analysis.equivalence.to_dict("records")
    assert (against["p"], against["equivalent"], against["reason"]) == (p, equivalent, "")
    assert against["p_noninferior"] == 2.0**-seeds  # all of them lie above minus the margin
    assert np.isnan(analysis.contrasts["p"]).all()
    (alone,) = analyze(frame.assign(m=seed * 0.0), ["a"], None, [MetricOptions("m", margin=0.5)]).equivalence["p"]
    assert np.isnan(alone)  # nothing pairs independent runs


def test_runs_that_look_like_copies_are_named_where_nothing_tells_them_apart(factorial):
    """Independent runs of which half or more have the cell and all values of another; others are not mentioned."""
    frame, _ = factorial
    notes = [analyze(pd.concat([frame] * times), FACTORS, None, ["value"]).notes for times in (1, 2, 3)]
    copies = [[note for note in each if "if they are copies" in note] for each in notes]
    assert [note.split(" runs")[0] for each in copies for note in each] == ["160 of 320", "320 of 480"]
    assert not copies[0]


def test_confidence_is_a_field_and_moves_every_interval(factorial):
    """At 0.9 each interval of effects, cells and trends is that of scipy's t at 0.9, and none is refused above 0.5."""
    frame, _ = factorial
    analysis = analyze(frame, FACTORS, "seed", ["value"], confidence=0.9)
    effects = analysis.contrasts
    half = stats.t.ppf(0.95, effects["df"]) * effects["se"]
    np.testing.assert_allclose(effects["high"] - effects["estimate"], half, rtol=1e-9)
    assert analysis.confidence == 0.9
    for wrong in (0.0, 0.5, 1.0, 95.0):
        with pytest.raises(BenchError, match="confidence"):
            analyze(frame, FACTORS, "seed", ["value"], confidence=wrong)


ALIKE = [(1, "1"), (0.1, "0.1"), (True, "True"), (1, True), (0, False), (1, 1.0)]
TOLD_APART = [(1, 2.5), ("a", "A"), (True, False), ("1", "1.0")]


def test_levels_are_told_apart_by_one_rule(tmp_path):
    """What a check of a suite takes for two levels, a table of runs has as two; the rest both refuse."""
    (tmp_path / "anything.py").write_text(ANYTHING)
    suite = tmp_path / "suite.toml"
    for pair in [*ALIKE, *TOLD_APART]:
        levels = ", ".join(map(json.dumps, pair))
        suite.write_text(f'name = "s"\nexperiment = "anything:EXPERIMENT"\nseeds = 3\n[factors]\nu = [{levels}]\n')
        frame = pd.DataFrame({"u": pd.Series(pair * 3, dtype=object), "seed": np.repeat([0, 1, 2], 2)})
        frame["m"] = [1.0, 2.0, 1.5, 4.0, 3.0, 3.5]
        if pair in ALIKE:
            with pytest.raises(BenchError, match="no table could tell apart"):
                bench.check(suite)
            with pytest.raises(BenchError, match="look alike"):
                analyze(frame, ["u"], "seed", ["m"])
        else:
            assert bench.check(suite).factors["u"] == pair
            assert analyze(frame, ["u"], "seed", ["m"]).factors["u"] == pair


ANYTHING = """
from dataclasses import dataclass
from typing import Any

from bench.experiment import Experiment, Metric


@dataclass(frozen=True)
class Params:
    u: Any = ""


EXPERIMENT = Experiment(params=Params, metrics=[Metric("m", "M")], run=lambda jobs, progress: iter(()))
"""
