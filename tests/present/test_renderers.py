"""Every renderer shows the whole of a report as it is written, whatever the user's strings hold."""

from __future__ import annotations

import io
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markupsafe import escape
from pandas import DataFrame, read_csv
from pandas.testing import assert_frame_equal
from rich.cells import cell_len

from bench.errors import BenchError
from bench.present import files, glossary
from bench.present.figures.style import Drawing
from bench.present.formats import FORMATS
from bench.present.render import comment, html, latex, markdown, terminal
from bench.present.render import json as as_json
from bench.present.report import Column, Figure, Report, Section, Table, plain

ELEMENTS = {
    "div",
    "h2",
    "h3",
    "p",
    "ul",
    "li",
    "dl",
    "dt",
    "dd",
    "span",
    "img",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}
HERE = Path(__file__).parent

EFFECTS = DataFrame(
    {
        "effect": ["reg: l1 → l2", "act: relu → gelu", "reg × act", "init: random → orthogonal"],
        "estimate": [-0.6612, 1.234e-3, np.nan, 42.1],
        "low": [-1.02, -0.101, np.nan, -np.inf],
        "high": [-0.3, 0.103, np.nan, np.inf],
        "t": [-2.8, 0.1, np.nan, 0.0],
        "df": [9.0, 9.0, np.nan, 7.4],
        "p": [0.0118, 0.04996, np.nan, 1.0],
        "p_adjusted": [0.03, 0.4, np.nan, 1.0],
        "survives": [True, False, False, False],
        "n": [10, 10, 0, 9],
    }
)

COLUMNS = (
    Column("Effect", ("effect",), key=True),
    Column("Change [95% CI]", ("estimate", "low", "high"), "interval"),
    Column("t", ("t",), "statistic"),
    Column("df", ("df",), "degrees"),
    Column("p", ("p",), "p"),
    Column("adjusted p", ("p_adjusted",), "p", mark="survives"),
    Column("seeds", ("n",), "count"),
)


DOT = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="3" fill="#0072b2"/></svg>'


class _Canvas:
    """In the place of a matplotlib figure: it saves a dot."""

    def savefig(self, written: io.BytesIO, **_: object) -> None:
        written.write(DOT.encode())

    def get_layout_engine(self) -> None:
        """It has none."""


def dot() -> Drawing:
    return Drawing(_Canvas())  # type: ignore[arg-type]


def toy_report() -> Report:
    """A small report that has everything a report can have."""
    table = Table(
        "Interference (lower is better)", EFFECTS, COLUMNS, headline="survives", notes=["* adjusted p < 0.05"]
    )
    picture = Figure("dot", "A dot. It is *small*.", "A dot [in the middle].", dot)
    return Report(
        "toy: 4 cells × 10 seeds",
        {"Commit": "0123abc", "Platform": "x86_64"},
        [
            Section(
                "State",
                ["38 of 40 jobs are ok. " * 6],
                ["one <b>point</b>", "a [link](http://x) | a_b *c* $d$"],
                {"✓ less-noise, supported": "It is *so*.", "Lost": "2 jobs."},
                verdict=True,
            ),
            Section("Effects", exhibits=[picture, table]),
            Section("Everything", ["Text of the appendix."], exhibits=[table], appendix=True),
        ],
        {"contrasts": EFFECTS},
    )


NASTY = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="ab1 |\\`*_~[]()<>!&#-+=.:/\n\t\x1b;x", max_size=30),
)


def report_of(text: str) -> Report:
    """A report that shows ``text`` in every place that can hold a user's string."""
    table = Table(text, DataFrame({"a": [text]}), [Column(text, ("a",), key=True)], notes=[text])
    picture = Figure("dot", text, text, dot)
    return Report(text, {text: text}, [Section(text, [text], [text], {text: text}, [picture, table])])


