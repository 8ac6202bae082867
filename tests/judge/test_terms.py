"""Terms with several contrasts: one test each whatever the reference levels, pairs of levels, and what is lost."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bench.judge.analysis import MetricOptions, analyze
from bench.judge.variance import primary
from bench.present.build import analyzed
from bench.present.render import terminal


def table(levels, seeds, rng, sd=1.0, effects=()):
    """A full factorial in ``seeds``, normal with a seed effect; ``effects``: (columns of levels -> shift)."""
    names = list("abcd"[: len(levels)])
    rows = list(itertools.product(range(seeds), *(range(size) for size in levels)))
    frame = pd.DataFrame(rows, columns=["seed", *names])
    frame["y"] = rng.normal(size=seeds)[frame["seed"]] + rng.normal(size=len(frame)) * sd
    for effect in effects:
        frame["y"] += effect(frame)
    return frame.astype(dict.fromkeys(names, str)).rename(columns=str)


@pytest.fixture
def five_by_two():
    """A factor of five levels, of which two differ from the others, and one of two, in eight seeds."""
    rng = np.random.default_rng(7)
    return table((5, 2), 8, rng, effects=[lambda frame: 1.5 * frame["a"].isin([1, 3])])


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pingouin under pandas 3.1
def test_terms_with_several_contrasts_have_the_p_of_pingouin(five_by_two):
    """One corrected p per term, in one Benjamini-Hochberg family with the t tests of terms of one contrast."""
    terms = analyze(five_by_two, ["a", "b"], "seed", ["y"]).terms.set_index("term")
    theirs = pingouin.rm_anova(five_by_two, dv="y", within=["a", "b"], subject="seed", correction=True, detailed=True)
    theirs = theirs.set_index("Source").rename(index={"a * b": "a:b"})
    for term in ("a", "a:b"):
        ours = terms.loc[term]
        expected = theirs.loc[term, ["F", "p_GG_corr", "eps"]].astype(float)
        np.testing.assert_allclose(ours[["F", "p", "epsilon"]].astype(float), expected, rtol=1e-9)
        assert ours["df_num"] == pytest.approx(4 * ours["epsilon"])
    assert (terms.loc["b", "test"], terms.loc["b", "df_den"]) == ("t", 7)
    np.testing.assert_allclose(terms["p_adjusted"], multipletests(terms["p"], method="fdr_bh")[1])


def test_contrasts_with_a_reference_level_enter_no_family(five_by_two):
    """They keep their p; only the effect that is its whole term has an adjusted one, that of the term."""
    analysis = analyze(five_by_two, ["a", "b"], "seed", ["y"])
    effects = analysis.contrasts.set_index("effect")
    assert effects["p"].notna().all()
    assert effects["p_adjusted"].notna().tolist() == [name == "b" for name in effects.index]
    assert effects.loc["b", "p_adjusted"] == analysis.terms.set_index("term").loc["b", "p_adjusted"]


@pytest.mark.parametrize("block", ["seed", None])
def test_nothing_that_survives_depends_on_the_reference(five_by_two, block):
    """All ten choices of reference levels give the same terms, families, joint sign flips and pairs of levels."""
    found = []
    for a, b in itertools.product("01234", "01"):
        analysis = analyze(five_by_two, ["a", "b"], block, ["y"], reference={"a": a, "b": b})
        levels = analysis.levels
        pairs = {frozenset(pair): p for *pair, p in levels[["a", "b", "p_adjusted"]].itertuples(index=False)}
        names = ["F", "df_num", "df_den", "p", "p_adjusted", "p_hotelling", "p_signflip", "p_maxt", "family_size"]
        found.append(([*analysis.terms[names].to_numpy(float).ravel()], pairs))
    for numbers, pairs in found[1:]:
        np.testing.assert_allclose(numbers, found[0][0], rtol=1e-9)
        assert pairs == pytest.approx(found[0][1], rel=1e-9)
    assert len(found[0][1]) == 10


@pytest.mark.usefixtures("uncollected")
def test_pairs_of_levels_are_paired_t_tests_of_marginal_means(five_by_two):
    """Every pair of levels, later minus earlier, is scipy's paired t of means per seed; Holm over the ten."""
    levels = analyze(five_by_two, ["a", "b"], "seed", ["y"]).levels
    means = five_by_two.pivot_table(index="seed", columns="a", values="y")
    for row in levels.itertuples():
        expected = stats.ttest_rel(means[row.a], means[row.b])
        np.testing.assert_allclose((row.t, row.p), (expected.statistic, expected.pvalue), rtol=1e-9)
        np.testing.assert_allclose((row.low, row.high), expected.confidence_interval(), rtol=1e-9)
        assert row.a > row.b
    np.testing.assert_allclose(levels["p_adjusted"], multipletests(levels["p"], method="holm")[1])
    assert set(levels["factor"]) == {"a"}


