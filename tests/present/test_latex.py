"""What is put into a paper shows what the report says, compiles, and fits the page."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure as Canvas
from pandas import DataFrame

import bench
from bench.present.render import latex
from bench.present.render.latex import COMMANDS, escape
from bench.present.report import SIGNS, Column, Report, Section, Table, plain
from tests.present.test_renderers import NASTY, toy_report

NOT_TEXT = {"progress.py", "terminal.py", "latex.py"}
"""Files of bench/present whose characters are drawn in terminals only, or are LaTeX already."""


@cache
def vocabulary() -> set[str]:
    """The characters beyond ASCII that a report's own words are written with."""
    sources = [path for path in Path(bench.__file__).parent.rglob("*.py") if path.name not in NOT_TEXT]
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {character for text in texts for character in text if not character.isascii()}


def test_latex_has_every_character_of_the_reports_own_words() -> None:
    """Whatever bench itself writes needs no font that LaTeX lacks."""
    assert vocabulary() > set("−×±→✓✗≈≠“”†")
    assert [character for character in vocabulary() if "U+" in escape(character)] == []


OPEN, CLOSE = "\N{LEFT SINGLE QUOTATION MARK}", "\N{RIGHT SINGLE QUOTATION MARK}"
MEANS = {command: character for character, command in COMMANDS.items()}
MEANS |= {"''": "”", "'": CLOSE, "`": OPEN, "--": "–", r"$\mu$": "μ"}
READ = re.compile(
    r"\\texttt\{U\+(?P<other>[0-9A-F]{4,})\}|(?P<known>"
    + "|".join(re.escape(command) for command in sorted(MEANS, key=len, reverse=True))
    + r")|(?P<empty>\{\})|(?P<itself>[^\\{}$&#^_%~])",
    re.DOTALL,
)


def read(source: str) -> str:
    """What LaTeX shows for what ``escape`` writes; an error where that holds anything else."""
    shown, at = "", 0
    while at < len(source):
        token = READ.match(source, at)
        assert token is not None, source[at:]
        other = chr(int(token["other"], 16)) if token["other"] else ""
        shown += MEANS[token["known"]] if token["known"] else other or token["itself"] or ""
        at = token.end()
    return shown


@given(st.one_of(NASTY, st.text(alphabet=f"-–'{CLOSE}”\"{OPEN}“`?!,<>[]* η²\\{{}}", max_size=12)))
def test_latex_shows_any_string_as_it_is(text: str) -> None:
    """Read as LaTeX reads it, an escaped string is the string, straight quotes as closing ones."""
    assert read(escape(text)) == plain(text).translate({ord("'"): CLOSE, ord('"'): "”", ord("µ"): "μ"})


def wide_and_long() -> Report:
    """Panels longer than a page, more columns than fit it, text longer than a line, and every awkward character."""
    said = [f"{sign} {verdict}" for verdict, sign in SIGNS.items()]
    odd = [
        "[0] first",
        "* star",
        'a "b" \\c{d} `e` ~^|<>',
        "é ü Ø ß ł ą",
        "λ_max ≤ 3 µm²",
        "你好 🎉 Ж",
        "--- ,, ''",
        "",
    ]
    names = [*said, *odd, "a longer name of a level, with words to break a line at, as users write them"]
    count = 70
    frame = DataFrame({"name": [names[index % len(names)] for index in range(count)], "flag": [True, False] * 35})
    for index in range(12):
        frame[f"x{index}"] = [(-1) ** row * row * 10.0 ** (index - 6) for row in range(count)]
    columns = (
        Column("Level [of β]", ("name",), key=True),
        Column("Verdict", ("name",), "verdict"),
        *(Column(f"Estimate {index}", (f"x{index}", "x5", "x6"), "interval") for index in range(4)),
        *(Column(f"Mean {index}", (f"x{index}", "x5"), "mean_sd") for index in range(4, 8)),
        *(Column(f"p {index}", (f"x{index}",), "p", mark="flag") for index in range(8, 10)),
        Column("Detail", ("x10",), "value", detail=True),
    )
    panels = [Table(f"Panel {index}: $x_{index}$", frame, columns, notes=["[A] note → 你"]) for index in range(2)]
    words = ["".join(sorted(vocabulary())), "é" * 3]
    few = Table("Few", DataFrame({"a": [0.5, 11.25], "b": [1, 2]}), [Column("a", ("a",), "value")])
    none = Table("None", frame[:0], columns)
    return Report("Odd: 你", {}, [Section("Ünïcode & more", words, exhibits=[*panels, few, none])])


