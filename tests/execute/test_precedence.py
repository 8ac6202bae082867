"""Claims made after results: the ways to do so, which are marked, and which leave no trace, as docs and report say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bench
from bench.execute.inventory import find
from bench.plan.seeds import draw_seeds

if TYPE_CHECKING:
    from bench.present.report import Report
    from tests.conftest import Lab

CLAIM = """
[[claims]]
id = "dose-helps"
statement = "A dose raises the score."
metric = "score"
contrast = { factor = "dose", from = 0, to = 1 }
expect = "increase"
"""
SEALED = "{ sealed = 4 }"


@pytest.fixture(autouse=True)
def claims_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports lack the sections of the analysis: when a claim was made is in none of them."""
    monkeypatch.setattr("bench.present.build.analysis_sections", lambda _: [])


def run(lab: Lab, name: str = "diets", claims: str = CLAIM, *, seeds: object = 4, fresh: bool = False) -> Path:
    """Run a suite with claims; returns its file."""
    suite = lab.suite(name, seeds=seeds)
    suite.write_text(suite.read_text() + claims)
    bench.run(suite, out=lab.out, executor="serial", fresh=fresh)
    return suite


def rerun(lab: Lab, suite: Path, change: Callable[[str], str] = str) -> None:
    """Run a suite that was edited."""
    suite.write_text(change(suite.read_text()))
    bench.run(suite, out=lab.out, executor="serial")


def standing(lab: Lab, name: str = "diets") -> list[str]:
    """When each claim was made, as the report has it."""
    found: list[str] = bench.report(name, out=lab.out).data["claims"]["declared"].tolist()
    return found


def said(report: Report) -> str:
    """The paragraphs on the claims."""
    return " ".join(next(section for section in report.sections if section.title == "Claims").text)


def claimed_in_the_same_folder(lab: Lab) -> str:
    rerun(lab, run(lab, claims=""), lambda text: text + CLAIM)
    return "diets"


def turned_round(lab: Lab) -> str:
    rerun(lab, run(lab), lambda text: text.replace("increase", "decrease"))
    return "diets"


def given_another_margin(lab: Lab) -> str:
    rerun(lab, run(lab), lambda text: text + "margin = 0.1\n")
    return "diets"


def given_another_margin_of_the_metric(lab: Lab) -> str:
    rerun(lab, run(lab), lambda text: text + "[metrics.score]\nmargin = 0.1\n")
    return "diets"


def given_another_scale(lab: Lab) -> str:
    rerun(lab, run(lab), lambda text: text + '[metrics.score]\nscale = "log"\n')
    return "diets"


def reworded(lab: Lab) -> str:
    rerun(lab, run(lab), lambda text: text.replace("A dose", "Every dose"))
    return "diets"


def started_afresh(lab: Lab) -> str:
    run(lab, claims="")
    run(lab, fresh=True)
    return "diets"


def under_another_name(lab: Lab) -> str:
    run(lab, claims="")
    run(lab, "novel")
    return "novel"


def moved_deep_below(lab: Lab) -> str:
    run(lab, claims="")
    (lab.out / "old" / "deep").mkdir(parents=True)
    (lab.out / "diets").rename(lab.out / "old" / "deep" / "artefacts")
    run(lab)
    return "diets"


def the_journal_moved_alone(lab: Lab) -> str:
    run(lab, claims="")
    (lab.out / "diets" / "journal").rename(lab.out / "papers")
    shutil.rmtree(lab.out / "diets")
    run(lab)
    return "diets"


def a_segment_moved_into_another_run(lab: Lab) -> str:
    run(lab, claims="")
    run(lab, "other", claims="", seeds=[9])
    (lab.out / "diets" / "journal" / "00001.jsonl").rename(lab.out / "other" / "journal" / "00002.jsonl")
    shutil.rmtree(lab.out / "diets")
    run(lab)
    return "diets"


def the_record_deleted(lab: Lab) -> str:
    suite = run(lab)
    (lab.out / "diets" / "run.json").unlink()
    rerun(lab, suite)
    return "diets"


def of_part_of_the_jobs(lab: Lab) -> str:
    run(lab, claims="")
    suite = lab.suite("part")
    suite.write_text(suite.read_text().replace('["plain", "rich"]', '["rich"]') + CLAIM)
    rerun(lab, suite)
    return "part"


def with_a_factor_as_a_parameter(lab: Lab) -> str:
    run(lab, claims="")
    suite = lab.suite("fixed")
    text = suite.read_text().replace('diet = ["plain", "rich"]', "").replace("[factors]", 'diet = "rich"\n[factors]')
    suite.write_text(text + CLAIM)
    rerun(lab, suite)
    return "fixed"


def with_more_seeds_than_are_known(lab: Lab) -> str:
    run(lab, claims="", seeds=2)
    run(lab, "more", seeds=8)
    return "more"