@pytest.mark.parametrize(
    ("name", "rendered"),
    [
        ("toy.80.txt", lambda: terminal.render(toy_report(), width=80)),
        ("toy.200.full.txt", lambda: terminal.render(toy_report(), width=200, full=True)),
        ("toy.md", lambda: markdown.render(toy_report())),
        ("toy.json", lambda: as_json.render(toy_report())),
        ("toy.html", lambda: html.fragment(toy_report()) + "\n"),
        ("toy.tex", lambda: latex.render(toy_report())),
    ],
)
def test_snapshot(name: str, rendered: Callable[[], str]) -> None:
    """The toy report looks exactly as when a person last looked at it (BENCH_SNAPSHOT=1 writes it anew)."""
    path = HERE / name
    if os.environ.get("BENCH_SNAPSHOT"):
        path.write_text(rendered(), encoding="utf-8")
    assert rendered() == path.read_text(encoding="utf-8")


def test_a_verdict_keeps_its_sign() -> None:
    """No line breaks between the sign of a verdict and its first word; later words may wrap."""
    columns = [Column("Claim", ("claim",), key=True), Column("Verdict", ("verdict",), "verdict")]
    table = Table("t", DataFrame({"claim": ["a b"], "verdict": ["supported jointly with act"]}), columns)
    assert "| a b " in (shown := markdown.render(Report("t", {}, [Section("s", exhibits=[table])])))
    assert "~\N{NO-BREAK SPACE}supported jointly with act" in shown


@settings(max_examples=500)
@given(NASTY)
def test_markdown_shows_any_string_as_it_is(text: str) -> None:
    """A Markdown parser reads back the very string from heading, paragraph, picture, caption, header, cell and note."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    source = markdown.render(report_of(text))
    inline = [token for token in parser.parse(source) if token.type == "inline"]
    kinds = {child.type for token in inline for child in token.children or []}
    assert kinds <= {"text", "text_special", "image", "strong_open", "strong_close"}
    leaves = [[leaf for child in token.children or [] for leaf in child.children or [child]] for token in inline]
    shown = ["".join(leaf.content for leaf in token) for token in leaves]
    wanted = plain(text)
    assert set(shown) <= {wanted, f"{wanted}: {wanted}"}
    if wanted:
        assert len(shown) == 11


def test_markdown_captions_are_no_headings() -> None:
    """The outline that GitHub makes of the headings lists the sections, each once."""
    headings = re.findall(r"^#+ .*", markdown.render(toy_report()), re.MULTILINE)
    assert headings == ["# toy: 4 cells × 10 seeds", "## State", "## Effects", "## Everything"]


def test_numbers_of_markdown_are_never_broken() -> None:
    """An estimate and its interval stay on one line however narrow a table is shown; names may be broken."""
    rendered = markdown.render(toy_report())
    assert "−0.66\N{NO-BREAK SPACE}[−1.02,\N{NO-BREAK SPACE}−0.30]" in rendered
    assert "reg: l1 → l2 " in rendered


def test_a_comment_is_what_github_takes() -> None:
    """A comment has no pictures, names what it leaves out, and is cut at a line where it would be refused."""
    whole = comment.render(toy_report())
    assert "dot" not in whole.lower()
    assert "Text of the appendix" not in whole
    assert whole.endswith("\nThe whole report has more: Everything.\n")
    assert comment.render(toy_report(), most=len(whole)) == whole
    for most in (len(whole) - 1, 500):
        cut = comment.render(toy_report(), most=most)
        kept = cut.partition("\nCut here")[0]
        assert len(cut) <= most
        assert whole.startswith(f"{kept}\n")
        assert "Everything" in cut


@given(NASTY)
def test_html_shows_any_string_as_it_is(text: str) -> None:
    """An HTML parser finds only our own elements, and the very string in each of them."""

    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.tags: set[str] = set()
            self.texts: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
            self.tags.add(tag)

        def handle_data(self, data: str) -> None:
            self.texts.append(data)

    reader = Reader()
    reader.feed(html.fragment(report_of(text)))
    reader.close()
    assert reader.tags <= ELEMENTS
    assert {shown for shown in reader.texts if not shown.isspace()} <= {plain(text)}


@given(NASTY)
def test_a_page_shows_any_string_as_it_is(text: str) -> None:
    """In the whole page, too, an HTML parser finds our own elements only, and the string wherever text stands."""
    text = plain(text).replace(". ", ".")  # a caption is parted behind its first sentence
    page, empty = (re.sub(r'<a class="term"[^>]*>(.*?)</a>', r"\1", html.render(report_of(it))) for it in (text, "x"))
    page, empty = (re.sub(r'<p class="note terms">.*</p>', "", it) for it in (page, empty))
    assert re.findall(r"<[a-z/!][^ >]*", page) == re.findall(r"<[a-z/!][^ >]*", empty)
    assert page.count(str(escape(plain(text))) or "x") >= empty.count(">x<")


@given(NASTY)
def test_every_link_of_a_page_leads_somewhere(text: str) -> None:
    """Whatever sections and tables are called, anchors are different, and every link has the one it names."""
    report = report_of(text)
    twice = html.render(Report(text, {}, [*report.sections, *report.sections]))
    anchors = re.findall(r' id="([^"]*)"', re.sub(r"<svg.*?</svg>", "", twice))
    assert len(anchors) == len(set(anchors)) == 8 + len(glossary.TERMS)
    assert set(re.findall(r' href="#([^"]*)"', twice)) <= set(anchors)


def test_anchors_are_the_words_of_titles() -> None:
    """A link survives when another section is added: it is made of titles, not of positions."""
    page = html.render(toy_report())
    anchors = ["effects", "effects-a-dot", "effects-interference-lower-is-better"]
    assert all(f' id="{anchor}"' in page for anchor in anchors)


def test_verdicts_are_told_apart_by_their_signs() -> None:
    """A table of verdicts highlights no row for its p; each verdict has a sign, and a tone for who sees colours."""
    frame = DataFrame(
        {"claim": list("abc"), "verdict": ["supported", "refuted", "inconclusive"], "p": [0.01, 0.02, 0.9]}
    )
    columns = [Column("Claim", ("claim",), key=True), Column("Verdict", ("verdict",), "verdict")]
    columns.append(Column("p", ("p",), "p", mark="starred"))
    table = Table("Claims", frame.assign(starred=frame["p"] < 0.05), columns)
    page = html.render(Report("t", {}, [Section("s", exhibits=[table])]))
    assert "0.010 *" in page
    assert 'class="marked"' not in page
    assert re.findall(r'<span class="(\w+)">(.) ', page) == [("good", "✓"), ("bad", "✗"), ("open", "?")]


@given(NASTY, st.integers(40, 200))
def test_terminal_never_exceeds_its_width(text: str, width: int) -> None:
    """No line is wider than the terminal, no control sequence of a user's string reaches it, and no markup is read."""
    rendered = terminal.render(report_of(text), width=width)
    assert all(cell_len(line) <= width for line in rendered.split("\n"))
    assert "\x1b" not in rendered


