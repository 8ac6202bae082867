"""Several groups and families: post hoc tests, rank tests, Welch's ANOVA, repeated measures, adjusted p values."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from bench.stats.effect_size import cohen_d, cohen_d_z, hedges_correction
from bench.stats.multiplicity import adjust
from bench.stats.noncentral import f_limits, noncentral_f_cdf, noncentral_t_cdf, t_limits
from bench.stats.oneway import welch_anova
from bench.stats.posthoc import dunnett, studentized_range_p, studentized_range_quantile, tukey
from bench.stats.ranks import friedman, iman_davenport, kruskal

FOLDER = Path(__file__).parents[1] / "reference" / "stats"
ONE_WAY = ["a08_oneway_hetero_k4", "a09_oneway_balanced_k6", "a10_plantgrowth", "a11_chickwts"]


@pytest.mark.parametrize("name", ONE_WAY)
def test_comparisons_with_a_control_are_dunnetts(reference, name):
    """Dunnett's two-sided p agrees with quadrature in R to 1e-8."""
    _, results = reference(name)
    sizes = {row["cell"]: row["n"] for row in results["groups"]}
    answers = results["dunnett"]
    groups = [row["comparison"].split(" - ")[0] for row in answers["rows"]]
    t = [row["t"] for row in answers["rows"]]
    p = dunnett(t, [sizes[group] for group in groups], sizes[answers["control"]], answers["df"])
    np.testing.assert_allclose(p, [row["p_quad"] for row in answers["rows"]], atol=1e-8)


@pytest.mark.parametrize("name", ONE_WAY)
def test_all_pairs_are_those_of_games_and_howell(reference, name):
    """Games-Howell p and limits, from the studentized range, agree with R within its own error."""
    _, results = reference(name)
    groups, rows = len(results["groups"]), results["games_howell"]["rows"]
    column = {key: np.array([row[key] for row in rows]) for key in ("t", "df", "p", "diff", "se_tukey_scale", "ci_low")}
    np.testing.assert_allclose(tukey(column["t"], groups, column["df"]), column["p"], atol=1e-6)
    q = studentized_range_quantile(0.05, groups, column["df"])
    np.testing.assert_allclose(column["diff"] - q * column["se_tukey_scale"], column["ci_low"], rtol=1e-5)


@pytest.mark.parametrize("name", ONE_WAY)
def test_all_pairs_are_those_of_tukey(reference, name):
    """Tukey's HSD agrees with R."""
    _, results = reference(name)
    cells = {row["cell"]: row for row in results["groups"]}
    residual = results["anova"]["rows"][-1]
    for row in results["tukey_hsd"]["rows"]:
        a, b = row["comparison"].split("-")
        se = np.sqrt(residual["ms"] * (1 / cells[a]["n"] + 1 / cells[b]["n"]))
        np.testing.assert_allclose(tukey(row["diff"] / se, len(cells), residual["df"]), row["p"], atol=1e-6)


@pytest.mark.parametrize("name", ONE_WAY)
def test_welchs_anova_and_kruskal_are_those_of_r(reference, name):
    """oneway.test and kruskal.test are reproduced, with epsilon squared."""
    frame, results = reference(name)
    grouped = frame.groupby("group")["value"]
    F, df, p = welch_anova(grouped.mean().to_numpy(), grouped.var().to_numpy(), grouped.size().to_numpy())
    expected = results["welch_anova"]
    np.testing.assert_allclose((F, df, p), (expected["statistic"], expected["df"][1], expected["p"]), rtol=1e-9)
    found = kruskal(frame["value"].to_numpy(float), np.unique(frame["group"], return_inverse=True)[1])
    expected = results["kruskal"]
    np.testing.assert_allclose((found.statistic, found.df, found.p), [expected[k] for k in ("statistic", "df", "p")])
    np.testing.assert_allclose(found.effect, results["kruskal_epsilon2"], rtol=1e-10)


