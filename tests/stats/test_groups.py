"""Several groups and families: Welch's ANOVA, Dunnett, Games-Howell, adjusted p values, noncentral limits."""

import gc
import json
from pathlib import Path

import numpy as np
import pingouin
import pytest
from scipy import integrate, special, stats
from statsmodels.stats.multitest import multipletests

from bench.stats.effect_size import cohen_d, cohen_d_z, hedges_correction
from bench.stats.equivalence import tost
from bench.stats.estimators import welch_james
from bench.stats.groups import dunnett, games_howell
from bench.stats.multiplicity import adjust
from bench.stats.noncentral import f_limits, noncentral_t_cdf, t_limits

FOLDER = Path(__file__).parents[1] / "reference" / "stats"
ONE_WAY = ["a08_oneway_hetero_k4", "a09_oneway_balanced_k6", "a10_plantgrowth", "a11_chickwts"]


def groups(reference, name):
    """Samples in the order of their names, and R's results."""
    frame, results = reference(name)
    named = {str(group): rows.to_numpy(float) for group, rows in frame.groupby("group", observed=True)["value"]}
    return list(named), list(named.values()), results


@pytest.mark.parametrize("name", ONE_WAY)
def test_comparisons_with_a_control_are_dunnetts(reference, name):
    """Dunnett's two-sided p agrees with quadrature in R within the error of its quasi-Monte-Carlo integral."""
    names, samples, results = groups(reference, name)
    control = names.index(results["dunnett"]["control"])
    p = dunnett(samples, control, np.random.default_rng(0))
    assert np.isnan(p[control])
    for row in results["dunnett"]["rows"]:
        assert p[names.index(row["comparison"].split(" - ")[0])] == pytest.approx(row["p_quad"], abs=1e-3)


@pytest.mark.parametrize("name", ONE_WAY)
def test_all_pairs_are_those_of_games_and_howell(reference, name):
    """Games-Howell p agree with R within its own error, whichever group comes first."""
    names, samples, results = groups(reference, name)
    p = games_howell(samples)
    assert np.isnan(np.diag(p)).all()
    for row in results["games_howell"]["rows"]:
        a, b = names.index(row["a"]), names.index(row["b"])
        np.testing.assert_allclose((p[a, b], p[b, a]), row["p"], atol=1e-6)


@pytest.mark.parametrize("name", ONE_WAY)
def test_welchs_anova_is_that_of_r(reference, name):
    """Of the cells of one factor Welch and James' F is that of oneway.test, whichever contrasts span it."""
    _, samples, results = groups(reference, name)
    expected = results["welch_anova"]
    theirs = (expected["statistic"], *expected["df"], expected["p"])
    mean, variance = (
        np.array([statistic(sample) for sample in samples]) for statistic in (np.mean, lambda x: x.var(ddof=1))
    )
    weights, n = np.eye(len(samples))[1:] - np.eye(len(samples))[0], np.array([len(sample) for sample in samples])
    test = welch_james(mean, variance, n, weights, float(np.abs(np.concatenate(samples)).max()))
    np.testing.assert_allclose((test.F, test.df, test.df_error, test.p), theirs, rtol=1e-9)


def test_equal_values_and_single_groups_have_no_test():
    """A group of one run, or of equal values, has no pairs; the other pairs are tested."""
    samples = [np.array([1.0, 2.0, 4.0]), np.array([2.0, 2.5, 7.0, 3.0]), np.array([1.0, 0.5])]
    rng = np.random.default_rng(0)
    for lost in (np.array([5.0]), np.full(3, 5.0)):
        p = games_howell([*samples, lost])
        np.testing.assert_array_equal(p[:3, :3], games_howell(samples))
        assert np.isnan(p[3]).all()
        np.testing.assert_array_equal(np.isnan(dunnett([*samples, lost], 0, rng)), [True, False, False, True])
        assert np.isnan(dunnett([*samples, lost], 3, rng)).all()
    assert np.isnan(games_howell([])).all()


@pytest.mark.parametrize("exponent", [-300, -160, 160, 300])
def test_units_do_not_matter_to_groups(exponent):
    """Samples whose squares are no floating-point numbers are tested as in any other unit."""
    samples = [np.array([1.0, 2.0, 4.0]), np.array([2.0, 2.5, 7.0, 3.0]), np.array([1.0, 0.5])]
    scaled = [sample * 10.0**exponent for sample in samples]
    np.testing.assert_allclose(games_howell(scaled), games_howell(samples))
    found, usual = (dunnett(each, 0, np.random.default_rng(0)) for each in (scaled, samples))
    np.testing.assert_allclose(found, usual)


def test_noncentral_distributions_and_their_limits():
    """Noncentral t and F agree with 20-digit values, and the limits of noncentrality with root finding in R."""
    rows = json.loads((FOLDER / "a19_distributions.json").read_text())["results"]
    exact = json.loads((FOLDER / "a19_distributions_mpmath.json").read_text())
    t = [noncentral_t_cdf(row["ncp"], row["t"], row["df"]) for row in rows["pt_noncentral"]["rows"]]
    np.testing.assert_allclose(t, exact["pt_noncentral"], atol=1e-10)
    F = [special.ncfdtr(row["df1"], row["df2"], row["ncp"], row["F"]) for row in rows["pf_noncentral"]["rows"]]
    np.testing.assert_allclose(F, exact["pf_noncentral"], atol=1e-10)
    for row in rows["ncp_limits_t"]["rows"]:
        np.testing.assert_allclose(t_limits(row["t"], row["df"]), (row["low"], row["high"]), rtol=1e-8, atol=1e-7)
    for row in rows["ncp_limits_F"]["rows"]:
        found = f_limits(row["F"], row["df1"], row["df2"], 0.9)
        np.testing.assert_allclose(found, (row["low"], row["high"]), rtol=1e-8, atol=1e-7)