def test_joint_flips_compare_the_largest_t_of_all_pairs_of_levels(five_by_two):
    """With every sign vector written out, a term's p is that of its largest |t| over all pairs, against all terms."""
    terms = analyze(five_by_two, ["a", "b"], "seed", ["y"]).terms.set_index("term")
    cells = five_by_two.pivot_table(index="seed", columns=["a", "b"], values="y").to_numpy().reshape(8, 5, 2)
    pairs = list(itertools.combinations(range(5), 2))
    means, steps = cells.mean(axis=2), cells[:, :, 1] - cells[:, :, 0]
    columns = {
        "a": np.stack([means[:, j] - means[:, i] for i, j in pairs], axis=1),
        "b": steps.mean(axis=1, keepdims=True),
        "a:b": np.stack([(steps[:, j] - steps[:, i]) / 2 for i, j in pairs], axis=1),
    }
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=8)))
    largest = {
        term: np.array([np.abs(stats.ttest_1samp(row[:, None] * own, 0.0).statistic).max() for row in signs])
        for term, own in columns.items()
    }
    of_all = np.max(list(largest.values()), axis=0)
    for term, flipped in largest.items():
        observed = flipped[-1] * (1 - 1e-9)
        assert terms.loc[term, "p_signflip"] == pytest.approx((flipped >= observed).mean())
        assert terms.loc[term, "p_maxt"] == pytest.approx((of_all >= observed).mean())


def test_sign_flips_are_said_to_rest_on_symmetry(five_by_two):
    """The proviso stands in the methods where there are such p, in the docs, and over their table of error rates."""
    full, few = (
        " ".join(
            terminal.render(analyzed(analyze(rows, ["a", "b"], "seed", ["y"]), "t.csv"), width=100, full=True).split()
        )
        for rows in (five_by_two, five_by_two[five_by_two["seed"] < 4])
    )
    assert "take every contrast to be symmetric about zero" in full
    assert "symmetric" not in few  # four seeds have no such p
    docs = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")
    assert "if contrasts are symmetric about zero" in docs
    assert "joint sign flips, for symmetric contrasts (`p_maxt`)" in docs


def test_pairs_of_more_than_twenty_levels_are_left_out_and_the_notes_say_so():
    """Twenty levels have 190 pairs; of twenty-one one sentence names the factor, whose term is tested all the same."""
    rng = np.random.default_rng(1)
    for levels, pairs in ((20, 190), (21, 0)):
        rows = [(f"level {level}", seed, rng.normal()) for seed in range(3) for level in range(levels)]
        found = analyze(pd.DataFrame(rows, columns=["a", "seed", "y"]), ["a"], "seed", ["y"])
        assert len(found.levels) == pairs
        assert ["Of more than 20 levels (a), neither pairs" in note for note in found.notes] == [True] * (not pairs)
        assert found.terms["p"].notna().all()


