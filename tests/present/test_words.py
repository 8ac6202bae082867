"""The words of reports: plain, on one scale, a number with the same digits wherever it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bench
from bench.present.render import comment, html, latex, markdown, terminal
from bench.present.report import Report
from tests.present.test_renderers import toy_report

ROOT = Path(__file__).parents[2]
BANNED = (
    "without some one seed",
    "of several factors together",
    "times its spread",
    "times their spread",
    "of them away",
    "nearer to its contrary",
    "together with act",
    "works in opposite directions",
    "for it is an average",
)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[Report]:
    """Of three seeds of the full factorial, and the toy report."""
    out = tmp_path_factory.mktemp("reports")
    bench.run(ROOT / "suites" / "full_factorial.toml", seeds=3, out=out, executor="serial")
    return [bench.report("full_factorial", out=out), toy_report()]


def forms(report: Report) -> dict[str, str]:
    return {
        "terminal": terminal.render(report, width=10_000, full=True),
        "md": markdown.render(report),
        "comment": comment.render(report),
        "latex": latex.render(report),
        "fragment": re.sub(r"<img[^>]*>", "", html.fragment(report)),
    }


@pytest.mark.usefixtures("sketched")
def test_riddles_are_gone(reports: list[Report]) -> None:
    """No format has the phrases that readers stumbled over."""
    for report in reports:
        for name, text in forms(report).items():
            assert [phrase for phrase in BANNED if phrase in " ".join(text.split())] == [], name


def test_minus_signs_are_alike(reports: list[Report]) -> None:
    """A negative number has a true minus sign, published figures included; provenance quotes machines as they are."""
    for section in reports[0].sections[:-1]:
        text = terminal.render(Report("", {}, [section]), width=10_000, full=True)
        assert re.findall(r"(?<![\w.:/])-\d[^\n]{0,30}", text) == [], section.title


def test_a_claim_has_the_same_number_everywhere(reports: list[Report]) -> None:
    """Opening, table and sentence give the estimate with the same digits, on the one scale of the claim."""
    report = reports[0]
    (table,) = (part.tables[0] for part in report.sections if part.title == "Claims")
    estimates = {row[0]: row[2] for row in table.rows}
    claims = report.data["claims"].set_index("claim")
    numbers = [finding.number for finding in report.sections[0].findings]
    assert set(numbers) <= set(estimates.values())
    for claim, estimate in estimates.items():
        number = re.search(r"(−?[\d.]+ \[|\d+ of ).*$|–$", estimate)
        assert number is not None
        if number[0] == "–":
            continue
        sentence = claims.loc[claim, "sentence"]
        assert number[0] in sentence
        assert "%" not in sentence.partition(" is ")[2].replace("95% CI", "") or "above" in estimate


def test_parts_are_on_the_scale_of_their_claim(reports: list[Report]) -> None:
    """What is credited to one factor is a difference or a ratio as the claim is, and never a percentage."""
    data = reports[0].data
    scales = data["claim_parts"].merge(data["claims"], on="claim", suffixes=("", "_claim"))
    assert (scales["scale"] == scales["scale_claim"]).all()
    (section,) = (part for part in reports[0].sections if part.title == "The claims one by one")
    assert not any("%" in cell for table in section.tables for row in table.rows for cell in row)


def test_readme_quotes_the_committed_report() -> None:
    """Intervals and counts of claims stand in the committed report, and so does the picture."""
    readme = (ROOT / "README.md").read_text()
    report = (ROOT / "reports" / "full_factorial" / "report.md").read_text().replace("\N{NO-BREAK SPACE}", " ")
    intervals = re.findall(r"−?[\d.]+ \[−?[\d.]+, [^\]]*\]", readme)
    assert len(intervals) > 4
    assert [text for text in intervals if text not in report] == []
    for count in re.findall(r"\*\*(\d+ (?:supported|inconclusive|refuted))", readme):
        assert count in report
    (picture,) = re.findall(r'<img [^>]*src="reports/full_factorial/([^"]*)"', readme)
    assert f"({picture})" in report
    assert (ROOT / "reports" / "full_factorial" / picture).is_file()