def test_d_is_that_of_pingouin_whose_g_is_approximate():
    """Cohen's d is pingouin's; when its Hedges' g or its paired d is mended, ours can be replaced by them."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=3), rng.normal(1.0, 2.0, size=4)
    d = cohen_d(stats.ttest_ind(x, y).statistic, 3, 4)
    assert d.value == pytest.approx(pingouin.compute_effsize(x, y, eftype="cohen"), rel=1e-12)
    g = d.value * hedges_correction(5)
    assert pingouin.compute_effsize(x, y, eftype="hedges") / g - 1 > 1e-3, "the library is mended: delete ours"
    d_z = cohen_d_z(stats.ttest_rel(x, y[:3]).statistic, 3).value
    assert pingouin.compute_effsize(x, y[:3], paired=True, eftype="cohen") != pytest.approx(d_z), "mended: delete ours"


GRID = np.meshgrid([3.0, 9.0, 19.0, 50.0], np.linspace(-12, 12, 25), np.linspace(-15, 15, 31), indexing="ij")


def test_noncentral_t_has_no_holes():
    """Where scipy gives NaN the probability is 0 or 1, as integration over the SD says, and ours is that."""
    df, t, shift = (axis[np.isnan(special.nctdtr(GRID[0], GRID[2], GRID[1]))] for axis in GRID)
    ours = noncentral_t_cdf(shift, t, df)

    def at(s, df, t, shift):
        return special.ndtr(t * s - shift) * stats.chi(df, scale=df**-0.5).pdf(s)

    for k in range(0, len(df), 40):
        exact = integrate.quad(at, 0, 5, args=(df[k], t[k], shift[k]), epsabs=1e-13, points=[1.0])[0]
        assert ours[k] == pytest.approx(exact, abs=1e-12)
    assert set(ours) == {0.0, 1.0}
    assert np.isnan(noncentral_t_cdf([np.nan, 1.0, 1.0], [1.0, np.nan, 1.0], [5.0, 5.0, np.nan])).all()


def test_what_the_library_gets_wrong():
    """The two reasons why limits of noncentrality are ours; when this fails, see whether they still are needed."""
    share = np.isnan(special.nctdtr(GRID[0], GRID[2], GRID[1])).mean()
    assert share > 0.05, "nctdtr has no NaN any more: the library is mended, delete what replaces them"
    error = special.nctdtrinc(2.0, 0.025, 200.0) / t_limits(200.0, 2.0)[1] - 1
    assert abs(error) > 2e-5, "nctdtrinc is exact: the library is mended, delete t_limits"


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


def test_limits_turn_with_the_sign():
    """The limits of -t are those of t, turned round, however large it is."""
    for t in (2.5, 1e7):
        low, high = t_limits(t, 9.0)
        np.testing.assert_allclose(t_limits(-t, 9.0), (-high, -low))


@pytest.mark.parametrize("margin", [0.0, -2.0, [1.0, -2.0, np.nan]])
def test_a_margin_that_is_not_positive_is_refused(margin):
    """One margin of zero or less among several is enough, and is named."""
    with pytest.raises(ValueError, match=f"positive, not {np.nanmin(margin):g}"):
        tost(0.1, 1.0, 9.0, margin)


def test_limits_of_enormous_statistics_are_finite():
    """A contrast a million times its error still has limits, and quickly."""
    low, high = t_limits(np.array([1e7]), np.array([9.0]))
    np.testing.assert_allclose((low / 1e7, high / 1e7), t_limits(np.array([1e4]), 9.0) / np.array([[1e4]]), rtol=1e-5)
    assert np.isfinite(f_limits(1e14, 3, 9)).all()


@pytest.mark.parametrize("method", ["holm", "bh"])
def test_adjusted_p_values_are_those_of_r(method):
    """Every family, those with missing values included, is adjusted as p.adjust does."""
    families = json.loads((FOLDER / "a17_padjust.json").read_text())["results"]
    for name, family in families.items():
        key = {"bh": "BH"}.get(method, method)
        p, expected = (np.array([np.nan if v is None else v for v in family[k]], float) for k in ("p", key))
        np.testing.assert_allclose(adjust(p, method), expected, rtol=1e-12, err_msg=name)


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize(("ours", "theirs"), [("holm", "holm"), ("bh", "fdr_bh")])
def test_adjusted_p_values_are_those_of_statsmodels(ours, theirs):
    """Families of several sizes, with ties, zeros and ones, are adjusted as by multipletests."""
    rng = np.random.default_rng(2)
    for size in (1, 2, 3, 7, 39):
        p = np.round(rng.random(size) ** 3, 2)
        np.testing.assert_allclose(adjust(p, ours), multipletests(p, method=theirs)[1], rtol=1e-12)


def test_holm_of_statsmodels_still_collects_garbage(monkeypatch):
    """The reason to keep ours: once this fails, multipletests can take its place."""
    calls = []
    monkeypatch.setattr(gc, "collect", lambda: calls.append(1))
    multipletests([0.01, 0.02], method="holm")
    assert calls


def test_what_cannot_be_adjusted_is_refused():
    """Unknown methods and impossible p values are errors."""
    with pytest.raises(ValueError, match="holm"):
        adjust([0.1], "hs")
    with pytest.raises(ValueError, match="between 0 and 1"):
        adjust([1.1], "holm")


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
