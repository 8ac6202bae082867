"""Analysis of variance against R's lm, car and NIST."""

import doctest
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from bench.stats import anova, contrast, effect_size, groups, linear, multiplicity
from bench.stats.anova import fit_anova
from bench.stats.coding import term_columns, terms_up_to
from bench.stats.effect_size import partial_epsilon_squared, partial_eta_squared, partial_omega_squared
from bench.stats.linear import fit

FOLDER = Path(__file__).parents[1] / "reference" / "stats"
DATA = {
    "a01_factorial_balanced": ["lm_full", "lm_full_block", "lm_twoway", "lm_twoway_block", "lm_main", "lm_main_block"],
    "a02_factorial_lognormal": ["lm_full", "lm_full_block"],
    "a03_factorial_unbalanced": ["lm_full", "lm_full_block", "lm_twoway", "lm_main_block"],
    "a04_ablation_8of16": ["lm_main", "lm_main_block", "lm_2way", "lm_2way_block"],
    "a04b_half_fraction": ["lm_main"],
    "a05_twofactor_3x4": ["lm_full", "lm_main"],
    "a12_npk": ["lm_full", "lm_full_block", "lm_twoway_block"],
    "a13_warpbreaks": ["lm_full"],
    "a14_toothgrowth": ["lm_full"],
    "a16_within_2x3": ["lm_block"],
}
CASES = [(name, model) for name, models in DATA.items() for model in models]

ALIASED = {
    ("a04_ablation_8of16", "lm_2way"),
    ("a04_ablation_8of16", "lm_2way_block"),
    ("a12_npk", "lm_full_block"),
}


def coded(reference, name, model):
    frame, results = reference(name)
    factors = list(frame.select_dtypes("category").columns)
    levels = [len(frame[factor].cat.categories) for factor in factors]
    codes = np.stack([frame[factor].cat.codes for factor in factors], axis=1).astype(np.int64)
    order = 1 if "main" in model else 2 if "2way" in model or "twoway" in model else len(factors)
    blocks = next(column for column in ("seed", "block", "cell") if column in [*frame.columns, "cell"])
    block = np.unique(frame[blocks], return_inverse=True)[1] if model.endswith("block") else None
    values = frame["value"].to_numpy(float)
    terms = [term for term in in_order_of_r(results[model], factors) if len(term) <= order]
    return values, codes, levels, terms, block, factors, results[model]


def in_order_of_r(answers, factors):
    names = [row["term"].split(":") for row in answers["type1"]["rows"]]
    terms = [tuple(sorted(factors.index(part) for part in name)) for name in names if set(name) <= set(factors)]
    return terms + [term for term in terms_up_to(len(factors), len(factors)) if term not in terms]


def by_factors(rows, factors):
    return {
        frozenset(factors[f] for f in row.term) if row.term is not None else frozenset(["(block)"]): row for row in rows
    }


def expected(rows, factors):
    for row in rows:
        if row["term"] in {"Residuals", "(Intercept)"}:
            continue
        names = frozenset(row["term"].split(":"))
        yield (names if names <= set(factors) else frozenset(["(block)"])), row


@pytest.mark.parametrize(("name", "model"), CASES)
@pytest.mark.parametrize("kind", [1, 2, 3])
def test_sums_of_squares_are_those_of_r(reference, name, model, kind):
    """Degrees of freedom, sums of squares, F and p of types I, II and III agree with anova() and car::Anova()."""
    *arguments, factors, answers = coded(reference, name, model)
    rows = by_factors(fit_anova(*arguments).tests(kind), factors)
    table = answers[f"type{kind}"]
    if "rows" not in table:
        assert "aliased" in table["error"]
        assert all(np.isnan(row.F) for key, row in rows.items() if key != {"(block)"})
        return
    for key, row in expected(table["rows"], factors):
        if row["df"] == 0:
            assert rows[key].df == 0
            assert np.isnan(rows[key].F)
            continue
        ours = (rows[key].df, rows[key].sum_sq, rows[key].F, rows[key].p)
        np.testing.assert_allclose(
            ours, [row[k] for k in ("df", "ss", "F", "p")], rtol=1e-9, atol=1e-12, err_msg=str(key)
        )


@pytest.mark.parametrize(("name", "model"), [case for case in CASES if case not in ALIASED])
def test_hc3_tables_are_those_of_car(reference, name, model):
    """F with HC3 agrees with car::Anova(white.adjust = 'hc3') where the model is of full rank."""
    *arguments, factors, answers = coded(reference, name, model)
    table = answers["type3_hc3"]
    rows = by_factors(fit_anova(*arguments).robust_tests(), factors)
    for key, row in expected(table["rows"], factors):
        if key != {"(block)"}:
            np.testing.assert_allclose((rows[key].F, rows[key].p), (row["F"], row["p"]), rtol=1e-8, err_msg=str(key))