def test_equal_values_and_single_groups_have_no_omnibus_test():
    """Welch needs two runs that vary in each of two groups, Kruskal two groups that differ; df are still said."""
    mean, variance, n = np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 1.0]), np.array([3, 4, 5])
    assert np.isfinite(welch_anova(mean, variance, n)).all()
    for lost in (
        (mean, variance, np.array([3, 1, 5])),
        (mean, np.array([1.0, 0.0, 1.0]), n),
        (mean[:1], variance[:1], n[:1]),
    ):
        assert np.isnan(welch_anova(*lost)).all()
    equal = kruskal(np.ones(6), np.repeat([0, 1, 2], 2))
    assert equal.df == 2
    assert np.isnan(equal.p)
    assert np.isnan(kruskal(np.arange(3.0), np.zeros(3, np.int64)).p)


def test_welch_of_two_groups_is_the_squared_t():
    """Welch's F of two groups is the square of his t, with the same degrees of freedom and p."""
    from scipy import stats

    x, y = np.array([1.0, 2.0, 4.0, 3.0]), np.array([2.0, 8.0, 5.0])
    found = welch_anova(*(np.array([f(x), f(y)]) for f in (np.mean, lambda v: v.var(ddof=1), len)))
    expected = stats.ttest_ind(x, y, equal_var=False)
    np.testing.assert_allclose(found, (expected.statistic**2, expected.df, expected.pvalue), rtol=1e-12)


def test_studentized_range_is_right_in_the_tail():
    """The studentized range agrees with high-precision values to 1e-12."""
    grid = json.loads((FOLDER / "a19_distributions.json").read_text())["results"]["ptukey_upper"]["rows"]
    exact = json.loads((FOLDER / "a19_distributions_mpmath.json").read_text())["ptukey_upper"]
    p = [studentized_range_p(row["q"], row["k"], row["df"]) for row in grid]
    np.testing.assert_allclose(p, exact, atol=1e-12)


def test_noncentral_distributions_and_their_limits():
    """Noncentral t and F agree with 20-digit values, and the limits of noncentrality with root finding in R."""
    rows = json.loads((FOLDER / "a19_distributions.json").read_text())["results"]
    exact = json.loads((FOLDER / "a19_distributions_mpmath.json").read_text())
    t = [noncentral_t_cdf(row["ncp"], row["t"], row["df"]) for row in rows["pt_noncentral"]["rows"]]
    np.testing.assert_allclose(t, exact["pt_noncentral"], atol=1e-10)
    F = [noncentral_f_cdf(row["ncp"], row["F"], row["df1"], row["df2"]) for row in rows["pf_noncentral"]["rows"]]
    np.testing.assert_allclose(F, exact["pf_noncentral"], atol=1e-10)
    for row in rows["ncp_limits_t"]["rows"]:
        np.testing.assert_allclose(t_limits(row["t"], row["df"]), (row["low"], row["high"]), rtol=1e-8, atol=1e-7)
    for row in rows["ncp_limits_F"]["rows"]:
        found = f_limits(row["F"], row["df1"], row["df2"], 0.9)
        np.testing.assert_allclose(found, (row["low"], row["high"]), rtol=1e-8, atol=1e-7)


def test_noncentral_t_has_no_holes():
    """Where the library's series gives NaN the quadrature steps in, and agrees with it elsewhere."""
    from bench.stats.noncentral import _t_cdf_by_quadrature

    assert noncentral_t_cdf(8.0, -4.2, 11.0) == pytest.approx(0.0, abs=1e-15)
    rng = np.random.default_rng(0)
    df, t = np.exp(rng.uniform(0.7, 5, 500)), rng.normal(size=500) * 10
    shift = t + rng.normal(size=500) * 3
    np.testing.assert_allclose(_t_cdf_by_quadrature(shift, t, df), noncentral_t_cdf(shift, t, df), atol=3e-9)


def test_limits_of_nothing_are_nan():
    """A statistic that is missing or infinite, or no degrees of freedom, gives NaN and leaves the others alone."""
    low, high = t_limits(np.array([np.nan, 1.0, 1.0, np.inf, 2.0]), np.array([5.0, np.inf, 0.0, 5.0, 9.0]))
    assert np.isnan([low[:4], high[:4]]).all()
    np.testing.assert_allclose((low[4], high[4]), t_limits(2.0, 9.0))
    F, df, df_error = np.array([np.nan, -1.0, np.inf, 2.0, 2.0, 2.0]), [3, 3, 3, 0, 3, 3], [9, 9, 9, 9, 0, 9]
    low, high = f_limits(F, df, df_error)
    assert np.isnan([low[:5], high[:5]]).all()
    np.testing.assert_allclose((low[5], high[5]), f_limits(2.0, 3, 9))
    assert f_limits(0.0, 3, 9) == (0.0, 0.0)


