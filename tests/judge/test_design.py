"""What is said of designs before they are run: by hand for the post's cells, fractions, screening and nested sweeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bench
from bench.errors import BenchError
from bench.judge.preview.augment import augment
from bench.judge.preview.power_frames import Spread, family_frame, look_frame, term_power_frame
from bench.judge.preview.simulate import simulated_frame
from bench.judge.preview.study import Study, study_design
from bench.present.render import terminal
from bench.stats.power import seeds_for, smallest_effect, term_power
from bench.stats.repeated import orthonormal_rows, repeated_measures
from bench.stats.term_models import Effect

if TYPE_CHECKING:
    from tests.conftest import Commands, Lab

SUITES = Path(__file__).parents[2] / "suites"
ELEVEN = "".join(f"    {name}: float = 0.0\n" for name in "abcdefghijk")
MODULE = f"""
from dataclasses import dataclass
from typing import Literal

from bench.experiment import Experiment, Metric


@dataclass(frozen=True)
class Params:
{ELEVEN}    kind: Literal["none", "l1", "l2"] = "none"
    weight: float = 0.5


def run(jobs, progress):
    raise NotImplementedError


EXPERIMENT = Experiment(params=Params, metrics=[Metric("loss", "Loss")], run=run)
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    (folder / "many_factors.py").write_text(MODULE)
    return folder


@pytest.fixture
def study(module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Study]:
    """The design of a suite of eleven numbers, a kind and its weight."""
    monkeypatch.syspath_prepend(str(module))

    def study(text: str) -> Study:
        path = tmp_path / "suite.toml"
        path.write_text(f'name = "designed"\nexperiment = "many_factors:EXPERIMENT"\nseeds = 10\n{text}')
        return study_design(bench.check(path))

    return study


def two_levels(names: str) -> str:
    return "[factors]\n" + "".join(f"{name} = [0, 1]\n" for name in names)


def test_the_posts_cells() -> None:
    """Reg and act correlate with 0.775, only 3 → 7 changes reg alone, nothing act; 5 of 15 effects are estimable."""
    found = study_design(bench.check(SUITES / "published_ablations.toml"))
    effects = found.effects.set_index("effect")
    assert effects["vif"][["init", "noise", "reg", "act"]].tolist() == pytest.approx([1.25, 1.25, 3.25, 3.75])
    assert effects["correlation"]["reg"] == pytest.approx(3 / 15**0.5)
    assert effects["correlated_with"]["reg"] == "act"
    assert list(effects.index[effects["estimable"]]) == ["init", "noise", "reg", "act", "init:noise"]
    assert effects["alias"]["reg:act"] == "-1 reg +1 act"
    single = found.single.set_index("factor")
    assert single["pairs"].to_dict() == {"init": 3, "noise": 3, "reg": 1, "act": 0}
    assert single["examples"]["reg"] == "3 → 7"
    assert found.models["rank"].tolist() == [5, 8, 8, 8]
    assert found.models["columns"].tolist() == [5, 11, 15, 16]
    assert effects["se"]["act"] / effects["se_full"]["act"] == pytest.approx(2 * 2**0.5)


def test_the_full_factorial_identifies_everything() -> None:
    """All fifteen effects of the full 2^4 are estimable, uncorrelated, and as precise as can be."""
    effects = study_design(bench.check(SUITES / "full_factorial.toml")).effects
    assert len(effects) == 15
    assert effects["estimable"].all()
    assert effects["vif"].tolist() == pytest.approx([1.0] * 15)
    assert effects["se"].tolist() == pytest.approx([0.5] * 15)
    assert (effects["alias"] + effects["biased_by"] == "").all()


def test_a_half_fraction(study: Callable[[str], Study]) -> None:
    """D=ABC has resolution IV: a takes in b:c:d, a:b is c:d, a:b:c:d is the same in every cell."""
    found = study(f'design = {{ fraction = ["D=ABC"] }}\n{two_levels("abcd")}')
    assert found.fraction is not None
    assert (found.fraction.words, found.fraction.resolution) == (((0, 1, 2, 3),), 4)
    effects = found.effects.set_index("effect")
    assert effects["biased_by"]["a"] == "+1 b:c:d"
    assert effects["alias"]["a:b"] == "+1 c:d"
    assert (effects["alias"]["a:b:c:d"], effects["df"]["a:b:c:d"]) == ("", 0)
    assert effects["se"]["a"] == pytest.approx(0.5**0.5)


