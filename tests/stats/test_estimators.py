"""The four ways in which runs can be blocked: against each other, against other libraries, and without effects."""

import itertools

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats

from bench.stats.coding import terms_up_to
from bench.stats.estimators import Blocks, IncompleteBlocks, IndependentRuns, SplitPlot, welch_james
from bench.stats.identify import identify
from bench.stats.linear import fit
from bench.stats.term_models import pair_contrasts, term_models


def grid(levels):
    return np.array(list(itertools.product(*map(range, levels))), dtype=np.int64)


def of_blocks(table):
    return Blocks(table, np.abs(table).max(axis=0))


def within_blocks(table, levels):
    """The regression of the same runs, as if some were missing."""
    codes, block = np.tile(grid(levels), (len(table), 1)), np.repeat(np.arange(len(table)), table.shape[1])
    orders = range(1, len(levels) + 1)
    return IncompleteBlocks(
        {order: fit(table.reshape(-1), codes, levels, terms_up_to(order, len(levels)), block) for order in orders}
    )


def split(table, groups):
    """``groups`` whole plots of consecutive cells, and blocks that take turns."""
    own = np.split(np.arange(table.shape[1]), groups)
    parts = tuple(table[group::groups][:, cells] for group, cells in enumerate(own))
    return SplitPlot(parts, tuple(own), np.abs(table).max(axis=0))


@pytest.mark.parametrize("levels", [(3,), (5, 2), (3, 4)])
def test_regression_of_complete_blocks_is_one_contrast_per_block(levels):
    """Estimates, standard errors and the F of every term are the same by both."""
    table = np.random.default_rng(1).normal(size=(7, np.prod(levels))) * np.linspace(1, 3, np.prod(levels))
    blocks, regression = of_blocks(table), within_blocks(table, levels)
    for model in term_models(identify(grid(levels), levels)):
        rows = pair_contrasts(levels, model.term)
        ours, theirs = (way.estimate([(model, rows)], 0.95) for way in (blocks, regression))
        for name in ("value", "se", "df", "p"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-9, err_msg=name)
        ours, theirs = (way.test(model) for way in (blocks, regression))
        for name in ("F", "df", "df_error", "epsilon", "p", "p_gg"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-9), name


def test_a_variance_that_rounding_swallows_is_unknown(recwarn):
    """One enormous value of the reference cell hides how the others differ; without it they are tested."""
    table = np.random.default_rng(4).normal(size=(7, 3))
    (model,) = term_models(identify(grid((3,)), (3,)))
    rows = pair_contrasts((3,), model.term)
    plain = within_blocks(table, (3,)).estimate([(model, rows)], 0.95)
    assert np.isfinite(plain.p).all()
    table[0, 0] = 1e12
    hidden = within_blocks(table, (3,)).estimate([(model, rows)], 0.95)
    of_others = np.isclose(hidden.value, (table[:, 2] - table[:, 1]).mean(), atol=0.1)
    assert of_others.sum() == 1
    assert np.isnan(hidden.p[of_others]).all()
    assert not hidden.constant.any()
    assert np.isfinite(hidden.p[~of_others]).all()
    assert not recwarn.list


@pytest.mark.parametrize("seed", range(10))
def test_an_effect_that_is_the_same_in_every_block_of_a_split_plot_is_constant(seed, recwarn):
    """Whatever the blocks are: its variance is 0, and not what rounding leaves of those of the cells."""
    table = np.random.default_rng(seed).normal(size=(8, 4))
    table[:, [1, 3]] = table[:, [0, 2]] + 1.0
    plot = split(table, 2)
    found = plot.of_cells(np.array([[-0.5, 0.5, -0.5, 0.5], [-1.0, 1.0, 0.0, 0.0]]), 0.95)
    np.testing.assert_allclose(found.value, 1.0)
    assert found.constant.all()
    whole_plot, *within = term_models(identify(grid((2, 2)), (2, 2)))
    assert [bool(np.isfinite(plot.test(model).p)) for model in (whole_plot, *within)] == [True, False, False]
    assert not recwarn.list


def test_one_whole_plot_is_one_contrast_per_block():
    """A split plot of a single group has the estimates and tests of complete blocks."""
    table = np.random.default_rng(2).normal(size=(7, 6))
    for model in term_models(identify(grid((3, 2)), (3, 2))):
        rows = pair_contrasts((3, 2), model.term)
        ours, theirs = (way.estimate([(model, rows)], 0.95) for way in (split(table, 1), of_blocks(table)))
        np.testing.assert_allclose((ours.value, ours.se, ours.df), (theirs.value, theirs.se, theirs.df), rtol=1e-9)
        assert split(table, 1).test(model).p_gg == pytest.approx(of_blocks(table).test(model).p_gg, rel=1e-9)


