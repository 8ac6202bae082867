"""Simple effects, marginal means and contrasts of a user's own, against scipy on the compared cells."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bench.errors import BenchError
from bench.judge.analysis import MetricOptions, analyze
from bench.present.build import analyzed


def table(effect, seeds=8, sd=0.4):
    """Three learning rates by two optimisers in ``seeds``; ``effect`` of the frame is added."""
    rows = itertools.product(range(seeds), ("0.001", "0.01", "0.1"), ("sgd", "adam"))
    frame = pd.DataFrame(rows, columns=["seed", "lr", "opt"])
    rng = np.random.default_rng(0)
    noise = rng.normal(size=seeds)[frame["seed"]] + sd * rng.normal(size=len(frame))
    return frame.assign(y=noise + effect(frame))


@pytest.fixture
def crossed():
    """The largest rate is better with one optimiser and worse with the other: no main effect at all."""
    return table(lambda frame: np.where(frame["lr"] == "0.1", np.where(frame["opt"] == "sgd", 2.0, -2.0), 0.0))


@pytest.mark.usefixtures("uncollected")
def test_simple_effects_are_paired_t_tests_within_a_level(crossed):
    """Every pair of levels at each level of the other factor is scipy's paired t; Holm over one factor in another."""
    simple = analyze(crossed, ["lr", "opt"], "seed", ["y"]).simple
    cells = crossed.pivot_table(index="seed", columns=["lr", "opt"], values="y")
    for row in simple[simple["factor"] == "lr"].itertuples():
        expected = stats.ttest_rel(cells[row.a, row.level], cells[row.b, row.level])
        np.testing.assert_allclose((row.t, row.p), (expected.statistic, expected.pvalue), rtol=1e-9)
        np.testing.assert_allclose((row.low, row.high), expected.confidence_interval(), rtol=1e-9)
    for _, rows in simple.groupby("factor"):
        np.testing.assert_allclose(rows["p_adjusted"], multipletests(rows["p"], method="holm")[1])
    assert simple.groupby("factor").size().to_dict() == {"lr": 6, "opt": 3}


def misleading(analysis):
    """The points of the section on main effects that mislead."""
    (section,) = (part for part in analyzed(analysis, "runs.csv").sections if part.title.startswith("Where main"))
    return list(section.points)


def test_a_reversed_main_effect_is_said_to_mislead(crossed):
    """Where the effect is positive at one level and negative at another, the report says both and what that means."""
    analysis = analyze(crossed, ["lr", "opt"], "seed", ["y"])
    reversed_pairs = analysis.simple.loc[analysis.simple["reverses"], ["b", "a"]].drop_duplicates().to_numpy().tolist()
    assert reversed_pairs == [["0.001", "0.1"], ["0.01", "0.1"]]
    text = " ".join(misleading(analysis))
    assert "y: lr (0.001 → 0.1) has opposite effects at the levels of opt" in text
    facts = analyzed(analysis, "runs.csv").sections[0].facts
    assert facts["Main effects mislead"] == "in y: there one factor's effect depends on another."


def test_a_surviving_interaction_without_reversal_gives_the_effect_at_each_level():
    """The effect differs between levels, and its main effect is said to be an average that misleads."""
    frame = table(lambda frame: 2.0 * (frame["lr"] == "0.1") * (frame["opt"] == "sgd") + (frame["lr"] == "0.1"))
    analysis = analyze(frame, ["lr", "opt"], "seed", ["y"])
    assert (analysis.simple["p_interaction"] < 0.05).all()
    assert not analysis.simple.loc[analysis.simple["factor"] == "lr", "reverses"].any()
    assert "y: the effect of one factor depends on the other for lr × opt." in misleading(analysis)


def test_without_an_interaction_no_main_effect_misleads():
    """Additive effects have no simple effects, and no word of them."""
    analysis = analyze(table(lambda frame: 2.0 * (frame["lr"] == "0.1")), ["lr", "opt"], "seed", ["y"])
    assert analysis.simple.empty
    assert "mislead" not in str(analyzed(analysis, "runs.csv"))


def test_marginal_means_weigh_the_other_levels_alike(crossed):
    """One mean per level, its interval that of one mean per seed; geometric on a log scale."""
    found = analyze(crossed, ["lr", "opt"], "seed", ["y"]).marginal.set_index(["factor", "level"])
    means = crossed.groupby(["seed", "lr"])["y"].mean().unstack()
    for level, own in means.items():
        row = found.loc["lr", level]
        interval = stats.ttest_1samp(own, 0.0).confidence_interval()
        np.testing.assert_allclose(
            [row["mean"], row["se"], row["low"], row["high"]], [own.mean(), own.sem(), *interval]
        )
    positive = crossed.assign(y=np.exp(crossed["y"]))
    logs = analyze(positive, ["lr", "opt"], "seed", [MetricOptions("y", log=True)]).marginal
    np.testing.assert_allclose(np.log(logs["mean"].to_numpy(float)), found["mean"].to_numpy(float))


