"""The whole analysis of a table, as a user gets it, against R on every data set that it covers."""

import warnings

import numpy as np
import pytest

from bench.judge.analysis import analyze

FACTORIALS = {
    "a01_factorial_balanced": ("seed", "lm_full_block"),
    "a02_factorial_lognormal": ("seed", "lm_full_block"),
    "a03_factorial_unbalanced": ("seed", "lm_full_block"),
    "a04_ablation_8of16": ("seed", "lm_main_block"),
    "a05_twofactor_3x4": (None, "lm_full"),
    "a12_npk": ("block", "lm_twoway_block"),
    "a13_warpbreaks": (None, "lm_full"),
    "a14_toothgrowth": (None, "lm_full"),
    "a15_within_4configs": ("seed", "lm_block"),
    "a16_within_2x3": ("seed", "lm_block"),
}
UNBLOCKED = {
    "a01_factorial_balanced": "lm_full",
    "a03_factorial_unbalanced": "lm_full",
    "a04_ablation_8of16": "lm_main",
}
MIXED = {"a01_factorial_balanced": "mixed_full", "a03_factorial_unbalanced": "mixed_full", "a12_npk": "mixed_twoway"}
MIXED |= {"a15_within_4configs": "mixed", "a16_within_2x3": "mixed"}
ONE_WAY = ["a08_oneway_hetero_k4", "a09_oneway_balanced_k6", "a10_plantgrowth", "a11_chickwts"]


def analysed(reference, name, block):
    frame, results = reference(name)
    factors = list(frame.select_dtypes("category").columns)
    return analyze(frame, factors, block, ["value"]), results


def compare(found, rows, pairs, *, rtol=1e-9, atol=1e-12):
    """Every row of R's that has degrees of freedom, against our row of the same term."""
    ours = {frozenset(row["term"].split(":")): row for row in found.to_dict("records")}
    for row in rows:
        if row["term"] in {"Residuals", "(Intercept)"} or not row.get("df", 1):
            continue
        key = frozenset(row["term"].split(":"))
        if key not in ours:
            assert key in ({"seed"}, {"block"}), key  # robust tables do not test the blocks
            continue
        for mine, theirs in pairs.items():
            np.testing.assert_allclose(ours[key][mine], row[theirs], rtol=rtol, atol=atol, err_msg=f"{key} {mine}")


def rows_of(analysis, model, kind, covariance="ols"):
    anova = analysis.anova
    return anova[(anova["model"] == model) & (anova["type"] == kind) & (anova["covariance"] == covariance)]


@pytest.mark.parametrize("name", FACTORIALS)
def test_every_table_of_variance_is_that_of_r(reference, name):
    """Types I to III, HC3 and effect sizes of the analysis agree with R's lm, car and root finding."""
    block, model = FACTORIALS[name]
    analysis, results = analysed(reference, name, block)
    answers, ours = results[model], "independent" if block is None else "block"
    squares = {"df_num": "df", "sum_sq": "ss", "F": "F", "p": "p"}
    for kind in (1, 2, 3):
        compare(rows_of(analysis, ours, kind), answers[f"type{kind}"]["rows"], squares)
    for kind in (2, 3):
        compare(
            rows_of(analysis, ours, kind, "hc3"), answers[f"type{kind}_hc3"]["rows"], {"F": "F", "p": "p"}, rtol=1e-8
        )
    sizes = {}
    for mine, theirs in (("partial_eta_sq", "eta2_p"), ("omega_sq", "omega2_p"), ("epsilon_sq", "epsilon2_p")):
        sizes |= {mine: theirs, f"{mine}_low": f"{theirs}_lo95", f"{mine}_high": f"{theirs}_hi95"}
    compare(rows_of(analysis, ours, 2), answers["effect_sizes_type2"]["rows"], sizes, rtol=1e-8, atol=1e-7)


@pytest.mark.parametrize("name", UNBLOCKED)
def test_runs_taken_as_independent_are_those_of_r(reference, name):
    """Without a block the same table is analysed as independent runs."""
    analysis, results = analysed(reference, name, None)
    compare(rows_of(analysis, "independent", 2), results[UNBLOCKED[name]]["type2"]["rows"], {"F": "F", "p": "p"})


@pytest.mark.parametrize("name", ["a01_factorial_balanced", "a15_within_4configs", "a16_within_2x3"])
def test_repeated_measures_are_those_of_r(reference, name):
    """Each term against its own interaction with the seeds agrees with afex, and so does partial eta squared."""
    analysis, results = analysed(reference, name, "seed")
    pairs = {"df_num": "df", "df_den": "df_den", "F": "F", "p": "p", "partial_eta_sq": "pes"}
    compare(rows_of(analysis, "within", 3), results["rm_anova"]["rows"], pairs)


@pytest.mark.parametrize("name", MIXED)
def test_mixed_models_are_those_of_r(reference, name):
    """F, Satterthwaite's df and p agree with lmerTest to 1e-6."""
    analysis, results = analysed(reference, name, FACTORIALS[name][0])
    rows = results[MIXED[name]]["type3_satterthwaite"]["rows"]
    compare(rows_of(analysis, "mixed", 3), rows, {"df_num": "df", "df_den": "df_den", "F": "F", "p": "p"}, rtol=1e-6)


