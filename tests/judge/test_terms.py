"""Terms with several contrasts: one test each whatever the reference levels, pairs of levels, and what is lost."""

import itertools

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bench.judge.analysis import MetricOptions, analyze


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