def test_plackett_burman_of_twelve(study: Callable[[str], Study]) -> None:
    """Eleven main effects are uncorrelated; each takes in a third, up or down, of the 45 interactions of the others."""
    row, names = "++-+++---+-", "abcdefghijk"
    rows = ["-" * 11, *(row[-shift:] + row[:-shift] for shift in range(11))]
    lines = [f"{name} = {'-+'.index(sign)}" for cell in rows for name, sign in zip(names, cell, strict=True)]
    cells = ["\n".join(["[[cells]]", *lines[start : start + 11]]) for start in range(0, len(lines), 11)]
    found = study("\n".join(cells))
    effects = found.effects.set_index("effect")
    assert (found.n_cells, found.n_full, found.fraction) == (12, 2048, None)
    mains = effects[effects["order"] == 1]
    assert mains["vif"].tolist() == pytest.approx([1.0] * 11)
    assert mains["se"].tolist() == pytest.approx([2 / 12**0.5] * 11)
    assert mains["correlation"].abs().max() == pytest.approx(0.0)
    for name, bias in mains["biased_by"].items():
        words = bias.split()
        assert {abs(float(size)) for size in words[::2]} == {0.3333}
        assert len(words[1::2]) == 45
        assert not any(name in term.split(":") for term in words[1::2])
    assert effects["order"].max() == 2


def test_a_nested_sweep(study: Callable[[str], Study]) -> None:
    """Where the value elsewhere is swept too, all main effects are told; else the parent's is one of the sweep's."""
    sweep = '[factors]\nkind = ["none", "l1"]\nweight = { levels = [0.1, OTHER, 2.0], under = { kind = "l1" } }\n'
    shared = study(sweep.replace("OTHER", "0.5")).effects.set_index("effect")
    assert shared["estimable"].to_dict() == {"kind": True, "weight": True, "kind:weight": False}
    assert shared["se"]["kind"] == pytest.approx(2**0.5)  # cells (none, 0.5) and (l1, 0.5) alone tell it
    apart = study(sweep.replace("OTHER", "1.0")).effects.set_index("effect")
    assert apart["df"].to_dict() == {"kind": 0, "weight": 2, "kind:weight": 0}
    assert apart["df_full"]["weight"] == 3


def test_too_many_cells_are_refused(study: Callable[[str], Study]) -> None:
    """A grid of more cells than can be judged is an error in words."""
    with pytest.raises(BenchError, match="too many to study"):
        study(f"[factors]\na = {list(range(200))}\nb = {list(range(200))}\n")


def test_augmentation_separates_reg_from_act() -> None:
    """Four cells bring reg's VIF from 3.25 to near 1; for all two-factor effects, they make each of them estimable."""
    suite = bench.check(SUITES / "published_ablations.toml")
    mains = augment(suite, 4).effects.set_index("effect")
    assert mains["vif_before"]["reg"] == pytest.approx(3.25)
    assert (mains["vif_after"] < 1.1).all()
    both = augment(suite, 4, order=2)
    assert both.effects["se_after"].notna().all()
    assert len({tuple(cell.values()) for cell in [*both.cells, *suite.combinations()]}) == 12


def test_augmentation_by_all_missing_cells_is_the_full_factorial() -> None:
    """Eight more cells make the full 2^4; a ninth there is not."""
    suite = bench.check(SUITES / "published_ablations.toml")
    assert augment(suite, 8).effects["se_after"].tolist() == pytest.approx([0.5] * 4)
    with pytest.raises(BenchError, match="8 of its grid are missing"):
        augment(suite, 9)


def test_families() -> None:
    """Ten seeds find d_z of 1.00 in one test and 1.58 among fifteen with power 0.8, and more seeds find less."""
    frame = family_frame(10, {"one": 1, "fifteen": 15})
    assert frame["smallest"].round(2).tolist() == [1.0, 1.58]
    assert frame["seeds_1.0"].tolist() == [np.ceil(seeds_for(1.0)), np.ceil(seeds_for(1.0, 15))]
    assert family_frame(1, {"one": 1})[["smallest", "power_0.5"]].isna().all(axis=None)