@pytest.mark.parametrize("name", ONE_WAY)
def test_all_pairs_of_groups_are_those_of_r(reference, name):
    """Pairs of one factor: Welch, Games-Howell, Tukey, Dunnett, Holm, with the control as reference."""
    frame, results = reference(name)
    control = results["dunnett"]["control"]
    analysis = analyze(frame, ["group"], None, ["value"], reference={"group": control})
    pairs = {frozenset((row["a"], row["b"])): row for row in analysis.pairwise.to_dict("records")}
    for row in results["games_howell"]["rows"]:
        ours = pairs[frozenset((row["a"], row["b"]))]
        sign = 1.0 if ours["a"] == row["a"] else -1.0
        np.testing.assert_allclose((sign * ours["diff"], sign * ours["t"]), (row["diff"], row["t"]), rtol=1e-9)
        np.testing.assert_allclose(ours["p_games_howell"], row["p"], atol=1e-6)
        np.testing.assert_allclose(ours["p_welch"], row["p_welch_unadjusted"], rtol=1e-9)
    for row in results["tukey_hsd"]["rows"]:
        a, b = row["comparison"].split("-")
        np.testing.assert_allclose(pairs[frozenset((a, b))]["p_tukey"], row["p"], atol=1e-6)
    for row in results["dunnett"]["rows"]:
        group = row["comparison"].removesuffix(f" - {control}")
        np.testing.assert_allclose(pairs[frozenset((group, control))]["p_dunnett"], row["p_quad"], atol=1e-8)
    for check, key in (("brown_forsythe", "levene_median"), ("shapiro", "shapiro_residuals")):
        found = analysis.diagnostics.set_index("check").loc[check]
        np.testing.assert_allclose(found["p"], results[key]["p"], rtol=1e-7)


def test_paired_comparisons_are_those_of_r(reference):
    """Pairs of configurations over the same seeds agree with R's paired t."""
    analysis, results = analysed(reference, "a15_within_4configs", "seed")
    pairs = {frozenset((row["a"], row["b"])): row for row in analysis.pairwise.to_dict("records")}
    for row in results["paired_t"]["rows"]:
        ours = pairs[frozenset((row["a"], row["b"]))]
        assert abs(ours["t_paired"]) == pytest.approx(abs(row["t"]), rel=1e-9)
        assert ours["p_paired"] == pytest.approx(row["p"], rel=1e-9)
        assert abs(ours["d_z"]) == pytest.approx(abs(row["d_z"]), rel=1e-9)


def test_tests_of_equal_cells_are_those_of_r(reference):
    """Welch, Kruskal-Wallis, Friedman and its F form over the sixteen cells agree; the permutation p is tiny."""
    analysis, results = analysed(reference, "a01_factorial_balanced", "seed")
    found = analysis.omnibus.set_index("test")
    for ours, theirs in (("welch", "welch_anova_cells"), ("kruskal", "kruskal_cells"), ("friedman", "friedman_cells")):
        expected = (results[theirs]["statistic"], results[theirs]["p"])
        np.testing.assert_allclose(found.loc[ours, ["statistic", "p"]].astype(float), expected, rtol=1e-9)
    assert found.loc["iman_davenport", "statistic"] == pytest.approx(results["friedman_cells"]["iman_davenport_F"])
    assert found.loc["permutation", "p"] == pytest.approx(1 / 10_001)


def test_aliases_of_the_ablation_cells_are_those_of_r(reference):
    """Which two-way interactions are aliased, and with what, agrees with alias(lm)."""
    analysis, results = analysed(reference, "a04_ablation_8of16", "seed")
    rows = analysis.estimable.set_index("effect")
    for row in results["alias_lm_2way"]["complete"]:
        name = row.pop("aliased")
        assert not rows.loc[name, "estimable"]
        terms = {term: round(value) for term, value in row.items() if abs(value) > 0.5 and term != "(Intercept)"}
        said = rows.loc[name, "alias"].split()
        assert {term: int(value) for value, term in zip(said[::2], said[1::2], strict=True)} == terms


DEGENERATE = {
    "constant": lambda d: d.assign(value=7.0),
    "constant in one cell": lambda d: d.assign(value=d["value"].where(d["init"] != "random", 0.5)),
    "all missing": lambda d: d.assign(value=np.nan),
    "all infinite": lambda d: d.assign(value=np.inf),
    "one run": lambda d: d.iloc[:1],
    "two rows": lambda d: d.iloc[:2],
    "one seed": lambda d: d[d["seed"] == 0],
    "one level": lambda d: d[d["init"] == "random"],
    "one run a cell, seeds apart": lambda d: d.iloc[:16].assign(seed=range(16)),
    "one cell lost": lambda d: d.assign(value=d["value"].where(d.index % 16 != 5)),
    "one level lost": lambda d: d.assign(value=d["value"].where(d["init"] == "random")),
    "enormous": lambda d: d.assign(value=d["value"] * 1e200),
    "tiny": lambda d: d.assign(value=d["value"] * 1e-200),
    "zeros and one": lambda d: d.assign(value=(d.index == 3) * 1.0),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("block", ["seed", None])
def test_degenerate_tables_give_nan_and_no_warning(reference, name, block):
    """Whatever is lost or constant, the analysis ends without a warning, a p of zero, or an infinite estimate."""
    frame, _ = reference("a01_factorial_balanced")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        analysis = analyze(DEGENERATE[name](frame), ["init", "noise", "reg", "act"], block, ["value"])
    for table in (analysis.contrasts, analysis.anova, analysis.pairwise, analysis.omnibus, analysis.diagnostics):
        for column in [column for column in table if column.startswith("p") and "eta" not in column]:
            assert not (table[column] == 0.0).any(), column
    for table in (analysis.contrasts, analysis.anova, analysis.pairwise, analysis.omnibus):
        numbers = table.select_dtypes("number")
        assert not np.isinf(numbers.to_numpy(float)).any()
    unexplained = analysis.contrasts["p"].isna() & (analysis.contrasts["reason"] == "")
    assert not unexplained.any()
