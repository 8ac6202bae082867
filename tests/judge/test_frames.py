"""The columns of the result frames against pandas, scipy, statsmodels and arithmetic done another way."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bench.judge.analysis import MetricOptions, analyze
from bench.judge.claims.verdicts import judge_claims
from bench.plan.claims import Claim, Comparison
from bench.present.build import analyzed
from bench.present.render import html


@pytest.fixture
def frame():
    """A 2 x 2 factorial in eight seeds: a negative score, of which the first run is lost, and a positive loss."""
    rng = np.random.default_rng(11)
    frame = pd.DataFrame([(a, b, s) for s in range(8) for a in "xy" for b in "uv"], columns=["a", "b", "seed"])
    seed = rng.normal(size=8)[frame["seed"]]
    frame["score"] = seed - 5.0 + np.where(frame["a"] == "y", 0.7, 0.0) + 0.3 * rng.normal(size=32)
    frame["loss"] = np.exp(0.2 * seed + 0.3 * rng.normal(size=32) + np.where(frame["b"] == "v", 0.4, 0.0))
    frame.loc[0, "score"] = np.nan
    return frame


def by_cell(frame, metric):
    """Cell -> its values, missing ones left out, indexed by seed."""
    cells = frame.dropna(subset=[metric]).set_index("seed").groupby(["a", "b"])[metric]
    return {"/".join(levels): values for levels, values in cells}


def test_cells_are_summarised_as_pandas_does(frame):
    """Number, mean, SD, coefficient of variation and extremes of each cell are pandas' own."""
    cells = analyze(frame, ["a", "b"], "seed", ["score"]).cells.set_index("cell")
    for name, values in by_cell(frame, "score").items():
        found = cells.loc[name, ["n", "n_missing", "mean", "sd", "cv", "min", "max"]].astype(float)
        spread = values.std() / abs(values.mean())
        expected = [len(values), 8 - len(values), values.mean(), values.std(), spread, values.min(), values.max()]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_every_run_with_a_value_is_listed(frame):
    """Each has its own row in the table, cell, block and value."""
    found = analyze(frame, ["a", "b"], "seed", ["score"]).values
    present = frame.dropna(subset=["score"])
    assert list(found["cell"]) == list(present["a"] + "/" + present["b"])
    assert list(found["block"]) == list(present["seed"].astype(str))
    np.testing.assert_array_equal(found["value"], present["score"])


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("every_pair", [False, True])
@pytest.mark.parametrize("block", ["seed", None])
def test_all_cells_against_the_reference_in_all_metrics_are_one_family_of_holms(frame, block, every_pair):
    """Three pairs in each of two metrics are adjusted together: by their paired t, or Welch's without seeds."""
    found = analyze(frame, ["a", "b"], block, ["score", "loss"], every_pair=every_pair)
    pairs = found.pairwise
    assert len(pairs) == (12 if every_pair else 6)
    with_reference = pairs["b"] == "x/u"
    p = pairs.loc[with_reference, "p"]
    assert set(pairs["test"]) == {"Welch" if block is None else "paired t"}
    assert pairs["p"].equals(found.pairwise_independent["p"]) == (block is None)
    assert len(p) == 6
    np.testing.assert_allclose(pairs.loc[with_reference, "p_adjusted"], multipletests(p, method="holm")[1], rtol=1e-12)
    assert pairs.loc[~with_reference, "p_adjusted"].isna().all()
    assert (pairs["family_size"] == 6).all()


def test_a_cell_of_one_run_leaves_the_others_to_dunnett(frame):
    """Where one cell has a single run it alone has no p against the reference."""
    single = frame[(frame["a"] + frame["b"] != "xv") | (frame["seed"] == 0)]
    found = analyze(single, ["a", "b"], None, ["loss"])
    pairs, sizes = found.pairwise_independent, found.pairwise_sizes
    with_reference = pairs[pairs["b"] == "x/u"].set_index("a")["p_dunnett"]
    assert dict(with_reference.isna()) == {"x/v": True, "y/u": False, "y/v": False}
    assert (
        sizes.loc[(sizes[["a", "b"]] == "x/v").any(axis=1), ["ratio", "ratio_low", "ratio_high"]].isna().all(axis=None)
    )