def test_sensitivity_of_terms_with_several_contrasts() -> None:
    """The smallest difference of two of five levels is found with power 0.8 by the F test, here simulated."""
    (row,) = term_power_frame(8, {"a": 4}, 15).to_dict("records")
    assert row["smallest_in_family"] > row["smallest"] > float(smallest_effect(8))
    rng = np.random.default_rng(0)
    shift = np.array([-0.5, 0.0, 0.0, 0.0, 0.5]) * row["smallest"] * np.sqrt(2)  # a pair's SD is √2 of a run's
    weights = orthonormal_rows(np.eye(5)[1:] - np.eye(5)[0])
    found = sum(repeated_measures((rng.normal(size=(8, 5)) + shift) @ weights.T, 1.0).p < 0.05 for _ in range(2_000))
    assert stats.binomtest(found, 2_000, 0.8).pvalue > 0.001
    assert np.isnan(term_power_frame(1, {"a": 4}, 1)["smallest"]).all()


def test_looks_spend_the_error() -> None:
    """Looks at 10, 20 and 40 seeds spend 5% in all and grow more lenient; other orders are refused."""
    frame = look_frame([10, 20, 40])
    assert frame["spent"].iloc[-1] == pytest.approx(0.05)
    assert frame["p"].is_monotonic_increasing
    with pytest.raises(BenchError, match="increasing"):
        look_frame([10, 5])


def test_simulated_power_is_the_formulas_under_normal_noise() -> None:
    """Resampling a pilot of many normal seeds finds, within four binomial standard errors, the power of the formula."""
    rng = np.random.default_rng(3)
    per_seed = rng.normal(2.0, 1.5, size=(2_000, 2))
    effects = (Effect((0,), (1,)), Effect((1,), (1,)))
    spread = Spread("loss", effects=effects, log=False, per_seed=per_seed, sd=per_seed.std(0, ddof=1), margin=0.9)
    frame = simulated_frame([spread], ["a", "b"], 12, rng)
    assert frame["kind"].tolist() == ["nothing"] * 2 + ["smallest"] * 2 + ["margin"] * 2
    np.testing.assert_allclose(frame["formula"], term_power(frame["sd_units"], 12))
    error = np.sqrt(frame["formula"] * (1 - frame["formula"]) / frame["repeats"])
    assert (np.abs(frame["power"] - frame["formula"]) < 4 * error).all()


def test_a_pilot_gives_the_metrics_units_and_the_cost(lab: Lab) -> None:
    """SDs are those of the effects seed by seed in the stored run, on the scale of each metric."""
    suite = lab.suite(seeds=6)
    text = suite.read_text() + "[metrics.score]\nmargin = 2.0\n"
    suite.write_text(text)
    bench.run(suite, out=lab.out, executor="serial")
    report = bench.design(suite, out=lab.out, power=True)
    frame = report.data["detectable"].set_index(["metric", "effect"])
    wide = bench.load("diets", wide=True, out=lab.out)
    by_dose = wide.pivot_table("score", "seed", "dose", observed=True)
    logs = (
        np.log(wide.set_index("seed")["loss"]).groupby([wide.set_index("seed")["diet"], "seed"], observed=True).mean()
    )
    assert frame["sd"]["score", "dose"] == pytest.approx((by_dose[1.0] - by_dose[0.0]).std())
    assert frame["sd"]["loss", "diet"] == pytest.approx((logs["rich"] - logs["plain"]).std())
    expected = np.ceil(seeds_for(2.0 / frame["sd"]["score", "dose"]))
    assert frame["seeds_to_find"]["score", "dose"] == expected
    assert np.isnan(frame["margin"]["loss", "dose"])
    assert report.data["simulated"]["power"].notna().all()
    assert "of workers' time" in str(report)


def test_a_pilot_that_lacks_cells_gives_its_residual_noise(lab: Lab) -> None:
    """A pilot without some cells gives an effect's SD as that of the residuals times the norm of its weights."""
    pilot = lab.suite("pilot", seeds=5)
    bench.run(pilot, out=lab.out, executor="serial")
    bigger = lab.suite("bigger")
    bigger.write_text(bigger.read_text().replace("[0.0, 1.0]", "[0.0, 1.0, 2.0]"))
    frame = bench.design(bigger, pilot="pilot", out=lab.out).data["detectable"]
    table = bench.load("pilot", wide=True, out=lab.out).pivot_table("score", "seed", ["dose", "diet"], observed=True)
    values = table.to_numpy()
    residuals = values - values.mean(0) - values.mean(1, keepdims=True) + values.mean()
    sd = np.sqrt((residuals**2).sum() / (4 * 3))
    row = frame[(frame["metric"] == "score") & (frame["effect"] == "diet")].iloc[0]
    assert row["sd"] == pytest.approx(sd * np.sqrt(2 / 3))