@pytest.mark.parametrize(("name", "model"), CASES)
def test_effect_sizes_and_limits_are_those_of_r(reference, name, model):
    """Partial eta, omega and epsilon squared agree with R, and so do the limits of the noncentrality behind them."""
    *arguments, factors, answers = coded(reference, name, model)
    rows = by_factors(fit_anova(*arguments).tests(), factors)
    n = len(arguments[0])
    for key, row in expected(answers["effect_sizes_type2"]["rows"], factors):
        found = rows[key]
        sizes = [measure(found.F, found.df, found.df_error, n) for measure in MEASURES.values()]
        theirs = [row[label] for label in MEASURES]
        np.testing.assert_allclose([size.value for size in sizes], theirs, rtol=1e-8, atol=1e-7, err_msg=str(key))
        for side, label in (("low", "eta2_p_lo95"), ("high", "eta2_p_hi95")):
            limit, share = np.array([getattr(size, side) for size in sizes]), float(row[label])
            noncentrality = found.df_error * share / (1 - share)  # R's convention: ncp / (ncp + df_error)
            np.testing.assert_allclose(n * limit / (1 - limit), noncentrality, rtol=1e-7, atol=1e-5, err_msg=str(key))


MEASURES = {"eta2_p": partial_eta_squared, "omega2_p": partial_omega_squared, "epsilon2_p": partial_epsilon_squared}


@pytest.mark.parametrize("cells", [2, 5])
@pytest.mark.parametrize("share", [0.05, 0.3])
def test_limits_of_shares_of_variance_cover(cells, share):
    """Of 4000 simulated one-way tables, 95 % of the limits hold the population's share, within binomial error.

    Each limit alone lies on the wrong side in 2.5 %. A table has 10 runs a cell whose means are spread so that they
    make up ``share`` of the variance.
    """
    rng = np.random.default_rng(5)
    n = 10 * cells
    means = np.linspace(-1, 1, cells)
    means *= np.sqrt(share / (1 - share) / means.var())
    values = rng.normal(size=(4000, cells, 10)) + means[:, None]
    within = values.var(axis=2, ddof=1).mean(axis=1)
    F = 10 * values.mean(axis=2).var(axis=1, ddof=1) / within
    size = partial_omega_squared(F, cells - 1, n - cells, n)
    for missed in (size.low > share, size.high < share):
        assert stats.binomtest(int(missed.sum()), 4000, 0.025).pvalue > 0.001


@pytest.mark.parametrize("kind", ["ols", "hc3"])
@pytest.mark.parametrize("name", ["a01_factorial_balanced", "a03_factorial_unbalanced"])
@pytest.mark.parametrize("model", ["lm_full", "lm_full_block"])
def test_standard_errors_are_those_of_sandwich(reference, name, model, kind):
    """Classical and HC3 standard errors of the sum-coded coefficients agree with R's sandwich."""
    values, codes, levels, terms, block, factors, answers = coded(reference, name, model)
    errors = np.sqrt(np.diag(fit(values, codes, levels, terms, block).covariance(kind)))
    rows = {
        frozenset(row["coef"].replace("1", "").split(":")): row for row in answers["coefficients_sum_coding"]["rows"]
    }
    theirs = [rows[frozenset(factors[f] for f in term)]["se" if kind == "ols" else f"se_{kind}"] for term in terms]
    np.testing.assert_allclose(errors, theirs, rtol=1e-9)


@pytest.mark.parametrize("name", ["SiRstv", "SmLs01", "SmLs04", "SmLs07"])
def test_certified_values_of_nist(name):
    """F of the NIST one-way sets has at least ten digits of the certified value, or of that of the rounded data."""
    answers = json.loads((FOLDER / "a20_nist_strd.json").read_text())["results"][name]["certified"]
    frame = pd.read_csv(FOLDER / f"a20_nist_strd_{name}.csv")
    group = np.unique(frame["group"], return_inverse=True)[1]
    row = fit_anova(frame["value"].to_numpy(), group[:, None], [group.max() + 1], [(0,)], None).tests()[0]
    exact = float(answers.get("F_exact_on_float64_data", answers["F"]))
    assert abs(row.F / exact - 1.0) < 1e-10


def test_one_residual_degree_of_freedom_suffices():
    """Three runs of two levels are tested on one degree of freedom, as in Student's t."""
    row = fit_anova(np.array([1.0, 2.5, 2.0]), np.array([[0], [1], [0]]), [2], [(0,)], None).tests()[0]
    expected = stats.ttest_ind([1.0, 2.0], [2.5])
    np.testing.assert_allclose((row.F, row.p, row.df_error), (expected.statistic**2, expected.pvalue, 1))


