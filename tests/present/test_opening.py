"""The opening of a report: two lines a claim, the headline first, on one screen, in every format."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from pandas import DataFrame

from bench.errors import BenchError
from bench.present.render import comment, html, latex, markdown, terminal
from bench.present.render import json as as_json
from bench.present.report import Column, Finding, Report, Section, Table

FINDINGS = [
    Finding("✓", "L2 lowers it", "Loss −1.00 [−2.00, −0.10]", "supported: adj. p 0.010", "L2 lowers the loss"),
    Finding("?", "a label of exactly forty characters, here", "Loss 0.10 [−1, 1]", "inconclusive: adj. p 1", "Other"),
]


def opened() -> Report:
    table = Table("Loss", DataFrame({"a": [1]}), [Column("a", ("a",), "count")])
    return Report(
        "toy",
        {},
        [
            Section("Verdict", ["All runs are done."], facts={"Effects": "None."}, findings=FINDINGS, verdict=True),
            Section("Claims", ["Of 2 claims …"]),
            Section("Effects", ["What the columns mean."], exhibits=[table], chief=True),
            Section("Methods", ["t."], appendix=True),
        ],
    )


def test_a_claim_takes_two_lines_of_a_terminal() -> None:
    """Sign and label at the left, the number at the right edge, the caveat below; the statement is left out."""
    lines = terminal.render(opened(), width=80).splitlines()
    at = lines.index(next(line for line in lines if line.startswith("✓ L2 lowers it")))
    assert lines[at].endswith("Loss −1.00 [−2.00, −0.10]")
    assert len(lines[at]) == 80
    assert lines[at + 1] == "  supported: adj. p 0.010"
    assert lines[at + 2].startswith("? a label")
    assert "L2 lowers the loss" not in "".join(lines)


def test_a_number_without_room_goes_below() -> None:
    """On fifty columns nothing is lost and no line is longer."""
    lines = terminal.render(opened(), width=50).splitlines()
    assert max(map(len, lines)) <= 50
    assert "  Loss 0.10 [−1, 1]" in lines


def test_a_short_rendering_is_the_opening_and_the_chief_tables() -> None:
    """Other sections are named; the opening alone names nothing; the full report has everything."""
    short = terminal.render(opened(), width=80)
    assert "Further sections (--section TITLE, --full): Claims; Methods." in short
    assert "Of 2 claims" not in short
    assert "What the columns mean." not in short
    assert "Loss" in short
    opening = terminal.render(opened(), width=80, opening=True)
    assert "Effects: None." in opening
    assert "Further sections" not in opening
    assert "Of 2 claims …" in terminal.render(opened(), width=80, full=True)


def test_every_format_has_the_findings() -> None:
    """Label, number and caveat stand in each; the statement in all but the terminal and LaTeX's comments."""
    report = opened()
    shown = {
        "terminal": terminal.render(report),
        "markdown": markdown.render(report),
        "comment": comment.render(report),
        "html": re.sub(r"</?a\b[^>]*>", "", html.render(report)),
        "fragment": html.fragment(report),
        "latex": latex.render(report),
        "json": as_json.render(report),
    }
    for name, text in shown.items():
        for part in ("L2 lowers it", "−1.00 [−2.00, −0.10]", "supported: adj. p 0.010"):
            assert part in text, (name, part)
        assert name in ("terminal", "latex") or "L2 lowers the loss" in text
    assert json.loads(shown["json"])["sections"][0]["findings"][0]["sign"] == "✓"


def test_sections_are_chosen_by_how_their_titles_begin() -> None:
    """Whatever the case; what is folded is unfolded; an unknown title is an error that names all."""
    chosen = opened().only(["meth", "EFFECTS"])
    assert [part.title for part in chosen.sections] == ["Effects", "Methods"]
    assert "t." in terminal.render(chosen)
    with pytest.raises(BenchError, match="No section is called 'nothing'") as caught:
        opened().only(["nothing"])
    assert "Verdict; Claims; Effects; Methods" in str(caught.value.hint)


def test_without_chief_sections_a_short_rendering_is_as_before() -> None:
    """Reports of other kinds show all that is not folded."""
    report = opened()
    plain = replace(report, sections=[replace(part, chief=False) for part in report.sections])
    assert "Of 2 claims …" in terminal.render(plain)