@pytest.mark.parametrize("block", ["seed", None])
@pytest.mark.parametrize(("metric", "log"), [("score", False), ("loss", False), ("loss", True)])
def test_ratios_are_of_the_means_as_measured(frame, block, metric, log):
    """The ratio of two cells is that of the plain means, over the seeds that have both, also on a log scale."""
    pairs = analyze(frame, ["a", "b"], block, [MetricOptions(metric, log=log)], every_pair=True).pairwise_sizes
    cells = by_cell(frame, metric)
    for row in pairs.itertuples():
        x, y = cells[row.a], cells[row.b]
        if block is not None:
            x, y = x[x.index.isin(y.index)], y[y.index.isin(x.index)]
        df = len(x) - 1 if block is not None else stats.ttest_ind(x, row.ratio * y, equal_var=False).df
        for limit in (row.ratio_low, row.ratio_high):
            paired = block is not None and stats.ttest_rel(x, limit * y)
            t = (paired or stats.ttest_ind(x, limit * y, equal_var=False)).statistic
            assert abs(t) == pytest.approx(stats.t.ppf(0.975, df), rel=1e-9)
        assert row.ratio == pytest.approx(x.mean() / y.mean())


def test_effects_of_all_metrics_are_one_exploratory_family(frame):
    """p_adjusted is Benjamini and Hochberg's over both metrics; d_z is t over the root of the number of seeds."""
    complete = frame.assign(score=frame["score"].fillna(-5.0))
    contrasts = analyze(complete, ["a", "b"], "seed", ["score", "loss"]).contrasts
    expected = multipletests(contrasts["p"], method="fdr_bh")[1]
    np.testing.assert_allclose(contrasts["p_adjusted"], expected, rtol=1e-12)
    np.testing.assert_allclose(contrasts["d_z"], contrasts["t"] / np.sqrt(8), rtol=1e-12)
    assert (contrasts["family_size"] == 6).all()
    assert analyze(complete, ["a", "b"], None, ["loss"]).contrasts["d_z"].isna().all()