CLAIM = """
[[claims]]
id = "{id}"
statement = "It does."
metric = "{metric}"
contrast = {contrast}
expect = "difference"
"""


def test_claims_are_judged_by_what_the_cells_can_tell(tmp_path: Path) -> None:
    """In the post's cells reg alone is told if interactions are absent, and its interaction with act not at all."""
    main = CLAIM.format(id="main", metric="macs", contrast='{ factor = "reg", from = "l1", to = "l2" }')
    levels = '{ interaction = { reg = ["l1", "l2"], act = ["relu", "gelu"] } }'
    both = CLAIM.format(id="both", metric="macs", contrast=levels)
    path = tmp_path / "claimed.toml"
    text = (SUITES / "published_ablations.toml").read_text().partition("[[claims]]")[0]
    path.write_text(text.replace('published = "published/post_table.csv"\n', "") + main + both)
    report = bench.design(path, out=tmp_path)
    frame = report.data["claims"].set_index("id")
    assert frame["estimable"].to_dict() == {"main": True, "both": False}
    assert frame["se"]["main"] == pytest.approx(2 * np.sqrt(3.25 / 8))
    assert "reg:act" in frame["assumes"]["main"]
    assert report.data["families"].set_index("family")["tests"]["the declared claims"] == 2


def test_a_pilot_says_what_a_claim_takes(lab: Lab) -> None:
    """The spread of a claim is that of its contrast, seed by seed, and its seeds are those of the paired t."""
    suite = lab.suite(seeds=6)
    claim = CLAIM.format(id="dose", metric="score", contrast='{ factor = "dose", from = 0.0, to = 1.0 }')
    suite.write_text(suite.read_text() + "[metrics.score]\nmargin = 2.0\n" + claim)
    bench.run(suite, out=lab.out, executor="serial")
    frame = bench.design(suite, out=lab.out).data["claims"]
    by_dose = bench.load("diets", wide=True, out=lab.out).pivot_table("score", "seed", "dose", observed=True)
    sd = (by_dose[1.0] - by_dose[0.0]).std()
    assert frame["sd"].tolist() == pytest.approx([sd])
    assert frame["seeds_for_margin"].tolist() == [np.ceil(seeds_for(2.0 / sd))]


def test_claims_that_cannot_be_decided_are_named_before_the_run(lab: Lab, command: Commands) -> None:
    """By too few seeds for any test, by cells that cannot tell, and by the spread of a pilot; --strict refuses them."""
    change = '{ factor = "dose", from = 0.0, to = 1.0 }'
    mean = CLAIM.format(id="mean", metric="score", contrast=change)
    spread = CLAIM.format(id="spread", metric="score", contrast=change) + 'measure = "spread"\n'
    groups = CLAIM.format(id="groups", metric="score", contrast='{ cell = { dose = 0, diet = "rich" } }')
    groups = groups.replace('"difference"', '"bimodal"')
    levels = '{ interaction = { dose = [0, 1], diet = ["plain", "rich"] } }'
    both = CLAIM.format(id="both", metric="score", contrast=levels)
    suite = lab.suite(seeds=1)
    text = suite.read_text()
    suite.write_text(text + mean + spread + groups)
    for seeds, named in ((1, ["mean", "spread", "groups"]), (2, ["spread", "groups"]), (4, ["groups"]), (5, [])):
        found = bench.undecidable(suite, seeds=seeds, out=lab.out)
        assert list(found) == named
        assert all(f"and {seeds} {'is' if seeds == 1 else 'are'} planned" in why for why in found.values())
    frame = bench.design(suite, seeds=5, out=lab.out).data["claims"].set_index("id")
    assert frame["refutable"].to_dict() == {"mean": False, "spread": False, "groups": False}
    code, _, error = command("run", suite, "--strict", "--out", lab.out)
    assert code == 2
    assert "mean: it takes at least 2 seeds, and 1 is planned" in error
    assert not lab.out.exists()
    code, _, error = command("run", suite, "--executor", "serial", "--out", lab.out)
    assert code == 0
    assert "The claim mean cannot be decided either way: it takes at least 2 seeds, and 1 is planned." in error
    cells = ['dose = 0.0\ndiet = "plain"\n', 'dose = 1.0\ndiet = "plain"\n', 'dose = 0.0\ndiet = "rich"\n']
    some = "".join(f"[[cells]]\n{cell}" for cell in cells)
    suite.write_text(text.partition("[factors]")[0].replace("seeds = 1", "seeds = 9") + some + both)
    assert "whatever is measured" in bench.undecidable(suite, out=lab.out)["both"]
    points = [point for section in bench.design(suite, out=lab.out).sections for point in section.points]
    assert any(point.startswith("The claim both cannot be decided either way") for point in points)


