"""The whole analysis of a table against R on every data set that it covers, by the library and by the command."""

import json
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import bench
from bench import cli
from bench.judge.analysis import analyze
from tests.conftest import REFERENCE

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
ONE_WAY = ["a08_oneway_hetero_k4", "a09_oneway_balanced_k6", "a10_plantgrowth", "a11_chickwts"]


@pytest.fixture(scope="module", params=["library", "command"])
def analysed(request, reference, tmp_path_factory):
    """Function from a data set, its block and the reference level of some factors to its analysis and R's answers.

    Each is analysed once.
    """
    made = {}

    def by_library(name, block, levels):
        frame, results = reference(name)
        return analyze(frame, list(levels), block, ["value"], reference=levels, every_pair=True), results

    def by_command(name, block, levels):
        options = ["--factors", ",".join(levels), "--metric", "value", "--every-pair", "--format", "json"]
        options += [] if block is None else ["--block", block]
        for factor, level in levels.items():
            options += ["--reference", f"{factor}={level}"]
        output = tmp_path_factory.mktemp("analysis") / "analysis.json"
        arguments = ["bench", "analyze", REFERENCE / f"{name}.csv", *options, "--output", output]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", list(map(str, arguments)))
            with pytest.raises(SystemExit) as stop:
                cli.main()
        assert stop.value.code == 0
        found = json.loads(output.read_text(encoding="utf-8"))
        assert found["schema_version"] == 2
        frames = {key: _frame(rows) for key, rows in found.items() if isinstance(rows, list)}
        return SimpleNamespace(**frames), reference(name)[1]

    def first_levels(name):
        frame, _ = reference(name)
        return {factor: frame[factor].cat.categories[0] for factor in frame.select_dtypes("category").columns}

    route = by_library if request.param == "library" else by_command

    def analysed(name, block, levels=None):
        levels = levels or first_levels(name)
        key = (name, block, *levels.items())
        if key not in made:
            made[key] = route(name, block, levels)
        return made[key]

    return analysed


def _frame(rows):
    frame = pd.DataFrame(rows).replace("nan", np.nan)
    numeric = [name for name in frame if frame[name].map(lambda value: isinstance(value, int | float)).all()]
    return frame.astype({name: frame[name].dtype if frame[name].dtype == bool else float for name in numeric})


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
def test_every_table_of_variance_is_that_of_r(analysed, name):
    """Types I to III, HC3 and effect sizes of the analysis agree with R's lm, car and root finding."""
    block, model = FACTORIALS[name]
    analysis, results = analysed(name, block)
    answers, ours = results[model], "independent" if block is None else "block"
    squares = {"df_num": "df", "sum_sq": "ss", "F": "F", "p": "p"}
    for kind in (1, 2, 3):
        compare(rows_of(analysis, ours, kind), answers[f"type{kind}"]["rows"], squares)
    compare(rows_of(analysis, ours, 3, "hc3"), answers["type3_hc3"]["rows"], {"F": "F", "p": "p"}, rtol=1e-8)
    sizes = {"partial_eta_sq": "eta2_p", "omega_sq": "omega2_p", "epsilon_sq": "epsilon2_p"}
    found = rows_of(analysis, ours, 2)
    compare(found, answers["effect_sizes_type2"]["rows"], sizes, rtol=1e-8, atol=1e-7)
    # R's limits are ncp / (ncp + df_error), ours ncp / (ncp + runs).
    noncentral = found.assign(
        low=found["n"] * found["omega_sq_low"] / (1 - found["omega_sq_low"]),
        high=found["n"] * found["epsilon_sq_high"] / (1 - found["epsilon_sq_high"]),
    )
    df_error = float(found["df_den"].iloc[0])
    theirs = [
        row | {side: df_error * share / (1 - share) for side, share in zip(("low", "high"), shares, strict=True)}
        for row in answers["effect_sizes_type2"]["rows"]
        for shares in [(float(row["eta2_p_lo95"]), float(row["eta2_p_hi95"]))]
    ]
    compare(noncentral, theirs, {"low": "low", "high": "high"}, rtol=1e-7, atol=1e-5)