def test_without_blocks_a_factor_has_welchs_anova():
    """The test of a factor of independent runs with unequal spread is scipy's f_oneway(equal_var=False)."""
    rng = np.random.default_rng(3)
    samples = [rng.normal(size=size) * sd + shift for size, sd, shift in ((5, 1, 0), (9, 4, 1), (7, 0.5, 2), (6, 2, 0))]
    frame = pd.DataFrame([(str(group), value) for group, sample in enumerate(samples) for value in sample])
    (row,) = analyze(frame.set_axis(["a", "y"], axis=1), ["a"], None, ["y"]).terms.to_dict("records")
    expected = stats.f_oneway(*samples, equal_var=False)
    np.testing.assert_allclose((row["F"], row["p"]), (expected.statistic, expected.pvalue), rtol=1e-9)
    assert (row["df_num"], row["test"]) == (3, "Welch-James")


def test_hotelling_stands_beside_where_seeds_are_three_times_the_contrasts():
    """Twelve seeds have it for four contrasts, and eleven have not."""
    for seeds, offered in ((12, True), (11, False)):
        frame = table((5,), seeds, np.random.default_rng(1))
        (row,) = analyze(frame, ["a"], "seed", ["y"]).terms.to_dict("records")
        assert np.isfinite(row["p_hotelling"]) == offered


def test_incomplete_blocks_give_nearly_the_same_test(five_by_two):
    """With one of eighty runs lost, the test of a term is by regression within blocks, near that of all runs."""
    whole = analyze(five_by_two, ["a", "b"], "seed", ["y"]).terms
    part = analyze(five_by_two.drop(index=17), ["a", "b"], "seed", ["y"]).terms
    several = whole["contrasts"] > 1
    np.testing.assert_allclose(part["F"][several], whole["F"][several], rtol=0.2)
    assert set(part["method"]) == {"regression within blocks, jackknife"}


def test_a_log_scale_gives_ratios_of_levels():
    """Pairs of levels of a metric that is multiplied by 1.5 from level to level are ratios 1.5 and 2.25."""
    rng = np.random.default_rng(5)
    frame = table((3,), 6, rng)
    frame["y"] = 1.5 ** frame["a"].astype(float) * np.exp(rng.normal(size=6))[frame["seed"]]
    frame["y"] *= 1 + 1e-9 * rng.normal(size=18)
    levels = analyze(frame, ["a"], "seed", [MetricOptions("y", log=True)]).levels
    np.testing.assert_allclose(levels["estimate"], [1.5, 2.25, 1.5], rtol=1e-6)
    assert set(levels["scale"]) == {"ratio"}


@pytest.fixture
def learning_rates():
    """Three learning rates by two optimisers in six seeds."""
    frame = table((3, 2), 6, np.random.default_rng(2)).rename(columns={"a": "lr", "b": "opt"})
    return frame.assign(lr=frame["lr"].map({"0": "0.001", "1": "0.01", "2": "0.1"}))


@pytest.mark.parametrize("block", ["seed", None])
def test_a_level_without_values_leaves_the_effects_among_the_others(learning_rates, block):
    """With every run of 0.1 lost, all else is that of the table without it, and one sentence says so."""
    lost = learning_rates.assign(y=learning_rates["y"].where(learning_rates["lr"] != "0.1"))
    ours = analyze(lost, ["lr", "opt"], block, ["y"])
    rest = analyze(learning_rates[learning_rates["lr"] != "0.1"], ["lr", "opt"], block, ["y"])
    assert ours.lost == ("lr = 0.1 has no values: effects are those among the other levels.",)
    assert not any("0.1" in note for note in ours.notes)
    found, expected = ours.contrasts.set_index("effect"), rest.contrasts.set_index("effect")
    columns = ["estimate", "se", "p", "p_adjusted", "p_maxt"]
    names = {"lr[0.01]": "lr", "opt": "opt", "lr[0.01]:opt": "lr:opt"}
    for own, other in names.items():
        np.testing.assert_allclose(found.loc[own, columns].astype(float), expected.loc[other, columns].astype(float))
    assert set(found.loc[["lr[0.1]", "lr[0.1]:opt"], "reason"]) == {"lr = 0.1 has no values"}
    assert ours.levels[["b", "a"]].to_numpy().tolist() == [["0.001", "0.01"]]
    assert ours.terms["p"].notna().all()
    np.testing.assert_allclose(primary(ours.anova)["F"], primary(rest.anova)["F"])