@pytest.mark.filterwarnings("ignore")  # pingouin under pandas 3.1
@pytest.mark.parametrize("levels", [(2, 2), (3, 2), (2, 4)])
def test_a_split_plot_has_the_anova_of_pingouin(levels):
    """The whole-plot factor against block means, the others against their own spread within groups."""
    whole, subs = levels
    table = np.random.default_rng(4).normal(size=(12, whole * subs)) + np.arange(whole * subs)
    estimator = split(table, whole)
    rows = [
        (f"{group}-{block}", group, sub, value)
        for group, part in enumerate(estimator.tables)
        for block, values in enumerate(part)
        for sub, value in enumerate(values)
    ]
    frame = pd.DataFrame(rows, columns=["block", "whole", "sub", "y"])
    theirs = pingouin.mixed_anova(frame, dv="y", within="sub", subject="block", between="whole", correction=True)
    found = {model.term: estimator.test(model) for model in term_models(identify(grid(levels), levels))}
    for source, term in (("whole", (0,)), ("sub", (1,)), ("Interaction", (0, 1))):
        row = theirs.set_index("Source").loc[source]
        ours = found[term]
        expected = [float(row[name]) for name in ("F", "DF1", "DF2", "p_unc")]
        np.testing.assert_allclose((ours.F, ours.df, ours.df_error, ours.p), expected, rtol=1e-6)


def test_whole_plots_of_unequal_size_have_the_t_of_two_samples():
    """With two groups of blocks, the whole-plot effect is Student's t of block means, the interaction of slopes."""
    rng = np.random.default_rng(5)
    parts = (rng.normal(size=(4, 2)), rng.normal(0.5, size=(7, 2)))
    estimator = SplitPlot(parts, (np.array([0, 1]), np.array([2, 3])), np.ones(4))
    models = {model.term: model for model in term_models(identify(grid((2, 2)), (2, 2)))}
    for term, score in (((0,), lambda part: part.mean(axis=1)), ((0, 1), lambda part: part[:, 1] - part[:, 0])):
        found = estimator.estimate([(models[term], pair_contrasts((2, 2), term))], 0.95)
        expected = stats.ttest_ind(score(parts[1]), score(parts[0]))
        np.testing.assert_allclose((found.t[0], found.df[0], found.p[0]), (expected.statistic, 9, expected.pvalue))


def test_welch_james_of_one_contrast_is_welchs_t():
    """Two cells have the squared t of Welch, with Satterthwaite's degrees of freedom."""
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=5), rng.normal(size=9) * 3
    mean, variance, n = (np.array([f(a), f(b)]) for f in (np.mean, lambda x: x.var(ddof=1), len))
    found = welch_james(mean, variance, n, np.array([[-1.0, 1.0]]), 1.0)
    expected = stats.ttest_ind(a, b, equal_var=False)
    np.testing.assert_allclose(
        (found.F, found.df_error, found.p), (expected.statistic**2, expected.df, expected.pvalue)
    )


REPETITIONS = 400


def rejections(test):
    return sum(test(np.random.default_rng(seed)).p_gg < 0.05 for seed in range(REPETITIONS))


@pytest.mark.parametrize("levels", [3, 5, 8])
@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("way", ["blocks", "regression", "split plot", "independent"])
def test_null_rates_of_terms_with_several_contrasts(levels, seeds, way):
    """Of 400 tables without effects, unequal spread over levels included, not clearly more than 5 % are rejected."""
    spread = np.linspace(1.0, 2.0, levels)
    (model,) = term_models(identify(grid((levels,)), (levels,)))
    sub = next(model for model in term_models(identify(grid((2, levels)), (2, levels))) if model.term == (0, 1))

    def test(rng):
        table = rng.normal(size=(seeds, 1)) + rng.normal(size=(seeds, levels)) * spread
        if way == "blocks":
            return of_blocks(table).test(model)
        if way == "regression":  # every second block lacks a level
            codes = np.array([(block, level) for block in range(seeds) for level in range(levels)])
            codes = codes[~((codes[:, 0] % 2 == 0) & (codes[:, 1] == codes[:, 0] // 2 % levels))]
            values, cells = table[codes[:, 0], codes[:, 1]], codes[:, 1:]
            return IncompleteBlocks({1: fit(values, cells, (levels,), [(0,)], codes[:, 0])}).test(model)
        if way == "split plot":
            both = (table, rng.normal(size=(seeds, 1)) + rng.normal(size=(seeds, levels)) * spread)
            own = (np.arange(levels), levels + np.arange(levels))
            return SplitPlot(both, own, np.ones(2 * levels)).test(sub)
        runs = rng.normal(size=(seeds, levels)) * spread
        counts = np.full(levels, seeds)
        return IndependentRuns(runs.mean(axis=0), runs.var(axis=0, ddof=1), counts, np.ones(levels)).test(model)

    assert stats.binomtest(rejections(test), REPETITIONS, 0.05, alternative="greater").pvalue > 0.001
