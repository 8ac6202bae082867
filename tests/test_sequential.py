"""Sequential runs: looks are taken as planned, once each, and what they decided stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bench
from bench.errors import BenchError
from bench.execute.interim import LookResult

if TYPE_CHECKING:
    from tests.conftest import Commands, Lab

CLEAR = """
[[claims]]
id = "dose-helps"
statement = "A dose raises the score."
metric = "score"
contrast = { factor = "dose", from = 0, to = 1 }
expect = "increase"
"""
VAIN = """
[[claims]]
id = "diet-helps"
statement = "A rich diet raises the score."
metric = "score"
contrast = { factor = "diet", from = "plain", to = "rich" }
expect = "increase"
"""


def suite(lab: Lab, claims: str, looks: str = "[4, 8, 16]", **settings: object) -> Path:
    path = lab.suite(**{"seeds": 16, **settings})
    path.write_text(f'{path.read_text()}[sequential]\nlooks = {looks}\nspending = "pocock"\n{claims}')
    return path


def run(lab: Lab, path: Path, **options: object) -> list[LookResult]:
    """Run it sequentially and return what was said after each look."""
    said: list[LookResult] = []
    bench.run(path, out=lab.out, executor="serial", sequential=True, on_look=said.append, **options)
    return said


def stored(lab: Lab) -> str:
    return (lab.out / "diets" / "looks.json").read_text()


def test_it_stops_when_all_is_decided(lab: Lab) -> None:
    """A clear claim is decided at the first look, and only its seeds are run; the same command changes nothing."""
    path = suite(lab, CLEAR)
    (look,) = run(lab, path)
    assert (look.number, look.of, look.seeds, look.decided, look.claims, look.goes_on) == (1, 3, 4, 1, 1, False)
    assert sorted(bench.load("diets", out=lab.out)["seed"].unique()) == [0, 1, 2, 3]
    before = stored(lab)
    assert run(lab, path) == [look]
    assert stored(lab) == before
    assert [line.damage for line in bench.runs(lab.out)] == [""]


def test_it_goes_on_for_what_is_open(lab: Lab) -> None:
    """An open claim leads to the last look; a decided one keeps its verdict and the look that gave it."""
    looks = run(lab, suite(lab, CLEAR + VAIN))
    assert [(look.seeds, look.decided, look.goes_on) for look in looks] == [(4, 1, True), (8, 1, True), (16, 1, False)]
    claims = bench.report("diets", out=lab.out).data["claims"].set_index("claim")
    assert claims["verdict"].to_dict() == {"dose-helps": "supported", "diet-helps": "inconclusive"}
    assert claims["decided_at_look"].to_dict() == {"dose-helps": 1, "diet-helps": 0}
    assert claims["seeds"].tolist() == [16, 16]


def test_gating_claims_alone_are_waited_for(lab: Lab) -> None:
    """Where a claim gates, the others do not keep the run going."""
    (look,) = run(lab, suite(lab, CLEAR + "gate = true\n" + VAIN))
    assert (look.claims, look.decided, look.gating, look.goes_on) == (1, 1, True, False)


def test_a_claim_that_no_seed_can_decide_is_not_waited_for(lab: Lab) -> None:
    """What the cells cannot tell is said and does not lead to further looks."""
    cells = "".join(f'[[cells]]\ndose = {dose}\ndiet = "{diet}"\n' for dose, diet in [(0.0, "plain"), (1.0, "rich")])
    path = suite(lab, VAIN)
    text = path.read_text().replace('[factors]\ndose = [0.0, 1.0]\ndiet = ["plain", "rich"]\n', cells)
    path.write_text(text)
    (look,) = run(lab, path)
    assert (look.decided, look.hopeless, look.goes_on) == (0, 1, False)


def test_an_interrupted_run_goes_on_where_it_was(lab: Lab) -> None:
    """Looks taken before an interruption are neither forgotten nor taken again."""
    path = suite(lab, VAIN)

    def interrupt(look: LookResult) -> None:
        if look.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.run(path, out=lab.out, executor="serial", sequential=True, on_look=interrupt)
    first = json.loads(stored(lab))["taken"]
    assert len(first) == 2
    assert [look.number for look in run(lab, path)] == [2, 3]
    taken = json.loads(stored(lab))["taken"]
    assert len(taken) == 3
    assert taken[:2] == first


def test_no_look_is_taken_while_runs_fail(lab: Lab) -> None:
    """A failed run may yet succeed, so that a look without it would be a look at other data; none is taken."""
    assert run(lab, suite(lab, CLEAR, trouble="fails")) == []
    assert json.loads(stored(lab))["taken"] == []
    facts = bench.report("diets", out=lab.out).sections[0].facts
    assert facts["Claims"].startswith("No look was taken yet: the first is planned at 4 seeds")


def test_results_that_precede_the_plan_are_refused(lab: Lab) -> None:
    """Looks planned when results are known control nothing; moved aside, they are planned anew."""
    path = suite(lab, CLEAR)
    bench.run(path, out=lab.out, executor="serial", seeds=2)
    with pytest.raises(BenchError, match="looks are planned before there are any"):
        run(lab, path)
    assert len(run(lab, path, fresh=True)) == 1


def test_a_changed_plan_is_refused(lab: Lab) -> None:
    """Other looks than those that were planned would be chosen by what was seen."""
    run(lab, suite(lab, VAIN))
    with pytest.raises(BenchError, match=r"was planned with looks at 4, 8, 16 seeds \(pocock\)"):
        run(lab, suite(lab, VAIN, "[4, 16]"))


def test_seeds_added_without_a_look_decide_nothing(lab: Lab) -> None:
    """The claims rest on the seeds of the last look that was taken, whatever else was run."""
    path = suite(lab, CLEAR)
    run(lab, path)
    before = bench.report("diets", out=lab.out).data["claims"]
    bench.run(path, out=lab.out, executor="serial")
    report = bench.report("diets", out=lab.out)
    assert report.data["runs"]["seed"].nunique() == 16
    assert report.data["claims"][["estimate", "p", "alpha"]].equals(before[["estimate", "p", "alpha"]])
    assert "The claims rest on the 4 seeds of that look; 12 more are in the rest." in report.sections[1].text


def test_the_report_tells_of_the_looks(lab: Lab) -> None:
    """The plan, the look it stopped at, the error spent and the look's own threshold are said."""
    run(lab, suite(lab, CLEAR))
    report = bench.report("diets", out=lab.out)
    claims, one_by_one = report.sections[1:3]
    text = " ".join([*claims.text, *claims.tables[0].notes])
    alpha = report.data["claims"]["alpha"].item()
    assert alpha == pytest.approx(0.0178687)  # 0.05 log(1 + (e - 1) / 4)
    assert "p for the claim is at most 0.0179" in text
    assert "It stopped at look 1 of 3, at 4 seeds, with 0.0179 of 0.05 spent" in text
    assert list(one_by_one.facts) == ["✓ dose-helps"]
    assert any("supported at look 1" in cell for row in claims.tables[0].rows for cell in row)


