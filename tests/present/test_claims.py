"""Claims in a report: first of all, each in plain words, and honest about when it was made."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import bench
from bench.present import verdict
from bench.present.render import json as as_json
from bench.present.render import terminal
from bench.present.report import Report, Section
from bench.present.study import Context
from tests.conftest import Lab

RISES = """
[[claims]]
id = "dose-helps"
statement = "A dose raises the score."
metric = "score"
contrast = { factor = "dose", from = 0, to = 1 }
expect = "increase"
published = { change = "+49%", t = 9.5, p = "<0.001" }
"""
FALLS = RISES.replace("dose-helps", "dose-harms").replace("raises", "lowers").replace("increase", "decrease")
BOTH = """
[[claims]]
id = "rich-dose"
statement = "Dosing raises the score"
metric = "score"
expect = "increase"
credited_to = "dose"
[claims.contrast]
from = { dose = 0, diet = "plain" }
to = { dose = 1, diet = "rich" }
"""
Reported = Callable[[str], Report]


def with_claims(lab: Lab, claims: str, **settings: object) -> Path:
    path = lab.suite(**settings)
    path.write_text(path.read_text() + claims)
    return path


@pytest.fixture(scope="module")
def reported(lab_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reported]:
    """The report of a run of eight seeds, from the claims of its suite; made once of each."""

    @cache
    def reported(claims: str) -> Report:
        lab = Lab(tmp_path_factory.mktemp("claims"))
        bench.run(with_claims(lab, claims, seeds=8), out=lab.out, executor="serial")
        return bench.report("diets", out=lab.out)

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(lab_folder))
        yield reported


def section_of(report: Report, title: str) -> Section:
    (section,) = [section for section in report.sections if section.title == title]
    return section


def words(report: Report, title: str) -> str:
    section = section_of(report, title)
    notes = [note for table in section.tables for note in table.notes]
    facts = [f"{name}: {text}" for name, text in section.facts.items()]
    return " ".join([*section.text, *section.points, *facts, *notes])


def test_claims_stand_first(reported: Reported) -> None:
    """The verdicts open the report and are counted; the frames hold them with a sentence each."""
    report = reported(RISES + FALLS)
    assert [section.title for section in report.sections][:3] == ["Verdict", "Claims", "The claims one by one"]
    first, second = report.sections[0].findings
    assert (first.sign, first.label, first.statement) == ("✓", "dose-helps", "A dose raises the score.")
    assert first.number.startswith("Score ")
    assert first.caveat.startswith("supported: adj. p ")
    assert (second.sign, second.label) == ("✗", "dose-harms")
    assert second.caveat == "refuted: it goes the other way"
    assert "Of 2 claims declared by the suite: 1 supported and 1 refuted." in words(report, "Claims")
    frame = report.data["claims"].set_index("claim")
    assert frame["verdict"].to_dict() == {"dose-helps": "supported", "dose-harms": "refuted"}
    assert frame.loc["dose-helps", "sentence"] in words(report, "The claims one by one")
    assert "dose-harms" in terminal.render(report, width=80)


def test_claims_take_the_room_that_other_paragraphs_leave(reported: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    """The opening has at most so many lines; the claims that it leaves out are counted; two are always shown."""
    many = "".join(RISES.replace("dose-helps", f"dose-helps-{number}") for number in range(5))
    report = reported(many)
    assert len(report.sections[0].findings) == 5
    assert "not shown" not in report.sections[0].text[0]
    height = len(repr(report).splitlines())
    assert height <= 30
    for lines, shown in ((height - 1, 4), (height - 3, 3), (5, 2)):
        monkeypatch.setattr(verdict, "_LINES", lines)
        opening = bench.report("diets", out=Path(report.provenance["Folder"]).parent).sections[0]
        assert len(opening.findings) == shown
        assert f"({5 - shown} supported not shown)" in opening.text[0]


def test_a_headline_undecided_at_a_look_takes_more_seeds_than_it_has() -> None:
    """Seeds are those for the level at which the look judges, not for 5%."""
    row = SimpleNamespace(
        verdict="inconclusive", side="for", expect="increase", t=4.0, n=10, seeds=10, family_size=1, p=0.003,
        p_adjusted=0.003, p_refute=1.0, alpha=1e-4, credited_to="", changed="",
    )  # fmt: skip
    ((_, text),) = verdict._next(row, Context({}, []))
    assert int(re.findall(r"\((\S+) more\)", text)[0]) > 0
    assert int(re.findall(r"About (\d+) seeds", text)[0]) > 10


def test_a_suite_without_claims_says_nothing_of_them(reported: Reported) -> None:
    """Without claims the verdict speaks of the runs and the effects only, and there is no frame of claims."""
    report = reported("")
    opening = report.sections[0].facts
    assert list(opening) == ["Effects, exploratory", "Cannot tell"]
    terms = report.data["terms"].sort_values("p")
    survive = list(terms.loc[terms["p_adjusted"] < 0.05, "term"])
    assert opening["Effects, exploratory"].startswith(f"{len(survive)} of {len(terms)} effects on ")
    assert f"Score ({survive[0]}" in opening["Effects, exploratory"]
    assert "claims" not in report.data


def test_an_effect_that_is_claimed_has_two_adjusted_p_and_the_report_says_which(reported: Reported) -> None:
    """The table of effects names its family and that of the claims; without claims it names neither."""
    report = reported(RISES + FALLS)
    tests = report.data["terms"]["p"].notna().sum()
    assert f"Adjusted p are of the {tests} tests in all metrics" in words(report, "Effects")
    assert "of the family of the 2 claims (Holm)" in words(report, "Effects")
    assert "family" not in words(reported(""), "Effects")


def test_what_is_said_of_a_claim(reported: Reported) -> None:
    """The sentence has the statement, the figure, the published figures, and where the verdict does not hold."""
    text = words(reported(RISES + FALLS), "The claims one by one")
    assert "“A dose raises the score” is supported: Score changed by " in text
    assert "8 seeds) with dose: 0.0 → 1.0, averaged over diet." in text
    assert "Published: +49%, t 9.5, p <0.001, which is " in text
    assert "“A dose lowers the score” is refuted, since it goes the other way: " in text
    assert "The direction is the same at each of the 2 levels of the other factors." in text


def test_a_difference_credited_to_one_of_two_factors_is_taken_apart(reported: Reported) -> None:
    """A comparison that changes two factors says so, and gives each its part of the change."""
    report = reported(BOTH)
    text = words(report, "The claims one by one")
    assert "It was credited to dose, but diet changed too. Separately: dose " in text
    parts = report.data["claim_parts"].set_index("part")["estimate"]
    assert list(parts.index) == ["dose", "diet", "dose × diet", "total"]
    (finding,) = report.sections[0].findings
    assert finding.sign == "~"
    assert finding.caveat.startswith("supported jointly with diet: adj. p ")
    assert re.search(r"; with diet kept \d\S*$", finding.caveat)
    assert "1 claim: 1 supported jointly and none refuted." in report.sections[0].text[0]
    assert section_of(report, "Claims").tables[0].rows[0][1] == "~ supported jointly with diet"
    assert parts.iloc[:3].sum() == pytest.approx(parts["total"])
    text = words(reported(BOTH.replace('credited_to = "dose"\n', "")), "The claims one by one")
    assert "It changes dose and diet together: it speaks of none alone." in text


def test_the_frames_of_claims_can_be_read(reported: Reported) -> None:
    """What became of a claim, what that rests on, and figures as published are frames of their own, a row a claim."""
    report = reported(RISES + FALLS)
    frames = [report.data[name] for name in ("claims", "claim_tests", "claim_published")]
    assert [frame["claim"].tolist() for frame in frames] == [["dose-helps", "dose-harms"]] * 3
    assert max(len(frame.columns) for frame in frames) <= 26
    shared = set.intersection(*(set(frame.columns) for frame in frames))
    assert shared == {"claim"}
    stored = json.loads(as_json.render(report))
    assert stored["claims"][1]["verdict"] == "refuted"
    assert stored["claim_published"][0]["published"] == "+49%, t 9.5, p <0.001"


def test_a_claim_made_after_results_is_post_hoc(lab: Lab) -> None:
    """Claims added or changed when results are stored are marked so; those made before keep their standing."""
    bench.run(with_claims(lab, RISES, seeds=8), out=lab.out, executor="serial")
    changed = RISES + FALLS
    bench.run(with_claims(lab, changed, seeds=8), out=lab.out, executor="serial")
    report = bench.report("diets", out=lab.out)
    assert report.data["claims"]["declared"].tolist() == ["in advance", "post hoc"]
    assert "1 of them was made or changed after results were seen: post hoc." in words(report, "Claims")
    assert "✗ dose-harms: “A dose lowers the score” is refuted, post hoc, since it" in words(
        report, "The claims one by one"
    )
    edited = changed.replace("A dose raises", "Any dose raises", 1)
    bench.run(with_claims(lab, edited, seeds=8), out=lab.out, executor="serial")
    assert bench.report("diets", out=lab.out).data["claims"]["declared"].tolist() == ["post hoc", "post hoc"]
    bench.run(with_claims(lab, changed, seeds=8), out=lab.out, executor="serial")
    assert bench.report("diets", out=lab.out).data["claims"]["declared"].tolist() == ["in advance", "post hoc"]


def test_a_fresh_start_neither_washes_a_claim_nor_soils_it(lab: Lab) -> None:
    """Results that were moved aside date a claim made after them, and not one that the run they are of had made."""
    suite = with_claims(lab, RISES, seeds=4)
    bench.run(suite, out=lab.out, executor="serial")
    with_claims(lab, RISES + FALLS, seeds=4)
    bench.run(suite, out=lab.out, executor="serial", fresh=True)
    assert bench.report("diets", out=lab.out).data["claims"]["declared"].tolist() == ["in advance", "post hoc"]


def test_missing_runs_make_verdicts_provisional(lab: Lab) -> None:
    """With failed runs the verdicts are called provisional, and rest on the seeds that have what they need."""
    bench.run(with_claims(lab, RISES, seeds=8, trouble="fails"), out=lab.out, executor="serial")
    report = bench.report("diets", out=lab.out)
    assert words(report, "Claims").startswith("Provisional, for runs are missing: of 1 claim declared")
    assert report.data["claims"]["n"].item() == 7
    assert "7 of 8 seeds" in words(report, "The claims one by one")


def test_a_claim_along_a_sweep_is_the_slope_of_each_seed(lab: Lab) -> None:
    """A trend's estimate is the fitted change over the range, seed by seed, and that of the table of trends."""
    trend = RISES.replace('{ factor = "dose", from = 0, to = 1 }', '{ trend = "dose", spacing = "log" }')
    path = with_claims(lab, trend, seeds=6)
    path.write_text(path.read_text().replace("dose = [0.0, 1.0]", "dose = { log = [0.5, 4], points = 4 }"))
    bench.run(path, out=lab.out, executor="serial")
    report = bench.report("diets", out=lab.out)
    claim = report.data["claims"].iloc[0]
    means = report.data["runs"].pivot_table(index="seed", columns="dose", values="score", observed=True)
    slopes = [np.polyfit(np.log10([0.5, 1, 2, 4]), row, 1)[0] for row in means.to_numpy()]
    assert (claim["verdict"], claim["kind"], claim["n"]) == ("supported", "trend", 6)
    assert claim["estimate"] == pytest.approx(np.mean(slopes) * np.log10(8))
    trends = report.data["trends"].set_index(["metric", "factor", "order"])
    linear = trends.loc[("score", "dose", "linear")]
    assert linear["per"] == "decade"
    assert linear[["estimate", "t"]].tolist() == pytest.approx([np.mean(slopes), claim["t"]])