def test_a_pilot_says_which_claims_its_noise_leaves_open(lab: Lab) -> None:
    """With results stored, a margin that the planned seeds cannot tell from none makes a claim undecidable."""
    suite = lab.suite(seeds=6)
    claim = CLAIM.format(id="dose", metric="score", contrast='{ factor = "dose", from = 0.0, to = 1.0 }')
    text = suite.read_text()
    bench.run(suite, seeds=4, out=lab.out, executor="serial")
    for margin, named in (("0.05", ["dose"]), ("9.0", []), ("1e-9", ["dose"])):
        suite.write_text(f"{text}[metrics.score]\nmargin = {margin}\n{claim}")
        found = bench.undecidable(suite, out=lab.out)
        assert list(found) == named
        told = "to tell an effect of the margin from none (80%), and 6 are planned"
        assert all(why.startswith("by the spread of diets ") and told in why for why in found.values())
    with pytest.raises(BenchError, match="cannot be decided either way: dose: by the spread of diets"):
        bench.run(suite, strict=True, out=lab.out, executor="serial")
    bench.run(suite, out=lab.out, executor="serial")
    assert bench.undecidable(suite, out=lab.out) == {}


def test_what_is_no_pilot(lab: Lab) -> None:
    """A run that shares no cell, no run, and a simulation without any are errors that say what to do."""
    suite = lab.suite(seeds=2)
    bench.run(suite, out=lab.out, executor="serial")
    other = lab.suite("other")
    other.write_text(other.read_text().replace("[0.0, 1.0]", "[5.0, 6.0]"))
    with pytest.raises(BenchError, match="no result of a cell"):
        bench.design(other, pilot="diets", out=lab.out)
    with pytest.raises(BenchError, match="no run 'nothing'"):
        bench.design(other, pilot="nothing", out=lab.out)
    with pytest.raises(BenchError, match="only from the noise of a stored run"):
        bench.design(other, out=lab.out, power=True)


def test_the_report_says_it_in_words() -> None:
    """For the post's cells the report names the near alias, the one pair, and what the other cells would buy."""
    report = bench.design(SUITES / "published_ablations.toml", out="nowhere")
    text = " ".join(terminal.render(report, full=True).split())
    assert "reg and act are almost one column: over the cells they correlate with r = 0.775 (VIF 3.25 and 3.75)" in text
    assert "Only the pair of cells 3 → 7 changes reg alone." in text
    assert "reg from 1.27 to 0.500 and act from 1.41 to 0.500, and make 10 more effects estimable" in text


def test_the_lines_to_paste_are_the_suite_with_more_cells(tmp_path: Path) -> None:
    """The suggested lines, pasted below the post's suite, load as twelve cells."""
    source = SUITES / "published_ablations.toml"
    report = bench.design(source, augment=4, out="nowhere")
    (lines,) = (section.lines for section in report.sections if section.lines)
    path = tmp_path / "more.toml"
    text = source.read_text().replace('published = "published/post_table.csv"\n', "")
    path.write_text("\n".join([text, *lines, ""]))
    assert len(list(bench.check(path).combinations())) == 12


def test_frames_are_tables(study: Callable[[str], Study]) -> None:
    """One factor alone makes a design too: no pairs of main effects, one model."""
    found = study("[factors]\na = [0, 1, 2]\n")
    assert isinstance(found.correlations, pd.DataFrame)
    assert found.correlations.empty
    assert found.effects["estimable"].tolist() == [True]