def test_the_command(lab: Lab, command: Commands) -> None:
    """Each look is a line on stderr; an unfinished report names the command that goes on."""
    path = suite(lab, CLEAR + VAIN)
    code, _, err = command("run", path, "--sequential", "--executor", "serial", "--out", lab.out)
    assert code == 0
    assert "diets: look 1 of 3: 4 seeds: 1 of 2 claims decided, going on\n" in err
    assert "diets: look 3 of 3: 16 seeds: 1 of 2 claims decided, stopping\n" in err
    code, _, err = command("run", path, "--sequential", "--probe")
    assert code == 2
    assert "--sequential goes with neither" in err


def test_the_command_when_runs_fail(lab: Lab, command: Commands) -> None:
    """Failed runs end it with 3, and it says that the look was not taken."""
    path = suite(lab, CLEAR, trouble="fails")
    code, _, err = command("run", path, "--sequential", "--executor", "serial", "--out", lab.out)
    assert code == 3
    assert "The look is not taken until every run has an outcome" in err


@pytest.mark.parametrize(
    ("without", "message"),
    [("claims", "makes no claims"), ("sequential", "plans no looks"), ("seeds", "is at 16 seeds, not at 5")],
)
def test_what_cannot_be_run_sequentially(lab: Lab, command: Commands, without: str, message: str) -> None:
    """A suite without looks, without claims, or with other seeds is refused with the next step, and nothing is run."""
    path = lab.suite(seeds=16)
    if without != "sequential":
        path = suite(lab, "" if without == "claims" else CLEAR)
    seeds = ["--seeds", 5] if without == "seeds" else []
    code, _, err = command("run", path, "--sequential", "--out", lab.out, *seeds)
    assert code == 2
    assert message in err
    assert not lab.out.exists()


def test_a_damaged_file_of_looks_is_not_guessed(lab: Lab) -> None:
    """What was decided cannot be made again: a damaged file is an error with its path, not a fresh start."""
    path = suite(lab, CLEAR)
    run(lab, path)
    (lab.out / "diets" / "looks.json").write_text('{"schema_version": 1, "looks": "many"}')
    with pytest.raises(BenchError, match=r"looks\.json is damaged"):
        run(lab, path)
    with pytest.raises(BenchError, match=r"looks\.json is damaged"):
        bench.report("diets", out=lab.out)