@pytest.mark.parametrize("name", UNBLOCKED)
def test_runs_taken_as_independent_are_those_of_r(analysed, name):
    """Without a block the same table is analysed as independent runs."""
    analysis, results = analysed(name, None)
    compare(rows_of(analysis, "independent", 2), results[UNBLOCKED[name]]["type2"]["rows"], {"F": "F", "p": "p"})


@pytest.mark.parametrize("name", ["a01_factorial_balanced", "a15_within_4configs", "a16_within_2x3"])
def test_repeated_measures_are_those_of_r(analysed, name):
    """Each term against its own interaction with the seeds agrees with afex, corrected by Greenhouse and Geisser."""
    analysis, results = analysed(name, "seed")
    answers = results["rm_anova"]
    corrections = {row["term"]: row for row in answers.get("corrections", [])}
    rows = []
    for row in answers["rows"]:
        own = corrections.get(row["term"], {"gg_eps": 1.0, "p_gg": row["p"]})
        rows.append(row | {"p": own["p_gg"]} | {key: row[key] * own["gg_eps"] for key in ("df", "df_den")})
    pairs = {"df_num": "df", "df_den": "df_den", "F": "F", "p": "p", "partial_eta_sq": "pes"}
    compare(rows_of(analysis, "within", 3), rows, pairs, rtol=1e-8)


@pytest.mark.parametrize("name", ONE_WAY)
def test_all_pairs_of_groups_are_those_of_r(analysed, reference, name):
    """Pairs of one factor: Welch, Games-Howell, and Dunnett with the control as reference."""
    control = reference(name)[1]["dunnett"]["control"]
    analysis, results = analysed(name, None, {"group": control})
    pairs = {frozenset((row["a"], row["b"])): row for row in analysis.pairwise_independent.to_dict("records")}
    for row in results["games_howell"]["rows"]:
        ours = pairs[frozenset((row["a"], row["b"]))]
        sign = 1.0 if ours["a"] == row["a"] else -1.0
        np.testing.assert_allclose((sign * ours["diff"], sign * ours["t"]), (row["diff"], row["t"]), rtol=1e-9)
        np.testing.assert_allclose(ours["p_games_howell"], row["p"], atol=1e-6)
        np.testing.assert_allclose(ours["p"], row["p_welch_unadjusted"], rtol=1e-9)
    for row in results["dunnett"]["rows"]:
        group = row["comparison"].removesuffix(f" - {control}")
        np.testing.assert_allclose(pairs[frozenset((group, control))]["p_dunnett"], row["p_quad"], atol=1e-3)
    for check, key in (("brown_forsythe", "levene_median"), ("shapiro", "shapiro_residuals")):
        found = analysis.diagnostics.set_index("check").loc[check]
        np.testing.assert_allclose(found["p"], results[key]["p"], rtol=1e-7)


def test_paired_comparisons_are_those_of_r(analysed):
    """Pairs of configurations over the same seeds agree with R's paired t."""
    analysis, results = analysed("a15_within_4configs", "seed")
    rows = analysis.pairwise.merge(analysis.pairwise_sizes, on=["metric", "a", "b"])
    pairs = {frozenset((row["a"], row["b"])): row for row in rows.to_dict("records")}
    for row in results["paired_t"]["rows"]:
        ours = pairs[frozenset((row["a"], row["b"]))]
        assert abs(ours["t"]) == pytest.approx(abs(row["t"]), rel=1e-9)
        assert ours["p"] == pytest.approx(row["p"], rel=1e-9)
        assert abs(ours["d_z"]) == pytest.approx(abs(row["d_z"]), rel=1e-9)


def row_of(path, frame, block, margin):
    """The pair x minus y, and its equivalence, of a table that is read from a file."""
    frame.to_csv(path, index=False)
    analysis = bench.analyze(path, ["group"], block, ["value"], reference={"group": "y"}, margin={"value": margin})
    (pair,), (sizes,) = analysis.pairwise.to_dict("records"), analysis.pairwise_sizes.to_dict("records")
    (equivalence,) = analysis.equivalence.to_dict("records")
    return pair | sizes, equivalence


def agree(row, expected, **tolerance):
    """Our column -> R's value."""
    np.testing.assert_allclose([row[name] for name in expected], [*expected.values()], **tolerance)