def test_without_the_reference_level_the_others_are_compared(learning_rates):
    """Where 0.001 has no values, the pair 0.01 and 0.1 and the one test of the factor are given."""
    lost = learning_rates.assign(y=learning_rates["y"].where(learning_rates["lr"] != "0.001"))
    ours = analyze(lost, ["lr", "opt"], "seed", ["y"])
    rest = analyze(learning_rates[learning_rates["lr"] != "0.001"], ["lr", "opt"], "seed", ["y"])
    assert ours.levels["estimate"].tolist() == pytest.approx(rest.contrasts["estimate"][:1].tolist())
    np.testing.assert_allclose(ours.terms["p_adjusted"], rest.terms["p_adjusted"])


def test_a_level_lost_in_some_combinations_leaves_what_the_cells_identify(learning_rates):
    """Without 0.1/sgd, the effect and the interaction of 0.001 and 0.01 rest on their four cells and assume nothing."""
    gone = (learning_rates["lr"] == "0.1") & (learning_rates["opt"] == "0")
    ours = analyze(learning_rates.assign(y=learning_rates["y"].mask(gone)), ["lr", "opt"], "seed", ["y"])
    whole = analyze(learning_rates, ["lr", "opt"], "seed", ["y"])
    columns = ["estimate", "se", "p"]
    for effect in ("lr[0.01]", "lr[0.01]:opt"):
        found, expected = (table.contrasts.set_index("effect").loc[effect] for table in (ours, whole))
        np.testing.assert_allclose(found[columns].astype(float), expected[columns].astype(float))
        assert found["assumes"] == ""
    effects = ours.contrasts.set_index("effect")
    assert effects.loc["lr[0.1]", "assumes"] == "lr:opt"
    assert np.isnan(effects.loc["lr[0.1]:opt", "estimate"])
    terms = ours.terms.set_index("term")
    assert terms["contrasts"].to_dict() == {"lr": 2, "opt": 1, "lr:opt": 1}
    assert terms.loc["lr:opt", "p"] == pytest.approx(effects.loc["lr[0.01]:opt", "p"])


def test_trends_go_along_the_levels_that_have_values():
    """Of four learning rates with one lost, the trend is that of the other three."""
    frame = table((4,), 6, np.random.default_rng(2)).astype({"a": int})
    ours = analyze(frame.assign(y=frame["y"].where(frame["a"] != 3)), ["a"], "seed", ["y"]).trends
    rest = analyze(frame[frame["a"] != 3], ["a"], "seed", ["y"]).trends
    pd.testing.assert_frame_equal(ours, rest)


def test_a_log_scale_refuses_values_that_are_not_positive(learning_rates):
    """One value of 0 among 36 refuses the metric with the count, instead of analysing the rest."""
    frame = learning_rates.assign(y=np.exp(learning_rates["y"]).where(learning_rates.index != 4, 0.0))
    analysis = analyze(frame, ["lr", "opt"], "seed", [MetricOptions("y", log=True)])
    assert analysis.contrasts["estimate"].isna().all()
    assert any("1 of 36 values are not positive" in note for note in analysis.notes)


@pytest.fixture
def split_plot():
    """Two data sets of five seeds each, in every seed two optimisers by three learning rates."""
    rng = np.random.default_rng(9)
    frame = table((2, 3), 10, rng).rename(columns={"a": "opt", "b": "lr"})
    frame["data"] = np.where(frame["seed"] < 5, "mnist", "cifar")
    frame["y"] += rng.normal(size=10)[frame["seed"]] + np.where(frame["data"] == "cifar", 2.0, 0.0)
    return frame