@pytest.mark.parametrize(
    "given",
    [
        {"factor": "lr", "from": 0.001, "to": 0.1, "at": {"opt": "adam"}},
        '{ factor = "lr", from = "0.001", to = "0.1", at = { opt = "adam" } }',
        '{ from = { lr = 0.001, opt = "adam" }, to = { lr = 0.1, opt = "adam" } }',
    ],
)
def test_a_contrast_of_ones_own_is_as_a_claim_has_it(crossed, given):
    """Levels may be written as numbers or as the text of the table; the estimate is that of the compared cells."""
    (row,) = analyze(crossed, ["lr", "opt"], "seed", ["y"], contrasts=[given]).requested.to_dict("records")
    cells = crossed.pivot_table(index="seed", columns=["lr", "opt"], values="y")
    expected = stats.ttest_rel(cells["0.1", "adam"], cells["0.001", "adam"])
    np.testing.assert_allclose((row["t"], row["p"]), (expected.statistic, expected.pvalue), rtol=1e-9)
    assert row["contrast"] == "lr: 0.001 → 0.1 at opt = adam"


@pytest.mark.usefixtures("uncollected")
def test_contrasts_of_ones_own_are_one_family(crossed):
    """An interaction, a trend and the two steps of an order on two metrics: Holm over all eight."""
    frame = crossed.assign(z=-crossed["y"])
    contrasts = [
        {"interaction": {"lr": [0.001, 0.01], "opt": ["sgd", "adam"]}},
        {"trend": "lr", "spacing": "log"},
        {"factor": "lr", "order": [0.001, 0.01, 0.1]},
    ]
    requested = analyze(frame, ["lr", "opt"], "seed", ["y", "z"], contrasts=contrasts).requested
    np.testing.assert_allclose(requested["p_adjusted"], multipletests(requested["p"], method="holm")[1])
    assert len(requested) == 8
    assert requested["contrast"].tolist()[4::2] == ["lr: 0.001 → 0.01", "lr: 0.01 → 0.1"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"factor": "lr", "from": 0.001, "to": 0.5}, "lr has no level 0.5"),
        ({"factor": "depth", "from": 1, "to": 2}, 'no factor "depth"'),
        ({"between": 1}, 'contrast cannot be {"between": 1}'),
        ("lr", "contrast 1:1:12"),
        ("{ } \n[x]", 'unknown key "x"'),
        ({"cell": {"lr": 0.1, "opt": "sgd"}}, "for claims only"),
    ],
)
def test_a_contrast_that_is_none_is_refused(crossed, given, said):
    """The error says which contrast, what was given and what is allowed."""
    with pytest.raises(BenchError) as caught:
        analyze(crossed, ["lr", "opt"], "seed", ["y"], contrasts=[given])
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_a_contrast_of_a_lost_level_says_so(crossed):
    """Where the level has no values, there is no estimate and the reason names it; others are as they were."""
    lost = crossed.assign(y=crossed["y"].where(crossed["lr"] != "0.1"))
    contrasts = [{"factor": "lr", "from": 0.001, "to": level} for level in (0.01, 0.1)]
    first, second = analyze(lost, ["lr", "opt"], "seed", ["y"], contrasts=contrasts).requested.to_dict("records")
    assert np.isfinite(first["p"])
    assert (second["reason"], np.isnan(second["estimate"])) == ("lr = 0.1 without values", True)


@pytest.mark.parametrize("block", ["seed", None])
def test_a_region_that_lacks_a_cell_is_told_by_the_others(crossed, block):
    """Without one cell, levels are compared as by the additive model of the others, which assumes no interaction."""
    lost = crossed[(crossed["lr"] != "0.1") | (crossed["opt"] != "adam")]
    frame = crossed.assign(y=lost["y"])
    asked = [
        {"factor": "lr", "from": 0.001, "to": 0.1},
        {"factor": "lr", "from": 0.001, "to": 0.1, "at": {"opt": "adam"}},
    ]
    analysis = analyze(frame, ["lr", "opt"], block, ["y"], contrasts=asked)
    first, second = analysis.requested.to_dict("records")
    columns = [(lost["lr"] == level).to_numpy(float) for level in ("0.01", "0.1")] + [lost["opt"] == "adam"]
    fit = np.linalg.lstsq(np.column_stack([np.ones(len(lost)), *columns]), lost["y"], rcond=None)[0]
    assert first["estimate"] == pytest.approx(fit[2])
    assert (first["assumes"], first["reason"], second["reason"]) == ("lr:opt", "", "not estimable from these cells")
    means = analysis.marginal.set_index(["factor", "level"])
    assert means.loc["lr", "0.1"]["mean"] - means.loc["lr", "0.001"]["mean"] == pytest.approx(fit[2])
    assert means["assumes"].to_list() == ["", "", "lr:opt", "", "lr:opt"]


@pytest.mark.parametrize("block", ["seed", None])
def test_an_offset_of_a_trillion_leaves_every_contrast_as_it_was(crossed, block):
    """Values are compared by their differences: what an offset takes of their digits is all that is lost."""
    rounded = np.round(crossed["y"] * 1024) / 1024  # exact also a trillion away
    asked = [{"factor": "lr", "from": 0.001, "to": 0.1, "at": {"opt": "sgd"}}]
    plain, far = (
        analyze(crossed.assign(y=rounded + offset), ["lr", "opt"], block, ["y"], contrasts=asked)
        for offset in (0, 2**40)
    )
    for name in ("contrasts", "levels", "simple", "requested", "trends", "pairwise"):
        ours, theirs = (getattr(analysis, name).select_dtypes("number") for analysis in (far, plain))
        columns = [column for column in ours if column in ("estimate", "diff", "t", "df", "p")]
        np.testing.assert_allclose(ours[columns], theirs[columns], rtol=1e-6, atol=1e-9, err_msg=name)
