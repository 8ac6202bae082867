"""Every renderer shows the whole of a report as it is written, whatever the user's strings hold."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pandas import DataFrame
from rich.cells import cell_len

from bench.present import html, markdown, terminal
from bench.present import json as as_json
from bench.present.report import Column, Report, Section, Table, plain

ELEMENTS = {"div", "h2", "h3", "p", "ul", "li", "table", "caption", "thead", "tbody", "tr", "th", "td"}
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
    Column("adjusted p", ("p_adjusted", "survives"), "p_marked"),
    Column("seeds", ("n",), "count"),
)


def toy_report() -> Report:
    """A small report that has everything a report can have."""
    table = Table(
        "Interference (lower is better)", EFFECTS, COLUMNS, headline="survives", notes=["* adjusted p < 0.05"]
    )
    return Report(
        "toy: 4 cells × 10 seeds",
        {"Commit": "0123abc", "Platform": "x86_64"},
        [
            Section("State", ["38 of 40 jobs are ok. " * 6], ["one <b>point</b>", "a [link](http://x) | a_b *c* $d$"]),
            Section("Effects", tables=[table]),
            Section("Everything", ["Text of the appendix."], tables=[table], appendix=True),
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
    return Report(text, {text: text}, [Section(text, [text], [text], [table])])


@pytest.mark.parametrize(
    ("name", "rendered"),
    [
        ("toy.80.txt", lambda: terminal.render(toy_report(), width=80)),
        ("toy.200.full.txt", lambda: terminal.render(toy_report(), width=200, full=True)),
        ("toy.md", lambda: markdown.render(toy_report())),
        ("toy.json", lambda: as_json.render(toy_report())),
        ("toy.html", lambda: html.fragment(toy_report()) + "\n"),
    ],
)
def test_snapshot(name: str, rendered: Callable[[], str]) -> None:
    """The toy report looks exactly as when a person last looked at it (BENCH_SNAPSHOT=1 writes it anew)."""
    path = HERE / name
    if os.environ.get("BENCH_SNAPSHOT"):
        path.write_text(rendered(), encoding="utf-8")
    assert rendered() == path.read_text(encoding="utf-8")


@settings(max_examples=500, deadline=None)
@given(NASTY)
def test_markdown_shows_any_string_as_it_is(text: str) -> None:
    """A Markdown parser reads back the very string from heading, paragraph, point, caption, header, cell and note."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    source = markdown.render(report_of(text))
    inline = [token for token in parser.parse(source) if token.type == "inline"]
    kinds = {child.type for token in inline for child in token.children or []}
    assert kinds <= {"text", "text_special"}
    shown = ["".join(child.content for child in token.children or []) for token in inline]
    wanted = [plain(text)] * len(shown)
    assert shown == wanted
    if plain(text):
        assert len(shown) == 8


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
    assert set(reader.texts) <= {plain(text)}


@given(NASTY, st.integers(40, 200))
def test_terminal_never_exceeds_its_width(text: str, width: int) -> None:
    """No line is wider than the terminal, no control sequence of a user's string reaches it, and no markup is read."""
    rendered = terminal.render(report_of(text), width=width)
    assert all(cell_len(line) <= width for line in rendered.split("\n"))
    assert "\x1b" not in rendered


def test_terminal_shows_every_column_of_a_wide_table() -> None:
    """A table wider than the terminal is split into groups of columns, each headed by the key columns."""
    frame = DataFrame({f"c{index}": [index] for index in range(30)})
    columns = [Column(f"column {index}", (f"c{index}",), "count", key=index == 0) for index in range(30)]
    rendered = terminal.render(Report("t", {}, [Section("s", tables=[Table("wide", frame, columns)])]), width=80)
    assert all(f"column {index}" in rendered for index in range(30))
    assert rendered.count("column 0 ") > 1


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
    assert content["schema_version"] == 1
    for row, (_, expected) in zip(content["contrasts"], EFFECTS.iterrows(), strict=True):
        estimate = float(row["estimate"])
        assert estimate == expected["estimate"] or (math.isnan(estimate) and row["estimate"] == "nan")
        assert float(row["low"]) == expected["low"] or math.isnan(float(row["low"]))
