"""Audits: what the post's figures say of each other, and what is said of a file that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bench.errors import BenchError
from bench.judge.audit.read import read_published
from bench.judge.audit.recompute import audit
from bench.plan.source import SuiteError

POST = Path(__file__).parents[2] / "suites" / "audits" / "post.toml"
INLINE = """\
title = "A paper"
[[comparisons]]
id = "one"
from = { mean = 5.0, sd = 1.0, n = 10 }
to = { mean = 3.0, sd = 1.0, n = 10 }
"""


def figures(path: Path, **options: int) -> pd.DataFrame:
    return audit(read_published(path), **options).figures.set_index(["comparison", "figure", "basis"]).sort_index()


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "paper.toml"
    path.write_text(INLINE)
    return path


def test_the_posts_tests_contradict_each_other() -> None:
    """A t of 2.1 is p 0.0501 and d 0.94, one of 2.8 is p 0.0118 and d 1.25: not the printed p and d."""
    found = figures(POST)
    basis = "t, n (independent)"
    for name, p, d in (("l2-macs", 0.0501, 0.94), ("l2-interference", 0.0118, 1.25)):
        assert round(found.loc[(name, "p", basis), "value"], 4) == p
        assert round(found.loc[(name, "d", basis), "value"], 2) == d
        assert (found.loc[[(name, "p", basis), (name, "d", basis)], "verdict"] == "inconsistent").all()


def test_configuration_8_from_its_own_means() -> None:
    """By its SDs, taken as populations', configuration 8 differs by t = 3.60 and d = 1.61; the printed t is 2.8."""
    rows = figures(POST).loc["configuration-8"].xs("means, SDs, n", level="basis")
    assert rows["value"].round(2)[["t", "d"]].to_dict() == {"t": 3.60, "d": 1.61}
    assert rows["verdict"].to_dict() == {"t": "inconsistent", "p": "consistent", "d": "consistent"}


def test_ddof_is_an_option() -> None:
    """Taken as SDs of samples, the same figures give t = 2.3333 / sqrt((1.448^2 + 1.2965^2) / 10) = 3.80."""
    rows = figures(POST, ddof=1).loc["configuration-8"].xs("means, SDs, n", level="basis")
    assert round(rows.loc["t", "value"], 2) == 3.80


def test_changes_are_checked_within_rounding() -> None:
    """-4.1 % fits 8.35 / 8.7022 - 1 = -4.05 % within rounding; 54.8 % (54.71 %) and +17.9 % (+21.8 %) do not fit."""
    changes = figures(POST).xs("change", level="figure")["verdict"].droplevel("basis")
    assert changes["configuration-7"] == "consistent"
    assert set(changes.index[changes == "inconsistent"]) == {"l2-sae-mse", "l1-increases-interference"}


def test_consistently_lower_is_false_for_configuration_7() -> None:
    """Of the L2 configurations, 7 lies above 2 and 6, and no other above any."""
    orders = audit(read_published(POST)).orders
    assert list(zip(orders["lower"], orders["higher"], strict=True)) == [("7", "2"), ("7", "6")]


@pytest.mark.parametrize(("mean", "contradicted"), [("8.3", False), ("8.4", False), ("8.5", True)])
def test_an_order_is_contradicted_only_beyond_rounding(toml: Path, mean: str, contradicted: bool) -> None:
    """A printed 8.4 may be 8.35, which is not above an 8.3 that may be 8.35; an 8.5 is above it for certain."""
    (toml.parent / "table.csv").write_text(f"name,metric,mean,std,n\na,loss,{mean},,10\nb,loss,8.3,,10\n")
    order = '[[orders]]\nid = "o"\nmetric = "loss"\nlower = ["a"]\nhigher = ["b"]\n'
    toml.write_text(f'title = "A paper"\ntable = "table.csv"\n{order}')
    assert (len(audit(read_published(toml)).orders) == 1) is contradicted


def test_confounded_comparisons_are_flagged() -> None:
    """From 1 to 4, reg and act change at once; in the post's table only 3 to 7 changes reg alone."""
    rows = audit(read_published(POST)).confounded.set_index("comparison")
    assert rows.loc["l2-interference", ["changed", "alone"]].tolist() == ["reg, act", "3 → 7"]
    assert "configuration-2" not in rows.index


def test_a_missing_sd_is_bounded_by_t() -> None:
    """Configuration 4 has no SD: t = 2.8 and 1's own SD imply sqrt(9 (1.5598 / 2.8)^2 - 1.448^2) = 0.834."""
    row = figures(POST).loc[("l2-interference", "SD of 4", "means, one SD, t")]
    assert row["value"] == pytest.approx((9 * (1.5598 / 2.8) ** 2 - 1.448**2) ** 0.5)
    assert row["low"] < row["value"] < row["high"]