def test_a_run_that_decides_its_own_fit_has_no_robust_covariance():
    """With one run in a cell HC3 does not exist, while the classical covariance does."""
    values, codes = np.array([1.0, 2.0, 4.0, 3.0]), np.array([[0], [0], [0], [1]])
    model = fit(values, codes, [2], [(0,)])
    assert np.isfinite(model.covariance()).all()
    assert np.isnan(model.covariance("hc3")).all()
    assert np.isnan(fit_anova(values, codes, [2], [(0,)], None).robust_tests()[0].p)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda model: model.covariance("hc9"), "hc9"),
        (lambda model: model.covariance("cluster"), "blocks"),
    ],
)
def test_covariances_that_do_not_exist_are_refused(call, said):
    """An unknown covariance, and a cluster without blocks, are errors."""
    with pytest.raises(ValueError, match=said):
        call(fit(np.arange(4.0), np.array([[0], [0], [1], [1]]), [2], [(0,)]))


@pytest.fixture
def incomplete():
    """A 2 x 3 factorial in seven blocks of which a quarter of the runs is lost: values, codes, block."""
    rng = np.random.default_rng(2)
    codes = np.array([(a, b) for _ in range(7) for a in range(2) for b in range(3)])
    block = np.repeat(np.arange(7), 6)
    values = rng.normal(size=42) + rng.normal(size=7)[block] + codes[:, 0] * rng.normal(1, 1, 7)[block]
    kept = rng.random(42) > 0.25
    return values[kept], codes[kept], block[kept]


def dummies(codes, block, terms):
    return np.hstack([np.eye(block.max() + 1)[block], *(term_columns(codes, (2, 3), term) for term in terms)])


def test_blocks_are_the_dummies_that_they_replace(incomplete):
    """Coefficients, both covariances and influence are those of statsmodels with a dummy for every block."""
    values, codes, block = incomplete
    model = fit(values, codes, (2, 3), terms_up_to(2, 2), block)
    expected = sm.OLS(values, dummies(codes, block, terms_up_to(2, 2))).fit()
    np.testing.assert_allclose(model.coefficients, expected.params[7:], rtol=1e-9)
    np.testing.assert_allclose(model.covariance(), expected.cov_params()[7:, 7:], rtol=1e-9)
    np.testing.assert_allclose(model.covariance("hc3"), expected.cov_HC3[7:, 7:], rtol=1e-9, atol=1e-12)
    influence = expected.get_influence()
    for name in ("hat_matrix_diag", "resid_studentized_internal"):
        np.testing.assert_allclose(getattr(model.influence, name), getattr(influence, name), rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(model.influence.cooks_distance[0], influence.cooks_distance[0], rtol=1e-9)


def test_the_jackknife_is_made_of_fits_without_each_block(incomplete):
    """Its covariance is that of least squares without each block in turn, about their mean."""
    values, codes, block = incomplete
    columns = dummies(codes, block, terms_up_to(1, 2))
    fits = []
    for left_out in range(7):
        rest = block != left_out
        fits.append(np.linalg.lstsq(columns[rest], values[rest])[0][7:])
    expected = 6 / 7 * 6 * np.cov(np.array(fits), rowvar=False)
    found = fit(values, codes, (2, 3), terms_up_to(1, 2), block).covariance("cluster")
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_what_one_block_alone_identifies_has_no_jackknife():
    """Statsmodels refuses the whole model; ours is NaN for that coefficient, and for the others that of the rest."""
    codes = np.array([[0], [1], [2], [0], [1], [0], [1], [0], [1]])
    block = np.array([0, 0, 0, 1, 1, 2, 2, 3, 3])
    values = np.random.default_rng(3).normal(size=9)
    model = fit(values, codes, [3], [(0,)], block)
    with pytest.raises(ValueError, match="rank-deficient"):
        model.results.get_robustcov_results("cluster-jk", groups=block)
    assert np.isnan(model.covariance("cluster")).any()


def test_a_model_without_terms_has_the_spread_of_the_values():
    """Nothing to estimate leaves the sum of squares, no coefficient, and no test."""
    values = np.array([1.0, 2.0, 4.0])
    fitted = fit_anova(values, np.zeros((3, 1), np.int64), [1], [], None)
    assert fitted.model.sum_sq == pytest.approx(((values - values.mean()) ** 2).sum())
    assert fitted.tests() == fitted.robust_tests() == []


def test_the_examples_are_right():
    """The examples of the docstrings give what they print."""
    for module in (anova, contrast, effect_size, groups, linear, multiplicity):
        assert doctest.testmod(module).failed == 0, module.__name__