def test_rows_of_a_wide_table_are_stacked() -> None:
    """What does not fit beside the names of the rows stands below them, under its heading; no key is repeated."""
    frame = DataFrame({f"c{index}": [f"{row}.{index}" for row in range(2)] for index in range(30)})
    columns = [Column(f"column {index}", (f"c{index}",), "text", key=index == 0) for index in range(30)]
    rendered = terminal.render(Report("t", {}, [Section("s", exhibits=[Table("wide", frame, columns)])]), width=80)
    lines = rendered.splitlines()
    assert sorted(re.findall(r"column \d+", rendered)) == sorted(column.label for column in columns)
    assert sorted(re.findall(r"\d\.\d+", rendered)) == sorted(frame.to_numpy().ravel())
    assert max(map(len, lines)) <= 80
    first, second = (next(at for at, line in enumerate(lines) if line.startswith(f"{row}.0 ")) for row in range(2))
    assert all(line.startswith("  0.") for line in lines[first + 1 : second])


@pytest.mark.parametrize("width", [50, 80, 120, 200])
def test_numbers_of_a_table_are_never_broken(width: int) -> None:
    """However narrow, an estimate and its interval stay on one line."""
    assert "−0.66 [−1.02, −0.30]" in terminal.render(toy_report(), width=width, full=True)


