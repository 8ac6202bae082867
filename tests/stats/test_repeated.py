"""The F and Hotelling's test of a term with several contrasts, against R's afex, pingouin and theory."""

import doctest
import itertools

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats

from bench.stats import repeated
from bench.stats.coding import term_columns, terms_up_to
from bench.stats.repeated import hotelling, orthonormal_rows, repeated_measures


def grid(levels):
    return np.array(list(itertools.product(*map(range, levels))), dtype=np.int64)


def of_term(table, levels, term, test=repeated_measures):
    weights = orthonormal_rows(term_columns(grid(levels), levels, term).T)
    return test(table @ weights.T, np.abs(table).max())


@pytest.mark.parametrize("name", ["a15_within_4configs", "a16_within_2x3", "a01_factorial_balanced"])
def test_terms_are_those_of_afex(reference, name):
    """F, both p and Greenhouse and Geisser's epsilon agree with afex."""
    frame, results = reference(name)
    factors = list(frame.select_dtypes("category").columns)
    levels = [len(frame[factor].cat.categories) for factor in factors]
    table = frame.pivot_table(index="seed", columns=factors, values="value", observed=True).to_numpy()
    answers = results["rm_anova"]
    found = {
        frozenset(factors[f] for f in term): of_term(table, levels, term)
        for term in terms_up_to(len(factors), len(factors))
    }
    for row in answers["rows"]:
        ours = found[frozenset(row["term"].split(":"))]
        theirs = [row[key] for key in ("df", "df_den", "F", "p")]
        np.testing.assert_allclose((ours.df, ours.df_error, ours.F, ours.p), theirs, rtol=1e-9)
    for row in answers.get("corrections", []):
        ours = found[frozenset(row["term"].split(":"))]
        np.testing.assert_allclose((ours.epsilon, ours.p_gg), (row["gg_eps"], row["p_gg"]), rtol=1e-8)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pingouin under pandas 3.1
@pytest.mark.parametrize("levels", [(5,), (3, 4)])
def test_terms_are_those_of_pingouin(levels):
    """With one and two factors, pingouin's repeated-measures ANOVA gives the same F, epsilon and corrected p."""
    table = np.random.default_rng(5).gamma(0.7, size=(9, np.prod(levels))) * np.linspace(1, 4, np.prod(levels))
    names = [f"f{position}" for position in range(len(levels))]
    cells = pd.DataFrame(grid(levels), columns=names)
    rows = pd.concat([cells.assign(seed=seed, y=values) for seed, values in enumerate(table)])
    theirs = pingouin.rm_anova(rows, dv="y", within=names, subject="seed", correction=True, detailed=True)
    theirs = theirs[theirs["Source"] != "Error"].reset_index(drop=True)
    for answer, term in zip(theirs.to_dict("records"), terms_up_to(len(levels), len(levels)), strict=True):
        ours = of_term(table, levels, term)
        np.testing.assert_allclose((ours.F, ours.p, ours.p_gg), [answer[k] for k in ("F", "p_unc", "p_GG_corr")])
        assert ours.epsilon == pytest.approx(answer["eps"])


def test_one_contrast_gives_the_squared_t():
    """A term of one contrast has the F of t², epsilon 1, and its p with and without correction."""
    contrasts = np.random.default_rng(1).normal(0.5, size=(8, 1))
    expected = stats.ttest_1samp(contrasts[:, 0], 0.0)
    ours = repeated_measures(contrasts, 1.0)
    np.testing.assert_allclose((ours.F, ours.p, ours.p_gg), [expected.statistic**2, *[expected.pvalue] * 2])
    assert ours.epsilon == 1.0
    assert np.isnan(hotelling(contrasts, 1.0).p)


def test_hotelling_is_the_f_of_the_best_combination():
    """T² is the largest squared t of any combination of the contrasts, here found by its direction in closed form."""
    contrasts = np.random.default_rng(2).normal(size=(12, 3)) @ np.diag([1.0, 3.0, 0.2]) + 0.3
    direction = np.linalg.solve(np.cov(contrasts, rowvar=False), contrasts.mean(axis=0))
    ours = hotelling(contrasts, 1.0)
    assert pytest.approx(stats.ttest_1samp(contrasts @ direction, 0.0).statistic ** 2) == ours.T2
    assert ours.p == pytest.approx(stats.f.sf(ours.T2 * 9 / (3 * 11), 3, 9))


def test_the_choice_of_contrasts_is_immaterial():
    """Differences from any reference level, all on other scales, give the same tests of the term."""
    table = np.random.default_rng(3).normal(size=(11, 4)) * [1, 2, 3, 4] + [0, 1, 0, 2]
    found = []
    for reference in range(4):
        weights = np.delete(np.eye(4) - np.eye(4)[reference], reference, axis=0) * [[1], [10], [0.1]]
        contrasts = table @ orthonormal_rows(weights).T
        F, T2 = repeated_measures(contrasts, 1.0), hotelling(contrasts, 1.0)
        found.append((F.F, F.epsilon, F.p_gg, T2.T2, T2.p))
    np.testing.assert_allclose(found, np.tile(found[0], (4, 1)), rtol=1e-9)


@pytest.mark.parametrize("exponent", [-300, -160, 160, 300])
def test_units_do_not_matter(exponent):
    """Values whose squares are no floating-point numbers have the tests of the same values in another unit."""
    contrasts = np.random.default_rng(4).normal(size=(9, 2))
    factor = 10.0**exponent
    for test in (repeated_measures, hotelling):
        found, usual = test(contrasts * factor, factor), test(contrasts, 1.0)
        np.testing.assert_allclose((found.F, found.p), (usual.F, usual.p))


def test_where_nothing_is_left_to_test_with_there_is_no_test():
    """One block, no spread beyond rounding: NaN; Hotelling also with few blocks or a combination that is fixed."""
    contrasts = np.random.default_rng(6).normal(size=(9, 2))
    assert np.isnan(repeated_measures(contrasts[:1], 1.0).p_gg)
    assert np.isnan(repeated_measures(np.ones((9, 2)) + 1e-12 * contrasts, 1e4).F)
    assert np.isfinite(repeated_measures(contrasts[:2], 1.0).p_gg)
    assert np.isnan(hotelling(contrasts[:5], 1.0).p)
    assert np.isfinite(hotelling(contrasts[:6], 1.0).p)
    fixed = np.column_stack([contrasts[:, 0], 3.0 - contrasts[:, 0]])
    assert np.isnan(hotelling(fixed, 1.0).p)
    assert np.isfinite(repeated_measures(fixed, 1.0).p_gg)


def test_the_example_is_right():
    """The example of the docstring gives what it prints."""
    assert doctest.testmod(repeated).failed == 0