@pytest.mark.parametrize("case", ["equal_n8", "unequal_var", "tiny", "near_margin", "ties", "lognormal", "separated"])
def test_two_samples_from_a_file_are_those_of_r(reference, tmp_path, case):
    """Welch, d, g and TOST of two independent groups agree with R."""
    frame, results = reference("a06_two_sample")
    answers, sizes = results[case], results[case]["effect_sizes"]
    margin = answers["tost"][0]
    rows = frame.loc[frame["case"] == case, ["group", "value"]]
    pair, equivalence = row_of(tmp_path / "two.csv", rows, None, margin["margin"])
    welch = {"t": "statistic", "df": "df", "p": "p", "low": "ci_low", "high": "ci_high"}
    agree(pair, {ours: answers["welch_t"][theirs] for ours, theirs in welch.items()}, rtol=1e-9)
    agree(pair, {"diff": answers["diff_means"]}, rtol=1e-9)
    for name, size in (("d", sizes["d_pooled"]), ("g", sizes["g_pooled"])):
        limits = {name: size["estimate"], f"{name}_low": size["ci_low"], f"{name}_high": size["ci_high"]}
        agree(pair, limits, rtol=1e-8, atol=1e-7)
    tost = {"p_lower": "p_lower", "p_upper": "p_upper", "p": "p_tost", "low": "ci90_low", "high": "ci90_high"}
    agree(equivalence, {ours: margin["welch"][theirs] for ours, theirs in tost.items()}, rtol=1e-9)


@pytest.mark.parametrize("case", ["sleep", "high_corr", "n25_equiv", "n5", "n60", "ties_zeros"])
def test_pairs_from_a_file_are_those_of_r(reference, tmp_path, case):
    """The paired t, d_z with its limits and paired TOST agree with R."""
    frame, results = reference("a07_paired")
    answers, size = results[case], results[case]["effect_sizes"]["d_z"]
    margin = answers["tost"][0]
    rows = frame.loc[frame["case"] == case, ["pair", "group", "value"]]
    pair, equivalence = row_of(tmp_path / "paired.csv", rows, "pair", margin["margin"])
    agree(pair, {"t": answers["paired_t"]["statistic"], "p": answers["paired_t"]["p"]}, rtol=1e-9)
    limits = {"d_z": size["estimate"], "d_z_low": size["ci_low"], "d_z_high": size["ci_high"]}
    agree(pair, limits, rtol=1e-8, atol=1e-7)
    tost = {"p_lower": "p_lower", "p_upper": "p_upper", "p": "p_tost", "low": "ci90_low", "high": "ci90_high"}
    agree(equivalence, {ours: margin[theirs] for ours, theirs in tost.items()}, rtol=1e-9)


def test_welchs_test_of_equal_cells_is_that_of_r(analysed, reference):
    """Welch's F over the groups of a table without blocks is the test of its one factor."""
    analysis, results = analysed(
        "a08_oneway_hetero_k4", None, {"group": reference("a08_oneway_hetero_k4")[1]["groups"][0]["cell"]}
    )
    expected = results["welch_anova"]
    row = analysis.terms.iloc[0]
    theirs = {"F": expected["statistic"], "df_den": expected["df"][1], "p": expected["p"]}
    agree(row, theirs, rtol=1e-9)
    assert row["test"] == "Welch-James"


def test_aliases_of_the_ablation_cells_are_those_of_r(analysed):
    """Which two-way interactions are aliased, and with what, agrees with alias(lm)."""
    analysis, results = analysed("a04_ablation_8of16", "seed")
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
    for table in (analysis.contrasts, analysis.terms, analysis.anova, analysis.pairwise, analysis.diagnostics):
        for column in [column for column in table if column.startswith("p") and "eta" not in column]:
            assert not (table[column] == 0.0).any(), column
    for table in (analysis.contrasts, analysis.terms, analysis.anova, analysis.pairwise, analysis.pairwise_sizes):
        numbers = table.select_dtypes("number")
        assert not np.isinf(numbers.to_numpy(float)).any()
    unexplained = analysis.contrasts["p"].isna() & (analysis.contrasts["reason"] == "")
    assert not unexplained.any()
