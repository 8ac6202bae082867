"""To add a format, a section or a figure touches one file and one row, as docs/design.md says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from bench.present import sections
from bench.present.figures import style
from bench.present.files import destination, files
from bench.present.formats import FORMATS, Format
from bench.present.report import Figure, Report, Section
from bench.present.sections import analysis_sections
from bench.present.study import Study
from tests.present.test_build import simulated


def share(study: Study) -> Figure:
    """A figure of a file of its own."""

    def paint() -> style.Drawing:
        drawing, (axes,) = style.blank(1.0)
        axes.plot(study.analysis.terms["p"].sort_values())
        return drawing

    return Figure("share", "Ordered p. Of all terms.", "A rising line.", paint)


def ordered(study: Study) -> Iterator[Section]:
    """A section of a file of its own."""
    yield Section("Ordered p", ["How p lies."], exhibits=[share(study)])


def test_a_section_and_its_figure_are_a_function_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named in the list of sections, they stand in every format."""
    monkeypatch.setattr(sections, "ORDER", (*sections.ORDER, ordered))
    report = Report("t", {}, analysis_sections(simulated(1.0)))
    alone = report.only(["ordered p"])
    written = files(alone, "md", "json")
    assert "figures/share.svg" in written
    assert b"![A rising line.](figures/share.svg)" in written["report.md"]
    assert b"How p lies." in written["report.json"]


def test_a_format_is_a_function_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """``render`` of a module, named in the registry, makes a file of its own, at the place that the row says."""
    module = ModuleType("bench.present.render.outline")
    vars(module)["render"] = lambda report: "\n".join(section.title for section in report.sections)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(FORMATS, "outline", Format("report.outline", "outline"))
    report = Report("t", {}, [Section("One"), Section("Two")])
    assert files(report, "outline") == {"report.outline": b"One\nTwo"}
    assert str(destination("outline", None, "folder/")) == "folder/report.outline"