@pytest.mark.parametrize("unit", [0.1, -0.1])
@pytest.mark.parametrize(("better", "side"), [("higher", "greater"), ("lower", "less")])
def test_equivalence_is_two_one_sided_t_tests_of_the_contrast_per_seed(frame, better, side, unit):
    """p, the 90 % interval, the verdict and non-inferiority are those of scipy's one-sample t, at a relative margin."""
    frame = frame.assign(loss=unit * frame["loss"])
    options = MetricOptions("loss", margin=0.5, relative=True, better=better)
    rows = analyze(frame, ["a", "b"], "seed", [options]).equivalence.set_index("effect")
    margin = 0.5 * abs(frame["loss"].mean())
    means = frame.groupby(["seed", "b"])["loss"].mean().unstack()
    contrast = (means["v"] - means["u"]).to_numpy()
    lower = stats.ttest_1samp(contrast, -margin, alternative="greater").pvalue
    upper = stats.ttest_1samp(contrast, margin, alternative="less").pvalue
    row = rows.loc["b"]
    interval = stats.ttest_1samp(contrast, 0.0).confidence_interval(0.9)
    found = row[["margin", "estimate", "low", "high", "p_lower", "p_upper", "p"]].astype(float)
    expected = [margin, contrast.mean(), *interval, lower, upper, max(lower, upper)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert row["p_noninferior"] == pytest.approx(lower if side == "greater" else upper)
    assert (rows["equivalent"] == (rows["p"] <= 0.05)).all()


def test_a_margin_of_a_log_scale_is_a_relative_change(frame):
    """A margin of 25 % bounds the logarithm by log 1.25, and estimate and limits are ratios."""
    rows = analyze(frame, ["a", "b"], "seed", [MetricOptions("loss", log=True, margin=0.25)]).equivalence
    means = np.log(frame["loss"]).groupby([frame["seed"], frame["a"]]).mean().unstack()
    contrast = (means["y"] - means["x"]).to_numpy()
    upper = stats.ttest_1samp(contrast, np.log(1.25), alternative="less").pvalue
    interval = np.exp(stats.ttest_1samp(contrast, 0.0).confidence_interval(0.9))
    found = rows.set_index("effect").loc["a", ["estimate", "low", "high", "p_upper"]].astype(float)
    np.testing.assert_allclose(found, [np.exp(contrast.mean()), *interval, upper], rtol=1e-9)


def test_tables_of_variance_are_called_what_they_are(frame):
    """All three types, and III with HC3; with seeds also repeated measures, and type II as of independent runs."""
    linear = {(1, "ols"), (2, "ols"), (3, "ols"), (3, "hc3")}
    beside = {("within", 3, "ols"), ("independent", 2, "ols")}
    alone = analyze(frame, ["a", "b"], None, ["loss"]).anova
    found = analyze(frame, ["a", "b"], "seed", ["loss"]).anova
    for table, expected in (
        (alone, {("independent", *route) for route in linear}),
        (found, {("block", *route) for route in linear} | beside),
    ):
        assert set(table[["model", "type", "covariance"]].itertuples(index=False, name=None)) == expected
    assert (found["n"] == 32).all()


def test_the_run_that_decides_is_named(frame):
    """Of a table with one wild run, that run is named with its Cook's distance, as a dummy for every seed gives it."""
    quiet = frame.assign(score=np.random.default_rng(5).normal(10.0, 0.1, size=32))
    usual = analyze(quiet, ["a", "b"], "seed", ["score"]).diagnostics.set_index("check").loc["influence"]
    assert usual["reading"] == ""
    few = quiet[quiet["seed"] < 3].assign(score=lambda rows: rows["score"].where(rows.index != 3, 99.0))
    row = analyze(few, ["a", "b"], "seed", ["score"]).diagnostics.set_index("check").loc["influence"]
    assert row["subject"] == f"{few.loc[3, 'a']}/{few.loc[3, 'b']}, seed {few.loc[3, 'seed']}"
    assert row["reading"]
    X = np.column_stack([np.eye(3)[few["seed"]], pd.get_dummies(few["a"] + few["b"]).to_numpy(float)[:, 1:]])
    expected = sm.OLS(few["score"].to_numpy(), X).fit().get_influence().cooks_distance[0]
    assert row["statistic"] == pytest.approx(expected.max())


def test_diagnostics_name_the_cell_and_the_seed(frame):
    """A cell that collapses in three runs and a seed that is off in all cells are each said in words, and no others."""
    rng = np.random.default_rng(1)
    quiet = frame.assign(score=10.0 + 0.1 * rng.normal(size=32))
    collapsing = (quiet["a"] == "y") & (quiet["b"] == "v") & (quiet["seed"] < 3)
    quiet.loc[collapsing, "score"] -= 8.0
    found = analyze(quiet, ["a", "b"], "seed", ["score"]).diagnostics
    split = found[(found["check"] == "bimodality") & (found["reading"] != "")]
    assert list(split["subject"]) == ["y/v"]
    assert split["reading"].iloc[0].startswith("two groups: 3 of 8 below ")
    cell = by_cell(quiet, "score")["y/v"]
    spread = found[(found["check"] == "cv") & (found["subject"] == "y/v")]["statistic"].item()
    assert spread == pytest.approx(cell.std() / cell.mean())
    shifted = quiet.assign(score=quiet["score"].where(~collapsing, 10.0) + 5.0 * (quiet["seed"] == 6))
    odd = analyze(shifted, ["a", "b"], "seed", ["score"]).diagnostics.query("check == 'odd_seed' and reading == 'odd'")
    assert list(odd["subject"]) == ["6"]


def test_values_too_large_for_squares_are_said(frame):
    """Beyond 1e140 a value among others of the order of 1 is left out, and a note says so."""
    large = analyze(frame.assign(loss=frame["loss"].where(frame.index != 3, 1e141)), ["a"], "seed", ["loss"])
    assert "loss: 1 values beyond 1e+140 are left out." in large.notes


@pytest.mark.parametrize("block", ["seed", None])
def test_a_tiny_unit_changes_no_test(frame, block):
    """A metric of the order of 1e-20 has the same t, F and p as the same metric of the order of one."""
    plain, tiny = (analyze(frame.assign(loss=frame["loss"] * u), ["a", "b"], block, ["loss"]) for u in (1.0, 1e-20))
    free = {"contrasts": ["t", "p"], "anova": ["F", "p"], "pairwise": ["t", "p"], "pairwise_sizes": ["d_av"]}
    for name, columns in free.items():
        ours, theirs = (getattr(found, name)[columns] for found in (tiny, plain))
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, err_msg=name)
        assert ours.iloc[0].notna().all()