def compiled(report: Report, folder: Path, options: str) -> str:
    """The log of a paper that inputs the report's tables."""
    (folder / "figures").mkdir()
    canvas = Canvas(figsize=(1, 1))
    canvas.savefig(folder / "figures" / "dot.pdf")
    (folder / "tables.tex").write_text(latex.render(report), encoding="utf-8")
    lines = [
        rf"\documentclass[{options}]{{article}}",
        r"\usepackage{booktabs,longtable,graphicx,pifont}",
        r"\begin{document}",
        r"\input{tables}",
        r"\end{document}",
    ]
    (folder / "paper.tex").write_text("\n".join(lines), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    log = (folder / "paper.log").read_text(encoding="latin-1")
    assert done.returncode == 0, log[-3000:]
    return log


@pytest.mark.parametrize(
    ("report", "options"), [(toy_report(), ""), (toy_report(), "twocolumn"), (wide_and_long(), "")]
)
def test_a_paper_compiles_and_its_tables_fit(report: Report, options: str, tmp_path: Path) -> None:
    """With the stated packages alone, no character is lost and no table is wider or longer than the page."""
    log = compiled(report, tmp_path, options)
    assert "Missing character" not in log
    assert re.findall(r"Overfull \\hbox \(\d\d", log) == []
    assert "Float too large" not in log


def test_a_caption_stands_alone() -> None:
    """It names section and table, says how to read it, and holds the notes; figures are included with theirs."""
    source = latex.render(toy_report())
    assert (
        r"\caption{Effects: Interference (lower is better). (3 more rows in the full report.) * adjusted p $<$ 0.05}"
        in source
    )
    assert r"\includegraphics[width=\linewidth,height=0.75\textheight,keepaspectratio]{figures/dot.pdf}" in source
    assert r"\caption{A dot. It is *small*.}\label{fig:dot}" in source


def test_of_the_appendices_a_paper_has_the_analysis_of_variance() -> None:
    """What a paper shows is set with its caption, whatever else is for looking up."""
    table = toy_report().sections[1].tables[0]
    anova = Section("Analysis of variance", ["Type II."], exhibits=[table], appendix=True, paper=True)
    source = latex.render(Report("t", {}, [anova, Section("Pairs", exhibits=[table], appendix=True)]))
    assert "Analysis of variance: Interference (lower is better). Type II." in source
    assert "Pairs" not in source


def test_an_analysis_in_latex_has_its_analysis_of_variance() -> None:
    """As Markdown has it, and the full report."""
    rows = [(a, b, seed, a + seed * b + seed**2) for a in (0, 1) for b in (0, 1) for seed in range(4)]
    analysis = bench.analyze(DataFrame(rows, columns=["a", "b", "seed", "loss"]), ["a", "b"], "seed", ["loss"])
    assert "Analysis of variance: loss" in latex.render(analysis.report())


def test_every_row_and_column_is_set_once() -> None:
    """However a table is split, each of its cells stands in it once, beside its keys; labels differ."""
    frame = DataFrame({"key": [f"k{row}" for row in range(90)]})
    frame = frame.assign(**{f"c{column}": [f"{row}.{column}x" for row in range(90)] for column in range(30)})
    columns = [Column("key", ("key",), key=True), *(Column(name, (name,)) for name in frame.columns[1:])]
    source = latex.render(Report("t", {}, [Section("S", exhibits=[Table("T", frame, columns)])]))
    cells = re.findall(r"\d+\.\d+x", source)
    assert sorted(cells) == sorted(frame.iloc[:, 1:].to_numpy().ravel())
    assert all(line.split(" & ")[0].strip() == f"k{line.split(' & ')[1].split('.')[0]}" for line in rows(source))
    labels = re.findall(r"\\label\{(.*?)\}", source)
    assert len(set(labels)) == len(labels) > 3


def rows(source: str) -> list[str]:
    """The lines of the bodies."""
    return [line for line in source.splitlines() if re.match(r"k\d", line)]