def test_limits_of_enormous_statistics_are_finite():
    """A contrast a million times its error still has limits, and quickly."""
    low, high = t_limits(np.array([1e7]), np.array([9.0]))
    np.testing.assert_allclose((low / 1e7, high / 1e7), t_limits(np.array([1e4]), 9.0) / np.array([[1e4]]), rtol=1e-5)
    assert np.isfinite(f_limits(1e14, 3, 9)).all()


def test_friedman_is_that_of_r(reference):
    """Chi-squared, p, Kendall's W and the F form agree with R."""
    frame, results = reference("a15_within_4configs")
    table = frame.pivot_table(index="seed", columns="config", values="value", observed=True).to_numpy()
    found, expected = friedman(table), results["friedman"]
    ours = (found.statistic, found.df, found.p, found.effect, iman_davenport(found, len(table))[0])
    theirs = [expected[key] for key in ("statistic", "df", "p", "kendalls_w", "iman_davenport_F")]
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


@pytest.mark.parametrize("method", ["bonferroni", "holm", "hochberg", "hommel", "bh", "by"])
def test_adjusted_p_values_are_those_of_r(method):
    """Every family, those with missing values included, is adjusted as p.adjust does."""
    families = json.loads((FOLDER / "a17_padjust.json").read_text())["results"]
    for name, family in families.items():
        key = {"bh": "BH", "by": "BY"}.get(method, method)
        p, expected = (np.array([np.nan if v is None else v for v in family[k]], float) for k in ("p", key))
        np.testing.assert_allclose(adjust(p, method), expected, rtol=1e-12, err_msg=name)


def test_sidak_does_not_cancel():
    """Tiny p values keep their digits under Sidak's correction."""
    np.testing.assert_allclose(adjust([1e-20, 0.5], "sidak"), [2e-20, 0.75], rtol=1e-12)


def test_what_cannot_be_adjusted_is_refused():
    """Unknown methods and impossible p values are errors."""
    with pytest.raises(ValueError, match="holm"):
        adjust([0.1], "hs")
    with pytest.raises(ValueError, match="between 0 and 1"):
        adjust([1.1], "holm")


def test_hommel_is_closed_testing_with_simes():
    """For families of up to five, every hypothesis is rejected as by Simes' test of all subsets that hold it."""
    rng = np.random.default_rng(3)
    for _ in range(40):
        p = rng.random(rng.integers(1, 6)) ** 2
        closed = np.zeros(len(p))
        for members in itertools.product((False, True), repeat=len(p)):
            chosen = np.flatnonzero(members)
            if len(chosen):
                ordered = np.sort(p[chosen])
                simes = (len(chosen) * ordered / np.arange(1, len(chosen) + 1)).min()
                closed[chosen] = np.maximum(closed[chosen], simes)
        np.testing.assert_allclose(adjust(p, "hommel"), closed, rtol=1e-12)


def test_hedges_correction_is_exact():
    """J agrees with the gamma functions from two degrees of freedom on, and does not exist for one."""
    rows = json.loads((FOLDER / "a19_distributions.json").read_text())["results"]["hedges_J"]["rows"]
    found = hedges_correction([row["df"] for row in rows])
    np.testing.assert_allclose(found, [row["J"] for row in rows], rtol=1e-12)
    assert np.isnan(hedges_correction(1.0))


def test_a_confidence_of_95_percent_is_usual():
    """Intervals are of 95 % unless told otherwise, and narrower at 80 %."""
    usual, narrow = cohen_d(2.5, 8, 9), cohen_d(2.5, 8, 9, 0.8)
    np.testing.assert_allclose((usual.low, usual.high), (cohen_d(2.5, 8, 9, 0.95).low, cohen_d(2.5, 8, 9, 0.95).high))
    assert usual.low < narrow.low < narrow.high < usual.high
    paired = cohen_d_z(2.5, 8)
    np.testing.assert_allclose((paired.low, paired.high), np.array(t_limits(2.5, 7.0, 0.95)) / np.sqrt(8))