@pytest.fixture(scope="module")
def in_unit():
    """Function from a unit, the block and whether the scale is that of logarithms to the analysis, made once."""
    cells = pd.DataFrame([(a, b, s) for s in range(8) for a in "xy" for b in "uv"], columns=["a", "b", "seed"])
    values = np.random.default_rng(6).normal(10.0, 1.0, len(cells))

    @cache
    def in_unit(unit, block, *, log):
        options = MetricOptions("loss", log=log, margin=0.5 if log else 0.5 * unit, range=(unit, 20 * unit))
        return analyze(cells.assign(loss=values * unit), ["a", "b"], block, [options])

    return in_unit


@pytest.mark.parametrize("block", ["seed", None])
@pytest.mark.parametrize(
    "exponent", [-300, -200, -150, -101, -99, -90, -77, -50, 50, 76, 77, 80, 90, 99, 101, 150, 306]
)
@pytest.mark.parametrize("log", [False, True])
def test_no_unit_changes_a_test(in_unit, block, exponent, log):
    """From 1e-300 to 1e306 every t, F, p, df and standardised effect is that of values of the order of 1."""
    plain, scaled = (in_unit(unit, block, log=log) for unit in (1.0, 10.0**exponent))
    free = {"contrasts": ["t", "df", "p", "p_adjusted"], "terms": ["F", "df_den", "p"], "anova": ["F", "p", "omega_sq"]}
    free |= {"pairwise": ["t", "df", "p"], "pairwise_independent": ["t", "df", "p"], "diagnostics": ["p"]}
    free |= {"pairwise_sizes": ["d", "ratio_low", "ratio_high"], "equivalence": ["p"]}
    for name, columns in free.items():
        ours, theirs = (getattr(found, name)[columns] for found in (scaled, plain))
        np.testing.assert_allclose(ours.astype(float), theirs.astype(float), rtol=1e-6, atol=1e-9, err_msg=name)
    unit = 10.0**exponent
    scaled_columns = {"cells": ["mean", "sd", "min", "max"], "marginal": ["mean", "low", "high"]}
    in_units = {"contrasts": ["estimate", "se", "low", "high"], "pairwise": ["diff", "low"], "equivalence": ["margin"]}
    in_units |= {"marginal": ["se"], "pairwise_independent": ["high"]}
    for names, factor in ((scaled_columns, unit), (in_units, 1.0 if log else unit)):
        for name, columns in names.items():
            ours, theirs = (getattr(found, name)[columns].astype(float) for found in (scaled, plain))
            np.testing.assert_allclose(ours / factor, theirs, rtol=1e-6, atol=1e-9, err_msg=name)
    shift = np.log(unit) if log else 0.0
    np.testing.assert_allclose(
        (scaled.values["value"] - shift) / (1.0 if log else unit), plain.values["value"], rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("block", ["seed", None])
def test_one_enormous_run_leaves_the_pairs_without_it_alone(frame, block):
    """A run of 1e90 breaks nothing, and cells that it is not in are compared as before."""
    values = np.random.default_rng(6).normal(10.0, 1.0, len(frame))
    wild = values.copy()
    wild[0] = 1e90
    tables = [frame.assign(loss=v) for v in (values, wild)]
    plain, found = (analyze(table, ["a", "b"], block, ["loss"], every_pair=True).pairwise for table in tables)
    cell = f"{frame['a'][0]}/{frame['b'][0]}"
    others = ~(plain[["a", "b"]] == cell).any(axis=1)
    assert others.sum() == 3
    np.testing.assert_allclose(found.loc[others, "diff"], plain.loc[others, "diff"], rtol=1e-9)


def test_notes_are_made_only_where_they_are_true(frame):
    """Eight complete seeds need no note; runs that share a cell and a seed are said to be averaged."""
    assert analyze(frame, ["a", "b"], "seed", ["loss"]).notes == ()
    twice = analyze(pd.concat([frame, frame]), ["a", "b"], "seed", ["loss"])
    (note,) = twice.notes
    assert note.startswith("32 pairs of a cell and a seed have more than one run (up to 2): 64 runs are averaged to 32")


FRAMES = (
    *("cells", "contrasts", "terms", "anova", "pairwise", "pairwise_independent", "pairwise_sizes", "equivalence"),
    *("diagnostics", "values", "trends"),
)


def assert_same(found, expected):
    """Every result frame is the same up to rounding; of notes only those on copies differ."""
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-12, obj=name)