def test_factors_that_vary_between_blocks_are_whole_plots(split_plot):
    """Between data sets: Student's t of means per seed; within: pooled over data sets; all with 10 - 2 degrees."""
    effects = analyze(split_plot, ["data", "opt", "lr"], "seed", ["y"]).contrasts.set_index("effect")
    means = split_plot.groupby(["data", "seed"])["y"].mean()
    between = stats.ttest_ind(means["cifar"], means["mnist"])
    np.testing.assert_allclose(
        effects.loc["data", ["t", "df", "p"]].astype(float), (between.statistic, 8, between.pvalue)
    )
    steps = split_plot.pivot_table(index=["data", "seed"], columns="opt", values="y")
    steps = steps["1"] - steps["0"]
    crossed = stats.ttest_ind(steps["cifar"], steps["mnist"])
    assert effects.loc["data:opt", "p"] == pytest.approx(crossed.pvalue)
    pooled = np.sqrt((steps["cifar"].var() + steps["mnist"].var()) / 2 / 10)
    inner = (steps["cifar"].mean() + steps["mnist"].mean()) / 2 / pooled
    np.testing.assert_allclose(effects.loc["opt", ["t", "df"]].astype(float), (inner, 8))
    assert effects.loc["data", "method"] == "block means, between blocks"
    assert effects.loc["opt", "method"] == "contrast per block, within groups of blocks"


def test_an_offset_of_a_trillion_leaves_whole_plots_as_they_were(split_plot):
    """Contrasts between and within blocks, and means of levels, lose no digit that the values still have."""
    rounded = np.round(split_plot["y"] * 1024) / 1024  # exact also a trillion away
    plain, far = (
        analyze(split_plot.assign(y=rounded + offset), ["data", "opt", "lr"], "seed", ["y"]) for offset in (0, 2**40)
    )
    for name, column in (("contrasts", "estimate"), ("contrasts", "p"), ("levels", "estimate"), ("marginal", "se")):
        ours, theirs = (getattr(analysis, name)[column] for analysis in (far, plain))
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(far.marginal["mean"] - 2**40, plain.marginal["mean"], atol=1e-3)


def test_incomplete_blocks_refuse_effects_between_blocks_and_are_named(split_plot):
    """With one run of seed 3 lost, what varies between seeds has no estimate, and the note names the seed."""
    analysis = analyze(split_plot.drop(index=20), ["data", "opt", "lr"], "seed", ["y"])
    effects = analysis.contrasts.set_index("effect")
    assert np.isnan(effects.loc["data", "estimate"])
    assert np.isfinite(effects.loc[["opt", "data:opt"], "p"]).all()
    assert any("data varies between blocks only, and seed 3 lacks some cells" in note for note in analysis.notes)


def test_an_aliased_anova_says_which_model_it_fitted(split_plot):
    """Of half a 2^3, the model is the main effects and what it leaves out is named; of a full factorial nothing is."""
    rng = np.random.default_rng(1)
    frame = table((2, 2, 2), 5, rng)
    half = frame[frame[["a", "b", "c"]].astype(int).sum(axis=1) % 2 == 0]
    (said,) = analyze(half, ["a", "b", "c"], "seed", ["y"]).anova_models
    assert said.startswith("The analysis of variance fits a, b, c; it leaves out a:b, a:c, b:c, a:b:c,")
    assert not analyze(frame, ["a", "b", "c"], "seed", ["y"]).anova_models
    (between,) = analyze(split_plot, ["data", "opt"], "seed", ["y"]).anova_models
    assert between == (
        "The analysis of variance fits opt, data:opt; what varies between blocks only (data) is part of these."
    )
    two = half[half["c"] == "0"]
    (none,) = analyze(two.drop(columns="c"), ["a", "b"], "seed", ["y"]).anova_models
    assert none.startswith("There is no analysis of variance")


def test_of_many_factors_effects_of_up_to_three_are_looked_at():
    """Seven factors have 63 terms instead of 127, and a note says so; six have all."""
    for factors, terms, notes in ((7, 63, 1), (6, 63, 0)):
        names = [f"f{position}" for position in range(factors)]
        frame = pd.DataFrame(itertools.product((0, 1), *[(0, 1)] * factors), columns=["seed", *names])
        frame["y"] = np.random.default_rng(0).normal(size=len(frame))
        analysis = analyze(frame, names, "seed", ["y"])
        assert len(analysis.terms) == terms
        assert sum("effects of up to 3 together" in note for note in analysis.notes) == notes