def of_new_seeds_that_were_changed_for_known_ones(lab: Lab) -> str:
    run(lab, claims="")
    suite = run(lab, seeds=[20, 21, 22, 23])
    assert standing(lab) == ["in advance"]
    rerun(lab, suite, lambda text: text.replace("[20, 21, 22, 23]", "4"))
    return "diets"


def of_new_seeds_changed_for_those_of_another_run(lab: Lab) -> str:
    run(lab, claims="")
    suite = run(lab, "novel", seeds=[20, 21, 22, 23])
    assert standing(lab, "novel") == ["in advance"]
    rerun(lab, suite, lambda text: text.replace("[20, 21, 22, 23]", "4"))
    return "novel"


def and_its_results_deleted_later(lab: Lab) -> str:
    run(lab, claims="")
    run(lab, "novel")
    shutil.rmtree(lab.out / "diets")
    return "novel"


def changed_and_run_anew_to_hide_it(lab: Lab) -> str:
    rerun(lab, run(lab), lambda text: text.replace("increase", "decrease"))
    run(lab, claims=CLAIM.replace("increase", "decrease"), fresh=True)
    return "diets"


MARKED = [
    claimed_in_the_same_folder,
    turned_round,
    given_another_margin,
    given_another_margin_of_the_metric,
    given_another_scale,
    reworded,
    started_afresh,
    under_another_name,
    moved_deep_below,
    the_journal_moved_alone,
    a_segment_moved_into_another_run,
    the_record_deleted,
    of_part_of_the_jobs,
    with_a_factor_as_a_parameter,
    with_more_seeds_than_are_known,
    of_new_seeds_that_were_changed_for_known_ones,
    of_new_seeds_changed_for_those_of_another_run,
    and_its_results_deleted_later,
    changed_and_run_anew_to_hide_it,
]


@pytest.mark.parametrize("way", MARKED, ids=lambda way: way.__name__)
def test_a_claim_made_afterwards_is_marked(lab: Lab, way: Callable[[Lab], str]) -> None:
    """Results of its jobs anywhere below the folder of runs make a claim post hoc, with how many and where."""
    report = bench.report(way(lab), out=lab.out)
    assert report.data["claims"]["declared"].tolist() == ["post hoc"]
    assert "Post hoc: dose-helps (" in said(report)
    assert "stored before, in " in said(report)


def elsewhere(lab: Lab) -> str:
    suite = run(lab, claims="")
    lab.out.rename(lab.folder / "drawer")
    rerun(lab, suite, lambda text: text + CLAIM)
    return "run elsewhere"


def deleted(lab: Lab) -> str:
    suite = run(lab, claims="")
    shutil.rmtree(lab.out)
    rerun(lab, suite, lambda text: text + CLAIM)
    return "deleted"


def changed_by_hand(lab: Lab) -> str:
    rerun(lab, run(lab, claims=""), lambda text: text + CLAIM)
    path = lab.out / "diets" / "run.json"
    stored = json.loads(path.read_text())
    for entry in stored["declared"]:
        entry["results"] = 0
    path.write_text(json.dumps(stored))
    return "changed by hand"


def with_an_idle_parameter_changed(lab: Lab) -> str:
    suite = run(lab, claims="")
    lab.out.joinpath("diets").rename(lab.out / "aside")
    rerun(lab, suite, lambda text: text.replace("seconds = 0.0", "seconds = 1e-9") + CLAIM)
    return "other parameters"


@pytest.mark.parametrize("way", [elsewhere, deleted, changed_by_hand, with_an_idle_parameter_changed])
def test_what_leaves_no_trace_is_said(lab: Lab, way: Callable[[Lab], str]) -> None:
    """Where nothing dates a claim, the report says by whose record it came first, and docs and report what it lacks."""
    words = way(lab)
    report = bench.report("diets", out=lab.out)
    assert report.data["claims"]["declared"].tolist() == ["in advance"]
    assert "on the record of this folder alone" in said(report)
    assert words in said(report)
    assert words in (Path(__file__).parents[2] / "docs" / "claims.md").read_text()


def test_a_claim_that_came_first_keeps_its_standing(lab: Lab) -> None:
    """Running more seeds, again, afresh or under another name soils no claim that a run made before any result."""
    suite = run(lab)
    rerun(lab, suite, lambda text: text.replace("seeds = 4", "seeds = 6"))
    run(lab, fresh=True)
    assert standing(lab) == ["in advance"]
    run(lab, "other", seeds=6)
    assert standing(lab, "other") == ["in advance"]
    run(lab, "unrelated", seeds=[100, 101, 102])
    assert standing(lab, "unrelated") == ["in advance"]