@pytest.mark.parametrize("scale", ["identity", "log"])
@pytest.mark.parametrize("counts", [[3], [1, 2, 5]])
def test_copies_of_runs_add_nothing(frame, scale, counts):
    """A table of whose rows some occur several times gives the numbers of the table without them, all of them."""
    options = [MetricOptions("loss", log=scale == "log", margin=0.2), MetricOptions("score")]
    copies = frame.loc[np.repeat(frame.index, np.resize(counts, len(frame)))].sample(frac=1.0, random_state=1)
    copies = copies.sort_values(["seed", "a", "b"], kind="stable").reset_index(drop=True)
    once = analyze(frame, ["a", "b"], "seed", options)
    found = analyze(copies, ["a", "b"], "seed", options)
    assert_same(found, once)
    assert any("if the runs of a pair are copies" in note.lower() for note in found.notes)


@pytest.mark.parametrize("scale", ["identity", "log"])
def test_several_runs_of_a_cell_and_seed_are_averaged_on_the_scale_of_the_analysis(frame, scale):
    """Everything rests on means of the runs that have a value, of logarithms on a log scale; those lost are counted."""
    rng = np.random.default_rng(3)
    parts = [frame.assign(loss=frame["loss"] * np.exp(rng.normal(size=32))) for _ in range(3)]
    parts[1].loc[[4, 9], "loss"] = np.nan
    parts[2].loc[[4, 20], "loss"] = np.inf
    for part in parts:
        part.loc[7, "loss"] = np.nan
    options = [MetricOptions("loss", log=scale == "log")]
    stacked = pd.concat([part["loss"].replace(np.inf, np.nan) for part in parts], axis=1)
    means = np.exp(np.log(stacked).mean(axis=1)) if scale == "log" else stacked.mean(axis=1)
    expected = analyze(frame.assign(loss=means), ["a", "b"], "seed", options)
    found = analyze(pd.concat(parts, ignore_index=True), ["a", "b"], "seed", options)
    assert_same(found, expected)
    assert "loss: in 3 of these pairs some runs have no value; the mean is that of the others." in found.notes
    assert "loss: 7 of 96 runs have no finite value and are left out." in found.notes