@pytest.mark.parametrize(
    ("lines", "figure", "verdict"),
    [
        ("t = 4.47", "t", "consistent"),
        ("t = -4.47", "t", "consistent"),
        ("t = 5.2", "t", "inconsistent"),
        ("t = 4.47\ndf = 18", "df", "consistent"),
        ("t = 4.47\ndf = 9", "df", "inconsistent"),
        ("p = 1.2", "p", "impossible"),
        ('change = "-40%"', "change", "consistent"),
        ('change = "-45%"', "change", "inconsistent"),
        ("d = [1.9, 2.1]", "d", "consistent"),
    ],
)
def test_verdicts_on_figures(toml: Path, lines: str, figure: str, verdict: str) -> None:
    """Means 5 and 3 with SDs of 1 and ten runs each are t = 2 / sqrt(0.2) = 4.47 on 18 df, d = 2 and -40 %."""
    toml.write_text(INLINE + lines)
    found = audit(read_published(toml)).figures
    assert found.loc[found["figure"] == figure, "verdict"].iloc[0] == verdict


def test_an_impossible_t_is_bounded(toml: Path) -> None:
    """Whatever the SD that is missing, |t| cannot exceed 2.1 / sqrt(0.95^2 / 10) = 6.99."""
    toml.write_text(INLINE.replace("mean = 3.0, sd = 1.0", "mean = 3.0") + "t = 7.5\n")
    row = audit(read_published(toml)).figures.set_index("figure").loc["t"]
    assert row["verdict"] == "impossible"
    assert row["high"] == pytest.approx(2.1 / (0.95**2 / 10) ** 0.5)


def test_paired_and_one_sided_tests(toml: Path) -> None:
    """A paired t has n - 1 degrees of freedom; a p of half the size is called one-sided."""
    toml.write_text(INLINE + 't = 2.10\np = 0.033\ntest = "paired"\n')
    rows = audit(read_published(toml)).figures.set_index("figure")
    assert rows.loc["p", "value"] == pytest.approx(0.0651, abs=1e-4)
    assert (rows.loc["p", "verdict"], rows.loc["p", "note"]) == ("inconsistent", "it would fit a one-sided test")
    assert rows.loc["d", "value"] == pytest.approx(2.1 / 10**0.5)


def test_whole_numbers_have_possible_means(toml: Path) -> None:
    """28 whole numbers cannot have the mean 5.19."""
    toml.write_text(INLINE.replace("mean = 5.0, sd = 1.0, n = 10", "mean = 5.19, n = 28, integers = true"))
    rows = audit(read_published(toml)).figures.set_index("figure")
    assert rows.loc["mean of from", "verdict"] == "impossible"


def test_a_csv_of_comparisons(tmp_path: Path) -> None:
    """One row a comparison, with the digits as printed, says the same as TOML."""
    path = tmp_path / "figures.csv"
    header = "id,metric,from_mean,from_sd,from_n,to_mean,to_sd,to_n,t,p,d,change\n"
    path.write_text(f"{header}one,loss,5.0,1.0,10,3.0,1.0,10,4.47,<0.001,2.0,-40%\ntwo,loss,,,10,,,10,2.1,0.04,,\n")
    found = audit(read_published(path)).figures
    assert (found.loc[found["comparison"] == "one", "verdict"] == "consistent").all()
    assert found.loc[(found["comparison"] == "two") & (found["figure"] == "p"), "verdict"].tolist() == ["inconsistent"]


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "words"),
    [
        ("title", "titel", 1, 1, ['unknown key "titel"', 'Did you mean "title"']),
        ('id = "one"', 'ident = "one"', 3, 1, ['unknown key "ident"']),
        ("sd = 1.0, n = 10 }\nto", "std = 1.0, n = 10 }\nto", 4, 22, ['unknown key "std"', 'Did you mean "sd"']),
        ("n = 10 }\nto", "n = 1 }\nto", 4, 36, ["cannot be 1", "at least 2"]),
        ("mean = 5.0", 'mean = "five"', 4, 17, ['mean cannot be "five"', "digits that were printed"]),
        ("from = { mean = 5.0, sd = 1.0, n = 10 }", 'from = "one"', 4, 8, ['no row "one"']),
        ("mean = 5.0", "mean = nan", 4, 17, ['mean cannot be "NaN"']),
    ],
)
def test_faults_of_a_file_are_placed(toml: Path, old: str, new: str, line: int, column: int, words: list[str]) -> None:
    """Every fault has its line and column, and what is allowed there."""
    toml.write_text(INLINE.replace(old, new, 1))
    with pytest.raises(SuiteError) as raised:
        read_published(toml)
    assert f"paper.toml:{line}:{column}: " in str(raised.value)
    assert all(word in str(raised.value) for word in words), str(raised.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,t\none,2\n", "has no column from_n, to_n"),
        ("from_n,to_n,t\n10,10,two\n", 'row 1 has "two" for t'),
        ("from_n,to_n,t\n10,1,2\n", 'row 1 has "1" for to_n'),
        ("from_n,to_n,t,test\n10,10,2,anova\n", 'the test "anova"'),
    ],
)
def test_faults_of_a_table_name_the_row(tmp_path: Path, content: str, words: str) -> None:
    """A CSV that cannot be read says which column or row, and what was found there."""
    path = tmp_path / "figures.csv"
    path.write_text(content)
    with pytest.raises(BenchError, match=words):
        read_published(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    """A file of another kind, or none, is refused in words."""
    with pytest.raises(BenchError, match="neither"):
        read_published(tmp_path / "paper.pdf")
    with pytest.raises(BenchError, match="cannot be read"):
        read_published(tmp_path / "none.csv")