def test_sealed_seeds_come_from_what_is_claimed_and_run(lab: Lab) -> None:
    """Another claim, margin, scale, parameter, cell or version has other seeds; wording, order and count have not."""
    suite = lab.suite(seeds=SEALED)
    text = suite.read_text() + CLAIM

    def seeds(changed: str) -> tuple[int, ...]:
        suite.write_text(changed)
        return bench.check(suite).seeds

    own = seeds(text)
    assert len(set(own)) == 4
    assert all(0 <= seed < 2**31 for seed in own)
    for same in (
        text.replace("A dose", "Every dose"),
        text.replace("dose-helps", "helps"),
        text.replace("[0.0, 1.0]", "[1.0, 0.0]"),
        text + "gate = true\n",
        text.replace('"diets"', '"other"'),
    ):
        assert seeds(same) == own
    assert seeds(text.replace("sealed = 4", "sealed = 6"))[:4] == own
    others = [
        text.replace("increase", "decrease"),
        text.replace('metric = "score"', 'metric = "loss"'),
        text + "margin = 0.1\n",
        text + "[metrics.score]\nmargin = 0.2\n",
        text + '[metrics.score]\nscale = "log"\n',
        text + CLAIM.replace("dose-helps", "too").replace('"increase"', '"decrease"'),
        text.replace("[0.0, 1.0]", "[0.0, 1.0, 2.0]"),
        text.replace("seconds = 0.0", "seconds = 1e-9"),
    ]
    found = [seeds(other) for other in others]
    assert len({own, *found}) == len(others) + 1
    suite.write_text(text)
    assert bench.check(suite, seeds=3).seal == ""
    assert bench.check(suite, seeds=3).seeds == (0, 1, 2)


def test_sealed_claims_are_never_post_hoc_and_variants_are_counted(lab: Lab) -> None:
    """The report prints the seal, how many other seals the folder of runs holds, and what was reworded."""
    suite = run(lab, seeds=SEALED)
    seal = bench.check(suite).seal
    report = bench.report("diets", out=lab.out)
    assert report.data["claims"]["declared"].tolist() == ["in advance"]
    assert f"Sealed: the seeds are drawn from {seal}" in said(report)
    assert "holds no other variant" in said(report)
    rerun(lab, suite, lambda text: text.replace("A dose", "Every dose"))
    report = bench.report("diets", out=lab.out)
    assert report.data["claims"]["declared"].tolist() == ["in advance"]
    assert "Reworded after results, which a seal does not prevent: dose-helps." in said(report)
    run(lab, "novel", claims=CLAIM.replace("increase", "decrease"), seeds=SEALED)
    run(lab, "novel", claims=CLAIM.replace("increase", "difference"), seeds=SEALED, fresh=True)
    rerun(lab, suite, lambda text: text + "margin = 0.1\n")
    assert "holds 3 other sealed variants of this experiment" in said(bench.report("diets", out=lab.out))


def test_a_seal_that_does_not_fit_shows_nothing(lab: Lab) -> None:
    """Claims, seeds or cells that were changed in a run's folder break its seal; so do seeds of one's own."""
    suite = run(lab, seeds=SEALED)
    path = lab.out / "diets" / "run.json"
    good = path.read_text()
    assert find("diets", lab.out).seal == bench.check(suite).seal
    stored = json.loads(good)
    for change in (
        {"claims": [stored["claims"][0] | {"expect": "decrease"}]},
        {"seeds": [*stored["seeds"][:3], 5]},
        {"version": "other"},
        {"seal": "0" * 40, "seeds": list(draw_seeds("0" * 40, 4))},
    ):
        path.write_text(json.dumps(stored | change))
        assert find("diets", lab.out).seal == ""
    path.write_text(json.dumps(stored | {"claims": [stored["claims"][0] | {"expect": "decrease"}]}))
    report = bench.report("diets", out=lab.out)
    assert "does not fit what was claimed and run" in said(report)
    assert report.data["claims"]["declared"].tolist() == ["post hoc"]
    path.write_text(good)
    bench.run(suite, seeds=4, out=lab.out, executor="serial")
    assert find("diets", lab.out).seal == ""
    assert "on the record of this folder alone" in said(bench.report("diets", out=lab.out))


def test_what_cannot_be_read_stops_no_run(lab: Lab) -> None:
    """Damaged runs beside it, links and files that a newer bench wrote do not keep a suite from running."""
    run(lab, "other", claims="")
    (lab.out / "other" / "run.json").write_text("{")
    (lab.out / "other" / "journal" / "00002.jsonl").write_bytes(b'{"kind":"record"}\n')
    (lab.out / "loop").symlink_to(lab.out)
    (lab.out / "odd").mkdir()
    (lab.out / "odd" / "00001.jsonl").mkdir()
    run(lab, "novel", seeds=[7, 8])
    assert standing(lab, "novel") == ["in advance"]