def test_copies_of_runs_change_no_verdict(frame):
    """Claims rest on the same means as the effects, whatever the number of copies."""
    comparison = Comparison(({"b": "u"}, {"b": "v"}), (-1.0, 1.0))
    claims = [
        Claim("up", "It rises.", "loss", "difference", (comparison,), "increase", scale=scale, measure=measure)
        for scale in ("identity", "log")
        for measure in ("mean", "spread")
    ]
    claims = [replace(claim, id=f"{claim.scale} {claim.measure}") for claim in claims]
    rng = np.random.default_rng(4)
    parts = [frame.assign(loss=frame["loss"] * np.exp(0.1 * rng.normal(size=32))) for _ in range(2)]
    found = judge_claims(pd.concat([*parts, parts[0]]), ["a", "b"], claims).rows.set_index("claim")
    first, second = parts[0]["loss"], parts[1]["loss"]
    for scale, means in {"identity": (2 * first + second) / 3, "log": np.cbrt(first**2 * second)}.items():
        own = [claim for claim in claims if claim.scale == scale]
        expected = judge_claims(frame.assign(loss=means), ["a", "b"], own).rows.set_index("claim")
        for name in ("estimate", "p_support", "p_refute", "n"):
            np.testing.assert_allclose(found.loc[expected.index, name], expected[name], rtol=1e-9)


def renamed(names, levels):
    """A complete table of 2 x 3 x 2 cells in five seeds, whose columns and levels are called so."""
    codes = [(i, j, k, s) for s in range(5) for i in range(2) for j in range(3) for k in range(2)]
    frame = pd.DataFrame(codes, columns=[*names, "seed"])
    frame["m"] = np.random.default_rng(8).normal(size=len(frame)) + frame[names[0]] * frame[names[1]]
    return frame.assign(
        **{name: [called[code] for code in frame[name]] for name, called in zip(names, levels, strict=True)}
    )


PLAIN = (["a", "b", "c"], [["a0", "a1"], ["b0", "b1", "b2"], ["c0", "c1"]])


@pytest.fixture(scope="module")
def plainly_named():
    """The analysis of the table with plain names, and the number of pictures of its report."""
    analysis = analyze(renamed(*PLAIN), PLAIN[0], "seed", ["m"])
    return analysis, html.render(analyzed(analysis, "t.csv")).count("<svg")


@pytest.mark.parametrize(
    ("names", "levels"),
    [
        (["a", "b", "c"], [["a", "a/b"], ["c", "b/c", "b"], ["d", "c/d"]]),
        (["a", "b", "a:b"], PLAIN[1]),
        (["a", "b", "b[b1]"], PLAIN[1]),
        (["a", "b", "b[b1]:a"], [["x", "b1]"], ["x", "b1", "b1]:a"], ["x", "y"]]),
        (["mean", "mean (factor)", "cell"], PLAIN[1]),
        (["a, b", "b = c", '"a'], [["", " "], ["x", "x ", "x\n"], ["1", "1.0"]]),
    ],
)
def test_names_of_factors_and_levels_change_no_number(plainly_named, names, levels):
    """Whatever columns and levels are called, every cell, effect and term is told from the others."""
    expected, drawn = plainly_named
    found = analyze(renamed(names, levels), names, "seed", ["m"])
    for name in (*FRAMES, "estimable"):
        ours, theirs = (getattr(analysis, name).select_dtypes("number") for analysis in (found, expected))
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-9, atol=1e-12, obj=name)
    assert found.cells["cell"].nunique() == 12
    assert found.contrasts["effect"].nunique() == len(found.contrasts) == 11
    assert found.estimable["effect"].nunique() == 7
    assert html.render(analyzed(found, "t.csv")).count("<svg") == drawn