def test_files_hold_what_the_report_refers_to() -> None:
    """Markdown comes with its figures, and tables as CSV read back as the frames."""
    made = files.files(toy_report(), "md")
    assert list(made) == ["report.md", "figures/dot.svg"]
    assert b"(figures/dot.svg)" in made["report.md"]
    assert made["figures/dot.svg"] == toy_report().sections[1].figures[0].svg
    assert "dot.svg" not in markdown.render(toy_report(), figures=None)
    assert b"dot.svg" not in files.printed(toy_report(), "md")
    assert files.printed(toy_report(), "html") == files.files(toy_report(), "html")["report.html"]
    assert list(files.files(toy_report(), "md", stem="appendix")) == ["report.md", "appendix-figures/dot.svg"]
    table = files.files(toy_report(), "csv")["contrasts.csv"]
    assert_frame_equal(read_csv(io.BytesIO(table)), EFFECTS)


def test_several_formats_are_the_files_of_each() -> None:
    """All at once: the same bytes as one by one, the tables in a folder of their own, each picture in its format."""
    report, one = toy_report(), {form: files.files(toy_report(), form) for form in FORMATS}
    tables = {f"tables/{name}": table for name, table in one.pop("csv").items()}
    assert files.files(report, *FORMATS) == {
        **tables,
        **{name: data for made in one.values() for name, data in made.items()},
    }
    assert report.sections[1].figures[0].made.keys() == {"svg", "pdf"}


@pytest.mark.parametrize("form", ["csv", "all"])
def test_a_folder_is_no_file(form: str, tmp_path: Path) -> None:
    """What is several files goes to a folder: the run's or one that is named, not stdout, nor the name of a file."""
    assert files.destination(form, None, f"{tmp_path}/some") == tmp_path / "some"
    assert files.destination(form, tmp_path, None) == tmp_path / ("tables" if form == "csv" else "")
    for folder, output in ((tmp_path, "-"), (None, None), (tmp_path, "tables.csv")):
        with pytest.raises(BenchError, match="a folder of"):
            files.destination(form, folder, output)


def test_csv_reads_back_exactly() -> None:
    """Read as docs/report.md says, every number and a level called NA come back, no text as NaN; no rows, no file."""
    frame = DataFrame({"level": ["NA", "", "1e3, x"], "x": [0.1 + 0.2, np.nan, -np.inf]})
    made = files.files(Report("t", {}, [], {"some": frame, "none": frame[:0]}), "csv")
    assert list(made) == ["some.csv"]
    back = read_csv(io.BytesIO(made["some.csv"]), keep_default_na=False, na_values=[""])
    assert_frame_equal(back, frame.replace({"level": {"": np.nan}}), check_exact=True)


def test_an_unknown_format_is_refused() -> None:
    """The error names the formats that there are."""
    with pytest.raises(BenchError, match="Known: md, comment, html, json, latex, csv"):
        files.files(toy_report(), "docx")


def test_pictures_follow_the_colours_of_the_page() -> None:
    """In a page a picture is named, described, and has no colour of its own."""
    drawn = html.embedded(toy_report().sections[1].figures[0])
    assert "var(--fig-1)" in drawn
    assert "#0072b2" not in drawn
    spoken = replace(toy_report().sections[1].figures[0], alt="#0072b2")
    assert ">#0072b2</desc>" in html.embedded(spoken)
    assert '<desc id="dot-desc">A dot [in the middle].</desc>' in drawn


def test_significance_needs_no_color() -> None:
    """Without colour a surviving effect still carries its star, and color=True adds escapes but no other text."""
    assert "0.030 *" in terminal.render(toy_report(), width=80)
    assert "\x1b[1m" in terminal.render(toy_report(), width=80, color=True)


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR set, no colour code is written even if colour was asked for."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in terminal.render(toy_report(), width=80, color=True)


def test_json_is_strict_and_lossless() -> None:
    """A strict JSON parser reads every number back exactly; NaN and the infinities come as named strings."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    content = json.loads(as_json.render(toy_report()), parse_constant=refuse)
    assert content["schema_version"] == 2
    for row, (_, expected) in zip(content["contrasts"], EFFECTS.iterrows(), strict=True):
        estimate = float(row["estimate"])
        assert estimate == expected["estimate"] or (math.isnan(estimate) and row["estimate"] == "nan")
        assert float(row["low"]) == expected["low"] or math.isnan(float(row["low"]))
